"""The demo: the slot grid on the built-in market, live on a simulated clock, in a folder that survives being killed.

It is the same program as everywhere: every event is journaled, the ledger is SQLite on disk, and starting again in the
same folder goes through recovery. The market stands still while nobody runs it.
"""

import shutil
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec

from millrace.config.settings import Settings
from millrace.core.clock import Clock
from millrace.core.commands import Alert, Command, RecordFill
from millrace.core.events import Event, Operator
from millrace.core.failure import OperatorError
from millrace.core.kill import KillOrder
from millrace.risk.stops import REFUSED
from millrace.shell.journal import has_segments
from millrace.shell.lease import LOCK, FolderLease
from millrace.shell.mailbox import RESTRICTIONS, Answer, Mailbox, Request
from millrace.sim.candles import PrintColumns
from millrace.sim.market_generator import prints_from
from millrace.world.incidents import Incidents
from millrace.world.premises import LEDGER, FolderPremises
from millrace.world.run_folder import Run

FIRST_NS = 1_767_225_600 * 1_000_000_000
"""Where the demo's market begins: 2026-01-01 00:00 UTC."""
_FRAME_NS = 250_000_000
_SLICE_NS = 60_000_000_000
"""Simulated time between two looks at the wish to stop; at the highest speed a frame holds hours."""
_RECENT = 40
_MANIFEST = "manifest.json"
_OPENS = {"A": "sell", "B": "buy"}


class Frame(msgspec.Struct, frozen=True):
    """What the terminal shows: simulated and real time, the grid's status, and the newest fills and alerts.

    `speed` is what was asked for, `sim_seconds / seconds` what was reached. `held` is what the opening balances would
    be worth now; past `price_limit_sec` a price is too old to act on.
    """

    number: int
    directory: str
    continued: bool
    sim_ns: int
    sim_seconds: float
    seconds: float
    speed: float
    price: float
    price_limit_sec: float
    equity: float
    held: float
    status: dict[str, Any]
    fills: tuple[str, ...]
    alerts: tuple[str, ...]
    events: int
    orders_waiting: int


class DemoResult(msgspec.Struct, frozen=True):
    """How a demo ended."""

    directory: str
    seconds: float
    sim_hours: float
    events: int
    command_hash: str
    startup: dict[str, Any]
    status: dict[str, Any]


