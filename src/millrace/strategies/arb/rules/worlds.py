"""The worlds that rules permit, found by trying them, and what a basket pays over all of them (arb 4).

A world gives each market its outcome. Markets are decided one after another; a partial world that already breaks a
count, or can no longer reach one, is dropped. So a group of exclusive outcomes has as many worlds as outcomes and not
two to that power, and far more than the 14 propositions of the contract can be enumerated (arb 4.6). The number of
partial worlds is bounded; beyond it the answer is "too many", never a guess.
"""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.constraints import Count
from millrace.strategies.arb.rules.floors import Bounds

ENUMERATED_PROPOSITIONS = 14
"""Any component of so many propositions is enumerated (arb 4.6)."""
MOST_WORLDS = 1 << ENUMERATED_PROPOSITIONS
_SAMPLE = 128
"""Once there are too many, so many are followed to the end, only to see that the rules permit a world at all."""


class Worlds(NamedTuple):
    """All permitted worlds of some markets: one row for each, true where the market resolves to YES.

    `whole` is false when there were too many; then the rows are some of them, and no floor follows from them.
    """

    markets: tuple[InstrumentId, ...]
    yes: NDArray[np.bool_]
    whole: bool

    @property
    def contradictory(self) -> bool:
        """Whether the rules permit no world at all."""
        return self.whole and not len(self.yes)

    def wins(self, propositions: Sequence[Proposition]) -> NDArray[np.bool_]:
        """Return for each world (row) and each proposition (column) whether it is true; all markets must be known."""
        column = {market: index for index, market in enumerate(self.markets)}
        picked = self.yes[:, [column[taken.market] for taken in propositions]]
        result: NDArray[np.bool_] = picked == np.array([taken.outcome is Outcome.YES for taken in propositions])
        return result

    def bounds(self, propositions: Sequence[Proposition]) -> Bounds:
        """Return the least and the most of the propositions that are true together; there must be a world."""
        paid = self.wins(propositions).sum(axis=1)
        return Bounds(int(paid.min()), int(paid.max()))


def permitted(markets: Iterable[InstrumentId], counts: Sequence[Count], most: int = MOST_WORLDS) -> Worlds:
    """Return the worlds of `markets` under `counts`, which may speak of no other market."""
    order = _decided_together(tuple(dict.fromkeys(markets)), counts)
    tables = _Tables.of(counts, {market: index for index, market in enumerate(order)})
    yes: NDArray[np.bool_] = np.zeros((1, len(order)), dtype=np.bool_)
    sure = tables.base[np.newaxis, :]
    kept = tables.possible(sure, 0, np.arange(len(counts)))
    yes, sure = yes[kept], sure[kept]
    whole = True
    for index in range(len(order)):
        other = yes.copy()
        other[:, index] = True
        yes = np.concatenate((yes, other))
        sure = np.concatenate((sure, sure + tables.signs[index]))
        touched = np.flatnonzero(tables.signs[index])
        if len(touched):
            kept = tables.possible(sure, index + 1, touched)
            yes, sure = yes[kept], sure[kept]
        if len(yes) > most:
            whole, most = False, min(most, _SAMPLE)
            some = np.linspace(0, len(yes) - 1, most).astype(np.int64)
            yes, sure = yes[some], sure[some]
    return Worlds(order, yes, whole)


def enumerate_bounds(counts: Sequence[Count], propositions: Sequence[Proposition]) -> Bounds | None:
    """Return the bounds of a basket under `counts` by enumeration; None when no world is permitted, or too many are."""
    spoken = [member.market for count in counts for member in count.members]
    worlds = permitted([*spoken, *(taken.market for taken in propositions)], counts)
    return worlds.bounds(propositions) if worlds.whole and len(worlds.yes) else None


class _Tables(NamedTuple):
    """All counts over columns: the true members of count c are `base[c]` plus the columns' `signs[:, c]`.

    `fewest` and `most` are what the columns from a given one on can still add.
    """

    signs: NDArray[np.int32]
    base: NDArray[np.int32]
    fewest: NDArray[np.int32]
    most: NDArray[np.int32]
    low: NDArray[np.int32]
    high: NDArray[np.int32]

    @classmethod
    def of(cls, counts: Sequence[Count], column: dict[InstrumentId, int]) -> "_Tables":
        signs = np.zeros((len(column), len(counts)), dtype=np.int32)
        base = np.zeros(len(counts), dtype=np.int32)
        for number, count in enumerate(counts):
            for member in count.members:
                positive = member.outcome is Outcome.YES
                signs[column[member.market], number] += 1 if positive else -1
                base[number] += not positive
        later = np.zeros((len(column) + 1, len(counts)), dtype=np.int32)
        fewest, most = later, later.copy()
        fewest[:-1] = np.cumsum(np.minimum(signs, 0)[::-1], axis=0)[::-1]
        most[:-1] = np.cumsum(np.maximum(signs, 0)[::-1], axis=0)[::-1]
        low = np.array([count.low for count in counts], dtype=np.int32)
        high = np.array([count.high for count in counts], dtype=np.int32)
        return cls(signs, base, fewest, most, low, high)

    def possible(self, sure: NDArray[np.int32], decided: int, which: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Tell which partial worlds can still satisfy the counts `which`, with the first `decided` columns decided."""
        known = sure[:, which]
        low, high = self.low[which] - self.most[decided, which], self.high[which] - self.fewest[decided, which]
        result: NDArray[np.bool_] = ((known >= low) & (known <= high)).all(axis=1)
        return result


def _decided_together(markets: tuple[InstrumentId, ...], counts: Sequence[Count]) -> tuple[InstrumentId, ...]:
    """Return the markets so that those of one count follow each other, and counts that share markets do too."""
    of_market: dict[InstrumentId, list[int]] = {}
    for number, count in enumerate(counts):
        for member in count.members:
            of_market.setdefault(member.market, []).append(number)
    order: dict[InstrumentId, None] = {}
    for start in markets:
        waiting = [start]
        while waiting:
            market = waiting.pop()
            if market in order:
                continue
            order[market] = None
            near = (member.market for number in of_market.get(market, ()) for member in counts[number].members)
            waiting += [other for other in near if other not in order]
    return tuple(order)
