"""What the estimates of execution may be told: fill chances, styles, impact, repair, calibration (arb 7, 8).

Prices are dollars per contract, times seconds, probabilities and shares fractions of one. Defaults are the contract's;
where it gives none, the field says so.
"""

import msgspec


class EconomicsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of fills, styles, impact, repair, lock-up and calibration.

    How far below the ask a maker posts, how long it rests and how often are known by detection and execution, and stand
    here so that its chance is reckoned with the same figures (`ArbSettings.judged`).

    `hold_charge` and `queue_kept_share` are ours: what holding a naked contract is charged beyond its fair value, and
    which share of the queue ahead does not cancel. So are what must be seen before a flow of trades is believed
    (`arrival_*`), and how long an edge is taken to last while a leg rests: as long as the contract's simulated ones
    (arb 17). With `makers` off no leg ever rests.
    """

    queue_depth_factor: float = 1.0
    fill_half_life_sec: float = 120.0
    spread_weight: float = 1.0
    spread_floor: float = 0.1
    transform_penalty: float = 0.05
    arrival_prior_per_min: float = 0.10
    arrival_half_life_sec: float = 600.0
    arrival_least_trades: float = 5.0
    arrival_least_sec: float = 60.0
    queue_half_life_sec: float = 5.0
    latency_sec: float = 0.2
    queue_kept_share: float = 1.0
    adverse_prior: float = 0.4
    maker_spread: float = 0.02
    maker_fill: float = 0.30
    max_adverse: float = 0.5
    maker_advantage: float = 0.005
    aggressiveness_ticks: int = 2
    maker_timeout_sec: float = 5.0
    maker_attempts: int = 2
    makers: bool = True
    edge_half_life_sec: float = 30.0
    allow_parallel_makers: bool = False
    correlation: float = 0.7
    impact_factor: float = 0.10
    impact_exponent: float = 1.5
    depth_share: float = 0.5
    least_depth: float = 5.0
    least_fills: int = 20
    prior_weight: float = 20.0
    hold_charge: float = 0.05
    divergence_intra: float = 0.0005
    divergence_structural: float = 0.002
    divergence_strict: float = 0.01
    divergence_fallback: float = 0.05
    lock_rate_per_year: float = 0.10
    calibration_window: int = 200
    calibration_least: int = 10
    fill_bias_alert: float = 0.15
    slippage_bias_alert: float = 0.005
    pnl_bias_alert: float = 0.01
