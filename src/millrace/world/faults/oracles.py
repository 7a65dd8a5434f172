"""What must be true of a world at every moment, judged by what venue, ledger and journal know and the program may not.

Each oracle is told of single changes and compares only what changed, so that judging costs less than living. The
program's own words are believed nowhere that the venue's truth or the durable ledger can be asked instead.
"""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from millrace.core.codec import encode_commands
from millrace.core.commands import (
    Alert,
    Approved,
    Command,
    Lift,
    OrderState,
    Place,
    Post,
    RecordClosing,
    RecordFill,
    RecordOpening,
    RecordOrder,
    Side,
)
from millrace.core.events import CancelRefused, Event, OrderRejected
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, Lots, Money
from millrace.core.kill import KillFile, kill_over
from millrace.core.ledger import LedgerStore
from millrace.core.order_truth import VenueOrder
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.trouble_events import ExecutorFailed
from millrace.sim.balances import need
from millrace.sim.memory_disk import MemoryDisk
from millrace.sim.venue import SimVenue
from millrace.sim.venue_log import Accepted, Executed, Rejected, Rested, VenueRecord
from millrace.strategies.slots.reducer.model import tracked_position
from millrace.world.assemble import Program
from millrace.world.simulation import Simulation

_KEPT = 20
_PRICES = 30
"""A program that saw fewer has nothing to act on: markets are silent for minutes."""
_BUGS = frozenset(
    {ReasonCode.CORE_EXCEPTION, ReasonCode.GUARD_FAILURE, ReasonCode.INTENT_KEY_REUSE, ReasonCode.INVARIANT_VIOLATION}
)
"""Restrictions that say that the program itself went wrong."""
_NEARLY = 1e-6
"""Base units by which sums of floats may miss exact lots."""
_BROKEN_SLOT = "invariant_violation"
"""What the grid tells when a slot's records and the ledger part."""
_MAY_STAND = frozenset(
    {
        ReasonCode.EXECUTION_FAILURES, ReasonCode.PROBATION, ReasonCode.DAILY_LOSS_CAP, ReasonCode.DAILY_LOSS_LOCK,
        ReasonCode.DRAWDOWN,
    }
)  # fmt: skip
"""Halts that say why and are meant to outlast their cause: they wait for time, for successes, or for a person."""
MUST_HEAL = frozenset(
    {
        ReasonCode.RECOVERY_INCOMPLETE, ReasonCode.UNKNOWN_ORDER, ReasonCode.STRANGE_ORDER, ReasonCode.BALANCE_DRIFT,
        ReasonCode.STORAGE_TROUBLE,
    }
)  # fmt: skip
"""What stands at no desk's end: anything else may wait for a person, for time or for fresh books."""


class Violation(NamedTuple):
    """What was broken, in a sentence, and when in the world's time."""

    ts_ns: int
    oracle: str
    text: str


class _Life(NamedTuple):
    program: Program
    simulation: Simulation


