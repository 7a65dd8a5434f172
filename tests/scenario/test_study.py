"""`millrace study slots`: the same table by one process, two, or a cluster, and a study that goes on where it was killed."""

import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from command_line import bars, millrace, process, write_csv
from millrace.core.failure import OperatorError, WorldError
from millrace.world.studies import study
from millrace.world.studies.plan import StudyPlan, read_plan
from millrace.world.studies.study import CellTask, run_cell, run_study

PLAN = """
within = ["fee"]
least_days = 0.01
resamples = 200
[settings]
"slots.count" = 3
[coins_at_opening]
"slots.order_size_usd" = 75.0
[axis.mode]
sticky = {}
legacy = { "slots.sticky_mode_enabled" = false, "slots.order_size_mode" = "USD" }
[axis.fee]
dear = {}
free = { "venue.maker_fee_pct" = 0.0, "venue.taker_fee_pct" = 0.1 }
[[recording]]
file = "early.csv"
sample = "choose"
[[recording]]
file = "late.csv"
sample = "report"
"""


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Path, Path]:
    """A plan of eight runs and the folder of its recordings."""
    write_csv(tmp_path / "early.csv", bars(400, seed=1))
    write_csv(tmp_path / "late.csv", bars(400, seed=2))
    (tmp_path / "plan.toml").write_text(PLAN)
    return tmp_path / "plan.toml", tmp_path


def run(asked: tuple[Path, Path], *more: object):
    done = millrace("study", "slots", "--plan", asked[0], "--data", asked[1], "--json", *more)
    assert done.code == 0, done.out + done.err
    return done.object


def test_fees_reach_the_fills_and_legacy_orders_are_worth_the_same_coins(asked) -> None:
    found = run(asked)
    rows = {
        (row["levels"]["mode"], row["levels"]["fee"]): row
        for row in found["table"]["rows"]
        if row["sample"] == "report"
    }
    assert all(row["fills"] > 0 and row["violations"] == 0 for row in rows.values())
    assert rows["sticky", "dear"]["fees"] > 0.0
    assert rows["sticky", "free"]["fees"] == 0.0
    assert (found["runs"], found["fresh"], len(found["cells"])) == (8, 8, 8)
    assert found["table"]["comparisons"] == 2


def test_two_processes_give_the_table_of_one(asked) -> None:
    assert run(asked, "--jobs", 2) == run(asked)


@pytest.fixture
def cluster() -> Iterator[str]:
    """The address of a scheduler on this machine with two workers, each a process."""
    from distributed import LocalCluster

    with LocalCluster(
        n_workers=2, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None
    ) as local:
        assert len(local.workers) == 2
        yield local.scheduler_address


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_of_two_workers_gives_the_same_table(asked, cluster) -> None:
    assert cluster.startswith("tcp://127.0.0.1:")
    assert run(asked, "--cluster", cluster) == run(asked)


def test_a_killed_study_goes_on_with_what_is_missing(asked, tmp_path, monkeypatch) -> None:
    whole = run(asked)
    plan, results = read_plan(asked[0]), tmp_path / "results"
    real, calls = study.run_cell, []

    def dies(task: CellTask):
        if len(calls) == 3:
            raise KeyboardInterrupt
        calls.append(task)
        return real(task)

    monkeypatch.setattr(study, "run_cell", dies)
    with pytest.raises(KeyboardInterrupt):
        run_study(plan, asked[1], results=results)
    assert len(list(results.iterdir())) == 3
    monkeypatch.setattr(study, "run_cell", real)
    again = run_study(plan, asked[1], results=results)
    assert (again.runs, again.fresh) == (8, 5)
    assert msgspec.to_builtins(again.table) == whole["table"]
    assert run_study(plan, asked[1], results=results).fresh == 0


def children(pid: int) -> set[int]:
    """Return the processes that a process has started, and theirs."""
    path = Path(f"/proc/{pid}/task/{pid}/children")
    found = {int(word) for word in path.read_text().split()} if path.exists() else set()
    return found.union(*map(children, found))


