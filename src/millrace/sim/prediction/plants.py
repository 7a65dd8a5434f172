"""What is planted into an hour of a generated universe: real opportunities, and what only looks like one.

A real one shifts the book of one market, at every venue's own prices, until a proved basket nets what was drawn after
exact fees at a stated size, and holds it for a stated time. A fake is thin, dust, or something that the program sees
and the venue does not have: a garbled book, a summary, or the old book of a venue whose stream fell silent while the
world moved. Each hour is drawn from (seed, hour) alone.
"""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import Lots, Outcome, Ticks
from millrace.sim.prediction.baskets import Leg, proved_baskets
from millrace.sim.prediction.latent import HOUR_NS
from millrace.sim.prediction.shapes import Shape
from millrace.sim.prediction.universe import GeneratedUniverse
from millrace.strategies.arb.model import NanoUsd, Proposition

_HOURS = 4
_SECOND_NS = 1_000_000_000
_LEAST_NS = 5 * _SECOND_NS
_EDGE_LOW, _EDGE_HIGH = 0.025, 0.06
_LOTS_LOW, _LOTS_HIGH = 60, 400
_MOST_TICKS = 1_500
_STEP_TICKS = 100
_DUST_TICKS, _DUST_LOTS, _THIN_LOTS = 200, 10, 6
_PLAIN_LOW, _PLAIN_HIGH = 300, 9_700
_NANO_LOTS = 1_000
_NET_SHARE = 10
"""A book shows a tenth more than what is to arrive, where the fee is kept in contracts."""
_TRIES = 12
_MOVE_TICKS = 1_200
_MOVES_PER_OUTAGE = 3


class Fake(StrEnum):
    """Why something that looks like an opportunity is none; false mappings and open buckets stand all the time."""

    THIN = "thin"
    DUST = "micro_price"
    CROSSED = "crossed"
    ONE_SIDED = "one_sided"
    SUMMARY = "summary"
    STALE = "stale"
    FALSE_MAPPING = "false_mapping"
    OPEN_BUCKET = "open_bucket"
    UNPROVED_TREE = "unproved_tree"


_GARBLED = (Fake.CROSSED, Fake.ONE_SIDED, Fake.SUMMARY)
_FAKE_KINDS = (Fake.THIN, Fake.THIN, Fake.DUST, *_GARBLED)


class Planted(NamedTuple):
    """One thing that was planted: what, where, when; `why` is None for a real one.

    `lots` contracts of the basket net `net_nano` after fees from `starts_ns` until `ends_ns`.
    """

    name: str
    why: Fake | None
    legs: tuple[Proposition, ...]
    floor: int
    lots: Lots
    net_nano: NanoUsd
    starts_ns: int
    ends_ns: int


class Shift(NamedTuple):
    """How a market's book is moved for a while, in nanoseconds since the beginning; `lots` stand at its best prices.

    With `thin` only the best level is moved.
    """

    number: int
    yes_ticks: Ticks
    no_ticks: Ticks
    starts_ns: int
    ends_ns: int
    lots: Lots
    thin: bool = False


class Glitch(NamedTuple):
    """A message about one market that the program sees and that is not so."""

    number: int
    after_ns: int
    kind: Fake


class Outage(NamedTuple):
    """A venue's stream is silent; its book goes on."""

    venue: int
    starts_ns: int
    ends_ns: int


class HourPlan(NamedTuple):
    """All that disturbs one hour."""

    planted: tuple[Planted, ...]
    shifts: tuple[Shift, ...]
    glitches: tuple[Glitch, ...]
    outages: tuple[Outage, ...]


class Prices:
    """Best prices of markets from their fair value; the same arithmetic for plants and for quotes."""

    def __init__(self, universe: GeneratedUniverse) -> None:
        rng = np.random.default_rng([universe.settings.seed, _HOURS])
        self.half = rng.choice([50, 100, 100, 150], len(universe.facts)).astype(np.int64)
        self.depth = np.maximum(rng.lognormal(np.log(150.0), 0.8, len(universe.facts)), 10.0)
        self.tick = np.array([facts.tick for facts in universe.facts], dtype=np.int64)
        self.mirrored = np.array([facts.mirrored for facts in universe.facts])

    def asks(self, number: int, fair: float, yes_shift: Ticks, no_shift: Ticks) -> tuple[Ticks, Ticks]:
        """Return the best asks of YES and NO of one market."""
        tick, half = int(self.tick[number]), int(self.half[number])
        yes = _up(fair + yes_shift + half, tick)
        if self.mirrored[number]:
            return yes, PAYOUT_TICKS - _down(fair + yes_shift - half, tick)
        return yes, _up(PAYOUT_TICKS - fair + no_shift + half, tick)