class Demo:
    """One sitting of the demo."""

    def __init__(self, settings: Settings, folder: Path, clock: Clock, kills: tuple[KillOrder, ...] = ()) -> None:
        seed = settings.run.seed

        def market(ts_ns: int) -> Iterator[PrintColumns]:
            return prints_from(seed, ts_ns)

        premises = FolderPremises(folder, clock, market, FIRST_NS, kill_file=settings.stops.kill_file)
        self.run = Run(premises, settings, kills)
        self._clock = clock
        self._mailbox = Mailbox(folder)
        self._told: list[Alert] = []
        self._frames = 0
        self._fills: deque[str] = deque(maxlen=_RECENT)
        self._alerts: deque[str] = deque(maxlen=_RECENT)
        self.run.simulation.sequencer.listen(self._listen)
        self._incidents = Incidents(folder, clock, self.run.simulation.sequencer)

    def play(
        self,
        speed: float,
        seconds: float | None,
        show: Callable[[Frame], None],
        stopped: Callable[[], bool] = lambda: False,
    ) -> DemoResult:
        """Let simulated time pass `speed` times as fast as real time, for `seconds` or until `stopped` says so.

        Whoever wants to stop is asked between steps, never within one: what is closed is whole. Anything raised leaves
        the folder as a kill would, and the next start recovers it.
        """
        clock, simulation = self._clock, self.run.simulation
        if speed <= 1.0:  # faster than that, a commit would seem to take longer than it does
            self.run.measures.clock = clock
        began_ns, first_sim_ns = clock.monotonic_ns(), simulation.now_ns
        passed_ns = 0
        while not stopped() and (seconds is None or passed_ns < seconds * 1e9):
            passed_ns = clock.monotonic_ns() - began_ns
            until_ns = first_sim_ns + round(passed_ns * speed)
            while simulation.now_ns < until_ns and not stopped():
                self.run.heed_kills()
                simulation.run_until(min(until_ns, simulation.now_ns + _SLICE_NS))
                if clock.monotonic_ns() - began_ns - passed_ns > _FRAME_NS:
                    break
            self.run.heed_kills()
            self._serve()
            self._tell(self.run.keep())
            self._tell(self._incidents.keep())
            self._told.clear()
            show(self.frame(speed, first_sim_ns, passed_ns))
            clock.sleep_until(clock.now_ns() + max(0, _FRAME_NS - (clock.monotonic_ns() - began_ns - passed_ns)))
        self.run.close()
        return DemoResult(
            directory=str(self.run.folder),
            seconds=passed_ns / 1e9,
            sim_hours=(simulation.now_ns - first_sim_ns) / 3.6e12,
            events=simulation.events,
            command_hash=simulation.engine.command_hash.hex(),
            startup=self.run.startup_status(),
            status=self.run.status(),
        )

    def _serve(self) -> None:
        """Do what operators asked for, each as an event, and answer with what is in force after it."""
        engine = self.run.simulation.engine
        for request in self._mailbox.take():
            text = self._done(request)
            standing = engine.standing(self.run.program.grid.name, self.run.program.instrument.id)
            ok = not text.startswith(REFUSED)
            active = tuple(engine.restrictions())
            self._mailbox.answer(request.name, Answer(ok, text, standing.level.name, standing.reasons, active))

    def _done(self, request: Request) -> str:
        """Do one request and return its answer; a mere question is no event."""
        if request.action == RESTRICTIONS:
            return f"ok: {len(self.run.program.engine.restrictions())} in force"
        self._told.clear()
        self.run.simulation.feed_event(Operator(request.action, request.args, self.run.simulation.now_ns))
        answers = (alert.text for alert in self._told if alert.code == request.action)
        return next(answers, f"{REFUSED}: nothing here answers to {request.action}")

    def frame(self, speed: float, first_sim_ns: int, passed_ns: int) -> Frame:
        """Return what there is to see now."""
        simulation, program = self.run.simulation, self.run.program
        facts, engine = program.instrument, simulation.engine
        price = facts.price(engine.market(facts.id).last_ticks)
        base = engine.total(facts.id.venue, facts.base) or 0
        quote = engine.total(facts.id.venue, facts.quote) or 0
        opening = self.run.settings.venue
        self._frames += 1
        return Frame(
            number=self._frames,
            directory=str(self.run.folder),
            continued=self.run.restart,
            sim_ns=simulation.now_ns,
            sim_seconds=(simulation.now_ns - first_sim_ns) / 1e9,
            seconds=passed_ns / 1e9,
            speed=speed,
            price=price,
            price_limit_sec=self.run.settings.slots.stale_price_max_age_sec,
            equity=facts.quote_float(quote) + facts.base_float(base) * price,
            held=opening.quote_balance + opening.base_balance * price,
            status=self.run.status(),
            fills=tuple(self._fills),
            alerts=tuple(self._alerts),
            events=simulation.events,
            orders_waiting=simulation.executor.waiting,
        )

    def _tell(self, trouble: str) -> None:
        if trouble:
            self._alerts.append(f"{clock_text(self.run.simulation.now_ns)}  warn: {trouble}")

    def _listen(self, event: Event, commands: list[Command]) -> None:
        del event
        facts = self.run.program.instrument
        for command in commands:
            if isinstance(command, RecordFill) and command.lots:
                price = facts.quote_float(command.cost) / facts.volume(command.lots)
                place, side = command.position, command.side.value
                done = "opens" if _OPENS.get(place.leg) == side else "closes"
                self._fills.append(
                    f"{clock_text(command.ts_ns)}  {place.group:<7} {place.leg}  {side:<4}"
                    f" {facts.volume(command.lots):>9,.8g} at {price:.5f}  {done}"
                )
            elif isinstance(command, Alert):
                self._told.append(command)
                self._alerts.append(f"{clock_text(command.ts_ns)}  {command.severity.value}: {command.text}")


def clock_text(ts_ns: int) -> str:
    """Return hours, minutes and seconds of a UTC time."""
    seconds = ts_ns // 1_000_000_000 % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


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
    ours = [folder / _MANIFEST, folder / LEDGER, folder / LOCK]
    if not has_segments(folder) and not any(path.exists() for path in ours):
        raise OperatorError(f"{folder} holds other files and no run; name an empty or a new folder with --dir")
