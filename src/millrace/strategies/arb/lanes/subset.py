"""Which NOs of an exclusive group to buy: the best subset, at the depth of its books (arb 3).

Of k members of an exclusive group at most one wins, so their NOs pay k - 1. A member earns what its NO costs less than
a dollar, and one dollar is lost once: so every member that costs less than a dollar is worth including, which is
optimal at any fixed size. Sizes are those at which some book changes its price; there a thin member may be worth
leaving out, and each of them is tried. What a member earns is a straight line between two such sizes, so the sums at
all of them come out of one walk over the places where a line bends, in whole numbers.
"""

from collections.abc import Sequence

from millrace.core.instrument import Lots
from millrace.strategies.arb.model import NanoUsd

Rungs = Sequence[tuple[NanoUsd, Lots]]
"""What one contract costs with its fee, and how many there are, the cheapest first."""
_DOLLAR_MICRO = 1_000_000
_LEAST_MEMBERS = 2
_Bend = tuple[Lots, int, int, int]
"""Beyond a size: what is added to a sum's height at zero, its slope, and the number of members that earn."""


def best_subset(members: Sequence[Rungs], anchor: Rungs | None = None, risk_nano: NanoUsd = 0) -> tuple[int, ...]:
    """Return the members whose NOs earn the most together, by number; at least two, with an anchor at least one.

    `risk_nano` is charged to each member. The anchor is bought in any case and takes the place of the dollar that one
    loser costs. Empty when there are too few members. Where no size has so many that earn anything, those are returned
    that lose least at the best prices.
    """
    least = _LEAST_MEMBERS if anchor is None else 1
    if len(members) < least:
        return ()
    rated = [[(_DOLLAR_MICRO + -(cost + risk_nano) // 1_000, lots) for cost, lots in rungs] for rungs in members]
    size = _best_size(rated, anchor, least)
    if size is None:
        order = sorted(range(len(rated)), key=lambda number: -rated[number][0][0])
        return tuple(sorted(order[:least]))
    return tuple([number for number, rungs in enumerate(rated) if _gain(rungs, size) > 0])


def _best_size(rated: Sequence[Rungs], anchor: Rungs | None, least: int) -> Lots | None:
    """Return the smallest of the sizes at which the earning members earn the most; None when none has `least`."""
    bends: list[_Bend] = []
    sizes: set[Lots] = set()
    for rungs in rated:
        _bend(rungs, bends, sizes)
    height, slope, earning = 0, -_DOLLAR_MICRO, 0
    if anchor is not None:
        slope = 0
        deepest = _anchored(anchor, bends, sizes)
        sizes = {size for size in sizes if size <= deepest}
    bends.sort()
    best, best_size, at = 0, None, 0
    for size in sorted(sizes):
        while at < len(bends) and bends[at][0] < size:
            _, up, steeper, more = bends[at]
            height += up
            slope += steeper
            earning += more
            at += 1
        total = height + slope * size
        if earning >= least and (best_size is None or total > best):
            best, best_size = total, size
    return best_size


def _bend(rungs: Rungs, bends: list[_Bend], sizes: set[Lots]) -> None:
    """Note a member's sizes, and where its line bends: it counts while it earns and its book is deep enough."""
    size = gain = 0
    height = slope = earning = 0
    for rate, lots in rungs:
        end, at_end = size + lots, gain + rate * lots
        if gain > 0 or at_end > 0:
            begins = size if gain >= 0 else size + -gain // rate
            line = gain - rate * size
            bends.append((begins, line - height, rate - slope, 1 - earning))
            height, slope, earning = line, rate, 1
            if at_end <= 0:
                bends.append((size - gain // rate - 1, -height, -slope, -1))
                height = slope = earning = 0
        size, gain = end, at_end
        sizes.add(end)
    if earning:
        bends.append((size, -height, -slope, -1))


def _anchored(anchor: Rungs, bends: list[_Bend], sizes: set[Lots]) -> Lots:
    """Note the anchor's sizes and what it costs, and return how deep its book is."""
    size = paid = height = slope = 0
    for cost, lots in anchor:
        price = -(-cost // 1_000)
        line = price * size - paid
        bends.append((size, line - height, -price - slope, 0))
        height, slope = line, -price
        size += lots
        paid += price * lots
        sizes.add(size)
    return size


def _gain(rungs: Rungs, size: Lots) -> int:
    """Return what a member earns at a size, in 1e-6 dollars times lots; nothing where its book is not as deep."""
    gain = 0
    for rate, lots in rungs:
        if size <= lots:
            return gain + rate * size
        gain += rate * lots
        size -= lots
    return 0
