"""Puts the parts of one program together from its settings; the only place that knows them all.

Live, paper, backtest, replay and fault simulation differ in what they hand the engine's events to; the engine itself is
always made here, so that two of them cannot drift apart.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from msgspec import structs

from millrace.capacity.batch_rules import SINGLE_CALLS, BatchRules
from millrace.capacity.call_budget import CallBudget, CallBudgetSettings
from millrace.capacity.slo import SloTable
from millrace.config.settings import Setting, Settings
from millrace.core.engine import Engine
from millrace.core.events import BalanceReport, ConfigApplied, Scalar
from millrace.core.failure import OperatorError
from millrace.core.guard import Guard
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import Instrument, InstrumentId, whole_account
from millrace.core.kill import HeldKills, KillFile
from millrace.core.ledger import LedgerStore
from millrace.core.permission import Scope, ScopeKind, scopes_of
from millrace.core.probe import NO_PROBE, OrderProbe
from millrace.core.strategy import Strategy
from millrace.market.firewall import Firewall
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.book_guard import BookGuard
from millrace.risk.breaker_stop import BreakerStop, breaker_id
from millrace.risk.breakers import Endpoint
from millrace.risk.drawdown import Drawdown
from millrace.risk.exposure_guard import ExposureGuard
from millrace.risk.failure_caps import FailureCaps
from millrace.risk.feed_guard import FeedGuard
from millrace.risk.latency_guard import LatencyGuard
from millrace.risk.loss_cap import LossCap
from millrace.risk.playbooks import Playbooks
from millrace.risk.reconciliation import ReconciliationGuard
from millrace.risk.stops import KillSwitch
from millrace.shell.code_version import code_version
from millrace.shell.executor import Executor
from millrace.shell.latency_watch import LatencyWatch, Pulse
from millrace.shell.manifest import Manifest
from millrace.shell.measures import Measures
from millrace.shell.reconciler import Reconciler
from millrace.shell.unanswered import Patience
from millrace.shell.venue_calls import ANSWER_NS, VenueCalls
from millrace.shell.venue_port import VenuePort
from millrace.shell.venue_router import Carrier, VenueRouter
from millrace.sim.rate_counter import TIERS
from millrace.sim.venue import FillRule, SimVenue, VenueSettings
from millrace.strategies.arb.strategy import ArbDesk
from millrace.strategies.quoting.strategy import QuoteDesk
from millrace.strategies.slots.strategy import SlotGrid
from millrace.venues.batch_facts import batch_facts
from millrace.venues.kraken.facts import instrument_facts
from millrace.world.arb.desk import DESK, DeskMarkets, build_desk, leg_budget, leg_valid_for_ns
from millrace.world.quoting.desk import (
    QUOTES,
    QuoteMarkets,
    build_quotes,
    quote_batches,
    quote_budget,
    quote_valid_for_ns,
)

SLOTS = "slots"
VENUE_TIER = TIERS["pro"]
_STALE_KEY = "slots.stale_price_max_age_sec"
_STALE_MARK_KEY = "stops.stale_mark_sec"
_MS = 1_000_000
_PPM = 1_000_000
_PPM_PER_PCT = 10_000
_SECOND_NS = 1_000_000_000
_NO_KILLS = HeldKills()
NOTHING_OVERRULED: Mapping[str, Scalar] = {}


@dataclass(slots=True)
class Program:
    """The engine and the parts of it that a caller looks into; a strategy that the settings leave out is None.

    `venues` are the names of those that it trades on, the spot venue first and that of the quote desk last. A change
    of settings in flight puts other parts in (`remake`), so whoever needs one looks it up here each time.
    """

    engine: Engine
    instruments: tuple[Instrument, ...]
    outcomes: tuple[Instrument, ...]
    orders: OrderTable
    slots: SlotGrid | None
    desk: ArbDesk | None
    quotes: QuoteDesk | None
    venues: tuple[str, ...]
    client_prefix: str
    playbooks: Playbooks
    firewall: Firewall
    book_guard: BookGuard
    latency: LatencyGuard
    reconciliation: ReconciliationGuard

    @property
    def grid(self) -> SlotGrid:
        """The slot grid, for callers that only exist beside one."""
        assert self.slots is not None  # noqa: S101  an audit or a study of slots is never made of a run without them
        return self.slots

    def desk_now(self) -> ArbDesk:
        """Return the arbitrage desk, for those who only exist beside one and outlive a change of settings."""
        assert self.desk is not None  # noqa: S101  scans are joined to a program with a desk alone
        return self.desk

    def quotes_now(self) -> QuoteDesk:
        """Return the quote desk, for the same callers."""
        assert self.quotes is not None  # noqa: S101  ticks are timed in a program with that desk alone
        return self.quotes

    @property
    def spot_venue(self) -> str:
        """Where the slot grid trades; empty without one."""
        return "" if self.slots is None else self.instrument.id.venue

    @property
    def instrument(self) -> Instrument:
        """What the slot grid trades."""
        return self.grid.grid.instrument

    @property
    def desk_venues(self) -> tuple[str, ...]:
        """The venues on which the arbitrage desk trades."""
        others = {self.spot_venue, *(() if self.quotes is None else self.quotes.venues)}
        return tuple(venue for venue in self.venues if venue not in others)


def with_bars(settings: Settings, bar_ns: int) -> Settings:
    """Return the settings with the stale-price limits of bar data: at least two bars (design section 3)."""
    bars_sec = 2 * bar_ns / _SECOND_NS
    limit_sec = max(settings.slots.stale_price_max_age_sec, bars_sec)
    mark_sec = max(settings.stops.stale_mark_sec, bars_sec)
    lifted = {
        key: Setting(value, "command line", "twice the recording's bars")
        for key, value in ((_STALE_KEY, limit_sec), (_STALE_MARK_KEY, mark_sec))
    }
    return structs.replace(
        settings,
        slots=structs.replace(settings.slots, stale_price_max_age_sec=limit_sec),
        stops=structs.replace(settings.stops, stale_mark_sec=mark_sec),
        values={**settings.values, **lifted},
    )


def traded_instrument(settings: Settings) -> Instrument:
    """Return the facts of what a run trades, with the fees of the account's tier where the settings name them."""
    facts = instrument_facts(settings.run.instrument)
    maker, taker = settings.venue.maker_fee_pct, settings.venue.taker_fee_pct
    return structs.replace(
        facts,
        maker_fee_ppm=facts.maker_fee_ppm if maker is None else round(maker * _PPM_PER_PCT),
        taker_fee_ppm=facts.taker_fee_ppm if taker is None else round(taker * _PPM_PER_PCT),
    )


