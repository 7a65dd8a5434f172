"""The fault world with a handover in it: whatever breaks, the old bot's orders are neither lost nor doubled (slots 17).

The same oracles judge as everywhere, down to replay and the sums of every position. What an early kill leaves is tried
at each place of the first start, where the snapshot is taken over.
"""

import pytest

import old_bot
from millrace.shell.grid_file import write_grid_file
from millrace.sim.market_generator import prints_from
from millrace.strategies.slots.handover.grid_snapshot import document_of, read_snapshot
from millrace.strategies.slots.handover.take_over import handed_over
from millrace.world.faults.fault_world import FIRST_NS, FaultWorld, Verdict
from millrace.world.folder.handover import HANDOVER

MINUTE_NS = 60 * 10**9


def lived(seed: int, minutes: int, monkeypatch: pytest.MonkeyPatch, die_at: int | None = None) -> Verdict:
    """Return how a world ended whose program began from the old bot's snapshot, at that world's price."""
    world = FaultWorld(seed, minutes * MINUTE_NS)
    first = next(iter(prints_from(world.settings.run.seed, FIRST_NS + 1)))
    price = world.instrument.price(int(first.ticks[0]))
    monkeypatch.setattr(old_bot, "PRICE", price)
    monkeypatch.setattr(old_bot, "SAVED_AT", FIRST_NS / 1e9)
    done = {"executed_volume": 20.0, "executed_cost": 20.0 * price, "executed_fee": 0.0085}
    partly = old_bot.slot_state([old_bot.order(4, 8, "B", "entry", price * 0.99, **done)])
    rows = [old_bot.slot_s0(0), old_bot.slot_s1b(1), old_bot.slot_s1a(2), old_bot.slot_s2(3), partly]
    document = old_bot.snapshot(
        slots={str(number): row for number, row in enumerate(rows)}, saved_at=FIRST_NS / 1e9, last_price=price
    )
    found, _ = read_snapshot(document)
    for order in handed_over(found, world.instrument, "slots", "old.json", FIRST_NS).orders:
        world.venue.rest(order, order.venue_order_id, FIRST_NS)
    told = {"source": "old.json", "began_ns": FIRST_NS, "market_price": None, "snapshot": document_of(found)}
    write_grid_file(world.premises.folder / HANDOVER, told, world.premises.medium)
    if die_at is not None:
        world.die_at(die_at, die_at, power_loss=bool(die_at % 2), number=die_at)
    return world.live()


@pytest.mark.parametrize("seed", range(8))
def test_worlds_that_begin_with_a_handover_break_no_oracle(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = lived(seed, 30, monkeypatch)
    assert verdict.violations == ()
    assert verdict.steps > 100


@pytest.mark.parametrize("place", [1, 4, 8, 9, 11, 13, 15, 18, 22, 27, 33, 40])
def test_a_kill_at_any_place_of_the_first_start_takes_over_once(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    verdict = lived(5, 5, monkeypatch, die_at=place)
    assert verdict.violations == ()
    assert verdict.lives > 1
