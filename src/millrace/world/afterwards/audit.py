"""Looks at a run's folder from outside, after whatever happened to its programs, and tells what does not agree.

It believes nobody: the engine is stepped through the whole journal, the venue is rebuilt from its own log, the ledger
is read as it lies there, and positions and money are added up anew from the fills (runtime 2.16). Only a folder whose
last program had asked the venue about everything, and where nothing has happened since, has to agree to the unit.
"""

import sqlite3
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from millrace.core.commands import OrderState, Side
from millrace.core.failure import OperatorError
from millrace.core.instrument import whole_account
from millrace.core.journal_format import RecordKind
from millrace.core.ledger import LedgerOrder
from millrace.core.order_truth import VenueOrder
from millrace.orders.table import OrderTable
from millrace.shell.journal import journal_records, read_journal
from millrace.shell.ledger_rows import OPENING
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.shell.manifest import read_manifest
from millrace.sim.depth import records as depth_records
from millrace.sim.depth.venue import DepthVenue
from millrace.sim.prediction import venue_records
from millrace.sim.prediction.venue import PredictionVenue
from millrace.sim.venue import SimVenue
from millrace.sim.venue_log import Accepted, Rested, decode_record
from millrace.strategies.slots.books.pnl_audit import PnlAudit
from millrace.strategies.slots.reducer.invariants import duplicate_txids, violations
from millrace.strategies.slots.slot import Slot
from millrace.world.arb.desk import prediction_venues
from millrace.world.assemble import Program, venue_settings
from millrace.world.folder.journaled_program import JournaledProgram, settings_of
from millrace.world.ledger_sums import ledger_sums
from millrace.world.quoting.desk import depth_venue

NEVER_ANSWERED = (OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN)


class FillRow(NamedTuple):
    """A fill or closing as it lies in the ledger."""

    client_id: str
    venue: str
    symbol: str
    group: str
    leg: str
    side: str
    lots: int
    cost: int
    fee: int


class Folder(NamedTuple):
    """A run as its files tell it: the program stepped through the whole journal, the venues rebuilt, the ledger."""

    program: Program
    venue: SimVenue
    prediction: dict[str, PredictionVenue]
    depth: DepthVenue | None
    accepted: Counter[str]
    rested: dict[str, Rested]
    ledger: SqliteLedger
    fills: list[FillRow]

    @property
    def orders(self) -> OrderTable:
        """The order table after the last event."""
        return self.program.orders

    @property
    def slots(self) -> dict[int, Slot]:
        """The grid's slots after the last event."""
        return self.program.grid.grid.slots

    def status(self, order: LedgerOrder) -> VenueOrder | None:
        """Return what an order's venue says of it."""
        name = order.place.instrument.venue
        if self.depth is not None and name == self.depth.settings.venue:
            return self.depth.order_status(order.client_id)
        return self.prediction.get(name, self.venue).order_status(order.client_id)

    def resting(self) -> list[VenueOrder]:
        """Return the open orders at all venues."""
        there = [*self.venue.open_orders(self.program.instrument.id)]
        for name, venue in self.prediction.items():
            there += venue.open_orders(whole_account(name))
        if self.depth is not None:
            there += self.depth.open_orders()
        return there


class Findings(NamedTuple):
    """What an audit counted, and what does not agree."""

    orders: int
    fills: int
    open_orders: int
    disagreements: tuple[str, ...]


def audit(folder: Path) -> Findings:
    """Count and compare; raises WorldError for a folder that is damaged, OperatorError for one that holds no run."""
    run = read_folder(folder)
    try:
        found = tuple(_disagreements(run))
        return Findings(len(run.ledger.orders()), run.ledger.fills(), len(run.resting()), found)
    finally:
        run.ledger.close()


