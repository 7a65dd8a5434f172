"""What decides how much each symbol may do: scoreboard, allocator and ramp (quoting 6, 7, 8).

They change between ticks and no stage reads them, so a symbol cannot override them and they stand apart.
"""

from typing import Literal

import msgspec


class ScoreboardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How a symbol's score is made; the weights must sum to one (quoting 6)."""

    enabled: bool = False
    rolling_window_sec: int = 300
    ema_alpha: float = 0.1
    min_samples: int = 10
    weight_net: float = 0.4
    weight_fill: float = 0.2
    weight_slippage: float = 0.2
    weight_queue: float = 0.1
    weight_adverse: float = 0.1
    alpha_mode: Literal["per_tick", "time"] = "time"
    half_life_sec: float = 120.0
    evicts: bool = True
    shrinks: bool = True
    shrink_samples: int = 20
    winsor_bps: float = 50.0


class AllocatorSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How scores become weights, and how a symbol is banned and comes back (quoting 7).

    `whitelist` and `blacklist` are symbols separated by blanks; an empty whitelist lists all.
    """

    enabled: bool = False
    temperature: float = 0.30
    smoothing: float = 0.5
    rebalance_period_sec: int = 30
    ramp_rebalance_period_sec: int = 60
    min_weight: float = 0.1
    max_weight: float = 3.0
    hysteresis_threshold: float = 0.05
    weight_mode: Literal["softmax", "curve"] = "softmax"
    budget_factor: float = 1.0
    redistributes: bool = True
    walks_residual: bool = True
    bans: bool = True
    whitelist: str = ""
    blacklist: str = ""
    auto_blacklist_net_bps: float = -5.0
    auto_blacklist_window_min: int = 30
    auto_blacklist_clear_bps: float = -4.0
    auto_blacklist_samples: int = 30
    ban_min: int = 60
    ban_max_min: int = 1_440
    probation_min: int = 15
    probation_weight: float = 0.1
    reinstated_weight: float = 0.3
    reinstate_net_bps: float = -2.0
    probe_after_min: int = 120
    probe_min: int = 15
    probe_weight: float = 0.3
    min_active_symbols: int = 1


class RolloutSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The ramp: its steps, who is in whatever the hash says, how long each step lasts, and its gates (quoting 8)."""

    steps_pct: str = "0 10 25 50 75 100"
    start_pct: int = 100
    salt: str = "millrace"
    pinned_in: str = ""
    pinned_out: str = ""
    dwell_min: int = 1_440
    poll_sec: int = 60
    failed_polls: int = 2
    cooldown_min: int = 15
    allocator_from_pct: int = 50
    stage_p95_pass_pct: float = 3.0
    stage_p95_rollback_pct: float = 5.0
    tick_p95_limit_ms: float = 200.0
    tick_p95_rollback_ms: float = 250.0
    deadline_miss_pass_pct: float = 2.0
    deadline_miss_rollback_pct: float = 5.0
    partial_failures_pct: float = 5.0
    rejects_delta_points: float = 2.0
    min_fills: int = 200
    markout_worse_bps: float = 0.5
    markout_min_fills: int = 50
    taker_share_pass_pct: float = 9.0
    taker_share_rollback_pct: float = 10.0
    slippage_bps: float = 1.8
    shadow_agreement_pct: float = 95.0
    shadow_min_comparisons: int = 50
    shadow_price_bps: float = 0.5
    shadow_size_pct: float = 1.0
    waived_mismatches: str = ""
