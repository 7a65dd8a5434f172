"""Whatever happens in whatever order, protection stands while its trigger holds, and ends (runtime 2.20)."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Lift, Post
from millrace.core.events import Event, Measured, Operator, Timer
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level
from millrace.core.recovery_events import Reconciled
from millrace.core.trouble_events import BreakerMoved, BreakerState, StorageRecovered, StorageTrouble
from millrace.risk.board import RestrictionBoard
from millrace.risk.playbooks import Playbooks
from millrace.risk.playbooks_facts import STORAGE
from millrace.risk.playbooks_rows import CLOCK_SKEW, COMMIT_P99, FREE_DISK

SECOND = 1_000_000_000
DOGE = InstrumentId("kraken", "DOGE/USD")
MOVES = st.one_of(
    st.tuples(st.just("skew"), st.sampled_from([0.0, 0.4, 0.7, 2.0, 6.0])),
    st.tuples(st.just("p99"), st.sampled_from([1.0, 4.9, 20.0, 60.0])),
    st.tuples(st.just("free"), st.sampled_from([2.0**29, 2.0**31])),
    st.tuples(st.just("trouble"), st.sampled_from(["journal", "ledger"])),
    st.tuples(st.just("healed"), st.sampled_from(["journal", "ledger"])),
    st.tuples(st.sampled_from(["orders", "queries"]), st.sampled_from(list(BreakerState))),
    st.tuples(st.just("reconciled"), st.booleans()),
    st.tuples(st.just("lifted"), st.integers(0, 3)),
)
HISTORIES = st.lists(st.tuples(st.integers(0, 40), MOVES), max_size=60)


class World:
    """The guard, a board, and what is true outside."""

    def __init__(self) -> None:
        self.guard, self.board, self.now_ns = Playbooks(), RestrictionBoard(), SECOND
        self.skew, self.slow_since = 0.0, None
        self.free, self.broken = 2.0**31, set[str]()
        self.breakers = {"orders": BreakerState.CLOSED, "queries": BreakerState.CLOSED}
        self.said: list[Any] = []

    def restrictions(self):
        return self.board.active()

    def positions(self):
        return {}

    def unfinished(self):
        return []

    def see(self, event: Event) -> None:
        self.now_ns = max(self.now_ns, event.ts_ns)
        for verdict in self.guard.observe(event, self):
            if isinstance(verdict, Post):
                self.board.post(verdict.restriction)
            elif isinstance(verdict, Lift):
                self.board.lift(verdict.restriction_id)
            self.said.append(verdict)

    def wait(self, seconds: int) -> None:
        until_ns = self.now_ns + seconds * SECOND
        while (due_ns := self.guard.interest().deadline_ns) is not None and due_ns <= until_ns:
            self.see(Timer(due_ns))
        self.now_ns = until_ns

    def happen(self, move: tuple[str, Any]) -> None:
        kind, value = move
        now_ns = self.now_ns
        if kind == "skew":
            self.skew = value
            self.see(Measured(CLOCK_SKEW.name, "kraken", value, now_ns))
        elif kind == "p99":
            self.slow_since = (self.slow_since or now_ns) if value > 50 else None
            self.see(Measured(COMMIT_P99.name, STORAGE, value, now_ns))
        elif kind == "free":
            self.free = value
            self.see(Measured(FREE_DISK.name, STORAGE, value, now_ns))
        elif kind == "trouble":
            self.broken.add(value)
            self.see(StorageTrouble(value, "t", now_ns))
        elif kind == "healed":
            self.broken.discard(value)
            self.see(StorageRecovered(value, now_ns))
        elif kind == "reconciled":
            self.see(Reconciled("kraken", ("x",) if value else (), (), None, now_ns))
        elif kind == "lifted":
            for one in self.board.active()[value : value + 1]:
                self.board.lift(one.id)
            self.see(Operator("clear", {}, now_ns))
        else:
            self.breakers[kind] = value
            self.see(BreakerMoved("kraken", kind, value, "t", now_ns))

    def must_be(self) -> Level:
        """Return the least level that what is true now asks for."""
        slow = self.slow_since is not None and self.now_ns - self.slow_since >= 60 * SECOND
        down = BreakerState.CLOSED not in self.breakers.values()
        if self.broken or self.free < 2.0**30 or slow or down or self.skew > 5.0:
            return Level.HALT
        return Level.OPEN

    def level(self) -> Level:
        return self.board.standing("slots", DOGE).level


@given(HISTORIES)
def test_protection_never_drops_while_a_trigger_holds_and_ends_when_all_is_well(history: Any) -> None:
    world = World()
    for seconds, move in history:
        world.wait(seconds)
        assert world.level() >= world.must_be()
        world.happen(move)
        assert world.level() >= world.must_be(), move
    for well in (("skew", 0.0), ("p99", 1.0), ("free", 2.0**31), ("healed", "journal"), ("healed", "ledger")):
        world.happen(well)
    for endpoint in ("orders", "queries"):
        world.happen((endpoint, BreakerState.CLOSED))
    world.happen(("reconciled", False))
    for _ in range(8):
        world.wait(10)
        world.happen(("skew", 0.0))
        world.happen(("p99", 1.0))
    assert world.board.active() == []
    assert world.guard.figures_wanted() == frozenset()
    assert world.guard.interest().deadline_ns is None


@given(HISTORIES, st.integers(0, 60))
def test_the_same_history_gives_the_same_actions_and_a_snapshot_forgets_nothing(history: Any, cut: int) -> None:
    first, second = World(), World()
    for number, (seconds, move) in enumerate(history):
        if number == cut:
            saved = decode_state(encode_state(second.guard.snapshot()))
            second.guard = Playbooks()
            second.guard.restore(saved)
        for world in (first, second):
            world.wait(seconds)
            world.happen(move)
    assert first.said == second.said
    assert first.guard.snapshot() == second.guard.snapshot()
