"""The search for the best basket as a mixed integer program: real depth, exact fees, a payout that every world grants.

Columns are the contracts taken of each level of each outcome's book, whole lots of each outcome, and whole steps of its
fee; the objective is what they cost less what they pay at least. What they pay at least is bound in one of two ways.
Where a component's worlds were enumerated, each world is a row, and rows are added as solutions violate them: the
constraint generation of Kroer, Dudik, Lahaie and Balakrishnan (2016), with a separation that is exact. Where they are
too many, the dual of the least payout is part of the program, so that its solution brings its own proof.
Contracts and dollars are floats here; nothing that follows trusts them (see `certificate`).
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, OptimizeResult, milp
from scipy.sparse import csr_array

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import InstrumentId, Lots, Outcome
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.exact import TICK_NANO, Offer
from millrace.strategies.arb.model import Style
from millrace.strategies.arb.rules.constraints import Count

DOLLAR_NANO = 1_000_000_000
_COARSE_NANO = 1_000
"""A fee that is rounded to steps above this gets a column of whole steps; finer ones are priced as they accrue."""
Floats = NDArray[np.float64]


class Solution(NamedTuple):
    """Contracts and whole lots of each offer, the payout in contracts that is believed, the dual proof's weights."""

    bought: tuple[float, ...]
    lots: tuple[Lots, ...]
    payout: float
    net: float
    weights: tuple[float, ...]
    limited: bool


class _Columns:
    """Columns and rows of a program as they are gathered."""

    def __init__(self) -> None:
        self.cost: list[float] = []
        self.low: list[float] = []
        self.high: list[float] = []
        self.whole: list[int] = []
        self.rows: list[tuple[dict[int, float], float, float]] = []

    def column(self, cost: float, low: float, high: float, *, whole: bool = False) -> int:
        self.cost.append(cost)
        self.low.append(low)
        self.high.append(high)
        self.whole.append(int(whole))
        return len(self.cost) - 1

    def row(self, terms: dict[int, float], low: float, high: float = np.inf) -> None:
        self.rows.append((terms, low, high))

    def solve(self, *, whole: bool, nodes: int, gap: float) -> OptimizeResult:
        at = [(row, column, value) for row, (terms, _, _) in enumerate(self.rows) for column, value in terms.items()]
        rows, columns, values = zip(*at, strict=True)
        matrix = csr_array((values, (rows, columns)), shape=(len(self.rows), len(self.cost)))
        limits = [row[1] for row in self.rows], [row[2] for row in self.rows]
        return milp(
            np.array(self.cost),
            integrality=np.array(self.whole) if whole else None,
            bounds=Bounds(np.array(self.low), np.array(self.high)),
            constraints=LinearConstraint(matrix, *map(np.array, limits)),
            options={"disp": False, "node_limit": nodes, "mip_rel_gap": gap, "presolve": True},
        )


