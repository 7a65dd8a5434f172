"""A run while somebody watches it: what a frame shows, what operators ask for, and how the sitting ended.

How time passes is the business of who holds the sitting: the demo lets simulated time run, the rehearsal waits for
another process. What is done between two stretches of time is the same for both, and stands here.
"""

import gc
from collections import deque
from collections.abc import Callable
from typing import Any

import msgspec

from millrace.core.clock import Clock
from millrace.core.commands import OK, Alert, Command, RecordFill, Reply
from millrace.core.events import Event, Operator
from millrace.core.requests import refused
from millrace.shell.mailbox import RELOAD, RESTRICTIONS, STATUS, Answer, Mailbox, Request
from millrace.strategies.slots.books.audit_action import AUDIT
from millrace.world.afterwards.incidents import Incidents
from millrace.world.catalogue import actions
from millrace.world.folder.run_folder import Run
from millrace.world.ledger_sums import ledger_sums
from millrace.world.reload import reload

FRAME_NS = 250_000_000
"""Real time between two frames."""
_RECENT = 40
_OPENS = {"A": "sell", "B": "buy"}


class Frame(msgspec.Struct, frozen=True):
    """What the terminal shows: simulated and real time, the grid's status, and the newest fills and alerts.

    `speed` is what was asked for, `sim_seconds / seconds` what was reached. `equity` and `held`, what the opening
    balances would be worth now, are the spot venue's; past `price_limit_sec` a price is too old to act on. `quotes`
    counts the rows of the desk's markets in this sitting.
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
    quotes: int
    orders_waiting: int


class SittingResult(msgspec.Struct, frozen=True):
    """How a sitting ended."""

    directory: str
    seconds: float
    sim_hours: float
    events: int
    command_hash: str
    startup: dict[str, Any]
    status: dict[str, Any]


class Sitting:
    """One sitting with a run; `speed` is the simulated time that is wanted per real time.

    What a start has made, markets and rules above all, lives as long as the run, so the collector of garbage need not
    look through it again: with 50,000 markets one such look takes longer than the pass over all of them.
    """

    def __init__(self, run: Run, clock: Clock, speed: float) -> None:
        self.run = run
        self.speed = speed
        self.passed_ns = 0
        self._clock = clock
        self._began_ns = clock.monotonic_ns()
        self._first_sim_ns = run.simulation.now_ns
        quotes = run.simulation.quotes
        self._first_quotes = 0 if quotes is None else quotes.rows
        self._mailbox = Mailbox(run.folder)
        self._replies: list[Reply] = []
        self._frames = 0
        self._fills: deque[str] = deque(maxlen=_RECENT)
        self._alerts: deque[str] = deque(maxlen=_RECENT)
        run.simulation.sequencer.listen(self._listen)
        self._incidents = Incidents(run.folder, clock, run.simulation.sequencer)
        gc.collect()
        gc.freeze()

    def real_ns(self) -> int:
        """Return how much real time has passed since the sitting began."""
        return self._clock.monotonic_ns() - self._began_ns

    def mark(self) -> int:
        """Take the real time passed, in ns, as that of the next frame."""
        self.passed_ns = self.real_ns()
        return self.passed_ns

    def look(self, show: Callable[[Frame], None]) -> None:
        """Do what is due between two stretches of time: kills, operators' requests, snapshots, a frame."""
        self.run.heed_kills()
        self.run.hear_scans()
        self._serve()
        self.tell(self.run.keep())
        self.tell(self._incidents.keep())
        show(self.frame())

    def end(self) -> SittingResult:
        """Close the run and tell how it went."""
        gc.unfreeze()
        self.run.close()
        simulation = self.run.simulation
        return SittingResult(
            directory=str(self.run.folder),
            seconds=self.passed_ns / 1e9,
            sim_hours=(simulation.now_ns - self._first_sim_ns) / 3.6e12,
            events=simulation.events,
            command_hash=simulation.engine.command_hash.hex(),
            startup=self.run.startup_status(),
            status=self.run.status(),
        )

    def _serve(self) -> None:
        """Do what operators asked for, each as an event, and answer with what is in force after it."""
        for reply in self._taken_replies():
            self._mailbox.follow(reply.request, self._answer(reply))
        for request in self._mailbox.take():
            self._mailbox.answer(request.name, self._answer(self._done(request)))

    def _done(self, request: Request) -> Reply:
        """Do one request and return its reply; a mere question is no event."""
        now_ns = self.run.simulation.now_ns
        if request.action == RESTRICTIONS:
            text = f"{len(self.run.program.engine.restrictions())} in force"
            return Reply(request.name, request.action, OK, text, {}, now_ns)
        if request.action == STATUS:
            return Reply(request.name, request.action, OK, f"as of {clock_text(now_ns)}", self.run.status(), now_ns)
        if request.action == RELOAD:
            return reload(self.run, request)
        asked = Operator(request.action, request.args, now_ns, request.name)
        self.run.simulation.feed_event(asked)
        if request.action == AUDIT and any(reply.request == request.name and reply.ok for reply in self._replies):
            return self._audited(asked)
        replies = self._taken_replies()
        own = [reply for reply in replies if reply.request == request.name]
        self._replies += [reply for reply in replies if reply.request != request.name]
        if own:
            return _joined(own)
        known = ", ".join(actions())
        return refused(asked, f"nothing here answers to {request.action}; there are {known}")

    def _audited(self, asked: Operator) -> Reply:
        """Put the ledger's sums to the grid; there are none of a ledger that cannot be brought up to date."""
        run = self.run
        if not run.simulation.sequencer.settle():
            return refused(asked, "journal or ledger cannot be written now, so there is nothing to compare with")
        run.simulation.feed_event(ledger_sums(run.ledger, run.program, run.simulation.now_ns, asked.request))
        own = [reply for reply in self._replies if reply.request == asked.request]
        self._replies = [reply for reply in self._replies if reply.request != asked.request]
        return own[-1]

    def _taken_replies(self) -> list[Reply]:
        taken, self._replies = self._replies, []
        return taken

    def _answer(self, reply: Reply) -> Answer:
        engine = self.run.simulation.engine
        standing = engine.standing(self.run.program.grid.name, self.run.program.instrument.id)
        return Answer(
            ok=reply.ok,
            message=reply.message,
            code=reply.code,
            final=reply.final,
            data=reply.data,
            mode=standing.level.name,
            reasons=standing.reasons,
            restrictions=tuple(engine.restrictions()),
        )

    def frame(self) -> Frame:
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
            sim_seconds=(simulation.now_ns - self._first_sim_ns) / 1e9,
            seconds=self.passed_ns / 1e9,
            speed=self.speed,
            price=price,
            price_limit_sec=self.run.settings.slots.stale_price_max_age_sec,
            equity=facts.quote_float(quote) + facts.base_float(base) * price,
            held=opening.quote_balance + opening.base_balance * price,
            status=self.run.status(),
            fills=tuple(self._fills),
            alerts=tuple(self._alerts),
            events=simulation.events,
            quotes=0 if simulation.quotes is None else simulation.quotes.rows - self._first_quotes,
            orders_waiting=simulation.executor.waiting,
        )

    def tell(self, trouble: str) -> None:
        """Show a line that is not the core's, if there is one."""
        if trouble:
            self._alerts.append(f"{clock_text(self.run.simulation.now_ns)}  warn: {trouble}")

    def _fill_text(self, fill: RecordFill) -> str:
        place, side = fill.position, fill.side.value
        facts = self.run.program.engine.instrument(place.instrument)
        volume, when = facts.volume(fill.lots), clock_text(fill.ts_ns)
        price = facts.quote_float(fill.cost) / volume
        if facts.binary is not None:
            basket = place.group.rpartition("/")[2]
            return f"{when}  {basket:<10} {side:<4} {volume:>9,.8g} at {price:.4f}  {place.instrument}"
        done = "opens" if _OPENS.get(place.leg) == side else "closes"
        return f"{when}  {place.group:<7} {place.leg}  {side:<4} {volume:>9,.8g} at {price:.5f}  {done}"

    def _listen(self, event: Event, commands: list[Command]) -> None:
        del event
        for command in commands:
            if isinstance(command, RecordFill) and command.lots:
                self._fills.append(self._fill_text(command))
            elif isinstance(command, Reply):
                self._alerts.append(f"{clock_text(command.ts_ns)}  {command.action}: {command.said}")
                if command.request:
                    self._replies.append(command)
            elif isinstance(command, Alert):
                self._alerts.append(f"{clock_text(command.ts_ns)}  {command.severity.value}: {command.text}")


def _joined(replies: list[Reply]) -> Reply:
    """Return one reply of all that a single request got in one step: a guard's, then the strategy's."""
    last = replies[-1]
    if len(replies) == 1:
        return last
    data = {name: value for reply in replies for name, value in reply.data.items()}
    texts, code = "; ".join(reply.message for reply in replies), max(reply.code for reply in replies)
    return msgspec.structs.replace(last, code=code, message=texts, data=data)


def clock_text(ts_ns: int) -> str:
    """Return hours, minutes and seconds of a UTC time."""
    seconds = ts_ns // 1_000_000_000 % 86_400
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"
