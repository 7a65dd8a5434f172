"""The program's end of the way to a venue in another process.

It is the executor's port and the loop's line: calls go out as frames, and what comes in waits in order until the loop
takes it, never older than what the core has seen. When the connection is lost, each order whose answer is outstanding
becomes unknown, because the venue may have it or not; questions, cancels and amends without an answer are the affair of
those who asked. It dials again, ever more slowly, and until then what is sent is lost, as on a cut wire.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from msgspec import structs

from millrace.core.clock import Clock
from millrace.core.commands import Approved, ApprovedAmend
from millrace.core.events import Event, OrderRejected, OrderUnknown, Print
from millrace.core.failure import WorldError
from millrace.core.instrument import InstrumentId
from millrace.core.order_truth import VenueOrder
from millrace.shell.clock import ScaledClock
from millrace.shell.measures import VenueTime
from millrace.shell.reconciler import BalancesAnswer, BalancesQuery, OpenOrdersAnswer, OpenOrdersQuery
from millrace.shell.stream import Stream, dial, wait
from millrace.shell.unanswered import StatusAnswer
from millrace.shell.venue_port import Order
from millrace.sim.venue import Delivery
from millrace.venues.rehearsal.frames import FrameReader
from millrace.venues.rehearsal.messages import (
    ADDRESS,
    VERSION,
    Address,
    AmendCall,
    BalancesQuestion,
    BalancesStatement,
    CancelCall,
    FromProgram,
    FromVenue,
    Hello,
    News,
    OpenOrdersList,
    OpenOrdersQuestion,
    OrderAnswer,
    OrderQuestion,
    PlaceCall,
    Refusal,
    TimeAnswer,
    TimeQuestion,
    Welcome,
    encode,
    from_venue,
)
from millrace.world.line import NEVER_NS, told_at

_FIRST_DIAL_NS = 20_000_000
_LAST_DIAL_NS = 1_000_000_000
_LOOK_NS = 250_000_000
_GREETING_NS = 5_000_000_000


class RehearsalLine:
    """The way to the venue whose folder this is; `speed` is simulated time per real time.

    Raises WorldError when `stopped` says so before the venue has answered for the first time.
    """

    def __init__(self, folder: Path, real: Clock, stopped: Callable[[], bool]) -> None:
        self.speed = 1.0
        self._losses: list[str] = []
        self.venue_folder = folder.resolve()
        self._real = real
        self._stopped = stopped
        self._stream: Stream | None = None
        self._greeted = False
        self._frames = FrameReader()
        self._parts: list[VenueOrder] = []
        self._farewell = ""
        self._inbox: deque[tuple[int, str, Any]] = deque()
        self._sent = 0
        self._in_flight: dict[str, int] = {}
        self._floor_ns = 0
        self._dial_ns = 0
        self._pause_ns = _FIRST_DIAL_NS
        self._clock = self._first_clock()

    def _first_clock(self) -> ScaledClock:
        while not self._greeted:
            if self._stopped():
                raise WorldError(f"stopped before the venue of {self.venue_folder} answered; is its process running?")
            self._keep_up()
            self._wait(_LOOK_NS)
        return self._clock

    def close(self) -> None:
        """Hang up."""
        if self._stream is not None:
            self._stream.end("the program ends")

    @property
    def now_ns(self) -> int:
        """The time that program and venue share; never older than what was handed out."""
        return max(self._floor_ns, self._clock.now_ns())

    def take_losses(self) -> list[str]:
        """Return, once, why connections ended."""
        losses, self._losses = self._losses, []
        return losses

    @property
    def quiet(self) -> bool:
        """Whether the venue is there, no order is on its way to it, and nothing from it waits to be taken."""
        return self._greeted and not self._in_flight and not self._inbox

    # The loop's line

    @property
    def next_ns(self) -> int:
        """When the next thing may be taken."""
        return self._inbox[0][0] if self._inbox else NEVER_NS

    def pop(self) -> tuple[int, str, Any]:
        """Take what came first: time, kind, payload."""
        return self._inbox.popleft()

    def is_current(self, client_id: str, attempt: int) -> bool:
        """Tell whether an order has not been sent again since this attempt was refused."""
        return self._in_flight.get(client_id, attempt) == attempt

    def answer(self, deliveries: list[Delivery]) -> None:
        """Put news on its way that did not come over the wire."""
        for ts_ns, event in deliveries:
            self._take(ts_ns, "event", event)

    def arrive(self, kind: str, payload: Any, ts_ns: int) -> None:
        """Nothing arrives at the venue on this side of the wire."""
        raise AssertionError(f"{kind} {payload} at {ts_ns}: the venue is another process")

    def reach(self, end_ns: int, due_ns: int) -> int:
        """Wait until something came, something is due or it is `end_ns`; returns up to when things may happen now."""
        self._keep_up()
        until_ns = min(end_ns, due_ns, self.next_ns)
        if self.now_ns < until_ns:
            self._wait(self._clock.real_ns(until_ns))
            self._keep_up()
        self._floor_ns = max(self._floor_ns, min(end_ns, self.now_ns))
        return min(end_ns, self._floor_ns)

    def _wait(self, real_ns: int) -> None:
        if self._stream is None:
            self._real.sleep_until(self._real.now_ns() + min(real_ns, self._pause_ns))
        else:
            wait((self._stream,), min(real_ns, _LOOK_NS))

    # The executor's port

    def place(self, approved: Approved, now_ns: int) -> None:  # noqa: ARG002  the wire has its own time
        """Send an order."""
        self._sent += 1
        if self._say(PlaceCall(approved, self._sent)):
            self._in_flight[approved.client_id] = self._sent

    def amend(self, amend: ApprovedAmend, now_ns: int) -> None:  # noqa: ARG002  the wire has its own time
        """Send new terms of an order."""
        self._say(AmendCall(amend))

    def cancel(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:  # noqa: ARG002  the wire has its own time
        """Send a cancel."""
        self._say(CancelCall(instrument, client_id))

    def send_batch(self, calls: tuple[Order, ...], now_ns: int) -> None:
        """Send the calls one after the other: this venue has frames for single ones only."""
        for call in calls:
            if isinstance(call, Approved):
                self.place(call, now_ns)
            elif isinstance(call, ApprovedAmend):
                self.amend(call, now_ns)
            else:
                self.cancel(call.instrument, call.client_id, now_ns)

    def ask_order(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:  # noqa: ARG002  the port's shape
        """Ask what became of an order."""
        self._say(OrderQuestion(client_id, now_ns))

    def ask_open_orders(self, query: OpenOrdersQuery, now_ns: int) -> None:
        """Ask which orders are open, and lately ended."""
        self._say(OpenOrdersQuestion(query.instrument, query.since_ns, now_ns))

    def ask_balances(self, query: BalancesQuery, now_ns: int) -> None:  # noqa: ARG002  a line leads to one venue
        """Ask what we own."""
        self._say(BalancesQuestion(now_ns))

    def ask_time(self, now_ns: int) -> None:
        """Ask what the venue's clock shows."""
        self._say(TimeQuestion(now_ns))

    def _say(self, call: FromProgram) -> bool:
        if self._stream is None or not self._greeted:
            return False
        self._stream.send(encode(call))
        return True

    # The connection

    def _keep_up(self) -> None:
        """Read what has come, and dial when there is no connection and it is time."""
        stream = self._stream
        if stream is None:
            if self._real.monotonic_ns() >= self._dial_ns:
                self._dial()
            return
        stream.flush()
        try:
            for payload in self._frames.feed(stream.receive()):
                self._hear(from_venue(payload))
        except WorldError as error:
            stream.end(str(error))
        if not self._greeted and self._real.monotonic_ns() >= self._dial_ns:
            stream.end("the venue does not greet")
        if self._farewell:
            stream.end(self._farewell)
        if stream.ended:
            self._lose(self._farewell or stream.ended)

    def _dial(self) -> None:
        try:
            address = msgspec.json.decode((self.venue_folder / ADDRESS).read_bytes(), type=Address)
            stream = dial(address.port)
        except (OSError, msgspec.DecodeError, WorldError):
            self._try_later()
            return
        self._stream, self._frames, self._parts, self._farewell = stream, FrameReader(), [], ""
        self._dial_ns = self._real.monotonic_ns() + _GREETING_NS
        stream.send(encode(Hello(VERSION)))

    def _try_later(self) -> None:
        self._dial_ns = self._real.monotonic_ns() + self._pause_ns
        self._pause_ns = min(2 * self._pause_ns, _LAST_DIAL_NS)

    def _lose(self, reason: str) -> None:
        self._losses.append(reason)
        self._stream, self._greeted = None, False
        self._try_later()
        for client_id in self._in_flight:
            self._take(0, "event", OrderUnknown(client_id, f"no answer before the end: {reason}", self.now_ns))
        self._in_flight.clear()

    def _hear(self, message: FromVenue) -> None:
        if isinstance(message, Welcome):
            anchor = message.anchor
            self._clock = ScaledClock(anchor.monotonic_ns, anchor.sim_ns, anchor.speed)
            self.speed = anchor.speed
            self._greeted, self._pause_ns = True, _FIRST_DIAL_NS
        elif isinstance(message, News):
            self._news(message.event)
        elif isinstance(message, Refusal):
            self._refused(message.event, message.attempt)
        elif isinstance(message, OrderAnswer):
            self._take(0, "answer", StatusAnswer(message.client_id, message.found, message.asked_ns))
        elif isinstance(message, OpenOrdersList):
            self._parts.extend(message.found)
            if message.last:
                found, self._parts = tuple(self._parts), []
                self._take(0, "answer", OpenOrdersAnswer(message.instrument, found, message.asked_ns))
        elif isinstance(message, BalancesStatement):
            self._take(0, "answer", BalancesAnswer(message.report, message.asked_ns))
        elif isinstance(message, TimeAnswer):
            self._take(0, "time", VenueTime(message.venue, message.asked_ns, message.venue_ns))
        else:
            self._farewell = f"the venue hung up: {message.reason}"

    def _news(self, event: Event) -> None:
        if not isinstance(event, Print):
            self._in_flight.pop(getattr(event, "client_id", ""), None)
        self._take(event.ts_ns, "event", event)

    def _refused(self, refusal: OrderRejected, attempt: int) -> None:
        if self._in_flight.get(refusal.client_id) == attempt:
            del self._in_flight[refusal.client_id]
            self._take(refusal.ts_ns, "refusal", (refusal, attempt))

    def _take(self, ts_ns: int, kind: str, payload: Any) -> None:
        """Put something into the inbox, not older than what is there or has been handed out."""
        last_ns = self._inbox[-1][0] if self._inbox else 0
        at_ns = max(ts_ns, last_ns, self._floor_ns)
        if kind == "event":
            payload = told_at(payload, at_ns)
        elif kind == "refusal":
            payload = (structs.replace(payload[0], ts_ns=at_ns), payload[1])
        self._inbox.append((at_ns, kind, payload))