class Oracles:
    """Watches one world; `found` is in the order of the violations, bounded."""

    def __init__(self, instrument: Instrument, opening: dict[str, Money]) -> None:
        self.found: list[Violation] = []
        self.taken: Counter[str] = Counter()
        self.now_ns = 0
        self.last_taken_ns = 0
        self.steps = 0
        self.prices = 0
        self.closings = 0
        self._silent_until_ns: dict[str, int] = {}
        self._instrument = instrument
        self._totals = dict(opening)
        self._costs: dict[str, tuple[Money, Money]] = {}
        self._in_flight: dict[str, tuple[str, Money]] = {}
        self._fills: Counter[SubPosition] = Counter()
        self._openings: dict[SubPosition, Lots] = {}
        self._posted: dict[str, Restriction] = {}
        self._hashes: dict[int, bytes] = {}
        self._last_seq = 0
        self._life: _Life | None = None
        self._venue: SimVenue
        self._ledger: LedgerStore
        self._kill_file: KillFile
        self._sides: dict[str, Side] = {}

    def attach(self, venue: SimVenue | None, ledger: LedgerStore, kill_file: KillFile) -> None:
        """Say where the truth is; all of it outlives the program."""
        if venue is not None:
            self._venue = venue
        self._ledger, self._kill_file = ledger, kill_file

    def broken(self, oracle: str, text: str) -> None:
        """Note a violation."""
        if len(self.found) < _KEPT:
            self.found.append(Violation(self.time_ns, oracle, text))

    @property
    def time_ns(self) -> int:
        """The latest time that anybody showed."""
        return self.now_ns if self._life is None else max(self.now_ns, self._life.simulation.now_ns)

    # The program lives and dies

    def begin(self, program: Program, simulation: Simulation, seq: int) -> None:
        """A program was restored up to event `seq` and has heard nothing yet."""
        engine = program.engine
        if seq not in (0, self._last_seq + 1) and self._hashes.get(seq) != engine.command_hash:
            self.broken("replay", f"restored at event {seq} to another command hash than it had when it lived")
        self._hashes[seq] = engine.command_hash
        for lost in range(seq + 1, self._last_seq + 1):
            self._hashes.pop(lost, None)
        self._last_seq = seq
        self._fills = Counter(self._openings)
        for order in self._ledger.orders():
            self._fills[order.place.position] += order.place.side.sign * order.cum_lots
        self._posted = {restriction.id: restriction for restriction in self._ledger.restrictions()}
        self._in_flight.clear()
        self._silent_until_ns = {}
        for unfinished in program.orders.unfinished():
            if unfinished.client_id not in self._sides:
                self._in_flight[unfinished.client_id] = self._need(unfinished.place)
        self._life = _Life(program, simulation)
        self._agreement(self._life)
        simulation.sequencer.listen(self.step)

    def end(self, now_ns: int) -> None:
        """The program is gone."""
        self.now_ns = now_ns
        self._life = None

    def _agreement(self, life: _Life) -> None:
        """Ledger, order table, board and the sums of fills tell the same."""
        orders, ledger = life.program.orders, self._ledger
        ours = {order.client_id: order.cum_lots for order in orders.unfinished()}
        booked = {order.client_id: order.cum_lots for order in ledger.orders(live_only=True)}
        if ours != booked:
            self.broken("ledger", f"live orders differ: core {_only(ours, booked)}, ledger {_only(booked, ours)}")
        sums = {place: lots for place, lots in self._fills.items() if lots}
        rows = {row.position: row.lots for row in ledger.positions()}
        if not sums == rows == orders.positions():
            self.broken("position", f"sums of fills {sums}, ledger {rows}, core {orders.positions()}")
        active = {restriction.id: restriction.level for restriction in life.program.engine.board.active()}
        stored = {restriction.id: restriction.level for restriction in self._posted.values()}
        if active != stored:
            self.broken("board", f"the board holds {active}, the ledger {stored}")

    # What the program does

    def step(self, event: Event, commands: list[Command]) -> None:
        """Look at one step, after everything that followed from it was done."""
        life = self._life
        assert life is not None  # noqa: S101  only a living program steps
        self.steps += 1
        self.prices += event.is_market
        if isinstance(event, OrderRejected | CancelRefused) and event.retry_after_ns:
            row = self._ledger.order(event.client_id)
            venue = "" if row is None else row.place.instrument.venue
            until_ns = event.ts_ns + event.retry_after_ns
            self._silent_until_ns[venue] = max(self._silent_until_ns.get(venue, 0), until_ns)
        if isinstance(event, ExecutorFailed):
            self.broken("program", f"the executor raised {event.text}")
        self._last_seq = life.simulation.sequencer.seq
        self._hashes[self._last_seq] = life.program.engine.command_hash
        for command in commands:
            self._command(command)
        filled = {command.position for command in commands if isinstance(command, RecordFill)}
        for position in sorted(filled):
            self._held(position, life.program)

    def _command(self, command: Command) -> None:
        if isinstance(command, RecordFill):
            self._fill(command)
        elif isinstance(command, RecordOpening):
            self._fills[command.position] += command.side.sign * command.lots
        elif isinstance(command, RecordClosing):
            self._closing(command)
        elif isinstance(command, RecordOrder):
            self._order(command)
        elif isinstance(command, Post):
            self._post(command.restriction)
        elif isinstance(command, Lift):
            self._posted.pop(command.restriction_id, None)
        elif isinstance(command, Alert) and command.code == _BROKEN_SLOT:
            self.broken("slots", command.text)

    def _closing(self, closing: RecordClosing) -> None:
        self.broken("position", f"{closing.position} became cash without an order, and a coin does not")

    def _order_at_venue(self, client_id: str) -> VenueOrder | None:
        return self._venue.order_status(client_id)

    def _fill(self, fill: RecordFill) -> None:
        truth = self._order_at_venue(fill.client_id)
        told = (fill.cum_lots, fill.cum_cost, fill.cum_fee)
        if truth is None or (truth.cum_lots, truth.cum_cost, truth.cum_fee) < told:
            self.broken("fills", f"{fill.client_id}: booked {told}, the venue has {truth}")
        self._fills[fill.position] += fill.side.sign * fill.lots

    def _held(self, position: SubPosition, program: Program) -> None:
        """Compare after a whole step: what fills after its market paid is closed in the step that hears of it."""
        held = program.orders.position(position)
        if held != self._fills[position]:
            self.broken("position", f"{position} is {held}, its fills sum to {self._fills[position]}")

    def _order(self, fact: RecordOrder) -> None:
        if not fact.state.is_terminal:
            return
        self._in_flight.pop(fact.client_id, None)
        truth = self._order_at_venue(fact.client_id)
        if truth is not None and (not truth.state.is_terminal or fact.state is OrderState.REJECTED):
            self.broken("open orders", f"{fact.client_id} ended as {fact.state}, the venue has it {truth.state}")

    def _post(self, restriction: Restriction) -> None:
        self._posted[restriction.id] = restriction
        if restriction.reason in _BUGS:
            self.broken("program", f"{restriction.reason}: {restriction.text}")

    def committing(self, commands: list[Command], disk: MemoryDisk, folder: object) -> None:
        """The ledger takes facts: the journal must hold them durably before (design section 5.6)."""
        for command in commands:
            if isinstance(command, RecordOpening):
                self._openings[command.position] = command.side.sign * command.lots
        if not commands or not disk.unsafe_bytes(folder):
            return
        durable = disk.durable(folder)
        for command in commands:
            data_of = encode_commands([command])[1:]  # without the mark of a list of one
            if not any(data_of in data for data in durable):
                self.broken("order of writing", f"the ledger takes what the journal could lose: {command!r}")
                return

    def sending(self, approved: Approved, ts_ns: int) -> None:
        """An order is about to leave."""
        self.now_ns = max(self.now_ns, ts_ns)
        place, client_id = approved.order, approved.client_id
        row = self._ledger.order(client_id)
        if row is None or row.state.is_terminal or row.place != place:
            self.broken("order of writing", f"{client_id} leaves and the ledger has {row}")
        if ts_ns < self._silent_until_ns.get(place.instrument.venue, 0):
            self.broken("pace", f"{client_id} leaves though the venue asked to be left alone for longer")
        if kill_over(self._kill_file.standing(), place.position) is not None:
            self.broken("killed scope", f"{client_id} leaves while a kill file stands")
        if client_id in self.taken:
            self.broken("placed twice", f"{client_id} leaves again, the venue took it before")
        level = self._level(place.position.strategy, str(place.instrument), place.instrument.venue)
        if level is Level.HALT or (level is Level.REDUCE_ONLY and place.adds):
            self.broken("killed scope", f"{client_id} ({place.purpose}) leaves under {level.name}")
        self._in_flight[client_id] = self._need(place)
        self._worst_case(client_id)

    def _need(self, place: Place) -> tuple[str, Money]:
        return need(self._instrument, place.side, place.limit_ticks, place.lots)

    def _worst_case(self, client_id: str) -> None:
        """If everything that may exist fills, nothing is overdrawn and no limit of the venue is passed."""
        self._overdrawn(client_id, {asset: pair[0] for asset, pair in self._venue.balances().items()})
        life = self._life
        if life is not None and life.program.orders.live(self._instrument.id) > self._instrument.max_open_orders:
            self.broken("worst case", f"{client_id} is one more than the venue's limit of open orders")

    def _overdrawn(self, client_id: str, free: dict[str, Money]) -> None:
        """No purse is short if every order under way fills; in one that is not named there is nothing."""
        for purse, amount in self._in_flight.values():
            free[purse] = free.get(purse, 0) - amount
        short = {purse: amount for purse, amount in free.items() if amount < 0}
        if short:
            self.broken("worst case", f"with {client_id} all orders together need more than there is: {short}")

    def _level(self, strategy: str, market: str, venue: str) -> Level:
        mine = {
            Scope(ScopeKind.GLOBAL), Scope(ScopeKind.VENUE, venue),
            Scope(ScopeKind.STRATEGY, strategy), Scope(ScopeKind.MARKET, market),
        }  # fmt: skip
        return max((posted.level for posted in self._posted.values() if posted.scope in mine), default=Level.OPEN)

    # What the venue does

    def venue_record(self, record: VenueRecord) -> None:
        """The venue is about to change its state by this record."""
        if isinstance(record, Accepted):
            self._took(record.client_id, record.ts_ns, record.side)
        elif isinstance(record, Executed):
            self._executed(record)
        elif isinstance(record, Rested):
            self._sides[record.venue_order_id] = record.side
            self._costs[record.venue_order_id] = (record.cum_cost, record.cum_fee)
        elif isinstance(record, Rejected):
            self._turned_away(record.client_id)

    def _turned_away(self, client_id: str) -> None:
        if client_id not in self._sides:
            self._in_flight.pop(client_id, None)

    def _took(self, client_id: str, ts_ns: int, side: Side) -> None:
        self.now_ns = max(self.now_ns, ts_ns)
        self.last_taken_ns = ts_ns
        self.taken[client_id] += 1
        self._sides[client_id] = side
        self._in_flight.pop(client_id, None)
        if self.taken[client_id] > 1:
            self.broken("placed twice", f"the venue took {client_id} {self.taken[client_id]} times")
        row = self._ledger.order(client_id)
        if row is None or row.state.is_terminal:
            self.broken("open orders", f"the venue took {client_id}, the ledger says {row and row.state}")
        if self._life is not None and self._life.program.orders.open_order(client_id) is None:
            self.broken("open orders", f"the venue took {client_id}, which the program counts as ended")

    def _executed(self, record: Executed) -> None:
        facts, side = self._instrument, self._sides[record.client_id]
        cost, fee = self._costs.get(record.client_id, (0, 0))
        self._costs[record.client_id] = (record.cum_cost, record.cum_fee)
        self._totals[facts.base] += side.sign * facts.base_amount(record.lots)
        self._totals[facts.quote] -= side.sign * (record.cum_cost - cost) + record.cum_fee - fee

    # Between whiles, and at the end

    def look(self) -> None:
        """Compare what single changes cannot show: money, and the venue's whole book against ours."""
        totals = {asset: sum(pair) for asset, pair in self._venue.balances().items()}
        if totals != self._totals:
            self.broken("conservation", f"the venue holds {totals}, its trades leave {self._totals}")
        if self._life is None:
            return
        program = self._life.program
        self._strangers(program, "the venue", self._venue.open_orders(self._instrument.id))
        venue = self._instrument.id.venue
        for asset, (free, _) in self._venue.balances().items():
            believed = program.engine.free(venue, asset)
            if believed is not None and believed > free:
                self.broken("conservation", f"the program believes {believed} {asset} free, the venue has {free}")

    def _strangers(self, program: Program, where: str, open_there: Iterable[VenueOrder]) -> None:
        """No order is open at a venue that the program counts as ended, or does not know."""
        ours = {order.client_id for order in program.orders.unfinished()}
        theirs = {order.client_id for order in open_there}
        if not theirs <= ours:
            self.broken("open orders", f"open at {where} and not ours: {sorted(theirs - ours)}")

    def settled(self, ended_ns: int, prices: int) -> None:
        """Judge a world that has been quiet for long enough, its market closed: all must agree, trading go on.

        `ended_ns` is when the faults stopped, `prices` how many the program had seen by then.
        """
        life = self._at_rest()
        if life is None:
            return
        program = life.program
        engine = program.engine
        standing = [posted for posted in engine.board.active() if posted.level >= Level.REDUCE_ONLY]
        may_stand = _MAY_STAND
        if any(posted.reason is ReasonCode.DAILY_LOSS_LOCK for posted in standing):
            may_stand |= {ReasonCode.OPERATOR_PAUSE}  # a resume is refused while the lock is on (slots 7.5)
        self._stuck(posted for posted in standing if posted.reason not in may_stand)
        trades = bool(standing or program.orders.unfinished()) or self.last_taken_ns >= ended_ns
        if not trades and self.prices - prices > _PRICES:
            self.broken("liveness", "nothing is on the book, and nothing was placed since the faults stopped")
        self._rows()
        self._same_book(program)
        self._slots(program)
        totals = {asset: engine.total(self._instrument.id.venue, asset) for asset in self._totals}
        if totals != self._totals:
            self.broken("conservation", f"the program counts {totals}, there is {self._totals}")

    def _at_rest(self) -> _Life | None:
        """Return what lives at the end, after a last look: it agrees with its ledger, and nothing is under way."""
        self.look()
        life = self._life
        if life is None:
            self.broken("liveness", "no program runs at the end")
            return None
        executor = life.simulation.executor
        self._agreement(life)
        if executor.unanswered or executor.waiting:
            self.broken("liveness", f"{executor.unanswered} orders unanswered, {executor.waiting} calls wait")
        return life

    def _stuck(self, posted: Iterable[Restriction]) -> None:
        """These restrictions should be gone by now."""
        texts = [f"{one.id}: {one.text}" for one in posted]
        if texts:
            self.broken("liveness", f"still restricted: {'; '.join(texts)}")

    def _slots(self, program: Program) -> None:
        """What the slots' records stand for, and the residue, is what the ledger holds (slots 3, invariant 11; 11.3).

        A slot that was removed has no records any more: all that it held is residue.
        """
        grid, facts = program.grid.grid, self._instrument
        held: Counter[str] = Counter()
        for row in self._ledger.positions():
            held[row.position.group] += row.lots
        for slot in grid.slots.values():
            lots, recorded = held[f"slot{slot.slot_id}"], tracked_position(slot.state) + slot.residue_base
            if abs(facts.volume(lots) - recorded) > _NEARLY:
                self.broken("slots", f"slot {slot.slot_id} stands for {recorded}, the ledger holds {lots} lots")
        recorded = sum(tracked_position(slot.state) for slot in grid.slots.values()) + grid.residue.base
        if abs(facts.volume(held.total()) - recorded) > _NEARLY:
            self.broken("slots", f"slots and residue stand for {recorded}, the ledger holds {held.total()} lots")

    def _rows(self) -> None:
        """Every order that the ledger ever had is as the venue has it."""
        for row in self._ledger.orders():
            truth = self._order_at_venue(row.client_id)
            ours: tuple[Lots, Money, Money] = (row.cum_lots, row.cum_cost, row.cum_fee)
            theirs = (0, 0, 0) if truth is None else (truth.cum_lots, truth.cum_cost, truth.cum_fee)
            ended = truth is None or truth.state.is_terminal
            if ours != theirs or row.state.is_terminal != ended:
                self.broken("open orders", f"{row.client_id}: ledger {row.state} {ours}, venue {truth}")

    def _same_book(self, program: Program) -> None:
        """What rests at the venue is what has not ended here, and nothing less."""
        unfinished = {order.client_id for order in program.orders.unfinished()}
        resting = {order.client_id for order in self._venue.open_orders(self._instrument.id)}
        if unfinished != resting:
            self.broken("open orders", f"only ours {unfinished - resting}, only the venue's {resting - unfinished}")


def _only(these: dict[str, Lots], those: dict[str, Lots]) -> dict[str, Lots]:
    return {name: lots for name, lots in these.items() if those.get(name) != lots}
