"""The gate proves itself: code that is slower turns it red, and equal code stays green (quoting 5.1)."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import msgspec
import pytest

from millrace.capacity.stage_budgets import STAGES
from millrace.cli import main
from millrace.core.failure import OperatorError
from millrace.core.probe import QuoteStage, TickProbe
from millrace.research.perf_pair import judge, markdown
from millrace.research.perf_profile import Percentiles, Profile, profile_of
from millrace.world.quoting.tick_workload import Workload, generated, measure, profile
from source_tree import REPOSITORY

US = 1_000


@pytest.fixture(scope="module")
def workload() -> Workload:
    return generated(5_000, 5)


class Slowed:
    """A probe under which one stage takes so many microseconds of CPU more."""

    def __init__(self, inner: TickProbe, stage: QuoteStage, extra_us: float) -> None:
        self.inner, self.stage, self.extra_ns = inner, stage, round(extra_us * US)

    def begin(self, symbol: str, number: int) -> None:
        self.inner.begin(symbol, number)

    def lap(self, stage: QuoteStage) -> None:
        if stage is self.stage:
            until_ns = time.thread_time_ns() + self.extra_ns
            while time.thread_time_ns() < until_ns:
                pass
        self.inner.lap(stage)

    def end(self) -> None:
        self.inner.end()


def one_run(workload: Workload, slow: tuple[QuoteStage, float] | None = None) -> Profile:
    times = measure(workload, wrap=None if slow is None else lambda inner: Slowed(inner, *slow))
    return profile_of(profile(workload, times, "cpu", "abc", "now"), "run")


def pairs_of(workload: Workload, slow: tuple[QuoteStage, float] | None = None) -> list[tuple[Profile, Profile]]:
    found = []
    for number in range(7):
        sides = [lambda: one_run(workload), lambda: one_run(workload, slow)]
        if number % 2:
            now, before = sides[1](), sides[0]()
        else:
            before, now = sides[0](), sides[1]()
        found.append((before, now))
    return found


def test_a_stage_that_busies_itself_turns_the_gate_red(workload: Workload) -> None:
    report = judge(pairs_of(workload, (QuoteStage.INVENTORY, 80.0)))
    assert not report.passed
    red = {(row.stage, row.metric) for row in report.stages if row.verdict == "regression"}
    assert ("stage_inventory", "p50") in red
    assert ("tick_total", "p50") in red
    assert "stage_inventory: p50" in markdown(report)


def test_equal_code_stays_green(workload: Workload) -> None:
    """On a machine that others use one comparison in many is red by chance, three in a row are not."""
    assert any(judge(pairs_of(workload)).violations == () for _ in range(3))


def test_every_stage_does_its_work_in_the_workload(workload: Workload) -> None:
    times = measure(workload)
    assert {name: cell.count for name, cell in times.histograms.items()} == dict.fromkeys(STAGES, 5_000)
    assert generated(5_000, 5).digest == workload.digest
    assert generated(5_000, 5, seed=7).digest != workload.digest


def made(*, count: int = 5_000, factor: float = 1.0, host: str = "h", clock: str = "cpu") -> Profile:
    row = Percentiles(0.02 * factor, 0.04 * factor, 0.08, count)
    return Profile("run", "s", clock, host, "abc", "generated", dict.fromkeys(STAGES, row))


def test_the_limits_are_3_per_cent_of_p50_and_15_of_p95() -> None:
    """Quoting 5.1, on figures without noise."""
    assert judge([(made(), made(factor=1.029))] * 7, min_abs_us=0.1).passed
    report = judge([(made(), made(factor=1.05))] * 7, min_abs_us=0.1)
    assert {row.metric for row in report.stages if row.verdict == "regression"} == {"p50"}
    report = judge([(made(), made(factor=1.16))] * 7, min_abs_us=0.1)
    assert {row.metric for row in report.stages if row.verdict == "regression"} == {"p50", "p95"}
    assert judge([(made(), made(factor=1.04))] * 7).passed, "0.8 us are none"


def test_equal_code_on_a_loud_machine_alarms_in_fewer_than_5_of_100_gates_and_half_as_slow_again_always() -> None:
    """Runs of equal code that differ by 15 % (standard deviation), as on a machine with other work."""
    dice = Random(1)

    def gate(factor: float) -> bool:
        runs = [(made(factor=dice.gauss(1.0, 0.15)), made(factor=factor * dice.gauss(1.0, 0.15))) for _ in range(7)]
        return judge(runs).passed

    assert sum(not gate(1.0) for _ in range(60)) <= 3
    assert not any(gate(1.6) for _ in range(10))


def test_one_slow_run_of_seven_is_noise() -> None:
    assert judge([(made(), made())] * 6 + [(made(), made(factor=3.0))]).passed


@pytest.mark.parametrize(
    "pairs",
    [
        [(made(), made())] * 6,
        [(made(), made(count=4_999))] * 7,
        [(made(), made(host="other"))] * 7,
        [(made(clock="wall"), made())] * 7,
        [(made(), msgspec.structs.replace(made(), stages={}))] * 7,
    ],
    ids=["six pairs", "few ticks", "another host", "another clock", "a stage missing"],
)
def test_what_cannot_be_compared_is_refused(pairs) -> None:
    with pytest.raises(OperatorError):
        judge(pairs)


@pytest.mark.parametrize(
    "words",
    [
        ["--pair", "HEAD", "--pairs", "6"],
        ["--pair", "HEAD", "--ticks", "4999"],
        ["--pair", "HEAD", "--baseline", "x"],
        ["--pair", "no-such-revision"],
        ["--baseline", "x"],
        [],
    ],
)
def test_a_command_line_that_means_nothing_is_2(words, capsys) -> None:
    assert main(["perf-gate", *words]) == 2
    assert capsys.readouterr().err


def test_measure_writes_the_contracts_shape_and_made_ticks_are_no_baseline(tmp_path, capsys) -> None:
    file, baseline = tmp_path / "p.json", tmp_path / "b.json"
    assert main(["baseline", "measure", "--ticks", "600", "--symbols", "2", "--output", str(file)]) == 0
    document = json.loads(file.read_text())
    assert (document["schema"], document["clock"], document["facts"]["symbols"]) == ("stage-budgets/1", "cpu", 2.0)
    assert list(document["stages"]) == list(STAGES)
    assert main(["perf-gate", "--baseline", str(file), "--current", str(file)]) == 0
    capsys.readouterr()
    assert main(["baseline", "update", "--profile", str(file), "--baseline", str(baseline)]) == 2
    assert "real ones" in capsys.readouterr().err


def git(folder: Path, *words: str) -> None:
    who = {"GIT_AUTHOR_NAME": "t", "GIT_AUTHOR_EMAIL": "t@t", "GIT_COMMITTER_NAME": "t", "GIT_COMMITTER_EMAIL": "t@t"}
    subprocess.run(["git", "-C", str(folder), *words], check=True, capture_output=True, env={**os.environ, **who})


def test_a_commit_and_the_code_here_run_in_turn_in_processes_of_their_own(tmp_path) -> None:
    """A repository of our package, and a change to it that busies one stage: the command finds that stage."""
    if shutil.which("git") is None:
        pytest.skip("git is not installed here")
    place = tmp_path / "repository"
    shutil.copytree(REPOSITORY / "src", place / "src", ignore=shutil.ignore_patterns("__pycache__"))
    git(place, "init", "-q")
    git(place, "add", "-A")
    git(place, "commit", "-qm", "as it is")
    stage = place / "src" / "millrace" / "strategies" / "quoting" / "stages" / "inventory.py"
    text = stage.read_text()
    head = "def inventory_stage("
    assert text.count(head) == 1
    end = text.index('"""', text.index('"""', text.index(head)) + 3) + 3
    stage.write_text(f"{text[:end]}\n    sum(range(1500))\n{text[end:]}")
    words = [sys.executable, "-m", "millrace.cli", "perf-gate", "--pair", "HEAD", "--symbols", "3", "--json"]
    environment = {**os.environ, "PYTHONPATH": str(place / "src")}
    done = subprocess.run(
        words, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=170
    )
    assert done.returncode == 1, done.stderr + done.stdout
    report = json.loads(done.stdout)
    red = {row["stage"] for row in report["stages"] if row["verdict"] == "regression" and row["metric"] == "p50"}
    assert "stage_inventory" in red
    assert "stage_fetch_md" not in red
    assert report["current"].endswith("+changes")
