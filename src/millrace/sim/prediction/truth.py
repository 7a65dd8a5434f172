"""What is true of a generated universe, for those who judge a desk: never for the desk itself.

It says what was planted and when, which rules and mappings stand falsely, what a basket really pays, and how and when
each market resolves. So a test can count what was found, what was missed, and what should not have been touched.
"""

from collections.abc import Iterable
from functools import cached_property

import numpy as np

from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Outcome, Ticks
from millrace.sim.prediction.baskets import true_floor
from millrace.sim.prediction.latent import HOUR_NS
from millrace.sim.prediction.plants import Fake, Planted, Planter, Prices
from millrace.sim.prediction.shapes import Shape
from millrace.sim.prediction.universe import NEVER_NS, GeneratedUniverse
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.records import Label

_ENDINGS = 5
_PPM = 1_000_000
_MINUTE_NS = HOUR_NS // 60
_DELAYS_MIN = ((10, 40), (30, 120))
"""Minutes after its event's end in which each venue resolves."""
_LATE_NS = 24 * HOUR_NS
_LATE_SHARE, _VOID_SHARE = 0.7, 0.85
"""Of endings that are not clean: so many are late, then void up to here, and the rest differ between the venues."""
_EARLY_CLEAN_PPM, _EARLY_VOID_SHARE = 700_000, 0.5
"""Events that end before their time are disputed more often; so many of those are void, the rest differ."""


class Truth:
    """The truth about one universe."""

    def __init__(self, universe: GeneratedUniverse) -> None:
        self._universe = universe
        self.prices = Prices(universe)
        self.planter = Planter(universe, self.prices)

    def planted(self, from_ns: int, to_ns: int) -> list[Planted]:
        """Return what was planted and begins in a span of time, oldest first."""
        begins = self._universe.settings.begins_ns
        hours = range(max((from_ns - begins) // HOUR_NS, 0), max((to_ns - begins) // HOUR_NS + 1, 0))
        found = [one for hour in hours for one in self.planter.plan(int(hour)).planted]
        return sorted((one for one in found if from_ns <= one.starts_ns < to_ns), key=_when)

    @cached_property
    def standing(self) -> dict[str, Fake]:
        """Rules and mapping rows that look like opportunities all the time and are none: group id -> why."""
        found = dict.fromkeys(self._universe.documents.false_pairs, Fake.FALSE_MAPPING)
        for number, event in enumerate(self._universe.events):
            if event.shape is Shape.OPEN_BUCKET and event.label is not Label.EXHAUSTIVE:
                venue = self._universe.facts[self._universe.of_event(number)[0]].market.venue
                found[f"bucket-{number}-{venue}"] = found[f"guess-{number}-{venue}"] = Fake.OPEN_BUCKET
            if event.shape is Shape.TREE and not (event.bits.cover and event.bits.exclusive and event.bits.nested):
                found[f"tree-{number}"] = Fake.UNPROVED_TREE
        return found

    def floor(self, legs: Iterable[Proposition]) -> int:
        """Return what a basket pays at least in contracts, whatever anybody claims."""
        number = self._universe.number
        return true_floor(self._universe, [(number[leg.market], leg.outcome) for leg in legs])

    def wins(self, leg: Proposition) -> bool:
        """Tell whether a proposition comes true, as its venue should say."""
        return self._universe.answers[self._universe.number[leg.market]] is (leg.outcome is Outcome.YES)

    def resolution(self, market: InstrumentId) -> tuple[Ticks | None, int]:
        """Return what YES of a market pays, None when it is void, and when it resolves."""
        number = self._universe.number[market]
        return self.pays[number], self._universe.settings.begins_ns + int(self.after_ns[number])

    @property
    def pays(self) -> tuple[Ticks | None, ...]:
        """What YES of each market pays, None when void."""
        return self._endings[0]

    @property
    def after_ns(self) -> np.ndarray:
        """When each market resolves, since the beginning."""
        return self._endings[1]

    @cached_property
    def _endings(self) -> tuple[tuple[Ticks | None, ...], np.ndarray]:
        universe = self._universe
        pays: list[Ticks | None] = [PAYOUT_TICKS if true else 0 for true in universe.answers]
        after, early = universe.ends_hours[universe.group] * HOUR_NS, universe.early_ns
        for number, event in enumerate(universe.events):
            rng = np.random.default_rng([universe.settings.seed, _ENDINGS, number])
            delays = [int(rng.integers(low, high)) * _MINUTE_NS for low, high in _DELAYS_MIN]
            is_early = bool(early[universe.first[number]] < NEVER_NS)
            clean = rng.random() * _PPM < (_EARLY_CLEAN_PPM if is_early else universe.settings.clean_ppm)
            luck, void_venue = rng.random(), int(rng.integers(2))
            for place, market in enumerate(universe.of_event(number)):
                venue = event.markets[place].venue
                after[market] = early[market] if is_early else after[market] + delays[venue]
                if clean:
                    continue
                if not is_early and luck < _LATE_SHARE:
                    after[market] += _LATE_NS
                elif luck < (_EARLY_VOID_SHARE if is_early else _VOID_SHARE):
                    alone = len({one.venue for one in event.markets}) == 1
                    pays[market] = None if alone or venue == void_venue else pays[market]
                elif event.shape in {Shape.PAIR, Shape.INVERTED} and place:
                    pays[market] = PAYOUT_TICKS - (pays[market] or 0)
        return tuple(pays), after


def _when(one: Planted) -> tuple[int, str]:
    return one.starts_ns, one.name
