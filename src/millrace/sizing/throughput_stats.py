"""What finished and waiting trades say about how fast capital turns over (slots 14.2 to 14.6).

Rows come from snapshots, files and running state, so every field may be missing or rubbish; nothing here raises. Plain
tuples and lists, because an update must cost about a millisecond on the thread that trades, and at a few hundred rows
they beat arrays.
"""

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from decimal import Decimal
from itertools import accumulate
from numbers import Real
from operator import itemgetter, mul
from typing import Any

import msgspec

from millrace.sizing.regime import REGIME_NAMES, normalise_regime

AGGREGATE = "aggregate"
SIDE_BUCKETS = tuple(f"{regime}_{leg}" for regime in REGIME_NAMES for leg in "AB")
BUCKETS = (AGGREGATE, *SIDE_BUCKETS)
"""All bucket names, the aggregate first."""

LARGEST = 1e100
"""Numbers at or beyond it mean nothing here and count as missing, so that no sum or product can overflow."""

_CENSOR_GATE = 0.5
_LEAST_WEIGHT = 1e-300
_BY_PAIR = {(regime, leg): REGIME_NAMES[regime] + "_" + leg for regime in range(3) for leg in "AB"}

_MISSING = math.nan
_FIRST, _SECOND = itemgetter(0), itemgetter(1)


class BucketStats(msgspec.Struct, frozen=True, gc=False):
    """Fill times (seconds) and profit of one bucket; `n_censored` counts open exits that joined (slots 14.6)."""

    median_fill_sec: float = 0.0
    p75_fill_sec: float = 0.0
    p95_fill_sec: float = 0.0
    mean_profit_per_sec: float = 0.0
    n_completed: int = 0
    n_censored: int = 0


Trip = tuple[float, float, float]
"""A finished round trip: seconds from entry to exit, recency weight, net profit in USD."""


def number(value: object, default: float = 0.0) -> float:
    """Return `value` as a float; `default` when it is not a number, not finite or absurdly large."""
    if type(value) is not float:
        if not isinstance(value, (Real, str, Decimal)):
            return default
        try:
            value = float(value)
        except (ValueError, OverflowError):
            return default
    return value if -LARGEST < value < LARGEST else default


def side_bucket(regime: object, trade_id: object) -> str | None:
    """Return the side bucket of a regime and a leg, None unless both mean something (slots 14.2)."""
    if type(regime) is int and type(trade_id) is str:
        bucket = _BY_PAIR.get((regime, trade_id))
        if bucket is not None:
            return bucket
    if not isinstance(trade_id, str):
        return None
    known = normalise_regime(regime)
    return None if known is None else _BY_PAIR.get((known, trade_id.strip().upper()))


def deal_trips(cycles: object, lookback: int, halflife_trips: float) -> tuple[dict[str, list[Trip]], int]:
    """Return the newest valid round trips per bucket, shortest first, and how many rows were looked at.

    Rows beyond the `lookback` newest are left out (slots 14.3). A trip's weight halves every `halflife_trips` ranks;
    ranks count inside a bucket from its newest trip, so a trip weighs differently in the aggregate and in its side
    bucket (slots 14.4). An unusable time counts as 0.
    """
    rows: list[tuple[float, float, dict[str, Any]]] = []
    for row in _dicts(cycles):
        entry, leave = number(row.get("entry_time")), number(row.get("exit_time"))
        rows.append((leave or entry, leave - entry, row))
    rows.sort(key=_FIRST, reverse=True)
    del rows[lookback:]
    decay = math.log(2.0) / halflife_trips if halflife_trips > 0.0 else 0.0
    weights = [math.exp(-decay * rank) or _LEAST_WEIGHT for rank in range(len(rows))]
    dealt: dict[str, list[Trip]] = {bucket: [] for bucket in BUCKETS}
    everything = dealt[AGGREGATE]
    for _, duration, row in rows:
        if duration > 0.0:
            net_usd = number(row.get("net_profit"))
            everything.append((duration, weights[len(everything)], net_usd))
            bucket = side_bucket(row.get("regime_at_entry"), row.get("trade_id"))
            if bucket is not None:
                side = dealt[bucket]
                side.append((duration, weights[len(side)], net_usd))
    for trips in dealt.values():
        trips.sort()
    return dealt, len(rows)