def test_a_study_that_is_told_to_end_takes_its_workers_along_and_leaves_whole_outcomes(asked, tmp_path) -> None:
    write_csv(tmp_path / "late.csv", bars(30_000, seed=2))
    results = tmp_path / "results"
    words = ("study", "slots", "--plan", asked[0], "--data", asked[1], "--results", results, "--jobs", 2)
    with process(*words, folder=tmp_path) as started:
        until(lambda: results.exists() and any(results.glob("*.json")), started)
        workers = children(started.pid)
        started.send_signal(signal.SIGTERM)
        _, said = started.communicate(timeout=60)
    assert started.returncode == 3, said
    assert len(workers) >= 2
    until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers))
    for path in results.iterdir():
        msgspec.json.decode(path.read_bytes(), type=study.KeptCell)


def until(held: Callable[[], bool], program: "subprocess.Popen[str] | None" = None) -> None:
    """Wait until something holds; fail when it does not within a minute or the program ends before."""
    for _ in range(600):
        if held():
            return
        assert program is None or program.poll() is None, program.communicate()
        time.sleep(0.1)
    pytest.fail("it never came to hold")


def test_other_settings_another_recording_and_other_code_are_run_again(asked, tmp_path, monkeypatch) -> None:
    results = tmp_path / "results"
    plan = read_plan(asked[0])
    run_study(plan, asked[1], results=results)

    def fresh(changed: StudyPlan = plan) -> int:
        return run_study(changed, asked[1], results=results).fresh

    assert fresh(msgspec.structs.replace(plan, block_days=2)) == 0, "the table is made anew, the runs are not"
    assert fresh(msgspec.structs.replace(plan, settings={**plan.settings, "run.seed": 5})) == 8
    write_csv(tmp_path / "late.csv", bars(401, seed=2))
    assert fresh() == 4
    monkeypatch.setattr(study, "code_version", lambda: "0.0.9+aaaaaaaaaaaa")
    assert fresh() == 8


def test_a_damaged_outcome_is_named_and_not_believed(asked, tmp_path) -> None:
    results = tmp_path / "results"
    run(asked, "--results", results)
    path = min(results.iterdir())
    path.write_bytes(path.read_bytes()[:-40])
    said = millrace("study", "slots", "--plan", asked[0], "--data", asked[1], "--results", results)
    assert said.code == 2
    assert path.name in said.err
    assert "remove it" in said.err


def test_a_worker_with_other_code_or_another_recording_refuses(asked) -> None:
    settings = {"slots.count": 3}
    code = study.code_version()
    market = study._market(str(asked[1] / "early.csv"), "demo", ())
    facts = market.facts
    task = CellTask(
        "demo", settings, str(asked[1] / "early.csv"), facts.digest, facts.first_ns, facts.last_ns + 1, code
    )
    assert run_cell(task).fills > 0
    with pytest.raises(WorldError, match="start it from the same source"):
        run_cell(msgspec.structs.replace(task, code="0.0.9+aaaaaaaaaaaa"))
    with pytest.raises(WorldError, match="not the recording"):
        run_cell(msgspec.structs.replace(task, digest="00"))


def test_what_cannot_be_done_is_refused_in_words(asked, tmp_path, monkeypatch) -> None:
    both = millrace(
        "study", "slots", "--plan", asked[0], "--data", asked[1], "--jobs", 2, "--cluster", "tcp://127.0.0.1:1"
    )
    assert (both.code, "does not go with --cluster" in both.err) == (2, True)
    plan = read_plan(asked[0])
    with pytest.raises(OperatorError, match="no month of it has 5 days"):
        run_study(msgspec.structs.replace(plan, least_days=5.0), asked[1])
    with pytest.raises(OperatorError, match=r"slots\.cuont"):
        run_study(msgspec.structs.replace(plan, settings={"slots.cuont": 3}), asked[1])
    monkeypatch.setitem(sys.modules, "joblib", None)
    monkeypatch.delitem(sys.modules, "millrace.world.studies.workers", raising=False)
    with pytest.raises(OperatorError, match=r"install millrace\[study\]"):
        run_study(plan, asked[1], jobs=2)


@pytest.mark.filterwarnings("ignore")
def test_a_cluster_that_does_not_answer_is_named(asked, monkeypatch) -> None:
    from millrace.world.studies import workers as study_workers

    monkeypatch.setattr(study_workers, "_CONNECT_SEC", 1)
    said = millrace("study", "slots", "--plan", asked[0], "--data", asked[1], "--cluster", "tcp://127.0.0.1:9")
    assert said.code == 3
    assert "tcp://127.0.0.1:9" in said.err
