"""How old the waiting exits are and how much capital they hold, and how long a start took (slots 16).

A sticky exit waits for ever, so its age is the first thing an operator asks about: an old exit far from the market is
capital that no longer turns over. Both records are read-only pictures; releases and tiers read the figures elsewhere.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from millrace.strategies.slots.release.gates import ReleaseSettings, gates_of
from millrace.strategies.slots.telemetry.capacity_health import median

HOUR_SEC, DAY_SEC = 3_600.0, 86_400.0
_EDGES: Final = (HOUR_SEC, 6 * HOUR_SEC, DAY_SEC, 7 * DAY_SEC)
_WARN_SEC = 3 * DAY_SEC
STARTUP_SLO_SEC = 60.0


class WaitingExit(msgspec.Struct, frozen=True, gc=False):
    """One exit, or a recovery carved out of one: its age in seconds, volume in base units, price in quote."""

    slot_id: int
    age_sec: float
    volume: float
    price: float


class Holdings(msgspec.Struct, frozen=True, kw_only=True):
    """What the account holds and the mark price in quote; None or 0 while unknown."""

    quote_usd: float | None = None
    base: float | None = None
    mark: float = 0.0


class SlotVintage(msgspec.Struct, frozen=True, kw_only=True):
    """The status object `slot_vintage` (slots 16): counts per age, percentages of them, capital, gates, flags."""

    fresh_0_1h: int
    aging_1_6h: int
    stale_6_24h: int
    old_1_7d: int
    ancient_7d_plus: int
    fresh_0_1h_pct: float
    aging_1_6h_pct: float
    stale_6_24h_pct: float
    old_1_7d_pct: float
    ancient_7d_plus_pct: float
    oldest_exit_age_sec: float
    min_slot_size_usd: float | None
    median_slot_size_usd: float | None
    max_slot_size_usd: float | None
    stuck_capital_usd: float
    stuck_capital_24h_usd: float
    stuck_capital_pct: float
    vintage_release_eligible: int
    regime_adx: float | None
    regime_strength_adx_proxy: float | None
    vintage_warn: bool
    vintage_critical: bool
    release_recon_gate_blocked: bool
    release_recon_gate_reason: str
    cycling_count: int
    waiting_count: int


def slot_vintage(
    exits: Sequence[WaitingExit],
    slot_sizes_usd: Sequence[float],
    holdings: Holdings,
    release: ReleaseSettings,
    adx: float | None,
    recon_gate_reason: str = "",
) -> SlotVintage:
    """Return the picture of all waiting exits.

    `slot_sizes_usd` holds one order size per slot (in DOGE mode volume * mark); a slot with no exit is cycling. `adx`
    is the unsmoothed index, None until warm; a reason text means that the reconciliation gate blocks releases.
    """
    counts = [0] * (len(_EDGES) + 1)
    for exit_ in exits:
        counts[sum(exit_.age_sec >= edge for edge in _EDGES)] += 1
    shares = [100.0 * count / len(exits) if exits else 0.0 for count in counts]
    oldest_sec = max((exit_.age_sec for exit_ in exits), default=0.0)
    mark = holdings.mark
    stuck_usd = sum(abs(exit_.volume) * mark for exit_ in exits)
    stuck_pct = share_of_portfolio_pct(stuck_usd, holdings)
    sizes = sorted(slot_sizes_usd)
    waiting = len({exit_.slot_id for exit_ in exits})
    return SlotVintage(
        fresh_0_1h=counts[0],
        aging_1_6h=counts[1],
        stale_6_24h=counts[2],
        old_1_7d=counts[3],
        ancient_7d_plus=counts[4],
        fresh_0_1h_pct=shares[0],
        aging_1_6h_pct=shares[1],
        stale_6_24h_pct=shares[2],
        old_1_7d_pct=shares[3],
        ancient_7d_plus_pct=shares[4],
        oldest_exit_age_sec=oldest_sec,
        min_slot_size_usd=sizes[0] if sizes else None,
        median_slot_size_usd=median(sizes),
        max_slot_size_usd=sizes[-1] if sizes else None,
        stuck_capital_usd=stuck_usd,
        stuck_capital_24h_usd=sum(abs(exit_.volume) * mark for exit_ in exits if exit_.age_sec >= DAY_SEC),
        stuck_capital_pct=stuck_pct,
        vintage_release_eligible=sum(gates_of(exit_.age_sec, exit_.price, mark, adx, release).ok for exit_ in exits),
        regime_adx=adx,
        regime_strength_adx_proxy=adx,
        vintage_warn=oldest_sec >= _WARN_SEC,
        vintage_critical=stuck_pct > release.max_stuck_pct,
        release_recon_gate_blocked=bool(recon_gate_reason),
        release_recon_gate_reason=recon_gate_reason,
        cycling_count=max(0, len(sizes) - waiting),
        waiting_count=waiting,
    )


def share_of_portfolio_pct(stuck_usd: float, holdings: Holdings) -> float:
    """Return stuck capital as a percentage of everything at the mark; 0 while that is not known (slots 16, 11.5)."""
    if holdings.quote_usd is None or holdings.base is None or holdings.mark <= 0.0:
        return 0.0
    portfolio_usd = holdings.quote_usd + holdings.base * holdings.mark
    return stuck_usd / portfolio_usd * 100.0 if portfolio_usd > 0.0 else 0.0


class StartupTimings(msgspec.Struct, frozen=True, kw_only=True):
    """The status object `startup` (slots 16): times are null until the start is over; the backlog drains later."""

    startup_reconcile_ms: float | None = None
    startup_replay_ms: float | None = None
    startup_bootstrap_ms: float | None = None
    startup_total_ms: float | None = None
    tracked_orders: int = 0
    replayed_fills: int = 0
    bootstrapped_slots: int = 0
    bootstrap_backlog: int = 0
    bootstrap_eta_sec: float = 0.0
    startup_slo_sec: float = STARTUP_SLO_SEC
    startup_slo_ok: bool | None = None


def started(
    reconcile_ms: float, replay_ms: float, bootstrap_ms: float, total_ms: float, counts: StartupTimings
) -> StartupTimings:
    """Return `counts` with the times of a finished start: none is negative, the total covers its parts."""
    parts = [max(0.0, part) for part in (reconcile_ms, replay_ms, bootstrap_ms)]
    total = max(total_ms, sum(parts))
    return msgspec.structs.replace(
        counts,
        startup_reconcile_ms=parts[0],
        startup_replay_ms=parts[1],
        startup_bootstrap_ms=parts[2],
        startup_total_ms=total,
        startup_slo_ok=total <= counts.startup_slo_sec * 1_000.0,
    )


def backlog_eta_sec(entries: int, per_loop: int, loop_sec: float) -> float:
    """Return how long deferred entries take: 160 at 2 per 30 s loop are 40 minutes, which is expected (slots 16)."""
    return -(-entries // per_loop) * loop_sec
