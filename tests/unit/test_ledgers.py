"""What both ledgers promise, and what SQLite alone must survive (runtime 2.15, 2.16)."""

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from millrace.core.binary_events import RedeemRoute
from millrace.core.commands import (
    Approved,
    Book,
    Lift,
    OrderState,
    Place,
    Post,
    RecordClosing,
    RecordFill,
    RecordOrder,
    Side,
    Style,
    Submit,
)
from millrace.core.failure import OperatorError, WorldError
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.ledger import LedgerPosition
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.ledger_sqlite import SqliteLedger

DOGE = InstrumentId("kraken", "DOGE/USD")
LEG = SubPosition("grid", DOGE, "7", "A")


def place(key: str = "k", lots: int = 10, side: Side = Side.BUY) -> Place:
    return Place(DOGE, side, lots, 1_000_000, Style.POST_ONLY, LEG, False, key, "entry")


def submit(client_id: str = "a", order: Place | None = None, ts_ns: int = 1) -> Submit:
    return Submit(Approved(order or place(), client_id, 0, ts_ns))


def fill(client_id: str, lots: int, cum: int, side: Side = Side.BUY, fee: int = 1) -> RecordFill:
    return RecordFill(client_id, LEG, side, lots, lots * 100, fee, cum, cum * 100, fee * cum, 5)


@pytest.fixture(params=["memory", "sqlite"])
def ledger(request, tmp_path: Path):
    store = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "ledger.sqlite", create=True)
    yield store
    store.close()


def test_an_intent_is_new_once(ledger):
    assert ledger.commit([submit()]).new_client_ids == {"a"}
    assert ledger.commit([]).new_client_ids == frozenset()
    repeated = ledger.commit([submit(ts_ns=9)])
    assert (repeated.new_client_ids, repeated.reused_keys) == (frozenset(), ())
    assert ledger.order("a").created_ns == 1
    assert ledger.order("a").state is OrderState.SENT


@pytest.mark.parametrize("other", [submit("a", place(lots=11)), submit("b"), submit("b", place(lots=11))])
def test_a_key_with_another_payload_is_reported_and_writes_nothing(ledger, other):
    ledger.commit([submit()])
    before = ledger.orders()
    result = ledger.commit([other])
    assert (result.new_client_ids, result.reused_keys) == (frozenset(), ("k",))
    assert ledger.orders() == before


def test_a_fill_is_booked_once_and_the_sums_follow(ledger):
    ledger.commit([submit(), fill("a", 4, 4), fill("a", 4, 4)])
    ledger.commit([fill("a", 4, 4), fill("a", 6, 10)])
    order = ledger.order("a")
    assert (order.cum_lots, order.cum_cost, order.cum_fee) == (10, 1_000, 2)
    assert ledger.fills() == 2
    assert ledger.positions() == [LedgerPosition(LEG, 10, 1_000, 2)]
    ledger.commit([fill("x", 10, 10, Side.SELL)])
    assert ledger.positions() == []


def test_a_fee_that_comes_late_is_booked(ledger):
    late = msgspec.structs.replace(fill("a", 0, 4), fee=2, cum_fee=6)
    ledger.commit([submit(), fill("a", 4, 4), late])
    assert ledger.order("a").cum_fee == 3
    assert ledger.positions()[0].fees == 3


def test_closings_are_booked_once_and_what_they_say_late_adds_or_takes_away(ledger):
    """Arb 12: lots 0 correct what was closed before; a short position that ends costs what it pays."""
    told = [(6, 900, 3), (0, 50, -1), (0, -70, 0), (-2, -40, 0)]
    closings = [
        RecordClosing(LEG, lots, proceeds, fee, RedeemRoute.RESOLUTION, number, 9)
        for number, (lots, proceeds, fee) in enumerate(told, 1)
    ]
    ledger.commit([submit(), fill("a", 4, 4)])
    for one in (*closings, *closings):
        ledger.commit([one])
    assert ledger.positions() == []
    assert ledger.cash("grid") == {"7": -400 - 1 + 900 - 3 + 50 + 1 - 70 - 40}
    assert ledger.fees("grid") == {"7": 1 + 3 - 1}
    assert ledger.fills() == 1


