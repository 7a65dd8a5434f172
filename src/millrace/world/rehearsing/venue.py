"""The simulated venue as a server: its own process, its own memory on disk, its own clock and market.

It outlives the program as an exchange does, and may be killed itself. What it has written down happened, whether or not
anybody heard of it; a call that had not arrived never did. While nobody listens it works through its market in bulk.
Everything that it does has a time: rows of the market first, then what arrives and what is told, each in order.
"""

import heapq
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from millrace.core.clock import Clock
from millrace.core.events import BalanceReport, Event, OrderAccepted, OrderRejected
from millrace.core.failure import WorldError
from millrace.shell.clock import ScaledClock
from millrace.shell.disk import RealDisk
from millrace.shell.lease import FolderLease
from millrace.shell.stream import Listener, Stream, Waitable, wait
from millrace.sim.candles import PrintColumns
from millrace.sim.venue import Delivery, VenueSettings
from millrace.venues.rehearsal.frames import FrameReader
from millrace.venues.rehearsal.messages import (
    ADDRESS,
    ORDERS_PER_PART,
    VERSION,
    Address,
    AmendCall,
    Anchor,
    BalancesQuestion,
    BalancesStatement,
    CancelCall,
    Farewell,
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
    VenueNews,
    Welcome,
    encode,
    from_program,
)
from millrace.world.feed import Feed
from millrace.world.folder.venue_store import VenueStore

_ROWS_PER_TURN = 2_000
_IDLE_NS = 250_000_000
_NEVER_NS = 2**63 - 1


