"""What a running program must not be talked into: values nobody means, values it would replace, caps by a detour."""

from collections.abc import Iterator
from typing import Any

import pytest

import millrace.world.reload as reloading
from demo_runs import SECOND, open_run
from millrace.config.patch import read_patch
from millrace.core.commands import Reply
from millrace.core.failure import OperatorError
from millrace.shell.mailbox import Request
from millrace.world.folder.run_folder import Run
from millrace.world.reload import UNUSABLE, reload

CAPPED = {
    "quoting.enabled": True,
    "quoting.symbols": 2,
    "slots.count": 2,
    "quoting_risk_guards.daily_loss": 50.0,
    "quoting_market_guard.daily_loss": 50.0,
    "quoting.overrides": "BTC/USDT:risk_guards.daily_loss=20",
}


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    made = open_run(tmp_path_factory.mktemp("capped") / "run", CAPPED)
    made.simulation.run_until(made.simulation.now_ns + 2 * SECOND)
    yield made
    made.close()


@pytest.fixture
def run(begun: Run) -> Iterator[Run]:
    before, seq = begun.settings.digest, begun.simulation.sequencer.seq
    yield begun
    assert (begun.settings.digest, begun.simulation.sequencer.seq) == (before, seq), "nothing was to change"


def ask(run: Run, **changes: Any) -> Reply:
    return reload(run, Request("r1", "reload", {key.replace("__", "."): value for key, value in changes.items()}))


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("run.entry_valid_for_sec", 1e300, "at most thirty years, in s"),
        ("run.entry_valid_for_sec", "1e300", "at most thirty years, in s"),
        ("quoting.look_ms", 10**13, "at most thirty years, in ms"),
        ("slots.order_size_usd", 1e300, "at most 1e+15"),
        ("slots.order_size_usd", "nan", "a finite number"),
        ("sizer.lookback_cycles", 2**64, "at most 64 bits"),
        ("slots.max_entry_adds_per_loop", 10**400, "at most 64 bits"),
        ("stops.daily_loss_cap_usd", 1e308, "at most 1e+15"),
    ],
)
def test_a_number_that_nobody_means_ends_no_program(run: Run, key: str, value: Any, why: str) -> None:
    """The first of them once ended the program after its event was in the journal, and again at each start."""
    answer = reload(run, Request("r1", "reload", {key: value}))
    assert answer.code == UNUSABLE
    assert f"{key} must be" in answer.message
    assert why in answer.message


def test_a_part_that_fails_at_the_trial_is_an_answer(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError("a bug of ours")

    monkeypatch.setattr(reloading, "executor_terms", broken)
    answer = ask(run, slots__entry_pct=0.3)
    assert answer.code == UNUSABLE
    assert "ZeroDivisionError: a bug of ours" in answer.message


@pytest.mark.parametrize(
    ("key", "value", "why"),
    [
        ("slots.entry_pct", -4.0, "must be >= 0.05"),
        ("slots.capital_layers", 1_000_000, "must be >= 0 and <= 100"),
        ("slots.profit_pct", 0.01, "breaks the rule profit >= 2 x maker fee + 0.1"),
        ("slots.sticky_target_slots", 101, "breaks the rule target <= sticky_max_target_slots"),
    ],
)
def test_what_a_start_would_replace_is_refused_and_not_called_in_force(
    run: Run, key: str, value: float, why: str
) -> None:
    """Asked for less than the least profit, the program once answered that all of that is in force."""
    answer = reload(run, Request("r1", "reload", {key: value}))
    assert answer.code == UNUSABLE
    assert why in answer.message


def test_a_word_that_is_neither_yes_nor_no_makes_no_change_of_a_dry_run(run: Run) -> None:
    answer = ask(run, slots__entry_pct=0.3, dry_run="tru")
    assert answer.code == UNUSABLE
    assert "dry_run must be true or false, not 'tru'" in answer.message
    assert "this would change" in ask(run, slots__entry_pct=0.3, dry_run="Yes").message


def test_a_knob_under_two_names_is_refused(run: Run) -> None:
    assert "given twice" in ask(run, PAIR_PROFIT_PCT=0.9, slots__profit_pct=0.8).message


def test_a_legacy_switch_means_in_flight_what_it_means_at_a_start(run: Run) -> None:
    shown = ask(run, ENTRY_FLOOR_ENABLED="true", dry_run=True)
    assert "slots.entry_floor_mode: multiplier_only -> always" in shown.message


@pytest.mark.parametrize(
    "asked",
    [
        {"quoting_risk_guards.enabled": False},
        {"quoting_market_guard.enabled": False},
        {"quoting_risk_guards.daily_loss": 0.0},
        {"quoting.overrides": ""},
        {"quoting.overrides": "BTC/USDT:risk_guards.daily_loss=0"},
        {"quoting.overrides": "BTC/USDT:risk_guards.daily_loss=20 ETH/USDT:risk_guards.daily_loss=60"},
        {"quoting.overrides": "BTC/USDT:risk_guards.daily_loss=20 ETH/USDT:risk_guards.enabled=false"},
    ],
)
def test_a_cap_is_not_loosened_by_a_detour(run: Run, asked: dict[str, Any]) -> None:
    """design 5.8: a guard that is off holds no cap, and a symbol's own value goes before the desk's."""
    answer = reload(run, Request("r1", "reload", asked))
    assert not answer.ok
    assert "may be tightened while the program runs; to loosen it, start the program with it" in answer.message


def test_a_ramp_that_was_taken_back_is_not_begun_anew_by_a_switch(run: Run) -> None:
    """Off and on again once put every symbol on the pipeline, whatever an operator or the ramp had said (quoting 8)."""
    answer = ask(run, quoting_pipeline__enabled=False)
    assert not answer.ok
    assert "quoting_ramp pct=0" in answer.message


def test_what_holds_no_cap_stays_free_and_a_tighter_one_is_taken(run: Run) -> None:
    for text in (
        "BTC/USDT:risk_guards.daily_loss=10 ETH/USDT:emit.levels=2",
        "BTC/USDT:risk_guards.daily_loss=20 ETH/USDT:risk_guards.daily_loss=30",
    ):
        assert ask(run, quoting__overrides=text, dry_run=True).ok, text


def test_what_has_to_follow_is_shown_with_the_rule(run: Run) -> None:
    shown = ask(run, momentum__ema_fast_bars=60, dry_run=True)
    assert "momentum.ema_slow_bars: 20 -> 61" in shown.message
    assert "breaks the rule slow > fast" in shown.message


def test_a_patch_sends_no_value_that_was_not_written() -> None:
    """A distance out of bounds once went to the program as the least or the default one, whatever was in force."""
    for text in ("0", "-4"):
        with pytest.raises(OperatorError, match=r"slots.entry_pct = .* must be >= 0.05"):
            read_patch(None, {"slots.entry_pct": text})
    with pytest.raises(OperatorError, match="at most 64 bits"):
        read_patch(None, {"slots.max_entry_adds_per_loop": 10**400})
