"""What the stages of the quote desk say to each other: deeply immutable records (quoting 2).

Prices and sizes are integer ticks and lots of the instrument wherever they can become an order; floats are features and
what is calculated from them, and none of them may be NaN or infinite. Times are integer milliseconds, except where a
name says ns. A price shift is signed: positive moves the price up.
"""

from enum import IntEnum, StrEnum
from math import isfinite
from typing import NamedTuple

import msgspec

from millrace.core.binary_events import Levels
from millrace.core.commands import Side
from millrace.core.instrument import Lots, Money, Ticks

BPS = 10_000.0
"""Basis points in one."""


class GuardLevel(IntEnum):
    """How much the guards let the desk quote; the only enum of its kind, ordered (quoting 2)."""

    NONE = 0
    SOFT = 1
    HARD = 2


class BlockedSides(StrEnum):
    """Sides of a symbol that may not be quoted."""

    NONE = "none"
    BID = "bid"
    ASK = "ask"
    BOTH = "both"

    def blocks(self, side: Side) -> bool:
        """Tell whether orders of this side may not be quoted."""
        return self is BlockedSides.BOTH or self is (BlockedSides.BID if side is Side.BUY else BlockedSides.ASK)

    @classmethod
    def of(cls, *, bid: bool, ask: bool) -> "BlockedSides":
        """Return the sides that are blocked."""
        if bid:
            return cls.BOTH if ask else cls.BID
        return cls.ASK if ask else cls.NONE


class SpreadReason(StrEnum):
    """How the spread came about."""

    DEFAULT = "default"
    ADAPTIVE = "adaptive"
    ADAPTIVE_COOLOFF = "adaptive_cooloff"
    STALE_WIDENED = "stale_widened"
    GLFT = "glft"


class SkewReason(StrEnum):
    """How the inventory shift came about."""

    DISABLED = "inventory_disabled"
    DEADBAND = "deadband"
    SKEW = "skew"
    CAPPED = "skew_capped"


class NudgeReason(StrEnum):
    """How the queue nudges came about."""

    DISABLED = "disabled"
    NONE = "none"
    NUDGED = "nudged"
    COOLDOWN = "cooldown"
    HEADROOM = "headroom"


class IntentKind(StrEnum):
    """What an intent does to an order."""

    CANCEL = "cancel"
    AMEND = "amend"
    PLACE = "place"


class TickOutcome(StrEnum):
    """What became of a tick; the label `result` of its counter (quoting 9)."""

    QUOTED = "quoted"
    HALTED = "halted"
    FAULT = "fault"
    DROPPED = "dropped"


class FaultCode(StrEnum):
    """Why a stage could not do its work; no other codes exist (quoting 4.7)."""

    MD_STALE = "md_stale"
    MD_GAP = "md_gap"
    MD_BAD = "md_bad"
    BAD_NUMBER = "bad_number"


def refuse_not_finite(record: msgspec.Struct) -> None:
    """Raise ValueError that names the first float of a record that is NaN or infinite."""
    for name in record.__struct_fields__:
        value = getattr(record, name)
        if isinstance(value, float) and not isfinite(value):
            raise ValueError(f"{type(record).__name__}.{name} is {value}; a record holds finite numbers only")


class SymbolTerms(msgspec.Struct, frozen=True, gc=False):
    """Facts of a symbol's instrument that travel with its data.

    A price in quote currency is ticks x `price_unit`, a size in base units lots x `lot_unit`; `min_cost` is money, of
    which one unit of the quote currency is `cost_unit`. Fees are bps of the notional; negative is a rebate.
    """

    symbol: str
    tick: Ticks
    lot: Lots
    min_lots: Lots
    min_cost: Money
    price_unit: float
    lot_unit: float
    cost_unit: float
    maker_fee_bps: float
    taker_fee_bps: float
    can_amend: bool = True

    def __post_init__(self) -> None:
        refuse_not_finite(self)
        if self.tick <= 0 or self.lot <= 0 or self.price_unit <= 0.0 or self.lot_unit <= 0.0:
            raise ValueError(f"{self.symbol}: tick, lot and their units must be positive")


