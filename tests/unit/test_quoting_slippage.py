"""What a fill cost beyond what was intended: the price that the last tick wanted in the order's slot (quoting 6)."""

from statistics import fmean
from types import SimpleNamespace
from typing import Any

import pytest

from millrace.core.commands import Side
from millrace.strategies.quoting.model import Quote
from millrace.strategies.quoting.quoted import QuotedSymbol
from quote_runs import quote_run

WANTED = (Quote(0, 990, 1_010, 5, 5), Quote(1, 980, 1_020, 0, 5))


@pytest.fixture(scope="module")
def symbol() -> Any:
    run = quote_run(quoting__symbols=1)
    run.run(2)
    (found,) = run.desk.symbols.values()
    found.wanted = WANTED
    return found


def filled(symbol: Any, side: Side, ticks: int, level: int = 0, at: int | None = None) -> float:
    """Return how much worse a fill of 4 lots was, of an order at `ticks` that filled there or at `at`."""
    cost = round(4 * (ticks if at is None else at) * symbol.cost_of_tick_lot)
    order = SimpleNamespace(side=side, level=level, ticks=ticks)
    update = SimpleNamespace(d_lots=4, d_cost=cost)
    worse = symbol.worse_ticks(update, order)
    assert symbol.slip_bps(update, SimpleNamespace(order=order)) == pytest.approx(worse * 2e4 / symbol.reducer.mid2)
    return worse


@pytest.mark.parametrize(
    ("side", "ticks", "worse"),
    [
        (Side.BUY, 990, 0.0),
        (Side.BUY, 993, 3.0),  # it should have moved away and had not
        (Side.BUY, 988, -2.0),  # it should have moved closer: it bought for less than it was ready to pay
        (Side.SELL, 1_010, 0.0),
        (Side.SELL, 1_007, 3.0),
        (Side.SELL, 1_012, -2.0),
    ],
)
def test_a_fill_is_as_bad_as_its_order_stood_from_where_it_should_have(symbol, side, ticks, worse) -> None:
    assert filled(symbol, side, ticks) == pytest.approx(worse)


def test_a_price_that_the_venue_made_worse_counts_too(symbol) -> None:
    assert filled(symbol, Side.BUY, 990, at=992) == pytest.approx(2.0)


def test_where_nothing_was_wanted_the_orders_own_price_is_meant(symbol) -> None:
    assert filled(symbol, Side.BUY, 985, level=1) == 0.0
    assert filled(symbol, Side.SELL, 1_015, level=1) == pytest.approx(5.0)
    assert filled(symbol, Side.BUY, 950, level=2) == 0.0


def test_orders_that_were_to_be_gone_slip_and_those_that_stand_right_do_not(monkeypatch) -> None:
    """What the figure tells: how far behind the market quotes are that somebody trades with; it used to be nought."""
    moving, standing, measured = [], [], QuotedSymbol.slip_bps

    def noted(self: QuotedSymbol, update: Any, heard: Any) -> float:
        slip = measured(self, update, heard)
        if update.d_lots and heard is not None:
            leaves = heard.order.cancelling or heard.order.amend_ticks is not None
            (moving if leaves else standing).append(slip)
        return slip

    monkeypatch.setattr(QuotedSymbol, "slip_bps", noted)
    quote_run(quoting__symbols=3).run(60)
    assert len(moving) >= 5
    assert len(standing) >= 20
    assert fmean(moving) > 0.5, "their calls were on the way when they filled"
    assert abs(fmean(standing)) < fmean(moving) / 4.0
    assert max(map(abs, standing)) <= 2.0, "no further than what is kept, and what one tick moves"