def deal_exits(rows: object, now: object) -> tuple[dict[str, list[float]], float]:
    """Return the ages (seconds, ascending) of waiting exits per bucket, and the volume that they lock (base units).

    The age is the first of `age_sec`, `age`, now - `entry_filled_at` that is present and finite; rows of age <= 0 are
    ignored, also for the locked volume (slots 14.1).
    """
    now_sec = number(now, _MISSING)
    dealt: dict[str, list[float]] = {bucket: [] for bucket in BUCKETS}
    locked = 0.0
    for row in _dicts(rows):
        age = number(row.get("age_sec"), _MISSING)
        if math.isnan(age):
            filled_at = number(row.get("entry_filled_at"))
            age = number(row.get("age"), now_sec - filled_at if filled_at > 0.0 else _MISSING)
        if age > 0.0:
            dealt[AGGREGATE].append(age)
            bucket = side_bucket(row.get("regime_at_entry"), row.get("trade_id"))
            if bucket is not None:
                dealt[bucket].append(age)
            locked += max(0.0, number(row.get("volume")))
    for ages in dealt.values():
        ages.sort()
    return dealt, locked


def weighted_percentile(observations: Iterable[tuple[float, float]], q: float) -> float:
    """Return the smallest value whose cumulative weight reaches q of the total, 0 when there is none (slots 14.5).

    Observations are (value, weight); those with value <= 0 or weight <= 0 are dropped. No interpolation.
    """
    usable = sorted(pair for pair in observations if pair[0] > 0.0 and pair[1] > 0.0)
    return _at(usable, list(accumulate(map(_SECOND, usable))), q)


def bucket_stats(trips: Sequence[Trip], ages: Sequence[float], censored_weight: float) -> BucketStats:
    """Return the statistics of one bucket's trips and waiting exits' ages, both ascending (slots 14.6)."""
    durations, weights, _ = zip(*trips, strict=True) if trips else ((), (), ())
    done = list(zip(durations, weights, strict=True))
    sums = list(accumulate(weights))
    late = ages[bisect_right(ages, _CENSOR_GATE * _at(done, sums, 0.5)) :]
    if late and censored_weight > 0.0:
        done += [(age, censored_weight) for age in late]
        done.sort()
        sums = list(accumulate(map(_SECOND, done)))
    return BucketStats(
        median_fill_sec=_at(done, sums, 0.5),
        p75_fill_sec=_at(done, sums, 0.75),
        p95_fill_sec=_at(done, sums, 0.95),
        mean_profit_per_sec=profit_per_sec(trips),
        n_completed=len(trips),
        n_censored=len(late),
    )


def profit_per_sec(trips: Sequence[Trip]) -> float:
    """Return the weighted net profit (USD) per second of waiting, 0 when nothing finished (slots 14.6)."""
    durations, weights, nets_usd = zip(*trips, strict=True) if trips else ((), (), ())
    time_sec = sum(map(mul, weights, durations))
    return number(sum(map(mul, weights, nets_usd)) / time_sec) if time_sec > 0.0 else 0.0


def _at(pairs: Sequence[tuple[float, float]], sums: Sequence[float], q: float) -> float:
    """Return the value at share q of `pairs` (sorted by value) with the running weight `sums`."""
    if not pairs:
        return 0.0
    share = min(max(q, 0.0), 1.0) * sums[-1]
    return pairs[bisect_left(sums, share)][0]


def _dicts(rows: object) -> list[dict[str, Any]]:
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, Iterable) else []
