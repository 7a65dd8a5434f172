"""Every way in which a run can have ended, and every folder that must be refused (runtime 2.15 A2, 2.16; design 5.5)."""

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from demo_runs import MINUTE, as_killed, assert_sound, open_run, slots_of, venue_records
from killer import POINTS, Killer
from millrace.cli import main
from millrace.core.commands import Alert, Approved, Place, Side, Style
from millrace.core.events import ConfigApplied, Operator
from millrace.core.failure import OperatorError, WorldError
from millrace.core.ids import SubPosition
from millrace.core.journal_format import RecordKind
from millrace.core.permission import Level, ReasonCode
from millrace.shell.journal import read_journal
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.shell.seals import SEALS
from millrace.sim.venue_log import Accepted
from millrace.world.demo import put_aside
from millrace.world.premises import LEDGER

TIMES = (1, 7)


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> tuple[Path, dict[str, list[dict[str, Any]]]]:
    """Return a folder with one copy per point and time, and the slots as they were then."""
    folder = tmp_path_factory.mktemp("killed")
    run = open_run(folder / "run")
    run.simulation.run_until(run.simulation.now_ns + 20 * MINUTE)
    run.snapshot()
    killer = Killer(run, folder, TIMES)
    run.simulation.run_until(run.simulation.now_ns + 120 * MINUTE)
    assert all(count >= TIMES[-1] for count in killer.passed.values()), killer.passed
    return folder, killer.states


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("point", POINTS)
def test_killed_at_every_point_of_the_submit_path(killed, tmp_path: Path, point: str, time: int) -> None:
    name = f"{point} {time}"
    folder = shutil.copytree(killed[0] / name, tmp_path / "run")
    run = open_run(folder)
    assert run.restart
    assert [slot["slot_id"] for slot in slots_of(run)] == [slot["slot_id"] for slot in killed[1][name]]
    if point == "after the news":
        earnings = [(slot["state"]["total_profit"], slot["state"]["total_round_trips"]) for slot in slots_of(run)]
        assert earnings == [
            (slot["state"]["total_profit"], slot["state"]["total_round_trips"]) for slot in killed[1][name]
        ]
    for order in run.program.orders.unfinished():
        assert not order.cancel_out, "a cancel that was lost on its way is put off, not forgotten"
        known = run.venue.order_status(order.client_id) is not None
        assert known or run.ledger.order(order.client_id).created_ns == run.simulation.now_ns
    first, orders = slots_of(run), run.ledger.orders()
    positions = run.ledger.positions()
    assert {row.position: row.lots for row in positions} == run.program.orders.positions()
    twice = open_run(as_killed(run, tmp_path / "twice"), still=True)
    assert twice.startup.replayed_fills == 0
    assert_same_orders(slots_of(twice), first)
    assert twice.ledger.positions() == positions
    assert {order.client_id: order.cum_lots for order in twice.ledger.orders() if order.cum_lots} == {
        order.client_id: order.cum_lots for order in orders if order.cum_lots
    }
    twice.close()
    run.simulation.run_until(run.simulation.now_ns + 30 * MINUTE)
    run.close()
    assert_sound(folder)


def assert_same_orders(ones: list[dict[str, Any]], others: list[dict[str, Any]]) -> None:
    """Compare what the slots want and have earned; how often they asked for it may differ."""
    for one, other in zip(ones, others, strict=True):
        assert one["slot_id"] == other["slot_id"]
        for field in ("total_profit", "total_round_trips", "cycle_a", "cycle_b", "orders", "recovery_orders"):
            assert one["state"][field] == other["state"][field]


@pytest.fixture
def stopped(tmp_path: Path) -> Path:
    """A run that was stopped in order, with three snapshots."""
    run = open_run(tmp_path / "run")
    for _ in range(3):
        run.simulation.run_until(run.simulation.now_ns + 15 * MINUTE)
        run.snapshot()
    run.close()
    return tmp_path / "run"


def newest(folder: Path, pattern: str) -> Path:
    return max(folder.glob(pattern))


def test_a_stopped_run_goes_on(stopped: Path) -> None:
    before = len(list(read_journal(stopped)))
    run = open_run(stopped)
    assert run.restart
    assert run.notices == ()
    assert run.startup.startup_slo_ok
    assert run.startup.tracked_orders > 0
    assert run.startup_status()["restart"] is True
    run.simulation.run_until(run.simulation.now_ns + 30 * MINUTE)
    run.close()
    assert_sound(stopped)
    steps = list(read_journal(stopped))
    assert len(steps) > before
    assert sum(isinstance(step.event, ConfigApplied) for step in steps) == 1


def test_a_missing_ledger_is_not_a_first_start(stopped: Path, capsys) -> None:
    (stopped / LEDGER).unlink()
    with pytest.raises(WorldError, match="holds a journal and no ledger; a missing ledger is not a first start"):
        open_run(stopped)
    assert main(["demo", "--dir", str(stopped), "--seconds", "1"]) == 3
    assert "missing ledger is not a first start" in capsys.readouterr().err
    assert not (stopped / LEDGER).exists(), "nothing was made in its place"


