"""Starts that only a person can explain: a lost ledger, orders at the venue that no file knows (design section 5.5)."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from command_line import millrace
from demo_runs import LIVELY, MINUTE, as_killed, assert_sound, open_run, venue_records
from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.clock import SimulatedClock
from millrace.core.events import Operator
from millrace.core.failure import OperatorError, WorldError
from millrace.core.journal_format import RecordKind
from millrace.core.permission import Level
from millrace.shell.journal import journal_records, read_journal
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.shell.manifest import read_manifest
from millrace.sim.market_generator import prints_from
from millrace.sim.venue_log import Accepted
from millrace.world.demo import FIRST_NS
from millrace.world.folder.run_folder import Run
from millrace.world.folder.start_rule import StartRule, prepare
from millrace.world.premises import LEDGER, FolderPremises

ADOPT, FIRST = StartRule.ADOPT, StartRule.FIRST_START


def chosen(**more: Any) -> Settings:
    return load_settings(profile="demo", overrides={**LIVELY, **more})


def start(folder: Path, rule: StartRule, settings: Settings | None = None) -> Run:
    settings = settings or chosen()
    note = prepare(folder, settings, rule)
    premises = FolderPremises(folder, SimulatedClock(), lambda ts_ns: prints_from(1, ts_ns), FIRST_NS)
    return Run(premises, settings, (), rule, note)


def rows(folder: Path) -> tuple[object, ...]:
    ledger = SqliteLedger(folder / LEDGER)
    found = (ledger.orders(), ledger.positions(), ledger.fills(), ledger.bookings(), ledger.restrictions())
    ledger.close()
    return found


def notes(folder: Path) -> list[str]:
    return [record.payload.decode() for record in journal_records(folder) if record.kind is RecordKind.NOTE]


def hows(folder: Path) -> list[str]:
    manifest = read_manifest(folder)
    assert manifest is not None
    return [one.how for one in manifest.starts]


def level(run: Run) -> Level:
    return run.program.engine.standing("slots", run.program.instrument.id).level


@pytest.fixture
def played(tmp_path: Path) -> Path:
    run = open_run(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 60 * MINUTE)
    run.snapshot()
    run.simulation.run_until(run.simulation.now_ns + 60 * MINUTE)
    run.close()
    return tmp_path / "run"


def test_a_start_is_written_down(played: Path) -> None:
    open_run(played).close()
    manifest = read_manifest(played)
    assert manifest is not None
    first, second = manifest.starts
    assert (first.how, second.how) == ("begun", "continue")
    assert first.after_seq == 0 < second.after_seq
    assert {first.config_digest, second.config_digest} == {manifest.config_digest}
    assert {first.code_version, second.code_version} == {manifest.code_version}


def test_adopt_makes_the_lost_ledger_anew_from_the_journal(played: Path) -> None:
    before = rows(played)
    assert before[2]
    (played / LEDGER).unlink()
    with pytest.raises(WorldError, match=r"--adopt.*--first-start"):
        start(played, StartRule.CONTINUE)
    run = start(played, ADOPT)
    assert run.restart
    assert f"made anew from the journal: {len(before[0])} orders, {before[2]} fills" in run.notices[0]
    run.close()
    after = rows(played)
    assert after[0][: len(before[0])] == before[0]
    assert after[1:] == before[1:]
    assert any(note.startswith("start: adopt; the ledger was made anew") for note in notes(played))
    assert hows(played)[-1] == "adopt"
    assert_sound(played)


def test_adopt_of_a_killed_run_does_not_mix_an_old_log_into_the_new_ledger(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 40 * MINUTE)
    folder = as_killed(run, tmp_path / "killed")
    wanted = (run.ledger.orders(), run.ledger.fills())
    assert (folder / f"{LEDGER}-wal").stat().st_size > 0
    (folder / LEDGER).unlink()
    shutil.copy(folder / f"{LEDGER}-wal", folder / f"rebuilt-{LEDGER}-wal")  # an adoption that was killed too
    (folder / f"rebuilt-{LEDGER}").write_bytes(b"half")
    adopted = start(folder, ADOPT)
    assert (adopted.ledger.orders()[: len(wanted[0])], adopted.ledger.fills()) == wanted
    adopted.close()
    assert (folder / "aside-1" / f"{LEDGER}-wal").exists(), "nothing is deleted"
    assert not list(folder.glob("rebuilt-*"))
    assert_sound(folder)


def test_a_damaged_ledger_is_never_made_anew_unasked(played: Path) -> None:
    """Runtime 2.16: integrity check; failure means stop."""
    before = rows(played)
    path = played / LEDGER
    data = bytearray(path.read_bytes())
    data[100:4000] = bytes(3900)
    path.write_bytes(data)
    for rule in (StartRule.CONTINUE, ADOPT):
        with pytest.raises(WorldError, match=r"damaged.*will not be made anew.*--adopt"):
            start(played, rule)
    assert path.read_bytes() == data
    path.rename(played / "damaged.db")
    start(played, ADOPT).close()
    assert rows(played)[1:4] == before[1:4]
    assert_sound(played)


def test_without_a_journal_there_is_nothing_to_adopt(played: Path) -> None:
    for path in played.glob("journal-*"):
        path.unlink()
    with pytest.raises(WorldError, match="there is nothing to"):
        start(played, ADOPT)


def test_a_first_start_puts_the_files_aside_and_leaves_the_venue_alone(played: Path) -> None:
    """Design 5.4: what another installation has at the venue is listed and never touched."""
    with pytest.raises(OperatorError, match=r"would use its order ids again.*run\.installation"):
        start(played, FIRST)
    kept = {path.name: path.read_bytes() for path in played.iterdir() if path.is_file() and path.name != "lock"}
    taken = [record.client_id for record in venue_records(played) if isinstance(record, Accepted)]
    settings = chosen(**{"run.installation": "second"})
    run = start(played, FIRST, settings)
    assert not run.restart
    assert run.notices[0] == "first start: the files of an earlier run are kept in aside-1"
    run.simulation.run_until(run.simulation.now_ns + 30 * MINUTE)
    assert level(run) is Level.OPEN
    assert run.venue.open_orders(run.program.instrument.id)
    run.close()
    assert {path.name: path.read_bytes() for path in (played / "aside-1").iterdir()} == kept
    records = venue_records(played)
    new = [record.client_id for record in records if isinstance(record, Accepted)][len(taken) :]
    assert new
    assert not {*new} & {*taken}
    assert hows(played) == ["first start"]
    assert notes(played)[0].startswith("start: first start; ")


@pytest.fixture
def lost(played: Path) -> Path:
    """A folder in which only the venue is left, with our orders on its book."""
    for path in played.iterdir():
        if path.is_file():
            path.unlink()
    return played


def test_orders_with_our_tag_beside_an_empty_ledger_are_no_first_start(lost: Path) -> None:
    for _ in range(2):
        with pytest.raises(WorldError, match=r"orders with our tag and the ledger none.*this is not a first start"):
            start(lost, StartRule.CONTINUE)
    same = [f"--set={key}={value}" for key, value in LIVELY.items()]
    said = millrace("demo", "--dir", lost, "--profile", "demo", "--seconds", "1", *same)
    assert said.code == 3
    assert "--adopt" in said.err
    ledger = SqliteLedger(lost / LEDGER)
    assert ledger.orders() == []
    ledger.close()


def test_adopt_accepts_them_by_journaled_events(lost: Path) -> None:
    run = start(lost, ADOPT)
    strangers = [order.client_id for order in run.venue.open_orders(run.program.instrument.id)]
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    assert level(run) is Level.OPEN
    run.close()
    accepted = [step.event for step in read_journal(lost) if isinstance(step.event, Operator)]
    assert sorted(str(event.args["order"]) for event in accepted) == sorted(strangers) != []
    assert {event.args["operator"] for event in accepted} == {"--adopt"}
    open_run(lost).close()


def test_a_first_start_beside_them_only_reduces_until_a_person_decides(lost: Path) -> None:
    run = start(lost, FIRST)
    assert level(run) is Level.REDUCE_ONLY
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    assert not run.ledger.orders()
    run.close()
    open_run(lost).close()  # it was said, and need not be said again


def test_the_words_exclude_each_other(tmp_path: Path) -> None:
    assert millrace("demo", "--dir", tmp_path / "run", "--adopt", "--first-start").code == 2


def test_a_word_for_an_empty_folder_changes_nothing_but_the_record(tmp_path: Path) -> None:
    for rule in (ADOPT, FIRST):
        run = start(tmp_path / rule.name, rule)
        assert level(run) is Level.OPEN
        run.close()
        assert hows(tmp_path / rule.name) == [rule.value]