def build_program(
    settings: Settings, markets: DeskMarkets | None = None, quoted: QuoteMarkets | None = None
) -> Program:
    """Return a fresh program for these settings; raises OperatorError when they leave it no strategy.

    `markets` are what the arbitrage desk trades where that is a recording, `quoted` what the quote desk does.
    """
    desk, outcomes = build_desk(settings, markets)
    quotes, symbols = build_quotes(settings, quoted)
    slots = build_slots(settings)
    spot = () if slots is None else (slots.grid.instrument,)
    strategies: tuple[Strategy, ...] = tuple(one for one in (slots, desk, quotes) if one is not None)
    if not strategies:
        raise OperatorError("nothing is to be traded; set slots.enabled, arb.enabled or quoting.enabled")
    instruments = (*spot, *outcomes, *symbols)
    venues = tuple(dict.fromkeys(one.id.venue for one in (*spot, *sorted(outcomes, key=_venue), *symbols)))
    client_ids = ClientIds(
        settings.run.installation, (SLOTS, DESK, QUOTES)
    )  # a place of its own, whoever is switched on
    orders = OrderTable(client_ids)
    playbooks, latency = Playbooks(), latency_guard(settings, outcomes)
    market, reconciliation = MarketView(settings.firewall), ReconciliationGuard(instruments)
    book_guard = BookGuard(market.books, tuple(one.id for one in symbols))
    engine = Engine(
        instruments=instruments,
        strategies=strategies,
        market=market,
        orders=orders,
        account=Account(),
        board=RestrictionBoard(),
        guards=(
            KillSwitch(_known_scopes(spot, outcomes, symbols)),  # first: the others see what an operator cleared
            BreakerStop(),
            FeedGuard(market.firewall, settings.firewall),
            book_guard,
            latency,
            reconciliation,
            *stop_guards(settings, instruments),
            exposure_guard(settings, outcomes, desk),
            playbooks,
        ),
    )
    parts = (playbooks, market.firewall, book_guard, latency, reconciliation)
    return Program(engine, instruments, outcomes, orders, slots, desk, quotes, venues, client_ids.prefix, *parts)


def build_slots(settings: Settings) -> SlotGrid | None:
    """Return a fresh slot grid; None where the settings leave it out."""
    return SlotGrid(SLOTS, traded_instrument(settings), settings.slots) if settings.slots.enabled else None


