"""What the quote desk can be told: one frozen record for each section of its contract (quoting 10).

The defaults are those of a desk that trades (10.1, "live"), except that it is off until somebody switches it on;
`compat()` gives the reference's arithmetic for the golden vectors and the comparison. Every value is one scalar, so
that a file, an override for one symbol and `config explain` speak of the same key; what limits it stands in `bounds`.
"""

from hashlib import sha256
from typing import Any, Literal

import msgspec

from millrace.strategies.quoting.settings_growth import AllocatorSettings, RolloutSettings, ScoreboardSettings

Scalar = bool | int | float | str
_DIGEST_LENGTH = 16


class PipelineSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Whether symbols are quoted by the six stages."""

    enabled: bool = False


class MarketDataSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How old a book may be and what may be done with it then (quoting 3, 4.1).

    Without `enabled` or `stale_ok` only a book that is fresh for pricing is priced from; older ones keep what rests.
    """

    enabled: bool = True
    ttl_ms: int = 100
    max_depth: int = 50
    stale_ok: bool = True
    invalidate_on_ws_gap_ms: int = 300
    fresh_ms_for_pricing: int = 60
    skip_pricing_on_stale: bool = False


class FeatureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Windows of the features (quoting 3). The imbalance is read from `depth_levels` levels."""

    depth_levels: int = 5
    vol_half_life_sec: float = 60.0
    latency_window_sec: int = 60
    latency_samples: int = 100
    pnl_samples: int = 60
    pnl_window_min: int = 60
    vol_samples: int = 20


class SpreadSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The width to quote (quoting 4.2): what each score is measured between, what it adds, and what limits the sum.

    A score is 0 at its `good` and 1 at its `poor`, `calm` and `wild`, `fast` and `slow`. Liquidity is in base units or
    in quote currency. `glft_` values are those of the model of Gueant, Lehalle and Fernandez-Tapia: fills a second at
    no distance, their decay by bps of distance, aversion by bps and unit of base size; 0 while nobody has calibrated
    them.
    """

    enabled: bool = True
    model: Literal["additive", "glft"] = "additive"
    base_spread_bps: float = 1.0
    min_spread_bps: float = 0.6
    max_spread_bps: float = 2.5
    vol_window_sec: int = 60
    depth_levels: int = 5
    vol_sensitivity: float = 0.6
    liquidity_sensitivity: float = 0.4
    latency_sensitivity: float = 0.3
    pnl_dev_sensitivity: float = 0.3
    clamp_step_bps: float = 0.2
    cooloff_ms: int = 200
    fast_widen: bool = True
    live_volatility: bool = True
    vol_calm_bps: float = 0.5
    vol_wild_bps: float = 5.0
    liquidity_unit: Literal["base", "notional"] = "notional"
    liquidity_good_base: float = 10.0
    liquidity_poor_base: float = 1.0
    liquidity_good_usd: float = 50_000.0
    liquidity_poor_usd: float = 5_000.0
    latency_fast_ms: float = 150.0
    latency_slow_ms: float = 400.0
    pnl_poor: float = -10.0
    vol_weight: float = 1.5
    liquidity_weight: float = 1.0
    latency_weight: float = 0.8
    pnl_weight: float = 1.2
    fee_floor: bool = True
    min_edge_bps: float = 0.2
    stale_widen_bps: float = 0.5
    glft_fills_per_sec: float = 0.0
    glft_decay_per_bps: float = 0.0
    glft_aversion: float = 0.0


class RiskGuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The five triggers of a symbol's guards, and how a level is left (quoting 4.3).

    `daily_loss` is in quote currency, 0 is off, and so is a `vpin_soft` of 0. Takers are fills within the window.
    """

    enabled: bool = True
    vol_soft_bps: float = 15.0
    vol_hard_bps: float = 25.0
    live_volatility: bool = True
    latency_soft_ms: float = 300.0
    latency_hard_ms: float = 450.0
    latency_expires: bool = True
    pnl_soft_z: float = -1.5
    pnl_hard_z: float = -2.5
    pnl_mode: Literal["mean", "zscore"] = "zscore"
    daily_loss: float = 0.0
    inventory_soft_pct: float = 6.0
    inventory_hard_pct: float = 10.0
    one_sided_inventory: bool = True
    takers_soft: int = 12
    takers_hard: int = 20
    taker_window_sec: int = 900
    size_scale_soft: float = 0.5
    soft_widen_bps: float = 0.3
    halt_ms_hard: int = 2_000
    halt_max_ms: int = 60_000
    escalating_halts: bool = True
    escalation_window_sec: int = 600
    exit_hysteresis: bool = True
    exit_ratio: float = 0.8
    exit_hold_ms: int = 5_000
    vpin_soft: float = 0.0


class AdverseFlowSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When the side that is about to be run over steps back (quoting 4.3 addition 6)."""

    enabled: bool = True
    ofi_z: float = 3.0
    microprice_drift_bps: float = 3.0
    widen_factor: float = 1.3
    pause_ms: int = 300


class MarketGuardSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Figures of all symbols together that stop every one of them (quoting 4.3 addition 5); 0 is off."""

    enabled: bool = True
    cancel_rate_share: float = 0.9
    error_rate: float = 0.01
    pnl_slope_per_min: float = -0.1
    rejected_share: float = 0.1
    gross_exposure_share: float = 1.0
    daily_loss: float = 0.0
    feed_gap_ms: int = 2_000
    clock_skew_ms: int = 1_000
    bad_checks: int = 2
    good_checks: int = 1
    resume_sec: int = 300
    check_sec: int = 10
    window_sec: int = 300


class SkewSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How inventory leans on both prices and on the size of the side that grows it (quoting 4.4).

    The slope of the default saturates at 80 % of the inventory at which the guards stop growth (10 %): from there on
    a position cannot grow, so a skew that saturated later would never be seen.
    """

    enabled: bool = True
    target_pct: float = 0.0
    max_skew_bps: float = 0.6
    slope_bps_per_1pct: float = 0.2
    clamp_pct: float = 5.0
    mode: Literal["jump", "shifted"] = "shifted"
    shape: Literal["lean", "center"] = "lean"
    size_skew: bool = True


class QueueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Places in queues (quoting 4.5). The `value` rule needs calibrated rates and is `percentile` while they are 0.

    `model` is how cancels at a level are believed to fall before and behind an order (`market/queue_models.py`),
    `own_in_book` says that the book which we see counts our own orders in; a simulated market's does not.
    `move_fee_bps` is what a venue takes for moving an order, `moves_per_sec` how often the middle leaves a resting
    price behind, `adverse_share` the share of fills that it runs over, `adverse_loss_bps` what such a fill loses.
    """

    enabled: bool = True
    max_reprice_bps: float = 0.5
    headroom_ms: int = 150
    join_threshold_pct: float = 30.0
    book_depth_levels: int = 3
    rule: Literal["percentile", "value"] = "value"
    own_in_book: bool = True
    model: Literal["log", "power", "risk_averse"] = "log"
    min_gain_bps: float = 0.05
    move_fee_bps: float = 0.0
    moves_per_sec: float = 0.0
    adverse_share: float = 0.0
    adverse_loss_bps: float = 0.0


class FastCancelSettings(msgspec.Struct, frozen=True, kw_only=True):
    """When a resting order is drawn at once; from the middle at placement, adverse only, or from its price (4.3)."""

    enabled: bool = True
    cancel_threshold_bps: float = 3.0
    spike_threshold_bps: float = 10.0
    cooldown_ms: int = 500
    from_placement: bool = True


class TakerCapSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many fills of an account may take, by count and by share (quoting 4.3)."""

    max_fills: int = 50
    max_share_pct: float = 10.0
    window_sec: int = 3_600
    min_sample: int = 10


class EmitSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Sizes, levels and when an order is left where it is (quoting 4.6); `usd` is the quote currency.

    Without `can_amend` whatever changes an order is a cancel, and a place after its acknowledgement.
    """

    reference: Literal["mid", "microprice"] = "mid"
    base_size_usd: float = 100.0
    max_position_usd: float = 5_000.0
    levels: int = 1
    level_spacing: float = 0.4
    level_size_step: float = 0.2
    amend_price_threshold_bps: float = 1.0
    amend_size_threshold: float = 0.2
    replace_threshold_bps: float = 3.0
    min_time_in_book_ms: int = 500
    refresh_floor_ms: int = 800
    cancel_stale_ms: int = 60_000
    max_active_orders: int = 30
    can_amend: bool = True


class ThrottleSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many actions leave, and how they slow down after errors (quoting 4.6)."""

    window_ms: int = 10_000
    places_per_sec: int = 5
    amends_per_sec: int = 10
    cancels_per_sec: int = 20
    defensive_share: float = 0.25
    backoff_error_rate: float = 0.02
    backoff_feed_lag_ms: int = 500
    backoff_first_ms: int = 200
    backoff_top_ms: int = 3_000
    backoff_cap_ms: int = 5_000
    jitter: float = 0.1


class BatchSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How many symbols are served together and how many actions one call carries (quoting 10, 12)."""

    enabled: bool = True
    max_parallel_symbols: int = 10
    coalesce_cancel: bool = True
    coalesce_place: bool = True
    max_batch_size: int = 20
    tick_deadline_ms: int = 200


class TraceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Which ticks leave a trace and when one is too late (quoting 5); a rate of 0 is off."""

    enabled: bool = True
    sample_rate: float = 0.2
    deadline_ms: int = 200
    golden_interval: int = 100


