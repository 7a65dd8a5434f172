"""Bars and trades as prints (design section 3, "Candles in the simulator")."""

import numpy as np

from millrace.sim.candles import prints_of_bars, prints_of_trades

MINUTE_NS = 60_000_000_000


def column(*values):
    return np.array(values, np.int64)


def test_a_rising_bar_goes_low_first_and_a_falling_one_high_first():
    prints = prints_of_bars(
        ts_ns=column(0, MINUTE_NS, 2 * MINUTE_NS),
        open_=column(10, 20, 30),
        high=column(15, 25, 35),
        low=column(5, 15, 25),
        close=column(12, 18, 30),
        volume_lots=column(403, 8, 0),
        bar_ns=MINUTE_NS,
    )
    assert prints.ticks.tolist() == [10, 5, 15, 12, 20, 25, 15, 18, 30, 25, 35, 30]
    assert prints.ts_ns[:4].tolist() == [0, 15_000_000_000, 30_000_000_000, MINUTE_NS - 1]
    assert prints.ts_ns[4] == MINUTE_NS
    assert prints.lots.tolist() == [100] * 4 + [2] * 4 + [0] * 4
    assert prints.bar.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert prints.bar_lots.tolist() == [403] * 4 + [8] * 4 + [0] * 4
    assert all(c.dtype == np.int64 for c in (prints.ts_ns, prints.ticks, prints.lots, prints.bar, prints.bar_lots))
    assert len(prints) == 12


def test_each_trade_is_its_own_bar_and_columns_can_be_cut():
    prints = prints_of_trades(column(1, 2, 2, 9), column(5, 6, 7, 8), column(10, 20, 30, 40), first_bar=100)
    assert prints.bar.tolist() == [100, 101, 102, 103]
    assert prints.bar_lots.tolist() == [10, 20, 30, 40]
    assert prints.since(2).ticks.tolist() == [6, 7, 8]
    assert len(prints.since(10)) == 0


def test_no_bars_make_no_prints():
    none = column()
    assert len(prints_of_bars(none, none, none, none, none, none, MINUTE_NS)) == 0
