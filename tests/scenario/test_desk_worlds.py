"""The desk in worlds that go wrong: position truth is venue truth, no order twice, capital conserved (arb 21.6)."""

import pytest

from millrace.world.faults.simtest import live

HOURS = 10 / 60
SEEDS = (3, 8, 10, 11, 14)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_minutes_of_trouble(seed):
    verdict = live(seed, HOURS, desk="arb")
    assert verdict.violations == ()
    assert verdict.orders > 0


def test_one_seed_is_one_world():
    assert live(SEEDS[0], HOURS, desk="arb").world_hash == live(SEEDS[0], HOURS, desk="arb").world_hash
