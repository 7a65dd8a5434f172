"""A spot venue of order books in process: our orders meet the levels that it is shown, and wait in their queues.

It is modest where a backtest would flatter. A take walks the levels up to its limit and gets what they show; what it
took is not there again while the level stands. A resting order stands behind what its level showed when it came, and
moves up with trades at its price and with a share of the cancels (`market.queue_models`); a trade gives our orders no
more than it traded, and a book that comes to our price no more than it offers there. It fills at its own limit. The
market never reacts to us, which is the one great flattery left; `docs/simulation.md` names every assumption.

A row's time is the venue's: when the program hears of it is the feed's matter (`FeedDelay`).
"""

from collections.abc import Callable, Iterable, Iterator
from math import inf
from typing import NamedTuple

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import Approved, ApprovedAmend, Side, Style
from millrace.core.events import EndStatus, OrderAmended, OrderProgress, Print, RejectReason
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Ticks
from millrace.sim.amends import amend_fault
from millrace.sim.balances import need
from millrace.sim.depth.records import Crossed, DepthRecord, Fill, Queued, Shown, Took, Traded
from millrace.sim.depth.settings import DepthVenueSettings
from millrace.sim.depth.shown_book import ShownBook
from millrace.sim.depth.venue_state import DepthState
from millrace.sim.matching import Pair, RestingOrder
from millrace.sim.rate_counter import ADD_COST, AMEND_COST, amend_cost
from millrace.sim.spot_venue import NOTHING_TO_TAKE, Delivery, SpotVenue
from millrace.sim.venue_log import Amended

__all__ = ["DepthVenue", "DepthVenueSettings"]

WITH_OURSELVES = "self-trade prevention"
"""Why an order ends that would have traded with one of ours."""


class _Taking(NamedTuple):
    """What an order takes at once, and whether it reaches the book at all, or an order of ours."""

    trades: Levels
    crosses: bool
    meets_us: bool


