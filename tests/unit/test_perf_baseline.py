"""A baseline is made of real ticks, does not become slower in silence, and is sealed when it is locked (quoting 5.2)."""

import json

import pytest

from millrace.capacity.stage_budgets import STAGES
from millrace.cli import main

FACTS = {"cache_hit_ratio": 0.9, "deadline_miss_pct": 0.0, "fetch_p95_ms": 0.01, "symbols": 2.0, "span_minutes": 5.0}


def profile(p95_ms: float = 1.0, count: int = 20_000, **changes: object) -> dict[str, object]:
    stages = {name: {"p50": p95_ms / 2, "p95": p95_ms, "p99": p95_ms * 2, "count": count} for name in STAGES}
    head = {"schema": "stage-budgets/1", "unit": "ms", "clock": "cpu", "generated_at": "2026-01-01T00:00:00Z"}
    return {
        **head,
        "commit": "abc",
        "host": "h1",
        "source": "replay:lines",
        "stages": stages,
        "facts": FACTS,
        **changes,
    }


class Desk:
    """A folder with a profile, a baseline and a lock, and the command line over them."""

    def __init__(self, folder) -> None:
        self.profile, self.baseline, self.lock = (folder / name for name in ("p.json", "b.json", "lock.json"))

    def update(self, data: dict[str, object], *flags: str) -> int:
        self.profile.write_text(json.dumps(data))
        files = ["--profile", str(self.profile), "--baseline", str(self.baseline)]
        return main(["baseline", "update", *files, *flags])

    def locked(self) -> int:
        return main(["baseline", "lock", "--baseline", str(self.baseline), "--output", str(self.lock)])

    def gate(self, data: dict[str, object]) -> int:
        self.profile.write_text(json.dumps(data))
        return main(["perf-gate", "--baseline", str(self.lock), "--current", str(self.profile)])


@pytest.fixture
def desk(tmp_path) -> Desk:
    return Desk(tmp_path)


def test_the_first_update_writes_host_commit_counts_and_the_profiles_hash(desk, capsys) -> None:
    assert desk.update(profile()) == 0
    written = json.loads(desk.baseline.read_text())
    assert (written["host"], written["commit"], written["state"]) == ("h1", "abc", "shadow-measured")
    assert written["stages"]["stage_emit"]["count"] == 20_000
    assert len(written["profile_sha256"]) == 64
    assert "tick_total" in capsys.readouterr().out


def test_a_dry_run_writes_nothing(desk, capsys) -> None:
    assert desk.update(profile(), "--dry-run") == 0
    assert not desk.baseline.exists()
    assert "nothing written" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (profile(source="generated:seed 1"), "real ones"),
        (profile(source=""), "real ones"),
        (profile(host=""), "host"),
        (profile(commit=""), "commit"),
        (profile(count=19_999), "10,000"),
        (profile(stages={"tick_total": profile()["stages"]["tick_total"]}), "stage_fetch_md is missing"),
        ({"budgets": {name: {"p95": 1.0} for name in STAGES}}, "has the shape budgets"),
    ],
)
def test_what_is_no_baseline_is_refused(desk, capsys, data, word) -> None:
    """Quoting 5.2: real ticks only, every stage, enough of them."""
    assert desk.update(data) == 2
    assert word in capsys.readouterr().err
    assert not desk.baseline.exists()


def test_few_ticks_of_a_whole_hour_are_enough(desk) -> None:
    assert desk.update(profile(count=5_000, facts={**FACTS, "span_minutes": 60.0})) == 0


def test_a_slower_baseline_needs_a_reason(desk, capsys) -> None:
    desk.update(profile())
    before = desk.baseline.read_bytes()
    assert desk.update(profile(1.03)) == 0, "+3 % is not slower"
    desk.baseline.write_bytes(before)
    assert desk.update(profile(1.04)) == 2
    assert "--accept-regression" in capsys.readouterr().err
    assert desk.baseline.read_bytes() == before
    assert desk.update(profile(1.04), "--accept-regression", " ") == 2
    assert desk.update(profile(1.04), "--accept-regression", "exact fees") == 0
    assert json.loads(desk.baseline.read_text())["accepted_regression"] == "exact fees"


@pytest.mark.parametrize("changes", [{"host": "h2"}, {"clock": "wall"}])
def test_another_host_or_clock_does_not_replace_a_baseline(desk, changes) -> None:
    desk.update(profile())
    assert desk.update(profile(**changes)) == 2


def test_a_lock_freezes_the_limits_of_the_contract_and_the_gate_holds_to_them(desk, capsys) -> None:
    """Quoting 5.2: +3 %, cache hits >= 0.60, deadline misses <= 2 %, fetch p95 <= 35 ms."""
    desk.update(profile())
    assert desk.locked() == 0
    limits = json.loads(desk.lock.read_text())["limits"]
    assert limits == {
        "regress_pct": 3.0,
        "cache_hit_ratio_min": 0.6,
        "deadline_miss_pct_max": 2.0,
        "fetch_p95_ms_max": 35.0,
    }
    assert desk.gate(profile(1.03)) == 0
    assert desk.gate(profile(1.04)) == 1
    for fact, value in (("cache_hit_ratio", 0.59), ("deadline_miss_pct", 2.1), ("fetch_p95_ms", 36.0)):
        capsys.readouterr()
        assert desk.gate(profile(facts={**FACTS, fact: value})) == 1
        assert fact in capsys.readouterr().out
        assert desk.gate(profile(facts={key: of for key, of in FACTS.items() if key != fact})) == 2


def test_a_lock_that_was_edited_is_not_read(desk, capsys) -> None:
    desk.update(profile())
    desk.locked()
    document = json.loads(desk.lock.read_text())
    document["baseline"]["stages"]["stage_emit"]["p95"] = 1.9
    desk.lock.write_text(json.dumps(document))
    assert desk.gate(profile()) == 2
    assert "changed after it was locked" in capsys.readouterr().err


def test_only_an_updated_baseline_is_locked_and_a_lock_is_not_updated(desk) -> None:
    desk.baseline.write_text(json.dumps(profile()))
    assert desk.locked() == 2
    desk.update(profile())
    assert desk.locked() == 0
    desk.baseline.write_bytes(desk.lock.read_bytes())
    assert desk.locked() == 2
    assert desk.update(profile()) == 2
