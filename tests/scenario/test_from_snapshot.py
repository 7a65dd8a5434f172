"""Switching over with the old bot's snapshot: its orders rest at the venue and become ours, and nothing else happens.

Slots 4.6, 10, 17 and pitfalls P6, P35, P36. The simulated venue holds the orders under the old bot's ids, as a real one
would; the program adopts them by the venue's ids.
"""

import itertools
import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from command_line import millrace
from demo_runs import LIVELY, MINUTE, SECOND, as_killed
from millrace.config.load import load_settings
from millrace.core.clock import SimulatedClock
from millrace.core.commands import Alert, Book, CancelOrder, Command, Severity, Submit
from millrace.core.failure import OperatorError, WorldError
from millrace.core.permission import Level
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.sim.candles import PrintColumns
from millrace.world.afterwards.audit import disagreements
from millrace.world.afterwards.replay import replay
from millrace.world.assemble import build_program, venue_settings
from millrace.world.demo import FIRST_NS
from millrace.world.folder.handover import demo_market, put_handover, rest_orders
from millrace.world.folder.run_folder import Run
from millrace.world.folder.start_rule import StartRule, prepare
from millrace.world.folder.venue_store import VenueStore
from millrace.world.premises import VENUE, FolderPremises
from old_bot import PRICE, order, recovery, slot_s0, slot_s1a, slot_s1b, slot_s2, slot_state, snapshot, txid

LOOP_NS = 30 * SECOND


