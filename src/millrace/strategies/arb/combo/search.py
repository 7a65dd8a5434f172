"""Looks for the best basket of each component, and keeps what integers prove to earn enough.

The relaxation comes first: it bounds every basket of a component from above, so most components cost one small linear
program. Only where it leaves room the whole program is solved. A component that is too large, or a solver that stops at
its bound, is counted and never passed over in silence.
"""

from collections.abc import Sequence

import msgspec
import numpy as np

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import Outcome
from millrace.strategies.arb.combo.certificate import Offers, verify
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


class ComboReport(msgspec.Struct, frozen=True, kw_only=True):
    """What a search found, best first, and how many components it looked at or had to leave."""

    found: tuple[ComboBasket, ...]
    examined: int
    worth_solving: int
    too_large: int
    contradictory: int
    limited: int


def search(joint: Joint, offers: Offers, settings: ComboSettings) -> ComboReport:
    """Search every component of the rules; `offers` gives what can be bought of a proposition now."""
    found: list[ComboBasket] = []
    examined = solved = too_large = contradictory = limited = 0
    for component in joint.components:
        if len(component.markets) > settings.most_markets:
            too_large += 1
            continue
        worlds = joint.worlds(component.markets[0])
        if worlds is None:
            contradictory += 1
            continue
        examined += 1
        outcome = best_of(component, worlds, joint, offers, settings)
        solved += outcome is not None
        limited += outcome is not None and outcome.find.limited
        if outcome is not None and outcome.net_nano >= settings.min_net_nano:
            found.append(outcome)
    found.sort(key=lambda basket: (-basket.net_nano, [leg.sort_key for leg in basket.legs]))
    return ComboReport(
        found=tuple(found),
        examined=examined,
        worth_solving=solved,
        too_large=too_large,
        contradictory=contradictory,
        limited=limited,
    )


def best_of(
    component: Component, worlds: Worlds, joint: Joint, offers: Offers, settings: ComboSettings
) -> ComboBasket | None:
    """Return the best basket of a component, proved; None when no basket can earn the least that is asked for."""
    there = _together([Proposition(market, side) for market in component.markets for side in Outcome], offers, settings)
    if not there:
        return None
    program = Program(there, settings.most_levels)
    solution = _enumerated(program, there, worlds, settings) if worlds.whole else _dual(program, component, settings)
    if solution is None:
        return None
    proved = verify(_find(solution, there, joint.version), joint, offers)
    return proved if isinstance(proved, ComboBasket) else None


def _together(wanted: Sequence[Proposition], offers: Offers, settings: ComboSettings) -> list[Offer]:
    """Return what is on offer and was known to hold within the skew limit of the newest book (arb 2.5)."""
    there = [offer for taken in wanted if (offer := offers(taken)) is not None]
    newest_ns = max((offer.known_ns for offer in there), default=0)
    return [offer for offer in there if newest_ns - offer.known_ns <= settings.skew_ns]


def _enumerated(program: Program, offers: Sequence[Offer], worlds: Worlds, settings: ComboSettings) -> Solution | None:
    """Add the worlds that solutions violate until none does; first relaxed, then in whole lots."""
    wins = worlds.wins([offer.proposition for offer in offers])
    some = np.unique(np.linspace(0, len(wins) - 1, _AT_ONCE).astype(np.int64))
    for world in some:
        program.add_world(wins[world].tolist())
    solution = None
    rounds = settings.most_rounds
    for whole in (False, True):
        while True:
            solution = program.solve(settings, whole=whole)
            if solution is None or solution.net * DOLLAR_NANO < settings.min_net_nano:
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


def _violated(solution: Solution, wins: "np.ndarray[tuple[int, ...], np.dtype[np.bool_]]") -> list[int]:
    """Return the worlds in which the solution pays less than it claims, the worst ones, each kind once."""
    paid = wins @ np.array(solution.bought)
    worst = np.argsort(paid, kind="stable")[:_AT_ONCE]
    return [int(world) for world in worst if paid[world] < solution.payout - _SLACK]


def _dual(program: Program, component: Component, settings: ComboSettings) -> Solution | None:
    program.add_counts(component.markets, component.floors)
    solution = program.solve(settings, whole=False)
    if solution is None or solution.net * DOLLAR_NANO < settings.min_net_nano:
        return None
    return program.solve(settings, whole=True)


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
