"""What must be true of the quote desk in a world that goes wrong, judged by what its venue knows.

No quote is priced from a book that is not the venue's; what the desk holds is what the venue holds; if everything
fills, no position is larger than allowed; post-only never takes; two quoters never work on one symbol; a halt leaves
no order resting once its cancels are answered; no more actions leave than the throttle allows; and a venue that is
quick again is not held to be slow (quoting 4 and 8, runtime 2.4 and 2.11).
"""

from collections import Counter, OrderedDict, deque
from typing import Final

from millrace.config.settings import Settings
from millrace.core.book_events import BookSnapshot
from millrace.core.commands import AmendOrder, Approved, Command, Place, Submit
from millrace.core.events import Event
from millrace.core.instrument import Instrument, InstrumentId, Money, Ticks
from millrace.core.order_truth import VenueOrder
from millrace.core.permission import Level, ReasonCode
from millrace.market.books.order_book import OrderBook
from millrace.sim.balances import need
from millrace.sim.depth.records import DepthRecord, Shown, Took
from millrace.sim.depth.venue import DepthVenue
from millrace.sim.venue_log import Accepted, Rejected
from millrace.strategies.quoting.model import TickOutcome
from millrace.strategies.quoting.quoted import QuotedSymbol
from millrace.strategies.quoting.rollout.desk_ramp import Path
from millrace.strategies.quoting.strategy import QuoteDesk
from millrace.world.assemble import Program
from millrace.world.faults.oracles import MUST_HEAL, Oracles

_TOPS: Final = 5
_KEPT_BOOKS: Final = 4_000
_DRIFT: Final = 1.02
"""How far a price may have moved a limit in dollars between the tick and the order."""
_PATIENCE_NS: Final = 10_000_000_000
_LEAST_ACK_MS: Final = 50.0
"""The longest that an answer takes while nothing is wrong: a limit below it is broken for good."""
_Top = tuple[tuple[tuple[Ticks, int], ...], tuple[tuple[Ticks, int], ...]]


