"""The assembled program on a simulated clock: market, venue, network delays, engine and executor in one loop.

Everything that happens has a time: a row of market data, a request that reaches the venue, an answer that reaches the
program, a call that the budget lets go, a deadline of a strategy. The loop takes the earliest; at equal times market
data come first, then messages, then deadlines. With `poll_ns` the venue is asked for its open orders at multiples of
it, as far as the call budget allows. With `lazy` the market data and loops that cannot matter are passed over in bulk,
and the same commands come out (design section 9).

Whether time is simulated is the line's business: one inside the program lets all of it pass at once, one to another
process waits for it.
"""

from typing import Any, Protocol

from millrace.core.events import Event, Timer
from millrace.core.instrument import Ticks
from millrace.core.strategy import Bound, Field, Interest
from millrace.shell.measures import Measures
from millrace.shell.sequencer import Sequencer
from millrace.shell.venue_router import Carrier
from millrace.sim.venue import Delivery
from millrace.world.arb.quote_feed import QuoteFeed
from millrace.world.feed import Feed
from millrace.world.line import NEVER_NS
from millrace.world.quoting.book_feed import BookFeed


class Line(Protocol):
    """The way to one venue as the loop sees it: what is under way, each at its time."""

    @property
    def next_ns(self) -> int:
        """When the next thing arrives; NEVER_NS when nothing is under way."""
        ...

    def pop(self) -> tuple[int, str, Any]:
        """Take what arrives next: time, kind, payload."""
        ...

    def arrive(self, kind: str, payload: Any, ts_ns: int) -> None:
        """Hand a request to the venue."""
        ...

    def is_current(self, client_id: str, attempt: int) -> bool:
        """Tell whether an order has not been sent again since this attempt."""
        ...

    def ask_time(self, now_ns: int) -> None:
        """Ask what the venue's clock shows; the answer is a `VenueTime` of kind "time"."""
        ...

    def answer(self, deliveries: list[Delivery]) -> None:
        """Put news that nobody asked for on its way."""
        ...

    def reach(self, end_ns: int, due_ns: int) -> int:
        """Wait until something arrives, `due_ns` or `end_ns`; returns up to when, at most `end_ns`, things happen now.

        `due_ns` is when the program itself wants to do something.
        """
        ...