class DepthVenue(SpotVenue):
    """One account at one venue of order books."""

    _state: DepthState

    def __init__(self, settings: DepthVenueSettings, log: Callable[[DepthRecord], None] | None = None) -> None:
        super().__init__(DepthState(settings), log)
        self.settings: DepthVenueSettings = settings

    @classmethod
    def rebuild(
        cls,
        settings: DepthVenueSettings,
        records: Iterable[DepthRecord],
        log: Callable[[DepthRecord], None] | None = None,
    ) -> "DepthVenue":
        """Return the venue that wrote these records; from there on it writes to `log`."""
        venue = cls(settings)
        venue._replay(records, log)
        return venue

    # Requests

    def place(self, approved: Approved, ts_ns: int) -> list[Delivery]:
        """Handle an order that arrives at `ts_ns`."""
        order, client_id = approved.order, approved.client_id
        pair = self._state.pairs.get(order.instrument)
        if pair is None:
            return self._reject(approved, ts_ns, RejectReason.UNKNOWN_INSTRUMENT, 0.0)
        ts_ns = max(ts_ns, pair.now_ns)
        counter = self._state.counters[order.instrument]
        charged = counter.after(ADD_COST, ts_ns)
        if charged is None:
            return self._reject(approved, ts_ns, RejectReason.RATE_LIMIT, counter.now(ts_ns))
        taking = self._taking(pair, order.side, order.limit_ticks, order.lots)
        fault = self._terms_fault(pair, order, client_id)
        if fault is None and taking.crosses and order.style is Style.POST_ONLY:
            fault = RejectReason.POST_ONLY_WOULD_CROSS
        if fault is None and not self._is_covered(pair.instrument, order.side, order.limit_ticks, order.lots, taking):
            fault = RejectReason.INSUFFICIENT_FUNDS
        if fault is not None:
            return self._reject(approved, ts_ns, fault, charged)
        resting, answers = self._accept(approved, ts_ns, charged)
        return self._with_balances(answers + self._take(resting, taking, ts_ns))

    def amend(self, amend: ApprovedAmend, ts_ns: int) -> list[Delivery]:
        """Handle new terms that arrive at `ts_ns`; an order keeps its place if it only gets smaller (`sim.amends`)."""
        instrument, client_id = amend.order.instrument, amend.client_id
        pair, counter = self._state.pairs[instrument], self._state.counters[instrument]
        ts_ns = max(ts_ns, pair.now_ns)
        order = self._state.open.get(client_id)
        charged = counter.after(AMEND_COST if order is None else amend_cost(ts_ns - order.touched_ns), ts_ns)
        if charged is None:
            return self._refuse_amend(amend, ts_ns, RejectReason.RATE_LIMIT, counter.now(ts_ns))
        failed = counter.after(AMEND_COST, ts_ns) or 0.0
        if order is None:
            return self._refuse_amend(amend, ts_ns, RejectReason.UNKNOWN_ORDER, failed)
        moves = amend.limit_ticks != order.limit_ticks
        taking = _NOTHING
        if moves:
            taking = self._taking(pair, order.side, amend.limit_ticks, amend.lots - order.cum_lots)
        # A take is covered at its limit, which is more than it costs.
        taken_at = amend.limit_ticks if taking.crosses else 0
        free = self._state.balances.free[order.held_asset]
        fault = amend_fault(order, amend.lots, amend.limit_ticks, taken_at, free)
        if fault is not None:
            return self._refuse_amend(amend, ts_ns, fault, failed)
        self._write(Amended(ts_ns, client_id, amend.revision, amend.lots, amend.limit_ticks, charged))
        told = OrderAmended(client_id, amend.revision, amend.lots, amend.limit_ticks, self._state.answered_ns)
        return self._with_balances([self._answer(told), *self._take(order, taking, ts_ns)])

    # Market data

    def on_book(self, event: BookSnapshot | BookDelta) -> list[Delivery]:
        """Take a market's newer book: queues move with their levels, and prices of ours that it comes to are filled.

        Changes before the first snapshot, and instruments that are not listed, are passed over.
        """
        pair, book = self._state.pairs.get(event.instrument), self._state.books.get(event.instrument)
        is_snapshot = isinstance(event, BookSnapshot)
        if pair is None or book is None or not (book.is_known or is_snapshot):
            return []
        ts_ns = max(event.ts_ns, pair.now_ns)
        self._write(Shown(ts_ns, event, tuple(self._moved(pair, book, event))))
        answers: list[Delivery] = []
        for side in Side:
            self._come_to(pair, book, side, ts_ns, answers)
        return self._with_balances(answers)

    def on_trade(self, event: Print) -> list[Delivery]:
        """Take a trade of others: it fills what it passed, and those at its price whose turn it is.

        Where nobody says who took, it was whoever meets the touch.
        """
        pair, book = self._state.pairs.get(event.instrument), self._state.books.get(event.instrument)
        if pair is None or book is None:
            return []
        queues: list[Queued] = []
        fills: list[Fill] = []
        for side in Side:
            if self._hits(book, side, event):
                self._pass(pair, book, side, event, queues, fills)
        if not queues and not fills:
            return []
        ts_ns = max(event.ts_ns, pair.now_ns)
        orders = [self._state.open[fill.client_id] for fill in fills]
        self._write(Traded(ts_ns, event, tuple(queues), tuple(fills)))
        return self._with_balances([self._progress(order) for order in orders])

    def book_now(self, instrument: InstrumentId, ts_ns: int, *, polled: bool = False) -> BookSnapshot:
        """Return the book as the venue has it: the answer to who asks for a snapshot."""
        book = self._state.books[instrument].book
        return BookSnapshot(instrument, ts_ns, ts_ns, book.seq, book.bids(), book.asks(), polled=polled)

    def ahead_of(self, client_id: str) -> float:
        """Return the lots before an open order at its price; infinite where nobody knows. KeyError: it is not open."""
        return self._state.ahead[client_id]

    # Taking

    def _taking(self, pair: Pair, side: Side, limit_ticks: Ticks, lots: Lots) -> _Taking:
        """Return what an order takes that arrives now: level by level, never beyond its limit nor an order of ours."""
        book, own = self._state.books[pair.instrument.id], pair.table(side.opposite).best()
        best = book.best_against(side)
        meets_us = own is not None and side.sign * (limit_ticks - own) >= 0
        crosses = meets_us or (best is not None and side.sign * (limit_ticks - best) >= 0)
        trades: list[BookLevel] = []
        left = lots
        for ticks, there in book.offers(side, limit_ticks):
            if own is not None and side.sign * (ticks - own) >= 0:
                break
            take = min(left, there - there % pair.instrument.lot)
            if take > 0:
                trades.append(BookLevel(ticks, take))
                left -= take
            if not left:
                return _Taking(tuple(trades), crosses, False)
        return _Taking(tuple(trades), crosses, meets_us)

    def _is_covered(self, facts: Instrument, side: Side, limit_ticks: Ticks, lots: Lots, taking: _Taking) -> bool:
        """Tell whether free money covers an order: what it takes with its fees, and its rest at the limit."""
        asset, amount = need(facts, side, limit_ticks, lots)
        if side is Side.BUY and taking.trades:
            amount = max(amount, _takes(facts, taking.trades) + need(facts, side, limit_ticks, lots - _sum(taking))[1])
        return self._state.balances.free[asset] >= amount

    def _take(self, order: RestingOrder, taking: _Taking, ts_ns: int) -> list[Delivery]:
        answers: list[Delivery] = []
        if taking.trades:
            self._write(Took(ts_ns, order.client_id, taking.trades))
            answers.append(self._progress(order))
        if order.client_id in self._state.open and (taking.meets_us or order.style is Style.IOC):
            reason = WITH_OURSELVES if taking.meets_us else NOTHING_TO_TAKE
            counter = self._state.counters[order.instrument.id].now(ts_ns)
            answers.append(self._end(order, ts_ns, EndStatus.CANCELLED, reason, counter))
        return answers

    # Waiting

    def _moved(self, pair: Pair, book: ShownBook, event: BookSnapshot | BookDelta) -> Iterator[Queued]:
        """Yield the places that move with the levels of a message."""
        model = self._state.models[event.instrument]
        for side, levels in ((Side.BUY, event.bids), (Side.SELL, event.asks)):
            table = pair.table(side)
            if table.best() is None:
                continue
            now = dict(levels)
            prices = (
                table.prices() if isinstance(event, BookSnapshot) else [one for one in table.prices() if one in now]
            )
            for ticks in prices:
                before, traded, after = book.side(side).lots_at(ticks), book.traded(side, ticks), now.get(ticks, 0)
                for order in table.at(ticks):
                    ahead = self._state.ahead[order.client_id]
                    moved = model.ahead_after(ahead, before, after, traded)
                    if moved != ahead:
                        yield Queued(order.client_id, moved)

    def _come_to(self, pair: Pair, book: ShownBook, side: Side, ts_ns: int, answers: list[Delivery]) -> None:
        """Fill orders whose price the other side of the book has come to, with what it offers there."""
        best, against = pair.table(side).best(), book.best_against(side)
        if best is None or against is None or side.sign * (best - against) < 0:
            return
        offers = [[ticks, lots] for ticks, lots in book.offers(side, best)]
        fills: list[Fill] = []
        used: dict[Ticks, Lots] = {}
        for order in pair.table(side):
            left = order.lots - order.cum_lots
            for offer in offers:
                ticks, there = offer
                if side.sign * (order.limit_ticks - ticks) < 0 or not left:
                    break
                take = min(left, there - there % pair.instrument.lot)
                if take > 0:
                    left -= take
                    offer[1] -= take
                    used[ticks] = used.get(ticks, 0) + take
            done = order.lots - order.cum_lots - left
            if done:
                fills.append(Fill(order.client_id, done))
        if fills:
            orders = [self._state.open[fill.client_id] for fill in fills]
            levels = tuple(BookLevel(ticks, lots) for ticks, lots in used.items())
            self._write(Crossed(ts_ns, pair.instrument.id, tuple(fills), levels))
            answers += [self._progress(order) for order in orders]

    def _hits(self, book: ShownBook, side: Side, event: Print) -> bool:
        """Tell whether a trade was at the expense of who rests on this side."""
        if event.taker_sells is not None:
            return event.taker_sells is (side is Side.BUY)
        touch = book.side(side).best()
        return touch is not None and side.sign * (touch.ticks - event.ticks) >= 0

    def _pass(
        self, pair: Pair, book: ShownBook, side: Side, event: Print, queues: list[Queued], fills: list[Fill]
    ) -> None:
        """Let a trade work through our orders of a side: those that it passed, then the queue at its price."""
        table, lot = pair.table(side), pair.instrument.lot
        left = event.lots
        for ticks in table.prices():
            if side.sign * (ticks - event.ticks) < 0:
                return
            passed, reach, before_us = ticks != event.ticks, left, 0.0
            for order in table.at(ticks):
                ahead = self._state.ahead[order.client_id]
                now = 0.0 if passed else book.standing(side, ticks) if ahead == inf else ahead
                before_us = max(before_us, now)
                moved = max(now - reach, 0.0)
                if moved != ahead:
                    queues.append(Queued(order.client_id, moved))
                # Lots are whole, whatever the estimate is.
                reached = reach - round(before_us) if before_us < reach else 0
                take = min(order.lots - order.cum_lots, reached - reached % lot)
                if take > 0:
                    fills.append(Fill(order.client_id, take))
                    left -= take
                    reach -= take

    def _progress(self, order: RestingOrder) -> Delivery:
        totals = (order.cum_lots, order.cum_cost, order.cum_fee)
        return self._answer(OrderProgress(order.client_id, *totals, self._state.answered_ns))


_NOTHING = _Taking((), False, False)


def _sum(taking: _Taking) -> Lots:
    return sum(lots for _, lots in taking.trades)


def _takes(facts: Instrument, trades: Levels) -> Money:
    """Return what a buyer pays for these trades, fees and all."""
    costs = [facts.cost(ticks, lots) for ticks, lots in trades]
    return sum(cost + facts.fee(cost, maker=False) for cost in costs)