def stop_guards(settings: Settings, instruments: Sequence[Instrument]) -> tuple[Guard, ...]:
    """Return the guards over failures and losses."""
    stops = settings.stops
    return FailureCaps(instruments, stops), LossCap(instruments, stops), Drawdown(instruments, stops)


def latency_guard(settings: Settings, outcomes: Sequence[Instrument]) -> LatencyGuard:
    """Return the guard over late answers; prediction venues are slow (arb 17)."""
    return LatencyGuard(SloTable(settings.slo, frozenset(one.id.venue for one in outcomes)))


def exposure_guard(settings: Settings, outcomes: Sequence[Instrument], desk: ArbDesk | None) -> ExposureGuard:
    """Return the guard over capital at risk; a desk says the category of each of its markets."""
    categories = {} if desk is None else {facts.market: facts.category for facts in desk.facts}
    return ExposureGuard(outcomes, settings.arb.exposure, categories)


def _venue(instrument: Instrument) -> str:
    return instrument.id.venue


def _known_scopes(
    spot: Sequence[Instrument], outcomes: Sequence[Instrument], symbols: Sequence[Instrument]
) -> frozenset[Scope]:
    """Return what can be named before anything was traded in it; an outcome becomes known with its first order."""
    scopes = {scope for one in spot for scope in scopes_of(SubPosition(SLOTS, one.id, "", ""))}
    scopes |= {scope for one in symbols for scope in scopes_of(SubPosition(QUOTES, one.id, "", ""))}
    if outcomes:
        scopes |= {Scope(ScopeKind.STRATEGY, DESK)}
        scopes |= {Scope(ScopeKind.VENUE, one.id.venue) for one in outcomes}
    return frozenset(scopes)


def build_measures(program: Program, ledger: LedgerStore, free_bytes: Callable[[], int] | None = None) -> Measures:
    """Return the figures of a program that its playbooks judge by."""
    engine = program.engine
    return Measures(ledger, program.playbooks.figures_wanted, lambda: engine.now_ns, free_bytes)


def venue_settings(settings: Settings, instrument: Instrument) -> VenueSettings:
    """Return the simulated venue's assumptions."""
    chosen = settings.venue
    return VenueSettings(
        venue=instrument.id.venue,
        instruments=(instrument,),
        opening={
            instrument.base: round(chosen.base_balance * 10**instrument.base_decimals),
            instrument.quote: round(chosen.quote_balance * 10**instrument.quote_decimals),
        },
        seed=settings.run.seed,
        participation_ppm=round(chosen.participation * _PPM),
        request_latency_ns=chosen.request_latency_ms * _MS,
        response_latency_ns=chosen.response_latency_ms * _MS,
        jitter_ns=chosen.latency_jitter_ms * _MS,
        rate=VENUE_TIER if chosen.rate_limits else None,
        fill_rule=FillRule.PRINTS,
    )


def call_budget(settings: Settings) -> CallBudget:
    """Return the pace of private calls (slots 4.4)."""
    slots = settings.slots
    return CallBudget(
        CallBudgetSettings(
            calls_per_loop=slots.max_api_calls_per_loop,
            loop_ns=round(slots.poll_interval_sec * _SECOND_NS),
            metronome=slots.private_api_metronome_enabled,
            wave_calls=slots.private_api_wave_calls,
            wave_ns=round(slots.private_api_wave_sec * _SECOND_NS),
        )
    )


class Executors(NamedTuple):
    """Who carries commands out, and the executor and the reconciler of each venue by its name."""

    carrier: Carrier
    by_venue: dict[str, Executor]
    reconcilers: dict[str, Reconciler]


def build_executors(
    settings: Settings,
    program: Program,
    ledger: LedgerStore,
    ports: Mapping[str, VenuePort],
    *,
    reconciles: bool = True,
    kill_file: KillFile = _NO_KILLS,
    probe: OrderProbe = NO_PROBE,
    watch: LatencyWatch | None = None,
) -> Executors:
    """Return the outbox of each of the program's accounts; unless it `reconciles`, nobody compares them with us.

    `watch` has venues that are slow asked questions.
    """
    reconcilers = {venue: _reconciler(settings, program, venue) for venue in program.venues} if reconciles else {}
    executors = {
        venue: Executor(
            ledger,
            ports[venue],
            _budget(settings, program, venue),
            program.engine.board,
            program.orders,
            reconciler=reconcilers.get(venue),
            patience=Patience(answer_ns=_answer_ns(settings, program, venue)),
            valid_for_ns=_valid_for_ns(settings, program, venue),
            calls=_venue_calls(settings, program, venue),
            kill_file=kill_file,
            probe=probe,
            pulse=None if watch is None else Pulse(watch, _asked_of(program, venue)),
            batches=_batches(settings, program, venue),
        )
        for venue in program.venues
    }
    one = next(iter(executors.values()))
    carrier: Carrier = one if len(executors) == 1 else VenueRouter(ledger, executors, program.orders)
    return Executors(carrier, executors, reconcilers)


