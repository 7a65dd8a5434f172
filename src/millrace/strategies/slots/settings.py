"""What the slot grid can be told, as one typed record.

The strategy defines what it reads; `millrace.config` fills it from files, the environment and legacy names and has
already clamped it. Names follow the contract's knobs (slots 21) without their prefixes, defaults are the contract's.
Percentages are per cent, times seconds, sizes USD or base units as the name says.
"""

from typing import Literal

import msgspec

from millrace.core.instrument import Instrument
from millrace.sizing.throughput import ThroughputConfig
from millrace.strategies.slots.entry_size.order_size import FloorMode, SizeMode
from millrace.strategies.slots.entry_size.rebalancer import RebalanceSettings
from millrace.strategies.slots.entry_size.trend import TrendSettings
from millrace.strategies.slots.reducer.model import SlotConfig
from millrace.strategies.slots.release.gates import ReleaseSettings
from millrace.strategies.slots.signals.momentum import MomentumSettings
from millrace.strategies.slots.signals.regime_bands import RegimeSettings
from millrace.strategies.slots.signals.volatility import VolatilityTarget
from millrace.strategies.slots.telemetry.open_drift import DriftLimits

CompoundingMode = Literal["legacy_profit", "fixed"]
EntryCapPolicy = Literal["none", "entry_reserve"]
DriftBasis = Literal["target", "market"]


class SlotsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of one grid (slots 21); those of a part of its own stand in its record."""

    enabled: bool = True
    count: int = 10

    order_size_usd: float = 2.0
    order_size_mode: SizeMode = "USD"
    order_size_doge: float = 18.0
    order_size_doge_compound: bool = False
    sticky_compounding_mode: CompoundingMode = "legacy_profit"
    entry_floor_mode: FloorMode = "multiplier_only"
    b_side_account_sizing: bool = True
    b_side_max_mult: float = 3.0
    allocation_safety_buffer_usd: float = 0.10
    capital_layers: int = 0
    capital_layer_doge_per_order: float = 1.0

    entry_pct: float = 0.2
    profit_pct: float = 1.0
    refresh_pct: float = 1.0
    refresh_drift_basis: DriftBasis = "target"
    max_consecutive_refreshes: int = 3
    refresh_cooldown_sec: float = 300.0
    maker_fee_pct: float = 0.25
    volatility_auto_profit: bool = True
    volatility_factor: float = 0.8
    volatility_ceiling_pct: float = 3.0
    volatility_mult_floor: float = 0.5
    volatility_mult_ceiling: float = 2.0

    sticky_mode_enabled: bool = False
    sticky_target_slots: int = 80
    sticky_max_target_slots: int = 100
    s1_orphan_after_sec: float = 1350.0
    s2_orphan_after_sec: float = 1800.0
    max_recovery_slots: int = 2
    legacy_recovery: bool = True
    recovery_orders_enabled: bool = True
    recovery_evict_books: bool = False
    loss_backoff_start: int = 3
    loss_cooldown_start: int = 5
    loss_cooldown_sec: float = 900.0
    entry_backoff_enabled: bool = True
    backoff_factor: float = 0.5
    backoff_max_multiplier: float = 5.0
    reentry_base_cooldown_sec: float = 60.0
    partial_open_max_age_sec: float = 1800.0
    quarantine_halt_fraction: float = 0.25
    daily_loss_limit_usd: float = 3.0
    balance_recon_drift_pct: float = 2.0

    open_orders_per_pair_limit: int = 225
    open_order_safety_ratio: float = 0.75
    entry_cap_policy: EntryCapPolicy = "none"
    entry_reserve_orders: int = 10
    max_entry_adds_per_loop: int = 2
    max_api_calls_per_loop: int = 10
    max_consecutive_errors: int = 25
    private_api_metronome_enabled: bool = True
    private_api_wave_calls: int = 2
    private_api_wave_sec: float = 1.5
    poll_interval_sec: float = 30.0
    stale_price_max_age_sec: float = 60.0
    open_order_drift_alert_threshold: int = 10
    open_order_drift_persist_sec: float = 600.0
    open_order_drift_cooldown_sec: float = 1800.0

    throughput: ThroughputConfig = msgspec.field(default_factory=ThroughputConfig)
    release: ReleaseSettings = msgspec.field(default_factory=ReleaseSettings)
    momentum: MomentumSettings = MomentumSettings()
    regime: RegimeSettings = RegimeSettings()
    rebalance: RebalanceSettings = RebalanceSettings()
    trend: TrendSettings = TrendSettings()

    def reducer(self, instrument: Instrument) -> SlotConfig:
        """Return the reducer's settings: ours, with the decimals and minimums of the instrument (slots 5.1)."""
        shared = {name: getattr(self, name) for name in SlotConfig.__struct_fields__ if hasattr(self, name)}
        return SlotConfig(
            **shared,
            price_decimals=instrument.price_decimals,
            volume_decimals=instrument.lot_decimals,
            min_volume=instrument.volume(instrument.min_lots),
            min_cost_usd=instrument.quote_float(instrument.min_cost),
        )

    def b_side_cap_usd(self) -> float:
        """Return the most that one slot's share of the account may be, 0: no cap (slots 8.3)."""
        return self.b_side_max_mult * self.order_size_usd

    def volatility(self) -> VolatilityTarget:
        """Return the settings of the volatility target (slots 5.4)."""
        return VolatilityTarget(
            enabled=self.volatility_auto_profit,
            factor=self.volatility_factor,
            ceiling_pct=self.volatility_ceiling_pct,
            mult_floor=self.volatility_mult_floor,
            mult_ceiling=self.volatility_mult_ceiling,
        )

    def open_order_drift(self) -> DriftLimits:
        """Return when a difference between the venue's and our open orders is told (slots 4.7)."""
        return DriftLimits(
            orders=self.open_order_drift_alert_threshold,
            persist_sec=self.open_order_drift_persist_sec,
            cooldown_sec=self.open_order_drift_cooldown_sec,
        )
