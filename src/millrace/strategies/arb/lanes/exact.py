"""The exact look at one basket: its books walked together, fees at the size that would be traded (arb 2.2, 3).

The size grows while one more contract of every leg costs, with its fee, no more than the floor less the least edge;
then whole orders are priced, rounding included, and a size that rounding spoils gives way to the next smaller break of
the books. Everything is an integer: ticks, millionths of a contract, nano-dollars.
"""

from collections.abc import Sequence
from functools import lru_cache
from math import lcm
from typing import NamedTuple

import numpy as np

from millrace.core.binary_events import BinaryQuote, BookLevel, Levels
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS, FeeSchedule, FeeTerms
from millrace.core.instrument import Lots, Outcome, Ticks
from millrace.market.buying import Origin, asks_and_turned, bids_of, effective_buy, ladder_of
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.model import TICK_LOTS_PER_NANO, Leg, MarketFacts, NanoUsd, Proposition, Style

YES, MAKER = Outcome.YES, Style.MAKER
TICK_NANO = CONTRACT_LOTS // TICK_LOTS_PER_NANO
"""What one tick costs per contract."""
UNPRICED_NANO = 10**13
"""Stands for a price that is not there: no basket with such a leg reaches any floor."""
_RATE_PER_NANO = 100_000
"""A fee's rate per contract, parts per million times squared ticks, counts 1e-5 nano-dollars."""
SIZES_TRIED = 4
"""Breaks of the books at which whole orders are priced, from the largest down."""


