"""Carries out the scans that the desk asks for: at once in a simulation, or in processes of their own.

In a simulation a scan is answered by the seed: the work is done here, when it comes and whether it was late is drawn,
so one seed stays one history. With processes the machine decides, as it would live; the journal then holds what came of
each scan, and a replay needs neither (runtime 2.10).
"""

from collections.abc import Callable
from typing import Protocol

from millrace.config.settings import Settings
from millrace.core.binary_events import LaneScanned
from millrace.core.clock import Clock
from millrace.core.commands import Command, Scan
from millrace.core.events import Event
from millrace.shell.lane_runner import LaneRunner, LaneRunnerSettings
from millrace.shell.lane_worker import named
from millrace.shell.metrics import Metrics
from millrace.sim.lanes import SimulatedLanes, SimulatedLanesSettings
from millrace.strategies.arb.scanning import JOBS
from millrace.strategies.arb.strategy import ArbDesk
from millrace.world.assemble import Program
from millrace.world.simulation import Line, Simulation


class Scans(Protocol):
    """Who answers scans; it listens to the sequencer."""

    def step(self, event: Event, commands: list[Command]) -> None:
        """Take the scans that a step asked for."""
        ...

    def come(self) -> list[LaneScanned]:
        """Return the answers that came since, for whoever feeds the program."""
        ...

    def close(self) -> None:
        """End what still runs."""
        ...


class ScansHere:
    """Scans of a simulation; their answers are put on the program's line."""

    def __init__(self, desk: Callable[[], ArbDesk], seed: int, line: Line) -> None:
        self._desk = desk
        self._line = line
        jobs = {lane: named(job) for lane, job in JOBS.items()}
        self._lanes = SimulatedLanes(jobs, seed, SimulatedLanesSettings())

    def step(self, event: Event, commands: list[Command]) -> None:  # noqa: ARG002  a listener is shown both
        """Take the scans that a step asked for."""
        for command in commands:
            if isinstance(command, Scan):
                self._line.answer([self._lanes.answer(command, *self._desk().scan_of())])

    def come(self) -> list[LaneScanned]:
        """Return nothing: answers are on the line."""
        return []

    def close(self) -> None:
        """Nothing runs on."""


class ScansOutside:
    """Scans in processes of their own; the program must ask now and then what came."""

    def __init__(self, desk: Callable[[], ArbDesk], clock: Clock, metrics: Metrics) -> None:
        self._desk = desk
        self._runner = LaneRunner(JOBS, LaneRunnerSettings(slots=1), clock, metrics)

    def step(self, event: Event, commands: list[Command]) -> None:  # noqa: ARG002  a listener is shown both
        """Take the scans that a step asked for."""
        for command in commands:
            if isinstance(command, Scan):
                self._runner.start(command, *self._desk().scan_of())

    def come(self) -> list[LaneScanned]:
        """Return the answers that came since; scans that are late are killed here."""
        return self._runner.collect()

    def close(self) -> None:
        """End the processes."""
        self._runner.close()


class _ProgramClock:
    """The program's time for events, and the machine's for durations."""

    def __init__(self, simulation: Simulation, machine: Clock) -> None:
        self._simulation = simulation
        self._machine = machine

    def now_ns(self) -> int:
        """Return the program's time."""
        return self._simulation.now_ns

    def sleep_until(self, ts_ns: int) -> None:
        """Wait by the machine's clock."""
        self._machine.sleep_until(ts_ns)

    def monotonic_ns(self) -> int:
        """Return the machine's count."""
        return self._machine.monotonic_ns()


def join_here(settings: Settings, program: Program, simulation: Simulation) -> Scans | None:
    """Have a simulated program's scans answered by its seed; None for one without a desk that asks for any."""
    desk = program.desk
    if desk is None or not settings.arb.combo.reporting:
        return None
    return _joined(ScansHere(program.desk_now, settings.run.seed, simulation.line), simulation)


def join_scans(
    settings: Settings, program: Program, simulation: Simulation, clock: Clock, metrics: Metrics
) -> Scans | None:
    """Have a program's scans carried out as its settings say; None for one without a desk that asks for any."""
    desk, combo = program.desk, settings.arb.combo
    if desk is None or not (combo.reporting and combo.processes):
        return join_here(settings, program, simulation)
    return _joined(ScansOutside(program.desk_now, _ProgramClock(simulation, clock), metrics), simulation)


def _joined(scans: Scans, simulation: Simulation) -> Scans:
    simulation.sequencer.listen(scans.step)
    return scans
