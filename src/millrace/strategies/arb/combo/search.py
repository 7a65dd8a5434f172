"""Looks for the best basket of each component, and keeps what integers prove to earn enough.

Most components offer nothing, and that has a proof as well: probabilities of the worlds under which every contract
costs at least what it is worth. They are kept, and while prices stay above them no basket can earn anything, whatever
its sizes; so a component whose books moved a little costs one multiplication. Where no such probabilities exist the
program is solved, its relaxation first. A component that is too large, or a solver that stops at its bound, is counted
and never passed over in silence.
"""

from collections.abc import Sequence

import msgspec
import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linprog

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.combo.certificate import verify
from millrace.strategies.arb.combo.offers import Offers
from millrace.strategies.arb.combo.program import DOLLAR_NANO, Program, Solution
from millrace.strategies.arb.combo.records import ComboBasket, ComboFind, ComboLeg, Weight
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.exact import Offer
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.joint import Component, Joint
from millrace.strategies.arb.rules.worlds import Worlds

_AT_ONCE = 12
"""Worlds that are added together when a solution violates them."""
_SLACK = 1e-6
"""By how many contracts a float may claim too much before a world counts as violated."""
_MOST_PRICED = 512
"""With more worlds than this no probabilities are looked for: the relaxation alone is cheaper."""
_NOTHING = 1e-12
Wins = NDArray[np.bool_]
_Seen = tuple[tuple[InstrumentId, int, int], ...]


class ComboReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found, best first, and how many components it looked at or had to leave."""

    found: tuple[ComboBasket, ...]
    examined: int
    too_large: int
    contradictory: int
    limited: int


class Search:
    """Searches the components of one set of rules again and again; what it keeps changes no answer, only its time."""

    def __init__(self, joint: Joint, settings: ComboSettings) -> None:
        self._joint = joint
        self._settings = settings
        self._least_nano = round(settings.min_net_usd * DOLLAR_NANO)
        self._skew_ns = round(settings.skew_sec * DOLLAR_NANO)
        self._fair: dict[InstrumentId, NDArray[np.float64]] = {}
        self._known: dict[InstrumentId, tuple[_Seen, ComboBasket | None]] = {}

    def run(self, offers: Offers) -> ComboReport:
        """Search every component; `offers` gives what can be bought of a proposition now."""
        found: list[ComboBasket] = []
        examined = too_large = contradictory = limited = 0
        for component in self._joint.components:
            if len(component.markets) > self._settings.most_markets:
                too_large += 1
                continue
            worlds = self._joint.worlds(component.markets[0])
            if worlds is None:
                contradictory += 1
                continue
            examined += 1
            best = self._best(component, worlds, offers)
            limited += best is not None and best.find.limited
            if best is not None and best.net_nano >= self._least_nano:
                found.append(best)
        found.sort(key=lambda basket: (-basket.net_nano, [leg.sort_key for leg in basket.legs]))
        return ComboReport(
            found=tuple(found),
            examined=examined,
            too_large=too_large,
            contradictory=contradictory,
            limited=limited,
        )

    def _best(self, component: Component, worlds: Worlds, offers: Offers) -> ComboBasket | None:
        """Return the best basket of a component, proved; None when no basket can earn the least that is asked for."""
        markets, seen = self._together(component, offers)
        if not seen:
            return None
        name = component.markets[0]
        kept = self._known.get(name)
        if kept is not None and kept[0] == seen:
            return kept[1]
        wanted = (Proposition(market, side) for market in markets for side in Outcome)
        there = [offer for taken in wanted if (offer := offers.of(taken)) is not None]
        found = None
        if there:
            wins = worlds.wins([offer.proposition for offer in there])
            if not (worlds.whole and len(wins) <= _MOST_PRICED and self._is_fair(name, there, wins)):
                found = self._solved(component, worlds, there, wins, offers)
        self._known[name] = seen, found
        return found

    def _together(self, component: Component, offers: Offers) -> tuple[list[InstrumentId], _Seen]:
        """Return the markets known to hold within the skew limit of the newest book, and which books (arb 2.5)."""
        known = [(market, found) for market in component.markets if (found := offers.known(market)) is not None]
        newest_ns = max((at_ns for _, (_, at_ns) in known), default=0)
        near = [each for each in known if newest_ns - each[1][1] <= self._skew_ns]
        return [market for market, _ in near], tuple(
            (market, quote.ts_ns, quote.version) for market, (quote, _) in near
        )

    def _is_fair(self, name: InstrumentId, there: Sequence[Offer], wins: Wins) -> bool:
        """Tell whether some probabilities of the worlds make every contract cost at least what it is worth."""
        costs = np.array([offer.rungs[0][0] for offer in there]) / DOLLAR_NANO
        kept = self._fair.get(name)
        if kept is not None and (kept @ wins <= costs + _NOTHING).all():
            return True
        count = len(wins)
        result = linprog(
            np.append(np.zeros(count), -1.0),
            A_ub=np.hstack((wins.T.astype(np.float64), np.ones((len(there), 1)))),
            b_ub=costs,
            A_eq=np.append(np.ones(count), 0.0)[np.newaxis, :],
            b_eq=np.ones(1),
            bounds=[(0.0, None)] * count + [(None, None)],
            method="highs",
        )
        if result.x is None or result.x[-1] < 0.0:
            return False
        self._fair[name] = result.x[:-1]
        return bool((self._fair[name] @ wins <= costs + _NOTHING).all())

    def _solved(
        self, component: Component, worlds: Worlds, there: Sequence[Offer], wins: Wins, offers: Offers
    ) -> ComboBasket | None:
        program = Program(there, self._settings.most_levels)
        solution = self._enumerated(program, wins) if worlds.whole else self._dual(program, component)
        if solution is None:
            return None
        proved = verify(_find(solution, there, self._joint.version), self._joint, offers)
        return proved if isinstance(proved, ComboBasket) else None

    def _enumerated(self, program: Program, wins: Wins) -> Solution | None:
        """Add the worlds that solutions violate until none does; first relaxed, then in whole lots."""
        for world in np.unique(np.linspace(0, len(wins) - 1, _AT_ONCE).astype(np.int64)):
            program.add_world(wins[world].tolist())
        solution = None
        rounds = self._settings.most_rounds
        for whole in (False, True):
            while True:
                solution = program.solve(self._settings, whole=whole)
                if solution is None or self._too_little(solution):
                    return None
                worst = _violated(solution, wins)
                if not worst:
                    break
                if not rounds:
                    return solution._replace(limited=True) if whole else None
                rounds -= 1
                for world in worst:
                    program.add_world(wins[world].tolist())
        return solution

    def _dual(self, program: Program, component: Component) -> Solution | None:
        program.add_counts(component.markets, component.floors)
        solution = program.solve(self._settings, whole=False)
        return None if solution is None or self._too_little(solution) else program.solve(self._settings, whole=True)

    def _too_little(self, solution: Solution) -> bool:
        return solution.net * DOLLAR_NANO < self._least_nano


def _violated(solution: Solution, wins: Wins) -> list[int]:
    """Return the worlds in which the solution pays less than it claims, the worst ones, each kind once."""
    paid = wins @ np.array(solution.bought)
    worst = np.argsort(paid, kind="stable")[:_AT_ONCE]
    return [int(world) for world in worst if paid[world] < solution.payout - _SLACK]


def _find(solution: Solution, offers: Sequence[Offer], rules: str) -> ComboFind:
    legs = [
        ComboLeg(*offer.proposition.market, offer.proposition.outcome, lots)
        for offer, lots in zip(offers, solution.lots, strict=True)
        if lots > 0
    ]
    weights = [
        Weight(number // 2, number % 2 == 0, lots)
        for number, weight in enumerate(solution.weights)
        if (lots := round(weight * CONTRACT_LOTS)) > 0
    ]
    return ComboFind(
        rules=rules,
        legs=tuple(legs),
        claimed_nano=round(solution.net * DOLLAR_NANO),
        weights=tuple(weights),
        limited=solution.limited,
    )
