"""The whole program in worlds that go wrong (runtime 2.21 rule 6; issue 3, step f)."""

import json
import os
import subprocess
import sys
from collections import Counter

import pytest

from command_line import millrace
from millrace.sim.dice import Dice
from millrace.world.demo import FIRST_NS
from millrace.world.faults.every_kill import every_kill
from millrace.world.faults.fault_plan import Kind, fault_plan
from millrace.world.faults.simtest import live
from simtest_regressions import REGRESSIONS

HOUR = 3_600_000_000_000
SEEDS = range(20)


def test_twenty_worlds_break_no_oracle() -> None:
    verdicts = [live(seed, 2) for seed in SEEDS]
    assert [violation for verdict in verdicts for violation in verdict.violations] == []
    deeds: Counter[str] = Counter()
    for verdict in verdicts:
        deeds.update(verdict.deeds)
    assert {kind for kind in Kind if kind not in {Kind.CALLS, Kind.STORM, Kind.OUTAGE}} == deeds.keys()
    assert sum(verdict.lives for verdict in verdicts) > 2 * len(SEEDS)
    assert sum(verdict.orders for verdict in verdicts) > 1_000


@pytest.mark.parametrize(("seed", "hours", "story"), REGRESSIONS, ids=[str(seed) for seed, _, _ in REGRESSIONS])
def test_what_was_once_broken_stays_mended(seed, hours, story) -> None:
    assert live(seed, hours).violations == (), story


def test_a_kill_at_a_sample_of_all_places_and_bytes_loses_nothing() -> None:
    """All of them: `millrace simtest --every-kill 10 --seed 3`."""
    sweep = every_kill(3, 10, stride=97)
    assert sweep.broken == []
    assert sweep.places > 1_500
    assert sweep.orders > 20
    assert sweep.bytes_tried > 500


def test_the_command_sweeps_and_says_how_much_it_tried() -> None:
    said = millrace("simtest", "--every-kill", "2", "--stride", "400", "--json")
    assert said.code == 0
    assert said.object["points"] > 1
    assert said.object["broken"] == []


def test_one_seed_is_one_history_in_this_process_and_in_others() -> None:
    here = [live(7, 0.5).world_hash for _ in range(2)]
    there = []
    for hash_seed in ("1", "4242"):
        done = subprocess.run(
            [sys.executable, "-m", "millrace.cli", "simtest", "--seed", "7", "--hours", "0.5", "--trace", "--json"],
            capture_output=True, text=True, check=True, env=os.environ | {"PYTHONHASHSEED": hash_seed}, timeout=60,
        )  # fmt: skip
        there.append(json.loads(done.stdout)["world_hash"])
    assert len({*here, *there}) == 1
    assert live(8, 0.5).world_hash not in here


@pytest.mark.parametrize("hours", [1 / 6, 2, 24])
def test_the_last_part_of_every_plan_is_quiet(hours) -> None:
    for seed in range(50):
        plan = fault_plan(seed, FIRST_NS, round(hours * HOUR))
        assert FIRST_NS < plan.quiet_ns < plan.end_ns == FIRST_NS + round(hours * HOUR)
        assert all(menu.until_ns <= plan.quiet_ns for menu in plan.menus)
        late = {deed.kind for deed in plan.deeds if deed.at_ns >= plan.quiet_ns}
        assert late <= {Kind.SNAPSHOT, Kind.QUIET, Kind.WELL, Kind.UNHALT, Kind.NO_KILL_FILE}
        opened = Counter(deed.kind for deed in plan.deeds if deed.kind is Kind.HALT)
        assert opened[Kind.HALT] == sum(deed.kind is Kind.UNHALT for deed in plan.deeds)


def test_every_kind_of_trouble_is_planned_and_left_out_about_as_often() -> None:
    plans = [fault_plan(seed, FIRST_NS, 2 * HOUR) for seed in range(200)]
    with_deed = Counter(kind for plan in plans for kind in {deed.kind for deed in plan.deeds})
    for kind in (Kind.EXPIRY, Kind.KILL_FILE, Kind.DISK_FULL, Kind.VENUE_RESTART, Kind.SECOND):
        assert 50 < with_deed[kind] < 130


def test_a_draw_depends_on_seed_and_name_alone() -> None:
    one, two = Dice(1, "a"), Dice(1, "a")
    two.draw("other")
    assert one.draw("x", 2) == two.draw("x", 2) != one.draw("x", 3)
    assert Dice(1, "b").draw("x", 2) != one.draw("x", 2) != Dice(2, "a").draw("x", 2)
    assert {one.between(3, 5, "n", number) for number in range(100)} == {3, 4, 5}


def test_the_command_keeps_verdicts_and_skips_what_it_has(tmp_path) -> None:
    kept = tmp_path / "verdicts.jsonl"
    words = ("simtest", "--hours", "0.2", "--resume", kept, "--json")
    first = millrace(*words, "--seeds", "2")
    assert (first.code, first.object["seeds"], first.object["violations"]) == (0, 2, 0)
    with kept.open("ab") as file:
        file.write(b'{"code": "to')
    assert millrace(*words, "--seeds", "3").object["seeds"] == 3
    assert kept.read_bytes().count(b"\n") == 3, "a torn line is lived through again, the others are not"
    assert millrace(*words, "--seeds", "3").object["seconds"] < 0.1


@pytest.mark.parametrize(
    "wrong",
    [
        ("--seeds", "0"),
        ("--jobs", "0"),
        ("--hours", "0"),
        ("--hours", "1000"),
        ("--trace",),
        ("--every-kill", "0"),
        ("--stride", "0"),
    ],
)
def test_a_command_line_that_makes_no_sense_is_refused(wrong) -> None:
    said = millrace("simtest", *wrong, "--json")
    assert said.code == 2
    assert "--" in said.object["error"]


def test_a_file_of_something_else_is_not_taken_for_verdicts(tmp_path) -> None:
    other = tmp_path / "notes.txt"
    other.write_text("one\ntwo\n")
    said = millrace("simtest", "--seeds", "1", "--hours", "0.2", "--resume", other, "--json")
    assert (said.code, "line 1 is no verdict" in said.object["error"]) == (2, True)
    assert other.read_text() == "one\ntwo\n"
