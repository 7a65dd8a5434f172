"""May the grid go to its next stage? Gates A and C of a roll-out, judged from what was written down (slots 20.3).

Records in, verdict out: nothing here reads a file, a clock or the grid's state, so a gate that is green today can be
shown again tomorrow from the same ledger. What has not been observed long enough does not pass; the check says what is
missing. Figures that the contract leaves open are constants here, each with its reason.
"""

from collections.abc import Sequence
from typing import Final

from millrace.core.commands import Book
from millrace.strategies.slots.stages.gate_check import Check, Evidence, Gate, at_least, at_most, gate_of, unknown
from millrace.strategies.slots.stages.gate_records import INVARIANT, LOW_HEADROOM, STAGE
from millrace.strategies.slots.telemetry.vintage import STARTUP_SLO_SEC
from millrace.strategies.slots.telemetry.vintage_day import KIND as DAY

A_SLOTS, C_SLOTS = 80, 100
LOW_HEADROOM_MINUTES = 10.0
OBSERVED_DAYS = 1
"""How many days' records a number of slots must have behind it; ours: without one, no failures would mean nothing."""
BLOCK_RATE_UP = 1.10
ENOUGH_ENTRIES = 200
"""Entries on either side of a comparison of rates; ours: with fewer, ten per cent are a matter of luck."""
ORDERS_PER_SLOT = 2
LEAST_TRACKED = 150
RELEASE: Final = "release"
_SECONDS = 60.0
_DEFAULT_CAP = (225, 0.75, "none")
_GATES_OF_AN_EXIT = ("gate_age_ok", "gate_distance_ok", "gate_regime_ok")


def gate_a(evidence: Evidence) -> Gate:
    """Judge 80 sticky slots: no invariant broke, headroom held, a manual release met its gates."""
    sticky = _sticky_stretch(evidence)
    since_ns = sticky[0].ts_ns if sticky else None
    checks = (
        _slots(sticky, A_SLOTS),
        _observed(evidence, sticky, A_SLOTS),
        _invariants(evidence, since_ns),
        _headroom(evidence, since_ns),
        _manual_release(evidence, since_ns),
    )
    return gate_of("A", "80 slots", checks)


def gate_c(evidence: Evidence) -> Gate:
    """Judge 100 slots: the cap was raised on record, it does not hold entries back more, and starts stay short."""
    sticky = _sticky_stretch(evidence)
    checks = (
        _slots(sticky, C_SLOTS),
        _observed(evidence, sticky, C_SLOTS),
        _cap_changed(evidence),
        _cap_suffices(evidence),
        _block_rate(evidence),
        _startup(evidence),
    )
    return gate_of("C", "100 slots", checks)


# Slots and days


def _sticky_stretch(evidence: Evidence) -> list[Book]:
    """Return the stage records since sticky mode was last switched on; none while it is off."""
    stretch: list[Book] = []
    for record in evidence.of(STAGE):
        if record.values["sticky"] is True:
            stretch.append(record)
        else:
            stretch.clear()
    return stretch


def _number(record: Book, key: str) -> float:
    value = record.values[key]
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"the {record.kind} record {record.key} holds no number as {key}: {value!r}")
    return value


def _reached(sticky: Sequence[Book], slots: int) -> Book | None:
    """Return the record with which the grid came to have so many slots; None while it has fewer."""
    reached: Book | None = None
    for record in sticky:
        enough = _number(record, "slots") >= slots
        reached = (reached or record) if enough else None
    return reached


def _slots(sticky: Sequence[Book], slots: int) -> Check:
    if not sticky:
        return unknown("sticky_slots", slots, ">=", "sticky mode is not on")
    reached = _reached(sticky, slots)
    found = _number(sticky[-1], "slots")
    if reached is None:
        return unknown("sticky_slots", slots, ">=", f"{slots - found:g} more sticky slots", value=found)
    return at_least("sticky_slots", found, slots, reached.ts_ns)


def _observed(evidence: Evidence, sticky: Sequence[Book], slots: int) -> Check:
    reached = _reached(sticky, slots)
    days = [
        record
        for record in evidence.of(DAY)
        if reached is not None and record.ts_ns > reached.ts_ns and _number(record, "slots") >= slots
    ]
    if len(days) < OBSERVED_DAYS:
        text = f"{OBSERVED_DAYS - len(days)} more recorded day with {slots} slots"
        return unknown("observed_days", OBSERVED_DAYS, ">=", text, value=len(days))
    return at_least("observed_days", len(days), OBSERVED_DAYS, days[OBSERVED_DAYS - 1].ts_ns)


# Gate A


def _invariants(evidence: Evidence, since_ns: int | None) -> Check:
    if since_ns is None:
        return unknown("invariant_failures", 0, "<=", "sticky mode is not on")
    broken = [row for row in evidence.of(INVARIANT) if row.ts_ns >= since_ns and row.values["sticky"] is True]
    if not broken:
        return at_most("invariant_failures", 0, 0, since_ns)
    first = broken[0].values
    text = f"slot {first['slot']} broke invariant {first['numbers']}{', which halted' if first['halted'] else ''}"
    return at_most("invariant_failures", len(broken), 0, broken[0].ts_ns, text)


