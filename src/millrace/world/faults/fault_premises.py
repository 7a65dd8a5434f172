"""Simulated premises: a disk, a ledger, a network, a venue and a market that outlive the program, and can be unplugged.

The same `Run` as everywhere stands on these, recovery included. When the program dies, requests in flight still arrive
at the venue, and nobody hears the answers; the venue goes on trading; the disk keeps what it would keep.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from millrace.core.clock import Clock, SimulatedClock
from millrace.core.commands import Approved, Command
from millrace.core.failure import OperatorError, WorldError
from millrace.core.instrument import InstrumentId
from millrace.core.kill import HeldKills, KillFile
from millrace.core.ledger import CommitResult
from millrace.shell.disk import Disk
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.venue_port import Order
from millrace.sim.candles import PrintColumns
from millrace.sim.depth.settings import DepthVenueSettings
from millrace.sim.faults import Fate, Fault, Faults
from millrace.sim.memory_disk import MemoryDisk
from millrace.sim.plug import Plug
from millrace.sim.prediction.settings import PredictionSettings
from millrace.sim.venue import SimVenue, VenueSettings
from millrace.world.arb.desk import DeskMarkets
from millrace.world.arb.quote_feed import Row
from millrace.world.assemble import Program
from millrace.world.feed import Feed
from millrace.world.line import SimulatedLine, VenueHere
from millrace.world.premises import Connection, DepthConnection, MarketConnection
from millrace.world.quoting.book_feed import Row as BookRow
from millrace.world.quoting.desk import QuoteMarkets
from millrace.world.simulation import Simulation

FOLDER: Final = Path("run")
_REQUESTS: Final = frozenset({"place", "amend", "cancel", "batch"})
"""What changes something at the venue and so matters when the program that sent it is dead."""
_UNHEARD: Final = Fate(Fault.ANSWER_LOST)


class SurvivingLedger(MemoryLedger):
    """A ledger whose commits are whole and durable, as SQLite's are, and which the program's death leaves alone.

    `trouble` is why a commit fails now, "" when it does not. `on_commit` is told before each commit takes effect.
    """

    def __init__(self, plug: Plug, on_commit: Callable[[list[Command]], None]) -> None:
        super().__init__()
        self.trouble = ""
        self._plug = plug
        self._on_commit = on_commit

    def commit(self, commands: list[Command]) -> CommitResult:
        """Take the batch whole, or fail whole."""
        self._plug.at("before commit")
        if self.trouble:
            raise WorldError(f"ledger cannot be used: {self.trouble}")
        self._on_commit(commands)
        result = super().commit(commands)
        self._plug.at("after commit")
        return result


class MortalLine(SimulatedLine):
    """A line whose one end may die; `on_send` sees each order at the moment at which it leaves."""

    def __init__(self, venue: VenueHere, faults: Faults, plug: Plug, on_send: Callable[[Approved, int], None]) -> None:
        super().__init__(venue, faults)
        self._plug = plug
        self._on_send = on_send
        self._connected = True

    def connect(self) -> None:
        """Let a program hear what comes from now on."""
        self._connected = True

    def hang_up(self) -> None:
        """Lose every answer under way, and the answers to all requests under way."""
        self._connected = False
        requests = [thing for thing in self._heap if thing[2] in _REQUESTS]
        self._heap.clear()
        for ts_ns, _, kind, payload in sorted(requests):
            unheard = tuple(_UNHEARD if isinstance(part, Fate) else part for part in payload)
            self.push(ts_ns, kind, unheard)

    def push(self, ts_ns: int, kind: str, payload: Any) -> None:
        """Put something on its way; what only the program could hear is lost while there is none."""
        if self._connected or kind in _REQUESTS:
            super().push(ts_ns, kind, payload)

    @property
    def next_ns(self) -> int:
        """When the next thing arrives; asked once in each turn of the program's loop."""
        if self._connected:
            self._plug.at("turn of the loop")
        return super().next_ns

    def place(self, approved: Approved, now_ns: int) -> None:
        """Send an order."""
        self._plug.at("before send")
        self._on_send(approved, now_ns)
        super().place(approved, now_ns)
        self._plug.at("after send")

    def cancel(self, instrument: InstrumentId, client_id: str, now_ns: int) -> None:
        """Send a cancel."""
        self._plug.at("before cancel")
        super().cancel(instrument, client_id, now_ns)
        self._plug.at("after cancel")

    def send_batch(self, calls: tuple[Order, ...], now_ns: int) -> None:
        """Send several in one call."""
        self._plug.at("before batch")
        for call in calls:
            if isinstance(call, Approved):
                self._on_send(call, now_ns)
        super().send_batch(calls, now_ns)
        self._plug.at("after batch")


class _Held:
    """The lease while a program holds it."""

    def __init__(self, premises: "MortalPremises") -> None:
        self._premises = premises

    def close(self) -> None:
        """Let go."""
        self._premises.is_held = False


class Nothing:
    """What the program closes and the world keeps."""

    def close(self) -> None:
        """Nothing ends: venue and line outlive the program."""


