"""The simulator's share of a backtest's hot path."""

import numpy as np
import pytest

from millrace.core.commands import Approved, Place, Side, Style
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.sim.candles import PrintColumns, QuoteColumns
from millrace.sim.column_search import first_outside
from millrace.sim.market_generator import day_prints
from millrace.sim.venue import SimVenue, VenueSettings

ROWS = 1_000_000
DOGE = Instrument(InstrumentId("sim", "DOGE/USD"), "DOGE", "USD", 7, 1, 8, 1, 1, 1, 2_500, 4_000, 225)
LOTS, AT, SLOTS = 60 * 10**8, 1_700_000, 80


@pytest.mark.parametrize("kind", ["prints", "quotes"])
@pytest.mark.parametrize("distance", [10, 700, 100_000])
def test_search(benchmark, kind, distance):
    ticks = np.full(ROWS, AT, np.int64)
    ticks[distance] -= 50
    none = np.zeros(ROWS, np.int64)
    if kind == "prints":
        columns = PrintColumns(none, ticks, none, none, none)
    else:
        columns = QuoteColumns(none, ticks - 10, ticks, none, none)
    assert benchmark(first_outside, columns, 0, ROWS, AT - 50, AT + 50) == distance


def grid() -> SimVenue:
    sim = SimVenue(VenueSettings("sim", (DOGE,), {"USD": 10**15}, 1, rate=None))
    for slot in range(SLOTS):
        place = Place(
            DOGE.id, Side.BUY, LOTS, AT - slot, Style.POST_ONLY, SubPosition("s", DOGE.id, "", ""), False, "", ""
        )
        sim.place(Approved(place, f"{slot:032x}", 1, 0), 0)
    return sim


def test_placing_eighty_orders(benchmark):
    assert len(benchmark(grid).open_orders(DOGE.id)) == SLOTS


def test_filling_eighty_orders_one_print_each(benchmark):
    def fill(sim: SimVenue) -> None:
        for slot in range(SLOTS):
            sim.on_print(DOGE.id, slot, AT - slot - 1, 1, slot, 10 * LOTS)

    def fresh() -> tuple[tuple[SimVenue], dict[str, int]]:
        return (grid(),), {}

    benchmark.pedantic(fill, setup=fresh, rounds=50)


def test_a_print_that_fills_nothing(benchmark):
    sim = grid()
    assert benchmark(sim.on_print, DOGE.id, 0, AT, 1, 0, LOTS) == []


def test_generating_a_day(benchmark):
    assert len(benchmark(day_prints, 1, 20_000)) > 1_000
