"""SQLite and its in-memory twin answer alike, whatever is committed (design section 5.10)."""

import tempfile
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.binary_events import RedeemRoute
from millrace.core.commands import (
    Alert,
    AmendOrder,
    Approved,
    ApprovedAmend,
    Book,
    CancelOrder,
    Lift,
    OrderState,
    Place,
    Post,
    RecordAdoption,
    RecordAmend,
    RecordClosing,
    RecordFill,
    RecordOpening,
    RecordOrder,
    Refuse,
    Severity,
    Side,
    Style,
    Submit,
)
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.ledger_sqlite import SqliteLedger

DOGE, BTC = InstrumentId("kraken", "DOGE/USD"), InstrumentId("bybit", "BTCUSDC")
client_ids = st.sampled_from(["a", "b", "c"])
instruments = st.sampled_from([DOGE, BTC])
positions = st.builds(
    SubPosition, st.sampled_from(["grid", "quote"]), instruments, st.just("7"), st.sampled_from(["A", "B"])
)
sides = st.sampled_from(Side)
times = st.integers(0, 5)
places = st.builds(
    Place,
    instruments,
    sides,
    st.integers(1, 2),
    st.just(100),
    st.sampled_from(Style),
    positions,
    st.booleans(),
    st.sampled_from(["k1", "k2", "k3"]),
    st.just("entry"),
)
small = st.integers(0, 3)
restrictions = st.builds(
    Restriction,
    st.sampled_from(["r1", "r2", "r3"]),
    st.just(Scope(ScopeKind.GLOBAL)),
    st.sampled_from(Level),
    st.sampled_from(ReasonCode),
    st.text(max_size=3),
    st.just("test"),
    times,
    st.sampled_from([0.25, 0.5, 1.0]),
    times,
    st.sampled_from(Recovery),
)
scalars = st.none() | st.booleans() | st.integers(-(2**63), 2**63) | st.floats(allow_nan=False) | st.text(max_size=4)
commands = st.one_of(
    st.builds(Submit, st.builds(Approved, places, client_ids, st.just(1), times)),
    st.builds(
        AmendOrder,
        st.builds(
            ApprovedAmend, places, client_ids, st.integers(1, 3), st.integers(1, 2), small, st.booleans(), small, times
        ),
    ),
    st.builds(
        RecordAmend,
        client_ids,
        st.integers(1, 4),
        st.integers(0, 3),
        st.integers(1, 2),
        small,
        st.booleans(),
        times,
    ),
    st.builds(RecordAdoption, client_ids, places, times),
    st.builds(RecordOpening, positions, sides, small, small, small, times),
    st.builds(RecordClosing, positions, st.integers(-3, 3), small, small, st.sampled_from(RedeemRoute), small, times),
    st.builds(RecordOrder, client_ids, st.sampled_from(OrderState), st.sampled_from(["", "v1", "v2"]), times),
    st.builds(
        RecordFill,
        client_ids,
        positions,
        sides,
        small,
        st.integers(-3, 3),
        st.integers(-1, 1),
        small,
        small,
        st.integers(0, 1),
        times,
    ),
    st.builds(
        Book,
        st.sampled_from(["grid", "quote"]),
        st.sampled_from(["cycle", "release"]),
        st.sampled_from(["1", "2"]),
        st.dictionaries(st.text(max_size=3), scalars, max_size=2),
        times,
    ),
    st.builds(Post, restrictions),
    st.builds(Lift, st.sampled_from(["r1", "r2", "r3"]), st.just("over"), times),
    st.just(Alert(Severity.WARN, "c", "t", 1)),
    st.just(Refuse("k1", ("operator_halt",))),
    st.just(CancelOrder(DOGE, "a", "x")),
)


def reads(ledger):
    return (
        ledger.orders(),
        ledger.orders(live_only=True),
        [ledger.order(client_id) for client_id in ("a", "b", "c", "nobody")],
        ledger.positions(),
        ledger.fills(),
        [list(ledger.fees(name).items()) for name in ("grid", "quote")],
        [list(ledger.cash(name).items()) for name in ("grid", "quote")],
        ledger.bookings(),
        ledger.bookings("cycle"),
        ledger.restrictions(),
    )


@settings(max_examples=80, deadline=None)
@given(st.lists(st.lists(commands, max_size=6), max_size=6))
def test_both_ledgers_answer_alike(batches):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.sqlite"
        disk, memory = SqliteLedger(path, create=True), MemoryLedger()
        for drawn in batches:
            # An amend follows its order; what only the second commit of a batch could take is no repetition.
            batch = sorted(drawn, key=lambda command: isinstance(command, AmendOrder))
            assert disk.commit(batch) == memory.commit(batch)
            again = memory.commit(
                [command for command in batch if isinstance(command, Submit | AmendOrder | RecordFill | Book)]
            )
            assert again.new_client_ids == again.new_amends == frozenset()
            assert disk.commit([]) == memory.commit([])
        assert reads(disk) == reads(memory)
        disk.close()
        reopened = SqliteLedger(path)
        assert reads(reopened) == reads(memory)
        reopened.close()
