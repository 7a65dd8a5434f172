"""A full disk stops new orders and keeps cancels, nothing is lost, and trading resumes (issue 2; runtime 2.16 A3)."""

import errno
from pathlib import Path

import pytest

from demo_runs import MINUTE, SECOND, as_killed, assert_sound, open_run, venue_records, with_faults
from faulty_disk import FULL, READ_ONLY, SYNC, FaultyDisk
from millrace.core.commands import CancelOrder
from millrace.core.permission import Level
from millrace.core.trouble_events import StorageTrouble
from millrace.shell.journal import read_journal
from millrace.sim.venue_log import Accepted, Ended, Refused, Rejected
from millrace.world.assemble import build_program, venue_settings
from millrace.world.folder import venue_store
from millrace.world.folder.run_folder import Run

IN_FLIGHT_NS = 80_000_000
"""Longest way of a request to the venue: 50 ms and 20 ms of jitter, rounded up."""
WAYS = {
    "journal full": (FULL, errno.ENOSPC, 0),
    "journal full in the middle of a step": (FULL, errno.ENOSPC, 1),
    "journal does not sync": (SYNC, errno.EIO, 0),
    "read-only": (READ_ONLY, errno.EROFS, 0),
}


def level(run: Run) -> Level:
    return run.program.engine.standing("slots", run.program.instrument.id).level


def cancels_waiting(run: Run) -> set[str]:
    return {call.client_id for call in run.simulation.executor._outbox if isinstance(call, CancelOrder)}


def pending_exits(run: Run) -> list[tuple[int, int]]:
    """Return (slot, order) of the exits that are not at the venue, nor waiting for money."""
    grid = run.program.grid.grid
    return [
        (slot.slot_id, order.local_id)
        for slot in grid.slots.values()
        for order in slot.state.orders
        if order.role == "exit" and order.local_id not in slot.sent and slot.slot_id not in grid.unfunded
    ]


def run_until_cancels_wait(run: Run) -> int:
    """Let the market go on until cancels wait for the call budget; returns the time."""
    simulation = run.simulation
    until_ns = simulation.now_ns + 30 * MINUTE
    while not cancels_waiting(run):
        until_ns += SECOND
        simulation.run_until(until_ns)
    return until_ns


@pytest.mark.parametrize("way", [*WAYS, "ledger full"])
def test_new_orders_stop_cancels_go_and_trading_resumes(tmp_path: Path, way: str) -> None:
    run, disk, ledger = with_faults(tmp_path / "run")
    failed_ns = run_until_cancels_wait(run)
    waiting = cancels_waiting(run)
    if way in WAYS:
        operations, error, after = WAYS[way]
        disk.fail(operations, error, after)
    else:
        ledger.broken = True
    run.simulation.run_until(failed_ns + 10 * MINUTE)
    while not pending_exits(run) and run.simulation.now_ns < failed_ns + 360 * MINUTE:
        run.simulation.run_until(run.simulation.now_ns + MINUTE)
    assert level(run) is Level.HALT
    assert "storage_trouble" in run.status()["pause_reason"]
    assert pending_exits(run), "what filled meanwhile waits for its exit"
    assert run.snapshot() == "no snapshot while journal or ledger cannot be written"
    disk.heal()
    ledger.broken = False
    healed_ns = run.simulation.now_ns
    run.simulation.run_until(healed_ns + 60 * MINUTE)
    assert level(run) is Level.OPEN
    assert not pending_exits(run), "exits that could not leave were tried again"
    assert run.snapshot() == ""
    run.close()

    records = venue_records(tmp_path / "run")
    halted = [record for record in records if failed_ns < record.ts_ns <= healed_ns]
    arrived = [record for record in halted if isinstance(record, Accepted | Rejected)]
    # The order during which the disk filled was written down before; what came after it must not leave.
    assert all(record.ts_ns <= first_trouble_ns(run) + IN_FLIGHT_NS for record in arrived)
    assert waiting <= {record.client_id for record in halted if isinstance(record, Ended | Refused)}
    assert any(isinstance(record, Accepted) for record in records if record.ts_ns > healed_ns)
    assert_sound(tmp_path / "run")


def first_trouble_ns(run: Run) -> int:
    return next(step.event.ts_ns for step in read_journal(run.folder) if isinstance(step.event, StorageTrouble))


@pytest.mark.parametrize("way", ["journal", "ledger"])
def test_killed_while_the_disk_is_full_and_started_when_it_is_not(tmp_path: Path, way: str) -> None:
    run, disk, ledger = with_faults(tmp_path / "run")
    run.simulation.run_until(run_until_cancels_wait(run))
    if way == "journal":
        disk.fail(FULL)
    else:
        ledger.broken = True
    run.simulation.run_until(run.simulation.now_ns + 20 * MINUTE)
    assert level(run) is Level.HALT
    folder = as_killed(run, tmp_path / "killed")
    again = open_run(folder)
    again.simulation.run_until(again.simulation.now_ns + 2 * MINUTE)
    assert level(again) is Level.OPEN, "the halt ends when commits have been fast for a minute"
    now_ns = again.simulation.now_ns
    again.simulation.run_until(now_ns + 30 * MINUTE)
    again.close()
    assert any(isinstance(record, Accepted) and record.ts_ns > now_ns for record in venue_records(folder))
    assert_sound(folder)


def test_a_snapshot_that_cannot_be_written_does_not_stop_trading(tmp_path: Path) -> None:
    run, disk, _ = with_faults(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    disk.fail(frozenset({"replace"}))
    assert "cannot be written: No space left" in run.snapshot()
    assert run.keep() == "", "not again at every look"
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    assert level(run) is Level.OPEN
    disk.heal()
    run.close()
    assert_sound(tmp_path / "run")


def test_the_venue_goes_on_when_its_customers_disk_is_full(tmp_path: Path, monkeypatch) -> None:
    settings = open_run(tmp_path / "run").settings
    rules = venue_settings(settings, build_program(settings).instrument)
    disk = FaultyDisk()
    store = venue_store.VenueStore(tmp_path / "venue", rules, disk)
    facts = rules.instruments[0]
    disk.fail(FULL)
    for number in range(1, 6):
        store.venue.on_print(facts.id, number * SECOND, 1_000_000 + number, 1, number, 10)
    disk.heal()
    store.venue.on_print(facts.id, 9 * SECOND, 1_000_009, 1, 9, 10)
    store.close()
    assert venue_store.VenueStore(tmp_path / "venue", rules).venue.snapshot() == store.venue.snapshot()
    assert [record.ts_ns // SECOND for record in venue_records(tmp_path)] == [1, 2, 3, 4, 5, 9]