def follow_settings(settings: Settings, program: Program, executors: Executors) -> None:
    """Have executors go by what may change in flight of that which they took from the settings."""
    terms = executor_terms(settings, program)
    for venue, executor in executors.by_venue.items():
        executor.go_by(*terms[venue])


def executor_terms(settings: Settings, program: Program) -> dict[str, tuple[int | None, BatchRules]]:
    """Return what executors take of the settings that may change in flight, by venue: longest wait (ns) and batches."""
    return {
        venue: (_valid_for_ns(settings, program, venue), _batches(settings, program, venue)) for venue in program.venues
    }


def _budget(settings: Settings, program: Program, venue: str) -> CallBudget:
    if venue == program.spot_venue:
        return call_budget(settings)
    return leg_budget(settings) if venue in program.desk_venues else quote_budget(settings)


def _batches(settings: Settings, program: Program, venue: str) -> BatchRules:
    """Return what leaves together at a venue: the grid's pace counts single calls (slots 4.4), so it joins none."""
    if program.quotes is None or venue not in program.quotes.venues:
        return SINGLE_CALLS
    return quote_batches(settings, batch_facts(venue))


def _valid_for_ns(settings: Settings, program: Program, venue: str) -> int | None:
    """Return how long what adds to a position may wait for its call to a venue; None for ever."""
    if venue == program.spot_venue:
        return round(settings.run.entry_valid_for_sec * _SECOND_NS) or None
    return leg_valid_for_ns(settings) if venue in program.desk_venues else quote_valid_for_ns(settings)


def _asked_of(program: Program, venue: str) -> InstrumentId:
    """Return what a question about open orders names: the spot instrument, or the whole account at another venue."""
    return program.instrument.id if venue == program.spot_venue else whole_account(venue)


def _venue_calls(settings: Settings, program: Program, venue: str) -> VenueCalls:
    """Return the breakers of a venue; one that was open when the program ended begins with a probe."""
    standing = {restriction.id for restriction in program.engine.board.active()}
    resumed = {Endpoint.ORDERS} if breaker_id(venue) in standing else set[Endpoint]()
    answer_ns = _answer_ns(settings, program, venue)
    return VenueCalls(_asked_of(program, venue), settings.run.seed, resumed=frozenset(resumed), answer_ns=answer_ns)


def _reconciler(settings: Settings, program: Program, venue: str) -> Reconciler:
    """Return what compares the program's orders and money with a venue's."""
    answer_ns = _answer_ns(settings, program, venue)
    return Reconciler(program.orders, venue, (_asked_of(program, venue),), program.client_prefix, answer_ns)


def _answer_ns(settings: Settings, program: Program, venue: str) -> int:
    """Return how long an answer of a venue may take; prediction venues are slow (arb 17)."""
    return round(settings.prediction.answer_sec * _SECOND_NS) if venue in program.desk_venues else ANSWER_NS


def config_event(
    settings: Settings,
    ts_ns: int,
    changed: tuple[str, ...] = (),
    overruled: Mapping[str, Scalar] = NOTHING_OVERRULED,
    request: str = "",
) -> ConfigApplied:
    """Return the event that tells the core which configuration holds, and what of it no start has said yet."""
    return ConfigApplied(settings.digest, settings.flat(), ts_ns, changed, dict(overruled), request)


def balance_event(venue: SimVenue, ts_ns: int) -> BalanceReport:
    """Return what the venue says we own."""
    return BalanceReport(venue.settings.venue, venue.balances(), ts_ns)


def manifest(settings: Settings) -> Manifest:
    """Return what a journal needs to be replayed."""
    return Manifest(
        code_version=code_version(),
        config_digest=settings.digest,
        config=settings.flat(),
        instruments=(traded_instrument(settings),),
        seeds={"run": settings.run.seed},
        strategies=(SLOTS,),
    )
