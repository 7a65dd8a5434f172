"""A universe of linked binary markets over two venues, drawn from a seed, with the truth about it.

It has what the desk's rules speak of, and what they warn of: buckets that are exhaustive and others that only look so,
trees with each combination of label bits, ladders, pairs and false pairs. Prices follow one hidden figure per event
(`latent`), so every real opportunity in it was planted and is known (`plants`, `truth`).
"""

from functools import cached_property

import msgspec
import numpy as np

from millrace.core.failure import OperatorError
from millrace.sim.prediction.latent import HOUR_NS, Floats, Ints, LatentPaths
from millrace.sim.prediction.listings import Documents, Listing, documents, list_event
from millrace.sim.prediction.shapes import Event, deck, draw_event
from millrace.strategies.arb.model import MarketFacts

_EVENTS, _EARLY = 3, 7
_PPM = 1_000_000
NEVER_NS = 2**62
_EARLIEST_SEC, _APART_SEC = 60, 90
"""When the first market may end early, and how much after an event's first market its others do."""
_SECOND_NS = 1_000_000_000
BEGINS_NS = 1_772_323_200 * _SECOND_NS
"""2026-03-01T00:00:00Z, a whole hour."""
VENUES = ("kalshi", "polymarket")


class UniverseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a universe is drawn from. Rates are per simulated time; a market is quoted at least each quarter of an hour.

    Of an hour's opportunities each event has one at most, and all begin within its first `plants_within_sec`.

    `prints_per_sec` takers come over all markets, of whom so many millionths know the fair price a minute later.
    Opportunities last as an exponential time with this half-life (arb 17); `clean_ppm` of the events resolve in time
    and alike at both venues. `early_ppm` of them end long before their time, as when the news is out: each of their
    markets by itself, soon after the first, which ends within the first `early_within_sec`.
    """

    seed: int
    markets: int = 2_000
    venues: tuple[str, str] = VENUES
    begins_ns: int = BEGINS_NS
    shortest_hours: int = 2
    longest_hours: int = 480
    quotes_per_sec: float = 4.0
    beat_ns: int = _SECOND_NS
    plants_per_hour: float = 20.0
    fakes_per_hour: float = 20.0
    plants_within_sec: int = 3_560
    half_life_ns: int = 30 * _SECOND_NS
    outages_per_hour: float = 0.25
    clean_ppm: int = 950_000
    prints_per_sec: float = 0.0
    informed_ppm: int = 300_000
    early_ppm: int = 0
    early_within_sec: int = 3_600


class GeneratedUniverse:
    """Facts and files as the desk gets them, and what is behind them; markets have numbers, in the order of `facts`."""

    def __init__(self, settings: UniverseSettings, events: list[Event], ends_hours: Ints) -> None:
        self.settings = settings
        self.events = events
        self.ends_hours = ends_hours
        begins = settings.begins_ns
        listed = [
            list_event(number, event, settings.venues, begins + int(ends_hours[number]) * HOUR_NS, begins)
            for number, event in enumerate(events)
        ]
        self.listings: tuple[Listing, ...] = tuple(one for of_event in listed for one in of_event)
        self.facts: tuple[MarketFacts, ...] = tuple(one.facts for one in self.listings)
        self.documents: Documents = documents(events, listed, begins)
        self.group: Ints = np.array([one.event for one in self.listings], dtype=np.int64)
        self.low: Floats = np.array([one.low for one in self.listings])
        self.high: Floats = np.array([one.high for one in self.listings])
        self.latent = LatentPaths(settings.seed, ends_hours)
        counts = [len(of_event) for of_event in listed]
        self.first: Ints = np.concatenate([[0], np.cumsum(counts)])[:-1].astype(np.int64)
        self.count: Ints = np.array(counts, dtype=np.int64)

    @property
    def rules_document(self) -> bytes:
        """The rules file, version 2."""
        return self.documents.rules

    @property
    def mapping_document(self) -> bytes:
        """The mapping file, version 2."""
        return self.documents.mapping

    @cached_property
    def number(self) -> dict[object, int]:
        """The number of each market."""
        return {facts.market: number for number, facts in enumerate(self.facts)}

    @cached_property
    def answers(self) -> tuple[bool, ...]:
        """Whether each market's claim comes true."""
        final = self.latent.final[self.group]
        return tuple(bool(one) for one in (self.low <= final) & (final < self.high))

    @cached_property
    def early_ns(self) -> Ints:
        """When each market ends before its time, since the beginning; NEVER_NS where it does not."""
        wanted = self.settings
        rng = np.random.default_rng([wanted.seed, _EARLY])
        chosen = rng.random(len(self.events)) * _PPM < wanted.early_ppm
        first = rng.uniform(_EARLIEST_SEC, max(wanted.early_within_sec, _EARLIEST_SEC), len(self.events))
        ends = first[self.group] + rng.uniform(0, _APART_SEC, len(self.facts))
        found: Ints = np.where(chosen[self.group], (ends * _SECOND_NS).astype(np.int64), NEVER_NS)
        return found

    def first_early_ns(self, event: int) -> int:
        """Return when the first of an event's markets ends early; NEVER_NS: none does."""
        markets = self.of_event(event)
        return int(self.early_ns[markets.start : markets.stop].min())

    def of_event(self, event: int) -> range:
        """Return the numbers of an event's markets."""
        first = int(self.first[event])
        return range(first, first + int(self.count[event]))


def generate_universe(
    seed: int, markets: int = 2_000, venues: tuple[str, str] = VENUES, settings: UniverseSettings | None = None
) -> GeneratedUniverse:
    """Return the universe of a seed; `settings` say the rest. Raises OperatorError for fewer than one market."""
    if markets < 1:
        raise OperatorError(f"a universe of {markets} markets has nothing to trade; ask for at least one")
    wanted = msgspec.structs.replace(settings or UniverseSettings(seed=seed), seed=seed, markets=markets, venues=venues)
    rng = np.random.default_rng([seed, _EVENTS])
    shapes = deck(rng)
    events: list[Event] = []
    left = markets
    while left:
        event = draw_event(rng, shapes, len(events), left)
        events.append(event)
        left -= len(event.markets)
    spread = rng.uniform(np.log(wanted.shortest_hours), np.log(wanted.longest_hours), len(events))
    return GeneratedUniverse(wanted, events, np.ceil(np.exp(spread)).astype(np.int64))
