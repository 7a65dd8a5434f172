"""What a larger size costs: the walk down the book, the curve beyond it, and how far the edge carries (arb 8.5).

Everything is in dollars per contract, so that a price and a share are never mixed. The size at which the marginal
impact eats the edge is smaller than the one at which the average does, and only the first leaves a profit.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from millrace.core.binary_events import BookLevel
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import Lots
from millrace.strategies.arb.economics.settings import EconomicsSettings

REMEMBERED = 200
"""Fills kept per venue and family."""
_EXPONENTS = tuple(0.5 + step / 10 for step in range(16))
"""Exponents tried, within [0.5, 2]."""


class Curve(NamedTuple):
    """Impact of one leg: factor x (size / depth) ** exponent dollars per contract."""

    factor: float
    exponent: float

    def cost(self, contracts: float, depth: float) -> float:
        """Return the average impact per contract; a size without depth costs the whole dollar."""
        return self.factor * (contracts / depth) ** self.exponent if depth > 0 else 1.0

    def most_contracts(self, edge: float, depth: float) -> float:
        """Return the size at which one more contract's impact eats the edge; 0 without an edge."""
        if edge <= 0 or depth <= 0:
            return 0.0
        if self.factor <= 0:
            return depth
        return float(depth * (edge / (self.factor * (1 + self.exponent))) ** (1 / self.exponent))


def prior(settings: EconomicsSettings) -> Curve:
    """Return the curve that holds until fills say otherwise."""
    return Curve(settings.impact_factor, settings.impact_exponent)


def slippage(levels: Sequence[BookLevel], lots: Lots, curve: Curve) -> float:
    """Return how far the average price of a taker leg lies above the best one, the curve beyond what is shown."""
    if not levels or lots <= 0:
        return 0.0
    top, open_lots, worse = levels[0].ticks, lots, 0
    for level in levels:
        taken = min(open_lots, level.lots)
        worse += taken * (level.ticks - top)
        open_lots -= taken
    depth = sum(level.lots for level in levels)
    beyond = curve.cost(lots, depth) * open_lots / lots if open_lots else 0.0
    last = (levels[-1].ticks - top) * open_lots
    return (worse + last) / lots / PAYOUT_TICKS + beyond


def most_contracts(depth: float, edge: float, settings: EconomicsSettings) -> float:
    """Return the most contracts of a leg: a share of the visible depth, and no further than the edge carries (9.10).

    A leg that shows fewer than `least_depth` contracts is not traded at all.
    """
    if depth < settings.least_depth:
        return 0.0
    return min(settings.depth_share * depth, prior(settings).most_contracts(edge, depth))


class _Saved(msgspec.Struct):
    fills: dict[str, list[tuple[float, float]]]


class ImpactBook:
    """What fills cost beyond their plan, per venue and family, and the curve that this teaches.

    A sample is the share of the depth that was taken, and the signed slippage against the planned average price.
    """

    def __init__(self, settings: EconomicsSettings) -> None:
        self._settings = settings
        self._fills: dict[str, list[tuple[float, float]]] = {}
        self._curves: dict[str, Curve] = {}

    def add(self, venue: str, family: str, share: float, signed_slippage: float) -> None:
        """Take one taker fill: dollars per contract, positive when it was dearer than planned."""
        if share <= 0:
            return
        name = f"{venue}|{family}"
        self._fills[name] = [*self._fills.get(name, []), (share, signed_slippage)][-REMEMBERED:]
        self._curves.pop(name, None)

    def beyond_plan(self, venue: str, family: str, contracts: float, depth: float) -> float:
        """Return what a leg is expected to cost beyond its plan, dollars per contract; 0 until enough fills are known.

        Shrunk towards none by the prior's weight; never negative, for luck is no forecast.
        """
        name = f"{venue}|{family}"
        if len(self._fills.get(name, ())) < self._settings.least_fills or depth <= 0:
            return 0.0
        curve = self._curves.get(name)
        if curve is None:
            curve = self._curves[name] = self._shrunk(self._fills[name])
        return max(curve.cost(contracts, depth), 0.0)

    def _shrunk(self, fills: list[tuple[float, float]]) -> Curve:
        factor, exponent = robust_curve(fills)
        weight = len(fills) / (len(fills) + self._settings.prior_weight)
        return Curve(weight * factor, weight * exponent + (1 - weight) * self._settings.impact_exponent)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(self._fills))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._fills = msgspec.convert(state, _Saved).fills
        self._curves.clear()


def robust_curve(fills: Sequence[tuple[float, float]]) -> Curve:
    """Return the curve with the least sum of absolute errors: for each exponent the factor is a weighted median."""
    best: tuple[float, Curve] | None = None
    for exponent in _EXPONENTS:
        rows = sorted((slip / share**exponent, share**exponent) for share, slip in fills)
        half = sum(weight for _, weight in rows) / 2
        factor = rows[-1][0]
        for value, weight in rows:
            half -= weight
            if half <= 0:
                factor = value
                break
        error = sum(weight * abs(value - factor) for value, weight in rows)
        if best is None or error < best[0] - 1e-15:
            best = (error, Curve(factor, exponent))
    if best is None:
        raise ValueError("a curve needs at least one fill")
    return best[1]
