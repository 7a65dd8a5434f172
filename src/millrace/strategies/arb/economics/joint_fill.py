"""How legs fill together: independent across venues, correlated on one, and every outcome with its own chance.

The legs of one venue share one Gaussian factor (arb 8.1): given the factor they fill independently, so a joint chance
is an integral over one variable, done with fixed nodes. That form is symmetric, monotone in each leg, and never above
the weakest leg, which the usual effective-count formula is not.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
MOST_ENUMERATED = 6
"""Up to so many legs all 2^n outcomes are counted (arb 8.2)."""
_NODES = 48
_PAIR = 2


@lru_cache(maxsize=1)
def _rule() -> tuple[Floats, Floats]:
    """Return nodes and weights of the Gauss-Hermite rule for a standard normal variable."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    return nodes, weights / weights.sum()


@lru_cache(maxsize=8)
def _places(factor: float) -> tuple[Floats, float]:
    return np.sqrt(factor) * _rule()[0], float(1 / np.sqrt(1 - factor))


def _given(chances: Sequence[float], correlation: float) -> Floats:
    """Return each leg's chance given the factor, one row for each leg."""
    from scipy.special import ndtr, ndtri  # noqa: PLC0415  see `get_ready`

    shift, scale = _places(correlation)
    thresholds = ndtri(np.asarray(chances, dtype=np.float64))
    conditional: Floats = ndtr((thresholds[:, None] - shift) * scale)
    return conditional


def get_ready() -> None:
    """Import what takes long, when a desk is made: a program without one never waits, and no first decision does."""
    joint_fill((0.5, 0.5), ("", ""), 0.5)


def joint_fill(chances: Sequence[float], venues: Sequence[Any], correlation: float) -> float:
    """Return the chance that all legs fill, within [product, least] (arb 8.1); correlation in [0, 1]."""
    product = 1.0
    for venue in dict.fromkeys(venues):
        group = [chance for chance, at in zip(chances, venues, strict=True) if at == venue]
        product *= _joint_of_venue(group, correlation)
    return product


def _joint_of_venue(group: Sequence[float], correlation: float) -> float:
    least, product = min(group), prod(group)
    if len(group) == 1 or correlation <= 0 or least <= 0:
        return product
    if correlation >= 1:
        return least
    together = float(np.multiply.reduce(_given(group, correlation)) @ _rule()[1])
    return min(max(together, product), least)


def outcome_chances(chances: Sequence[float], venues: Sequence[Any], correlation: float) -> Floats:
    """Return the chance of each of the 2^n outcomes; bit i of the index says that leg i fills (arb 8.2).

    They sum to one. For more than `MOST_ENUMERATED` legs use `joint_fill` and the worst repair for the rest.
    """
    n = len(chances)
    result = np.ones(1 << n)
    index = np.arange(1 << n)
    for venue in dict.fromkeys(venues):
        legs = [leg for leg in range(n) if venues[leg] == venue]
        group = _of_venue([chances[leg] for leg in legs], correlation)
        place = np.zeros(1 << n, dtype=np.int64)
        for bit, leg in enumerate(legs):
            place |= ((index >> leg) & 1) << bit
        result *= group[place]
    return result


def _of_venue(group: Sequence[float], correlation: float) -> Floats:
    """Return the chances of the outcomes of one venue's legs, the first leg in the lowest bit."""
    if len(group) == 1 or correlation <= 0:
        outcomes = np.ones(1)
        for chance in group:
            outcomes = np.concatenate([outcomes * (1 - chance), outcomes * chance])
        return outcomes
    if len(group) == _PAIR:
        both = _joint_of_venue(group, correlation)
        one, other = group
        return np.array([max(1 - one - other + both, 0.0), one - both, other - both, both])
    given = _given(group, min(correlation, 1 - 1e-9))
    table = np.ones((1, given.shape[1]))
    for leg in range(len(group)):
        table = np.concatenate([table * (1 - given[leg]), table * given[leg]])
    found: Floats = table @ _rule()[1]
    return found


GRADES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
"""Levels of a graduated fill (arb 8.6)."""


def graduated(whole: float, none: float) -> tuple[float, ...]:
    """Return the chance of each of `GRADES`: all-fill at 1, no fill at 0, and what lies between evenly in between."""
    whole = min(max(whole, 0.0), 1.0)
    none = min(max(none, 0.0), 1.0 - whole)
    between = (1.0 - whole - none) / (len(GRADES) - 2)
    return (none, *[between] * (len(GRADES) - 2), whole)
