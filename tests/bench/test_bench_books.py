"""What one change of a book costs: through the engine's step, without strategies (runtime 2.4; 25 us of processor time)."""

from time import thread_time

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from book_tape import MS, NOON, TruthMarket
from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookDelta
from millrace.core.engine import Engine
from millrace.core.events import Started
from millrace.core.ids import ClientIds
from millrace.core.instrument import Instrument, InstrumentId
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.book_guard import BookGuard

SYMBOLS = 20
CHANGES = 400
LIMIT_SEC = 25e-6
IDS = [InstrumentId("bybit", f"COIN{number}/USDT") for number in range(SYMBOLS)]


def engine() -> Engine:
    """An engine with the guard of books, and nobody who trades."""
    facts = [Instrument(at, at.symbol[:-5], "USDT", 2, 1, 2, 1, 1, 0, 0, 0, 200) for at in IDS]
    view = MarketView()
    parts = (view, OrderTable(ClientIds("b", ("q",))), Account(), RestrictionBoard(), (BookGuard(view.books, IDS),))
    made = Engine(facts, (), *parts)
    made.step(Started(False, NOON))
    for at in IDS:
        made.step(TruthMarket(at=at).snapshot())
    return made


def tape() -> list[BookDelta]:
    """Changes of five levels, near the top of each of the books in turn; each number follows the one before."""
    found = []
    for number in range(CHANGES):
        for at in IDS:
            seq, ts_ns = 1_001 + number, NOON + (number + 1) * MS
            bids = tuple(BookLevel(99_999 - step, 1 + (number + step) % 50) for step in range(3))
            asks = tuple(BookLevel(100_001 + step, (number + step) % 3) for step in (1, 2))
            found.append(BookDelta(at, ts_ns, ts_ns, seq, seq, bids, asks))
    return found


def test_one_change_of_five_levels_through_the_step(benchmark: BenchmarkFixture) -> None:
    told = tape()

    def setup() -> tuple[tuple[Engine], dict[str, object]]:
        return (engine(),), {}

    spent: list[float] = []

    def steps(made: Engine) -> None:
        began = thread_time()
        for event in told:
            made.step(event)
        spent.append((thread_time() - began) / len(told))

    benchmark.pedantic(steps, setup=setup, rounds=7 if benchmark.enabled else 1)
    units = {"units": len(told), "unit": "changes of five levels"}
    benchmark.extra_info |= {**units, "limit_sec": LIMIT_SEC * len(told), "cpu_us": min(spent) * 1e6}


@pytest.mark.parametrize("depth", [5])
def test_reading_the_top_of_a_book(benchmark: BenchmarkFixture, depth: int) -> None:
    made = engine()
    book = made.depth(IDS[0])
    assert book is not None
    bids, asks = benchmark(lambda: (book.bids(depth), book.asks(depth)))
    assert len(bids) == len(asks) == depth
