"""A grid as a file that outlives programs: what the old bot wrote, and what we write for whoever comes next (slots 17).

This is not the engine's snapshot, which is exact and belongs to one journal. It is a document with the contract's
names, and reading it is total: the old bot's shapes, missing fields and damaged ones all load, each with a notice.
Enable flags are never read, because configuration beats a snapshot; what an operator set by hand is. A record that
cannot be read may have been a position, so its slot is marked and will be quarantined.
"""

import re
from dataclasses import dataclass, field, fields
from typing import Any, Final

from millrace.sizing.regime import normalise_regime
from millrace.strategies.slots.handover.plain_values import Fields, as_day, as_number, strict
from millrace.strategies.slots.reducer.codec import load, to_dict
from millrace.strategies.slots.reducer.model import MAX_CYCLES, Leg, Order, Recovery, SlotState

VERSION: Final = 2
"""1, or none, is the old bot's; 2 is ours. A newer one is shown and not traded on."""
_KNOWN: Final = frozenset(
    {
        "version", "saved_at", "mode", "pause_reason", "pair", "entry_pct", "profit_pct", "next_slot_id",
        "next_event_id", "seen_fills", "seen_fill_txids", "last_price", "last_price_ts", "last_price_at", "slots",
        "slot_aliases", "slot_alias", "slot_sticky", "slot_sticky_overrides", "sticky_map", "quarantined",
        "quarantined_slots", "recon_baseline", "daily_loss_lock", "throughput_sizer_state", "kelly_state", "parts",
        "checksum",
    }
)  # fmt: skip
_POSITIONS: Final = ("orders", "cancelling", "recovery_orders")
_LOST: Final = re.compile(r"^\w+(\[\d+\])?: (dropped|not a list)")
_MAY_LACK: Final = frozenset({"s2_entered_at", "last_price_update_at"})
_TIMES: Final = frozenset(
    {
        "now", "placed_at", "entry_filled_at", "orphaned_at", "executed_at", "cooldown_until", "refresh_cooldown_until",
        *_MAY_LACK,
    }
)  # fmt: skip
_LATEST: Final = 4e9
"""Seconds since 1970, in 2096."""
_DEAREST, _LARGEST, _COSTLIEST = 1e9, 1e9, 1e8
"""Beyond these a price, a volume or what they come to has no exact form in the ledger."""


class TooNew(ValueError):  # noqa: N818  it says what the snapshot is
    """The snapshot is of a version that this program does not know."""


@dataclass(slots=True)
class SlotRecord:
    """One slot; `damaged` when a record of it could not be read, `attempts` counts placements of unfinished ids.

    `plain` are entries that the rebalancer leaves their size; `exits_wait_from` is when the age of exits began anew,
    None where nothing says so.
    """

    slot_id: int
    state: SlotState
    sticky: bool | None = None
    quarantined: bool = False
    damaged: bool = False
    residue_base: float = 0.0
    compound_units: float = 0.0
    exits_wait_from: float | None = None
    gate_bypassed: bool = False
    plain: set[int] = field(default_factory=set)
    attempts: dict[int, int] = field(default_factory=dict)


@dataclass(slots=True)
class LossDay:
    """The daily loss lock: the UTC day (days since 1970) and what it lost so far."""

    active: bool = False
    day: int | None = None
    value: float = 0.0


@dataclass(slots=True)
class GridSnapshot:
    """Everything that a grid hands on. Times are float seconds; `next_event_id` is the number of the next booking.

    `baseline` is (usd, base, price or 0, seconds), `parts` the exact states of our own parts, empty from other hands,
    and `echo` what nobody here uses and the next one may.
    """

    version: int = VERSION
    saved_at: float = 0.0
    mode: str = "RUNNING"
    pause_reason: str = ""
    pair: str = ""
    entry_pct: float | None = None
    profit_pct: float | None = None
    next_slot_id: int = 1
    next_event_id: int = 1
    last_price: float = 0.0
    last_price_ts: float = 0.0
    seen_fills: list[tuple[str, float]] = field(default_factory=list)
    slots: list[SlotRecord] = field(default_factory=list)
    aliases: dict[str, str] = field(default_factory=dict)
    baseline: tuple[float, float, float, float] | None = None
    loss: LossDay = field(default_factory=LossDay)
    sizer: dict[str, Any] = field(default_factory=dict)
    parts: dict[str, Any] = field(default_factory=dict)
    echo: dict[str, Any] = field(default_factory=dict)


