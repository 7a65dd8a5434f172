"""What is written before what is sent, and what happens when it cannot be written (design 5.6; runtime 2.16 A3)."""

import errno
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from faulty_disk import FULL, READ_ONLY, SYNC, FaultyDisk, FaultyLedger
from millrace.capacity.call_budget import CallBudget, CallBudgetSettings
from millrace.core.codec import encode_commands
from millrace.core.commands import Approved, Cancel, OrderState, Place, Post, Side, Style, Submit
from millrace.core.engine import Engine
from millrace.core.events import (
    BalanceReport,
    CancelRefused,
    EndStatus,
    Event,
    Operator,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    Print,
    RejectReason,
)
from millrace.core.failure import WorldError
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.shell import journal as journal_module
from millrace.shell import sequencer as sequencer_module
from millrace.shell.executor import Executor
from millrace.shell.journal import Journal, read_journal
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.sequencer import Sequencer
from millrace.shell.unanswered import Patience
from millrace.venues.kraken.facts import instrument_facts
from millrace.world.folder.recovery import check_agreement

DOGE = instrument_facts("kraken:DOGE/USD")
SECOND = 1_000_000_000
LEG = SubPosition("script", DOGE.id, "g", "B")
LOTS = 60 * 10**8
FREE = CallBudgetSettings(calls_per_loop=10**6, metronome=False, bucket_calls=10**6)
PATIENCE = Patience(answer_ns=2**60)
"""The line of these tests answers only what they tell it to: nothing is ever asked about."""
WAYS = ["event", "commands", "sync", "read-only", "ledger"]


class Scripted:
    """Asks for exactly what an operator's event says; `changes` are its updates."""

    name = "script"

    def __init__(self) -> None:
        self.states: dict[str, OrderState] = {}

    def series(self) -> tuple:
        return ()

    def decide(self, event: Any, view: Any) -> list:
        if isinstance(event, Operator) and event.action == "want":
            return [intent for text in str(event.args["what"]).split() for intent in self._intent(text)]
        if hasattr(event, "previous"):
            self.states[event.place.key] = event.state
        return []

    def _intent(self, text: str) -> list:
        verb, key = text.split(":")
        if verb == "cancel":
            return [Cancel(self.name, key, "wanted")]
        if verb == "halt":
            scope = Scope(ScopeKind.GLOBAL)
            return [Post(Restriction(key, scope, Level[key], ReasonCode.OPERATOR_PAUSE, "", "test", 1))]
        side, reduces = (Side.SELL, True) if verb == "exit" else (Side.BUY, False)
        ticks = DOGE.ticks("0.2") if reduces else DOGE.ticks("0.1")
        return [Place(DOGE.id, side, LOTS, ticks, Style.POST_ONLY, LEG, reduces, key, verb)]

    def interest(self) -> Interest:
        return Interest()

    def snapshot(self) -> dict:
        return {}

    def restore(self, state: dict) -> None: ...

    def status(self, view: Any) -> dict:
        return {}


class Line:
    """Keeps what leaves; an order may leave only when the ledger has it."""

    def __init__(self, ledger: FaultyLedger) -> None:
        self.calls: list[tuple[str, str]] = []
        self.ledger = ledger

    def place(self, approved: Approved, now_ns: int) -> None:
        assert self.ledger.order(approved.client_id) is not None
        self.calls.append(("place", approved.order.key))

    def cancel(self, instrument: Any, client_id: str, now_ns: int) -> None:
        self.calls.append(("cancel", self.ledger.order(client_id).place.key))

    def ask_open_orders(self, instrument: Any, now_ns: int) -> None:
        self.calls.append(("ask", ""))


class Desk(NamedTuple):
    """One program with everything around it that can fail."""

    engine: Engine
    sequencer: Sequencer
    executor: Executor
    ledger: FaultyLedger
    disk: FaultyDisk
    line: Line
    strategy: Scripted
    steps: list[tuple[Event, list, Level]]
    folder: Path

    def tell(self, event: Event) -> None:
        self.sequencer.feed(event)

    def want(self, what: str, at_sec: float) -> None:
        self.tell(Operator("want", {"what": what}, round(at_sec * SECOND)))

    def id_of(self, key: str) -> str:
        return self.engine.orders.client_id("script", key)

    def sent(self) -> list[str]:
        return [f"{verb}:{key}" for verb, key in self.line.calls]

    def level(self) -> Level:
        return self.engine.standing("script", DOGE.id).level