class MarketData(msgspec.Struct, frozen=True, gc=False):
    """A symbol's book as one tick sees it; raises ValueError when it is crossed, locked, unsorted or not finite.

    `bids` and `asks` are the first levels, best first, none of them empty, or nothing where no levels are known.
    `mid_price` is in quote currency,
    `timestamp_ms` the venue's time, `recv_ns` ours.
    """

    terms: SymbolTerms
    best_bid: Ticks
    best_ask: Ticks
    bid_size: Lots
    ask_size: Lots
    mid_price: float
    timestamp_ms: int
    recv_ns: int
    seq: int
    bids: Levels
    asks: Levels

    def __post_init__(self) -> None:
        if not 0 < self.best_bid < self.best_ask:
            raise ValueError(f"{self.terms.symbol}: bid {self.best_bid} and ask {self.best_ask} are crossed or locked")
        if self.bid_size < 0 or self.ask_size < 0 or not 0.0 < self.mid_price < float("inf"):
            raise ValueError(f"{self.terms.symbol}: sizes must not be negative and the middle must be finite")
        unit = self.terms.price_unit
        if abs(self.mid_price - (self.best_bid + self.best_ask) / 2.0 * unit) > self.terms.tick * unit / 2.0:
            raise ValueError(f"{self.terms.symbol}: {self.mid_price} is not the middle of bid and ask")
        last = self.best_bid + 1
        for ticks, lots in self.bids:
            if ticks >= last or lots <= 0:
                raise ValueError(f"{self.terms.symbol}: the bids are not sorted, or one is empty")
            last = ticks
        last = self.best_ask - 1
        for ticks, lots in self.asks:
            if ticks <= last or lots <= 0:
                raise ValueError(f"{self.terms.symbol}: the asks are not sorted, or one is empty")
            last = ticks

    @property
    def symbol(self) -> str:
        """The symbol."""
        return self.terms.symbol


class LiveOrder(NamedTuple):
    """One of our orders on a symbol, resting or on its way. `level` counts from 0, the nearest to the middle.

    `lots` are those that it may fill in all, while an amend is on its way the larger figure; `placed_ms` is when it was
    placed or last moved to a place at the back of a queue, `reference_ticks2` twice the middle at that moment.
    `pending` tells that an answer of the venue is awaited, `cancelling` that it is the answer to a cancel.
    `queue_ahead` are the lots believed to stand before it, None where nobody follows that.
    """

    side: Side
    level: int
    generation: int
    ticks: Ticks
    lots: Lots
    filled: Lots
    placed_ms: int
    pending: bool
    reference_ticks2: int
    queue_ahead: Lots | None = None
    cancelling: bool = False

    @property
    def rest(self) -> Lots:
        """Lots that may still fill."""
        return self.lots - self.filled


class PortfolioSnapshot(msgspec.Struct, frozen=True, gc=False):
    """What holds for all symbols at once and a tick may read; None: not known (quoting 4.3 addition 5).

    `refused` says in words why nothing may be quoted now, "" when it may; `widen_bps` and `size_scale` are those of a
    restriction short of that, and with `reduce_only` nothing may be quoted but what closes a position. The figures are
    what market-wide guards judge; `market_bits` is what they found (`guards/market_wide.py`). `stress_level` is how
    many steps the auto-policy is up (quoting 4.6).
    """

    refused: str = ""
    size_scale: float = 1.0
    gross_exposure_share: float | None = None
    day_loss: float | None = None
    error_rate: float | None = None
    rejected_share: float | None = None
    cancel_rate_share: float | None = None
    feed_gap_ms: int | None = None
    clock_skew_ms: int | None = None
    latency_p95_ms: float | None = None
    pnl_slope_per_min: float | None = None
    reduce_only: bool = False
    market_bits: int = 0
    stress_level: int = 0

    def __post_init__(self) -> None:
        refuse_not_finite(self)


