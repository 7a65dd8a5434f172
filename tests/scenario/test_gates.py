"""`millrace gates` and the `gates` block of the status: judged from what a run wrote down (slots 20.3)."""

import json
import shutil
from pathlib import Path

import pytest

from command_line import QUICK_DEMO, millrace
from demo_runs import MINUTE, open_run
from millrace.core.commands import Book
from millrace.core.events import Operator, Timer
from millrace.core.failure import WorldError
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.world.afterwards.gates_run import SLOT_GATES, GateWatch, judge
from millrace.world.premises import LEDGER

DAY_NS = 86_400 * 1_000_000_000


@pytest.fixture(scope="module")
def traded(tmp_path_factory) -> tuple[Path, dict]:
    """Return the folder of a run over a midnight, and the `gates` block that it showed at its end."""
    folder = tmp_path_factory.mktemp("gates") / "run"
    run = open_run(folder)
    simulation = run.simulation
    midnight_ns = (simulation.now_ns // DAY_NS + 1) * DAY_NS
    simulation.run_until(midnight_ns - 5 * MINUTE)
    early = run.status()["gates"]
    assert early["A"]["checks"][1]["value"] == 0
    simulation.run_until(midnight_ns + 5 * MINUTE)
    shown = run.status()["gates"]
    assert json.loads(json.dumps(shown, allow_nan=False)) == shown
    assert run.status()["gates"] == shown
    run.close()
    return folder, shown


def test_the_running_program_and_the_command_judge_alike(traded):
    folder, shown = traded
    assert {gate.name: gate.status() for gate in judge(folder, list(SLOT_GATES))} == shown
    said = millrace("gates", "slots", "--dir", folder, "--json")
    assert (said.code, said.object["pass"]) == (1, False)
    assert said.object["gates"] == shown


def test_text_names_each_check_with_its_verdict(traded):
    said = millrace("gates", "slots", "--dir", traded[0], "--gate", "A")
    assert said.code == 1
    lines = said.out.splitlines()
    assert lines[0] == "A  wait   80 slots"
    assert lines[1].split()[:5] == ["wait", "sticky_slots", "12", ">=", "80"]
    assert "68 more sticky slots" in lines[1]
    assert any(line.split()[:2] == ["green", "invariant_failures"] and "since 2026-" in line for line in lines)


def with_records(folder: Path, tmp_path: Path, *books: Book) -> Path:
    """Return a copy of a run whose ledger holds more bookings."""
    copy = Path(shutil.copytree(folder, tmp_path / "run"))
    ledger = SqliteLedger(copy / LEDGER)
    ledger.commit(list(books))
    ledger.close()
    return copy


def later(traded) -> int:
    (gate,) = judge(traded[0], ["A"])
    return int(gate.checks[2].since_ns) + 10 * DAY_NS


def good(ts_ns: int) -> list[Book]:
    cap = {"open_order_limit": 225, "safety_ratio": 0.75, "safe_cap": 168}
    counts = {"entries_sent": 0, "entries_blocked": 0}
    asked = {"tier": 0, "gate_age_ok": False, "gate_distance_ok": True, "gate_regime_ok": True}
    return [
        Book("slots", "stage", "t1", {"slots": 80, "sticky": True, **cap, **counts}, ts_ns),
        Book("slots", "release", "t2", asked, ts_ns + 1),
        Book("slots", "vintage_day", "t3", {"slots": 80, "sticky": True, **counts}, ts_ns + 2),
    ]


def test_the_exit_code_is_0_when_every_gate_that_was_asked_for_is_green(traded, tmp_path):
    folder = with_records(traded[0], tmp_path, *good(later(traded)))
    assert millrace("gates", "slots", "--dir", folder, "--gate", "A").code == 0
    assert millrace("gates", "slots", "--dir", folder).code == 1


def test_since_leaves_out_what_was_before_it(traded, tmp_path):
    ts_ns = later(traded)
    broken = {"slot": 1, "numbers": "11", "sticky": True, "halted": True}
    folder = with_records(traded[0], tmp_path, Book("slots", "invariant", "t0", broken, ts_ns - DAY_NS), *good(ts_ns))
    said = millrace("gates", "slots", "--dir", folder, "--gate", "A")
    assert said.code == 1
    assert said.out.startswith("A  RED")
    assert millrace("gates", "slots", "--dir", folder, "--gate", "A", "--since", "2026-01-11").code == 0
    assert millrace("gates", "slots", "--dir", folder, "--gate", "A", "--since", "2027-01-01T12:00+01:00").code == 1


@pytest.mark.parametrize(
    ("words", "part"),
    [(["--since", "soon"], "is no time"), (["--gate", "Z"], "invalid choice"), ([], "no run lies there")],
)
def test_what_cannot_be_meant_is_said_in_words(tmp_path, words, part):
    said = millrace("gates", "slots", "--dir", tmp_path, *words)
    assert said.code == 2
    assert part in said.err


def test_a_backtests_journal_holds_the_same_records(tmp_path):
    said = millrace("demo", "--dir", tmp_path / "run", *QUICK_DEMO)
    assert said.code == 0
    before = millrace("gates", "slots", "--dir", tmp_path / "run", "--json").object
    for path in (tmp_path / "run").glob(f"{LEDGER}*"):
        path.unlink()
    after = millrace("gates", "slots", "--dir", tmp_path / "run", "--json").object
    assert after == before
    assert after["gates"]["A"]["checks"][0]["value"] is not None


def test_20_3_a_cap_that_is_changed_at_a_restart_is_on_record_since_then(traded, tmp_path):
    folder = Path(shutil.copytree(traded[0], tmp_path / "run"))
    run = open_run(folder, {"slots.open_order_safety_ratio": 0.9})
    began_ns = run.simulation.now_ns
    checks = {check["name"]: check for check in run.status()["gates"]["C"]["checks"]}
    run.close()
    assert checks["cap_policy_changes"]["pass"]
    assert (checks["safe_cap"]["value"], checks["safe_cap"]["pass"]) == (202, True)
    assert 0.0 <= checks["cap_policy_changes"]["since"] - (began_ns - 10 * MINUTE) / 1e9 <= 600.0
    assert "more entries before the change of the cap" in checks["entry_block_rate"]["reason"]


def test_20_3_a_manual_release_that_its_gates_refuse_is_the_exercise_that_gate_a_asks_for(traded, tmp_path):
    run = open_run(Path(shutil.copytree(traded[0], tmp_path / "run")))
    waiting = [
        slot["slot_id"] for slot in run.status()["slots"] if any(order["role"] == "exit" for order in slot["orders"])
    ]
    for preview in (True, False):
        found = {check["name"]: check for check in run.status()["gates"]["A"]["checks"]}["manual_releases"]
        assert (found["value"], found["pass"]) == (0, False), "a preview is no exercise"
        asked = {"slot_id": waiting[0], "preview": preview}
        run.simulation.feed_event(Operator("release_slot", asked, run.simulation.now_ns))
    found = {check["name"]: check for check in run.status()["gates"]["A"]["checks"]}["manual_releases"]
    assert (found["value"], found["pass"]) == (1, True)
    run.close()


class _Ledger:
    """A ledger that can be read or not."""

    def __init__(self, *books: Book) -> None:
        self.books, self.reads, self.broken = books, list[str](), False

    def bookings(self, kind: str) -> list[Book]:
        if self.broken:
            raise WorldError("the ledger is locked")
        self.reads.append(kind)
        return [book for book in self.books if book.kind == kind]


def test_a_running_program_reads_its_records_again_when_one_came_in_or_a_minute_has_passed():
    ledger = _Ledger(*good(DAY_NS))
    watch = GateWatch(ledger, tuple)
    assert watch.status(2 * DAY_NS)["A"]["pass"] is True
    assert "cycle" in ledger.reads
    ledger.reads.clear()
    watch.status(2 * DAY_NS + MINUTE - 1)
    assert ledger.reads == []
    watch.status(2 * DAY_NS + MINUTE)
    assert ledger.reads, "a stretch without headroom grows although nothing is written"
    assert "cycle" not in ledger.reads, "cycles are judged with a day's record"
    for kind, again in (("cycle", False), ("stage", True), ("vintage_day", True)):
        ledger.reads.clear()
        watch.listen(Timer(0), [Book("slots", kind, "x", {}, 0)])
        watch.status(2 * DAY_NS + MINUTE)
        assert (bool(ledger.reads), "cycle" in ledger.reads) == (again, kind == "vintage_day")


def test_while_the_records_cannot_be_read_no_gate_is_shown():
    ledger = _Ledger(*good(DAY_NS))
    watch = GateWatch(ledger, tuple)
    ledger.broken = True
    assert watch.status(2 * DAY_NS) == {}
    ledger.broken = False
    assert watch.status(2 * DAY_NS + 1).keys() == SLOT_GATES.keys()
    ledger.broken = True
    assert watch.status(2 * DAY_NS + 2 * MINUTE) == {}
