"""From scores to weights, before anything is smoothed.

The softmax gives weights whose mean is one, so that moving money between symbols never makes the whole risk larger;
what a limit cuts off is spread over the others in their proportions until the sum is right again. The curve is the
mapping that the original published, point for point, under a cap on the whole. A symbol that is being tried again has a
higher floor than the others (quoting 7).
"""

from bisect import bisect_left
from collections.abc import Mapping
from math import exp, fsum

from millrace.strategies.quoting.settings_growth import AllocatorSettings

CURVE = ((0.28, 0.3), (0.42, 0.7), (0.52, 1.0), (0.68, 1.4), (0.85, 2.5))
"""Score and weight of the published table; linear between the points, and beyond them as between the last two."""

Weights = dict[str, float]


def target_weights(scores: Mapping[str, float], floors: Mapping[str, float], settings: AllocatorSettings) -> Weights:
    """Return the weight that each score earns; `floors` are those that differ from the least weight."""
    if not scores:
        return {}
    least = {symbol: max(settings.min_weight, floors.get(symbol, 0.0)) for symbol in scores}
    most = settings.max_weight
    if settings.weight_mode == "curve":
        found = {symbol: min(most, max(least[symbol], _on_curve(score))) for symbol, score in scores.items()}
        cap = min(1.0, settings.budget_factor * len(found) / fsum(found.values()))
        return {symbol: weight * cap for symbol, weight in found.items()}
    top = max(scores.values())
    raw = {symbol: exp((score - top) / settings.temperature) for symbol, score in scores.items()}
    level = _level(raw, least, most) if settings.redistributes else len(raw) / fsum(raw.values())
    return {symbol: min(most, max(least[symbol], level * each)) for symbol, each in raw.items()}


def _level(raw: Weights, least: Weights, most: float) -> float:
    """Return the factor by which the raw weights, each held within its limits, add up to their number.

    The sum grows with the factor and bends where a symbol reaches a limit; between two bends it is a line.
    """

    def held(level: float) -> float:
        return fsum(min(most, max(least[symbol], level * each)) for symbol, each in raw.items())

    bends = sorted({bend for symbol, each in raw.items() for bend in (least[symbol] / each, most / each)})
    place = bisect_left(bends, float(len(raw)), key=held)
    if place in {0, len(bends)}:
        return bends[min(place, len(bends) - 1)]
    low, high = bends[place - 1], bends[place]
    free = {symbol for symbol, each in raw.items() if least[symbol] / each <= low and most / each >= high}
    fixed = fsum(min(most, max(least[symbol], low * each)) for symbol, each in raw.items() if symbol not in free)
    whole = fsum(raw[symbol] for symbol in free)
    return min(high, max(low, (len(raw) - fixed) / whole)) if whole else high


def _on_curve(score: float) -> float:
    knots = [point[0] for point in CURVE[1:-1]]
    (x0, y0), (x1, y1) = CURVE[bisect_left(knots, score) : bisect_left(knots, score) + 2]
    share = (score - x0) / (x1 - x0)
    return y0 * (1.0 - share) + y1 * share


def jain_index(weights: Mapping[str, float]) -> float:
    """Return how evenly weights are spread: 1 when all are equal, 1/n when one has everything, 1 without any."""
    squares = fsum(weight * weight for weight in weights.values())
    return fsum(weights.values()) ** 2 / (len(weights) * squares) if squares else 1.0
