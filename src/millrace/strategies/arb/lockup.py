"""For how long a basket's capital is locked: until the last leg pays, unless the venue turns it into cash before (9.8).

The earliest leg says nothing: capital is locked until the last one has paid. Where nobody knows when that is, the
lane's own slow outcomes are assumed, and the longest lock allowed while there are none: ignorance is never cheap.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import numpy as np

from millrace.core.binary_events import RedeemRoute
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.model import Basket, Lane, MarketFacts

_HOUR_NS = 3_600 * 10**9
_KEPT = 100
_SLOW = 0.9


class _Saved(msgspec.Struct):
    hours: dict[str, list[float]]


def redeem_route(basket: Basket, facts: Mapping[InstrumentId, MarketFacts]) -> RedeemRoute:
    """Return how the basket becomes cash: a whole pair of one market at once where its venue does that."""
    if basket.lane is Lane.INTRA:
        found = facts.get(basket.legs[0].proposition.market)
        return RedeemRoute.RESOLUTION if found is None else found.pair_route
    return RedeemRoute.RESOLUTION


class Lockup:
    """How long the capital of ended baskets was locked, by lane."""

    def __init__(self, longest_hours: float) -> None:
        self._longest = longest_hours
        self._hours: dict[str, list[float]] = {}

    def ended(self, lane: Lane, hours: float) -> None:
        """Take how long one basket's capital was locked."""
        self._hours[lane] = [*self._hours.get(lane, []), hours][-_KEPT:]

    def hours(self, basket: Basket, facts: Mapping[InstrumentId, MarketFacts], now_ns: int) -> float:
        """Return the hours until the last leg pays; 0 for pairs that the venue turns into cash at once."""
        if redeem_route(basket, facts) is not RedeemRoute.RESOLUTION:
            return 0.0
        if basket.horizon_ns is not None:
            return max(basket.horizon_ns - now_ns, 0) / _HOUR_NS
        known = self._hours.get(basket.lane, [])
        return float(np.quantile(known, _SLOW)) if known else self._longest

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(self._hours))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._hours = msgspec.convert(state, _Saved).hours
