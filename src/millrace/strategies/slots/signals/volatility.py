"""A profit target that follows volatility (slots 5.4, knobs of 21).

The target never falls below twice the maker fee plus 0.1 %, so that a round trip at target always earns (P32).
"""

from collections.abc import Sequence
from itertools import pairwise
from math import isfinite
from statistics import median

import msgspec

SAMPLES_USED = 180
SAMPLES_NEEDED = 12
_DEFAULT_BASE_PCT = 1.0
_ROUND_TRIP_LEGS = 2.0
_FLOOR_MARGIN_PCT = 0.1
_DECIMALS = 4


class VolatilityTarget(msgspec.Struct, frozen=True, gc=False):
    """Settings of the volatility target; the ceiling is in per cent, the rest are factors."""

    enabled: bool = True
    factor: float = 0.8
    ceiling_pct: float = 3.0
    mult_floor: float = 0.5
    mult_ceiling: float = 2.0


def profit_target_pct(prices: Sequence[float], profit_pct: float, maker_fee_pct: float, cfg: VolatilityTarget) -> float:
    """Return the profit target in per cent from price samples, oldest first.

    Below 12 samples, or switched off, it is the base: `profit_pct`, or 1.0 when that is not positive.
    """
    base = profit_pct if profit_pct > 0.0 else _DEFAULT_BASE_PCT
    target = base
    used = [float(price) for price in prices[-SAMPLES_USED:]]
    used = [price for price in used if isfinite(price) and price > 0.0]
    if cfg.enabled and len(used) >= SAMPLES_NEEDED:
        moves = [abs(new - old) / old * 100.0 for old, new in pairwise(used)]
        volatility_pct = median(moves) * _ROUND_TRIP_LEGS * cfg.factor
        multiplier = min(max(volatility_pct / base, cfg.mult_floor), cfg.mult_ceiling)
        target = min(cfg.ceiling_pct, base * multiplier)
    return round(max(target, _ROUND_TRIP_LEGS * maker_fee_pct + _FLOOR_MARGIN_PCT), _DECIMALS)
