"""The arbitrage desk in a world that goes wrong: two venues, up to two hundred markets, legs that fail each by itself.

It is the fault world with other venues and other oracles. Any call of any leg is lost, refused, answered late or twice,
the program dies at every place, and all the while markets move, end and pay. Opportunities are many, because a world
lasts minutes.
"""

from hashlib import blake2b
from typing import Final

from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.events import EndStatus, Operator, Scalar
from millrace.sim.dice import Dice
from millrace.sim.faults import FaultMenu, Faults
from millrace.sim.prediction.venue import PredictionVenue
from millrace.sim.prediction.venue_records import PredictionRecord, Shown, encode_record
from millrace.strategies.arb.model import LANES
from millrace.world.arb.desk import desk_markets, prediction_venues
from millrace.world.demo import FIRST_NS
from millrace.world.faults.desk_oracles import DeskOracles, Venues
from millrace.world.faults.desk_premises import DeskPremises
from millrace.world.faults.fault_plan import Deed, Kind
from millrace.world.faults.fault_world import FaultWorld
from millrace.world.folder.run_folder import Run

_MARKETS: Final = (100, 150, 200)
_PLANTS: Final = (160.0, 320.0)
_QUOTES: Final = (4.0, 8.0)
_PRINTS: Final = (20.0, 60.0)
_WORDS: Final = 64
_EAGER: Final[dict[str, Scalar]] = {
    "arb_desk.market_cooldown_sec": 0.0,
    "arb_desk.opportunity_cooldown_sec": 5.0,
    "arb_stake.looks": 1,
    "arb_gates.min_profit_usd": 0.05,
    "arb_gates.min_fill": 0.05,
    "arb_economics.arrival_least_sec": 10.0,
    "arb_economics.arrival_least_trades": 1.0,
    "arb_economics.maker_fill": 0.02,
}
"""A world lasts minutes, so the desk may act on everything, again and again, and rest where hardly anybody trades."""


class DeskWorld(FaultWorld):
    """One world of the desk alone."""

    def _drawn(self, life: int) -> Settings:
        del life  # what a desk is told stays for the run; the grid's worlds change settings
        dice = Dice(self.seed, "desk")
        chosen: dict[str, Scalar] = {
            "run.seed": self.seed,
            "slots.enabled": False,
            "arb.enabled": True,
            "prediction.markets": _MARKETS[dice.draw("markets") % len(_MARKETS)],
            "prediction.plants_per_hour": _PLANTS[dice.draw("plants") % len(_PLANTS)],
            "prediction.quotes_per_sec": _QUOTES[dice.draw("quotes") % len(_QUOTES)],
            "prediction.prints_per_sec": _PRINTS[dice.draw("prints") % len(_PRINTS)],
            "arb_economics.makers": dice.draw("makers") % 4 > 0,
            "prediction.plants_within_sec": 480,
            "prediction.early_share": 0.8,
            "prediction.early_within_sec": 510,
            **_EAGER,
        }
        return load_settings(overrides={**chosen, **self._changes})

    def _build(self) -> None:
        markets = desk_markets(self.settings)
        assert markets is not None  # noqa: S101  the settings switch the desk on
        rules = prediction_venues(self.settings)
        self.venues = {one.venue: PredictionVenue(one, self._prediction_record) for one in rules}
        opening = {(one.venue, asset): amount for one in rules for asset, amount in one.opening.items()}
        self.desk_oracles = DeskOracles(markets.outcomes, opening, Venues(self.venues))
        self.oracles = self.desk_oracles
        faults = {venue: Faults(*(_own(menu, venue) for menu in self.plan.menus)) for venue in self.venues}
        self.premises = DeskPremises(
            self.venues, faults, markets, FIRST_NS, self.plan.end_ns,
            self._committing, self.oracles.sending, self._assembled,
        )  # fmt: skip
        self.oracles.attach(None, self.premises.books, self.premises.kill_file)

    def _prediction_record(self, record: PredictionRecord) -> None:
        if not isinstance(record, Shown):
            self._hash.update(encode_record(record))
        self.desk_oracles.prediction_record(record)

    def _let_trade(self) -> None:
        """Have an operator look at exposures and let every lane open baskets again."""
        seen: dict[str, Scalar] = {"operator": "world", "reason": "seen"}
        self._operate(Operator("acknowledge", seen, self.now_ns))
        for lane in LANES:
            self._operate(Operator("resume_lane", {"lane": lane.value}, self.now_ns))

    def _wish(self, draw: int, run: Run) -> Operator:
        del run
        lane: dict[str, Scalar] = {"lane": LANES[(draw >> 8) % len(LANES)].value}
        wishes: tuple[tuple[str, dict[str, Scalar]], ...] = (
            ("arb_status", {}),
            ("arb_positions", {}),
            ("pause_lane", {**lane, "reason": "a world's operator"}),
            ("resume_lane", lane),
            ("acknowledge", {"operator": "world", "reason": "seen"}),
            ("reconcile_drift", {"confirm": bool(draw >> 48 & 1)}),
        )
        action, args = wishes[draw % len(wishes)]
        return Operator(action, args, self.now_ns)

    def _venue_acts(self, deed: Deed) -> None:
        status, reason = EndStatus.CANCELLED, "purged"
        if deed.kind is Kind.EXPIRY:
            status, reason = EndStatus.EXPIRED, "expired"
        for line, venue in zip(self.premises.lines, (self.venues[name] for name in sorted(self.venues)), strict=True):
            for number, order in enumerate(venue.open_orders()):
                told = venue.end_order(order.client_id, self.now_ns, status, reason)
                if deed.kind is not Kind.VENUE_RESTART and deed.draw >> number % _WORDS & 1:
                    line.answer(told)

    def _sums(self, run: Run) -> None:
        """Have every basket's capital accounted for: the desk counts no basket that holds nothing and works nothing."""
        del run


def _own(menu: FaultMenu, venue: str) -> FaultMenu:
    """Return a menu of one venue alone: what goes wrong at one says nothing about the other."""
    digest = blake2b(f"{menu.seed}/{venue}".encode(), digest_size=8).digest()
    return FaultMenu(
        int.from_bytes(digest, "little"),
        menu.share_ppm,
        menu.news_share_ppm,
        menu.from_ns,
        menu.until_ns,
        menu.longest_delay_ns,
        menu.overtaking_ns,
        menu.retry_after_ns,
        menu.call_faults,
        menu.news_faults,
    )