def read_version(document: object) -> int:
    """Return a document's version; what has none, or none that can be read, is the old bot's."""
    told = document.get("version") if isinstance(document, dict) else None
    number = as_number(told.strip().lstrip("vV")) if isinstance(told, str) else as_number(told)
    return 1 if number is None or number < 1.0 else int(number) + (number > int(number))


def read_snapshot(document: object, *, trusted: bool = False) -> tuple[GridSnapshot, list[str]]:
    """Return the snapshot and what could not be read of it; raises TooNew, and nothing else.

    With `trusted`, which is what a checksum that matches says, a program of ours wrote it: the exact states of our own
    parts are taken too, and numbers need not be looked at before they are read.
    """
    version = read_version(document)
    if version > VERSION:
        raise TooNew(f"the snapshot is of version {version}, this program knows {VERSION}")
    notices: list[str] = []
    parts = document.get("parts") if isinstance(document, dict) else None
    row = document if trusted else strict(document)
    if not isinstance(row, dict):
        notices.append("the document is no object: nothing could be read")
    given = Fields(row, notices)
    found = GridSnapshot(
        version=version,
        saved_at=_at_least_0(given.number("saved_at", "ts", "timestamp")),
        mode=given.text("mode").upper() or "RUNNING",
        pause_reason=given.text("pause_reason"),
        pair=given.text("pair"),
        entry_pct=given.number("entry_pct"),
        profit_pct=given.number("profit_pct"),
        last_price=_at_least_0(given.number("last_price")),
        last_price_ts=_at_least_0(given.number("last_price_ts", "last_price_at")),
        seen_fills=_seen_fills(given),
        aliases={name: str(alias) for name, alias in given.object("slot_aliases", "slot_alias").items()},
        baseline=_baseline(given.object("recon_baseline"), notices),
        loss=_loss(given, notices),
        sizer=given.object("throughput_sizer_state"),
        parts=parts if trusted and isinstance(parts, dict) else {},
        echo={name: value for name, value in given.row.items() if name not in _KNOWN and not name.startswith("kelly")},
    )
    found.slots = _slots(given, found, notices)
    taken = max([slot.slot_id for slot in found.slots], default=0)
    found.next_slot_id = max(given.count("next_slot_id", least=1) or 1, taken + 1)
    found.next_event_id = given.count("next_event_id", least=1) or 1
    return found, notices


def document_of(snapshot: GridSnapshot) -> dict[str, Any]:
    """Return the snapshot as strict JSON's builtins, under the contract's names."""
    usd, base, price, ts = snapshot.baseline or (None, None, None, None)
    return {
        **snapshot.echo,
        "version": VERSION,
        "saved_at": snapshot.saved_at,
        "mode": snapshot.mode,
        "pause_reason": snapshot.pause_reason,
        "pair": snapshot.pair,
        "entry_pct": snapshot.entry_pct,
        "profit_pct": snapshot.profit_pct,
        "next_slot_id": snapshot.next_slot_id,
        "next_event_id": snapshot.next_event_id,
        "seen_fills": [[txid, seen_at] for txid, seen_at in snapshot.seen_fills],
        "last_price": snapshot.last_price,
        "last_price_ts": snapshot.last_price_ts,
        "slots": [
            {
                "slot_id": slot.slot_id,
                "state": to_dict(slot.state),
                "sticky": slot.sticky,
                "quarantined": slot.quarantined or slot.damaged,
                "residue_base": slot.residue_base,
                "compound_units": slot.compound_units,
                "exits_wait_from": slot.exits_wait_from,
                "gate_bypassed": slot.gate_bypassed,
                "plain": sorted(slot.plain),
                "attempts": [[local_id, count] for local_id, count in sorted(slot.attempts.items())],
            }
            for slot in snapshot.slots
        ],
        "slot_aliases": snapshot.aliases,
        "slot_sticky": {str(slot.slot_id): slot.sticky for slot in snapshot.slots},
        "recon_baseline": None if snapshot.baseline is None else {"usd": usd, "base": base, "price": price, "ts": ts},
        "daily_loss_lock": {
            "active": snapshot.loss.active,
            "day": snapshot.loss.day,
            "value": snapshot.loss.value,
        },
        "throughput_sizer_state": snapshot.sizer,
        "parts": snapshot.parts,
    }


def _at_least_0(number: float | None) -> float:
    return max(0.0, number or 0.0)


def _seen_fills(given: Fields) -> list[tuple[str, float]]:
    """Return fills that were booked: names with times, or the old bot's bare names."""
    _, rows = next(
        ((name, given.row[name]) for name in ("seen_fills", "seen_fill_txids") if name in given.row), ("", [])
    )
    found = []
    for row in rows if isinstance(rows, list) else []:
        name, seen_at = (row[0], row[1]) if isinstance(row, list) and len(row) > 1 else (row, 0.0)
        if isinstance(name, str):
            found.append((name, _at_least_0(as_number(seen_at))))
    return found


