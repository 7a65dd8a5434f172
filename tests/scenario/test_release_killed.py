"""A program that is killed while a release is under way: nothing is booked twice, no exit is lost (slots 11.3, 24)."""

from collections import Counter
from typing import NamedTuple

import pytest

from millrace.strategies.slots.grid import Grid
from millrace.world.demo import FIRST_NS
from millrace.world.faults.fault_plan import Deed, FaultPlan, Kind
from millrace.world.faults.fault_world import FaultWorld, Verdict

MINUTE_NS = 60 * 1_000_000_000
LIVED_NS, QUIET_NS = 12 * MINUTE_NS, 4 * MINUTE_NS
RELEASING = {
    "slots.count": 6,
    "slots.daily_loss_limit_usd": 0.0,
    "slots.sticky_mode_enabled": True,
    "regime.adx_period": 2,
    "release.auto_enabled": True,
    "release.min_age_sec": 30.0,
    "release.panic_min_age_sec": 30.0,
    "release.min_distance_pct": 0.0,
    "release.adx_threshold": 0.0,
    "release.max_stuck_pct": 0.1,
    "release.panic_stuck_pct": 0.2,
    "release.recovery_target_pct": 0.1,
    "release.batch_max": 5,
}
KILLS = 16


def world_of(seed: int, mode: str) -> FaultWorld:
    """Return a world in which nothing goes wrong by itself."""
    snapshot = Deed(FIRST_NS + 5 * MINUTE_NS, Kind.SNAPSHOT, 0)
    plan = FaultPlan((), (snapshot,), FIRST_NS + LIVED_NS, FIRST_NS + LIVED_NS + QUIET_NS)
    return FaultWorld(seed, LIVED_NS + QUIET_NS, plan=plan, changes=RELEASING | {"release.close_mode": mode})


class Watched(NamedTuple):
    """A world that was lived through: its verdict, the last grid, and where it could have died with a release on."""

    verdict: Verdict
    grid: Grid
    places: list[int]


def watched(world: FaultWorld) -> Watched:
    plug, whole_step = world.premises.plug, world.oracles.step
    found: list[int] = []
    grids: list[Grid] = []
    passed = 0

    def step(event, commands):
        nonlocal passed
        whole_step(event, commands)
        grids[:] = [world.oracles._life.program.grid.grid]
        if len(grids[0].releases):
            found.extend(range(passed, plug.passed + 3))
        passed = plug.passed

    world.oracles.step = step
    verdict = world.live()
    return Watched(verdict, grids[0], sorted(set(found)))


def outcomes(world: FaultWorld) -> Counter[str]:
    return Counter(record.values["outcome"] for record in world.premises.books.bookings("release"))


@pytest.mark.parametrize("mode", ["synthetic", "market"])
def test_a_kill_at_any_place_of_a_release_loses_no_exit(mode):
    whole = watched(world_of(3, mode))
    places = whole.places
    assert whole.verdict.violations == ()
    assert len(places) > 2 * KILLS
    released: Counter[str] = Counter()
    for number, place in enumerate(places[:: len(places) // KILLS]):
        world = world_of(3, mode)
        world.die_at(place, number * 7, power_loss=number % 2 == 0, number=number)
        verdict, grid, _ = watched(world)
        assert verdict.violations == (), f"killed at place {place}"
        assert verdict.lives > 1
        released += outcomes(world)
        assert (grid.violations, len(grid.releases)) == (0, 0)
        assert grid.residue.base == pytest.approx(sum(slot.residue_base for slot in grid.slots.values()))
        assert (grid.residue.moves == 0) is (mode == "market")
        assert [slot.slot_id for slot in grid.slots.values() if slot.quarantined] == []
    assert released["released"] > KILLS
