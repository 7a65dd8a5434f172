"""Which NOs of an exclusive group to buy: the best subset, at the depth of its books (arb 3).

Of k members of an exclusive group at most one wins, so their NOs pay k - 1. A member earns what its NO costs less than
a dollar, and one dollar is lost once: so every member that costs less than a dollar is worth including, which is
optimal at any fixed size. Sizes are those at which some book changes its price; there a thin member may be worth
leaving out, and each of them is tried.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from millrace.core.instrument import Lots
from millrace.strategies.arb.model import NanoUsd

Ints = NDArray[np.int64]
Rungs = Sequence[tuple[NanoUsd, Lots]]
"""What one contract costs with its fee, and how many there are, the cheapest first."""
_DOLLAR_MICRO = 1_000_000
_MOST_LOTS = 10**11
"""Sizes above 100,000 contracts are not told apart, so that the sums stay within 64 bits."""
_OUT_OF_DEPTH = -(2**61)
_LEAST_MEMBERS = 2


def best_subset(members: Sequence[Rungs], anchor: Rungs | None = None, risk_nano: NanoUsd = 0) -> tuple[int, ...]:
    """Return the members whose NOs earn the most together, by number; at least two, with an anchor at least one.

    `risk_nano` is charged to each member. The anchor is bought in any case and takes the place of the dollar that one
    loser costs. Empty when no size is deep enough.
    """
    least = _LEAST_MEMBERS if anchor is None else 1
    sizes = _sizes(members, anchor)
    if not len(sizes) or len(members) < least:
        return ()
    gains = _gains(members, sizes, risk_nano)
    base = sizes * _DOLLAR_MICRO
    if anchor is not None:
        base = base - _gains([anchor], sizes, 0)[0]
    earned = np.maximum(gains, 0).sum(axis=0)
    forced = np.sort(gains, axis=0)[-least:]
    few = (gains > 0).sum(axis=0) < least
    possible = forced[0] > _OUT_OF_DEPTH
    total = np.where(few, np.where(possible, forced, 0).sum(axis=0), earned) - base
    total = np.where(possible & (base < -_OUT_OF_DEPTH), total, _OUT_OF_DEPTH)
    best = int(np.argmax(total))
    if total[best] == _OUT_OF_DEPTH:
        return ()
    column = gains[:, best]
    if few[best]:
        return tuple(sorted(np.argsort(-column, kind="stable")[:least].tolist()))
    return tuple(np.flatnonzero(column > 0).tolist())


def _sizes(members: Sequence[Rungs], anchor: Rungs | None) -> Ints:
    sizes: set[Lots] = set()
    for rungs in (*members, *(() if anchor is None else (anchor,))):
        size = 0
        for _, lots in rungs:
            size += lots
            sizes.add(min(size, _MOST_LOTS))
    return np.array(sorted(sizes), np.int64)


def _gains(members: Sequence[Rungs], sizes: Ints, risk_nano: NanoUsd) -> Ints:
    """What each member earns at each size, in 1e-6 dollars times lots; far below zero where its book is not as deep."""
    depth = max(map(len, members))
    padded = [[*rungs, *((0, 0),) * (depth - len(rungs))] for rungs in members]
    books = np.array(padded, np.int64)
    ends = np.minimum(np.cumsum(books[:, :, 1], axis=1), _MOST_LOTS)
    starts = np.concatenate((np.zeros((len(members), 1), np.int64), ends[:, :-1]), axis=1)
    rates = _DOLLAR_MICRO - -(-(books[:, :, 0] + risk_nano) // 1_000)
    taken = np.clip(sizes[None, :, None], starts[:, None, :], ends[:, None, :]) - starts[:, None, :]
    earned: Ints = (taken * rates[:, None, :]).sum(axis=2)
    return np.where(sizes <= ends[:, -1:], earned, _OUT_OF_DEPTH)
