"""What the sizing of baskets may be told (arb 9); dollars, fractions of one, hours and seconds.

Whatever is set here, an overlay can only shrink a stake, and no figure rises because nothing was traded (arb 9.12).
"""

import msgspec


class StakeSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Kelly, its overlays and its caps, with the contract's defaults.

    Of the uncertainty's parts (arb 9.3) the contract names the sources only; the weights are ours: a relative error of
    the edge for each source, combined as independent errors are.
    """

    kelly_share: float = 0.25
    venue_cash_share: float = 0.08
    max_uncertainty: float = 0.8
    least_confidence: float = 0.1
    uncertainty_mapped: float = 0.2
    uncertainty_fallback: float = 0.5
    uncertainty_unlabelled: float = 0.3
    uncertainty_age: float = 0.2
    uncertainty_new: float = 0.3
    variance_share: float = 0.5
    variance_outcomes: int = 50
    loss_share_low: float = 0.002
    loss_share_high: float = 0.02
    loss_most_usd: float = 500.0
    loss_least_usd: float = 1.0
    drawdown_trades: int = 20
    drawdown_hours: float = 24.0
    lane_fraction: float = 0.20
    lane_least: float = 0.05
    lane_most: float = 0.40
    lane_outcomes: int = 100
    lane_least_outcomes: int = 10
    lane_loser_outcomes: int = 30
    lane_smoothing: float = 0.3
    lane_mean_weight: float = 0.6
    lock_per_hour: float = 0.001
    lock_most: float = 0.5
    lock_brake: bool = False
    longest_lock_hours: float = 720.0
    looks: int = 3
    look_window_sec: float = 10.0
    outlier_score: float = 3.5
    outlier_alert: int = 3
    growth_per_look: float = 0.25
    trade_usd: float = 40.0
    trade_contracts: float = 100.0
    cluster_share: float = 0.35
    cluster_penalty: float = 0.75
    fallback_size: float = 0.5
