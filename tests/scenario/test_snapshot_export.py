"""A grid goes from one run to another as a file, with everything that the contract lists (slots 17), and back."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_from_snapshot import Begun, begun

from command_line import millrace
from demo_runs import LIVELY, MINUTE
from millrace.core.commands import Book, CancelOrder
from millrace.core.failure import OperatorError, WorldError
from millrace.shell.grid_file import encode_document, read_grid_file, write_grid_file
from millrace.strategies.slots.grid_state import snapshot_grid
from millrace.strategies.slots.handover.take_over import OWN
from millrace.world.folder.grid_export import export_grid
from old_bot import slot_state, snapshot

CONTENTS = (
    "layers", "release", "recon_gate", "inventory_residue", "entry_scheduler",
    "version", "saved_at", "mode", "pause_reason", "entry_pct", "profit_pct", "pair", "next_slot_id", "next_event_id",
    "seen_fills", "last_price", "last_price_ts", "constraints", "fee_rates", "slots", "slot_aliases", "slot_sticky",
    "recon_baseline", "daily_loss_lock", "throughput_sizer_state", "sizing", "vintage_history", "parts", "checksum",
)  # fmt: skip
"""Slots 17, in its order; quarantine and dust are in the slots, residue, recon gate, rebalancer, bars and totals in
`parts`."""


def lived(folder: Path, minutes: int = 400) -> Begun:
    """Return a run from the old bot's snapshot that has traded for a while and was closed."""
    run = begun(folder, snapshot(profit_pct=0.6, entry_pct=0.1), {"slots.volatility_auto_profit": False})
    run.let(minutes * MINUTE)
    run.run.close()
    return run


def document_of_file(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text())
    return document


def test_an_export_holds_what_the_contract_lists_and_is_strict(tmp_path: Path) -> None:
    run = lived(tmp_path / "run")
    grid = run.run.program.grid.grid
    assert grid.bookings > 77, "the run has not traded, so nothing is shown"
    told = export_grid(tmp_path / "run", tmp_path / "grid.json")
    document = document_of_file(tmp_path / "grid.json")
    assert [name for name in CONTENTS if name not in document] == []
    parts = set(document["parts"])
    assert parts == set(snapshot_grid(grid)) - OWN
    assert {"lock", "balances", "residue", "scheduler", "sizer"} <= parts
    assert "windows" not in parts, "24-hour windows are not persisted (slots 15.1, 17)"
    assert document["next_event_id"] == grid.bookings + 1
    assert (told.slots, told.trades, told.trusted, told.mode) == (4, True, True, "RUNNING")
    live = {each.venue_order_id for each in run.run.program.orders.unfinished()}
    named = {row["txid"] for slot in document["slots"] for row in slot["state"]["orders"] if row["txid"]}
    named |= {row["txid"] for slot in document["slots"] for row in slot["state"]["recovery_orders"]}
    assert named == live
    assert set(run.resting) == live
    assert document["constraints"] == {"min_volume": 50.0, "min_cost": 0.5, "price_decimals": 7, "volume_decimals": 8}


