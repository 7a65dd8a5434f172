"""Knobs of releases: the gates of an exit, the tiers that release by rule, and how a released position is closed.

Defaults are the contract's. A release books a loss on purpose, so every default is on the side of waiting: old, far,
strong trend, no tier (slots 11, 21).
"""

import msgspec

from millrace.config.knob import Knob, knob

RELEASE_KNOBS: tuple[Knob, ...] = (
    knob(
        "release.min_age_sec",
        "RELEASE_MIN_AGE_SEC",
        604_800.0,
        "s",
        "age gate: an exit waits at least so long before it may be released",
        low=0,
        spec="slots 11.1",
    ),
    knob(
        "release.min_distance_pct",
        "RELEASE_MIN_DISTANCE_PCT",
        10.0,
        "%",
        "distance gate: an exit stands at least so far from the market",
        low=0,
        spec="slots 11.1",
    ),
    knob(
        "release.adx_threshold",
        "RELEASE_ADX_THRESHOLD",
        30.0,
        "",
        "regime gate: the trend index is at least this",
        low=0,
        high=100,
        spec="slots 11.1",
    ),
    knob(
        "release.max_stuck_pct",
        "RELEASE_MAX_STUCK_PCT",
        50.0,
        "%",
        "share of capital in waiting exits above which tier 1 releases, and to which it drains",
        low=0,
        high=100,
        spec="slots 11.5",
    ),
    knob(
        "release.panic_stuck_pct",
        "RELEASE_PANIC_STUCK_PCT",
        80.0,
        "%",
        "share of capital in waiting exits above which tier 2 releases by age alone; > max_stuck_pct",
        low=0,
        high=100,
        spec="slots 11.5",
    ),
    knob(
        "release.recovery_target_pct",
        "RELEASE_RECOVERY_TARGET_PCT",
        60.0,
        "%",
        "share to which tier 2 drains; < panic_stuck_pct",
        low=0,
        spec="slots 11.5",
    ),
    knob(
        "release.panic_min_age_sec",
        "RELEASE_PANIC_MIN_AGE_SEC",
        86_400.0,
        "s",
        "age gate of tier 2; <= min_age_sec",
        low=0,
        spec="slots 11.5",
    ),
    knob(
        "release.auto_enabled",
        "RELEASE_AUTO_ENABLED",
        False,
        "",
        "release by rule, in tiers; needs sticky mode",
        spec="slots 11.5",
    ),
    knob(
        "release.recon_hard_gate_enabled",
        "RELEASE_RECON_HARD_GATE_ENABLED",
        True,
        "",
        "an unexplained drift of the balances blocks every release",
        spec="slots 11.4",
    ),
    knob(
        "release.close_mode",
        "RELEASE_CLOSE_MODE",
        "synthetic",
        "",
        "write the rest of a released exit off at the mark, or trade it at the market at once",
        choices=("synthetic", "market"),
        spec="slots 11.3",
    ),
    knob(
        "release.batch_max",
        "RELEASE_BATCH_MAX",
        1,
        "releases",
        "releases that the tiers may begin in one loop",
        low=1,
        high=5,
        spec="slots 11.5",
    ),
)

_READ = frozenset({"min_age_sec", "min_distance_pct", "adx_threshold", "max_stuck_pct"})
RELEASE_KNOBS = tuple(msgspec.structs.replace(row, available=row.name in _READ) for row in RELEASE_KNOBS)
