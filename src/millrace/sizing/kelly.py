"""The stake that grows money fastest over the outcomes a basket can have (arb 9.2).

A miss is not a loss and a divergence is one: growth is maximised over all four outcomes with their own returns, not
over a win and a loss. The derivative falls along the stake, so halving an interval finds its root for any numbers.
"""

from collections.abc import Sequence

_STEPS = 34
"""Halvings of [0, 1]: below 1e-9, and a little more."""


def growth_optimal(chances: Sequence[float], returns: Sequence[float]) -> float:
    """Return the stake in [0, 1] of the bankroll with the largest log growth; 0 when the mean is not positive.

    `returns` are per dollar staked and not below -1; `chances` those of each.
    """
    pairs = [(chance, gain) for chance, gain in zip(chances, returns, strict=True) if chance > 0 and gain]
    if sum(chance * gain for chance, gain in pairs) <= 0:
        return 0.0
    if min(gain for _, gain in pairs) > -1 and _slope(pairs, 1.0) >= 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _slope(pairs, middle) > 0:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def _slope(pairs: Sequence[tuple[float, float]], stake: float) -> float:
    return sum(chance * gain / (1 + stake * gain) for chance, gain in pairs)


def two_outcome(win: float, gain: float, loss: float) -> float:
    """Return the closed form (b p - a q) / (a b) of a win `gain` or a loss `loss` per dollar, within [0, 1]."""
    return min(max((gain * win - loss * (1 - win)) / (loss * gain), 0.0), 1.0)
