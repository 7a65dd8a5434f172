"""Economics against the golden rows: decomposition of prices, and when a leg may be a maker (golden part C)."""

import json
from pathlib import Path
from typing import Any

import pytest

from arb_quotes import book, market
from millrace.strategies.arb.economics.diagnostics import decompose, diagnose
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.economics.style import MakerCase, maker_refusal

SETTINGS = EconomicsSettings()


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "arb.json").read_text())


def test_decompose(golden) -> None:
    """Arb 2.3, and back: yes = p + e, no = 1 - p + e."""
    for yes, no, probability, edge in golden["decompose"]["rows"]:
        found = decompose(yes, no)
        assert found == pytest.approx((probability, edge), abs=1e-12)
        assert found.probability + found.edge_per_side == pytest.approx(yes)
        assert 1 - found.probability + found.edge_per_side == pytest.approx(no)


def test_a_quotes_diagnostics() -> None:
    found = diagnose(book(market(1), yes_asks=52, no_asks=51, yes_bids=49, no_bids=45))
    assert found.asks == pytest.approx((0.505, 0.015))
    assert found.bids == pytest.approx((0.52, -0.03))
    assert (found.midpoint_gap, found.yes_spread) == pytest.approx((0.015, 0.03))
    assert (found.no_spread, found.spread_difference) == pytest.approx((0.06, 0.03))
    assert diagnose(book(market(1), yes_asks=52)) == (None,) * 6


def test_when_a_leg_is_no_maker(golden) -> None:
    """Arb 7.5: the same refusals and advantages at the original's price; what follows from them is ours (W-15).

    A spread of exactly two cents is two cents: the original loses some of them to the doubles that it subtracts.
    """
    for bid, ask, fill, adverse, maker_fee, taker_fee, decision, _, reason, advantage in golden["execution_policy"][
        "rows"
    ]:
        case = MakerCase(bid, bid, ask, fill, adverse, maker_fee, taker_fee)
        assert case.advantage == pytest.approx(advantage, abs=1e-9)
        refused = maker_refusal(case, SETTINGS)
        if reason == "spread_too_narrow" and round(ask - bid, 9) >= SETTINGS.maker_spread:
            assert ask - bid < SETTINGS.maker_spread
            assert refused != reason
            continue
        assert (refused is None) == (decision == "maker")
        assert refused == reason
