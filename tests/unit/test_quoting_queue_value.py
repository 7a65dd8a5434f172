"""What a place in a queue is worth, against a queue that is played through many times (quoting 4.5)."""

import random
from math import exp

import pytest

from millrace.strategies.quoting.queue_value import fill_chance, place_value_bps
from millrace.strategies.quoting.settings import QueueSettings

CALIBRATED = QueueSettings(moves_per_sec=0.5, adverse_share=0.4, adverse_loss_bps=3.0)


def value(ahead: int, edge_bps: float = 2.0, lots_per_sec: float = 10.0) -> float:
    return place_value_bps(ahead, edge_bps, lots_per_sec, CALIBRATED)


def test_the_chance_is_that_the_queue_is_eaten_before_the_price_leaves() -> None:
    assert fill_chance(0, 10.0, 0.5) == 1.0
    assert fill_chance(20, 10.0, 0.5) == pytest.approx(exp(-1.0))
    assert fill_chance(20, 10.0, 0.0) == 1.0
    assert fill_chance(1_000_000, 10.0, 0.5) == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("ahead", [0, 5, 20, 60])
def test_the_value_is_the_mean_of_many_orders_that_wait_their_turn_or_are_left(ahead: int) -> None:
    draw, earned, orders = random.Random(7), 0.0, 40_000
    for _ in range(orders):
        left_after_sec = draw.expovariate(CALIBRATED.moves_per_sec)
        if ahead / 10.0 <= left_after_sec:
            earned += 2.0
        elif draw.random() < CALIBRATED.adverse_share:
            earned -= CALIBRATED.adverse_loss_bps
    assert value(ahead) == pytest.approx(earned / orders, abs=0.03)


def test_the_front_of_a_worse_price_may_be_worth_more_than_the_back_of_a_better_one() -> None:
    assert value(0) == 2.0
    assert value(2, edge_bps=1.5) > value(20, edge_bps=2.0)
    places = [value(ahead) for ahead in range(0, 200, 10)]
    assert places == sorted(places, reverse=True)
    assert places[-1] == pytest.approx(-0.4 * 3.0, abs=0.01)


def test_a_market_that_trades_faster_makes_every_place_but_the_first_worth_more() -> None:
    assert value(20, lots_per_sec=40.0) > value(20)
    assert value(0, lots_per_sec=40.0) == value(0)
