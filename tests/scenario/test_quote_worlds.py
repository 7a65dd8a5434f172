"""The quote desk in worlds that go wrong: no quote from a wrong book, position truth is venue truth, nothing taken."""

from types import SimpleNamespace

import pytest

import world_mutations as broken
from millrace.core.commands import Style
from millrace.market.books.books import Books
from millrace.strategies.quoting import desk_figures, working
from millrace.strategies.quoting.quotes.pace import LetOut
from millrace.world.faults.simtest import live

HOURS = 5 / 60
SEEDS = (1, 3, 4)


@pytest.mark.parametrize("seed", SEEDS)
def test_five_minutes_of_trouble(seed):
    verdict = live(seed, HOURS, desk="quoting")
    assert verdict.violations == ()
    assert verdict.orders > 10


def test_one_seed_is_one_world():
    first, again = (live(SEEDS[1], HOURS, desk="quoting").world_hash for _ in range(2))
    assert first == again


def believe_every_book(monkeypatch):
    """Serve a book after a gap as if nothing had been lost."""
    monkeypatch.setattr(Books, "live", lambda self, instrument: self.book(instrument))


def take_what_is_there(monkeypatch):
    """Send quotes that may take."""
    monkeypatch.setattr(working, "Style", SimpleNamespace(POST_ONLY=Style.LIMIT))


def pull_nothing(monkeypatch):
    """Keep every cancel back."""

    def let_out(state, intents, now_ms, cfg):
        del now_ms, cfg
        return LetOut(state, tuple(one for one in intents if one.kind.value != "cancel"), ())

    monkeypatch.setattr(desk_figures, "let_out", let_out)


@pytest.mark.parametrize(
    ("mutation", "oracle"),
    [
        (broken.forget_a_fill, "position"),
        (broken.commit_before_the_journal, "order of writing"),
        (broken.skip_the_board, "killed scope"),
        (take_what_is_there, "post only"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_a_promise_broken_on_purpose_is_found(mutation, oracle, monkeypatch):
    mutation(monkeypatch)
    seen = {violation.oracle for seed in SEEDS for violation in live(seed, HOURS, desk="quoting").violations}
    assert oracle in seen
