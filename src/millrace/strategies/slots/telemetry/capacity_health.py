"""How much room the venue leaves us for orders, and how well orders fill (slots 15).

Everything here is read-only arithmetic over what the caller saw: it never changes trading. The guard on adding slots,
the entry scheduler and the rebalancer read it. Windows start empty after a restart, because old events must not colour
the judgement of a program that has just been repaired.
"""

import math
from collections import deque
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

Band = Literal["normal", "caution", "stop"]
NORMAL: Final = "normal"
CAUTION: Final = "caution"
STOP: Final = "stop"
Source = Literal["kraken", "internal_fallback"]

WINDOW_SEC = 86_400.0
STOP_HEADROOM = 10
CAUTION_HEADROOM = 20
_SAFETY_RATIOS = (0.1, 1.0)
_FRESH_SEC, _FRESH_POLLS = 60.0, 3


class FillHealth(msgspec.Struct, frozen=True, gc=False):
    """What the last 24 hours say: events, and seconds from placement to fill (None without fills)."""

    partial_open_events: int
    partial_cancel_events: int
    median_fill_sec: float | None
    p95_fill_sec: float | None


class FillHealthWindows:
    """Partial fills, cancels after a partial fill and fill times of the last 24 hours; times are seconds (slots 15.1).

    What is older is dropped when an event is written, and left out when they are read: reading changes nothing. One
    that is exactly 24 hours old still counts.
    """

    __slots__ = ("_cancels", "_durations", "_opens", "_seen")

    def __init__(self) -> None:
        self._opens: deque[float] = deque()
        self._cancels: deque[float] = deque()
        self._durations: deque[tuple[float, float]] = deque()
        self._seen: set[str] = set()

    def clear(self) -> None:
        """Forget everything, as a restart does."""
        for window in (self._opens, self._cancels, self._durations, self._seen):
            window.clear()

    def partial_open(self, txid: str, now: float) -> None:
        """Note an open order that is partly executed; only the first time counts (slots 15.4)."""
        if txid not in self._seen:
            self._seen.add(txid)
            self._opens.append(now)
        self._trim(now)

    def partial_cancel(self, txid: str, now: float) -> None:
        """Note an order that ended canceled or expired after a partial execution."""
        self._seen.discard(txid)
        self._cancels.append(now)
        self._trim(now)

    def filled(self, txid: str, now: float, placed_at: float) -> None:
        """Note a filled tracked order (not a recovery); without a placement time its duration is unknown."""
        self._seen.discard(txid)
        if placed_at > 0.0:
            self._durations.append((now, max(0.0, now - placed_at)))
        self._trim(now)

    def ended(self, txid: str) -> None:
        """Forget an order that ended in any other way."""
        self._seen.discard(txid)

    def read(self, now: float) -> FillHealth:
        """Return what the windows say now."""
        edge = now - WINDOW_SEC
        durations = sorted(seconds for ts, seconds in self._durations if ts >= edge)
        opens = sum(ts >= edge for ts in self._opens)
        return FillHealth(opens, self.cancels(now), median(durations), p95(durations))

    def cancels(self, now: float) -> int:
        """Return how many orders ended canceled or expired after a partial execution."""
        edge = now - WINDOW_SEC
        return sum(ts >= edge for ts in self._cancels)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "opens": list(self._opens),
            "cancels": list(self._cancels),
            "durations": [list(row) for row in self._durations],
            "seen": sorted(self._seen),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._opens = deque(state["opens"])
        self._cancels = deque(state["cancels"])
        self._durations = deque((now, seconds) for now, seconds in state["durations"])
        self._seen = set(state["seen"])

    def _trim(self, now: float) -> None:
        edge = now - WINDOW_SEC
        while self._opens and self._opens[0] < edge:
            self._opens.popleft()
        while self._cancels and self._cancels[0] < edge:
            self._cancels.popleft()
        while self._durations and self._durations[0][0] < edge:
            self._durations.popleft()