def _baseline(row: dict[str, Any], notices: list[str]) -> tuple[float, float, float, float] | None:
    given = Fields(row, notices, "recon_baseline.")
    usd, base = given.number("usd", "quote"), given.number("base", "doge")
    if usd is None or base is None:
        return None
    return usd, base, _at_least_0(given.number("price")), _at_least_0(given.number("ts", "timestamp"))


def _loss(given: Fields, notices: list[str]) -> LossDay:
    """Return the daily loss lock, as an object or in the old bot's flat names."""
    lock = Fields(given.object("daily_loss_lock"), notices, "daily_loss_lock.")
    day = as_day(lock.row.get("day", given.row.get("daily_loss_lock_utc_day")))
    value = lock.number("value", "loss") or given.number("daily_realized_loss_utc", "daily_loss_value")
    active = lock.flag("active") or given.flag("daily_loss_lock_active")
    return LossDay(active or False, day, _at_least_0(value))


def _slots(given: Fields, found: GridSnapshot, notices: list[str]) -> list[SlotRecord]:
    rows = given.row.get("slots")
    named: list[tuple[str | None, Any]] = []
    if isinstance(rows, dict):
        named = list(rows.items())
    elif isinstance(rows, list):
        named = [(None, row) for row in rows]
    elif rows is not None:
        notices.append("slots: neither a list nor an object; there are none")
    sticky = given.object("slot_sticky", "slot_sticky_overrides", "sticky_map")
    quarantine = given.row.get("quarantined", given.row.get("quarantined_slots"))
    in_quarantine = {str(name) for name in quarantine} if isinstance(quarantine, list) else set()
    slots: dict[int, SlotRecord] = {}
    for place, (name, row) in enumerate(named):
        slot_id = _slot_id(name, row, place)
        if not isinstance(row, dict):
            notices.append(f"slots[{place}]: no object; dropped")
        elif slot_id in slots:
            notices.append(f"slots[{place}]: slot {slot_id} comes twice; the second is dropped")
        else:
            slots[slot_id] = _slot(slot_id, row, sticky, found.profit_pct, notices)
            slots[slot_id].quarantined |= str(slot_id) in in_quarantine
    return [slots[slot_id] for slot_id in sorted(slots)]


def _slot_id(name: str | None, row: object, place: int) -> int:
    told = as_number(name) if name is not None else None
    if told is None and isinstance(row, dict):
        told = as_number(row.get("slot_id"))
    return int(told) if told is not None and told >= 0 else place


def _slot(
    slot_id: int, row: dict[str, Any], sticky: dict[str, Any], profit_pct: float | None, notices: list[str]
) -> SlotRecord:
    """Read one slot: our row around a state, or the old bot's state itself."""
    inner = row.get("state")
    state_row: dict[str, Any] = _with_regimes(inner if isinstance(inner, dict) else row)
    state, problems = load(state_row)
    given = Fields(row, notices, f"slot {slot_id}: ")
    unsound = _sound(state)
    notices += [f"slot {slot_id}: {problem}" for problem in (*problems, *unsound)]
    lost = any(problem.startswith(_POSITIONS) and _LOST.match(problem) for problem in problems)
    if "profit_pct_runtime" not in state_row and profit_pct is not None and profit_pct > 0.0:
        state.profit_pct_runtime = profit_pct
    attempts, plain = row.get("attempts"), row.get("plain")
    waits_from = given.number("exits_wait_from")
    record = SlotRecord(
        slot_id,
        state,
        quarantined=given.flag("quarantined") or False,
        damaged=lost or bool(unsound),
        residue_base=given.number("residue_base") or 0.0,
        compound_units=given.number("compound_units") or 0.0,
        exits_wait_from=None if waits_from is None or not 0.0 <= waits_from <= _LATEST else waits_from,
        gate_bypassed=given.flag("gate_bypassed") or False,
        plain={each for each in plain if type(each) is int} if isinstance(plain, list) else set(),
        attempts=_attempts(attempts) if isinstance(attempts, list) else {},
    )
    if str(slot_id) in sticky or "sticky" in row:
        said = sticky.get(str(slot_id), row.get("sticky"))
        record.sticky = said if isinstance(said, bool) else None
    elif any(order.role == "exit" for order in state.orders):
        record.sticky = True
        notices.append(f"slot {slot_id}: nothing says whether it is sticky; it holds an exit, so it is")
    return record


