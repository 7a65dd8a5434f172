"""The demo: grid and desks on built-in markets, live on a simulated clock, in a folder that survives being killed.

It is the same program as everywhere: every event is journaled, the ledger is SQLite on disk, and starting again in the
same folder goes through recovery. The market stands still while nobody runs it.
"""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from millrace.config.settings import Settings
from millrace.core.clock import Clock
from millrace.core.failure import OperatorError
from millrace.core.kill import KillOrder
from millrace.shell.journal import has_segments
from millrace.shell.lease import LOCK, FolderLease
from millrace.sim.candles import PrintColumns
from millrace.world.arb.desk import BEGINS_NS
from millrace.world.folder.handover import HANDOVER, demo_market, rest_orders
from millrace.world.folder.run_folder import Run
from millrace.world.folder.start_rule import StartRule, prepare
from millrace.world.premises import LEDGER, FolderPremises
from millrace.world.sitting import FRAME_NS, Frame, Sitting, SittingResult

FIRST_NS = BEGINS_NS
"""Where the demo's markets begin."""
_SLICE_NS = 60_000_000_000
"""Simulated time between two looks at the wish to stop; at the highest speed a frame holds hours."""
_MANIFEST = "manifest.json"


class Demo:
    """One sitting of the demo."""

    def __init__(
        self,
        settings: Settings,
        folder: Path,
        clock: Clock,
        kills: tuple[KillOrder, ...] = (),
        rule: StartRule = StartRule.CONTINUE,
    ) -> None:
        if not settings.slots.enabled:
            raise OperatorError("the demo shows the grid and the desks beside it; leave slots.enabled on")
        seed = settings.run.seed

        def market(ts_ns: int) -> Iterator[PrintColumns]:
            return demo_market(folder, seed, ts_ns)

        rest_orders(folder, settings)
        premises = FolderPremises(
            folder,
            clock,
            market,
            FIRST_NS,
            kill_file=settings.stops.kill_file,
            syncs=settings.run.survives_power_loss,
        )
        self.run = Run(premises, settings, kills, rule, prepare(folder, settings, rule))
        self._clock = clock

    def play(
        self,
        speed: float,
        seconds: float | None,
        show: Callable[[Frame], None],
        stopped: Callable[[], bool] = lambda: False,
    ) -> SittingResult:
        """Let simulated time pass `speed` times as fast as real time, for `seconds` or until `stopped` says so.

        Whoever wants to stop is asked between steps, never within one: what is closed is whole. Anything raised leaves
        the folder as a kill would, and the next start recovers it.
        """
        clock, simulation = self._clock, self.run.simulation
        if speed <= 1.0:  # faster than that, a commit would seem to take longer than it does
            self.run.measure_by(clock)
        sitting, first_sim_ns = Sitting(self.run, clock, speed), simulation.now_ns
        while not stopped() and (seconds is None or sitting.passed_ns < seconds * 1e9):
            began_ns = sitting.mark()
            until_ns = first_sim_ns + round(began_ns * speed)
            while simulation.now_ns < until_ns and not stopped():
                self.run.heed_kills()
                simulation.run_until(min(until_ns, simulation.now_ns + _SLICE_NS))
                if sitting.real_ns() - began_ns > FRAME_NS:
                    break
            sitting.look(show)
            clock.sleep_until(clock.now_ns() + max(0, FRAME_NS - (sitting.real_ns() - began_ns)))
        return sitting.end()


def put_aside(folder: Path) -> Path | None:
    """Move an earlier run out of the way, keeping it; returns where it went, None when there was none."""
    refuse_foreign(folder)
    if not folder.is_dir() or not any(folder.iterdir()):
        return None
    folder = folder.resolve()
    FolderLease(folder).close()  # a run that still goes on is not moved from under its program
    number = 1
    while (aside := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    shutil.move(folder, aside)
    return aside


def refuse_foreign(folder: Path) -> None:
    """Raise OperatorError for a folder that is in use for something else; an empty one or none at all is fine."""
    if folder.exists() and not folder.is_dir():
        raise OperatorError(f"{folder} is a file; name a folder with --dir")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    ours = [folder / _MANIFEST, folder / HANDOVER, folder / LEDGER, folder / LOCK]
    if not has_segments(folder) and not any(path.exists() for path in ours):
        raise OperatorError(f"{folder} holds other files and no run; name an empty or a new folder with --dir")
