"""What a run stands on, and what of it outlives the program: a folder, a ledger, a venue, a market.

A program dies, and its disk, its ledger and its venue do not. `Run` therefore opens nothing itself: it is given
premises, comes back to the same ones after every end, and cannot tell a simulated end from a real one. `FolderPremises`
are the machine's; the fault world has others, on which it can pull the plug.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from millrace.core.clock import Clock
from millrace.core.kill import KillFile
from millrace.core.ledger import LedgerStore
from millrace.shell.disk import Disk, RealDisk
from millrace.shell.kill_file import KILL_NAME, KillFiles
from millrace.shell.lease import FolderLease
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.shell.venue_port import VenuePort
from millrace.sim.candles import PrintColumns
from millrace.sim.depth.settings import DepthVenueSettings
from millrace.sim.prediction.settings import PredictionSettings
from millrace.sim.venue import SimVenue, VenueSettings
from millrace.world.arb.desk import DeskMarkets
from millrace.world.arb.quote_feed import BookVenue, Row
from millrace.world.assemble import Program
from millrace.world.folder.venue_store import DepthStore, PredictionStore, VenueStore
from millrace.world.line import SimulatedLine
from millrace.world.quoting.book_feed import Answering, DepthVenueHere, Fate, whole
from millrace.world.quoting.book_feed import Row as BookRow
from millrace.world.quoting.desk import QuoteMarkets
from millrace.world.simulation import Line, Simulation

LEDGER: Final = "ledger.db"
VENUE: Final = "venue"
Market = Callable[[int], Iterator[PrintColumns]]
"""From a time in ns on, the market's prints in chunks."""
LedgerWrapper = Callable[[LedgerStore], LedgerStore]


class Closing(Protocol):
    """Something held that is let go of by closing it."""

    def close(self) -> None:
        """Let go."""
        ...


class Way(Line, VenuePort, Protocol):
    """The way to a venue, both as the executor and as the loop see it."""

    @property
    def now_ns(self) -> int:
        """The latest time that the venue has worked through, as far as we know."""
        ...


class Connection(NamedTuple):
    """The way to the venue; `held` is closed when the program ends, `notices` are for a person.

    `here` is the venue itself where it lives in this process and sees the market's rows; None where it does not.
    """

    line: Way
    held: Closing
    notices: tuple[str, ...]
    here: SimVenue | None


class MarketConnection(NamedTuple):
    """The way to a prediction venue, as `Connection` is to the spot venue; `here` sees the books."""

    line: Way
    held: Closing
    notices: tuple[str, ...]
    here: BookVenue


class DepthWay(Way, Answering, Protocol):
    """A way to a venue of order books, which tells its books by a clock of its own."""


class DepthConnection(NamedTuple):
    """The way to a venue of order books, as `Connection` is to the spot venue; `here` sees books and trades."""

    line: DepthWay
    held: Closing
    notices: tuple[str, ...]
    here: DepthVenueHere
    fate: Fate = whole


class Premises(Protocol):
    """Where a run lives; every method raises WorldError when what it opens cannot be used.

    Journal and snapshots lie in `folder` of `disk`; `clock` measures how long a start takes; the market of a run that
    never ran begins at `first_ns`; `kill_file` is where anybody may stop it.
    """

    folder: Path
    disk: Disk
    clock: Clock
    first_ns: int
    kill_file: KillFile

    def occupy(self) -> Closing:
        """Hold the premises for this program alone (design section 5.7)."""
        ...

    def has_ledger(self) -> bool:
        """Tell whether there is a ledger from before."""
        ...

    def ledger(self, *, create: bool) -> LedgerStore:
        """Open the ledger; with `create` one that is absent is made."""
        ...

    def connect(self, settings: VenueSettings) -> Connection:
        """Reach the venue."""
        ...

    def connect_markets(self, settings: PredictionSettings) -> MarketConnection:
        """Reach a prediction venue; raises OperatorError where there is none to reach."""
        ...

    def market(self, after_ns: int) -> Iterator[PrintColumns]:
        """Return the market's prints that are later than this time."""
        ...

    def quotes(self, markets: DeskMarkets, after_ns: int) -> Iterator[Row]:
        """Return what happens on the desk's markets later than this time."""
        ...

    def connect_books(self, settings: DepthVenueSettings) -> DepthConnection:
        """Reach the quote desk's venue; raises OperatorError where there is none to reach."""
        ...

    def book_rows(self, markets: QuoteMarkets, after_ns: int) -> Iterator[BookRow]:
        """Return what happens on the quote desk's markets later than this time."""
        ...

    def assembled(self, program: Program, simulation: Simulation) -> None:
        """Take note of a program that was put together and restored, and has heard nothing yet."""
        ...