def test_a_grid_that_went_through_a_file_is_the_grid_that_it_was(tmp_path: Path) -> None:
    """import(export(x)): slots, sums, counters and the exact state of every part; and export(import(x)) is x."""
    first = lived(tmp_path / "one")
    export_grid(tmp_path / "one", tmp_path / "grid.json")
    document = document_of_file(tmp_path / "grid.json")
    (tmp_path / "two").mkdir()
    second = begun(tmp_path / "two" / "run", document)
    before, after = first.run.program.grid.grid, second.run.program.grid.grid
    ones, others = snapshot_grid(before), snapshot_grid(after)
    assert (
        others["releases"].pop("hold_until_ns") == after.handover.quiet_until_ns > ones["releases"].pop("hold_until_ns")
    ), "the tiers hold still for the first ten loops"
    for name in set(ones) - OWN:
        assert others[name] == ones[name], name
    same = ("entry_pct", "profit_pct", "next_slot_id", "bookings")
    assert [others["plain"][name] for name in same] == [ones["plain"][name] for name in same]
    for one, other in zip(before.slots.values(), after.slots.values(), strict=True):
        for name in ("sticky", "residue_base", "compound_units", "exits_wait_from", "gate_bypassed"):
            assert getattr(one, name) == getattr(other, name), name
        assert one.plain & set(one.sent) == other.plain
        assert one.state.completed_cycles == other.state.completed_cycles
        assert one.state.total_profit == other.state.total_profit
        assert [each.local_id for each in one.state.orders if each.local_id in one.sent] == [
            each.local_id for each in other.state.orders
        ]
    assert first.run.program.orders.positions() == second.run.program.orders.positions()
    second.run.snapshot()
    export_grid(tmp_path / "two" / "run", tmp_path / "again.json")
    again = document_of_file(tmp_path / "again.json")
    for parts in (document["parts"], again["parts"]):
        del parts["releases"]["hold_until_ns"]
    moved = {"saved_at", "last_price", "last_price_ts", "seen_fills", "checksum"}
    assert {name for name in document if document[name] != again[name]} <= moved
    second.ten_loops()
    assert second.all(CancelOrder) == []
    assert [each for each in second.all(Book) if each.kind == "cycle" and each.values["cause"] != "exit"] == []
    second.close_and_audit()


def test_a_running_run_is_exported_without_touching_it(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", snapshot())
    run.let(30 * MINUTE)
    run.run.journal.flush()
    before = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.suffix in {".mrj", ".db"}}
    told = export_grid(tmp_path / "run", tmp_path / "grid.json")
    after = {file.name: file.read_bytes() for file in (tmp_path / "run").iterdir() if file.suffix in {".mrj", ".db"}}
    assert before == after
    assert told.saved_at == pytest.approx(run.run.program.engine.now_ns / 1e9, abs=60.0)
    run.run.close()


def test_three_generations_stand_and_a_damaged_file_falls_back_to_the_one_before(tmp_path: Path) -> None:
    file = tmp_path / "grid.json"
    for number in range(5):
        write_grid_file(file, snapshot(next_event_id=number + 1))
    assert sorted(each.name for each in tmp_path.iterdir()) == ["grid.json", "grid.json.1", "grid.json.2"]
    assert [read_grid_file(tmp_path / f"grid.json{end}").document["next_event_id"] for end in ("", ".1", ".2")] == [
        5,
        4,
        3,
    ]
    data = file.read_bytes()
    for damage in (data[:-20], data.replace(b'"RUNNING"', b'"HALTED!"'), b"", b"\xff\xfe", b"[" * 100_000, b"[1]"):
        file.write_bytes(damage)
        found = read_grid_file(file)
        assert found.document["next_event_id"] == 4
        assert found.trusted
        assert "grid.json: damaged" in found.notices[0]
        assert found.notices[-1] == "read grid.json.1 instead"
    (tmp_path / "grid.json.1").write_bytes(b"{")
    assert read_grid_file(file).document["next_event_id"] == 3
    (tmp_path / "grid.json.2").unlink()
    with pytest.raises(WorldError, match="no generation of it is whole"):
        read_grid_file(file)
    with pytest.raises(OperatorError, match="there is no snapshot"):
        read_grid_file(tmp_path / "nowhere.json")


def test_nothing_that_is_not_strict_json_is_written(tmp_path: Path) -> None:
    """P20: infinities of a program must fail its writer, not its reader."""
    with pytest.raises(ValueError, match="JSON"):
        encode_document({"profit": float("inf")})
    with pytest.raises(ValueError, match="JSON"):
        write_grid_file(tmp_path / "grid.json", {"profit": float("nan")})
    assert list(tmp_path.iterdir()) == []