def _headroom(evidence: Evidence, since_ns: int | None) -> Check:
    name = "low_headroom_minutes"
    if since_ns is None:
        return unknown(name, LOW_HEADROOM_MINUTES, "<=", "sticky mode is not on")
    rows = [row for row in evidence.of(LOW_HEADROOM) if row.ts_ns >= since_ns]
    ended = {row.values["since_ns"] for row in rows if row.values["ended"] is True}
    longest, bad_ns = 0.0, None
    for row in rows:
        lasts = row.values["ended"] is not True and row.values["since_ns"] not in ended and row is rows[-1]
        seconds = (evidence.now_ns - _number(row, "since_ns")) / 1e9 if lasts else _number(row, "seconds")
        longest = max(longest, seconds)
        if bad_ns is None and seconds > LOW_HEADROOM_MINUTES * _SECONDS:
            bad_ns = row.ts_ns
    return at_most(name, longest / _SECONDS, LOW_HEADROOM_MINUTES, bad_ns or since_ns)


def _manual_release(evidence: Evidence, since_ns: int | None) -> Check:
    """A manual request that was answered gate by gate, whether they let it through or not."""
    asked = [
        row
        for row in evidence.of(RELEASE)
        if row.values.get("tier") == 0 and all(isinstance(row.values.get(key), bool) for key in _GATES_OF_AN_EXIT)
    ]
    if since_ns is not None:
        asked = [row for row in asked if row.ts_ns >= since_ns]
    if not asked:
        return unknown("manual_releases", 1, ">=", "a manual release that its gates answered", value=0)
    return at_least("manual_releases", len(asked), 1, asked[0].ts_ns)


# Gate C


def _cap(record: Book) -> tuple[object, ...]:
    values = record.values
    return values["open_order_limit"], values["safety_ratio"], values.get("entry_cap_policy", "none")


def _cap_record(evidence: Evidence) -> Book | None:
    """Return the stage record that last brought another cap than held before it; the contract's holds at first."""
    found: Book | None = None
    before: tuple[object, ...] = _DEFAULT_CAP
    for record in evidence.of(STAGE):
        now = _cap(record)
        if now != before:
            found, before = record, now
    return found


def _cap_changed(evidence: Evidence) -> Check:
    record = _cap_record(evidence)
    if record is None:
        return unknown("cap_policy_changes", 1, ">=", "a change of the cap on record", value=0)
    return at_least("cap_policy_changes", 1, 1, record.ts_ns)


def _cap_suffices(evidence: Evidence) -> Check:
    """All slots flat have two entries each, and the cap must hold them (slots 9)."""
    stages = evidence.of(STAGE)
    if not stages:
        return unknown("safe_cap", C_SLOTS * ORDERS_PER_SLOT, ">=", "a record of the stage")
    record = _cap_record(evidence) or stages[0]
    return at_least("safe_cap", _number(stages[-1], "safe_cap"), C_SLOTS * ORDERS_PER_SLOT, record.ts_ns)


def _block_rate(evidence: Evidence) -> Check:
    """Compare the share of entries that the cap held back since it was changed with the share before."""
    name, change = "entry_block_rate", _cap_record(evidence)
    if change is None:
        return unknown(name, BLOCK_RATE_UP, "<=", "a change of the cap on record")
    before = _entries(change)
    after, rates = 0.0, list[tuple[int, float]]()
    limit = BLOCK_RATE_UP * before[1] / (sum(before) or 1.0)
    for row in evidence.of(STAGE, DAY):
        sent, blocked = (count - then for count, then in zip(_entries(row), before, strict=True))
        after = sent + blocked
        if min(sum(before), after) >= ENOUGH_ENTRIES:
            rates.append((row.ts_ns, blocked / after))
    if not rates:
        missing = f"{max(0.0, ENOUGH_ENTRIES - sum(before)):g} more entries before the change of the cap and"
        return unknown(name, BLOCK_RATE_UP, "<=", f"{missing} {max(0.0, ENOUGH_ENTRIES - after):g} after it")
    since_ns, rate = rates[-1]
    for ts_ns, then in reversed(rates):
        if (then <= limit) != (rate <= limit):
            break
        since_ns = ts_ns
    return at_most(name, rate, limit, since_ns)


def _entries(record: Book) -> tuple[float, float]:
    """Return how many entries were sent and how many legs the cap held back, up to the record."""
    return _number(record, "entries_sent"), _number(record, "entries_blocked")


def _startup(evidence: Evidence) -> Check:
    """The slowest start that had as many orders to account for as 100 slots have."""
    starts = [start for start in evidence.starts if start.tracked_orders >= LEAST_TRACKED]
    if not starts:
        return unknown("startup_sec", STARTUP_SLO_SEC, "<=", f"a start with {LEAST_TRACKED} or more tracked orders")
    slow = [start for start in starts if start.total_sec > STARTUP_SLO_SEC]
    worst = max(start.total_sec for start in starts)
    return at_most("startup_sec", worst, STARTUP_SLO_SEC, (slow or starts)[0].ts_ns)
