"""The parts of a run's profit with their intervals, against what was put in."""

from itertools import accumulate
from math import fsum, sqrt
from random import Random
from statistics import stdev

import pytest

from millrace.core.commands import Side
from millrace.research.quoting_profit import PARTS, ProfitRow, merged, profit_parts, profit_row, widening
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.features.samples import ProfitWindow
from millrace.strategies.quoting.telemetry.attribution import PnlParts
from quoting_books import LIVE, NS, TERMS, book, fill


def drifting(periods: int, seed: int) -> list[ProfitRow]:
    dice = Random(seed)
    rows = [ProfitRow(0, PnlParts(0.0, 0.0, 0.0, 0.0), 0.0)]
    for number in range(periods):
        last = rows[-1].parts
        parts = PnlParts(
            last.spread + 1.0, last.adverse - dice.gauss(0.4, 0.3), last.fees - 0.5, last.inventory + dice.gauss(0, 5)
        )
        rows.append(ProfitRow((number + 1) * 60_000, parts, rows[-1].traded + 1_000.0))
    return rows


def test_totals_are_the_runs_and_intervals_hold_what_was_put_in() -> None:
    rows = drifting(600, seed=3)
    found = {each.part: each for each in profit_parts([rows], block=10, seed=1)}
    assert tuple(found) == PARTS
    last = rows[-1].parts
    for name in PnlParts._fields:
        assert found[name].total == pytest.approx(getattr(last, name))
    assert sum(found[name].total for name in PnlParts._fields) == pytest.approx(found["total"].total)
    spread, adverse = found["spread"], found["adverse"]
    assert (spread.low, spread.high) == pytest.approx((600.0, 600.0))
    assert spread.bps == pytest.approx(10.0)
    assert adverse.low < -240.0 < adverse.high < 0.0
    assert found["inventory"].low < 0.0 < found["inventory"].high
    again = profit_parts([rows], block=10, seed=1)
    assert again == list(found.values())


@pytest.mark.parametrize("periods", [13, 30, 120])
def test_an_interval_holds_the_truth_in_95_of_100_runs_however_short_they_are(periods) -> None:
    """The truth is 0; plain percentiles of 13 periods in blocks of 6 hold it in 77 of 100 runs."""
    held = 0
    for seed in range(150):
        dice = Random(seed)
        sums = list(accumulate((dice.gauss(0, 1) for _ in range(periods)), initial=0.0))
        rows = [ProfitRow(number, PnlParts(0.0, 0.0, 0.0, each), 0.0) for number, each in enumerate(sums)]
        total = profit_parts([rows], block=6, seed=seed)[-1]
        held += total.low <= 0.0 <= total.high
    assert 0.91 <= held / 150 <= 0.99


def test_intervals_widen_with_how_few_blocks_there_are() -> None:
    """Student's 97.5 % quantiles of 5, 9 and 47 degrees of freedom are 2.571, 2.262 and 2.012; the normal one is 1.960."""
    for periods, block, student in ((36, 6, 2.5706), (60, 6, 2.2622), (288, 6, 2.0117)):
        share = (periods / (periods - block)) ** 0.5
        assert widening(periods, block) == pytest.approx(share * student / 1.95996, rel=1e-4)
    assert widening(1, 1) == 1.0
    (one,) = {(each.low, each.high) for each in profit_parts([drifting(1, seed=1)], 6, 1) if each.part == "spread"}
    assert one == (1.0, 1.0)


def test_stretches_and_symbols_are_put_together() -> None:
    one, other = drifting(60, seed=1), drifting(60, seed=2)
    both = merged([one, other])
    assert both[-1].parts.total == pytest.approx(one[-1].parts.total + other[-1].parts.total)
    assert both[-1].traded == 120_000.0
    stretches = {each.part: each.total for each in profit_parts([one, other], block=5, seed=1)}
    assert stretches["total"] == pytest.approx(both[-1].parts.total)


def test_a_run_that_traded_nothing_has_no_bps() -> None:
    rows = [ProfitRow(number, PnlParts(0.0, 0.0, 0.0, 0.0), 0.0) for number in range(5)]
    assert all((each.total, each.bps, each.bps_low) == (0.0, None, None) for each in profit_parts([rows], 2, 1))


def test_a_row_of_a_symbols_account_by_hand() -> None:
    """Bought 10 lots of 0.001 at 100.00 below a mid of 100.01, fee 0.0001; a second later the mid is 99.99."""
    reducer = SymbolReducer(TERMS, LIVE)
    reducer.on_book(book(10_000, 5, 10_002, 5), 1_000 * NS)
    fill(reducer, 1_000, Side.BUY, 10, 10_000, fee=10_000)
    reducer.on_book(book(9_998, 5, 10_000, 5), 2_000 * NS)
    reducer.on_book(book(10_004, 5, 10_006, 5), 9_000 * NS)
    row = profit_row(reducer, 9_000, 1_000)
    assert row.parts == pytest.approx((0.0001, -0.0002, -0.0001, 0.0006), abs=1e-15)
    assert row.traded == pytest.approx(1.0)
    assert profit_row(reducer, 9_000, 30_000).parts == pytest.approx((0.0001, 0.0004, -0.0001, 0.0), abs=1e-15)


def test_the_mean_is_that_of_the_last_60_changes() -> None:
    """Quoting 3: pnl_mean, and the z-score of 4.3 addition 4 over all of its window, by hand."""
    window, changes = ProfitWindow(60, 60), [number * number - 700 for number in range(100)]
    for number, change in enumerate(changes):
        assert (window.mean() is None) is (number < 10)
        window.observe(number * 1_000, change)
        last = changes[max(0, number - 59) : number + 1]
        assert number < 9 or window.mean() == pytest.approx(fsum(last) / len(last))
    spread = stdev(changes) / sqrt(len(changes))
    assert window.z(100_000) == pytest.approx(fsum(changes) / len(changes) / spread)
    assert window.z(3_700_000) is None