def test_repeated_facts_take_no_order_back(ledger):
    facts = [RecordOrder("a", OrderState.OPEN, "V1", 2), RecordOrder("a", OrderState.FILLED, "V1", 3)]
    ledger.commit([submit(), *facts])
    ledger.commit(facts)
    order = ledger.order("a")
    assert (order.state, order.venue_order_id, order.updated_ns) == (OrderState.FILLED, "V1", 3)
    assert ledger.orders(live_only=True) == []


def test_a_venue_order_id_belongs_to_one_order(ledger):
    ledger.commit([submit(), submit("b", place("k2")), RecordOrder("a", OrderState.OPEN, "V1", 2)])
    result = ledger.commit([RecordOrder("b", OrderState.OPEN, "V1", 2)])
    assert result.reused_keys == ("kraken order V1",)
    assert [order.venue_order_id for order in ledger.orders()] == ["V1", ""]
    ledger.commit([RecordOrder("a", OrderState.OPEN, "V2", 3)])
    assert ledger.commit([RecordOrder("b", OrderState.OPEN, "V1", 3)]).reused_keys == ()
    assert [order.venue_order_id for order in ledger.orders()] == ["V2", "V1"]


def test_bookings_are_append_only_and_unique(ledger):
    first = Book("grid", "cycle", "7/1", {"net": 0.1 + 0.2, "slot": 7, "note": None}, 5)
    ledger.commit([first, Book("grid", "cycle", "7/1", {"net": 9.0}, 6), Book("grid", "release", "7/1", {}, 7)])
    assert ledger.bookings("cycle") == [first]
    assert len(ledger.bookings()) == 2


def test_a_refreshed_restriction_never_gets_looser(ledger):
    scope = Scope(ScopeKind.GLOBAL)
    halt = Restriction("x", scope, Level.HALT, ReasonCode.OPERATOR_HALT, "stop", "me", 1)
    softer = Restriction("x", scope, Level.CAUTION, ReasonCode.OPERATOR_PAUSE, "go", "me", 2)
    ledger.commit([Post(halt), Post(softer)])
    assert ledger.restrictions() == [halt]
    ledger.commit([Lift("x", "done", 3)])
    assert ledger.restrictions() == []


# SQLite alone


def test_a_missing_ledger_is_not_a_first_start(tmp_path: Path):
    """Design section 5.5."""
    with pytest.raises(OperatorError, match="no ledger"):
        SqliteLedger(tmp_path / "ledger.sqlite")
    assert not list(tmp_path.iterdir())
    SqliteLedger(tmp_path / "new" / "ledger.sqlite", create=True).close()


def test_a_failed_batch_leaves_nothing_of_itself(tmp_path: Path):
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", create=True)
    ledger.commit([submit()])
    too_large = submit("c", place("k3", lots=2**63))
    with pytest.raises(WorldError, match="Nothing was changed"):
        ledger.commit([submit("b", place("k2")), too_large])
    assert [order.client_id for order in ledger.orders()] == ["a"]
    assert ledger.commit([submit("b", place("k2"))]).new_client_ids == {"b"}
    ledger.close()


def test_a_sum_that_is_too_large_is_refused_not_rounded(tmp_path: Path):
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", create=True)
    half = RecordFill("a", LEG, Side.BUY, 2**62, 1, 0, 1, 1, 0, 5)
    ledger.commit([submit(), half])
    with pytest.raises(WorldError, match="too large"):
        ledger.commit([msgspec.structs.replace(half, cum_lots=2)])
    assert (ledger.fills(), ledger.positions()) == (1, [LedgerPosition(LEG, 2**62, 1, 0)])
    ledger.close()


