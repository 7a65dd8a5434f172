"""Releases by rule: two tiers that drain capital which waits for too long, one release at a time (slots 11.5).

Tier 1 begins above `MAX_STUCK_PCT` and releases exits that pass all gates until it is back there. Tier 2 begins above
`PANIC_STUCK_PCT`, asks for age alone, and goes on, whatever the share does between, until `RECOVERY_TARGET_PCT` or
until no exit is old enough. The next release begins only when the one before is booked and the hard gate has been
looked at again, so "stop at once" needs no undoing.

The tiers look in every loop while they may have something to do; `outlook` says when that is, by price and by time,
and is what lets a backtest pass the other loops over (design section 9).
"""

from collections.abc import Iterator
from math import floor
from typing import NamedTuple

from millrace.core.commands import Alert, Severity
from millrace.core.permission import Level
from millrace.risk.loss_lock import DAY_NS
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.reducer.model import Order, Recovery
from millrace.strategies.slots.release.flow import begin, projected_net_usd
from millrace.strategies.slots.release.gates import Gates, gates_of
from millrace.strategies.slots.release.recon import recon_gate
from millrace.strategies.slots.release.releases import Checks
from millrace.strategies.slots.slot import NEVER_NS, NO_HIGH, Slot
from millrace.strategies.slots.telemetry.vintage import Holdings, share_of_portfolio_pct
from millrace.strategies.slots.telemetry.watch import holdings
from millrace.strategies.slots.turn import Turn

_SECOND_NS = 1_000_000_000
_EDGE = 1e-9
_HAIR_NS = 1_000


class Waiting(NamedTuple):
    """One exit (negative id: a recovery) that waits, since when in seconds, and its slot; sorts oldest first."""

    since: float
    slot_id: int
    local_id: int
    slot: Slot
    record: Order | Recovery


def waiting_since(record: Order | Recovery) -> float:
    """Return when an exit began to wait: when its entry filled, else when it was placed (slots 11.1)."""
    return record.entry_filled_at or (record.orphaned_at if isinstance(record, Recovery) else record.placed_at)


def live_exits(slot: Slot) -> list[Waiting]:
    """Return the slot's exits and recoveries that stand on the book, oldest first."""
    return sorted(_on_the_book(slot), key=_oldest_first)


def _on_the_book(slot: Slot) -> Iterator[Waiting]:
    for order in slot.state.orders:
        if order.role == "exit" and order.state == "live" and order.local_id in slot.sent:
            yield Waiting(waiting_since(order), slot.slot_id, order.local_id, slot, order)
    for row in slot.state.recovery_orders:
        if row.state == "live" and -row.recovery_id in slot.sent:
            yield Waiting(waiting_since(row), slot.slot_id, -row.recovery_id, slot, row)


def _oldest_first(waiting: Waiting) -> tuple[float, int, int]:
    return waiting[:3]


def gates_now(grid: Grid, turn: Turn, record: Order | Recovery, adx: float | None) -> Gates:
    """Return the gates of an exit at the price and time of this turn; a stale price counts as none."""
    mark = 0.0 if turn.stale else turn.price
    return gates_of(turn.now - waiting_since(record), record.price, mark, adx, grid.settings.release)


def stuck_pct(grid: Grid, turn: Turn) -> float:
    """Return the share of capital that waits in exits and recoveries, in per cent (slots 16, 11.5)."""
    held = holdings(turn)
    known = Holdings(quote_usd=held.usd, base=held.base, mark=turn.price)
    return share_of_portfolio_pct(_stuck_units(grid) * turn.price, known)


def run_tiers(grid: Grid, turn: Turn) -> None:
    """Begin the next release that the tiers ask for, if any; called in every loop and when one of theirs is done."""
    releases, chosen = grid.releases, grid.settings.release
    releases.again = False
    if not chosen.auto_enabled:
        releases.latched = False
        return
    adx = grid.read_bars(turn).adx  # in any case, so that no bar is forgotten before it was read
    loop = turn.now_ns // grid.loop_ns
    if loop != releases.loop:
        releases.loop, releases.begun = loop, 0
    stuck = stuck_pct(grid, turn)
    if not releases.latched and stuck <= min(chosen.max_stuck_pct, chosen.panic_stuck_pct):
        return  # whatever else holds: the costly questions are only for when something is to be released
    if not _may_begin(grid, turn) or releases.begun >= chosen.batch_max:
        return
    picked = _pick(grid, turn, stuck, adx)
    if picked is None:
        return
    tier, waiting = picked
    if grid.lock.would_hit(projected_net_usd(grid, turn, waiting.slot, waiting.record), turn.now_ns):
        _tell_lock(grid, turn, tier, waiting)
        return
    gates = gates_now(grid, turn, waiting.record, adx)
    releases.begun += 1
    checks = Checks(gates.age.ok, gates.distance.ok, gates.regime.ok, recon=True)
    begin(grid, turn, waiting.slot, waiting.local_id, tier, checks)


def tier_active(grid: Grid, turn: Turn) -> int:
    """Return the tier that is draining now: 0 when neither has reason to, or when both are held back (slots 11.6)."""
    chosen = grid.settings.release
    if not (chosen.auto_enabled and grid.settings.sticky_mode_enabled) or recon_gate(grid, turn).blocks_tiers:
        return 0
    if grid.releases.latched:
        return 2
    return int(stuck_pct(grid, turn) > chosen.max_stuck_pct)


def _may_begin(grid: Grid, turn: Turn) -> bool:
    """Tell whether the tiers may act: sticky, running, fresh price, clear gate, no release under way or just failed."""
    if not grid.settings.sticky_mode_enabled or turn.standing.level >= Level.REDUCE_ONLY or turn.stale:
        return False
    held = len(grid.releases) > 0 or turn.now_ns < grid.releases.hold_until_ns
    return not held and not recon_gate(grid, turn).blocks_tiers


