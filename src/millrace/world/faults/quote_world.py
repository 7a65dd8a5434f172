"""The quote desk in a world that goes wrong: books with gaps and wrong digits, orders that fail, a program that dies.

It is the fault world with another venue and other oracles. A wrong digit is one of a size where the books of a symbol
carry checksums, and elsewhere one of a message's number: what no venue shows until the next scheduled comparison nobody
could know. In half of the worlds an operator moves the ramp, to and fro, while all this happens.
"""

from typing import Final

from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.events import EndStatus, Operator, Scalar
from millrace.sim.depth.book_faults import BookFault, BookFaultMenu, BookFaults
from millrace.sim.depth.records import DepthRecord, Shown, Traded, encode_record
from millrace.sim.depth.venue import DepthVenue
from millrace.sim.dice import Dice
from millrace.sim.faults import Faults
from millrace.world.demo import FIRST_NS
from millrace.world.faults.fault_plan import Deed, Kind
from millrace.world.faults.fault_world import FaultWorld
from millrace.world.faults.quote_oracles import QuoteOracles
from millrace.world.faults.quote_premises import QuotePremises
from millrace.world.folder.run_folder import Run
from millrace.world.quoting.desk import depth_venue, quote_markets

_SYMBOLS: Final = (2, 3, 5)
_TEMPOS: Final = (0.3, 0.6, 1.0)
_BOOK_SHARES_PPM: Final = (2_000, 10_000, 30_000)
_DIGITS_PPM: Final = 5_000
"""How often a message has a wrong digit all the while, in worlds with checksums."""
_WORDS: Final = 64
_STEPS_PCT: Final = (0, 25, 50, 100)
_HALF_PPM: Final = 500_000
_SLOW_MS: Final = (300.0, 60.0, 30.0)
"""Limits for a venue's first answer: the usual one, one that only late answers break, and one that is always broken."""


class QuoteWorld(FaultWorld):
    """One world of the quote desk alone."""

    @property
    def _ramps(self) -> bool:
        """Whether an operator of this world moves the ramp."""
        return Dice(self.seed, "quotes").often(_HALF_PPM, "ramps")

    def _drawn(self, life: int) -> Settings:
        del life  # what the desk is told stays for the run
        dice = Dice(self.seed, "quotes")

        symbols = _SYMBOLS[dice.draw("symbols") % len(_SYMBOLS)]

        def half(name: str) -> bool:
            return dice.draw(name) % 2 == 0

        chosen: dict[str, Scalar] = {
            "run.seed": self.seed,
            "slots.enabled": False,
            "arb.enabled": False,
            "quoting.enabled": True,
            "quoting.symbols": symbols,
            "quoting.checksummed": dice.draw("checksums") % (symbols + 1),
            "quoting.tempo": _TEMPOS[dice.draw("tempo") % len(_TEMPOS)],
            "quoting.queue": ("log", "power", "risk_averse")[dice.draw("queue") % 3],
            "quoting.profile": "compat" if dice.draw("profile") % 4 == 0 else "live",
            "quoting_emit.levels": 1 + dice.draw("levels") % 3,
            "quoting_emit.max_position_usd": 300.0 if half("small") else 5_000.0,
            "quoting_risk_guards.inventory_hard_pct": 90.0 if half("inventory") else 10.0,
            "quoting_market_guard.resume_sec": 10,
            "quoting_rollout.start_pct": _STEPS_PCT[dice.draw("start") % len(_STEPS_PCT)] if self._ramps else 100,
            "slo.submit_ack_ms": _SLOW_MS[dice.draw("slow") % len(_SLOW_MS)],
        }
        return load_settings(overrides={**chosen, **self._changes})

    def _build(self) -> None:
        markets, rules = quote_markets(self.settings), depth_venue(self.settings)
        assert markets is not None  # noqa: S101  the settings switch the desk on
        assert rules is not None  # noqa: S101  the same
        self.depth = DepthVenue(rules, self._depth_record)
        self.quote_oracles = QuoteOracles(self.depth, self.settings)
        self.oracles = self.quote_oracles
        share = _BOOK_SHARES_PPM[Dice(self.seed, "book share").draw(0) % len(_BOOK_SHARES_PPM)]
        menus = [BookFaultMenu(one.seed, share, one.from_ns, one.until_ns) for one in self.plan.menus]
        if self.settings.quote_desk.checksummed:
            quiet_ns = self.plan.quiet_ns
            menus.append(BookFaultMenu(self.seed, _DIGITS_PPM, FIRST_NS, quiet_ns, (BookFault.CORRUPT,)))
        self.premises = QuotePremises(
            self.depth, Faults(*self.plan.menus), BookFaults(*menus).fate, markets, FIRST_NS, self.plan.end_ns,
            self._committing, self.oracles.sending, self._assembled,
        )  # fmt: skip
        self.oracles.attach(None, self.premises.books, self.premises.kill_file)

    def _depth_record(self, record: DepthRecord) -> None:
        if not isinstance(record, Shown | Traded):
            self._hash.update(encode_record(record))
        self.quote_oracles.depth_record(record)

    def _let_trade(self) -> None:
        """Have an operator quote every paused symbol again."""
        for instrument in self.depth.settings.instruments:
            self._operate(Operator("resume_symbol", {"symbol": instrument.id.symbol}, self.now_ns))

    def _wish(self, draw: int, run: Run) -> Operator:
        del run
        if self._ramps and draw >> 49 & 1:
            return Operator("quoting_ramp", {"pct": _STEPS_PCT[(draw >> 50) % len(_STEPS_PCT)]}, self.now_ns)
        instruments = self.depth.settings.instruments
        symbol: dict[str, Scalar] = {"symbol": instruments[(draw >> 8) % len(instruments)].id.symbol}
        wishes: tuple[tuple[str, dict[str, Scalar]], ...] = (
            ("quoting_status", {}),
            ("quoting_positions", {}),
            ("pause_symbol", {**symbol, "reason": "a world's operator"}),
            ("resume_symbol", symbol),
            ("clear_ban", symbol),
            ("reconcile_drift", {"confirm": bool(draw >> 48 & 1)}),
        )
        action, args = wishes[draw % len(wishes)]
        return Operator(action, args, self.now_ns)

    def _venue_acts(self, deed: Deed) -> None:
        if deed.kind is Kind.VENUE_RESTART:
            self.depth.restart(self.now_ns)
            return
        status, reason = EndStatus.CANCELLED, "purged"
        if deed.kind is Kind.EXPIRY:
            status, reason = EndStatus.EXPIRED, "expired"
        for number, order in enumerate(self.depth.open_orders()):
            if deed.draw >> number % _WORDS & 1:
                self.premises.lines[0].answer(self.depth.end_order(order.client_id, self.now_ns, status, reason))

    def _sums(self, run: Run) -> None:
        """Have no running sums but those that the oracles compare."""
        del run
