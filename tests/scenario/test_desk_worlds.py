"""The desk in worlds that go wrong: position truth is venue truth, no order twice, capital conserved (arb 21.6)."""

import pytest

import world_mutations as broken
from millrace.world.faults.simtest import live

HOURS = 10 / 60
SEEDS = (2, 6, 11, 20)


@pytest.mark.parametrize("seed", SEEDS)
def test_ten_minutes_of_trouble(seed):
    verdict = live(seed, HOURS, desk="arb")
    assert verdict.violations == ()
    assert verdict.orders > 10
    assert verdict.closings > 5


def test_one_seed_is_one_world():
    assert live(SEEDS[0], HOURS, desk="arb").world_hash == live(SEEDS[0], HOURS, desk="arb").world_hash


@pytest.mark.parametrize(
    ("mutation", "seed", "oracle"),
    [
        (broken.forget_a_fill, 11, "position"),
        (broken.commit_before_the_journal, 11, "order of writing"),
        (broken.name_orders_by_count, 11, "replay"),
        (broken.skip_the_board, 8, "killed scope"),
        (broken.book_fills_twice, 2, "fills"),
        (broken.never_ask_for_a_pay_out, 2, "baskets"),
        (broken.take_unknown_for_rejected, 29, "open orders"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_promise_broken_on_purpose_is_found(mutation, seed, oracle, monkeypatch):
    mutation(monkeypatch)
    assert oracle in {violation.oracle for violation in live(seed, HOURS, desk="arb").violations}
