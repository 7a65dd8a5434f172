"""The whole program in a world that goes wrong, under one seed.

Strategies, engine, executor and journal are the ones that trade; clock, network, disk, ledger and venue are simulated
and misbehave as the seed's plan says. The program is killed at any place, finds afterwards what a real machine would
have kept, and recovers as it always does. Oracles judge every event; at the end, when all has been quiet for long
enough, everything must agree, and the journal must give the same commands again (runtime 2.21 rule 6, design 5).
"""

from collections import Counter
from collections.abc import Callable, Iterator
from hashlib import blake2b
from typing import Final, NamedTuple

from msgspec import structs

from millrace.config.settings import Settings
from millrace.core.codec import encode_commands
from millrace.core.commands import Command
from millrace.core.events import EndStatus, Operator, Scalar, Timer
from millrace.core.failure import WorldError
from millrace.core.kill import GLOBAL, KillOrder, kill_id
from millrace.core.trouble_events import KillSource
from millrace.shell.journal import read_journal
from millrace.shell.manifest import read_manifest
from millrace.sim.candles import PrintColumns
from millrace.sim.dice import Dice
from millrace.sim.faults import Faults
from millrace.sim.market_generator import prints_from
from millrace.sim.memory_disk import CHANGING, IO_ERROR, NO_SPACE, READ_ONLY, ROOMY_BYTES, SYNCING, WRITING
from millrace.sim.plug import Killed
from millrace.sim.venue import SimVenue
from millrace.sim.venue_clock import TRUE_CLOCK, VenueClock
from millrace.sim.venue_log import Moved, VenueRecord, encode_record
from millrace.world.assemble import Program, build_program, venue_settings
from millrace.world.demo import FIRST_NS
from millrace.world.faults.fault_plan import PLACES, Deed, FaultPlan, Kind, fault_plan
from millrace.world.faults.fault_premises import FOLDER, FaultPremises, MortalPremises
from millrace.world.faults.oracles import Oracles, Violation
from millrace.world.faults.world_settings import wish, world_settings
from millrace.world.folder.journaled_program import JournaledProgram, settings_of
from millrace.world.folder.run_folder import Run
from millrace.world.ledger_sums import ledger_sums
from millrace.world.line import NEVER_NS
from millrace.world.simulation import Simulation

