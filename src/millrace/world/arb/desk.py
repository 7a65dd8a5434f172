"""The arbitrage desk of a program: which markets it trades, and what the simulated prediction venues assume.

Everything here follows from the settings, so a replay makes the same desk as the run did. A program without the desk
has none of it, and costs nothing of it.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from millrace.capacity.call_budget import CallBudget, CallBudgetSettings
from millrace.config.settings import PredictionSettings as PredictionChoices
from millrace.config.settings import Settings
from millrace.core.instrument import LEDGER_DECIMALS, Instrument
from millrace.sim.prediction.settings import PredictionSettings
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.mapping.approvals import NO_DECISIONS, Decisions
from millrace.strategies.arb.mapping.load import parse_map
from millrace.strategies.arb.mapping.records import NO_MAP
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.load import parse_rules
from millrace.strategies.arb.rules.records import RuleSet
from millrace.strategies.arb.strategy import ArbDesk
from millrace.world.arb.quote_feed import Row

DESK: Final = "arb"
BEGINS_NS: Final = 1_767_225_600 * 1_000_000_000
"""Where the generated markets begin, spot and prediction: 2026-01-01 00:00 UTC."""
_SOURCE: Final = "the generated universe"
_NETTING: Final = frozenset({"kalshi"})
"""Venues at which a YES and a NO of one market become a dollar at once."""
_SECOND_NS: Final = 1_000_000_000
_PPM: Final = 1_000_000


class DeskMarkets(NamedTuple):
    """The markets that the desk trades, what binds them, and their rows after a time.

    `source` names the mapping file, `decisions` are what people said of its rows and of proposals.
    """

    facts: tuple[MarketFacts, ...]
    rules: RuleSet
    mapping: bytes
    rows: Callable[[int], Iterator[Row]]
    decisions: Decisions = NO_DECISIONS
    source: str = _SOURCE

    @property
    def outcomes(self) -> tuple[Instrument, ...]:
        """YES and NO of each market, in the markets' order."""
        return tuple(outcome for facts in self.facts for outcome in outcome_instruments(facts))


def desk_markets(settings: Settings) -> DeskMarkets | None:
    """Return what the desk trades under these settings; None where they leave it out.

    It is the generated universe of the run's seed, which any process makes again from the settings alone.
    """
    if not settings.arb.enabled:
        return None
    chosen = settings.prediction
    return _generated(settings.run.seed, chosen)


@lru_cache(maxsize=4)
def _generated(seed: int, chosen: PredictionChoices) -> DeskMarkets:
    # Both need scipy, which takes longer to import than the rest of a program without the desk.
    from millrace.sim.prediction.quotes import quotes  # noqa: PLC0415
    from millrace.sim.prediction.universe import UniverseSettings, generate_universe  # noqa: PLC0415

    wanted = UniverseSettings(
        seed=seed,
        markets=chosen.markets,
        begins_ns=BEGINS_NS,
        quotes_per_sec=chosen.quotes_per_sec,
        prints_per_sec=chosen.prints_per_sec,
        informed_ppm=round(chosen.informed_share * _PPM),
        plants_per_hour=chosen.plants_per_hour,
        fakes_per_hour=chosen.plants_per_hour,
        plants_within_sec=chosen.plants_within_sec,
        early_ppm=round(chosen.early_share * _PPM),
        early_within_sec=chosen.early_within_sec,
    )
    universe = generate_universe(seed, chosen.markets, settings=wanted)
    rules = parse_rules(universe.rules_document, _SOURCE, BEGINS_NS, {one.market: one for one in universe.facts})

    def rows(after_ns: int) -> Iterator[Row]:
        return quotes(universe, after_ns + 1)

    return DeskMarkets(universe.facts, rules, universe.mapping_document, rows)


def build_desk(settings: Settings, markets: DeskMarkets | None = None) -> tuple[ArbDesk | None, tuple[Instrument, ...]]:
    """Return a fresh desk and the outcomes that it trades; None and none where the settings leave it out.

    `markets` are those of a recording, where it is not the settings that say them.
    """
    markets = markets or desk_markets(settings)
    if markets is None:
        return None, ()
    parts = settings.arb
    mapping = parse_map(markets.mapping.decode(), markets.source) if markets.mapping else NO_MAP
    return ArbDesk(DESK, markets.facts, markets.rules, parts, mapping, markets.decisions), markets.outcomes


def prediction_venues(settings: Settings, markets: DeskMarkets | None = None) -> tuple[PredictionSettings, ...]:
    """Return the assumptions of each prediction venue that the desk trades on, in the order of their names."""
    markets = markets or desk_markets(settings)
    if markets is None:
        return ()
    cash = opening_cash(settings)
    by_venue: dict[str, list[MarketFacts]] = {}
    for facts in markets.facts:
        by_venue.setdefault(facts.market.venue, []).append(facts)
    return tuple(_venue(settings, venue, tuple(by_venue[venue]), cash.get(venue, 0.0)) for venue in sorted(by_venue))


def _venue(settings: Settings, venue: str, markets: tuple[MarketFacts, ...], cash: float) -> PredictionSettings:
    currencies = {facts.currency for facts in markets}
    opening = {name: round(cash * 10 ** LEDGER_DECIMALS[name]) for name in sorted(currencies)}
    return PredictionSettings(
        venue=venue, markets=markets, opening=opening, seed=settings.run.seed, nets=venue in _NETTING
    )


def leg_budget(settings: Settings) -> CallBudget:
    """Return the pace of private calls at one prediction venue (runtime 2.5)."""
    calls = settings.prediction.calls_per_sec
    pace = {"bucket_calls": calls, "refill_ns": _SECOND_NS // calls}
    return CallBudget(CallBudgetSettings(calls_per_loop=calls, loop_ns=_SECOND_NS, metronome=False, **pace))


def leg_valid_for_ns(settings: Settings) -> int | None:
    """Return how long a leg that opens a position may wait for its call; None for ever."""
    return round(settings.prediction.leg_valid_for_sec * _SECOND_NS) or None


def opening_cash(settings: Settings) -> dict[str, float]:
    """Return the dollars that lie at each prediction venue when a run begins."""
    chosen = settings.prediction
    return {"kalshi": chosen.kalshi_usd, "polymarket": chosen.polymarket_usd}
