"""The gates: what must be true of a basket before a plan may exist, each with its own reason (arb 10).

Every gate is looked at whatever the others say, because the counts of reasons are how a desk learns what really keeps
it from trading. What belongs to exposure, capital and the stake itself is added where sizes are found (`decide`).
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.economics.assessment import Assessment
from millrace.strategies.arb.gates.reasons import Reason
from millrace.strategies.arb.gates.settings import GateSettings, LaneGate
from millrace.strategies.arb.lanes.exact import skew_ns
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.model import Basket, Lane, MarketFacts, NanoUsd, Style, Tier

_NANO = 1e9
_DAY_HOURS = 24
NEAR_DAYS, FAR_DAYS = 7, 30
CONTRADICTION = "contradictory rules"
"""The proof of a basket whose markets are bound by rules that cannot all be true: none (arb 4.6)."""
_LABELLED = frozenset({Lane.BUCKET, Lane.EVENT_TREE})
_MAPPED = frozenset({Lane.CROSS})


class Context(NamedTuple):
    """What the desk knows of the moment; money in nano-dollars.

    `book` gives a market's last accepted quote, `tradable` the firewall's reasons against it (none: it may be traded).
    `cash` is what each venue holds of ours in all, `free` what may be spent, `equity` cash and open positions together.
    `not_ready` names lanes whose readiness checks fail; `multiplier` is the board's.
    """

    now_ns: int
    book: Callable[[InstrumentId], BinaryQuote | None]
    tradable: Callable[[InstrumentId], Collection[str]]
    cash: Mapping[str, NanoUsd]
    free: Mapping[str, NanoUsd]
    equity: NanoUsd
    multiplier: float = 1.0
    paused: bool = False
    not_ready: Collection[Lane] = ()
    cooling: bool = False
    duplicate: bool = False


class Thresholds(NamedTuple):
    """What one basket must reach, after lane overrides and the time to its resolution (arb 9.13, 10)."""

    edge: float
    profit_usd: float
    fill: float
    realized_usd: float


def thresholds(settings: GateSettings, gate: LaneGate, hours: float) -> Thresholds:
    """Return the thresholds: a near resolution tightens them, a far one loosens nothing unless switched on."""
    edge = settings.min_edge if gate.min_edge is None else gate.min_edge
    profit = settings.min_profit_usd if gate.min_profit_usd is None else gate.min_profit_usd
    fill = settings.min_fill if gate.min_fill is None else gate.min_fill
    realized = settings.min_realized_usd if gate.min_realized_usd is None else gate.min_realized_usd
    if settings.near_tightens and hours <= NEAR_DAYS * _DAY_HOURS:
        return Thresholds(edge * 1.15, profit * 1.1, fill + 0.03, realized)
    if settings.far_loosens and hours >= FAR_DAYS * _DAY_HOURS:
        return Thresholds(edge * 0.9, profit, fill - 0.03, realized)
    return Thresholds(edge, profit, fill, realized)


def market_reasons(
    basket: Basket,
    facts: Mapping[InstrumentId, MarketFacts],
    context: Context,
    settings: GateSettings,
    lanes: LaneSettings,
) -> Iterator[Reason]:
    """Yield what speaks against the legs' quotes, depth and fees as they are now."""
    markets = {leg.proposition.market for leg in basket.legs}
    if any(context.tradable(market) or context.book(market) is None for market in markets):
        yield Reason.QUOTE_STATE
    if context.now_ns - basket.oldest_ns > settings.quote_age_sec * _NANO:
        yield Reason.QUOTE_AGE
    makers = any(leg.style is Style.MAKER for leg in basket.legs)
    if basket.newest_ns - basket.oldest_ns > skew_ns(lanes, Style.MAKER if makers else Style.TAKER):
        yield Reason.LEG_SKEW
    if any(leg.depth_lots <= 0 for leg in basket.legs):
        yield Reason.DEPTH_UNKNOWN
    if any(not _fees_known(facts.get(market), context.now_ns) for market in markets):
        yield Reason.FEES_UNKNOWN
    if is_micro(basket, settings):
        yield Reason.MICRO_PRICE


def _fees_known(fact: MarketFacts | None, now_ns: int) -> bool:
    """Tell whether a market's schedule is known and has begun; what begins later says nothing of now (arb 6)."""
    return fact is not None and fact.fees is not None and fact.fees.from_ns <= now_ns


def is_micro(basket: Basket, settings: GateSettings) -> bool:
    """Tell whether a leg is priced next to 0 or 1 dollar with little behind it (arb 10)."""
    return any(
        not settings.micro_low <= leg.limit_ticks / PAYOUT_TICKS <= settings.micro_high
        and leg.depth_lots < settings.micro_contracts * CONTRACT_LOTS
        for leg in basket.legs
    )


def rule_reasons(
    basket: Basket, confidence: float | None, gate: LaneGate, context: Context, settings: GateSettings
) -> Iterator[Reason]:
    """Yield what speaks against the mapping, the label, the lane and the moment."""
    yield from _mapping_reasons(basket, confidence, settings)
    if basket.proof == CONTRADICTION:
        yield Reason.RULES_CONTRADICT
    if basket.floor <= 0 or (basket.lane in _LABELLED and not basket.label):
        yield Reason.LABEL_MISSING
    if gate.enabled is False:
        yield Reason.LANE_DISABLED
    if basket.lane is Lane.BUCKET and 0 < settings.bucket_legs < len(basket.legs):
        yield Reason.BUCKET_LEGS
    if basket.lane in context.not_ready:
        yield Reason.LANE_NOT_READY
    if context.paused:
        yield Reason.PAUSED
    if basket.net_per_floor > settings.sanity_edge:
        yield Reason.SANITY_EDGE
    if context.cooling:
        yield Reason.COOLDOWN
    if context.duplicate:
        yield Reason.DUPLICATE


def _mapping_reasons(basket: Basket, confidence: float | None, settings: GateSettings) -> Iterator[Reason]:
    if basket.lane not in _MAPPED and basket.tier is Tier.NONE:
        return
    traded = {Tier.STRICT, Tier.FALLBACK} if settings.fallback else {Tier.STRICT}
    if basket.tier not in traded:
        yield Reason.MAPPING_TIER
    least = settings.strict_confidence if basket.tier is Tier.STRICT else settings.fallback_confidence
    if confidence is not None and confidence < least:
        yield Reason.MAPPING_CONFIDENCE


def value_reasons(basket: Basket, found: Assessment, needed: Thresholds, settings: GateSettings) -> Iterator[Reason]:
    """Yield what speaks against the value of a basket at its size."""
    dollars = basket.lots * 1_000 * basket.floor
    edge = min(found.net_nano, basket.net_nano)
    if not dollars or edge / dollars < needed.edge or basket.net_on_cost < settings.min_on_cost:
        yield Reason.EDGE
    if found.net_nano < needed.profit_usd * _NANO:
        yield Reason.EXPECTED_PROFIT
    if found.fill_probability < needed.fill:
        yield Reason.FILL_PROBABILITY
    if found.fill_quality < settings.min_quality:
        yield Reason.FILL_QUALITY
    if found.expected_nano < needed.realized_usd * _NANO:
        yield Reason.REALIZED_PROFIT