class BandClock:
    """Since when the band has been what it is, by what the grid saw and not by when somebody looked; in seconds.

    A streak is never assumed over a restart, which begins it anew. When the band was last "stop" is kept: the playbook
    scales again only after three normal days since (slots 20.1).
    """

    __slots__ = ("_band", "_since", "stopped_at")

    def __init__(self) -> None:
        self._band: Band | None = None
        self._since = 0.0
        self.stopped_at: float | None = None

    def observe(self, band: Band, now: float) -> None:
        """Take the band at `now`."""
        if band != self._band:
            self._band, self._since = band, now
        if band == STOP:
            self.stopped_at = now

    def since(self, band: Band, now: float) -> float:
        """Return since when this band holds: from `now` on when it is not the one observed last."""
        return self._since if band == self._band else now

    def clear(self) -> None:
        """Begin the streak anew, as a restart does."""
        self._band = None

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"band": self._band, "since": self._since, "stopped_at": self.stopped_at}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._band, self._since, self.stopped_at = state["band"], state["since"], state["stopped_at"]


class CapacityInputs(msgspec.Struct, frozen=True, kw_only=True):
    """What the object is made of.

    `exchange_orders` is the venue's count for the pair and `exchange_age_sec` its age, None while there is none;
    `internal_orders` counts our active and recovery orders that are at the venue or in flight; `limit` and
    `safety_ratio` are KRAKEN_OPEN_ORDERS_PER_PAIR_LIMIT and OPEN_ORDER_SAFETY_RATIO; `drift_persistent` says that the
    two counts have differed for longer than the drift alert allows (slots 4.7).
    """

    slot_count: int
    internal_orders: int
    exchange_orders: int | None = None
    exchange_age_sec: float | None = None
    poll_interval_sec: float = 30.0
    limit: int = 225
    safety_ratio: float = 0.75
    drift_persistent: bool = False
    partial_cancel_handled_total: int = 0
    partial_cancel_unhandled_total: int = 0
    dust_base: float = 0.0
    dust_cost_usd: float = 0.0


class CapacityFillHealth(msgspec.Struct, frozen=True, kw_only=True):
    """The status object `capacity_fill_health` (slots 15.5); the last six fields are additions to the seed's table."""

    open_orders_current: int
    open_orders_source: Source
    open_orders_internal: int
    open_orders_kraken: int | None
    open_orders_drift: int | None
    open_order_limit_configured: int
    open_orders_safe_cap: int
    open_order_headroom: int
    open_order_utilization_pct: float
    orders_per_slot_estimate: float | None
    estimated_slots_remaining: int
    partial_fill_open_events_1d: int
    partial_fill_cancel_events_1d: int
    median_fill_seconds_1d: float | None
    p95_fill_seconds_1d: float | None
    status_band: Band
    blocked_risk_hint: tuple[str, ...]
    partial_cancel_handled_total: int
    partial_cancel_unhandled_total: int
    dust_base: float
    dust_cost_usd: float
    band_since: float
    normal_streak_sec: float


def safe_cap(limit: int, ratio: float) -> int:
    """Return how many of the venue's open orders we use: decimal, so that 225 * 0.9 is 202 (slots 15.3)."""
    low, high = _SAFETY_RATIOS
    return max(1, math.floor(max(1, limit) * Decimal(str(min(max(ratio, low), high)))))


def slots_remaining(headroom: int, orders_per_slot: float | None) -> int:
    """Return about how many slots still fit; advisory (slots 15.3)."""
    if headroom <= 0 or orders_per_slot is None:
        return 0
    return math.floor(headroom / max(orders_per_slot, 1.0))


def capacity_band(headroom: int, cancel_events: int, unhandled: int = 0) -> Band:
    """Return the band: 20 orders of headroom are normal, 10 caution, fewer stop (slots 15.5).

    A partial cancel in the window stops, and so does one that was never handled (slots 6.5).
    """
    if headroom < STOP_HEADROOM or cancel_events > 0 or unhandled > 0:
        return STOP
    return CAUTION if headroom < CAUTION_HEADROOM else NORMAL


