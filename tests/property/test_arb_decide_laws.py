"""Laws of decisions: overlays and caps only shrink, a rejected row has a reason, opened money passes every limit."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from arb_desk import DOLLAR, HOME, Table, contracts, home_book
from millrace.strategies.arb.gates.reasons import in_order
from millrace.strategies.arb.settings import ArbSettings

FREE = ArbSettings()
FREE = replace(FREE, gates=replace(FREE.gates, min_profit_usd=0.0, min_edge=0.0))
SHARE = st.floats(0.01, 1.0)


def _size(chosen: ArbSettings = FREE, **changes) -> float:
    decision = Table(chosen).decide(**changes)
    return contracts(decision.basket) if decision.opened else 0.0


@given(SHARE, SHARE)
@settings(max_examples=30)
def test_a_smaller_board_multiplier_is_never_a_larger_size(one, other) -> None:
    low, high = sorted((one, other))
    assert _size(multiplier=low) <= _size(multiplier=high)


@pytest.mark.parametrize(
    "name", ["kelly_share", "venue_cash_share", "loss_share_high", "trade_usd", "trade_contracts", "cluster_share"]
)
@given(SHARE, SHARE)
@settings(max_examples=15)
def test_a_smaller_share_or_cap_is_never_a_larger_size(name, one, other) -> None:
    whole = getattr(FREE.stake, name)
    small, large = (replace(FREE, stake=replace(FREE.stake, **{name: whole * share})) for share in sorted((one, other)))
    assert _size(small) <= _size(large)


@given(st.integers(30, 60), st.integers(30, 60), st.integers(1, 600), st.integers(0, 400), st.integers(10, 5_000))
@settings(max_examples=80)
def test_a_decision_is_whole(yes, no, depth, free, equity) -> None:
    table = Table(FREE, quote=home_book(yes, no, depth))
    decision = table.decide(free={HOME.venue: free * DOLLAR}, equity=equity * DOLLAR)
    assert decision.opened == (not decision.reasons)
    assert decision.reasons == in_order(decision.reasons)
    if not decision.opened:
        assert decision.reason is decision.reasons[0]
        return
    basket, found = decision.basket, decision.assessment
    spent = basket.cost_nano + basket.fee_nano
    assert spent <= min(free, 40) * DOLLAR
    assert basket.net_nano > 0
    assert found.expected_nano >= 0
    assert contracts(basket) <= 0.5 * 2 * depth
    assert found.worst_loss_nano <= equity * DOLLAR * 0.02
    assert basket.lots % 1_000_000 == 0