def engine_with(strategy: Scripted) -> Engine:
    ids = ClientIds("here", ("script",))
    return Engine((DOGE,), (strategy,), MarketView(), OrderTable(ids), Account(), RestrictionBoard())


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return make_desk(tmp_path)


def make_desk(folder: Path, rules: CallBudgetSettings = FREE) -> Desk:
    strategy = Scripted()
    engine = engine_with(strategy)
    ledger, disk = FaultyLedger(MemoryLedger()), FaultyDisk()
    line = Line(ledger)
    executor = Executor(ledger, line, CallBudget(rules), engine.board, engine.orders, patience=PATIENCE)
    sequencer = Sequencer(engine, executor, Journal(folder, disk))
    steps: list[tuple[Event, list, Level]] = []
    desk = Desk(engine, sequencer, executor, ledger, disk, line, strategy, steps, folder)
    sequencer.listen(lambda event, commands: steps.append((event, commands, desk.level())))
    desk.tell(BalanceReport("kraken", {"USD": (10**15, 0), "DOGE": (10**15, 0)}, SECOND))
    return desk


def accepted(desk: Desk, key: str, at_sec: float) -> None:
    desk.tell(OrderAccepted(desk.id_of(key), f"O-{key}", round(at_sec * SECOND)))


def filled(desk: Desk, key: str, lots: int, at_sec: float) -> None:
    cost = DOGE.cost(DOGE.ticks("0.1"), lots)
    desk.tell(OrderProgress(desk.id_of(key), lots, cost, DOGE.fee(cost, maker=True), round(at_sec * SECOND)))


def assert_whole(desk: Desk) -> None:
    """Close and compare: the journal gives the same commands, the ledger says what the core says."""
    desk.sequencer.close()
    check_agreement(desk.engine.orders, desk.ledger)
    fresh = engine_with(Scripted())
    steps = list(read_journal(desk.folder))
    assert [step.seq for step in steps] == list(range(1, desk.sequencer.seq + 1)), "each event once, without a gap"
    assert [step.event for step in steps] == [event for event, _, _ in desk.steps], "listeners saw the same order"
    for step in steps:
        assert encode_commands(fresh.step(step.event)) == encode_commands(step.commands or [])
    assert fresh.command_hash == desk.engine.command_hash


def break_it(desk: Desk, way: str) -> None:
    if way == "event":
        desk.disk.fail(FULL)
    elif way == "commands":
        desk.disk.fail(FULL, after=1)
    elif way == "sync":
        desk.disk.fail(SYNC, errno.EIO)
    elif way == "read-only":
        desk.disk.fail(READ_ONLY, errno.EROFS)
    else:
        desk.ledger.broken = True


def heal(desk: Desk) -> None:
    desk.disk.heal()
    desk.ledger.broken = False


