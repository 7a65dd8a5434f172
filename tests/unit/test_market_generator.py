"""The generated market: the same whenever it is opened, and lively in the way that the demo needs."""

from itertools import islice, pairwise

import numpy as np
import pytest

from millrace.core.commands import Approved, Place, Side, Style
from millrace.core.events import OrderProgress
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.sim.candles import PrintColumns
from millrace.sim.market_generator import DAY_NS, day_prints, opening_price, prints_from
from millrace.sim.venue import SimVenue, VenueSettings

SEED, FIRST, DAYS = 11, 20_500, 40
MINUTE_NS = 60_000_000_000


@pytest.fixture(scope="module")
def market() -> list[PrintColumns]:
    return [day_prints(SEED, FIRST + day) for day in range(DAYS)]


def minute_closes(day):
    return day.ticks[np.append(np.flatnonzero(np.diff(day.ts_ns // MINUTE_NS)), len(day) - 1)]


def test_a_day_is_the_same_every_time_and_differs_from_others(market):
    again = day_prints(SEED, FIRST + 3)
    for name in ("ts_ns", "ticks", "lots", "bar", "bar_lots"):
        column = getattr(again, name)
        assert column.dtype == np.int64
        assert np.array_equal(column, getattr(market[3], name))
    assert not np.array_equal(again.ticks[:100], market[4].ticks[:100])
    assert not np.array_equal(again.ticks[:100], day_prints(SEED + 1, FIRST + 3).ticks[:100])


def test_times_ascend_within_the_day_and_bars_never_repeat(market):
    for place, day in enumerate(market):
        assert (np.diff(day.ts_ns) > 0).all()
        assert (FIRST + place) * DAY_NS <= day.ts_ns[0] < day.ts_ns[-1] < (FIRST + place + 1) * DAY_NS
        assert (np.diff(day.bar) == 1).all()
    assert all(a.bar[-1] < b.bar[0] for a, b in pairwise(market))


def test_the_price_is_continuous_over_midnight(market):
    for place, (before, after) in enumerate(pairwise(market)):
        opening = opening_price(SEED, FIRST + place + 1) * 1e7
        assert abs(before.ticks[-1] / opening - 1) < 0.01
        assert abs(after.ticks[0] / opening - 1) < 0.01


def test_prices_and_volumes_are_positive_and_stay_near_the_level(market):
    for day in market:
        assert (day.ticks > 0).all()
        assert (day.lots > 0).all()
        assert day.ticks.min() / 1e7 > 0.08
        assert day.ticks.max() / 1e7 < 0.35
    far = [opening_price(SEED, day) for day in range(0, 40_000, 1_500)]
    assert 0.10 < min(far) < 0.17 < max(far) < 0.29


def test_it_moves_like_doge(market):
    """The recorded DOGE minute: median move 5.2 bps, 95th percentile 20.5 bps; a day ranges over 4 to 8 %."""
    moves = np.concatenate([np.abs(np.diff(np.log(minute_closes(day)))) for day in market]) * 1e4
    assert 3.5 < np.median(moves) < 7.0
    assert 12.0 < np.percentile(moves, 95) < 25.0
    ranges = [(day.ticks.max() - day.ticks.min()) / day.ticks[0] for day in market]
    assert 0.04 < np.median(ranges) < 0.08
    assert 2.0 < np.median([np.median(np.diff(day.ts_ns)) for day in market]) / 1e9 < 6.0


def test_thin_minutes_and_crashes_exist(market):
    silent = [1 - len(np.unique(day.ts_ns // MINUTE_NS)) / 1_440 for day in market]
    assert 0.04 < np.mean(silent) < 0.25
    assert max(np.diff(day.ts_ns).max() for day in market) > 8 * MINUTE_NS
    quarter_hours = [np.log(minute_closes(day)[15:] / minute_closes(day)[:-15]).min() for day in market]
    assert 2 <= sum(worst < -0.035 for worst in quarter_hours) <= 14


def test_it_can_be_opened_anywhere(market):
    start_ns = (FIRST + 1) * DAY_NS + 5 * 3_600 * 1_000_000_000
    first, second = islice(prints_from(SEED, start_ns), 2)
    assert first.ts_ns[0] >= start_ns
    assert np.array_equal(first.ticks, market[1].ticks[-len(first) :])
    assert market[1].ts_ns[-len(first) - 1] < start_ns
    assert np.array_equal(second.ts_ns, market[2].ts_ns)


def test_a_resting_grid_is_filled_within_hours(market):
    """Eighty buys a quarter percent apart in steps below the open: the demo's first hours show fills on most days."""
    doge = Instrument(InstrumentId("sim", "DOGE/USD"), "DOGE", "USD", 7, 1, 8, 1, 1, 1, 2_500, 4_000, 225)
    filled = 0
    for day in market:
        sim = SimVenue(VenueSettings("sim", (doge,), {"USD": 10**13}, SEED, rate=None))
        start = int(day.ts_ns[0])
        for slot in range(80):
            limit = int(day.ticks[0] * (1 - 0.0025 - 0.0002 * slot))
            place = Place(
                doge.id, Side.BUY, 60 * 10**8, limit, Style.POST_ONLY, SubPosition("s", doge.id, "", ""), False, "", ""
            )
            sim.place(Approved(place, str(slot), 1, 0), start)
        end = int(np.searchsorted(day.ts_ns, start + 4 * 3_600 * 1_000_000_000))
        rows = zip(*(c[1:end].tolist() for c in (day.ts_ns, day.ticks, day.lots, day.bar, day.bar_lots)), strict=True)
        news = [event for row in rows for _, event in sim.on_print(doge.id, *row)]
        filled += any(isinstance(event, OrderProgress) for event in news)
    assert filled > DAYS * 0.6
