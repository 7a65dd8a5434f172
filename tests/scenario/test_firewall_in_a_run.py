"""The slot grid behind the firewall: prices that leap, and skipping that stays exact all the same (runtime 2.2)."""

import numpy as np
import pytest

import grid_runs as grid
from millrace.core.events import Print
from millrace.core.permission import ReasonCode
from millrace.sim.candles import prints_of_trades
from millrace.world.backtest import assemble_backtest, start

SECOND = 1_000_000_000


def leaping(seed, hours=6, odds=0.004, ticks=lambda price, dice: price):
    """A generated market in which rows now and then say something else; returns it and which rows."""
    columns = grid.generated(seed, hours=hours)
    dice = np.random.default_rng(seed)
    prices, wrong = columns.ticks.copy(), np.flatnonzero(dice.random(len(columns)) < odds)
    for row in wrong:
        prices[row] = ticks(int(prices[row]), dice)
    return prints_of_trades(columns.ts_ns, prices, columns.lots), wrong


SPIKES = {
    "far off": lambda price, dice: int(price * dice.choice([0.5, 0.9, 1.2, 3.0])),
    "impossible": lambda price, dice: int(dice.choice([0, -price])),
    "just above the limit": lambda price, dice: int(price * dice.choice([1.0299, 1.0301, 0.9699])),
}


@pytest.mark.parametrize("kind", SPIKES)
def test_leaping_prices_are_skipped_exactly(kind):
    columns, wrong = leaping(3, ticks=SPIKES[kind])
    assert len(wrong) > 10
    outcome = grid.assert_lazy_is_exact(grid.settings_for("demo", {"slots.count": 20}, bar_ns=0), columns)
    assert outcome.fills > 20


def test_a_level_that_shifts_for_good_is_followed():
    columns = grid.generated(5, hours=6)
    prices = columns.ticks.copy()
    prices[len(prices) // 2 :] = prices[len(prices) // 2 :] * 108 // 100
    shifted = prints_of_trades(columns.ts_ns, prices, columns.lots)
    settings = grid.settings_for("demo", {"slots.count": 20}, bar_ns=0)
    grid.assert_lazy_is_exact(settings, shifted)
    played = assemble_backtest(settings, shifted)
    start(settings, played, int(shifted.ts_ns[0]) - 1)
    played.simulation.run_until(int(shifted.ts_ns[-1]))
    program = played.program
    assert program.engine.market(program.instrument.id).last_ticks == prices[-1]
    assert program.firewall.counts()[program.spot_venue].shifts == 1


def test_a_single_spike_reaches_no_strategy_and_no_order():
    """Without the firewall the grid would have answered a price that nobody traded at."""
    columns = grid.generated(9, hours=3)
    row = len(columns) // 2
    prices = columns.ticks.copy()
    prices[row] *= 2
    settings = grid.settings_for("demo", {"slots.count": 20, "venue.participation": 1e-9}, bar_ns=0)
    seen = []
    played = assemble_backtest(settings, prints_of_trades(columns.ts_ns, prices, columns.lots), lazy=False)
    slots = played.program.slots
    decide = slots.decide
    slots.decide = lambda event, view: seen.append(event) or decide(event, view)
    start(settings, played, int(columns.ts_ns[0]) - 1)
    played.simulation.run_until(int(columns.ts_ns[-1]))
    shown = [event.ticks for event in seen if isinstance(event, Print)]
    assert len(shown) > 100
    assert max(shown) < prices[row]


def test_a_spot_feed_of_rubbish_halts_its_venue():
    columns = grid.generated(4, hours=1)
    rng = np.random.default_rng(1)
    bad = np.where(rng.random(len(columns)) < 0.6, 0, columns.ticks)
    dense = prints_of_trades(columns.ts_ns[0] + np.arange(len(columns)) * (SECOND // 20), bad, columns.lots)
    settings = grid.settings_for("demo", {"slots.count": 20}, bar_ns=0)
    played = assemble_backtest(settings, dense)
    start(settings, played, int(dense.ts_ns[0]) - 1)
    played.simulation.run_until(int(dense.ts_ns[-1]))
    reasons = {one.reason for one in played.program.engine.restrictions()}
    assert ReasonCode.DIRTY_FEED in reasons
    grid.assert_lazy_is_exact(settings, dense)