class Program:
    """One component's search; worlds are added to it, or its counts are built in."""

    def __init__(self, offers: Sequence[Offer], most_levels: int) -> None:
        self._offers = tuple(offers)
        self._made = _Columns()
        self._parts: list[dict[int, float]] = []
        self._units: list[int] = []
        for offer in self._offers:
            self._buy(offer, most_levels)
        most = float(sum(self._made.high[column] for parts in self._parts for column in parts))
        self._payout = self._made.column(-1.0, 0.0, most)
        self._weights: list[int] = []

    def add_world(self, wins: Sequence[bool]) -> None:
        """Bind the payout by one world: whether each offer's proposition is true in it."""
        won: dict[int, float] = {}
        for parts, true in zip(self._parts, wins, strict=True):
            won.update(parts if true else {})
        self._made.row({**won, self._payout: -1.0}, 0.0)

    def add_counts(self, markets: Sequence[InstrumentId], counts: Sequence[Count]) -> None:
        """Bind the payout by the dual of the least payout over all worlds, relaxed to fractions of a market."""
        made = self._made
        slope: dict[InstrumentId, dict[int, float]] = {market: {} for market in markets}
        sure: dict[int, float] = {self._payout: -1.0}
        for offer, parts in zip(self._offers, self._parts, strict=True):
            yes = offer.proposition.outcome is Outcome.YES
            for column in parts:
                slope[offer.proposition.market][column] = 1.0 if yes else -1.0
                sure.update({} if yes else {column: 1.0})
        for count in counts:
            for sign, least in ((1.0, count.low), (-1.0, -count.high)):
                weight = made.column(0.0, 0.0, np.inf)
                self._weights.append(weight)
                sure[weight] = float(least)
                for member in count.members:
                    yes = member.outcome is Outcome.YES
                    sure[weight] -= 0.0 if yes else sign
                    terms = slope[member.market]
                    terms[weight] = terms.get(weight, 0.0) - (sign if yes else -sign)
        for terms in slope.values():
            worse = made.column(0.0, -np.inf, 0.0)
            sure[worse] = 1.0
            made.row({**terms, worse: -1.0}, 0.0)
        made.row(sure, 0.0)

    def solve(self, settings: ComboSettings, *, whole: bool) -> Solution | None:
        """Return the best lots, None when the solver found none; without `whole` fractions, a bound from above."""
        result = self._made.solve(whole=whole, nodes=settings.most_nodes, gap=settings.gap)
        if result.x is None:
            return None
        units = [float(result.x[unit]) for unit in self._units]
        return Solution(
            bought=tuple(
                unit * offer.fact.lot / CONTRACT_LOTS for unit, offer in zip(units, self._offers, strict=True)
            ),
            lots=tuple(round(unit) * offer.fact.lot for unit, offer in zip(units, self._offers, strict=True)),
            payout=float(result.x[self._payout]),
            net=-float(result.fun),
            weights=tuple(float(result.x[weight]) for weight in self._weights),
            limited=result.status != 0,
        )

    def _buy(self, offer: Offer, most_levels: int) -> None:
        """Add the columns of one outcome: its levels, its lots, and its fee where that is rounded coarsely."""
        made, terms = self._made, offer.fees.maker if offer.style is Style.MAKER else offer.fees.taker
        coarse = not (offer.fees.in_shares or terms.rounds_down or terms.max_nano is not None) and (
            terms.quantum_nano > _COARSE_NANO or terms.min_nano is not None
        )
        parts: dict[int, float] = {}
        fees: dict[int, float] = {}
        for level, (nano, _) in zip(offer.levels[:most_levels], offer.rungs, strict=False):
            price, with_fee = level.ticks * TICK_NANO / DOLLAR_NANO, nano / DOLLAR_NANO
            column = made.column(price if coarse else with_fee, 0.0, level.lots / CONTRACT_LOTS)
            parts[column] = 1.0
            fees[column] = with_fee - price
        depth = sum(made.high[column] for column in parts)
        unit = offer.fact.lot / CONTRACT_LOTS
        units = made.column(0.0, 0.0, float(int(depth / unit + 1e-9)), whole=True)
        made.row({**parts, units: -unit}, 0.0, 0.0)
        self._parts.append(parts)
        self._units.append(units)
        used = None
        if offer.fact.min_lots > offer.fact.lot or terms.min_nano is not None:
            used = made.column(0.0, 0.0, 1.0, whole=True)
            made.row({units: -unit, used: depth}, 0.0)
            made.row({units: unit, used: -offer.fact.min_lots / CONTRACT_LOTS}, 0.0)
        if coarse:
            step = terms.quantum_nano / DOLLAR_NANO
            steps = made.column(step, 0.0, np.inf, whole=terms.quantum_nano > _COARSE_NANO)
            made.row({steps: step, **{column: -fee for column, fee in fees.items()}}, 0.0)
            if terms.min_nano is not None and used is not None:
                made.row({steps: step, used: -terms.min_nano / DOLLAR_NANO}, 0.0)
