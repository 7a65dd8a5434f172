"""The generated universe and its venue: 50,000 quotes a second are to be made, and a venue must keep up with them."""

from itertools import islice

from pytest_benchmark.fixture import BenchmarkFixture

from millrace.core.binary_events import BinaryQuote
from millrace.sim.prediction.quotes import quotes
from millrace.sim.prediction.settings import PredictionSettings
from millrace.sim.prediction.universe import generate_universe
from millrace.sim.prediction.venue import PredictionVenue
from prediction_venue import KALSHI, NO_LUCK, book, kalshi

ROWS = 20_000
LIMIT_SEC = ROWS / 50_000


def test_rows_of_a_universe(benchmark: BenchmarkFixture) -> None:
    rows = ROWS if benchmark.enabled else 500
    universe = generate_universe(1, 2_000 if benchmark.enabled else 100)
    benchmark.extra_info |= {"limit_sec": LIMIT_SEC, "units": rows, "unit": "rows"}
    assert len(benchmark(lambda: list(islice(quotes(universe, universe.settings.begins_ns), rows)))) == rows


def test_a_venue_is_shown_books(benchmark: BenchmarkFixture) -> None:
    count = ROWS if benchmark.enabled else 500
    universe = generate_universe(1, 2_000 if benchmark.enabled else 100)
    mine = tuple(facts for facts in universe.facts if facts.market.venue == "kalshi")
    settings = PredictionSettings(venue="kalshi", markets=mine, opening={"USD": 10**12}, seed=1, nets=True, **NO_LUCK)
    every = (row.event for row in quotes(universe, universe.settings.begins_ns) if row.to_venue)
    shown = list(islice((one for one in every if isinstance(one, BinaryQuote) and one.market.venue == "kalshi"), count))

    def see() -> PredictionVenue:
        venue = PredictionVenue(settings)
        for quote in shown:
            venue.on_book(quote)
        return venue

    benchmark.extra_info |= {"limit_sec": LIMIT_SEC, "units": len(shown), "unit": "books"}
    assert benchmark(see).now_ns == shown[-1].ts_ns


def test_a_universe_is_drawn(benchmark: BenchmarkFixture) -> None:
    markets = 2_000 if benchmark.enabled else 100
    benchmark.extra_info |= {"units": markets, "unit": "markets"}
    assert len(benchmark(lambda: generate_universe(1, markets)).facts) == markets


def test_a_take_through_three_levels(benchmark: BenchmarkFixture) -> None:
    from prediction_venue import ONE, order

    venue = PredictionVenue(kalshi(opening={"USD": 10**15}))
    count = [0]

    def take() -> int:
        count[0] += 1
        venue.on_book(book(KALSHI, 2 * count[0], yes_asks=[(4_000, 1), (4_100, 1), (4_200, 1 + count[0] % 2)]))
        return len(venue.place(order(f"o{count[0]}", KALSHI, lots=3 * ONE, ticks=4_200), 2 * count[0] + 1))

    benchmark.extra_info |= {"units": 1, "unit": "orders"}
    assert benchmark(take) >= 2