class _Seat:
    """One connected program; it is told nothing before it has greeted."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream
        self.frames = FrameReader()
        self.greeted = False

    def tell(self, message: FromVenue) -> None:
        self.stream.send(encode(message))

    def dismiss(self, reason: str) -> None:
        self.tell(Farewell(reason))
        self.stream.end(reason)


class RehearsalVenue:
    """The venue of one folder; raises WorldError when another process holds it or its log is damaged.

    With `closed` the market stands still and calls are taken all the same, so that a program can learn everything and
    nothing changes behind it. Its clock begins now where its log ends, or goes on as it was with `same_clock`.
    """

    def __init__(
        self,
        folder: Path,
        settings: VenueSettings,
        market: Callable[[int], Iterator[PrintColumns]],
        first_ns: int,
        speed: float,
        real: Clock,
        *,
        closed: bool = False,
        same_clock: bool = False,
    ) -> None:
        self._lease = FolderLease(folder)
        self._store = VenueStore(folder, settings)
        self.venue = self._store.venue
        self.notices = self._store.notices
        self._instrument = settings.instruments[0].id
        worked_ns = max(first_ns, self.venue.now_ns)
        self._anchor = Anchor(real.monotonic_ns(), worked_ns, speed)
        if same_clock:
            self._anchor = msgspec.json.decode((folder / ADDRESS).read_bytes(), type=Address).anchor
        self.clock = ScaledClock(self._anchor.monotonic_ns, self._anchor.sim_ns, self._anchor.speed)
        self._feed = Feed(self._instrument, iter(()) if closed else market(worked_ns + 1), self.venue)
        self._seats: list[_Seat] = []
        self._queue: list[tuple[int, int, str, Any, _Seat | None]] = []
        self._count = 0
        self.ended: list[str] = []
        self._listener = Listener()
        RealDisk().replace(folder / ADDRESS, msgspec.json.encode(Address(self._listener.port, self._anchor)))

    def close(self) -> None:
        """Let go of everybody and of the folder; the next clock begins at this time, whatever happened until now."""
        self.venue.skip_to(self._instrument, max(self.venue.now_ns, self.clock.now_ns()))
        for seat in self._seats:
            seat.dismiss("the venue closes")
        self._listener.close()
        self._store.close()
        self._lease.close()

    def serve(self, stopped: Callable[[], bool], also: tuple[Waitable, ...] = ()) -> None:
        """Serve until `stopped` says so, which is asked at least four times a second and when `also` wakes up."""
        while not stopped():
            self.turn()
            wait((self._listener, *(seat.stream for seat in self._seats), *also), self._idle_ns())

    def turn(self) -> None:
        """Do what is due now, without waiting."""
        self._seats += [_Seat(stream) for stream in iter(self._listener.accept, None)]
        now_ns = self.clock.now_ns()
        for seat in self._seats:
            self._hear(seat, now_ns)
        self._work(now_ns)
        for seat in self._seats:
            seat.stream.flush()
        self.ended += [seat.stream.ended for seat in self._seats if seat.stream.ended]
        self._seats = [seat for seat in self._seats if not seat.stream.ended]

    def _idle_ns(self) -> int:
        row_ns = self._feed.next_ns
        due_ns = min(_NEVER_NS if row_ns is None else row_ns, self._queue[0][0] if self._queue else _NEVER_NS)
        return min(_IDLE_NS, self.clock.real_ns(due_ns))

    # What comes in

    def _hear(self, seat: _Seat, now_ns: int) -> None:
        try:
            for payload in seat.frames.feed(seat.stream.receive()):
                self._request(seat, from_program(payload), now_ns)
        except WorldError as error:
            seat.dismiss(str(error))

    def _request(self, seat: _Seat, request: FromProgram, now_ns: int) -> None:
        if isinstance(request, Hello):
            if request.version != VERSION:
                raise WorldError(f"this venue speaks version {VERSION}, not {request.version}")
            seat.greeted = True
            seat.tell(Welcome(self._anchor, now_ns))
        elif not seat.greeted:
            raise WorldError("malformed frame: a call before the greeting")
        else:
            self._push(self.venue.arrival_ns(_about(request), now_ns), "request", request, seat)

    def _push(self, ts_ns: int, kind: str, what: Any, seat: _Seat | None) -> None:
        self._count += 1
        heapq.heappush(self._queue, (ts_ns, self._count, kind, what, seat))

    # What happens

    def _work(self, now_ns: int) -> None:
        """Let rows of the market, arrivals and tellings up to `now_ns` happen in order; a long way takes many turns."""
        for _ in range(_ROWS_PER_TURN):
            due_ns = self._queue[0][0] if self._queue else _NEVER_NS
            if self._market(min(due_ns, now_ns)):
                continue
            if due_ns > now_ns:
                return
            ts_ns, _, kind, what, seat = heapq.heappop(self._queue)
            if kind == "tell":
                self._tell(what, seat)
            elif seat is not None:
                self._arrive(seat, what, ts_ns)

    def _market(self, until_ns: int) -> bool:
        """Work through market data up to `until_ns`; True when a row was shown, and there may be more."""
        feed = self._feed
        row_ns = feed.next_ns
        if row_ns is None or row_ns > until_ns:
            return False
        if not self._seats:
            block, found = feed.skip(until_ns, *feed.bounds())
            if block is not None:
                feed.skipped(block)
            if not found:
                return block is not None
        event, answers = feed.take()
        self._tell(_news(event), None)
        self._tell_all(answers)
        return True

    def _arrive(self, seat: _Seat, request: FromProgram, ts_ns: int) -> None:
        venue = self.venue
        back_ns = ts_ns + venue.settings.response_latency_ns
        if isinstance(request, PlaceCall):
            for delivery in venue.place(request.order, ts_ns):
                self._answer(seat, delivery, request.attempt)
        elif isinstance(request, AmendCall):
            self._tell_all(venue.amend(request.amend, ts_ns))
        elif isinstance(request, CancelCall):
            self._tell_all(venue.cancel(request.instrument, request.client_id, ts_ns))
        elif isinstance(request, OrderQuestion):
            found = venue.order_status(request.client_id)
            self._push(back_ns, "tell", OrderAnswer(request.client_id, found, request.asked_ns), seat)
        elif isinstance(request, OpenOrdersQuestion):
            for part in self._listed(request):
                self._push(back_ns, "tell", part, seat)
        elif isinstance(request, TimeQuestion):
            self._push(back_ns, "tell", TimeAnswer(venue.settings.venue, request.asked_ns, ts_ns), seat)
        elif isinstance(request, BalancesQuestion):
            report = BalanceReport(venue.settings.venue, venue.balances(), ts_ns)
            self._push(back_ns, "tell", BalancesStatement(report, request.asked_ns), seat)

    def _listed(self, asked: OpenOrdersQuestion) -> Iterator[OpenOrdersList]:
        found = self.venue.open_orders(asked.instrument)
        if asked.since_ns is not None:
            found += self.venue.ended_orders(asked.instrument, asked.since_ns)
        for start in range(0, max(1, len(found)), ORDERS_PER_PART):
            end = start + ORDERS_PER_PART
            yield OpenOrdersList(asked.instrument, found[start:end], asked.asked_ns, last=end >= len(found))

    # What goes out

    def _answer(self, seat: _Seat, delivery: Delivery, attempt: int) -> None:
        """Put what follows an order on its way: the answer to the asker, the account's news to everybody."""
        event = delivery.event
        if isinstance(event, OrderRejected):
            self._push(delivery.ts_ns, "tell", Refusal(event, attempt), seat)
        elif isinstance(event, OrderAccepted):
            self._push(delivery.ts_ns, "tell", News(event), seat)
        else:
            self._tell_all([delivery])

    def _tell_all(self, deliveries: list[Delivery]) -> None:
        for ts_ns, event in deliveries:
            self._push(ts_ns, "tell", _news(event), None)

    def _tell(self, message: FromVenue, seat: _Seat | None) -> None:
        for each in self._seats if seat is None else [seat]:
            if each.greeted:
                each.tell(message)


def _news(event: Event) -> News:
    if not isinstance(event, VenueNews):
        raise TypeError(f"a venue cannot tell {event}")
    return News(event)


def _about(request: FromProgram) -> str:
    """Return the order whose travel time a call has; a call about no order has its own."""
    if isinstance(request, PlaceCall):
        return request.order.client_id
    if isinstance(request, AmendCall):
        return request.amend.client_id
    return request.client_id if isinstance(request, CancelCall | OrderQuestion) else type(request).__name__
