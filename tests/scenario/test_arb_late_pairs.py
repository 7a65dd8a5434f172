"""Pairs that a venue turned into cash, and of which the desk hears when their market has ended already (arb 12, 0.7)."""

from typing import Any

import pytest
from test_arb_desk import NO_RULES, OPEN, UNMIRRORED, check, ended, nano, opened, show

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.commands import Alert


@pytest.mark.parametrize(("yes_ticks", "late"), [(None, 2), (10_000, 0), (0, 0)])
def test_the_dollars_of_pairs_that_were_not_heard_of_come_into_their_baskets_books(yes_ticks: Any, late: int) -> None:
    world = opened(UNMIRRORED, rules=NO_RULES)
    deliver = world._deliver
    world._deliver = lambda answers, **how: deliver(
        [one for one in answers if not isinstance(one.event, PairsRedeemed)], **how
    )
    show(world, OPEN, 0.45, 0.48)
    world.run(5)
    assert world.believed() != world.truth() == {}
    world.resolve(OPEN, yes_ticks)
    world.run(1)
    (end,) = ended(world)
    told = world.venues["kalshi"].endings(0)
    assert [type(one) for one in told].count(MarketResolved) == 1
    assert len(told) > 1
    for event in told:  # as the comparison with the venue asks for them, more than once
        if not world.orders.knows(event):
            world.feed(event)
        assert world.orders.knows(event)
        world.feed(event)
    rows = ended(world)
    assert [row.basket for row in rows] == [end.basket, *(f"{end.basket}/late{number + 1}" for number in range(late))]
    made = world.cash() - world.opening
    assert (
        sum(row.simulated_nano for row in rows) == nano(world, 0) == sum(world.ledger.cash("arb").values()) == made > 0
    )
    assert {row.outcome for row in rows} == {"completed"}
    assert world.desk.outcomes.counts == {"completed": 1}
    assert world.believed() == world.truth() == {}
    check(world)
    alarmed = ["divergence"] if yes_ticks is None else []
    assert [one.code for one in world.commands if isinstance(one, Alert)] == alarmed