def _with_regimes(row: dict[str, Any]) -> dict[str, Any]:
    """Return the state's row with regimes as numbers, in whatever spelling they were (slots 1.1)."""
    read = dict(row)
    for name in (*_POSITIONS, "completed_cycles"):
        if isinstance(row.get(name), list):
            read[name] = [
                {**each, "regime_at_entry": normalise_regime(each["regime_at_entry"])}
                if isinstance(each, dict) and "regime_at_entry" in each
                else each
                for each in row[name]
            ]
    return read


def _attempts(rows: list[Any]) -> dict[int, int]:
    pairs = [row for row in rows if isinstance(row, list) and len(row) > 1]
    return {row[0]: row[1] for row in pairs if all(type(each) is int for each in row[:2]) and row[1] > 0}


# ---- what a slot's records must be before anything is traded on them -------------------------------------------------


def _sound(state: SlotState) -> list[str]:
    """Take out records that no venue can hold, and put right what only names things; returns what went."""
    gone: list[str] = []
    del state.completed_cycles[:-MAX_CYCLES]
    timed: list[SlotState | Leg | Order | Recovery] = [state, state.a, state.b]
    for record in [*timed, *state.orders, *state.cancelling, *state.recovery_orders]:
        _sane_times(record)
    state.orders[:] = _kept(state.orders, gone)
    state.cancelling[:] = _kept(state.cancelling, gone)
    state.recovery_orders[:] = _kept(state.recovery_orders, gone)
    for leg in (state.a, state.b):
        leg.cycle = max(1, leg.cycle)
        if not (0.0 <= leg.dust.volume <= _LARGEST and abs(leg.dust.cost) <= _COSTLIEST):
            gone.append(f"a dust record of {leg.dust.volume} cannot be")
            leg.dust = type(leg.dust)()
    state.next_order_id = _renumber([*state.orders, *state.cancelling], "local_id", state.next_order_id)
    state.next_recovery_id = _renumber(state.recovery_orders, "recovery_id", state.next_recovery_id)
    if state.long_only and state.short_only:
        state.long_only = state.short_only = False
    return gone


def _sane_times(record: SlotState | Leg | Order | Recovery) -> None:
    """Forget times that no clock shows: an exit is then as old as its placing, a cooldown over."""
    for name in [each.name for each in fields(record) if each.name in _TIMES]:
        told = getattr(record, name)
        if told is not None and not 0.0 <= told <= _LATEST:
            setattr(record, name, None if name in _MAY_LACK else 0.0)
    if isinstance(record, Leg):
        record.cancel_times[:] = [told for told in record.cancel_times if 0.0 <= told <= _LATEST]


def _kept(records: list[Any], gone: list[str]) -> list[Any]:
    """Return the records that can stand at a venue; what one has executed never exceeds what it is."""
    kept = []
    for record in records:
        if not _possible(record):
            gone.append(f"{type(record).__name__} {record.txid or '-'}: no order has such numbers; dropped")
            continue
        record.cycle = max(1, record.cycle)
        if not _executed_soundly(record):
            # The venue knows better; until it has said so nothing of the order counts as executed.
            record.executed_volume = record.executed_cost = record.executed_fee = record.executed_at = 0.0
        kept.append(record)
    return kept


def _possible(record: Order | Recovery) -> bool:
    size = 0.0 < record.price <= _DEAREST and 0.0 < record.volume <= _LARGEST
    if not size or record.price * record.volume > _COSTLIEST or abs(record.entry_fee) > _COSTLIEST:
        return False
    if isinstance(record, Order) and record.role == "entry":
        return True
    return 0.0 < record.entry_price <= _DEAREST and record.entry_price * record.volume <= _COSTLIEST


def _executed_soundly(record: Order | Recovery) -> bool:
    if record.executed_volume == 0.0:
        return record.executed_cost == 0.0 and record.executed_fee == 0.0
    costs = 0.0 < record.executed_cost <= _COSTLIEST and abs(record.executed_fee) <= _COSTLIEST
    return 0.0 < record.executed_volume < record.volume and costs


def _renumber(records: list[Any], name: str, next_id: int) -> int:
    """Give a record whose local id is taken or impossible a new one; returns the next free id."""
    seen: set[int] = set()
    free = max(1, next_id, *(getattr(record, name) + 1 for record in records)) if records else max(1, next_id)
    for record in records:
        if getattr(record, name) in seen or getattr(record, name) < 1:
            setattr(record, name, free)
            free += 1
        seen.add(getattr(record, name))
    return free
