"""One symbol at the desk: its reducers, its orders, its memory, and when it must be looked at next.

Whatever happens to a symbol costs that symbol alone. A tick is due when something happened, but no sooner than the
least time after the last one; a symbol that has orders out, or may not quote, is looked at again without news, so that
old orders end, halts are left and what a throttle held back is decided anew.
"""

from typing import Any

import msgspec

from millrace.core.commands import Intent, OrderState, OrderUpdate, Refused, Side
from millrace.core.events import Print, RejectReason
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, Lots
from millrace.core.probe import TickProbe
from millrace.strategies.quoting.canonical import ResultChain
from millrace.strategies.quoting.features.queue_tracker import QueueTracker, model_of
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.model import (
    BPS,
    Allocation,
    Features,
    IntentKind,
    OrderIntent,
    PortfolioSnapshot,
    Quote,
)
from millrace.strategies.quoting.quotes.state import undone
from millrace.strategies.quoting.rollout.legacy import legacy_settings
from millrace.strategies.quoting.rollout.two_paths import Decided, TwoPaths
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tally import SymbolTally
from millrace.strategies.quoting.terms import terms_of
from millrace.strategies.quoting.tick_result import TickResult
from millrace.strategies.quoting.working import Heard, Order, Working

GROUP, LEG = "quotes", "net"
NEVER_NS = 2**63 - 1
_MS = 1_000_000
POOR_NS = 30_000_000_000
"""How long a side without money is left alone before it is tried again."""
_TOLD_NS = 3_600_000_000_000
"""A side that had money for so long is worth another word to a person."""


class _Saved(msgspec.Struct):
    paths: Any
    orders: list[Order]
    number: int
    ticked_ns: int
    due_ns: int
    exposure_usd: float
    day_pnl: float
    latency_p95_ms: float | None
    waits: bool
    wanted: tuple[Quote, ...]
    poor_until_ns: dict[str, int]
    reducer: dict[str, Any]
    queues: list[list[Any]]
    chain: str
    tally: dict[str, Any]


