"""Each knob says whether it may change in flight; a file is checked whole before a program is asked (quoting 10)."""

from pathlib import Path

import pytest

from millrace.config.explain import explain, explain_text
from millrace.config.in_flight import in_flight, in_flight_text, strategy_of, tightens
from millrace.config.knobs import KNOBS
from millrace.config.load import load_settings
from millrace.config.patch import read_patch
from millrace.core.failure import OperatorError


def test_every_knob_says_whether_it_may_change_in_flight() -> None:
    rules = {key: in_flight(key) for key in KNOBS}
    assert set(rules.values()) == {"always", "tighten", "when_flat", "restart", "never"}
    for key in ("run.seed", "run.instrument", "slots.count", "venue.participation", "prediction.markets"):
        assert rules[key] == "never"
    for key in ("quoting_adaptive_spread.max_spread_bps", "slots.entry_pct", "arb_gates.min_edge"):
        assert rules[key] == "always"


def test_a_section_that_nobody_thought_of_is_no_permission() -> None:
    with pytest.raises(KeyError):
        in_flight("newcomer.enabled")


def test_what_the_environment_may_not_set_is_never_loosened_in_flight() -> None:
    """design 5.8: caps, the live flag and endpoints come from a file that a person named."""
    guarded = {key: in_flight(key) for key, knob in KNOBS.items() if not knob.env}
    assert len(guarded) >= 8
    assert set(guarded.values()) <= {"tighten", "restart", "never"}


@pytest.mark.parametrize(
    ("before", "after", "stricter"),
    [(None, 5.0, True), (5.0, None, False), (5.0, 4.0, True), (4.0, 5.0, False), (0, 3, True), (3, 0, False),
     (-1.0, 2.0, True), (None, 0.0, False), (3, 3, False)],
)  # fmt: skip
def test_a_cap_is_tightened_by_less_or_by_being_there(
    before: float | None, after: float | None, stricter: bool
) -> None:
    assert tightens(before, after) is stricter


def test_explain_prints_the_rule_and_what_to_do_instead() -> None:
    settings = load_settings()
    assert "in flight    may change while the program runs" in explain_text(explain(settings, "slots.entry_pct"))
    assert "add_slot" in explain(settings, "slots.count").in_flight
    assert "stop the program and start it" in in_flight_text("firewall.jump_spot_pct")
    assert "strategy arb has neither positions nor orders" in in_flight_text("arb_execution.drift")
    assert strategy_of("quoting_emit.levels") == "quoting"


def test_a_file_is_read_whole_and_everything_wrong_in_it_is_said(tmp_path: Path) -> None:
    file = tmp_path / "wrong.toml"
    file.write_text('profile = "demo"\n[slots]\nentry_pct = "near"\nentry_pcd = 1.0\norder_size_mode = "DOGG"\n')
    with pytest.raises(OperatorError) as caught:
        read_patch(file, {"quoting_emit.levelz": "3"})
    text = str(caught.value)
    for part in ("slots.entry_pct must be", "did you mean slots.entry_pct", "quoting_emit.levelz", "a profile is",
                 "slots.order_size_mode must be one of"):  # fmt: skip
        assert part in text, part


def test_a_patch_holds_what_was_written_and_nothing_else(tmp_path: Path) -> None:
    file = tmp_path / "right.toml"
    file.write_text("[slots]\nentry_pct = 0.4\nprofit_pct = 0.9\n")
    values, notices = read_patch(file, {"slots.entry_pct": "0.5", "PAIR_PROFIT_PCT": "1.1"})
    assert values == {"slots.entry_pct": 0.5, "slots.profit_pct": 1.1}
    assert [notice.code for notice in notices] == ["legacy_name"]