@lru_cache(maxsize=256)
def cost_table(terms: FeeTerms, min_lots: Lots, *, in_shares: bool) -> memoryview:
    """Return what one contract costs at least with its fee, by price in ticks: the screen's optimistic bound.

    Roundings up, minimums and steps between fills only add to it; what an order is spared by rounding down is spread
    over the smallest order, and a cap per order leaves the price alone. Shares kept back count as dearer contracts.
    """
    ticks = np.arange(PAYOUT_TICKS + 1, dtype=np.int64)
    rate = terms.quadratic_ppm * ticks * (PAYOUT_TICKS - ticks) + terms.price_ppm * ticks * PAYOUT_TICKS
    fees = rate // _RATE_PER_NANO + terms.flat_nano
    if terms.rounds_down:
        fees -= -(-terms.quantum_nano * CONTRACT_LOTS // min_lots)
    if terms.max_nano is not None:
        fees = np.minimum(fees, 0)
    costs = ticks * TICK_NANO
    if in_shares:
        kept = np.maximum(fees, 0)
        left = np.maximum(costs - kept, 1)
        fees = np.where(kept < costs, costs * costs // left - costs, UNPRICED_NANO)
    return (costs + fees).data


def table_of(fact: MarketFacts, style: Style) -> memoryview | None:
    """Return a market's cost table; None when its fees are unknown, which makes it untradable (arb 6)."""
    if fact.fees is None:
        return None
    terms = fact.fees.maker if style is MAKER else fact.fees.taker
    return cost_table(terms, fact.min_lots, in_shares=fact.fees.in_shares)


def skew_ns(settings: LaneSettings, style: Style) -> int:
    """Return how far apart the books of one basket may be (arb 2.5)."""
    return settings.taker_skew_ns if style is Style.TAKER else settings.maker_skew_ns


class Offer(NamedTuple):
    """What can be bought of one outcome: levels of lots that arrive, best first, and what they cost with fees.

    `rungs` has for each level what one contract costs at least with its fee, and its lots; `gross` what has to be
    bought there so that all of the level's lots arrive. `known_ns` is when the book was last known to hold.
    """

    proposition: Proposition
    style: Style
    levels: Levels
    rungs: tuple[tuple[NanoUsd, Lots], ...]
    gross: tuple[Lots, ...]
    fees: FeeSchedule
    fact: MarketFacts
    origin: Origin
    quote: BinaryQuote
    known_ns: int


def maker_ticks(quote: BinaryQuote, proposition: Proposition, fact: MarketFacts, aggressiveness: int) -> Ticks | None:
    """Return where a maker would post: a tick above the bid or some below the ask, always below the ask (arb 7.1)."""
    asks, turned = asks_and_turned(quote, proposition.outcome)
    ask = effective_buy(asks[0] if asks else None, turned[0] if turned else None)
    if ask is None:
        return None
    bids = bids_of(quote, proposition.outcome)
    bid = bids[0].ticks if bids else 0
    wanted = min(max(bid + fact.tick, ask.ticks - aggressiveness * fact.tick), ask.ticks - fact.tick)
    return wanted if wanted >= fact.tick else None


def offer_of(
    proposition: Proposition,
    fact: MarketFacts,
    quote: BinaryQuote,
    style: Style,
    aggressiveness: int,
    known_ns: int,
    table: memoryview | None = None,
) -> Offer | None:
    """Return what a market's book offers of an outcome in a style; None when that is nothing.

    A maker's size is what rests at the best price: an estimate, for nobody has to sell to a resting bid. `table` is
    the market's `table_of` that style, for callers that keep it.
    """
    fees, table = fact.fees, table_of(fact, style) if table is None else table
    ladder = ladder_of(quote, proposition.outcome, mirrored=fact.mirrored)
    if table is None or ladder is None or fees is None:
        return None
    levels = ladder.levels
    for ticks, lots in levels:
        if lots <= 0 or not 0 < ticks < PAYOUT_TICKS:
            levels = tuple([level for level in levels if 0 < level.ticks < PAYOUT_TICKS and level.lots > 0])
            break
    maker = style is MAKER
    if maker and levels:
        best = maker_ticks(quote, proposition, fact, aggressiveness)
        levels = () if best is None else (BookLevel(best, levels[0].lots),)
    gross = tuple([lots for _, lots in levels])
    if fees.in_shares:
        levels = tuple([BookLevel(ticks, fees.net_lots(ticks, lots, maker=maker)) for ticks, lots in levels])
    if not levels or levels[0].lots <= 0:
        return None
    rungs = tuple([(table[ticks], lots) for ticks, lots in levels])
    return Offer(proposition, style, levels, rungs, gross, fees, fact, ladder.origin, quote, known_ns)


def depth_breaks(offers: Sequence[Offer], limit_nano: NanoUsd) -> list[Lots]:
    """Return the sizes at which some leg's price changes, as far as one more contract costs at most `limit_nano`.

    The last is the largest size that is worth its marginal cost (arb 2.2); none when the best prices are too high.
    """
    steps: dict[Lots, NanoUsd] = {}
    deepest = min([sum([lots for _, lots in offer.rungs]) for offer in offers])
    marginal = 0
    for offer in offers:
        size, last = 0, 0
        for cost, lots in offer.rungs:
            if size:
                steps[size] = steps.get(size, 0) + cost - last
            else:
                marginal += cost
            size += lots
            last = cost
            if size >= deepest:
                break
    breaks: list[Lots] = []
    if marginal > limit_nano:
        return breaks
    for size in sorted(steps):
        breaks.append(size)
        marginal += steps[size]
        if marginal > limit_nano:
            return breaks
    breaks.append(deepest)
    return breaks


def leg_at(offer: Offer, lots: Lots) -> Leg:
    """Return one leg at a size that its levels hold, with exact cost and fee; `lots` is what arrives."""
    proposition, style, levels, _, grosses, fees, fact, origin, quote, known_ns = offer
    maker, in_shares = style is MAKER, fees.in_shares
    open_lots, units, kept_units, shown = lots, 0, 0, 0
    fills = []
    for (ticks, there), gross in zip(levels, grosses, strict=True):
        taken = min(open_lots, there)
        open_lots -= taken
        shown += there
        units += ticks * taken
        if in_shares:
            bought = gross if taken == there else fees.gross_lots(ticks, taken, lot=fact.lot, maker=maker)
            kept_units += ticks * (bought - taken)
        else:
            fills.append((ticks, taken))
        if not open_lots:
            break
    terms = fees.maker if maker else fees.taker
    fee_nano = -(-kept_units // TICK_LOTS_PER_NANO) if in_shares else terms.walked_nano(fills)
    bids = quote.yes_bids if proposition.outcome is YES else quote.no_bids
    return Leg(
        proposition, style, ticks, shown, -(-units // TICK_LOTS_PER_NANO), fee_nano,
        bids[0].ticks if bids else 0, known_ns, quote.version, origin,
    )  # fmt: skip


class Sized(NamedTuple):
    """Legs at the size with the most net value, and the largest size that the books allow at the edge."""

    legs: tuple[Leg, ...]
    lots: Lots
    max_lots: Lots


def sized(offers: Sequence[Offer], floor: int, min_edge_nano: NanoUsd) -> Sized | None:
    """Return the basket at its best size, or None when no size keeps `min_edge_nano` per dollar of floor.

    Sizes are multiples of every leg's lot and at least every leg's minimum.
    """
    worth = floor * (10**9 - min_edge_nano)
    breaks = depth_breaks(offers, worth)
    step = lcm(*{offer.fact.lot for offer in offers})
    least = max([offer.fact.min_lots for offer in offers])
    sizes = sorted({size - size % step for size in breaks if size >= least and size >= step}, reverse=True)
    for lots in sizes[:SIZES_TRIED]:
        if lots < least:
            return None
        legs = tuple([leg_at(offer, lots) for offer in offers])
        spent = sum([leg.cost_nano + leg.fee_nano for leg in legs])
        if spent * CONTRACT_LOTS <= worth * lots:
            return Sized(legs, lots, sizes[0])
    return None