_SECOND: Final = 1_000_000_000
_AGAIN_NS: Final = 30 * _SECOND
"""How long a start that was refused waits until somebody tries again."""
_LOOK_NS: Final = 60 * _SECOND
_CLOSED_NS: Final = 120 * _SECOND
"""How long after its market has closed a world is given to settle."""
_ANSWERED_NS: Final = 30 * _SECOND
"""How long what leaves at that very moment may take to be answered."""
_DOWNTIMES_NS: Final = (0, _SECOND // 10, _SECOND, 5 * _SECOND, 60 * _SECOND, 900 * _SECOND)
_SHORT: Final = 4
"""So many of them are seconds."""
_LIVES_PER_CHANGE: Final = 4
"""One start in so many has other settings than the life before."""
_DISK_TROUBLES: Final = {
    Kind.DISK_FULL: (WRITING, NO_SPACE),
    Kind.SYNC_ERROR: (SYNCING, IO_ERROR),
    Kind.READ_ONLY: (CHANGING, READ_ONLY),
}
_HALT_ID: Final = kill_id(KillSource.CONTROL, GLOBAL)
_FILE_KILL_ID: Final = kill_id(KillSource.FILE, GLOBAL)
_SKEW_NS: Final = 20 * _SECOND
_DRIFT_PPM: Final = 400
_STEP_NS: Final = 60 * _SECOND
_LITTLE_BYTES: Final = 2**30


class Verdict(NamedTuple):
    """How a world ended; `world_hash` is one for one seed, whatever machine and process it was run in.

    `closings` are positions that became cash without an order.
    """

    seed: int
    hours: float
    violations: tuple[Violation, ...]
    world_hash: str
    steps: int
    orders: int
    lives: int
    refused_starts: int
    deeds: dict[str, int]
    places: int
    closings: int = 0


class _OneLife:
    """Hands whatever ends the program to the world, which goes on living without it."""

    def __init__(self, take: Callable[[BaseException], bool]) -> None:
        self._take = take

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        return error is not None and self._take(error)


class FaultWorld:
    """One world; `tell` is shown a line for whatever happens to it, for people."""

    def __init__(
        self,
        seed: int,
        span_ns: int,
        *,
        plan: FaultPlan | None = None,
        changes: dict[str, Scalar] | None = None,
        tell: Callable[[int, str], None] = lambda _, __: None,
    ) -> None:
        self.seed = seed
        self.plan = fault_plan(seed, FIRST_NS, span_ns) if plan is None else plan
        self._changes = changes or {}
        self.done: Counter[str] = Counter()
        self.lives = 0
        self.now_ns = FIRST_NS
        """The world's time; a program's clock may show another."""
        self._ends_ns = FIRST_NS
        """Nothing has happened yet that is later than this."""
        self.refused = 0
        self._run: Run | None = None
        self._down_until_ns = FIRST_NS
        self._kill: Deed | None = None
        self._last_words = ""
        self._quiet_prices = 0
        self._owed: dict[tuple[str, Scalar], Operator] = {}
        self._dies_again = 0
        self._span_ns = span_ns
        self._tell = tell
        self._hash = blake2b(digest_size=16)
        self._doers: dict[Kind, Callable[[Deed], None]] = {
            **dict.fromkeys(_DISK_TROUBLES, self._break_disk),
            **dict.fromkeys((Kind.KILL, Kind.POWER_LOSS), self._arm),
            **dict.fromkeys((Kind.VENUE_RESTART, Kind.PURGE, Kind.EXPIRY), self._venue_acts),
            Kind.LEDGER: self._break_ledger,
            Kind.LITTLE_SPACE: self._fill_disk,
            Kind.SKEW: self._skew,
            Kind.WELL: self._heal,
            Kind.KILL_FILE: self._touch_kill_file,
            Kind.NO_KILL_FILE: self._remove_kill_file,
            Kind.UNHALT: self._lift_halt,
            Kind.QUIET: self._calm,
        }
        self.settings = self._settings_now = self._drawn(0)
        self._build()

    def _drawn(self, life: int) -> Settings:
        """Return the settings of a life, the first being 0."""
        return world_settings(self.seed, self._changes, life)

    def _build(self) -> None:
        """Make what outlives the program: oracles, venue, premises."""
        instrument = self.instrument = build_program(self.settings).instrument
        rules = venue_settings(self.settings, instrument)
        self.oracles: Oracles = Oracles(instrument, rules.opening)
        self.venue = SimVenue(rules, self._venue_record)
        self.premises: MortalPremises = FaultPremises(
            self.venue, Faults(*self.plan.menus), self._market, FIRST_NS,
            self._committing, self.oracles.sending, self._assembled,
        )  # fmt: skip
        self.oracles.attach(self.venue, self.premises.books, self.premises.kill_file)

    def die_at(self, place: int, at_byte: int, *, power_loss: bool, number: int) -> None:
        """Have the program killed once, at this place counted from the start; `number` chooses how long it is away."""
        draw = (number % _SHORT) << 24 | Dice(self.seed, "die").draw(number) % 2**24
        self._kill = Deed(self.now_ns, Kind.POWER_LOSS if power_loss else Kind.KILL, draw)
        self.premises.plug.arm(place, at_byte)

    def live(self) -> Verdict:
        """Let the whole plan happen; stops at the first violation."""
        for deed in self.plan.deeds:
            self._advance(deed.at_ns)
            if self.oracles.found:
                break
            self._do(deed)
        self._advance(self.plan.end_ns)
        self._let_trade()  # a lock that a start opened leaves a pause behind it
        self._advance(self.plan.end_ns + _CLOSED_NS)
        if self._run is None:  # it was killed within the last seconds, and comes back as ever
            self._advance(self.now_ns + _CLOSED_NS)
        patience_ns = self.now_ns + _ANSWERED_NS
        while self._awaits_answers() and self.now_ns < patience_ns and not self.oracles.found:
            self._advance(self.now_ns + _SECOND)  # what left in the very last instant has not been answered yet
        if not self.oracles.found:
            self._judge()
        return self._verdict()

    def _awaits_answers(self) -> bool:
        """Tell whether a request is under way, or waits for its call."""
        if self._run is None:
            return False
        executor = self._run.simulation.executor
        return bool(executor.unanswered or executor.waiting)

    # Time

    def _market(self, from_ns: int) -> Iterator[PrintColumns]:
        """Yield the prints up to the end of the plan: a closed market lets everything come to rest."""
        for chunk in prints_from(self.settings.run.seed, from_ns):
            if len(chunk) and chunk.ts_ns[-1] > self.plan.end_ns:
                yield chunk.until(self.plan.end_ns)
                return
            yield chunk

    def _advance(self, until_ns: int) -> None:
        while self.now_ns < until_ns and not self.oracles.found:
            next_ns = min(until_ns, self.now_ns + _LOOK_NS)
            if self._run is None and self._down_until_ns > self.now_ns:
                self.now_ns = min(next_ns, self._down_until_ns)
                self.premises.pass_time(self.now_ns)
            elif self._run is None:
                self._start()
            else:
                self._let_run(self._run, next_ns)
            self.oracles.now_ns = max(self.oracles.now_ns, self.now_ns)
            self.oracles.look()

    def _let_run(self, run: Run, until_ns: int) -> None:
        self._ends_ns = until_ns
        with _OneLife(self._take):
            run.simulation.run_until(until_ns)
            run.heed_kills()
        if self._run is not None:
            self.now_ns = until_ns

    def _take(self, error: BaseException) -> bool:
        """Take what ended the program; False for what is not its end."""
        self.now_ns = max(self.now_ns, min(self.oracles.time_ns, self._ends_ns))
        if isinstance(error, Killed):
            self._died(str(error))
        elif isinstance(error, WorldError):
            self._crashed(error)
        elif isinstance(error, Exception):
            self.oracles.broken("program", f"raised {error!r}")
            self._gone()
        else:
            return False
        return True

    # A program's life

    def _start(self) -> None:
        if self._dies_again:
            self.premises.plug.arm(self._dies_again % PLACES, self._dies_again)
            self._dies_again = 0
        self._ends_ns = NEVER_NS
        with _OneLife(self._take):
            self._run = Run(self.premises, self._settings_of_life())
        if self._run is None:
            return
        self.now_ns = max(self.now_ns, self._run.simulation.now_ns)
        self._say(f"a program runs from event {self._run.simulation.sequencer.seq}")
        for notice in self._run.notices:
            self._say(notice)
        owed, self._owed = self._owed, {}
        for asked in owed.values():
            self._operate(asked)

    def _settings_of_life(self) -> Settings:
        """Return the settings of the life that begins: the operator changes some of them now and then."""
        changing = self.lives and Dice(self.seed, "changes").draw(self.lives) % _LIVES_PER_CHANGE == 0
        if changing:
            self._settings_now = self._drawn(self.lives)
        return self._settings_now

    def _assembled(self, program: Program, simulation: Simulation) -> None:
        self.lives += 1
        self.oracles.begin(program, simulation, simulation.sequencer.seq)

    def _died(self, where: str) -> None:
        deed, self._kill = self._kill, None
        draw = 0 if deed is None else deed.draw
        self._say(f"killed: {where}")
        self._gone()
        if deed is not None and deed.kind is Kind.POWER_LOSS:
            self.premises.medium.lose_power(draw >> 8)
        self._down_until_ns = self.now_ns + _DOWNTIMES_NS[(draw >> 24) % len(_DOWNTIMES_NS)]
        if draw >> 32 and (draw >> 32) % 3 == 0:
            self._dies_again = (draw >> 40) % PLACES + 1

    def _crashed(self, error: WorldError) -> None:
        self.refused += 1
        if str(error) != self._last_words:
            self._last_words = str(error)
            self._say(f"ends by itself: {error}")
        self._gone()
        self._down_until_ns = self.now_ns + _AGAIN_NS
        if self.now_ns > self.plan.quiet_ns + _AGAIN_NS:
            self.oracles.broken("liveness", f"does not run though nothing is wrong any more: {error}")

    def _gone(self) -> None:
        self._run = None
        self.oracles.end(self.now_ns)
        self.premises.end(self.now_ns)

    # Deeds

    def _do(self, deed: Deed) -> None:
        self.done[deed.kind] += 1
        if deed.kind is not Kind.SNAPSHOT:
            self._say(deed.kind)
        if deed.kind in self._doers:
            self._doers[deed.kind](deed)
        elif self._run is not None:
            self._ask(deed, self._run)

    def _break_disk(self, deed: Deed) -> None:
        self.premises.medium.fail(*_DISK_TROUBLES[deed.kind])

    def _break_ledger(self, _: Deed) -> None:
        self.premises.books.trouble = "database or disk is full"

    def _fill_disk(self, deed: Deed) -> None:
        self.premises.medium.room_bytes = deed.draw % _LITTLE_BYTES

    def _skew(self, deed: Deed) -> None:
        for line in self.premises.lines:
            ahead_ns = deed.draw % (2 * _SKEW_NS + 1) - _SKEW_NS
            line.clock = VenueClock(ahead_ns, (deed.draw >> 40) % (2 * _DRIFT_PPM + 1) - _DRIFT_PPM, self.now_ns)

    def _heal(self, _: Deed) -> None:
        self.premises.medium.fail(frozenset(), NO_SPACE)
        self.premises.medium.room_bytes = ROOMY_BYTES
        self.premises.books.trouble = ""
        for line in self.premises.lines:
            line.clock = TRUE_CLOCK

    def _touch_kill_file(self, deed: Deed) -> None:
        flatten = deed.draw % 2 == 1
        self.premises.kills.orders = (KillOrder(KillSource.FILE, GLOBAL, flatten, "a world's kill file"),)

    def _remove_kill_file(self, _: Deed) -> None:
        self.premises.kills.orders = ()
        self._clear(_FILE_KILL_ID)

    def _lift_halt(self, _: Deed) -> None:
        self._clear(_HALT_ID)

    def _clear(self, restriction_id: str) -> None:
        """Have an operator lift something."""
        args: dict[str, Scalar] = {"reason": "it is over", "operator": "world", "id": restriction_id}
        self._operate(Operator("clear", args, self.now_ns))

    def _operate(self, asked: Operator) -> None:
        """Have an operator ask for something, now or when a program runs to be told."""
        if self._run is None:
            about = asked.args.get("id", "") or asked.args.get("lane", "")
            self._owed[asked.action, about] = asked
            return
        self._ends_ns = self.now_ns
        with _OneLife(self._take):
            self._run.simulation.feed_event(structs.replace(asked, ts_ns=self.now_ns))

    def _arm(self, deed: Deed) -> None:
        """Let the program die soon, or in its next start."""
        self._kill = deed
        if self._run is None:
            self._dies_again = deed.draw % PLACES + 1
        else:
            self.premises.plug.arm(deed.draw % PLACES, deed.draw >> 16)

    def _calm(self, _: Deed) -> None:
        """Let the program live from now on; a lift that the disk did not keep is said again, and a pause is over."""
        self.premises.plug.revive()
        self._kill, self._dies_again = None, 0
        self._quiet_prices = self.oracles.prices
        self._down_until_ns = min(self._down_until_ns, self.now_ns + _AGAIN_NS)
        for restriction_id in (_HALT_ID, _FILE_KILL_ID):
            self._clear(restriction_id)
        self._let_trade()

    def _let_trade(self) -> None:
        """Have an operator end what waits for a person."""
        self._operate(Operator("resume", {}, self.now_ns))

    def _ask(self, deed: Deed, run: Run) -> None:
        """Have the program do something."""
        self._ends_ns = self.now_ns
        with _OneLife(self._take):
            if deed.kind is Kind.SNAPSHOT:
                run.snapshot()
            elif deed.kind is Kind.SECOND:
                self._second()
            elif deed.kind is Kind.STOP:
                run.close()
                self._gone()
                self._down_until_ns = self.now_ns + _DOWNTIMES_NS[deed.draw % len(_DOWNTIMES_NS)]
            elif deed.kind is Kind.HALT:
                run.simulation.feed_event(Operator("halt", {"reason": "a world's operator"}, self.now_ns))
            elif deed.kind is Kind.ASK:
                asked = self._wish(deed.draw, run)
                self._say(f"{asked.action} {asked.args}")
                run.simulation.feed_event(asked)
            else:
                run.simulation.feed_event(Timer(self.now_ns + deed.draw % _STEP_NS))

    def _wish(self, draw: int, run: Run) -> Operator:
        return wish(draw, tuple(run.program.grid.grid.slots), self.now_ns)

    def _second(self) -> None:
        """Start a second program on the same premises: it must be refused and have changed nothing."""
        disk = self.premises.medium
        before = disk.content()
        try:
            Run(self.premises, self.settings)
        except WorldError:
            if disk.content() != before:
                self.oracles.broken("second instance", "a second program was refused, and had changed the disk")
        else:
            self.oracles.broken("second instance", "a second program started")

    def _venue_acts(self, deed: Deed) -> None:
        now_ns = self.now_ns
        if deed.kind is Kind.VENUE_RESTART:
            self.venue.restart(now_ns)
            return
        status, reason = EndStatus.CANCELLED, "purged"
        if deed.kind is Kind.EXPIRY:
            status, reason = EndStatus.EXPIRED, "expired"
        for number, order in enumerate(self.venue.open_orders(self.instrument.id)):
            if deed.draw >> number % 48 & 1:
                self.premises.lines[0].answer(self.venue.end_order(order.client_id, now_ns, status, reason))

    # Judging

    def _judge(self) -> None:
        self.oracles.settled(self.plan.quiet_ns, self._quiet_prices)
        run = self._run
        if run is None or self.oracles.found:
            return
        with _OneLife(self._take):
            self._sums(run)
            run.close()
            self._gone()
            self._replay(run.program.engine.command_hash)

    def _sums(self, run: Run) -> None:
        """Hold the strategy's running sums against the ledger's records."""
        run.simulation.feed_event(ledger_sums(self.premises.books, run.program, self.now_ns))
        for difference in run.program.grid.grid.audit.differences:
            self.oracles.broken("sums", f"a running sum is not what the ledger's records add up to: {difference}")

    def _replay(self, live: bytes) -> None:
        """Step the whole journal through a fresh engine, begun as its manifest says (runtime 2.21 rule 2).

        A life that died before its first event may have had other settings than the one that began the journal.
        """
        manifest = read_manifest(FOLDER, self.premises.disk)
        core = JournaledProgram(self.settings if manifest is None else settings_of(manifest.config))
        for step in read_journal(FOLDER, self.premises.disk):
            if encode_commands(core.step(step.event)) != encode_commands(step.commands or []):
                self.oracles.broken("replay", f"event {step.seq} gives other commands: {step.event!r}")
                return
        if core.program.engine.command_hash != live:
            self.oracles.broken("replay", "the journal does not lead to the hash of the program that lived")

    def _verdict(self) -> Verdict:
        if self._run is not None:
            self._hash.update(self._run.program.engine.command_hash)
        return Verdict(
            seed=self.seed,
            hours=self._span_ns / 3_600 / _SECOND,
            violations=tuple(self.oracles.found),
            world_hash=self._hash.hexdigest(),
            steps=self.oracles.steps,
            orders=self.oracles.taken.total(),
            lives=self.lives,
            refused_starts=self.refused,
            deeds=dict(sorted(self.done.items())),
            places=self.premises.plug.passed,
            closings=self.oracles.closings,
        )

    # What the world is told

    def _venue_record(self, record: VenueRecord) -> None:
        if not isinstance(record, Moved):
            self._hash.update(encode_record(record))
        self.oracles.venue_record(record)

    def _committing(self, commands: list[Command]) -> None:
        self.oracles.committing(commands, self.premises.medium, FOLDER)

    def _say(self, text: str) -> None:
        self._hash.update(text.encode())
        self._tell(self.now_ns, text)