class QuoteOracles(Oracles):
    """Watches one world of the quote desk."""

    def __init__(self, venue: DepthVenue, settings: Settings) -> None:
        instruments = venue.settings.instruments
        super().__init__(instruments[0], {})
        self.depth = venue
        self._facts: dict[InstrumentId, Instrument] = {one.id: one for one in instruments}
        self._books: dict[InstrumentId, OrderBook] = {one.id: OrderBook() for one in instruments}
        self._tops: OrderedDict[tuple[InstrumentId, int], _Top] = OrderedDict()
        self._throttle = settings.quoting.throttle
        self._paths: dict[str, Path] = {}
        self._heals = settings.slo.submit_ack_ms > _LEAST_ACK_MS
        self._placed: deque[int] = deque()
        self._amended: deque[int] = deque()
        self._halted_ns: dict[InstrumentId, int] = {}
        self.fills = 0

    # What the program does

    def step(self, event: Event, commands: list[Command]) -> None:
        """Look at one step, after everything that followed from it was done."""
        super().step(event, commands)
        life = self._life
        desk = None if life is None else life.program.quotes
        if life is None or desk is None:
            return
        for command in commands:
            if isinstance(command, Submit):
                self._quoted(life.program, desk, command.order.order)
                self._alone(life.program, desk, command.order)
                self._paced("places", self._placed, self._throttle.places_per_sec)
            elif isinstance(command, AmendOrder):
                self._priced(life.program, command.amend.order.instrument)
                self._paced("amends", self._amended, self._throttle.amends_per_sec)

    def _quoted(self, program: Program, desk: QuoteDesk, place: Place) -> None:
        self._priced(program, place.instrument)
        symbol = desk.symbols[place.instrument]
        held = place.side.sign * program.orders.position(symbol.position)
        resting = sum(
            max(order.place.lots, 0 if order.wanted is None else order.wanted.lots) - order.cum_lots
            for order in program.orders.unfinished()
            if order.place.instrument == place.instrument and order.place.side is place.side
        )
        most = symbol.max_position() * _DRIFT
        if not place.reduces and held + resting > most:
            self.broken("max position", f"{place.key}: {held} held and {resting} resting are more than {most:.0f}")

    def _alone(self, program: Program, desk: QuoteDesk, order: Approved) -> None:
        """No order of the other quoter is out where one leaves: a change of path takes them back first."""
        path = self._paths[order.client_id] = desk.symbols[order.order.instrument].paths.path
        for other in program.orders.unfinished():
            known = self._paths.get(other.client_id, path)
            if other.place.instrument == order.order.instrument and known is not path:
                self.broken("two quoters", f"{order.key} of {path} left while {other.place.key} of {known} is out")

    def _priced(self, program: Program, instrument: InstrumentId) -> None:
        """The book that an order was priced from is one that the venue had."""
        depth = program.engine.depth(instrument)
        if depth is None:
            self.broken("wrong book", f"{instrument} was quoted without a book that may be believed")
            return
        truth = self._tops.get((instrument, depth.seq))
        seen = _top(depth.bids(_TOPS), depth.asks(_TOPS))
        if truth is not None and truth != seen:
            self.broken("wrong book", f"{instrument} was quoted from {seen}, at {depth.seq} the venue had {truth}")

    def _paced(self, what: str, times: deque[int], per_sec: int) -> None:
        now_ns, window_ns = self.time_ns, self._throttle.window_ms * 1_000_000
        times.append(now_ns)
        while times[0] <= now_ns - window_ns:
            times.popleft()
        most = per_sec * self._throttle.window_ms // 1_000
        if len(times) > most:
            self.broken("tokens", f"{len(times)} {what} within {self._throttle.window_ms} ms, allowed are {most}")

    def _order_at_venue(self, client_id: str) -> VenueOrder | None:
        return self.depth.order_status(client_id)

    def _need(self, place: Place) -> tuple[str, Money]:
        return need(self._facts[place.instrument], place.side, place.limit_ticks, place.lots)

    def _worst_case(self, client_id: str) -> None:
        """If every order under way fills, nothing is overdrawn."""
        self._overdrawn(client_id, {asset: pair[0] for asset, pair in self.depth.balances().items()})

    # What the venue does

    def depth_record(self, record: DepthRecord) -> None:
        """The venue is about to change its state by this record."""
        if isinstance(record, Shown):
            self._shown(record)
        elif isinstance(record, Accepted):
            self._took(record.client_id, record.ts_ns, record.side)
        elif isinstance(record, Rejected):
            self._turned_away(record.client_id)
        elif isinstance(record, Took) and record.trades:
            self.broken("post only", f"{record.client_id} took {record.trades}")

    def _shown(self, record: Shown) -> None:
        event = record.event
        book = self._books[event.instrument]
        if isinstance(event, BookSnapshot):
            book.replace(event.bids, event.asks)
        else:
            book.change(event.bids, event.asks)
        self._tops[event.instrument, event.seq] = _top(book.bids(_TOPS), book.asks(_TOPS))
        if len(self._tops) > _KEPT_BOOKS:
            self._tops.popitem(last=False)

    # Between whiles, and at the end

    def look(self) -> None:
        """Compare what single changes cannot show: the venue's orders against ours, and halts that left something."""
        if self._life is None:
            self._halted_ns.clear()
            return
        program = self._life.program
        self._strangers(program, "the venue", self.depth.open_orders())
        if program.quotes is not None:
            for instrument, symbol in program.quotes.symbols.items():
                self._halted(instrument, symbol)

    def _halted(self, instrument: InstrumentId, symbol: QuotedSymbol) -> None:
        """A symbol that may not be quoted has no order that rests and is not being cancelled."""
        last = symbol.last
        stays = [order for order in symbol.working.orders.values() if not order.pending]
        if last is None or last.outcome is TickOutcome.QUOTED or not stays:
            self._halted_ns.pop(instrument, None)
            return
        since_ns = self._halted_ns.setdefault(instrument, self.time_ns)
        if self.time_ns - since_ns > _PATIENCE_NS:
            self.broken("halt", f"{symbol.symbol} is halted ({last.state.halted}) and {stays[0].key} rests")

    def settled(self, ended_ns: int, prices: int) -> None:
        """Judge a world that has been quiet for long enough: all must agree."""
        del ended_ns, prices
        life = self._at_rest()
        if life is None:
            return
        standing = life.program.engine.board.active()
        slow = [posted for posted in standing if posted.reason is ReasonCode.LATENCY_SLO and self._heals]
        self._stuck([*(one for one in standing if one.level >= Level.REDUCE_ONLY and one.reason in MUST_HEAL), *slow])
        self._money(life.program)
        self._rows()

    def _money(self, program: Program) -> None:
        """Coins and cash are what lay there and what fills changed; the desk's own account says the same."""
        expected = Counter(self.depth.settings.opening)
        for row in self._ledger.orders():
            facts, sign = self._facts[row.place.instrument], row.place.side.sign
            expected[facts.base] += sign * facts.base_amount(row.cum_lots)
            expected[facts.quote] -= sign * row.cum_cost + row.cum_fee
            self.fills += row.cum_lots > 0
        truth = {asset: sum(pair) for asset, pair in self.depth.balances().items()}
        if dict(expected) != truth:
            self.broken("conservation", f"by the ledger there is {dict(expected)}, the venue holds {truth}")
        counted = {asset: program.engine.total(self.depth.settings.venue, asset) for asset in truth}
        if counted != truth:
            self.broken("conservation", f"the program counts {counted}, the venue holds {truth}")
        for symbol in () if program.quotes is None else program.quotes.symbols.values():
            held, booked = program.orders.position(symbol.position), symbol.reducer.account.position
            if held != booked:
                self.broken("position", f"{symbol.symbol}: the table holds {held}, the desk's account {booked}")


def _top(bids: tuple[tuple[Ticks, int], ...], asks: tuple[tuple[Ticks, int], ...]) -> _Top:
    return tuple((ticks, lots) for ticks, lots in bids), tuple((ticks, lots) for ticks, lots in asks)
