"""A leg whose size is below the venue's minimum waits for the price that ends it, and costs nothing meanwhile."""

import numpy as np
import pytest

from millrace.config.load import load_settings
from millrace.sim.candles import prints_of_trades
from millrace.world.backtest import Assembled, assemble_backtest, start

STEP_NS = 60 * 1_000_000_000
FIRST_NS = 1_700_000_000 * 1_000_000_000
PRICE_SCALE = 10**7
LIMIT_TICKS = round(0.5 / 60 * PRICE_SCALE)
"""60 DOGE cost 0.5 USD, the venue's minimum, at about 0.00833 USD."""


def run(prices: np.ndarray, *, lazy: bool = True) -> Assembled:
    count = len(prices)
    columns = prints_of_trades(
        FIRST_NS + np.arange(count, dtype=np.int64) * STEP_NS,
        np.rint(prices * PRICE_SCALE).astype(np.int64),
        np.full(count, 10**14, np.int64),
    )
    settings = load_settings(profile="demo", overrides={"slots.count": 5, "slots.stale_price_max_age_sec": 150.0})
    assembled = assemble_backtest(settings, columns, lazy=lazy)
    start(settings, assembled, FIRST_NS - 1)
    assembled.simulation.run_until(int(columns.ts_ns[-1]))
    return assembled


def rise(low: float, high: float, count: int) -> np.ndarray:
    return np.geomspace(low, high, count)


def test_cheap_days_cost_few_events_and_no_order() -> None:
    assembled = run(rise(0.002, 0.006, 5_000))
    assert assembled.ledger.orders() == []
    waits = {reason.value for slot in assembled.program.grid.grid.slots.values() for reason in slot.wait.values()}
    assert waits == {"min_size_wait"}
    assert assembled.simulation.sequencer.messages < 50
    assert assembled.program.grid.grid.floors.total == 0


@pytest.mark.parametrize("profile_prices", [rise(0.006, 0.012, 600), rise(0.012, 0.006, 600)])
def test_trading_begins_and_ends_where_the_minimum_lies(profile_prices: np.ndarray) -> None:
    assembled = run(profile_prices)
    orders = [order for order in assembled.ledger.orders() if order.place.purpose == "entry"]
    assert orders
    assert min(order.place.limit_ticks for order in orders) >= LIMIT_TICKS
    rising = profile_prices[0] < profile_prices[-1]
    if rising:
        first = min(order.created_ns for order in orders)
        reached = FIRST_NS + int(np.argmax(profile_prices * PRICE_SCALE >= LIMIT_TICKS)) * STEP_NS
        assert abs(first - reached) <= 2 * STEP_NS
    assert run(profile_prices, lazy=False).program.engine.command_hash == assembled.program.engine.command_hash
