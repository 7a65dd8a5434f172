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
    column = {market: index for index, market in enumerate(order)}
    tables = [_Table.of(count, column) for count in counts]
    yes: NDArray[np.bool_] = np.zeros((1, len(order)), dtype=np.bool_)
    whole = True
    for table in tables:
        yes = yes[table.possible(yes, -1)]
    for index in range(len(order)):
        other = yes.copy()
        other[:, index] = True
        yes = np.concatenate((yes, other))
        for table in tables:
            if table.signs[index]:
                yes = yes[table.possible(yes, index)]
        if len(yes) > most:
            yes, whole = _spread(yes, most), False
    return Worlds(order, yes, whole)


def enumerate_bounds(counts: Sequence[Count], propositions: Sequence[Proposition]) -> Bounds | None:
    """Return the bounds of a basket under `counts` by enumeration; None when no world is permitted, or too many are."""
    spoken = [member.market for count in counts for member in count.members]
    worlds = permitted([*spoken, *(taken.market for taken in propositions)], counts)
    return worlds.bounds(propositions) if worlds.whole and len(worlds.yes) else None


class _Table(NamedTuple):
    """A count over columns: the number of true members is `base` plus the signed sum of the columns."""

    signs: NDArray[np.int64]
    base: int
    low: int
    high: int

    @classmethod
    def of(cls, count: Count, column: dict[InstrumentId, int]) -> "_Table":
        signs = np.zeros(len(column), dtype=np.int64)
        base = 0
        for member in count.members:
            sign = 1 if member.outcome is Outcome.YES else -1
            signs[column[member.market]] += sign
            base += sign < 0
        return cls(signs, base, count.low, count.high)

    def possible(self, yes: NDArray[np.bool_], index: int) -> NDArray[np.bool_]:
        """Tell which partial worlds, decided up to column `index`, can still satisfy the count."""
        sure = self.base + yes[:, : index + 1] @ self.signs[: index + 1]
        later = self.signs[index + 1 :]
        result: NDArray[np.bool_] = (sure + later[later < 0].sum() <= self.high) & (
            sure + later[later > 0].sum() >= self.low
        )
        return result


def _spread(yes: NDArray[np.bool_], most: int) -> NDArray[np.bool_]:
    """Keep some partial worlds of all kinds: evenly from the first to the last."""
    return yes[np.linspace(0, len(yes) - 1, most).astype(np.int64)]


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
