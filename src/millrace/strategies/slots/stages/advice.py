"""The operator's playbook as codes that a machine can read: the status object `playbook` (slots 20.1).

What the page says in words is judged here from the same figures that the page names, so that a roll-out script and a
person cannot read it in two ways. Nothing acts on it: adding slots stays a person's decision and has its own guard.
"""

from typing import Final, Literal

import msgspec

from millrace.strategies.slots.telemetry.capacity_health import CAUTION, STOP, CapacityFillHealth
from millrace.strategies.slots.telemetry.vintage import DAY_SEC

Scaling = Literal["free", "one_slot_a_day", "none", "frozen"]
NORMAL_AGAIN_SEC: Final = 72 * 3_600.0
PANIC_STUCK_PCT: Final = 80.0
STRONG_SEC: Final = 7 * DAY_SEC
FAR_PCT: Final = 10.0


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the advice is made of, beside the capacity object.

    `stopped_at` is when the band was last stop, None if never; `strong_for_sec` for how long the ADX band has been
    trending; `farthest_exit_pct` how far the farthest exit stands from the market.
    """

    stopped_at: float | None
    low_headroom_lasts: bool
    stuck_pct: float
    strong_for_sec: float
    farthest_exit_pct: float


class Advice(msgspec.Struct, frozen=True, kw_only=True):
    """Whether slots may be added, in how many seconds the freeze ends if nothing happens, and what else to do."""

    scaling: Scaling
    scaling_resumes_in_sec: float | None
    advice: tuple[str, ...]


def advise(health: CapacityFillHealth, seen: Seen) -> Advice:
    """Return what the playbook says to these figures."""
    cancels, unhandled = health.partial_fill_cancel_events_1d > 0, health.partial_cancel_unhandled_total > 0
    wait_sec = 0.0 if seen.stopped_at is None else max(0.0, NORMAL_AGAIN_SEC - health.normal_streak_sec)
    scaling: Scaling = "free"
    if cancels or unhandled:
        scaling = "frozen"
    elif health.status_band == STOP:
        scaling = "none"
    elif wait_sec > 0.0:
        scaling = "frozen"
    elif health.status_band == CAUTION:
        scaling = "one_slot_a_day"
    codes = {
        "stop_and_repair_unhandled_partial_cancels": unhandled,
        "check_that_partial_cancels_were_handled": cancels and not unhandled,
        "freeze_entries_and_reduce_slots": seen.low_headroom_lasts,
        "release_by_tier_2_or_by_hand": seen.stuck_pct > PANIC_STUCK_PCT,
        "review_tier_1_eligibility": seen.strong_for_sec >= STRONG_SEC and seen.farthest_exit_pct > FAR_PCT,
    }
    frozen = scaling in ("frozen", "none")
    return Advice(
        scaling=scaling,
        scaling_resumes_in_sec=(wait_sec or NORMAL_AGAIN_SEC) if frozen else None,
        advice=tuple(code for code, holds in codes.items() if holds),
    )