class QuotedSymbol:
    """All of one symbol; the desk hands it events and asks it for ticks."""

    def __init__(self, strategy: str, instrument: Instrument, settings: QuotingSettings) -> None:
        self.instrument = instrument
        self.symbol = instrument.id.symbol
        self.position = SubPosition(strategy, instrument.id, GROUP, LEG)
        self.config = settings.for_symbol(self.symbol)
        self.terms = terms_of(instrument, can_amend=self.config.emit.can_amend)
        self.reducer = SymbolReducer(self.terms, settings)
        queue = self.config.queue_aware
        self.queues = QueueTracker(model_of(self.terms, queue), own_in_book=queue.own_in_book)
        self.working = Working(self.position)
        self.tally = SymbolTally()
        self.chain = ResultChain(settings.trace.golden_interval)
        legacy = legacy_settings(settings).for_symbol(self.symbol)
        self.paths = TwoPaths(self.config, legacy, settings.rollout, shadows=settings.pipeline.enabled)
        surplus = instrument.price_decimals + instrument.lot_decimals - instrument.quote_decimals
        self.cost_of_tick_lot = 10.0**-surplus
        """Quote money that one lot costs at one tick."""
        self.number = 0
        self.ticked_ns = 0
        self.due_ns = NEVER_NS
        self.exposure_usd = 0.0
        self.day_pnl = 0.0
        self.latency_p95_ms: float | None = None
        self.waits = False
        self.poor_until_ns: dict[str, int] = {}
        self.wanted: tuple[Quote, ...] = ()
        self.last: TickResult | None = None

    @property
    def restless(self) -> bool:
        """Whether it must be looked at although nothing happens: it has orders out, or something keeps it from them.

        A pause, a cool-down or an old book ends without news, and a quiet market might bring none for minutes.
        """
        return bool(self.working.orders or self.paths.state.halted or self.waits or self._lacks_orders())

    def _lacks_orders(self) -> bool:
        """Tell whether quotes are wanted, or will be when a side that flow has pushed away comes back."""
        last = self.last
        if last is None:
            return False
        guards, now_ms = last.state.guards, last.context.features.now_ms
        if guards.bid_paused_until_ms > now_ms or guards.ask_paused_until_ms > now_ms:
            return True
        return any(quote.bid_lots or quote.ask_lots for quote in last.context.quotes)

    @property
    def why(self) -> str:
        """Why nothing of it is quoted, in a word; "" when something is, or will be with the next tick."""
        return self.tally.why or ("pace" if self.waits and not self.working.orders else "")

    @property
    def profit_usd(self) -> float:
        """What it has earned since it began, at the last middle."""
        account = self.reducer.account
        return account.total(self.reducer.mid2) * account.scale.quote

    @property
    def mid_usd(self) -> float:
        """The last middle in quote currency; 0 before any."""
        return self.reducer.mid2 * self.terms.price_unit / 2.0

    def max_position(self) -> Lots:
        """Return the largest position, long or short, at the last middle."""
        worth = self.mid_usd * self.terms.lot_unit
        return int(self.config.emit.max_position_usd / worth) if worth > 0.0 else 0

    def on_trade(self, trade: Print) -> None:
        """Take a trade of others."""
        self.reducer.on_trade(trade)
        if self.working.orders:
            self.queues.on_trade(trade)

    def _follow_queues(self) -> None:
        """Say of each resting order how much is believed to stand before it."""
        book = self.reducer.book() if self.working.orders else None
        if book is not None:
            self.queues.follow(self.working.resting(), book)
            for order in self.working.orders.values():
                order.queue_ahead = self.queues.ahead(order.key)

    def tick(
        self,
        now_ns: int,
        held: Lots,
        portfolio: PortfolioSnapshot,
        allocation: Allocation,
        probe: TickProbe,
        legacy_probe: TickProbe,
    ) -> Decided:
        """Decide what is quoted now; `held` are the signed lots of the position."""
        self.number += 1
        self.ticked_ns = now_ns
        self.exposure_usd = abs(held) * self.terms.lot_unit * self.mid_usd
        self._follow_queues()
        features: Features = self.reducer.features(
            now_ns // _MS, self.number, self.working.live(), held, self.max_position(), portfolio, allocation
        )
        self.day_pnl = features.day_pnl or 0.0
        self.latency_p95_ms = features.latency_p95_ms
        decided = self.paths.tick(features, probe, legacy_probe)
        self.last, self.wanted = decided.result, decided.result.context.quotes
        self.tally.ticked(decided.result, now_ns // _MS)
        self.chain.add(decided.result)
        return decided

    def affordable(self, intents: tuple[OrderIntent, ...], now_ns: int) -> tuple[OrderIntent, ...]:
        """Return a tick's actions without places on a side that the venue said there is no money for."""
        if not self.poor_until_ns:
            return intents
        until = self.poor_until_ns
        return tuple(
            one for one in intents if one.kind is not IntentKind.PLACE or until.get(one.side.value, 0) <= now_ns
        )

    def runs_out(self, update: OrderUpdate, now_ns: int) -> bool:
        """Take what news of an order says of the money behind its side; True when a person should hear of none.

        What a fill brings is the other side's, and an order that the venue took says that there is enough again.
        """
        poor, side = self.poor_until_ns, update.place.side
        reject = update.reject if update.amend is None else update.amend.reject
        if reject is RejectReason.INSUFFICIENT_FUNDS:
            ended_ns = poor.get(side.value)
            poor[side.value] = now_ns + POOR_NS
            return ended_ns is None or now_ns - ended_ns >= _TOLD_NS
        richer = side.opposite if update.d_lots else side if update.state is OrderState.OPEN else None
        if richer is not None and poor.get(richer.value, 0) > now_ns:
            poor[richer.value] = now_ns
        return False

    def hold_back(self, result: TickResult, leaves: tuple[OrderIntent, ...]) -> None:
        """Take that of a tick's actions only these leave: the next tick decides about the others anew."""
        state = self.paths.state
        waits = [intent for intent in result.intents if not intent.defensive and intent not in leaves]
        emit = undone(state.emit, result.context.state_in.emit, waits)
        self.paths.state = msgspec.structs.replace(state, emit=emit)

    def commands(self, intents: tuple[OrderIntent, ...], now_ns: int, held: Lots) -> list[Intent]:
        """Return the orders of a tick's intents, under their derived names."""
        reference_ticks2 = self.reducer.mid2
        found: list[Intent] = []
        for intent in intents:
            wanted = self.working.wanted(intent, now_ns, held, reference_ticks2)
            if wanted is not None:
                self.tally.left(intent)
                found.append(wanted)
        return found

    def heard(self, update: OrderUpdate, now_ns: int) -> Heard | None:
        """Take the venue's news of an order: what was filled and how long the answer took; None: not ours any more."""
        heard = self.working.heard(update, now_ns)
        if update.d_lots:
            taker = self.took(update)
            self.tally.fills += 1
            self.tally.takers += taker
            args = (now_ns, update.place.side, update.d_lots, update.d_cost, update.d_fee)
            self.tally.measured(self.reducer.on_fill(*args, taker=taker))
        if update.state is OrderState.REJECTED and not update.previous.is_terminal:
            self.tally.rejects += 1
        if heard is not None and heard.latency_ms is not None:
            self.reducer.on_latency(now_ns, heard.latency_ms)
        return heard

    def took(self, update: OrderUpdate) -> bool:
        """Tell whether a fill took liquidity: the venue kept more of it than of a maker."""
        return update.d_lots > 0 and update.d_fee > self.instrument.fee(update.d_cost, maker=True) + 1

    def worse_ticks(self, update: OrderUpdate, order: Order) -> float:
        """Return how much worse than intended a fill was, in ticks, below nought for one that was better (quoting 6).

        Intended is what the last tick wanted in the order's slot. A post-only order fills at its own price, so what is
        measured is how far it stood from where it should have been: an order that was to move and had not yet, for the
        way there, the pace or the time that it must stay. Where nothing was wanted, the order's price is meant.
        """
        intended = order.ticks
        if order.level < len(self.wanted):
            quote = self.wanted[order.level]
            lots, ticks = (
                (quote.bid_lots, quote.bid_ticks) if order.side is Side.BUY else (quote.ask_lots, quote.ask_ticks)
            )
            intended = ticks if lots else intended
        return order.side.sign * (update.d_cost / (update.d_lots * self.cost_of_tick_lot) - intended)

    def slip_bps(self, update: OrderUpdate, heard: Heard | None) -> float:
        """Return how much worse than intended a fill was, in bps of the middle; 0 without a fill."""
        if not update.d_lots or heard is None or not self.reducer.mid2:
            return 0.0
        return self.worse_ticks(update, heard.order) * 2.0 / self.reducer.mid2 * BPS

    def refused(self, refused: Refused) -> None:
        """Take that the board let an order not leave."""
        self.working.refused(refused)
        self.tally.refused(refused.reasons)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(
            self.paths.snapshot(),
            self.working.snapshot(),
            self.number,
            self.ticked_ns,
            self.due_ns,
            self.exposure_usd,
            self.day_pnl,
            self.latency_p95_ms,
            self.waits,
            self.wanted,
            self.poor_until_ns,
            self.reducer.snapshot(),
            self.queues.snapshot(),
            self.chain.digest,
            self.tally.snapshot(),
        )
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; the book comes with `attach`."""
        saved = msgspec.convert(state, _Saved)
        self.paths.restore(saved.paths)
        self.number = saved.number
        self.ticked_ns, self.due_ns = saved.ticked_ns, saved.due_ns
        self.exposure_usd, self.day_pnl = saved.exposure_usd, saved.day_pnl
        self.latency_p95_ms, self.waits = saved.latency_p95_ms, saved.waits
        self.poor_until_ns = saved.poor_until_ns
        self.working.restore(saved.orders)
        self.reducer.restore(saved.reducer)
        self.queues.restore(saved.queues)
        self.chain.digest = saved.chain
        self.tally.restore(saved.tally)
        self.last, self.wanted = None, saved.wanted
