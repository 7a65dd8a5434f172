"""The quote desk in worlds that go wrong: no quote from a wrong book, position truth is venue truth, nothing taken."""

from types import SimpleNamespace
from unittest.mock import ANY

import pytest

import world_mutations as broken
from millrace.core.commands import Style
from millrace.market.books import upkeep
from millrace.risk.latency_guard import LatencyGuard
from millrace.strategies.quoting import working
from millrace.strategies.quoting.rollout.two_paths import TwoPaths
from millrace.world.demo import FIRST_NS
from millrace.world.faults.fault_plan import Kind, fault_plan
from millrace.world.faults.quote_world import QuoteWorld
from millrace.world.faults.simtest import live

HOURS = 5 / 60
SEEDS = (4, 5)


@pytest.mark.parametrize("seed", SEEDS)
def test_five_minutes_of_trouble(seed):
    verdict = live(seed, HOURS, desk="quoting")
    assert verdict.violations == ()
    assert verdict.orders > 10


def test_one_seed_is_one_world():
    first, again = (live(SEEDS[0], HOURS, desk="quoting").world_hash for _ in range(2))
    assert first == again


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


def world_of(seed, kind, changes=None):
    """Return a world in which one kind of thing happens, and no other."""
    span_ns = round(HOURS * 3_600 * 1_000_000_000)
    return QuoteWorld(seed, span_ns, plan=fault_plan(seed, FIRST_NS, span_ns, frozenset({kind})), changes=changes)


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
    """Here an operator moves the ramp, and nothing goes wrong."""
    leave_orders_behind(monkeypatch)
    found = world_of(5, Kind.ASK).live().violations
    assert {violation.oracle for violation in found} == {"two quoters"}


def test_a_venue_that_is_held_to_be_slow_for_good_is_found(monkeypatch):
    """Late answers break the limit in this world, and nothing else goes wrong; when they end the guard must lift."""
    tried = []
    monkeypatch.setattr(LatencyGuard, "_released", lambda *args: tried.append(args) or [])
    changes = {"slo.submit_ack_ms": 60.0, "quoting_rollout.start_pct": 100}
    found = world_of(9, Kind.CALLS, changes).live().violations
    assert {violation.oracle for violation in found} == {"liveness"}
    assert "slow/bybit" in found[0].text
    assert tried, "the guard would have lifted it"
