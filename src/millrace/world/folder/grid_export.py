"""A run's grid, read from its folder while it runs or after, as the snapshot that another program begins with.

Nothing in the folder is changed: the newest snapshot of the core and the journal behind it give the state of the last
event, which is written down before anything happens. So no run has to write such a file every loop to be safe; it is
made when somebody wants to go on elsewhere.
"""

from pathlib import Path
from typing import Any, Final

import msgspec

from millrace.core.failure import OperatorError
from millrace.shell.grid_file import read_grid_file, write_grid_file
from millrace.shell.journal import read_journal
from millrace.shell.ledger_extract import ledger_extract
from millrace.shell.manifest import read_manifest
from millrace.shell.snapshots import Snapshots
from millrace.strategies.slots.handover.export import snapshot_of
from millrace.strategies.slots.handover.grid_snapshot import TooNew, document_of, read_snapshot
from millrace.strategies.slots.reducer.model import Order, Recovery
from millrace.strategies.slots.telemetry.vintage_day import KIND
from millrace.world.assemble import Program
from millrace.world.folder.journaled_program import JournaledProgram, settings_of
from millrace.world.premises import LEDGER

_DAYS: Final = 90
"""Days of vintage history that go along."""


class Summary(msgspec.Struct, frozen=True):
    """What a snapshot holds, for people; `notices` say what could not be read, `trades` whether a run may begin so."""

    file: str
    version: int
    trusted: bool
    trades: bool
    saved_at: float
    mode: str
    pause_reason: str
    pair: str
    last_price: float
    slots: int
    entries: int
    exits: int
    recoveries: int
    at_the_venue: int
    long_base: float
    short_base: float
    profit_usd: float
    round_trips: int
    notices: tuple[str, ...]


def latest_program(folder: Path) -> tuple[Program, int]:
    """Return the program as it stands after the journal's last whole event, and that event's number."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise OperatorError(f"{folder} holds no run: there is no manifest.json in it")
    core = JournaledProgram(settings_of(manifest.config))
    saved = Snapshots(folder).latest()
    if saved.state is not None:
        core.take(saved.state, folder, saved.seq)
    seq = saved.seq
    for step in read_journal(folder, after_seq=saved.seq):
        core.step(step.event)
        seq = step.seq
    return core.program, seq


def export_grid(folder: Path, out: Path) -> Summary:
    """Write the grid of a run's folder as a snapshot; raises OperatorError where there is none, WorldError."""
    program, _ = latest_program(folder)
    engine, orders = program.engine, program.orders
    market = engine.market(program.instrument.id)

    def name_of(key: str) -> str:
        order = orders.named(program.grid.name, key)
        return "" if order is None else order.venue_order_id or order.client_id

    snapshot = snapshot_of(
        program.grid.grid,
        now_ns=engine.now_ns,
        last_price=(market.last_ticks, market.last_ts_ns),
        restrictions=engine.board.active(),
        name_of=name_of,
        filled=orders.filled(),
    )
    snapshot.echo["vintage_history"] = _vintage_history(folder, snapshot.echo.get("vintage_history"))
    write_grid_file(out, document_of(snapshot))
    return summary(out)


def _vintage_history(folder: Path, before: object) -> list[dict[str, Any]]:
    """Return the daily records of how long exits wait, of this run and of those before it (slots 16)."""
    rows = ledger_extract(folder / LEDGER, 0).get("bookings", [])
    known = [row for row in before if isinstance(row, dict)] if isinstance(before, list) else []
    days = {row["day"]: row for row in known if isinstance(row.get("day"), int)}
    days |= {row["vals"]["day"]: row["vals"] for row in rows if row["kind"] == KIND}
    return [days[day] for day in sorted(days)][-_DAYS:]


def summary(path: Path) -> Summary:
    """Return what a snapshot holds, also one of a newer version as far as it can be read; raises as reading does."""
    file = read_grid_file(path)
    notices, document = list(file.notices), file.document
    try:
        snapshot, found = read_snapshot(document, trusted=file.trusted)
        trades, version = True, snapshot.version
    except TooNew as error:
        version, trades = int(document.get("version", 0)) if isinstance(document.get("version"), int) else 0, False
        notices.append(f"{error}; it is only shown")
        snapshot, found = read_snapshot({**document, "version": None})
    states = [slot.state for slot in snapshot.slots]
    records: list[Order | Recovery] = [row for state in states for row in state.orders]
    records += [row for state in states for row in state.recovery_orders]
    held = [row for row in records if isinstance(row, Recovery) or row.role == "exit"]
    return Summary(
        file=str(path),
        version=version,
        trusted=file.trusted,
        trades=trades,
        saved_at=snapshot.saved_at,
        mode=snapshot.mode,
        pause_reason=snapshot.pause_reason,
        pair=snapshot.pair,
        last_price=snapshot.last_price,
        slots=len(states),
        entries=len(records) - len(held),
        exits=sum(isinstance(row, Order) for row in held),
        recoveries=sum(isinstance(row, Recovery) for row in held),
        at_the_venue=sum(bool(row.txid) for row in records),
        long_base=sum(row.volume for row in held if row.trade_id == "B"),
        short_base=sum(row.volume for row in held if row.trade_id == "A"),
        profit_usd=sum(state.total_profit for state in states),
        round_trips=sum(state.total_round_trips for state in states),
        notices=(*notices, *found),
    )