def read_folder(folder: Path) -> Folder:
    """Return what the files of a run say; the caller closes the ledger."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise OperatorError(f"{folder} holds no run: it has no manifest.json")
    settings = settings_of(manifest.config)
    core = JournaledProgram(settings)
    for step in read_journal(folder):
        core.step(step.event)
    program = core.program
    records = [
        decode_record(record.payload) for record in journal_records(folder / "venue") if record.kind is RecordKind.VENUE
    ]
    accepted = Counter(record.client_id for record in records if isinstance(record, Accepted))
    rested = {record.venue_order_id: record for record in records if isinstance(record, Rested)}
    venue = SimVenue.rebuild(venue_settings(settings, program.instrument), iter(records))
    prediction = {}
    for chosen in prediction_venues(settings):
        log = [
            venue_records.decode_record(record.payload)
            for record in journal_records(folder / f"venue-{chosen.venue}")
            if record.kind is RecordKind.VENUE
        ]
        accepted.update(record.client_id for record in log if isinstance(record, venue_records.Accepted))
        prediction[chosen.venue] = PredictionVenue.rebuild(chosen, iter(log))
    depth, rules = None, depth_venue(settings)
    if rules is not None:
        told = [
            depth_records.decode_record(record.payload)
            for record in journal_records(folder / f"venue-{rules.venue}")
            if record.kind is RecordKind.VENUE
        ]
        accepted.update(record.client_id for record in told if isinstance(record, Accepted))
        depth = DepthVenue.rebuild(rules, iter(told))
    base = sqlite3.connect(f"file:{folder / 'ledger.db'}?mode=ro", uri=True)
    columns = "client_id, venue, symbol, grp, leg, side, lots, cost, fee"
    fills = [FillRow(*row) for row in base.execute(f"SELECT {columns} FROM fills ORDER BY number")]  # noqa: S608  names
    base.close()
    ledger = SqliteLedger(folder / "ledger.db")
    return Folder(program, venue, prediction, depth, accepted, rested, ledger, fills)


def disagreements(folder: Path) -> list[str]:
    """Return every fact on which journal, ledger, venue and slots differ; the last start must have asked the venue."""
    return list(audit(folder).disagreements)


def _disagreements(run: Folder) -> list[str]:
    return [
        *(f"{client_id} was accepted {count} times" for client_id, count in run.accepted.items() if count > 1),
        *_orders(run),
        *_positions(run),
        *_money(run),
        *_outcomes(run),
        *_quoted(run),
        *_slots(run),
        *_profit(run),
    ]


def _orders(run: Folder) -> list[str]:
    found: list[str] = []
    ledger = {order.client_id: order for order in run.ledger.orders()}
    found += [f"the venue has {client_id}, the ledger not" for client_id in run.accepted if client_id not in ledger]
    for client_id, order in ledger.items():
        there = run.status(order)
        ours = (order.cum_lots, order.cum_cost, order.cum_fee)
        theirs = (0, 0, 0) if there is None else (there.cum_lots, there.cum_cost, there.cum_fee)
        if ours != theirs:
            found.append(f"{client_id}: the ledger has {ours}, the venue {theirs}")
        if there is not None and there.state.is_terminal and order.state is not there.state:
            found.append(f"{client_id}: {order.state} in the ledger, {there.state} at the venue")
    answered = {order.client_id for order in run.ledger.orders(live_only=True) if order.state not in NEVER_ANSWERED}
    names = {order.venue_order_id: client_id for client_id, order in ledger.items()}
    resting = {names.get(order.venue_order_id, order.client_id) for order in run.resting()}
    if answered != resting:
        found.append(f"live only in the ledger {answered - resting}, only at the venue {resting - answered}")
    unfinished = {order.client_id for order in run.orders.unfinished()}
    live = {order.client_id for order in run.ledger.orders(live_only=True)}
    if unfinished != live:
        found.append(f"live only in the journal {unfinished - live}, only in the ledger {live - unfinished}")
    return found


def _positions(run: Folder) -> list[str]:
    sums: Counter[tuple[str, str, str]] = Counter()
    for fill in run.fills:
        sums[fill.symbol, fill.group, fill.leg] += Side(fill.side).sign * fill.lots
    kept = {
        (row.position.instrument.symbol, row.position.group, row.position.leg): row.lots
        for row in run.ledger.positions()
    }
    if {place: lots for place, lots in sums.items() if lots} != kept:
        return ["positions are not the sums of the fills"]
    core = {row.position: row.lots for row in run.ledger.positions() if run.orders.position(row.position) != row.lots}
    return [f"position {place} is {lots} in the ledger, not in the core" for place, lots in core.items()]


def _money(run: Folder) -> list[str]:
    """Add up the money; what was open or executed when another program handed over is in the opening balances."""
    facts, opening = run.program.instrument, run.venue.settings.opening
    base, quote = opening[facts.base], opening[facts.quote]
    moved = [
        (Side(fill.side).sign, fill.lots, fill.cost, fill.fee)
        for fill in run.fills
        if fill.venue == facts.id.venue and not fill.client_id.startswith(OPENING)
    ]
    moved += [(-one.side.sign, one.cum_lots, one.cum_cost, -one.cum_fee) for one in run.rested.values()]
    for sign, lots, cost, fee in moved:
        base += sign * facts.base_amount(lots)
        quote -= sign * cost + fee
    total = {asset: sum(pair) for asset, pair in run.venue.balances().items()}
    wanted = {facts.base: base, facts.quote: quote}
    return [] if total == wanted else [f"the venue holds {total}, the fills leave {wanted}"]


def _outcomes(run: Folder) -> list[str]:
    """Compare what each prediction venue holds for us with the ledger: contracts by outcome, and cash."""
    found = []
    for name, venue in run.prediction.items():
        fills = [fill for fill in run.fills if fill.venue == name]
        held: Counter[str] = Counter()
        for fill in fills:
            held[fill.symbol] += Side(fill.side).sign * fill.lots
        ours = {symbol: lots for symbol, lots in held.items() if lots}
        theirs = {instrument.symbol: lots for instrument, lots in venue.positions().items() if lots}
        if ours != theirs:
            found.append(f"{name}: the ledger holds {ours}, the venue {theirs}")
        spent = sum(Side(fill.side).sign * fill.cost + fill.fee for fill in fills)
        wanted = sum(venue.settings.opening.values()) - spent
        there = sum(sum(pair) for pair in venue.balances().values())
        if there != wanted:
            found.append(f"{name}: the venue has {there} in cash, the fills leave {wanted}")
    return found


def _quoted(run: Folder) -> list[str]:
    """Compare what the quote desk's venue holds with the ledger, asset by asset: opening totals and fills."""
    if run.depth is None or run.program.quotes is None:
        return []
    wanted = Counter(run.depth.settings.opening)
    facts = {one.instrument.id.symbol: one.instrument for one in run.program.quotes.symbols.values()}
    for fill in run.fills:
        if fill.venue == run.depth.settings.venue:
            instrument, sign = facts[fill.symbol], Side(fill.side).sign
            wanted[instrument.base] += sign * instrument.base_amount(fill.lots)
            wanted[instrument.quote] -= sign * fill.cost + fill.fee
    there = {asset: sum(pair) for asset, pair in run.depth.balances().items()}
    wrong = sorted(asset for asset in wanted.keys() | there.keys() if wanted[asset] != there.get(asset, 0))
    return [f"{asset}: the venue has {there.get(asset, 0)}, the fills leave {wanted[asset]}" for asset in wrong]


