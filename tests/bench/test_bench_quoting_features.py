"""What it costs to keep up what is known of a quoted symbol, and to weigh a hundred symbols anew.

A change of a book with the snapshot of features after it is what every tick pays before its stages; a rebalance comes
twice a minute.
"""

from random import Random

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from millrace.core.binary_events import BookLevel
from millrace.core.commands import Side
from millrace.market.books.order_book import OrderBook
from millrace.strategies.quoting.allocator.allocator import AllocatorState, rebalance
from millrace.strategies.quoting.allocator.fairness import fairness
from millrace.strategies.quoting.features.reducer import SymbolReducer
from quoting_books import LIVE, NS, TERMS, ask_features, fill, trade
from quoting_rounds import SETTINGS, score

CHANGES = 500


def test_a_change_of_a_book_and_its_features(benchmark: BenchmarkFixture) -> None:
    dice, reducer, book = Random(1), SymbolReducer(TERMS, LIVE), OrderBook()
    book.replace(
        tuple(BookLevel(10_000 - level, 50) for level in range(50)),
        tuple(BookLevel(10_001 + level, 50) for level in range(50)),
    )
    clock = [1_700_000_000_000]

    def live_on() -> int:
        for number in range(CHANGES):
            clock[0] += dice.randint(20, 150)
            ms = clock[0]
            bid, ask = 10_000 - dice.randint(0, 3), 10_001 + dice.randint(0, 3)
            book.change((BookLevel(bid, dice.randint(1, 90)),), (BookLevel(ask, dice.randint(1, 90)),))
            if number % 20 == 0:
                reducer.on_latency(ms * NS, dice.random() * 100)
                reducer.on_trade(trade(ms, 5, taker_sells=number % 40 == 0))
            if number % 50 == 0:
                fill(reducer, ms, Side.BUY if number % 100 else Side.SELL, 3, 10_000)
            reducer.on_book(book, ms * NS)
            ask_features(reducer, ms)
        return reducer.mid2

    live_on()
    assert benchmark(live_on)
    benchmark.extra_info.update(units=CHANGES, unit="changes with features", limit_us=25.0)


@pytest.mark.parametrize("count", [10, 100])
def test_a_rebalance(benchmark: BenchmarkFixture, count: int) -> None:
    dice = Random(1)
    scores = {f"S{number}": score(dice.random()) for number in range(count)}
    state, _ = rebalance(AllocatorState(), scores, 0, SETTINGS)

    def weigh() -> int:
        following, found = rebalance(state, scores, 30_000, SETTINGS)
        return len(found) + len(fairness(following, scores, 30_000, SETTINGS))

    assert benchmark(weigh) >= count
    benchmark.extra_info.update(units=count, unit="symbols")