class Simulation:
    """One program, its venues, the spot market's rows, and those of binary markets and of books if it trades any."""

    def __init__(
        self,
        sequencer: Sequencer,
        executor: Carrier,
        line: Line,
        feed: Feed,
        *,
        quotes: QuoteFeed | None = None,
        books: BookFeed | None = None,
        measures: Measures | None = None,
        lazy: bool,
        poll_ns: int = 0,
    ) -> None:
        self.now_ns = 0
        self.sequencer = sequencer
        self.engine = sequencer.engine
        self.executor = executor
        self.line = line
        self.feed = feed
        self.quotes = quotes
        self.books = books
        self.measures = measures
        feed.show_alone(self.engine.odd_rows)
        if quotes is not None:
            quotes.poll_for(self.engine.unsettled)
        if books is not None:
            sequencer.listen(books.hear)
        self._lazy = lazy
        self._rows_told = 0
        self._poll_every_ns = poll_ns
        self._poll_ns = 0 if poll_ns else NEVER_NS

    @property
    def events(self) -> int:
        """Rows of market data, shown or passed over, and everything else that the program was told."""
        feeds = sum(feed.rows for feed in (self.quotes, self.books) if feed is not None)
        return self.feed.rows + feeds + self._rows_told + self.sequencer.messages

    def feed_event(self, event: Event) -> None:
        """Give the program an event now; the caller is the operator, the start or a test.

        Where loops are passed over, one of this very moment still comes; an event that must stand before it whether or
        not loops are passed over goes on the line instead.
        """
        self.now_ns = max(self.now_ns, event.ts_ns)
        self._step(event)

    def run_until(self, end_ns: int) -> None:
        """Let everything up to and including `end_ns` happen, as the line lets time pass."""
        reached_ns = self.line.reach(end_ns, self.now_ns)
        self._happen(reached_ns)
        while reached_ns < end_ns:
            reached_ns = self.line.reach(end_ns, self._due_ns())
            self._happen(reached_ns)

    def _due_ns(self) -> int:
        """Return when the program itself wants to do something next."""
        pump_ns, row_ns = self.executor.next_ns, self.feed.next_ns
        asked = [ts_ns for ts_ns in (pump_ns, row_ns) if ts_ns is not None]
        return min(self._timer_ns(self.engine.interest()), self._poll_ns, self._measure_ns(), self._row_ns(), *asked)

    def _row_ns(self) -> int:
        """Return when the next row of binary markets or of books comes."""
        return min([feed.next_ns for feed in (self.quotes, self.books) if feed is not None], default=NEVER_NS)

    def _measure_ns(self) -> int:
        return NEVER_NS if self.measures is None else self.measures.next_ns

    def _timer_ns(self, interest: Interest) -> int:
        timer = interest.deadline_ns if self._lazy else interest.heartbeat_ns
        return NEVER_NS if timer is None else timer

    def _happen(self, end_ns: int) -> None:
        while True:
            interest = self.engine.interest()
            timer_ns = self._timer_ns(interest)
            pump_ns = self.executor.next_ns
            message_ns = min(self.line.next_ns, NEVER_NS if pump_ns is None else pump_ns, self._poll_ns)
            message_ns = min(message_ns, self._measure_ns())
            row_ns = self._row_ns()
            until_ns = min(message_ns, timer_ns, end_ns, row_ns)
            if self._market(until_ns, interest):
                continue
            if row_ns == until_ns:
                self._row(row_ns)
                continue
            if until_ns == end_ns and message_ns > end_ns and timer_ns > end_ns:
                self.now_ns = max(self.now_ns, end_ns)
                return
            self.now_ns = max(self.now_ns, until_ns)
            if message_ns <= timer_ns:
                self._message(message_ns, pump_ns)
            else:
                self._step(Timer(timer_ns))

    def _market(self, until_ns: int, interest: Interest) -> bool:
        """Work through market data up to `until_ns`; True when a row was shown and the outlook may have changed."""
        feed = self.feed
        next_ns = feed.next_ns
        if next_ns is None or next_ns > until_ns:
            return False
        if self._lazy and not interest.all_events and self.engine.is_plain(feed.instrument):
            low, high = self._bounds(interest.bounds)
            while True:
                block, found = feed.skip(until_ns, low, high)
                if block is not None:
                    feed.skipped(block)
                    self._step(block)
                if found:
                    break
                next_ns = feed.next_ns
                if next_ns is None or next_ns > until_ns:
                    return False
        event, answers = feed.take()
        self.line.answer(answers)
        self.now_ns = max(self.now_ns, event.ts_ns)
        self._step(event)
        return True

    def _row(self, row_ns: int) -> None:
        """Show the next row of binary markets, or of books, to its venue and to the program."""
        self.now_ns = max(self.now_ns, row_ns)
        feeds = (self.quotes, self.books)
        event = next(feed.take() for feed in feeds if feed is not None and feed.next_ns == row_ns)
        if event is not None:
            self._step(event)

    def _bounds(self, bounds: tuple[Bound, ...]) -> tuple[Ticks | None, Ticks | None]:
        """Return the tightest bounds of the venue's resting orders and the strategies' interest."""
        instrument = self.feed.instrument
        low, high = self.feed.bounds()
        for bound in bounds:
            if bound.instrument != instrument:
                continue
            if bound.below:
                _require(bound.field in (Field.LAST, Field.ASK), bound)
                low = bound.ticks if low is None else max(low, bound.ticks)
            else:
                _require(bound.field in (Field.LAST, Field.BID), bound)
                high = bound.ticks if high is None else min(high, bound.ticks)
        return low, high

    def _message(self, message_ns: int, pump_ns: int | None) -> None:
        """Take what is due at `message_ns`: figures, then a poll, a call that may leave, an arrival."""
        if self.measures is not None and self.measures.next_ns == message_ns:
            self._measure(self.measures)
            return
        if self._poll_ns == message_ns:
            self._poll()
            return
        if pump_ns == message_ns:
            self.sequencer.pump(message_ns)
            return
        ts_ns, kind, payload = self.line.pop()
        if kind == "event":
            self._rows_told += payload.is_market
            self._step(payload)
        elif kind == "refusal":
            refusal, attempt = payload
            if self.line.is_current(refusal.client_id, attempt):
                self._step(refusal)
        elif kind == "time" and self.measures is not None:
            self.measures.venue_time(payload, ts_ns)
        elif kind == "answer":
            self.now_ns = max(self.now_ns, ts_ns)
            self.sequencer.answer(payload, ts_ns)
        else:
            self.line.arrive(kind, payload, ts_ns)

    def _poll(self) -> None:
        """Ask for the open orders; a poll that the budget has no room for is left out, the next comes soon."""
        self.executor.poll(self.feed.instrument, self.now_ns)
        self._poll_ns = (self.now_ns // self._poll_every_ns + 1) * self._poll_every_ns

    def _measure(self, measures: Measures) -> None:
        """Publish what has to be known, and ask the venue for its time when that is due."""
        if measures.asks_time(self.now_ns):
            self.line.ask_time(self.now_ns)
        for figure in measures.due(self.now_ns):
            self._step(figure)

    def _step(self, event: Event) -> None:
        self.sequencer.feed(event)


def _require(condition: bool, bound: Bound) -> None:
    if not condition:
        raise ValueError(f"a search in bulk cannot watch {bound.field} {'<=' if bound.below else '>='} of a strategy")
