"""The program of a rehearsal: the same run as everywhere, with its venue in another process and real time.

Nothing here trades or recovers. The run's own start asks the venue about everything, its own loop waits on the line;
this module keeps the sitting: it looks at kills, requests and the wish to stop four times a second.
"""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from millrace.config.settings import Settings
from millrace.core.clock import Clock
from millrace.core.failure import OperatorError
from millrace.core.kill import KillOrder
from millrace.core.permission import ReasonCode
from millrace.shell.lease import AccountLease
from millrace.sim.candles import PrintColumns
from millrace.sim.depth.settings import DepthVenueSettings
from millrace.sim.prediction.settings import PredictionSettings
from millrace.sim.venue import VenueSettings
from millrace.world.folder.run_folder import Run
from millrace.world.premises import VENUE, Closing, Connection, DepthConnection, FolderPremises, MarketConnection
from millrace.world.rehearsing.line import RehearsalLine
from millrace.world.sitting import FRAME_NS, Frame, Sitting, SittingResult


class RehearsalPremises(FolderPremises):
    """A folder on the machine's disk whose venue is another process; the market comes from there.

    The account at that venue belongs to one program of this machine: `state` is where its lease lies.
    """

    def __init__(self, folder: Path, clock: Clock, line: RehearsalLine, kill_file: str, state: Path) -> None:
        super().__init__(folder, clock, _no_market, line.now_ns, kill_file=kill_file)
        self._line = line
        self._state = state

    def occupy(self) -> Closing:
        """Take the folder's lock and the account's."""
        with ExitStack() as held:
            held.callback(super().occupy().close)
            held.callback(AccountLease(self._state, "rehearsal", str(self._line.venue_folder), self.folder).close)
            return held.pop_all()

    def connect(self, settings: VenueSettings) -> Connection:  # noqa: ARG002  the venue has its own copy of them
        """Return the line, which is connected already."""
        return Connection(self._line, self._line, (), None)

    def connect_markets(self, settings: PredictionSettings) -> MarketConnection:
        """Have none: a rehearsal is of the spot venue."""
        raise OperatorError(f"a rehearsal has no venue {settings.venue}; set arb.enabled=false")

    def connect_books(self, settings: DepthVenueSettings) -> DepthConnection:
        """Have none either."""
        raise OperatorError(f"a rehearsal has no venue {settings.venue}; set quoting.enabled=false")


def _no_market(ts_ns: int) -> Iterator[PrintColumns]:  # noqa: ARG001  prints come over the line
    return iter(())


class RehearsalProgram:
    """The program's side of a rehearsal; waits for the venue first, whose clock it needs.

    The venue is that of its own folder, unless `venue_folder` is another's. Raises WorldError when another program
    holds the folder or the account.
    """

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        clock: Clock,
        kills: tuple[KillOrder, ...],
        stopped: Callable[[], bool],
        *,
        state: Path,
        venue_folder: Path | None = None,
    ) -> None:
        self._clock = clock
        self._stopped = stopped
        self.line = RehearsalLine(venue_folder or folder / VENUE, clock, stopped)
        with ExitStack() as opened:
            opened.callback(self.line.close)
            premises = RehearsalPremises(folder, clock, self.line, settings.stops.kill_file, state)
            self.run = Run(premises, settings, kills)
            opened.pop_all()

    def play(self, seconds: float | None, show: Callable[[Frame], None], *, until_quiet: bool = False) -> SittingResult:
        """Trade for so many real seconds or until the wish to stop; returns how it went.

        With `until_quiet` the sitting also ends as soon as nothing is in question: the venue has answered everything
        that a start asks, and no order is on its way.
        """
        simulation, line = self.run.simulation, self.line
        sitting = Sitting(self.run, self._clock, line.speed)
        if line.speed <= 1.0:  # faster than that, a commit would seem to take longer than it does
            self.run.measure_by(self._clock)
        while not self._stopped() and (seconds is None or sitting.passed_ns < seconds * 1e9):
            if until_quiet and self.quiet:
                break
            sitting.mark()
            simulation.run_until(simulation.now_ns + max(1, round(FRAME_NS * line.speed)))
            for reason in line.take_losses():
                sitting.tell(f"connection to the venue lost: {reason}")
            sitting.look(show)
        return sitting.end()

    @property
    def quiet(self) -> bool:
        """Whether the venue has answered everything, and nothing of ours is on its way."""
        executor, board = self.run.simulation.executor, self.run.program.engine.board
        in_question = {ReasonCode.RECOVERY_INCOMPLETE, ReasonCode.UNKNOWN_ORDER}
        return (
            not executor.recovering
            and not executor.waiting
            and not executor.unanswered
            and self.line.quiet
            and not any(restriction.reason in in_question for restriction in board.active())
        )