class Begun:
    """A run from a snapshot, with every command that it gives."""

    def __init__(self, folder: Path, run: Run, notices: tuple[str, ...]) -> None:
        self.folder = folder
        self.run = run
        self.notices = notices
        self.commands: list[Command] = []
        self.began_ns = run.simulation.now_ns
        run.simulation.sequencer.listen(lambda _, commands: self.commands.extend(commands))

    def let(self, pass_ns: int) -> None:
        self.run.simulation.run_until(self.run.simulation.now_ns + pass_ns)

    def ten_loops(self) -> None:
        """Let the first ten loops after the handover pass, and most of the time to the eleventh."""
        first_ns = (self.run.program.grid.grid.handover.since_ns // LOOP_NS + 1) * LOOP_NS
        self.run.simulation.run_until(first_ns + 9 * LOOP_NS + 20 * SECOND)

    def all(self, kind: type) -> list[Any]:
        return [command for command in self.commands if isinstance(command, kind)]

    @property
    def slots(self) -> Any:
        return self.run.program.grid.grid.slots

    @property
    def resting(self) -> set[str]:
        found = self.run.venue.open_orders(self.run.program.instrument.id)
        return {each.venue_order_id for each in found}

    def close_and_audit(self) -> None:
        self.run.close()
        assert disagreements(self.folder) == []
        result = replay(self.folder)
        assert result.divergence is None
        assert not result.faults


def premises_of(folder: Path, changes: dict[str, Any]) -> tuple[FolderPremises, Any]:
    settings = load_settings(profile="demo", overrides={**LIVELY, **changes})

    def market(ts_ns: int) -> Iterator[PrintColumns]:
        return demo_market(folder, settings.run.seed, ts_ns)

    rest_orders(folder, settings)
    return FolderPremises(folder, SimulatedClock(), market, FIRST_NS), settings


def put(folder: Path, document: dict[str, Any], changes: dict[str, Any] | None = None) -> tuple[str, ...]:
    folder.mkdir(exist_ok=True)
    file = folder.parent / "old-bot.json"
    file.write_text(json.dumps(document))
    return put_handover(folder, file, load_settings(profile="demo", overrides={**LIVELY, **(changes or {})}), FIRST_NS)


def begin(folder: Path, changes: dict[str, Any] | None = None, notices: tuple[str, ...] = ()) -> Begun:
    premises, settings = premises_of(folder, changes or {})
    return Begun(folder, Run(premises, settings), notices)


def begun(folder: Path, document: dict[str, Any], changes: dict[str, Any] | None = None) -> Begun:
    return begin(folder, changes, put(folder, document, changes))


def txids(document: dict[str, Any]) -> set[str]:
    rows = document["slots"]
    states = rows.values() if isinstance(rows, dict) else rows
    return {row["txid"] for state in states for row in (*state["orders"], *state["recovery_orders"]) if row["txid"]}


def partly_filled() -> dict[str, Any]:
    """An entry of which 20 of 60 executed, an exit of which 25 did: as the old bot knew it."""
    executed = {"executed_volume": 20.0, "executed_cost": 20.0 * PRICE, "executed_fee": 0.0085}
    entry = order(0, 8, "B", "entry", PRICE * 0.99, **executed)
    done = {"executed_volume": 25.0, "executed_cost": 25.0 * PRICE * 1.02, "executed_fee": 0.0108}
    exit_ = order(1, 10, "B", "exit", PRICE * 1.03, **done)
    return snapshot(slots={"0": slot_state([entry]), "1": slot_state([exit_])})


def one_sided() -> dict[str, Any]:
    lone = slot_state([order(0, 8, "B", "exit", PRICE * 1.04)], long_only=True, mode_source="drift")
    dusty = slot_s0(1) | {"dust_b": {"volume": 3.5, "cost": 0.6, "fee": 0.001}}
    return snapshot(slots={"0": lone, "1": dusty})


def listed() -> dict[str, Any]:
    """Slots as a list, with a sticky map, an S2 time and recoveries on both sides; the version is text."""
    both = [recovery(1, 1, "B", PRICE * 1.4), recovery(1, 2, "A", PRICE * 0.7)]
    slots = [slot_s2(0) | {"slot_id": 0}, slot_state(slot_s1b(1)["orders"], both) | {"slot_id": 1}]
    return snapshot(version="1", slots=slots, slot_sticky={"0": False, "1": True})


def bare() -> dict[str, Any]:
    """What every later addition is missing from."""
    keys = ("version", "saved_at", "slots", "last_price")
    document = {name: value for name, value in snapshot().items() if name in keys}
    for state in document["slots"].values():
        for name in ("total_fees", "mode_source", "next_order_id", "next_recovery_id", "last_price_update_at"):
            del state[name]
    return document


def kelly() -> dict[str, Any]:
    document = snapshot(kelly_state={"fraction": float("nan")}, kelly_enabled=True, tp_enabled=True, sticky_enabled=0)
    document["slots"]["0"]["today_realized_loss"] = float("inf")
    return document


FIVE = {str(number): slot_s0(number) for number in range(3, 8)}
SHAPES = {
    "the old bot's": snapshot,
    "kelly keys and numbers that are none": kelly,
    "as a list, with a sticky map": listed,
    "without anything that may lack": bare,
    "partly filled orders": partly_filled,
    "one-sided slots and dust": one_sided,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_an_old_snapshot_cancels_and_books_nothing_in_its_first_ten_loops(shape: str, tmp_path: Path) -> None:
    document = SHAPES[shape]()
    run = begun(tmp_path / "run", document)
    run.ten_loops()
    assert run.run.program.engine.fault is None
    assert run.run.startup.tracked_orders == len(txids(document))
    assert run.all(CancelOrder) == []
    assert [each for each in run.all(Book) if each.kind in {"cycle", "dust", "release"}] == []
    assert txids(document) <= run.resting, "an order of the old bot left the book"
    held = {run.run.program.orders.open_order(name).place.key for name in txids(document)}
    assert all(submit.order.order.key not in held for submit in run.all(Submit))
    assert not any(slot.quarantined for slot in run.slots.values())
    assert run.run.program.engine.board.active() == []
    assert [each for each in run.all(Alert) if each.severity is Severity.PAGE] == []
    run.close_and_audit()


def test_every_slot_that_holds_an_exit_loads_sticky_when_nothing_says_so(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", snapshot(), {"slots.sticky_mode_enabled": False})
    assert [slot.sticky for slot in run.slots.values()] == [None, True, True, True]
    assert any("slot 1: nothing says whether it is sticky" in notice for notice in run.notices)
    run.run.close()


def test_the_age_of_exits_that_may_time_out_begins_with_the_handover(tmp_path: Path) -> None:
    """Slots 10: nobody's exits are orphaned for the hours in which no program ran."""
    document = snapshot(slots={"0": slot_s1b(0)}, slot_sticky={"0": False})
    changes = {"slots.sticky_mode_enabled": False, "slots.s1_orphan_after_sec": 1800.0}
    run = begun(tmp_path / "run", document, changes)
    run.let(29 * MINUTE)
    state = run.slots[0].state
    assert state.recovery_orders == []
    assert txid(0, 10) in {each.txid for each in state.orders}
    run.let(6 * MINUTE)
    assert [each.txid for each in run.slots[0].state.recovery_orders] == [txid(0, 10)]
    run.close_and_audit()


def test_drifted_entries_stay_for_ten_loops_and_move_after_them(tmp_path: Path) -> None:
    """Ten loops hold still, whatever the market did meanwhile; the eleventh may refresh what it left behind."""
    far = slot_state([order(0, 8, "B", "entry", PRICE * 0.9), order(0, 9, "A", "entry", PRICE * 1.1)])
    run = begun(tmp_path / "run", snapshot(slots={"0": far}))
    run.ten_loops()
    assert run.all(CancelOrder) == []
    run.let(LOOP_NS)
    assert {each.reason for each in run.all(CancelOrder)} == {"stale_entry"}
    run.close_and_audit()


def test_tiers_release_nothing_in_the_first_ten_loops(tmp_path: Path) -> None:
    """Old exits of an old bot look stuck at once to a tier that was switched on; it waits, and acts after them."""
    changes = {
        "slots.sticky_mode_enabled": True,
        "release.auto_enabled": True,
        "release.max_stuck_pct": 0.1,
        "release.recovery_target_pct": 0.05,
        "release.panic_stuck_pct": 0.2,
        "release.panic_min_age_sec": 60.0,
        "release.recon_hard_gate_enabled": False,
    }
    run = begun(tmp_path / "run", snapshot(), changes)
    run.ten_loops()
    assert run.all(CancelOrder) == []
    run.let(5 * MINUTE)
    released = [each for each in run.all(CancelOrder) if "release" in each.reason]
    assert released, "the tiers never acted, so that they waited shows nothing"
    run.close_and_audit()


def test_positions_sums_and_operator_choices_come_over_and_enable_flags_do_not(tmp_path: Path) -> None:
    document = snapshot(profit_pct=1.4, rebalancer_enabled=True, tp_enabled=True, daily_loss_lock_active=False)
    run = begun(tmp_path / "run", document)
    grid, orders = run.run.program.grid.grid, run.run.program.orders
    assert (grid.entry_pct, grid.profit_pct, grid.next_slot_id) == (0.4, 1.4, 4)
    assert grid.settings.throughput.enabled is False
    facts = run.run.program.instrument
    open_ = {(at.group, at.leg): facts.volume(lots) for at, lots in orders.positions().items()}
    assert open_ == {
        ("slot1", "B"): 60.0,
        ("slot2", "A"): -60.0,
        ("slot2", "B"): 60.0,
        ("slot3", "A"): -60.0,
        ("slot3", "B"): 60.0,
    }
    status = run.run.status()
    assert status["totals"]["profit_usd"] == pytest.approx(4 * 0.13)
    assert status["totals"]["settled_usd"] == pytest.approx(4 * 0.13)
    assert grid.bookings == 76
    run.let(MINUTE)
    assert abs(run.run.status()["balance_recon"]["drift_pct"]) < 0.01
    run.run.close()


def test_a_restart_goes_on_from_the_journal_and_takes_nothing_over_again(tmp_path: Path) -> None:
    run = begun(tmp_path / "run", snapshot())
    run.ten_loops()
    run.run.close()
    again = begin(tmp_path / "run")
    assert again.run.restart
    again.let(20 * MINUTE)
    assert not any(each.code == "handed_over" for each in again.all(Alert))
    again.close_and_audit()


def test_a_kill_at_any_moment_of_the_first_start_loses_and_doubles_nothing(tmp_path: Path) -> None:
    """Before the journal, right after it began, in the middle: the next start without any flag comes to the same."""
    document = snapshot()
    put(tmp_path / "untouched", document)
    whole = begin(tmp_path / "untouched")
    copies = [as_killed(whole.run, tmp_path / "after-the-handover")]
    whole.let(4 * MINUTE)
    copies.append(as_killed(whole.run, tmp_path / "later"))
    put(tmp_path / "nothing-began", document)
    for folder in (*copies, tmp_path / "nothing-began"):
        run = begin(folder)
        run.ten_loops()
        assert run.all(CancelOrder) == []
        assert txids(document) <= run.resting
        run.close_and_audit()
    whole.run.close()


def test_a_kill_at_any_byte_of_the_first_starts_journal_takes_over_once(tmp_path: Path) -> None:
    """The ledger holds nothing yet then; the snapshot in the folder and what the journal kept give the same run."""
    document = snapshot()
    put(tmp_path / "run", document)
    first = begin(tmp_path / "run")
    whole = as_killed(first.run, tmp_path / "whole")
    first.run.close()
    (journal,) = whole.glob("journal-*.mrj")
    data = journal.read_bytes()
    taken_over = []
    for part in range(1, 9):
        cut = tmp_path / f"cut{part}"
        shutil.copytree(whole, cut)
        (cut / journal.name).write_bytes(data[: len(data) * part // 8])
        for name in cut.glob("ledger.db*"):
            name.unlink()
        SqliteLedger(cut / "ledger.db", create=True).close()
        run = begin(cut)
        taken_over.append(run.run.restart)
        run.ten_loops()
        assert run.all(CancelOrder) == []
        assert run.all(Submit) == []
        assert txids(document) == run.resting
        run.close_and_audit()
    assert taken_over[-1]


def print_while_down(folder: Path, prices: list[float], units: float) -> None:
    """Let the venue see prints that pass resting orders, each of so many units, before any program runs."""
    _, settings = premises_of(folder, {})
    facts = build_program(settings).instrument
    store = VenueStore(folder / VENUE, venue_settings(settings, facts))
    for bar, price in enumerate(prices):
        lots = facts.lots(units)
        store.venue.on_print(facts.id, store.venue.now_ns + SECOND, facts.ticks(round(price, 6)), lots, bar, lots)
    store.close()


@pytest.mark.parametrize("role", ["entry", "exit"])
def test_a_part_fill_that_the_old_bot_never_saw_is_seen_and_not_booked(role: str, tmp_path: Path) -> None:
    """The old bot had no fields for part fills; the venue's cumulative figures tell (slots 4.6, 6.4)."""
    lone = order(0, 10, "B", role, PRICE * (0.996 if role == "entry" else 1.004))
    put(tmp_path / "run", snapshot(slots={"0": slot_state([lone])}))
    print_while_down(tmp_path / "run", [PRICE * (0.99 if role == "entry" else 1.01)], units=250.0)
    run = begin(tmp_path / "run")
    (record,) = [each for each in run.slots[0].state.orders if each.txid == txid(0, 10)]
    assert record.executed_volume == 25.0
    run.ten_loops()
    assert run.all(CancelOrder) == []
    assert run.run.ledger.bookings("cycle") == []
    (position,) = run.run.program.orders.positions().values()
    assert position == (25 if role == "entry" else 60 - 25) * 10**8
    run.close_and_audit()


def test_a_slot_with_three_orders_is_quarantined_and_nothing_is_done_to_them(tmp_path: Path) -> None:
    """P36: the old bot could put a second order on a leg; which of them is right is for a person to say."""
    three = [*slot_s1b(0)["orders"], order(0, 15, "A", "entry", PRICE * 1.01)]
    run = begun(tmp_path / "run", snapshot(slots={"0": slot_state(three), "1": slot_s0(1), "2": slot_s1a(2)} | FIVE))
    assert [slot.quarantined for slot in run.slots.values()][:3] == [True, False, False]
    run.ten_loops()
    assert run.all(CancelOrder) == []
    assert {each["txid"] for each in three} <= run.resting
    run.run.close()


@pytest.mark.parametrize("first_up", [True, False])
def test_both_legs_that_filled_while_nobody_ran_are_booked_in_either_order(first_up: bool, tmp_path: Path) -> None:
    """P35: the venue worked on without a program; both exits of one slot filled, one after the other."""
    orders = [order(0, 12, "A", "exit", PRICE * 0.997), order(0, 13, "B", "exit", PRICE * 1.003)]
    document = snapshot(slots={"0": slot_state(orders)})
    put(tmp_path / "run", document)
    prices = [PRICE * 1.01, PRICE * 0.99]
    print_while_down(tmp_path / "run", prices if first_up else prices[::-1], units=100_000.0)
    run = begin(tmp_path / "run")
    cycles = [each.values for each in run.all(Book) if each.kind == "cycle"]
    assert cycles == [], "the listener came after the start"
    booked = run.run.ledger.bookings("cycle")
    assert sorted(each.values["trade_id"] for each in booked) == ["A", "B"]
    assert all(each.values["volume"] == 60.0 for each in booked)
    assert run.run.program.orders.positions() == {}
    run.ten_loops()
    run.close_and_audit()


def test_an_order_that_the_venue_does_not_know_ends_and_its_exit_is_placed_again(tmp_path: Path) -> None:
    """Slots 4.6: unbound exits stay pending and go out anew, entries are armed afresh."""
    document = snapshot(slots={"0": slot_s1b(0)})
    put(tmp_path / "run", document)
    settings = load_settings(profile="demo", overrides=LIVELY)

    def market(ts_ns: int) -> Iterator[PrintColumns]:
        return demo_market(tmp_path / "run", settings.run.seed, ts_ns)

    premises = FolderPremises(tmp_path / "run", SimulatedClock(), market, FIRST_NS + 2 * 3_600 * SECOND)
    run = Begun(tmp_path / "run", Run(premises, settings), ())  # the venue was never given the orders
    run.ten_loops()
    state = run.slots[0].state
    exits = [each for each in state.orders if each.role == "exit"]
    assert len(exits) == 1
    assert exits[0].price == pytest.approx(PRICE * 1.02)
    assert exits[0].txid not in {"", txid(0, 10)}
    assert {each.txid for each in state.orders} == {each.client_id for each in run.run.program.orders.unfinished()}
    assert run.run.ledger.bookings("cycle") == []
    run.run.close()
    assert replay(tmp_path / "run").divergence is None


def test_records_that_cannot_be_read_put_their_slot_in_quarantine_and_leave_the_rest_alone(tmp_path: Path) -> None:
    damaged = slot_s1b(1)
    damaged["orders"][0]["entry_price"] = "a lot"
    document = snapshot(slots={"0": slot_s0(0), "1": damaged})
    run = begun(tmp_path / "run", document)
    assert any(notice.startswith("slot 1: ") and "dropped" in notice for notice in run.notices)
    assert [slot.quarantined for slot in run.slots.values()] == [False, True]
    run.ten_loops()
    assert run.all(CancelOrder) == []
    assert txid(1, 11) in run.resting
    run.run.close()


def test_one_order_that_two_slots_claim_halts_the_strategy(tmp_path: Path) -> None:
    """Invariant 12: nobody can tell whose it is, so nothing is done about it."""
    second = slot_state([order(0, 10, "B", "exit", PRICE * 1.02)])
    run = begun(tmp_path / "run", snapshot(slots={"0": slot_s1b(0), "1": second}))
    assert Level.HALT in [each.level for each in run.run.program.engine.board.active()]
    run.ten_loops()
    assert run.all(Submit) == [] == run.all(CancelOrder)
    run.run.close()


@pytest.mark.parametrize(
    ("mode", "reason", "level"),
    [
        ("RUNNING", "", None),
        ("PAUSED", "daily loss limit hit", Level.REDUCE_ONLY),
        ("HALTED", "position does not add up", Level.HALT),
        ("HALTED", "signal 15", None),
        ("HALTED", "process exit", None),
    ],
)
def test_a_pause_and_a_safety_halt_come_over_and_a_graceful_stop_does_not(
    mode: str, reason: str, level: Level | None, tmp_path: Path
) -> None:
    """Slots 4.6."""
    run = begun(tmp_path / "run", snapshot(mode=mode, pause_reason=reason))
    found = [(each.level, each.text) for each in run.run.program.engine.board.active()]
    assert found == ([] if level is None else [(level, reason)])
    run.run.close()


def test_a_days_loss_locks_the_new_program_too(tmp_path: Path) -> None:
    """Slots 7.5, 17: the lock's day and value come over, the limit is the configuration's."""
    document = snapshot(daily_loss_lock={"active": True, "day": "2026-01-01", "value": 2.5})
    run = begun(tmp_path / "run", document, {"slots.daily_loss_limit_usd": 2.0})
    run.let(MINUTE)
    assert [each.id for each in run.run.program.engine.board.active()] == ["slots/loss_lock"]
    run.run.close()


def test_a_snapshot_of_a_newer_version_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(WorldError, match="version 3"):
        put(tmp_path / "run", snapshot(version=3))
    assert list((tmp_path / "run").iterdir()) == []


def test_a_snapshot_of_another_pair_and_one_that_the_account_cannot_hold_are_refused(tmp_path: Path) -> None:
    with pytest.raises(OperatorError, match="XBTUSD"):
        put(tmp_path / "run", snapshot(pair="XBTUSD"))
    with pytest.raises(OperatorError, match=r"venue\.base_balance"):
        put(tmp_path / "run", snapshot(), {"venue.base_balance": 100.0})


def test_a_first_start_puts_the_snapshot_aside_with_the_run_that_began_from_it(tmp_path: Path) -> None:
    """Else a run that a person called new would take over the old bot's orders once more."""
    begun(tmp_path / "run", snapshot()).run.close()
    settings = load_settings(profile="demo", overrides={**LIVELY, "run.installation": "new"})
    prepare(tmp_path / "run", settings, StartRule.FIRST_START)
    assert not (tmp_path / "run" / "handover.json").exists()
    assert (tmp_path / "run" / "aside-1" / "handover.json").exists()
    refused = millrace("demo", "--dir", tmp_path / "x", "--from-snapshot", tmp_path / "old-bot.json", "--first-start")
    assert refused.code == 2
    assert "--first-start" in refused.err


def test_the_days_loss_of_the_stops_begins_with_the_handover(tmp_path: Path) -> None:
    """What the old bot's positions had lost before is not a loss of the new program's day (runtime 2.17)."""
    sunk = slot_state([order(0, 10, "B", "exit", PRICE * 3.0, entry_price=PRICE * 2.9, volume=600.0)])
    run = begun(tmp_path / "run", snapshot(slots={"0": sunk}), {"stops.daily_loss_cap_usd": 150.0})
    run.let(MINUTE)
    day = run.run.status()["guards"]["loss_cap"]["global"]
    assert abs(day["day_pnl_usd"]) < 1.0, "190 USD were lost before"
    assert run.run.program.engine.board.active() == []
    run.close_and_audit()


def test_a_folder_with_a_run_takes_no_snapshot(tmp_path: Path) -> None:
    begun(tmp_path / "run", snapshot()).run.close()
    with pytest.raises(OperatorError, match="--fresh"):
        put(tmp_path / "run", snapshot())


def test_shapes_are_all_different() -> None:
    """What is tried above is more than one file under six names."""
    texts = [json.dumps(shape()) for shape in SHAPES.values()]
    assert all(one != other for one, other in itertools.combinations(texts, 2))
    assert {"slots": slot_s1a(0)}["slots"]["recovery_orders"]