def test_parts_without_a_matching_checksum_are_left_behind(tmp_path: Path) -> None:
    """Exact states are taken from our own hand only; slots and sums come over all the same."""
    lived(tmp_path / "one")
    export_grid(tmp_path / "one", tmp_path / "grid.json")
    document = document_of_file(tmp_path / "grid.json")
    del document["checksum"]
    document["parts"]["scheduler"]["deferred_total"] = 10**9
    document["layers"] = {"target": 2}
    document["release"] |= {"manual_total": 3, "sticky_release_last_at": 1e9}
    document["recon_gate"] = {"tripped": True}
    document["inventory_residue"] = {"base": 5.0, "cost_usd": 0.8, "fees_unpaid_usd": "little"}
    document["entry_scheduler"]["drained_total"] = 12
    (tmp_path / "two").mkdir()
    run = begun(tmp_path / "two" / "run", document)
    grid = run.run.program.grid.grid
    assert grid.scheduler.deferred_total < 10**9
    assert grid.scheduler.drained_total == 12
    assert grid.layers.sources == ["AUTO", "AUTO"]
    assert (grid.releases.totals["manual"], grid.releases.last_at, grid.releases.tripped) == (3, 1e9, True)
    assert (grid.residue.base, grid.residue.cost_usd, grid.residue.fees_unpaid_usd) == (5.0, 0.8, 0.0)
    assert [slot.state.total_profit for slot in grid.slots.values()] == [
        row["state"]["total_profit"] for row in document["slots"]
    ]
    run.run.close()


def test_the_command_exports_shows_and_begins_anew(tmp_path: Path) -> None:
    (tmp_path / "old.json").write_text(json.dumps(snapshot()))
    flags = ("--speed", "4000", "--seconds", "0.6", "--json")
    words = [word for name, value in LIVELY.items() for word in ("--set", f"{name}={value}")]
    shown = millrace("snapshot", "show", tmp_path / "old.json", "--json")
    assert shown.code == 0
    assert (shown.object["exits"], shown.object["entries"], shown.object["recoveries"]) == (4, 4, 1)
    first = millrace("demo", "--dir", tmp_path / "one", "--from-snapshot", tmp_path / "old.json", *flags, *words)
    assert first.code == 0, first.err
    assert "slot 1: nothing says whether it is sticky" in first.err
    exported = millrace("snapshot", "export", "--dir", tmp_path / "one", "--out", tmp_path / "grid.json")
    assert exported.code == 0, exported.err
    assert "4 slots" in exported.out
    second = millrace("demo", "--dir", tmp_path / "two", "--from-snapshot", tmp_path / "grid.json", *flags, *words)
    assert second.code == 0, second.err
    again = millrace("demo", "--dir", tmp_path / "two", "--from-snapshot", tmp_path / "grid.json", *flags, *words)
    assert again.code == 2
    assert "holds a run already" in again.object["error"]
    assert millrace("demo", "--dir", tmp_path / "two", *flags, *words).code == 0


def test_a_newer_version_is_shown_and_not_traded_on(tmp_path: Path) -> None:
    (tmp_path / "new.json").write_text(json.dumps(snapshot(version=9)))
    shown = millrace("snapshot", "show", tmp_path / "new.json", "--json")
    assert shown.code == 3
    assert (shown.object["trades"], shown.object["version"], shown.object["slots"]) == (False, 9, 4)
    refused = millrace("demo", "--dir", tmp_path / "run", "--from-snapshot", tmp_path / "new.json", "--seconds", "0.1")
    assert refused.code == 3
    assert "version 9" in refused.err


def test_an_order_on_its_way_goes_along_by_the_id_that_it_was_sent_under(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", snapshot(slots={"0": slot_state([])}))
    while not any(each.state.value == "sent" for each in run.run.program.orders.unfinished()):
        run.let(10_000_000)
    run.run.journal.flush()
    export_grid(tmp_path / "run", tmp_path / "grid.json")
    (row,) = document_of_file(tmp_path / "grid.json")["slots"]
    named = {each["txid"] for each in row["state"]["orders"]}
    assert {each.client_id for each in run.run.program.orders.unfinished()} <= named
    run.run.close()