def _up(value: float, tick: Ticks) -> Ticks:
    return -int(-value // tick) * tick


def _down(value: float, tick: Ticks) -> Ticks:
    return int(value // tick) * tick


class Planter:
    """Draws the plan of any hour; plans are kept for the last hour asked."""

    def __init__(self, universe: GeneratedUniverse, prices: Prices) -> None:
        self._universe = universe
        self._prices = prices
        self._hour = -1
        self._plan = HourPlan((), (), (), ())

    def plan(self, hour: int) -> HourPlan:
        """Return what disturbs an hour of the universe."""
        if hour != self._hour:
            self._plan, self._hour = self._drawn(hour), hour
        return self._plan

    def _drawn(self, hour: int) -> HourPlan:
        settings = self._universe.settings
        rng = np.random.default_rng([settings.seed, _HOURS, hour])
        alive = np.flatnonzero(self._universe.ends_hours > hour + 1)
        if not len(alive):
            return HourPlan((), (), (), ())
        outages = self._outages(rng, hour)
        taken: set[int] = set()
        planted: list[Planted] = []
        shifts: list[Shift] = []
        glitches: list[Glitch] = []
        for outage in outages:
            self._moves(rng, outage, alive, taken, planted, shifts)
        wanted: list[Fake | None] = [None] * int(rng.poisson(settings.plants_per_hour))
        fakes = rng.integers(len(_FAKE_KINDS), size=int(rng.poisson(settings.fakes_per_hour)))
        wanted += [_FAKE_KINDS[int(kind)] for kind in fakes]
        for place in rng.permutation(len(wanted)):
            kind = wanted[int(place)]
            if kind in _GARBLED:
                self._glitch(rng, hour, alive, kind, planted, glitches)
            else:
                self._plant(rng, hour, alive, taken, outages, planted, shifts, kind)
        return HourPlan(tuple(planted), tuple(shifts), tuple(glitches), tuple(outages))

    def _outages(self, rng: np.random.Generator, hour: int) -> list[Outage]:
        found: list[Outage] = []
        for venue in (0, 1):
            if rng.random() < self._universe.settings.outages_per_hour / 2:
                starts = hour * HOUR_NS + int(rng.integers(600, 3_000)) * _SECOND_NS
                found.append(Outage(venue, starts, starts + int(rng.integers(20, 90)) * _SECOND_NS))
        return found

    def _times(self, rng: np.random.Generator, hour: int, outages: list[Outage]) -> tuple[int, int] | None:
        """Draw when something is planted; None where it would meet an outage."""
        starts = (
            hour * HOUR_NS + int(rng.integers(60_000, self._universe.settings.plants_within_sec * 1_000)) * 1_000_000
        )
        lasts = int(rng.exponential(self._universe.settings.half_life_ns / np.log(2)))
        ends = min(starts + max(lasts, _LEAST_NS), (hour + 1) * HOUR_NS - 5 * _SECOND_NS)
        margin = 5 * _SECOND_NS
        meets = any(starts - margin < one.ends_ns and ends + margin > one.starts_ns for one in outages)
        return None if meets else (starts, ends)

    def _plant(
        self,
        rng: np.random.Generator,
        hour: int,
        alive: np.ndarray,
        taken: set[int],
        outages: list[Outage],
        planted: list[Planted],
        shifts: list[Shift],
        why: Fake | None,
    ) -> None:
        times = self._times(rng, hour, outages)
        edge = float(rng.uniform(_EDGE_LOW, _EDGE_HIGH))
        lots = int(rng.integers(_LOTS_LOW, _LOTS_HIGH)) * CONTRACT_LOTS
        if why is not None:
            lots = CONTRACT_LOTS * (_THIN_LOTS if why is Fake.THIN else _DUST_LOTS)
        for _ in range(_TRIES):
            event = int(rng.choice(alive))
            baskets = proved_baskets(self._universe, event)
            pick, lead = rng.random(), rng.random()
            if times is None or event in taken or not baskets:
                continue
            stands = (times[0], min(times[1], self._universe.first_early_ns(event)))
            if stands[1] - stands[0] < _LEAST_NS:
                continue
            legs, floor = baskets[int(pick * len(baskets))]
            least = 0.0 if why is Fake.DUST else edge
            found = self._solved(legs, floor, lots, least, int(lead * len(legs)), times[0], dust=why is Fake.DUST)
            if found is None:
                continue
            yes, no, net_nano = found
            taken.add(event)
            number = legs[int(lead * len(legs))][0]
            thin = why is Fake.THIN
            shown = lots + -(-lots // (_NET_SHARE * CONTRACT_LOTS)) * CONTRACT_LOTS
            shifts += [Shift(number, yes, no, *stands, shown, thin)]
            others = dict.fromkeys(one for one, _ in legs if one != number)
            shifts += [Shift(one, 0, 0, *stands, shown) for one in others]
            name = f"h{hour}/{len(planted)}"
            planted.append(self._planted(name, why, legs, floor, lots, net_nano, stands))
            return

    def _planted(
        self, name: str, why: Fake | None, legs: list[Leg], floor: int, lots: Lots, net: NanoUsd, times: tuple[int, int]
    ) -> Planted:
        begins, facts = self._universe.settings.begins_ns, self._universe.facts
        named = tuple(Proposition(facts[number].market, outcome) for number, outcome in legs)
        return Planted(name, why, named, floor, lots, net, begins + times[0], begins + times[1])

    def _solved(
        self, legs: list[Leg], floor: int, lots: Lots, edge: float, lead: int, after_ns: int, *, dust: bool
    ) -> tuple[Ticks, Ticks, NanoUsd] | None:
        """Return the smallest shift of the leading leg's book that nets the edge, and that net; None: there is none."""
        fair = self.fair([number for number, _ in legs], after_ns)
        number, outcome = legs[lead]
        for size in range(_STEP_TICKS, _MOST_TICKS + 1, _STEP_TICKS):
            yes = -size if outcome is Outcome.YES else size
            no = -yes
            if len({one for one, _ in legs}) == 1:
                yes = no = -size
            cost = 0
            prices: list[Ticks] = []
            for (one, side), value in zip(legs, fair, strict=True):
                shifted = (yes, no) if one == number else (0, 0)
                ask = self._prices.asks(one, value, *shifted)[0 if side is Outcome.YES else 1]
                prices.append(ask)
                if not 0 < ask < PAYOUT_TICKS:
                    return None
                cost += self._paid_nano(one, ask, lots)
            net = floor * lots * _NANO_LOTS - cost
            if dust and prices[lead] >= _DUST_TICKS:
                continue
            if net > edge * floor * lots * _NANO_LOTS:
                plain = all(_PLAIN_LOW <= price <= _PLAIN_HIGH for price in prices)
                return (yes, no, net) if plain or dust else None
        return None

    def _paid_nano(self, number: int, ticks: Ticks, lots: Lots) -> NanoUsd:
        """Return what `lots` received contracts cost with their fee."""
        facts = self._universe.facts[number]
        assert facts.fees is not None  # noqa: S101  every market here was listed with them
        gross = facts.fees.gross_lots(ticks, lots, lot=facts.lot)
        fee = 0 if facts.fees.in_shares else facts.fees.fee_nano(ticks, lots, maker=False)
        return -(-ticks * gross // 10) + fee

    def fair(self, numbers: list[int], after_ns: int) -> list[float]:
        """Return the fair prices of YES of some markets in ticks."""
        universe = self._universe
        index = np.array(numbers)
        groups = universe.group[index]
        times = np.full(len(index), after_ns)
        figure = universe.latent.at(groups, times)
        chance = universe.latent.chance(groups, times, figure, universe.low[index], universe.high[index])
        return [float(one) for one in chance * PAYOUT_TICKS]

    def _glitch(
        self,
        rng: np.random.Generator,
        hour: int,
        alive: np.ndarray,
        kind: Fake,
        planted: list[Planted],
        glitches: list[Glitch],
    ) -> None:
        number = int(rng.choice(list(self._universe.of_event(int(rng.choice(alive))))))
        after = hour * HOUR_NS + int(rng.integers(60_000, 3_590_000)) * 1_000_000
        glitches.append(Glitch(number, after, kind))
        name, begins = f"h{hour}/{len(planted)}", self._universe.settings.begins_ns
        legs = (Proposition(self._universe.facts[number].market),)
        planted.append(Planted(name, kind, legs, 0, 0, 0, begins + after, begins + after + _SECOND_NS))

    def _moves(
        self,
        rng: np.random.Generator,
        outage: Outage,
        alive: np.ndarray,
        taken: set[int],
        planted: list[Planted],
        shifts: list[Shift],
    ) -> None:
        """Have the world move while one venue's stream is silent: its last seen book looks like a gift."""
        pairs = [int(one) for one in alive if self._universe.events[int(one)].shape is Shape.PAIR]
        picked = rng.permutation(len(pairs))[:_MOVES_PER_OUTAGE]
        times = (outage.starts_ns + _SECOND_NS, outage.ends_ns)
        for event in (pairs[int(one)] for one in picked):
            left, right = self._universe.of_event(event)
            move = _MOVE_TICKS if rng.random() < 0.5 else -_MOVE_TICKS  # noqa: PLR2004  heads or tails
            lots = 100 * CONTRACT_LOTS
            taken.add(event)
            shifts += [Shift(number, move, -move, *times, lots) for number in (left, right)]
            seen, old = (right, left) if outage.venue == 0 else (left, right)
            sides = (Outcome.YES, Outcome.NO) if move > 0 else (Outcome.NO, Outcome.YES)
            legs = [(old, sides[0]), (seen, sides[1])]
            name = f"h{outage.starts_ns // HOUR_NS}/{len(planted)}"
            planted.append(self._planted(name, Fake.STALE, legs, 1, lots, 0, times))
