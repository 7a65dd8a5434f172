"""The first look: every basket's cost as a kept sum of its legs' optimistic costs, in one style (arb 18, phase A).

A leg's cost counts at least its price and the unrounded fee, so a basket above its limit here is none at any size, and
one below it is worth an exact look. `take` moves one outcome and what contains it; `rebuild` computes everything from
the costs alone, which is the full pass. Both give the same integers, so no drift can build up between them.
"""

import numpy as np

from millrace.strategies.arb.lanes.exact import UNPRICED_NANO
from millrace.strategies.arb.lanes.universe import DOLLAR_NANO, Ints, Universe


class Screen:
    """Costs of all outcomes and sums of all forms in one style, in nano-dollars per contract.

    A form is worth an exact look when its sum is at most its limit. A subset's sum is its anchor's cost less what its
    members earn.
    """

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        self._worth = DOLLAR_NANO - universe.settings.min_edge_nano
        self.cost: Ints = np.full(universe.outcomes + 1, UNPRICED_NANO, np.int64)
        self.cost[-1] = self._worth
        self.sums: Ints = np.zeros(universe.forms, np.int64)
        self._costs, self._totals = self.cost.data, self.sums.data
        self._limits = universe.limit.data
        self.rebuild()

    def take(self, outcome: int, cost: int, touched: set[int]) -> None:
        """Set one outcome's cost, and add the forms that contain it and are worth a look to `touched`."""
        old = self._costs[outcome]
        self._costs[outcome] = cost
        delta = cost - old
        universe, totals, limits = self._universe, self._totals, self._limits
        for form in universe.adds.of(outcome):
            totals[form] += delta
            if totals[form] <= limits[form]:
                touched.add(form)
        members = universe.gains.of(outcome)
        if members:
            delta = max(self._worth - old, 0) - max(self._worth - cost, 0)
            for form in members:
                totals[form] += delta
                if totals[form] <= limits[form]:
                    touched.add(form)

    def rebuild(self) -> None:
        """Compute all sums anew from the costs."""
        universe, cost = self._universe, self.cost
        np.add(cost[universe.first], cost[universe.second], out=self.sums[: universe.wide_from])
        if len(universe.wide_at):
            groups = self.sums[universe.wide_from : universe.subset_from]
            np.add.reduceat(cost[universe.wide], universe.wide_at, out=groups)
        if len(universe.subset_at):
            earned = np.maximum(self._worth - cost[universe.subset], 0)
            self.sums[universe.subset_from :] = cost[universe.anchor] - np.add.reduceat(earned, universe.subset_at)

    def survivors(self) -> list[int]:
        """Return the forms that are worth an exact look."""
        found: list[int] = np.flatnonzero(self.sums <= self._universe.limit).tolist()
        return found

    def holds(self, form: int) -> bool:
        """Tell whether a form is worth an exact look now."""
        return bool(self._totals[form] <= self._limits[form])

    def near(self, slack_nano: int) -> list[tuple[int, int]]:
        """Return the forms that miss their floor by at most `slack_nano`, and by how much: nothing if negative."""
        universe = self._universe
        missed = self.sums - universe.limit // self._worth * DOLLAR_NANO
        if len(universe.subset_at):
            earned = np.maximum(DOLLAR_NANO - self.cost[universe.subset], 0)
            base = np.where(universe.anchor == universe.outcomes, DOLLAR_NANO, self.cost[universe.anchor])
            missed[universe.subset_from :] = base - np.add.reduceat(earned, universe.subset_at)
        close = np.flatnonzero(missed <= slack_nano)
        return list(zip(close.tolist(), missed[close].tolist(), strict=True))
