"""Slots 11.3, 7.7: what a write-off leaves in the account is known, so it explains drift and hides none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.strategies.slots.books.balance_recon import Baseline, Holdings, balance_recon
from millrace.strategies.slots.books.residue import InventoryResidue, Move

PRICES = st.floats(0.05, 1.0)


@given(entry=PRICES, mark=PRICES, later=PRICES, volume=st.floats(-5_000.0, 5_000.0), fee=st.floats(0.0, 3.0))
def test_a_written_off_position_explains_exactly_the_drift_that_it_makes(entry, mark, later, volume, fee):
    """The position was opened for real (paying `fee`) and closed in the books alone, with an estimated fee."""
    residue = InventoryResidue()
    estimated = abs(volume) * mark * 0.0025
    residue.written_off(Move(volume, mark, estimated))
    held = Holdings(usd=9_000.0 - volume * entry - fee, base=10_000.0 + volume)
    booked_usd = (mark - entry) * volume - fee - estimated
    baseline = Baseline(9_000.0, 10_000.0, entry, 1)
    found = balance_recon(baseline, held, later, booked_usd, 2.0, residue.explained_usd(later))
    assert found.status == "OK"
    assert found.unexplained_pct == pytest.approx(0.0, abs=1e-9)
    assert found.drift == pytest.approx(found.explained, abs=1e-6)


def test_drift_beyond_the_residue_still_shows():
    residue = InventoryResidue()
    residue.written_off(Move(5_000.0, 0.2, 2.5))
    held = Holdings(usd=9_000.0 - 1_000.0, base=10_000.0 + 5_000.0)
    baseline = Baseline(9_000.0, 10_000.0, 0.2, 1)
    args = (baseline, held, 0.3, 0.0, 2.0)
    assert balance_recon(*args).status == "DRIFT", "five thousand coins gained a dime each and no slot earned it"
    assert balance_recon(*args, residue.explained_usd(0.3)).status == "OK"
    gone = Holdings(usd=8_000.0 - 900.0, base=15_000.0)
    found = balance_recon(baseline, gone, 0.3, 0.0, 2.0, residue.explained_usd(0.3))
    assert found.status == "DRIFT"
    assert found.unexplained_pct == pytest.approx(-100.0 * 902.5 / 12_000.0)


def test_a_real_trade_of_residue_settles_it():
    residue = InventoryResidue()
    residue.written_off(Move(60.0, 0.2, 0.03))
    assert residue.unrealised_usd(0.25) == pytest.approx(3.0)
    assert residue.unrealised_usd(0.0) == 0.0
    residue.traded(Move(-60.0, 0.25, 0.04))
    assert residue.base == pytest.approx(0.0)
    assert residue.explained_usd(9.0) == pytest.approx(3.0 + 0.03 - 0.04)
    assert residue.record(3, "release", Move(-60.0, 0.25, 0.04)) == {
        "slot": 3,
        "cause": "release",
        "side": "short",
        "volume": 60.0,
        "mark": 0.25,
        "fee": 0.04,
        "residue_base": pytest.approx(0.0),
        "residue_cost_usd": pytest.approx(-3.0),
        "fees_unpaid_usd": pytest.approx(-0.01),
    }


def test_the_sums_survive_a_snapshot():
    residue, again = InventoryResidue(), InventoryResidue()
    residue.written_off(Move(-10.0, 0.2, 0.01))
    again.restore(residue.snapshot())
    assert vars(again) == vars(residue)