def test_the_journal_is_synced_before_the_ledger_and_the_ledger_before_the_venue(desk: Desk, monkeypatch) -> None:
    trace: list[str] = []
    journal = desk.sequencer._journal
    for part, method, word in (
        (journal, "sync", "sync"),
        (journal, "flush", "flush"),
        (desk.ledger, "commit", "commit"),
        (desk.line, "place", "send"),
        (desk.line, "cancel", "cancel"),
    ):
        whole = getattr(part, method)
        monkeypatch.setattr(part, method, lambda *args, whole=whole, word=word: (trace.append(word), whole(*args))[1])

    def traced(act: Any, *args: Any) -> list[str]:
        trace.clear()
        act(*args)
        return [word for place, word in enumerate(trace) if word != "flush" or "cancel" in trace[place:]]

    assert traced(desk.want, "entry:A", 1.0) == ["sync", "commit", "send"]
    assert traced(accepted, desk, "A", 1.01) == ["sync", "commit"]
    assert traced(filled, desk, "A", LOTS // 2, 1.02) == ["sync", "commit"], "what is booked must be in the journal"
    assert traced(desk.want, "cancel:A", 1.03) == ["flush", "cancel"]
    assert traced(desk.tell, Print(DOGE.id, round(1.04 * SECOND), DOGE.ticks("0.1"), 1)) == []
    assert_whole(desk)


@pytest.mark.parametrize("way", WAYS)
def test_nothing_new_leaves_on_a_failing_disk_cancels_do_and_trading_resumes(desk: Desk, way: str) -> None:
    desk.want("entry:A", 2)
    accepted(desk, "A", 3)
    desk.want("entry:B", 3.1)
    break_it(desk, way)
    desk.want("entry:C cancel:A", 4)
    assert desk.level() is Level.HALT
    desk.want("entry:D cancel:B", 4.5)
    filled(desk, "B", LOTS // 2, 5)
    desk.want("exit:E", 6)
    assert desk.sent() == ["place:A", "place:B", "cancel:A", "cancel:B"]
    assert desk.engine.position(LEG) == LOTS // 2
    assert desk.ledger.positions() == [], "the ledger runs behind and is not ahead of the journal"
    assert not desk.sequencer.settle()
    heal(desk)
    desk.tell(Print(DOGE.id, 8 * SECOND, DOGE.ticks("0.1"), 1))
    assert desk.level() is Level.OPEN
    assert not desk.executor.in_trouble
    assert [row.lots for row in desk.ledger.positions()] == [LOTS // 2]
    assert desk.strategy.states.get("C", OrderState.REJECTED) is OrderState.REJECTED
    filled(desk, "B", LOTS, 8.5)
    desk.want("entry:F exit:E2", 9)
    assert desk.sent()[4:] == ["place:E2", "place:F"], "exits before entries"
    assert_whole(desk)


def test_the_core_hears_of_the_trouble_before_the_event_that_met_it(desk: Desk) -> None:
    desk.disk.fail(FULL)
    desk.want("entry:A", 2)
    assert [type(event).__name__ for event, _, _ in desk.steps[-2:]] == ["StorageTrouble", "Operator"]
    assert not any(isinstance(command, Submit) for _, commands, _ in desk.steps for command in commands)


def test_commands_that_the_journal_did_not_take_are_written_later(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(journal_module, "FLUSH_BYTES", 1)
    desk.disk.fail(FULL, after=1)
    desk.want("entry:A", 2)
    assert any(isinstance(command, Submit) for _, commands, _ in desk.steps for command in commands)
    assert desk.sent() == []
    desk.disk.heal()
    desk.want("entry:B", 4)
    assert desk.sent() == ["place:B"]
    assert_whole(desk)


@pytest.mark.parametrize("way", WAYS)
def test_a_second_failure_is_as_good_as_the_first(desk: Desk, way: str) -> None:
    for round_sec in (10, 20, 30):
        break_it(desk, way)
        desk.want(f"entry:X{round_sec}", round_sec)
        assert desk.level() is Level.HALT
        heal(desk)
        desk.want(f"entry:Y{round_sec}", round_sec + 5)
        assert desk.level() is Level.OPEN
    assert desk.sent() == ["place:Y10", "place:Y20", "place:Y30"]
    assert_whole(desk)


def test_the_halt_has_no_gap_when_the_journal_comes_back_before_the_ledger(desk: Desk) -> None:
    desk.want("entry:A", 2)
    desk.disk.fail(FULL)
    desk.want("entry:B", 3)
    filled(desk, "A", LOTS, 3.5)
    desk.ledger.broken = True
    desk.disk.heal()
    first = len(desk.steps)
    desk.want("entry:C", 5)
    desk.want("entry:D", 7)
    assert {level for _, _, level in desk.steps[first:]} == {Level.HALT}
    assert desk.sent() == ["place:A"]
    desk.ledger.broken = False
    desk.want("entry:E", 9)
    assert desk.sent() == ["place:A", "place:E"]
    assert_whole(desk)


@pytest.mark.parametrize("operations", [FULL, SYNC, READ_ONLY], ids=["full", "sync", "read-only"])
@pytest.mark.parametrize("after", range(0, 24, 2))
def test_nothing_is_lost_whichever_operation_fails_first(tmp_path: Path, operations, after: int) -> None:
    desk = make_desk(tmp_path)
    desk.disk.fail(operations, after=after)
    for number in range(1, 9):
        at_sec = 2.0 + number
        desk.want(f"entry:K{number}", at_sec)
        if ("place", f"K{number}") in desk.line.calls:
            accepted(desk, f"K{number}", at_sec + 0.1)
            filled(desk, f"K{number}", number, at_sec + 0.2)
            filled(desk, f"K{number}", 2 * number, at_sec + 0.2)
            desk.want(f"cancel:K{number}", at_sec + 0.3)
        if number == 6:
            assert not any(desk.ledger.order(desk.id_of(key)) is None for _, key in desk.line.calls)
            desk.disk.heal()
    assert ("place", "K8") in desk.line.calls
    assert {key for verb, key in desk.line.calls if verb == "cancel"} == {
        key for verb, key in desk.line.calls if verb == "place"
    }
    assert_whole(desk)


def test_a_disk_that_stays_full_ends_the_program_in_words(desk: Desk, monkeypatch) -> None:
    monkeypatch.setattr(sequencer_module, "_UNWRITTEN_LIMIT", 50)
    desk.disk.fail(FULL)

    def market() -> None:
        for number in range(60):
            desk.tell(Print(DOGE.id, (2 + number) * SECOND, 1_000_000, 1))

    with pytest.raises(WorldError, match="records wait for a journal that cannot be written; free its disk"):
        market()


def test_a_sync_that_fails_between_steps_halts_too(desk: Desk) -> None:
    desk.tell(Print(DOGE.id, 2 * SECOND, 1_000_000, 1))
    desk.disk.fail(SYNC, errno.EIO)
    assert not desk.sequencer.settle()
    assert desk.level() is Level.HALT
    desk.disk.heal()
    assert desk.sequencer.settle()
    assert desk.level() is Level.OPEN
    assert_whole(desk)


def test_closing_on_a_full_disk_says_so(desk: Desk) -> None:
    desk.disk.fail(FULL)
    desk.want("entry:A", 2)
    with pytest.raises(WorldError, match="records were not written to the journal"):
        desk.sequencer.close()


def test_a_reused_intent_key_halts_everything_and_is_not_sent(desk: Desk) -> None:
    other = Place(DOGE.id, Side.SELL, 7, 7, Style.LIMIT, LEG, False, "A", "entry")
    desk.ledger.commit([Submit(Approved(other, desk.id_of("A"), 0, 1))])
    desk.want("entry:A entry:B", 2)
    assert desk.sent() == [], "HALT is in force before the other order of the step could leave"
    assert desk.engine.standing("script", DOGE.id).reasons == (ReasonCode.INTENT_KEY_REUSE.value,)
    assert desk.strategy.states == {"A": OrderState.REJECTED, "B": OrderState.REJECTED}
    desk.want("entry:C", 3)
    assert desk.sent() == []


def test_an_order_that_the_ledger_knows_is_not_sent_again(desk: Desk) -> None:
    same = Place(DOGE.id, Side.BUY, LOTS, DOGE.ticks("0.1"), Style.POST_ONLY, LEG, False, "A", "entry")
    desk.ledger.commit([Submit(Approved(same, desk.id_of("A"), 0, 1))])
    desk.want("entry:A", 2)
    assert desk.sent() == []
    assert desk.strategy.states == {"A": OrderState.UNKNOWN}
    assert any(isinstance(event, OrderUnknown) for event, _, _ in desk.steps)
    assert desk.level() is Level.OPEN


def slow(folder: Path) -> Desk:
    return make_desk(folder, CallBudgetSettings(calls_per_loop=1, metronome=False))


def test_an_order_that_still_waits_is_withdrawn_and_its_cancel_stays_here(tmp_path: Path) -> None:
    desk = slow(tmp_path)
    desk.want("entry:A entry:B", 2)
    desk.want("cancel:B", 3)
    desk.want("entry:C cancel:C", 4)
    assert desk.sent() == ["place:A"]
    assert (desk.strategy.states["B"], desk.strategy.states["C"]) == (OrderState.CANCELLED, OrderState.CANCELLED)
    assert desk.executor.waiting == 0
    desk.want("cancel:A", 5)
    assert desk.sequencer.pump(29 * SECOND) == 30 * SECOND
    desk.sequencer.pump(30 * SECOND)
    assert desk.executor.waiting == 0
    assert desk.sent() == ["place:A", "cancel:A"]
    assert_whole(desk)


def test_an_order_that_waited_is_asked_about_again_when_the_board_has_changed(tmp_path: Path) -> None:
    desk = slow(tmp_path)
    desk.want("entry:A", 2)
    filled(desk, "A", LOTS, 3)
    desk.want("entry:B exit:X", 4)
    desk.want("halt:REDUCE_ONLY", 5)
    desk.sequencer.pump(30 * SECOND)
    assert desk.executor.waiting == 0, "the exit may leave, and then the entry's turn ends"
    assert desk.sent() == ["place:A", "place:X"]
    assert desk.strategy.states["B"] is OrderState.REJECTED
    rejected = next(event for event, _, _ in desk.steps if isinstance(event, OrderRejected))
    assert rejected.reason is RejectReason.RESTRICTION_CHANGED
    tell_end(desk, "X", 31)
    desk.want("exit:X2", 32)
    desk.want("halt:HALT", 33)
    desk.sequencer.pump(60 * SECOND)
    assert desk.sent() == ["place:A", "place:X"]
    assert desk.strategy.states["X2"] is OrderState.REJECTED
    assert_whole(desk)


def test_a_full_outbox_refuses_what_opens_and_nothing_else(tmp_path: Path) -> None:
    """runtime 2.14: limit 32 per venue; increasing orders are refused with reason outbox_full, never queued stale."""
    desk = slow(tmp_path)
    desk.want("entry:A", 2)
    filled(desk, "A", LOTS, 3)
    entries = [f"E{number}" for number in range(34)]
    desk.want(" ".join(f"entry:{key}" for key in entries), 4)
    refused = [event for event, _, _ in desk.steps if isinstance(event, OrderRejected)]
    assert [event.reason for event in refused] == [RejectReason.OUTBOX_FULL] * 2
    assert [event.client_id for event in refused] == [desk.id_of("E32"), desk.id_of("E33")]
    assert desk.executor.waiting == 32
    desk.want("exit:X", 5)
    desk.want("cancel:X", 6)
    assert desk.executor.waiting == 32
    desk.want("exit:X2", 6)
    assert desk.executor.waiting == 33, "an exit is taken, and withdrawn, at any depth"
    desk.want("entry:late", 7)
    assert desk.strategy.states["late"] is OrderState.REJECTED
    desk.want("cancel:E0 cancel:E1", 8)
    desk.want("entry:room", 9)
    assert "room" not in desk.strategy.states, "it waits like the others"
    assert desk.executor.waiting == 32
    assert_whole(desk)


def tell_end(desk: Desk, key: str, at_sec: float) -> None:
    progress = OrderProgress(desk.id_of(key), 0, 0, 0, round(at_sec * SECOND))
    desk.tell(OrderEnded(progress, EndStatus.CANCELLED, "user"))


def test_a_poll_gives_way_to_cancels_and_to_the_budget(tmp_path: Path) -> None:
    desk = slow(tmp_path)
    assert desk.executor.poll(DOGE.id, 2 * SECOND)
    assert not desk.executor.poll(DOGE.id, 3 * SECOND), "one call per loop"
    desk.want("entry:A entry:B", 31)
    desk.want("cancel:A", 32)
    assert desk.sent() == ["ask:", "place:A"]
    assert not desk.executor.poll(DOGE.id, 60 * SECOND), "a cancel waits"
    desk.sequencer.pump(60 * SECOND)
    assert desk.executor.poll(DOGE.id, 90 * SECOND), "an entry does not hold a poll up"
    assert desk.sent() == ["ask:", "place:A", "cancel:A", "ask:"]


@pytest.mark.parametrize("event", ["order", "cancel"])
def test_a_rate_limit_answer_slows_us_down_and_a_success_ends_it(desk: Desk, event: str) -> None:
    desk.want("entry:A", 2)
    if event == "order":
        desk.tell(OrderRejected(desk.id_of("A"), RejectReason.RATE_LIMIT, "", 3 * SECOND))
    else:
        desk.want("cancel:A", 2.5)
        desk.tell(CancelRefused(desk.id_of("A"), RejectReason.RATE_LIMIT.value, 3 * SECOND))
    desk.want("entry:B", 4)
    assert "place:B" not in desk.sent()
    desk.sequencer.pump(8 * SECOND)
    assert desk.executor.waiting == 0
    assert desk.sent()[-1] == "place:B"
    assert desk.executor.budget.status(9 * SECOND)["consecutive_rate_errors"] == 1
    accepted(desk, "B", 9)
    assert desk.executor.budget.status(9 * SECOND)["consecutive_rate_errors"] == 0