def _profit(run: Folder) -> list[str]:
    """Compare the slots' running sums with the ledger's records (slots 7.3)."""
    grid = run.program.grid.grid
    told = ledger_sums(run.ledger, run.program, run.program.engine.now_ns)
    states = {slot.slot_id: slot.state for slot in run.slots.values()}
    audit = PnlAudit()
    audit.compare(states, grid.retired, grid.lock.loss_usd(told.ts_ns), told.sums, told.ts_ns)
    return [
        f"{row['subject']} {row['name']} is {row['state']}, the ledger's is {row['ledger']}"
        for row in audit.differences
    ]


def _slots(run: Folder) -> list[str]:
    grid = run.program.grid.grid
    found = [broken.text for broken in duplicate_txids(slot.state for slot in run.slots.values())]
    claimed = Counter(key for slot in run.slots.values() for key in slot.sent.values())
    name = run.program.grid.name
    mine = [order.place for order in run.orders.unfinished() if order.place.position.strategy == name]
    live = Counter(place.key for place in mine)
    if claimed != live:
        found.append(f"slots claim {sorted(claimed - live)} too many and {sorted(live - claimed)} too few orders")
    for slot in run.slots.values():
        lots = sum(run.orders.position(grid.position(slot.slot_id, leg)) for leg in ("A", "B"))
        owned = grid.instrument.volume(lots) - slot.residue_base
        found += [
            f"slot {slot.slot_id}: {broken}" for broken in violations(slot.state, grid.cfg(slot), slot.wait, owned)
        ]
        if slot.quarantined:
            found.append(f"slot {slot.slot_id} is in quarantine")
    return found
