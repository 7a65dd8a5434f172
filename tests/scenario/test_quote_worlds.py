"""The quote desk in worlds that go wrong: no quote from a wrong book, position truth is venue truth, nothing taken."""

from types import SimpleNamespace
from unittest.mock import ANY

import pytest

import world_mutations as broken
from millrace.core.commands import Style
from millrace.market.books import upkeep
from millrace.sim.faults import Fault
from millrace.strategies.quoting import working
from millrace.strategies.quoting.rollout.two_paths import TwoPaths
from millrace.world.demo import FIRST_NS
from millrace.world.faults.fault_plan import Deed, FaultPlan, Kind
from millrace.world.faults.quote_world import QuoteWorld
from millrace.world.faults.simtest import live

HOURS = 5 / 60
SECOND = 1_000_000_000
SEEDS = (4, 5)


@pytest.mark.parametrize("seed", SEEDS)
def test_five_minutes_of_trouble(seed):
    verdict = live(seed, HOURS, desk="quoting")
    assert verdict.violations == ()
    assert verdict.orders > 10


def test_one_seed_is_one_world():
    first, again = (live(SEEDS[0], HOURS, desk="quoting").world_hash for _ in range(2))
    assert first == again


def test_items_of_calls_fail_in_this_world_and_everything_agrees_again():
    """Quoting 8, partial failures: the venue refuses some of a call's items, leaves others out of its answer."""
    world = QuoteWorld(16, round(HOURS * 3_600 * SECOND))
    assert world.live().violations == ()
    assert world.premises.line.fates[Fault.ITEM_REFUSED] > 0


def take_what_is_there(monkeypatch):
    """Send quotes that may take."""
    monkeypatch.setattr(working, "Style", SimpleNamespace(POST_ONLY=Style.LIMIT))


def believe_every_checksum(monkeypatch):
    """Take a book as sound whatever its checksum says."""
    monkeypatch.setattr(upkeep, "checksum", lambda _: ANY)


def leave_orders_behind(monkeypatch):
    """Let a quoter begin while the other one's orders rest."""
    go = TwoPaths.go

    def gone(self, path):
        go(self, path)
        self._leaving = False

    monkeypatch.setattr(TwoPaths, "go", gone)


def world_of(seed, deeds=(), changes=None):
    """Return a world in which these things happen, up to half of its time, and nothing else."""
    span_ns = round(HOURS * 3_600 * SECOND)
    quiet_ns = FIRST_NS + span_ns // 2
    plan = FaultPlan((), (*deeds, Deed(quiet_ns, Kind.QUIET, 0)), quiet_ns, FIRST_NS + span_ns)
    return QuoteWorld(seed, span_ns, plan=plan, changes=changes)


@pytest.mark.parametrize(
    ("mutation", "seed", "oracle"),
    [
        (broken.forget_a_fill, 4, "position"),
        (broken.commit_before_the_journal, 1, "order of writing"),
        (broken.skip_the_board, 1, "killed scope"),
        (take_what_is_there, 1, "post only"),
        (believe_every_checksum, 1, "wrong book"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_promise_broken_on_purpose_is_found(mutation, seed, oracle, monkeypatch):
    mutation(monkeypatch)
    assert oracle in {violation.oracle for violation in live(seed, HOURS, desk="quoting").violations}


def test_a_quoter_that_begins_beside_another_ones_orders_is_found(monkeypatch):
    """An operator moves the ramp to nothing and back to all, and nothing goes wrong."""
    leave_orders_behind(monkeypatch)
    to_nothing, to_all = 1 << 49, 1 << 49 | 3 << 50
    deeds = [Deed(FIRST_NS + n * 5 * SECOND, Kind.ASK, to_all if n % 2 else to_nothing) for n in range(1, 25)]
    found = world_of(5, deeds).live().violations
    assert {violation.oracle for violation in found} == {"two quoters"}


def test_a_venue_that_is_held_to_be_slow_at_the_end_is_found():
    """With a limit that every answer breaks the guard holds to the end; the oracle is told that it should not."""
    world = world_of(9, changes={"slo.submit_ack_ms": 30.0, "quoting_rollout.start_pct": 100})
    world.quote_oracles._heals = True
    found = world.live().violations
    assert {violation.oracle for violation in found} == {"liveness"}
    assert "slow/bybit" in found[0].text
