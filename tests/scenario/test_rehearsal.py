"""Program and venue as two real processes: killed again and again, nothing is lost or doubled (design 5.10, runtime 2.16).

CI runs a small fixed part; MILLRACE_REHEARSAL_KILLS and MILLRACE_REHEARSAL_SEED ask for more and for other moments. The
venue is slow to answer, so that many a kill meets an order whose answer is outstanding.
"""

import json
import os
import signal
import time
from pathlib import Path

import pytest

from command_line import millrace, process
from demo_runs import venue_records
from millrace.core.failure import WorldError
from millrace.sim.venue_log import Accepted
from millrace.world.rehearsing.rehearsal import Rehearsal
from old_bot import snapshot

KILLS = int(os.environ.get("MILLRACE_REHEARSAL_KILLS", "5"))
SEED = int(os.environ.get("MILLRACE_REHEARSAL_SEED", "3"))
LIVELY = {
    "slots.entry_pct": "0.05",
    "slots.refresh_pct": "0.1",
    "slots.profit_pct": "0.6",
    "slots.max_entry_adds_per_loop": "4",
    "venue.participation": "0.02",
    "venue.request_latency_ms": "400",
    "venue.response_latency_ms": "400",
}
CHOSEN = tuple(word for key, value in LIVELY.items() for word in ("--set", f"{key}={value}"))


@pytest.fixture(autouse=True)
def _own_leases(tmp_path, monkeypatch):
    monkeypatch.setenv("MILLRACE_STATE_DIR", str(tmp_path / "state"))


def test_after_kills_of_both_processes_everybody_agrees(tmp_path):
    said = millrace("rehearse", "--dir", tmp_path / "run", "--kills", KILLS, "--seed", SEED, "--json", *CHOSEN)
    assert said.code == 0, said.out + said.err
    report = said.object
    assert report["disagreements"] == []
    assert report["kills"] == KILLS
    assert report["venue_kills"] > 0
    assert report["orders"] > 0


def test_a_handover_survives_kills_of_both_processes(tmp_path):
    """The old bot's orders rest at a venue of its own process; whatever is killed, none is lost or doubled."""
    (tmp_path / "old.json").write_text(json.dumps(snapshot(entry_pct=0.1, profit_pct=0.6)))
    words = ("--from-snapshot", tmp_path / "old.json", "--kills", 3, "--seed", SEED, "--speed", 300, "--json")
    said = millrace("rehearse", "--dir", tmp_path / "run", *words, *CHOSEN)
    assert said.code == 0, said.out + said.err
    assert said.object["disagreements"] == []
    assert said.object["orders"] >= 9


def children(of: int) -> dict[str, int]:
    """Return the sides that a rehearsal has started, by name."""
    found = {}
    for task in Path(f"/proc/{of}/task").iterdir():
        for child in (task / "children").read_text().split():
            words = Path(f"/proc/{child}/cmdline").read_text().split("\0")
            if "--only" in words:
                found[words[words.index("--only") + 1]] = int(child)
    return found


def until(wanted, seconds: float = 30.0):
    """Wait for something to be there, and return it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        found = wanted()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it does not come")


def test_a_rehearsal_outlives_the_death_of_either_side_and_nothing_outlives_the_rehearsal(tmp_path):
    folder = tmp_path / "run"
    running = process(
        "rehearse", "--dir", folder, "--seconds", "600", "--speed", "120", "--json", *CHOSEN, folder=tmp_path
    )
    try:
        orders = lambda: sum(isinstance(record, Accepted) for record in venue_records(folder))  # noqa: E731
        until(lambda: folder.exists() and orders() > 4)
        first = children(running.pid)
        os.kill(first["venue"], signal.SIGKILL)
        second = until(lambda: (now := children(running.pid)).get("venue") not in {None, first["venue"]} and now)
        assert second["program"] == first["program"]
        known = orders()
        until(lambda: orders() > known)
        os.kill(first["program"], signal.SIGKILL)
        third = until(lambda: (now := children(running.pid)).get("program") not in {None, first["program"]} and now)
        known = orders()
        until(lambda: orders() > known)
        running.terminate()
        out, err = running.communicate(timeout=60)
        assert running.returncode == 0, err
        assert "the venue was killed; it starts again" in err
        assert "the program was killed; it starts again" in err
        assert '"restart": true' in out
        assert not any(Path(f"/proc/{child}").exists() for child in third.values())
    finally:
        running.kill()
        running.communicate()
    result = millrace("rehearse", "--dir", folder, "--kills", "1", "--json", *CHOSEN)
    assert result.object["disagreements"] == [], result


def test_one_program_has_the_account_and_the_sides_end_when_whoever_started_them_is_killed(tmp_path):
    running = process("rehearse", "--dir", tmp_path / "run", "--speed", "120", *CHOSEN, folder=tmp_path)
    sides = until(lambda: len(children(running.pid)) == 2 and children(running.pid))
    until((tmp_path / "run" / "journal-000001.mrj").exists)
    other = millrace("rehearse", "--only", "program", "--dir", tmp_path / "other", "--venue", tmp_path / "run", *CHOSEN)
    assert other.code == 3
    assert f"is in use by process {sides['program']} for {tmp_path / 'run'}" in other.err
    assert "an account belongs to one program" in other.err
    running.kill()
    running.communicate()
    until(lambda: not any(Path(f"/proc/{side}").exists() for side in sides.values()))


def test_a_side_may_be_stopped_before_it_has_begun(tmp_path):
    with Rehearsal(tmp_path / "run", CHOSEN, 60.0, captured=True) as rehearsal:
        rehearsal.open_market()
        assert rehearsal.venue.stop() == ""
        rehearsal.program.start()
        rehearsal.program._process.kill()
        with pytest.raises(WorldError, match="the program ended with code -9"):
            rehearsal.program.result()


def test_what_cannot_be_is_refused(tmp_path):
    for words, text in (
        (("--kills", "0"), "--kills 0 is not 1 or more"),
        (("--speed", "0"), "--speed 0 is not above 0"),
        (("--seconds", "0"), "--seconds 0 is not above 0"),
    ):
        said = millrace("rehearse", "--dir", tmp_path / "run", *words)
        assert said.code == 2
        assert text in said.err


def test_a_side_that_cannot_start_says_why(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "ledger.db").write_bytes(b"no ledger at all" * 100)
    said = millrace("rehearse", "--dir", folder, "--seconds", "30", "--json", *CHOSEN)
    assert said.code == 3
    assert "the program ended by itself with code 3" in said.object["error"]
    assert "ledger" in said.object["error"]
