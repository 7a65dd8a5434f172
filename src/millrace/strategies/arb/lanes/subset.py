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
        base -= _gains([anchor], sizes, 0)[0]
    wins = gains > 0
    possible = (wins.sum(axis=0) >= least) & (base < -_OUT_OF_DEPTH)
    if not possible.any():
        return _least_bad(gains, least)
    total = np.where(possible, np.maximum(gains, 0).sum(axis=0) - base, _OUT_OF_DEPTH)
    chosen: list[int] = np.flatnonzero(wins[:, np.argmax(total)]).tolist()
    return tuple(chosen)


def _least_bad(gains: Ints, least: int) -> tuple[int, ...]:
    """Return the fewest members allowed where no size has so many that earn anything: those that lose least, at one."""
    order = np.argsort(-gains[:, 0], kind="stable")[:least]
    return tuple(sorted(order.tolist())) if gains[order[-1], 0] > _OUT_OF_DEPTH else ()


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
    taken = np.minimum(np.maximum(sizes[None, :, None] - starts[:, None, :], 0), (ends - starts)[:, None, :])
    earned: Ints = np.einsum("msl,ml->ms", taken, rates)
    return np.where(sizes <= ends[:, -1:], earned, _OUT_OF_DEPTH)