class Allocation(msgspec.Struct, frozen=True, gc=False):
    """How much a symbol may do (quoting 7); `active` False drains it: no new quotes but those that reduce."""

    weight: float = 1.0
    size_multiplier: float = 1.0
    refresh_multiplier: float = 1.0
    max_quotes: int = 10
    active: bool = True

    def __post_init__(self) -> None:
        refuse_not_finite(self)


NO_PORTFOLIO = PortfolioSnapshot()
EVEN_ALLOCATION = Allocation()


class Features(msgspec.Struct, frozen=True, gc=False):
    """What the reducers know of a symbol at one moment (quoting 3): the only input of a tick besides state and config.

    `book` is None without a book to quote from, and `book_fault` then says why. Volatilities, spreads and moves are in
    bps; depths in base units; money in quote currency. A figure is None while it is unknown: too few samples, or all of
    them too old. Compat figures count samples, the others time.
    """

    terms: SymbolTerms
    tick: int
    now_ms: int
    book: MarketData | None
    book_fault: str
    md_gap: bool
    microprice: float
    depth_bid: float
    depth_ask: float
    imbalance: float
    ofi_1s: float
    ofi_10s_z: float | None
    vol_bps_sqrt_sec: float | None
    vol_abs_ema_bps: float
    vol_stdev_bps: float
    latency_p95_ms: float | None
    latency_n: int
    pnl_mean: float | None
    pnl_z: float | None
    day_pnl: float | None
    position: Lots
    max_position: Lots
    inventory_pct: float
    taker_fills: int
    trade_rate_per_sec: float | None
    live: tuple[LiveOrder, ...]
    portfolio: PortfolioSnapshot
    allocation: Allocation
    vpin: float | None = None
    taker_buy_lots_per_sec: float | None = None
    taker_sell_lots_per_sec: float | None = None

    def __post_init__(self) -> None:
        # A sum is finite if all its parts are; only a sum that is not makes it worth asking each of them.
        total = (
            self.microprice + self.depth_bid + self.depth_ask + self.imbalance + self.ofi_1s + self.inventory_pct
            + self.vol_abs_ema_bps + self.vol_stdev_bps + (self.ofi_10s_z or 0.0) + (self.vol_bps_sqrt_sec or 0.0)
            + (self.latency_p95_ms or 0.0) + (self.pnl_mean or 0.0) + (self.pnl_z or 0.0) + (self.day_pnl or 0.0)
            + (self.trade_rate_per_sec or 0.0) + (self.vpin or 0.0)
            + (self.taker_buy_lots_per_sec or 0.0) + (self.taker_sell_lots_per_sec or 0.0)
        )  # fmt: skip
        if not isfinite(total):
            refuse_not_finite(self)


class Freshness(NamedTuple):
    """How old a tick's market data are and what they may be used for (quoting 4.1)."""

    age_ms: int
    fresh_for_pricing: bool
    fresh_for_guards: bool
    used_stale: bool
    may_place: bool


class SpreadDecision(msgspec.Struct, frozen=True, gc=False):
    """The full width to quote, in bps, and how it came about: the scores lie in [0, 1].

    `target_spread_bps` is the width before any limit, `total_score` the sum of the scores by their sensitivities, and
    `floor_bps` what fees and edge ask for at least, 0 without a floor. The halves are those of the inventory model; the
    inventory stage turns them into shifts, so whoever prices a quote reads the width and the shifts alone.
    """

    spread_bps: float
    reason: SpreadReason
    base_spread_bps: float
    target_spread_bps: float
    volatility: float
    liquidity_score: float
    vol_score: float
    latency_score: float
    pnl_score: float
    floor_binding: bool = False
    half_bid_bps: float | None = None
    half_ask_bps: float | None = None
    floor_bps: float = 0.0
    total_score: float = 0.0

    def __post_init__(self) -> None:
        total = self.spread_bps + self.target_spread_bps + self.volatility + self.total_score + self.floor_bps
        if not isfinite(total + (self.half_bid_bps or 0.0) + (self.half_ask_bps or 0.0)):
            refuse_not_finite(self)