def capacity_fill_health(inputs: CapacityInputs, fills: FillHealth, clock: BandClock, now: float) -> CapacityFillHealth:
    """Return the status object at `now` (seconds)."""
    exchange = fresh_exchange_count(inputs.exchange_orders, inputs.exchange_age_sec, inputs.poll_interval_sec)
    current = inputs.internal_orders if exchange is None else exchange
    cap = safe_cap(inputs.limit, inputs.safety_ratio)
    headroom = cap - current
    per_slot = current / inputs.slot_count if inputs.slot_count > 0 else None
    band = capacity_band(headroom, fills.partial_cancel_events, inputs.partial_cancel_unhandled_total)
    since = clock.since(band, now)
    return CapacityFillHealth(
        open_orders_current=current,
        open_orders_source="internal_fallback" if exchange is None else "kraken",
        open_orders_internal=inputs.internal_orders,
        open_orders_kraken=exchange,
        open_orders_drift=None if exchange is None else exchange - inputs.internal_orders,
        open_order_limit_configured=max(1, inputs.limit),
        open_orders_safe_cap=cap,
        open_order_headroom=headroom,
        open_order_utilization_pct=current / cap * 100.0,
        orders_per_slot_estimate=per_slot,
        estimated_slots_remaining=slots_remaining(headroom, per_slot),
        partial_fill_open_events_1d=fills.partial_open_events,
        partial_fill_cancel_events_1d=fills.partial_cancel_events,
        median_fill_seconds_1d=fills.median_fill_sec,
        p95_fill_seconds_1d=fills.p95_fill_sec,
        status_band=band,
        blocked_risk_hint=_hints(inputs, fills, headroom, unavailable=exchange is None),
        partial_cancel_handled_total=inputs.partial_cancel_handled_total,
        partial_cancel_unhandled_total=inputs.partial_cancel_unhandled_total,
        dust_base=inputs.dust_base,
        dust_cost_usd=inputs.dust_cost_usd,
        band_since=since,
        normal_streak_sec=max(0.0, now - since) if band == NORMAL else 0.0,
    )


def fresh_exchange_count(orders: int | None, age_sec: float | None, poll_sec: float) -> int | None:
    """Return the venue's count unless it is missing or older than a minute and three polls (slots 15.2)."""
    oldest = max(_FRESH_SEC, _FRESH_POLLS * poll_sec)
    return None if orders is None or age_sec is None or age_sec > oldest else orders


def _hints(inputs: CapacityInputs, fills: FillHealth, headroom: int, *, unavailable: bool) -> tuple[str, ...]:
    """Return the machine codes in the contract's order (slots 15.5)."""
    near, caution = headroom < STOP_HEADROOM, headroom < CAUTION_HEADROOM
    codes = {
        "kraken_open_orders_unavailable": unavailable,
        "open_order_drift_persistent": inputs.drift_persistent,
        "near_open_order_cap": near,
        "open_order_caution": caution and not near,
        "partial_fill_open_pressure": fills.partial_open_events > 0,
        "partial_fill_cancel_detected": fills.partial_cancel_events > 0,
    }
    return tuple(code for code, holds in codes.items() if holds)


def median(ascending: Sequence[float]) -> float | None:
    """Return the middle value or the mean of the two in the middle; None without values (slots 15.4)."""
    if not ascending:
        return None
    half = len(ascending) // 2
    return ascending[half] if len(ascending) % 2 else (ascending[half - 1] + ascending[half]) / 2.0


def p95(ascending: Sequence[float]) -> float | None:
    """Return the 95th percentile by nearest rank, index ceil(0.95 n) - 1; None without values (slots 15.4)."""
    return nearest_rank(ascending, 95)


def nearest_rank(ascending: Sequence[float], per_cent: int) -> float | None:
    """Return a percentile by nearest rank, index ceil(n * per cent / 100) - 1; None without values."""
    return ascending[-(-per_cent * len(ascending) // 100) - 1] if ascending else None