class FolderPremises:
    """A folder on the machine's disk, with SQLite and the simulated venue's own log in it.

    `disk` and `wrap_ledger` stand in for the machine's in tests of what happens when it fails; `kill_file` names a
    kill file besides the folder's own. Without `syncs` the run survives the death of its program, not of its machine.
    """

    def __init__(
        self,
        folder: Path,
        clock: Clock,
        market: Market,
        first_ns: int,
        *,
        disk: Disk | None = None,
        wrap_ledger: LedgerWrapper = lambda ledger: ledger,
        kill_file: str = "",
        syncs: bool = True,
    ) -> None:
        self.folder = folder
        self.disk: Disk = RealDisk(syncs=syncs) if disk is None else disk
        self._syncs = syncs
        self.clock = clock
        self.first_ns = first_ns
        self.kill_file: KillFile = KillFiles(folder / KILL_NAME, *([Path(kill_file)] if kill_file else []))
        self._market = market
        self._wrap_ledger = wrap_ledger

    def occupy(self) -> Closing:
        """Take the folder's lock, which the system drops when its holder dies."""
        return FolderLease(self.folder)

    def has_ledger(self) -> bool:
        """Tell whether the file is there."""
        return (self.folder / LEDGER).exists()

    def ledger(self, *, create: bool) -> LedgerStore:
        """Open the SQLite file."""
        return self._wrap_ledger(SqliteLedger(self.folder / LEDGER, create=create, syncs=self._syncs))

    def connect(self, settings: VenueSettings) -> Connection:
        """Return the venue as its log left it."""
        store = VenueStore(self.folder / VENUE, settings)
        return Connection(SimulatedLine(store.venue), store, store.notices, store.venue)

    def connect_markets(self, settings: PredictionSettings) -> MarketConnection:
        """Return a prediction venue as its log left it."""
        store = PredictionStore(self.folder / f"{VENUE}-{settings.venue}", settings)
        return MarketConnection(SimulatedLine(store.venue), store, store.notices, store.venue)

    def market(self, after_ns: int) -> Iterator[PrintColumns]:
        """Return the prints after this time: the market stands still while nobody runs it."""
        return self._market(after_ns + 1)

    def quotes(self, markets: DeskMarkets, after_ns: int) -> Iterator[Row]:
        """Return the rows after this time: these markets too stand still while nobody runs them."""
        return markets.rows(after_ns)

    def connect_books(self, settings: DepthVenueSettings) -> DepthConnection:
        """Return the quote desk's venue as its log left it."""
        store = DepthStore(self.folder / f"{VENUE}-{settings.venue}", settings)
        return DepthConnection(SimulatedLine(store.venue), store, store.notices, store.venue)

    def book_rows(self, markets: QuoteMarkets, after_ns: int) -> Iterator[BookRow]:
        """Return the rows after this time, each book as it is then first."""
        return markets.rows(after_ns + 1)

    def assembled(self, program: Program, simulation: Simulation) -> None:
        """Nobody watches a run in a folder from outside."""