def test_a_full_disk_is_named_and_trading_can_go_on_later(tmp_path: Path):
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", create=True)
    pages = ledger._base.execute("PRAGMA page_count").fetchone()[0]
    ledger._base.execute(f"PRAGMA max_page_count = {pages}")
    books = [Book("grid", "cycle", str(number), {"text": "x" * 4_000}, 1) for number in range(20)]
    with pytest.raises(WorldError, match="full"):
        ledger.commit(books)
    assert ledger.bookings() == []
    ledger._base.execute("PRAGMA max_page_count = 100000")
    ledger.commit(books)
    assert ledger.bookings() == books
    ledger.close()


def test_a_second_writer_is_told_who_holds_the_file(tmp_path: Path, monkeypatch):
    monkeypatch.setattr("millrace.shell.ledger_sqlite._BUSY_MS", 1)
    path = tmp_path / "ledger.sqlite"
    ledger = SqliteLedger(path, create=True)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(WorldError, match="another process"):
        ledger.commit([submit()])
    other.execute("ROLLBACK")
    other.close()
    assert ledger.commit([submit()]).new_client_ids == {"a"}
    ledger.close()


@pytest.mark.parametrize("create", [False, True])
@pytest.mark.parametrize("content", ["rubbish", "page", "foreign"])
def test_a_damaged_ledger_stops_the_start_and_is_not_touched(tmp_path: Path, create: bool, content: str):
    path = tmp_path / "ledger.sqlite"
    if content == "foreign":
        other = sqlite3.connect(path)
        other.execute("CREATE TABLE something (x)")
        other.commit()
        other.close()
    else:
        ledger = SqliteLedger(path, create=True)
        ledger.commit([submit(str(number), place(f"k{number}")) for number in range(200)])
        ledger.close()
        data = bytearray(path.read_bytes())
        data[: 64 if content == "rubbish" else 0] = b"x" * (64 if content == "rubbish" else 0)
        if content == "page":
            data[4096 * 5 : 4096 * 6] = b"\xff" * 4096
        path.write_bytes(data)
    before = path.read_bytes()
    with pytest.raises(WorldError, match="Restore"):
        SqliteLedger(path, create=create)
    assert path.read_bytes() == before


def test_another_schema_version_is_named(tmp_path: Path):
    path = tmp_path / "ledger.sqlite"
    ledger = SqliteLedger(path, create=True)
    ledger._base.execute("UPDATE meta SET value = '99'")
    ledger.close()
    with pytest.raises(WorldError, match="schema version 99"):
        SqliteLedger(path)


def test_the_file_is_written_ahead_and_fully_synced(tmp_path: Path):
    """Design section 6: WAL, full sync."""
    ledger = SqliteLedger(tmp_path / "ledger.sqlite", create=True)
    assert ledger._base.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    assert ledger._base.execute("PRAGMA synchronous").fetchone() == (2,)
    ledger.close()


CHILD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_ledgers import fill, place, submit
from millrace.shell.ledger_sqlite import SqliteLedger
ledger = SqliteLedger(Path(sys.argv[1]), create=True)
number = len(ledger.orders()) // 3
while True:
    ids = [f"{number}-{part}" for part in range(3)]
    batch = [submit(name, place(name)) for name in ids] + [fill(name, 10, 10) for name in ids]
    ledger.commit(batch)
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
    number += 1
"""


def test_kill_9_in_the_middle_of_commits_loses_nothing_committed(tmp_path: Path):
    path = tmp_path / "ledger.sqlite"
    for stop_after in (1, 4, 9, 25):
        command = [sys.executable, "-c", CHILD, str(path), str(Path(__file__).parent)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
            said = [int(child.stdout.readline()) for _ in range(stop_after)]
            os.kill(child.pid, signal.SIGKILL)
            said += [int(line) for line in child.stdout.read().split()]
        ledger = SqliteLedger(path)
        orders = ledger.orders()
        assert len(orders) % 3 == 0
        assert len(orders) >= 3 * (said[-1] + 1)
        assert all(order.cum_lots == 10 for order in orders)
        assert ledger.fills() == len(orders)
        assert sum(position.lots for position in ledger.positions()) == 10 * len(orders)
        ledger.close()