def _pick(grid: Grid, turn: Turn, stuck: float, adx: float | None) -> tuple[int, Waiting] | None:
    """Return the tier and the exit that it releases next; moves the latch of tier 2."""
    releases, chosen = grid.releases, grid.settings.release
    if stuck > chosen.panic_stuck_pct:
        releases.latched = True
    elif stuck <= chosen.recovery_target_pct:
        releases.latched = False
    if releases.latched:
        oldest = min(_sticky_exits(grid), key=_oldest_first, default=None)
        if oldest is not None and turn.now - oldest.since >= chosen.panic_min_age_sec:
            return 2, oldest
        releases.latched = False
    if stuck > chosen.max_stuck_pct and grid.tier1_allowed(turn):
        aged = [row for row in _sticky_exits(grid) if turn.now - row.since >= chosen.min_age_sec]
        aged.sort(key=_oldest_first)
        first = next((row for row in aged if gates_now(grid, turn, row.record, adx).ok), None)
        return None if first is None else (1, first)
    return None


def _tell_lock(grid: Grid, turn: Turn, tier: int, waiting: Waiting) -> None:
    """Tell once a day that a tier waits because its next booking would close the loss lock (slots 11.5)."""
    day = turn.now_ns // DAY_NS
    if day != grid.releases.told_day:
        grid.releases.told_day = day
        text = f"tier {tier} skips slot {waiting.slot_id}: the booking would hit the daily loss limit"
        turn.out.append(Alert(Severity.WARN, "release_daily_loss", text, turn.now_ns))


def _sticky_exits(grid: Grid) -> Iterator[Waiting]:
    """Yield what a tier may release; what a slot in quarantine holds is for a person to find out first (slots 3)."""
    for slot in grid.slots.values():
        if grid.is_sticky(slot) and not slot.quarantined:
            yield from _on_the_book(slot)


def _stuck_units(grid: Grid) -> float:
    """Return the base units of all waiting exits; written out, because it is asked for after every event."""
    total = 0.0
    for slot in grid.slots.values():
        for order in slot.state.orders:
            if order.entry_filled_at > 0.0:
                total += abs(order.volume)
        for row in slot.state.recovery_orders:
            if row.entry_filled_at > 0.0:
                total += abs(row.volume)
    return total


def _oldest_since(grid: Grid) -> float | None:
    """Return since when the oldest exit of a sticky slot waits on the book, None without any; written out likewise."""
    oldest: float | None = None
    for slot in grid.slots.values():
        if not grid.is_sticky(slot):
            continue
        for order in slot.state.orders:
            if order.role == "exit" and order.state == "live" and order.local_id in slot.sent:
                since = waiting_since(order)
                oldest = since if oldest is None else min(oldest, since)
        for row in slot.state.recovery_orders:
            if row.state == "live" and -row.recovery_id in slot.sent:
                since = waiting_since(row)
                oldest = since if oldest is None else min(oldest, since)
    return oldest


# ---- when to look


def watch_tiers(grid: Grid, turn: Turn) -> None:
    """Work out by which price and time the tiers may have something to do; nothing while they are off."""
    releases = grid.releases
    on = grid.settings.release.auto_enabled and grid.settings.sticky_mode_enabled
    found = _outlook(grid, turn) if on else (NO_HIGH, NEVER_NS)
    if found != (releases.high_ticks, releases.due_ns):
        releases.high_ticks, releases.due_ns = found
        grid.rescheduled()


def _outlook(grid: Grid, turn: Turn) -> tuple[int, int]:
    """Return (high ticks, due time).

    Whatever lifts a restriction, ends a release or acknowledges a trip wakes the grid by itself.
    """
    chosen, next_loop_ns = grid.settings.release, grid.next_loop_ns(turn.now_ns)
    if turn.standing.level >= Level.REDUCE_ONLY or grid.releases.tripped or len(grid.releases):
        return NO_HIGH, NEVER_NS
    if grid.releases.hold_until_ns > turn.now_ns:
        return NO_HIGH, max(next_loop_ns, grid.loop_at_ns(grid.releases.hold_until_ns))
    if grid.releases.latched:
        return NO_HIGH, next_loop_ns
    oldest = _oldest_since(grid)
    if oldest is None:
        return NO_HIGH, NEVER_NS
    # A hair early: the age is compared in float seconds, and waking for nothing does no harm.
    aged_ns = floor((oldest + chosen.panic_min_age_sec) * _SECOND_NS) - _HAIR_NS
    if aged_ns > turn.now_ns:
        return NO_HIGH, max(next_loop_ns, grid.loop_at_ns(aged_ns))
    if stuck_pct(grid, turn) > chosen.max_stuck_pct:
        return NO_HIGH, next_loop_ns
    high_ticks = _stuck_ticks(grid, turn)
    return (NO_HIGH, next_loop_ns) if high_ticks <= turn.ticks else (high_ticks, NEVER_NS)


def _stuck_ticks(grid: Grid, turn: Turn) -> int:
    """Return the price at which the share of stuck capital reaches the threshold: it grows with the price of the coins.

    units * p / (usd + base * p) = t, solved for p, and a hair lower.
    """
    held, share = holdings(turn), grid.settings.release.max_stuck_pct / 100.0
    if held.usd is None or held.base is None:
        return NO_HIGH
    slope = _stuck_units(grid) - share * held.base
    if slope <= 0.0:
        return NO_HIGH
    price = share * held.usd / slope * (1.0 - _EDGE)
    return min(floor(price * 10.0**grid.instrument.price_decimals), NO_HIGH)
