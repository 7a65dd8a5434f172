"""Which baskets of an event pay at least something in every world of the universe, and what.

This is the truth that a desk's proofs are held to: it knows the bounds of each market and enumerates, where the desk
has labels. Voids and answers that differ between venues are outside of it, as they are outside of any floor (arb 4.7).
"""

from collections.abc import Callable, Sequence

import numpy as np

from millrace.core.instrument import Outcome
from millrace.sim.prediction.shapes import Shape
from millrace.sim.prediction.universe import GeneratedUniverse

Leg = tuple[int, Outcome]
"""A market's number and the outcome that is bought."""
Legs = list[Leg]
_Wanted = Callable[[Legs, Legs], list[Legs]]


def _halves(yes: Legs, no: Legs) -> list[Legs]:
    half = len(yes) // 2
    return [yes[:half], no[half:], [yes[0], no[half]], [no[0], yes[half]]]


def _rungs(yes: Legs, no: Legs) -> list[Legs]:
    return [[no[i], yes[i + 1]] for i in range(len(yes) - 1)]


_WANTED: dict[Shape, _Wanted] = {
    Shape.PAIR: lambda yes, no: [[yes[0], no[1]], [no[0], yes[1]]],
    Shape.COMPLEMENT: lambda yes, no: [yes, no],
    Shape.INVERTED: lambda yes, no: [yes, no],
    Shape.BUCKET: lambda yes, no: [yes, no],
    Shape.OPEN_BUCKET: lambda _, no: [no],
    Shape.TWIN_BUCKET: _halves,
    Shape.TREE: lambda yes, no: [[no[0], *yes[1:]], [yes[0], *no[1:]]],
    Shape.STRIKES: _rungs,
    Shape.DATES: _rungs,
    Shape.SINGLE: lambda yes, no: [[yes[0], no[0]]],
}


def proved_baskets(universe: GeneratedUniverse, event: int) -> list[tuple[Legs, int]]:
    """Return the baskets of an event that some rule speaks of, with what each pays at least, if anything."""
    shape, numbers = universe.events[event].shape, universe.of_event(event)
    if shape.is_false or (shape is Shape.SINGLE and universe.facts[numbers[0]].mirrored):
        return []
    yes, no = ([(number, outcome) for number in numbers] for outcome in Outcome)
    floors = [(legs, true_floor(universe, legs)) for legs in _WANTED[shape](yes, no)]
    return [(legs, floor) for legs, floor in floors if floor]


def true_floor(universe: GeneratedUniverse, legs: Sequence[Leg]) -> int:
    """Return how many contracts of a basket win at least, in any world of the universe."""
    by_event: dict[int, Legs] = {}
    for leg in legs:
        by_event.setdefault(int(universe.group[leg[0]]), []).append(leg)
    return sum(_floor(universe, members) for members in by_event.values())


def _floor(universe: GeneratedUniverse, legs: Legs) -> int:
    bounds = {float(bound) for number, _ in legs for bound in (universe.low[number], universe.high[number])}
    finite = sorted(bound for bound in bounds if np.isfinite(bound))
    figures = [finite[0] - 1.0, *finite] if finite else [0.0]
    return min(sum(_wins(universe, leg, figure) for leg in legs) for figure in figures)


def _wins(universe: GeneratedUniverse, leg: Leg, figure: float) -> bool:
    number, outcome = leg
    true = bool(universe.low[number] <= figure < universe.high[number])
    return true is (outcome is Outcome.YES)