class GuardReason(NamedTuple):
    """A trigger that holds: its key, the value, the threshold that it passed, and the level that it calls for.

    What only endangers one side calls for none.
    """

    key: str
    value: float
    threshold: float
    level: GuardLevel = GuardLevel.SOFT


class GuardAssessment(msgspec.Struct, frozen=True, gc=False):
    """What the guards say of a symbol: `scale_factor` multiplies sizes, never the spread.

    `widen_bid_bps` and `widen_ask_bps` are added to a side's distance from the middle. Sides of `reduce_only_sides` may
    be quoted with no more than closes the position.
    """

    level: GuardLevel
    scale_factor: float
    reasons: tuple[GuardReason, ...]
    should_halt: bool
    widen_bid_bps: float
    widen_ask_bps: float
    blocked_sides: BlockedSides
    halt_until_ms: int
    reduce_only_sides: BlockedSides = BlockedSides.NONE

    def __post_init__(self) -> None:
        if not isfinite(self.scale_factor + self.widen_bid_bps + self.widen_ask_bps):
            refuse_not_finite(self)
        if not 0.0 <= self.scale_factor <= 1.0 or self.should_halt is not (self.level is GuardLevel.HARD):
            raise ValueError("a guard scales sizes by 0 to 1, and halts if and only if its level is HARD")


class InventoryAdjustment(msgspec.Struct, frozen=True, gc=False):
    """How inventory moves both prices, in bps, positive upwards; `skew_bps` is positive when long.

    `bid_scale` and `ask_scale` shrink the size of the side that would make the position larger.
    """

    bid_adjustment_bps: float
    ask_adjustment_bps: float
    inventory_pct: float
    skew_bps: float
    reason: SkewReason
    bid_scale: float = 1.0
    ask_scale: float = 1.0

    def __post_init__(self) -> None:
        if not isfinite(self.bid_adjustment_bps + self.ask_adjustment_bps + self.inventory_pct + self.skew_bps):
            refuse_not_finite(self)


class QueueAwareAdjustment(msgspec.Struct, frozen=True, gc=False):
    """How places in the queues move both prices, positive upwards; queue positions are lots ahead of us.

    The nudges in ticks are exact and added to the prices that are on their ticks already; those in bps say the same to
    people. A side that may not advance has an order whose place in the queue is worth more than a better price.
    """

    bid_nudge_bps: float
    ask_nudge_bps: float
    bid_ahead: Lots
    ask_ahead: Lots
    bid_percentile: float
    ask_percentile: float
    reason: NudgeReason
    bid_nudge_ticks: Ticks = 0
    ask_nudge_ticks: Ticks = 0
    bid_may_advance: bool = True
    ask_may_advance: bool = True

    def __post_init__(self) -> None:
        if not isfinite(self.bid_nudge_bps + self.ask_nudge_bps + self.bid_percentile + self.ask_percentile):
            refuse_not_finite(self)


class Quote(msgspec.Struct, frozen=True, gc=False):
    """The prices and sizes wanted of one level; 0 lots are no quote on that side."""

    level: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    bid_lots: Lots
    ask_lots: Lots

    def spread_bps(self) -> float:
        """Return the width in bps of the middle; 0 where the middle is not positive."""
        middle2 = self.ask_ticks + self.bid_ticks
        return (self.ask_ticks - self.bid_ticks) / middle2 * 2.0 * BPS if middle2 > 0 else 0.0


class OrderIntent(NamedTuple):
    """One action on one order; `generation` names the slot's order: a place makes the next one.

    `lots` of a place are its own, those of an amend the order's in all, filled ones included (`core.commands.Amend`).
    `defensive` ones leave first and are never throttled.
    """

    kind: IntentKind
    side: Side
    level: int
    generation: int
    ticks: Ticks
    lots: Lots
    reason: str
    defensive: bool


class StageFault(NamedTuple):
    """A stage that could not do its work: the stage's label, why, and what was found."""

    stage: str
    code: FaultCode
    detail: str