class Override(msgspec.Struct, frozen=True):
    """One value of one symbol: `key` is section and name, as in the file."""

    symbol: str
    key: str
    value: Scalar


class QuotingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All that the quote desk is told; immutable, and named by its `digest` (quoting 10)."""

    pipeline: PipelineSettings = PipelineSettings()
    md_cache: MarketDataSettings = MarketDataSettings()
    features: FeatureSettings = FeatureSettings()
    adaptive_spread: SpreadSettings = SpreadSettings()
    risk_guards: RiskGuardSettings = RiskGuardSettings()
    adverse_flow: AdverseFlowSettings = AdverseFlowSettings()
    market_guard: MarketGuardSettings = MarketGuardSettings()
    inventory_skew: SkewSettings = SkewSettings()
    queue_aware: QueueSettings = QueueSettings()
    fast_cancel: FastCancelSettings = FastCancelSettings()
    taker_cap: TakerCapSettings = TakerCapSettings()
    emit: EmitSettings = EmitSettings()
    throttle: ThrottleSettings = ThrottleSettings()
    symbol_scoreboard: ScoreboardSettings = ScoreboardSettings()
    dynamic_allocator: AllocatorSettings = AllocatorSettings()
    async_batch: BatchSettings = BatchSettings()
    trace: TraceSettings = TraceSettings()
    rollout: RolloutSettings = RolloutSettings()
    overrides: tuple[Override, ...] = ()

    @classmethod
    def live(cls) -> "QuotingSettings":
        """Return the profile of a desk that trades (quoting 10.1): everything on; the ramp decides which symbols."""
        return cls(
            pipeline=PipelineSettings(enabled=True),
            symbol_scoreboard=ScoreboardSettings(enabled=True),
            dynamic_allocator=AllocatorSettings(enabled=True),
        )

    @classmethod
    def compat(cls) -> "QuotingSettings":
        """Return the profile of the golden vectors and of the shadow comparison (quoting 10.1)."""
        return cls(
            pipeline=PipelineSettings(enabled=True),
            adaptive_spread=SpreadSettings(
                fast_widen=False, live_volatility=False, liquidity_unit="base", fee_floor=False
            ),
            risk_guards=RiskGuardSettings(
                live_volatility=False,
                latency_expires=False,
                pnl_mode="mean",
                one_sided_inventory=False,
                soft_widen_bps=0.0,
                escalating_halts=False,
                exit_hysteresis=False,
            ),
            adverse_flow=AdverseFlowSettings(enabled=False),
            market_guard=MarketGuardSettings(enabled=False),
            inventory_skew=SkewSettings(mode="jump", slope_bps_per_1pct=0.1, size_skew=False),
            queue_aware=QueueSettings(rule="percentile"),
            fast_cancel=FastCancelSettings(from_placement=False),
            symbol_scoreboard=ScoreboardSettings(enabled=True, alpha_mode="per_tick", evicts=False, shrinks=False),
            dynamic_allocator=AllocatorSettings(
                enabled=True, temperature=2.0, redistributes=False, walks_residual=False, bans=False
            ),
        )

    @property
    def digest(self) -> str:
        """The first 16 hex digits of the SHA-256 of all values; equal settings have equal digests."""
        return sha256(msgspec.json.encode(self, order="sorted")).hexdigest()[:_DIGEST_LENGTH]

    def for_symbol(self, symbol: str) -> "SymbolConfig":
        """Return what the stages read of one symbol, its overrides applied; they name existing keys (`bounds`)."""
        changed: dict[str, dict[str, Scalar]] = {}
        for one in self.overrides:
            if one.symbol == symbol:
                section, _, name = one.key.partition(".")
                changed.setdefault(section, {})[name] = one.value
        found: dict[str, Any] = {
            section: msgspec.structs.replace(getattr(self, section), **changed.get(section, {}))
            for section in SYMBOL_SECTIONS
        }
        return SymbolConfig(symbol=symbol, config_hash=self.digest, **found)


class SymbolConfig(msgspec.Struct, frozen=True, kw_only=True):
    """What the stages read of one symbol; `config_hash` names the whole configuration that it is part of."""

    symbol: str
    config_hash: str
    md_cache: MarketDataSettings = MarketDataSettings()
    adaptive_spread: SpreadSettings = SpreadSettings()
    risk_guards: RiskGuardSettings = RiskGuardSettings()
    adverse_flow: AdverseFlowSettings = AdverseFlowSettings()
    inventory_skew: SkewSettings = SkewSettings()
    queue_aware: QueueSettings = QueueSettings()
    fast_cancel: FastCancelSettings = FastCancelSettings()
    emit: EmitSettings = EmitSettings()


SYMBOL_SECTIONS = tuple(name for name in SymbolConfig.__struct_fields__ if name not in {"symbol", "config_hash"})
"""Sections that a symbol may have values of its own in."""
