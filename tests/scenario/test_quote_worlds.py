"""The quote desk in worlds that go wrong: no quote from a wrong book, position truth is venue truth, nothing taken."""

from types import SimpleNamespace
from unittest.mock import ANY

import pytest

import world_mutations as broken
from millrace.core.commands import Style
from millrace.market.books import upkeep
from millrace.strategies.quoting import working
from millrace.strategies.quoting.rollout.two_paths import TwoPaths
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


@pytest.mark.parametrize(
    ("mutation", "seed", "oracle"),
    [
        (broken.forget_a_fill, 4, "position"),
        (broken.commit_before_the_journal, 1, "order of writing"),
        (broken.skip_the_board, 1, "killed scope"),
        (take_what_is_there, 1, "post only"),
        (believe_every_checksum, 1, "wrong book"),
        (leave_orders_behind, 7, "two quoters"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_promise_broken_on_purpose_is_found(mutation, seed, oracle, monkeypatch):
    mutation(monkeypatch)
    assert oracle in {violation.oracle for violation in live(seed, HOURS, desk="quoting").violations}