class MortalPremises:
    """What every fault world stands on, whatever it trades; each kind adds its venues.

    `lines` lead to the venues, and outlive the program like them; `first_ns` is the world's time while nobody runs.
    """

    def __init__(
        self, now_ns: int, on_commit: Callable[[list[Command]], None], on_start: Callable[[Program, Simulation], None]
    ) -> None:
        self.folder = FOLDER
        self.plug = Plug()
        self.medium = MemoryDisk(self.plug)
        self.disk: Disk = self.medium
        self.clock: Clock = SimulatedClock()
        self.first_ns = now_ns
        self.kills = HeldKills()
        self.kill_file: KillFile = self.kills
        self.is_held = False
        self.books = SurvivingLedger(self.plug, on_commit)
        self.lines: tuple[MortalLine, ...] = ()
        self._has_books = False
        self.assembled = on_start

    # What a program asks for

    def occupy(self) -> _Held:
        """Hold the premises; the system drops this hold when the program dies."""
        if self.is_held:
            raise WorldError(f"{self.folder} is in use by another program; stop it, or give another folder")
        self.is_held = True
        return _Held(self)

    def has_ledger(self) -> bool:
        """Tell whether a program made one before."""
        return self._has_books

    def ledger(self, *, create: bool) -> SurvivingLedger:
        """Open the ledger."""
        self.plug.at("before ledger")
        if self.books.trouble:
            raise WorldError(f"ledger cannot be used: {self.books.trouble}")
        if not (create or self._has_books):
            raise WorldError("there is no ledger; restore it, or say that this is a first start")
        self._has_books = True
        self.plug.at("after ledger")
        return self.books

    def connect(self, settings: VenueSettings) -> Connection:
        """Reach the spot venue."""
        raise OperatorError(f"this world has no venue {settings.venue}; set slots.enabled=false")

    def connect_markets(self, settings: PredictionSettings) -> MarketConnection:
        """Reach a prediction venue."""
        raise OperatorError(f"this world has no venue {settings.venue}; set arb.enabled=false")

    def connect_books(self, settings: DepthVenueSettings) -> DepthConnection:
        """Reach a venue of order books."""
        raise OperatorError(f"this world has no venue {settings.venue}; set quoting.enabled=false")

    def market(self, after_ns: int) -> Iterator[PrintColumns]:  # noqa: ARG002  the shape of premises
        """Return the spot market's prints that are later than this time."""
        return iter(())

    def quotes(self, markets: DeskMarkets, after_ns: int) -> Iterator[Row]:  # noqa: ARG002  the shape of premises
        """Return what happens on binary markets later than this time."""
        return iter(())

    def book_rows(self, markets: QuoteMarkets, after_ns: int) -> Iterator[BookRow]:  # noqa: ARG002  the same
        """Return what happens on the quote desk's markets later than this time."""
        return iter(())

    # What happens to it

    def end(self, now_ns: int) -> None:
        """The program is gone: its hold and its ears with it."""
        self.plug.revive()
        self.first_ns = max(self.first_ns, now_ns)
        self.is_held = False
        for line in self.lines:
            line.hang_up()

    def pass_time(self, until_ns: int) -> None:
        """Let venues and network go on without a program up to and including `until_ns`."""
        self.first_ns = max(self.first_ns, until_ns)


class FaultPremises(MortalPremises):
    """Implements `world.premises.Premises` for the fault world of the spot venue."""

    def __init__(
        self,
        venue: SimVenue,
        faults: Faults,
        market: Callable[[int], Iterator[PrintColumns]],
        now_ns: int,
        on_commit: Callable[[list[Command]], None],
        on_send: Callable[[Approved, int], None],
        on_start: Callable[[Program, Simulation], None],
    ) -> None:
        super().__init__(now_ns, on_commit, on_start)
        self.venue = venue
        self.line = MortalLine(venue, faults, self.plug, on_send)
        self.lines = (self.line,)
        self._market = market

    def connect(self, settings: VenueSettings) -> Connection:
        """Reach the venue."""
        del settings
        self.line.connect()
        return Connection(self.line, Nothing(), (), self.venue)

    def market(self, after_ns: int) -> Iterator[PrintColumns]:
        """Return the market's prints that are later than this time."""
        return self._market(after_ns + 1)

    def pass_time(self, until_ns: int) -> None:
        """Let venue and network go on without a program up to and including `until_ns`."""
        market = self.market(max(self.first_ns, self.venue.now_ns))
        feed = Feed(self.venue.settings.instruments[0].id, market, self.venue)
        while True:
            row_ns, arrival_ns = feed.next_ns, self.line.next_ns
            if row_ns is not None and row_ns <= min(arrival_ns, until_ns):
                _, answers = feed.take()
                self.line.answer(answers)
            elif arrival_ns <= until_ns:
                ts_ns, kind, payload = self.line.pop()
                self.line.arrive(kind, payload, ts_ns)
            else:
                break
        self.first_ns = max(self.first_ns, until_ns)