def test_a_missing_journal_is_not_a_first_start_either(stopped: Path) -> None:
    for path in stopped.glob("journal-*"):
        path.unlink()
    with pytest.raises(WorldError, match="holds a ledger and no journal"):
        open_run(stopped)


def test_a_start_that_ended_before_its_first_event_is_begun_anew(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    open_run(folder).close()
    for path in [*folder.glob("journal-*"), folder / SEALS, *folder.glob("snapshot-*"), *folder.glob(f"{LEDGER}*")]:
        path.unlink()
    SqliteLedger(folder / LEDGER, create=True).close()
    run = open_run(folder)
    assert not run.restart
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    run.close()
    assert_sound(folder)


def test_a_damaged_snapshot_falls_back_to_the_one_before_it(stopped: Path) -> None:
    path = newest(stopped, "snapshot-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    run = open_run(stopped)
    assert run.notices == (f"{path.name}: damaged, the snapshot before it is used",)
    run.close()
    assert_sound(stopped)


def test_without_any_snapshot_the_whole_journal_is_stepped(stopped: Path) -> None:
    whole = open_run(stopped)
    wanted = slots_of(whole)
    whole.close()
    for path in stopped.glob("snapshot-*"):
        path.unlink()
    run = open_run(stopped)
    assert_same_orders(slots_of(run), wanted)
    run.close()
    assert_sound(stopped)


def test_a_torn_record_is_cut_with_a_notice(stopped: Path) -> None:
    path = newest(stopped, "journal-*")
    with path.open("ab") as file:
        file.write(b"\xf5MR\x1a\x09\x00\x00\x00torn")
    run = open_run(stopped)
    assert len(run.notices) == 1
    assert f"{path.name}: record torn at byte" in run.notices[0]
    run.close()
    assert_sound(stopped)


def test_a_last_record_that_lost_its_end_is_dropped_and_the_snapshots_behind_it_are_not_used(stopped: Path) -> None:
    path = newest(stopped, "journal-*")
    data = path.read_bytes()
    last = len(data)
    while data[last + 8 : last + 9] != bytes([RecordKind.EVENT]):
        last = data.rindex(b"\xf5MR\x1a", 0, last)
    os.truncate(path, last + 20)
    run = open_run(stopped)
    name = newest(stopped, "snapshot-*").name
    assert any("record torn" in notice for notice in run.notices)
    assert any(f"{name}: the journal ends at event" in notice for notice in run.notices)
    run.close()
    assert_sound(stopped)


def test_damage_in_the_middle_stops_the_start_and_names_the_segment(stopped: Path) -> None:
    path = newest(stopped, "journal-*")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(WorldError, match=rf"{path.name}: a record is damaged"):
        open_run(stopped)
    assert path.read_bytes() == data


def test_a_damaged_ledger_stops_the_start(stopped: Path) -> None:
    path = stopped / LEDGER
    data = bytearray(path.read_bytes())
    data[:16] = b"not a ledger at "
    path.write_bytes(data)
    with pytest.raises(WorldError, match="ledger"):
        open_run(stopped)


def test_a_ledger_of_another_time_stops_the_start(stopped: Path) -> None:
    old = stopped.parent / "old.db"
    shutil.copy(stopped / LEDGER, old)
    run = open_run(stopped)
    run.simulation.run_until(run.simulation.now_ns + 60 * MINUTE)
    run.close()
    for path in stopped.glob(f"{LEDGER}-*"):
        path.unlink()
    shutil.copy(old, stopped / LEDGER)
    with pytest.raises(WorldError, match="journal and ledger do not agree on"):
        open_run(stopped)


def place_behind_our_back(folder: Path, prefix: str | None) -> str:
    """Put an order on the venue's book that no journal or ledger of ours knows."""
    run = open_run(folder)
    run.simulation.run_until(run.simulation.now_ns + MINUTE)
    facts = run.program.instrument
    client_id = (prefix if prefix is not None else run.program.client_prefix) + "f" * 24
    position = SubPosition("slots", facts.id, "slot1", "B")
    order = Place(facts.id, Side.BUY, facts.lots("60"), facts.ticks("0.05"), Style.LIMIT, position, False, "k", "entry")
    run.venue.place(Approved(order, client_id, 0, run.venue.now_ns), run.venue.now_ns)
    assert run.venue.order_status(client_id) is not None
    run.close()
    return client_id


def test_an_order_with_our_tag_that_nobody_knows_leaves_exits_alone_until_a_person_accepts_it(stopped: Path) -> None:
    client_id = place_behind_our_back(stopped, None)
    run = open_run(stopped)
    standing = run.program.engine.board.active()
    assert [(found.id, found.level, found.reason) for found in standing] == [
        ("strangers/kraken", Level.REDUCE_ONLY, ReasonCode.STRANGE_ORDER)
    ]
    assert client_id in standing[0].text
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    assert client_id in {order.client_id for order in run.venue.open_orders(run.program.instrument.id)}, "untouched"
    args = {"order": client_id, "operator": "ann", "reason": "placed by hand"}
    run.simulation.feed_event(Operator("accept_order", args, run.simulation.now_ns))
    run.simulation.run_until(run.simulation.now_ns + 2 * MINUTE)
    assert run.program.engine.board.active() == []
    run.close()


def test_an_order_of_another_installation_is_counted_and_left_alone(stopped: Path) -> None:
    client_id = place_behind_our_back(stopped, "feedbeef")
    run = open_run(stopped)
    run.simulation.run_until(run.simulation.now_ns + 5 * MINUTE)
    market = run.program.engine.market(run.program.instrument.id)
    resting = run.venue.open_orders(run.program.instrument.id)
    assert client_id in {order.client_id for order in resting}
    assert abs(market.venue_open_orders - len(resting)) <= 2
    run.close()


def test_orders_that_the_venue_forgot_end_after_it_denied_them_twice(stopped: Path) -> None:
    shutil.rmtree(stopped / "venue")
    run = open_run(stopped)
    forgotten: list[str] = []
    run.simulation.sequencer.listen(
        lambda _, commands: forgotten.extend(
            command.text for command in commands if isinstance(command, Alert) and command.code == "order_forgotten"
        )
    )
    before = {order.client_id for order in run.program.orders.unfinished()} - set(forgotten)
    halt = run.program.engine.board.active()
    assert [(found.id, found.level) for found in halt] == [("recovery/kraken", Level.HALT)]
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    left = {order.client_id for order in run.program.orders.unfinished()}
    assert before
    assert not before & left
    assert len(forgotten) == len(before)
    assert "recovery/kraken" not in {found.id for found in run.program.engine.board.active()}
    run.close()


def test_settings_that_stay_for_a_whole_run_are_refused_by_name(stopped: Path) -> None:
    with pytest.raises(OperatorError, match=r"for a whole run \(slots.count, venue.participation differ\)"):
        open_run(stopped, {"slots.count": 13, "venue.participation": 0.2, "slots.profit_pct": 0.7})
    run = open_run(stopped)
    run.close()


def test_a_second_program_is_refused_and_told_who_holds_the_folder(stopped: Path) -> None:
    run = open_run(stopped)
    with pytest.raises(WorldError, match=f"is in use by process {os.getpid()}; stop it"):
        open_run(stopped)
    with pytest.raises(WorldError, match="is in use by process"):
        put_aside(stopped)
    run.close()
    open_run(stopped).close()


def test_a_refused_start_lets_go_of_the_folder(stopped: Path) -> None:
    kept = stopped.parent / "kept.db"
    shutil.move(stopped / LEDGER, kept)
    for _ in range(2):
        with pytest.raises(WorldError, match="no ledger"):
            open_run(stopped)
    shutil.move(kept, stopped / LEDGER)
    open_run(stopped).close()


def test_the_venues_count_reaches_the_capacity_object_and_the_status_says_how_it_started(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    before = run.status()
    assert before["capacity_fill_health"]["open_orders_source"] == "kraken", "the start has asked"
    assert before["startup"]["bootstrap_backlog"] == 12
    assert before["startup"]["bootstrap_eta_sec"] == 12 // 2 * 30.0
    run.simulation.run_until(run.simulation.now_ns + 30 * MINUTE)
    status = run.status()
    assert status["capacity_fill_health"]["open_orders_source"] == "kraken"
    assert status["startup"]["bootstrap_backlog"] == 0
    assert status["private_api_metronome"]["calls_last_60s"] >= 2
    run.close()
    polls = [step for step in read_journal(tmp_path / "run") if type(step.event).__name__ == "OpenOrdersReport"]
    assert len(polls) >= 55, "one per 30 s, but for those that the budget had no room for"


def test_accepted_orders_are_all_ours_and_none_is_placed_twice(killed) -> None:
    accepted = [record.client_id for record in venue_records(killed[0] / "run") if isinstance(record, Accepted)]
    assert len(accepted) == len(set(accepted)) > 50


def test_a_snapshot_of_another_version_is_refused_in_words(stopped: Path) -> None:
    run = open_run(stopped)
    state = run.program.engine.snapshot()
    del state["orders"]["positions"]
    run.snapshots.write(run.simulation.sequencer.seq, state)
    run._opened.close()
    with pytest.raises(WorldError, match=r"the snapshot of event \d+ is of another version .*positions"):
        open_run(stopped)
    for path in stopped.glob("snapshot-*"):
        path.unlink()
    open_run(stopped).close()
