"""The books of one candidate's legs as they are now, what each leg costs in its style, and how likely it fills.

Styles are chosen here: a leg rests only where its spread, its chance and its advantage all say so, and where nobody
knows how much trades at its price there is no chance to know, so it takes (arb 7.5). A taker's offer is kept of every
leg, because that is how a missing leg would be completed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Lots
from millrace.market.buying import bids_of
from millrace.strategies.arb.economics.assessment import leg_fill
from millrace.strategies.arb.economics.fill import maker_fill
from millrace.strategies.arb.economics.flow import Flow, FlowBook
from millrace.strategies.arb.economics.markouts import MarkoutBook, family_of
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.economics.style import MakerCase, Rest, choose_style, maker_value, one_maker
from millrace.strategies.arb.lanes.exact import Offer, offer_of
from millrace.strategies.arb.model import Basket, Leg, MarketFacts, Style

_NANO = 1e9


class Seen(NamedTuple):
    """What was measured of others' trades and of our own fills."""

    flow: FlowBook
    marks: MarkoutBook


class Hand(NamedTuple):
    """Each leg's offer in its style, and its offer to a taker, in the order of the legs."""

    offers: tuple[Offer, ...]
    takers: tuple[Offer, ...]

    def fills(
        self, legs: Sequence[Leg], lots: Lots, now_ns: int, seen: Seen, settings: EconomicsSettings
    ) -> list[float]:
        """Return each leg's chance to fill whole at a size."""
        found = []
        for leg, offer, taker in zip(legs, self.offers, self.takers, strict=True):
            if offer.style is Style.TAKER:
                found.append(leg_fill(taker, leg, lots, now_ns, settings))
            else:
                found.append(resting_fill(offer, lots, now_ns, seen.flow.of(offer.proposition, now_ns), settings))
        return found


def hand_of(
    basket: Basket,
    facts: Mapping[InstrumentId, MarketFacts],
    book: Callable[[InstrumentId], BinaryQuote | None],
    settings: EconomicsSettings,
) -> Hand | None:
    """Return the legs' offers from the books at hand; None when a leg has none."""
    offers, takers = [], []
    for leg in basket.legs:
        market = leg.proposition.market
        fact, quote = facts.get(market), book(market)
        if fact is None or quote is None:
            return None
        known_ns = leg.quote_ts_ns
        taker = offer_of(leg.proposition, fact, quote, Style.TAKER, settings.aggressiveness_ticks, known_ns)
        offer = taker
        if leg.style is Style.MAKER:
            offer = offer_of(leg.proposition, fact, quote, Style.MAKER, settings.aggressiveness_ticks, known_ns)
        if taker is None or offer is None:
            return None
        offers.append(offer)
        takers.append(taker)
    return Hand(tuple(offers), tuple(takers))


def resting_fill(offer: Offer, lots: Lots, now_ns: int, flow: Flow | None, settings: EconomicsSettings) -> float:
    """Return the chance that a resting order fills in its time; before it stand the bids at its price or better."""
    price = offer.levels[0].ticks
    ahead = sum(level.lots for level in bids_of(offer.quote, offer.proposition.outcome) if level.ticks >= price)
    age_sec = (now_ns - offer.known_ns) / _NANO
    rate, burst = (None, 1.0) if flow is None else flow
    contracts, queue = lots / CONTRACT_LOTS, ahead / CONTRACT_LOTS
    return maker_fill(contracts, queue, settings.maker_timeout_sec, rate, settings, age_sec=age_sec, burst=burst)


class AsTakers(NamedTuple):
    """What a basket is worth with every leg as taker: expected value and repair per contract, and its chance."""

    value: float
    repair: float
    fill: float


def styled(
    hand: Hand, lots: Lots, takers: AsTakers, threshold: float, now_ns: int, seen: Seen, settings: EconomicsSettings
) -> tuple[Hand | None, Rest | None]:
    """Return the hand with each leg's style chosen, None where a leg is worth no trade, and the leg that rests.

    `threshold` is the least expected realized value per contract (arb 7.5).
    """
    markets = [offer.fact.market for offer in hand.takers]
    styles: list[Style | None] = []
    gains: list[float] = []
    resting: list[Offer | None] = []
    rests: list[Rest | None] = []
    for at, taker in enumerate(hand.takers):
        # Who rests on one side of a market and takes the other one meets himself.
        alone = markets.count(taker.fact.market) == 1
        case, maker, adverse = _maker_case(taker, lots, now_ns, seen, settings) if alone else (None, None, 0.0)
        resting.append(maker)
        if case is None:
            styles.append(Style.TAKER if takers.value >= threshold else None)
            gains.append(0.0)
            rests.append(None)
            continue
        rest = _rest(at, case, adverse, takers, settings)
        rests.append(rest)
        ev_maker = maker_value(rest.fill, takers.value + rest.saved, adverse, rest.later, rest.fill * rest.miss)
        styles.append(choose_style(case, ev_maker, takers.value, threshold, settings).style)
        gains.append(case.advantage)
    if not any(style is Style.MAKER for style in styles) and None in styles:
        return None, None
    chosen = one_maker([style or Style.TAKER for style in styles], gains, settings)
    offers = tuple(
        maker if style is Style.MAKER and maker is not None else taker
        for style, maker, taker in zip(chosen, resting, hand.takers, strict=True)
    )
    found = next((rest for style, rest in zip(chosen, rests, strict=True) if style is Style.MAKER), None)
    return Hand(offers, hand.takers), found


def _rest(at: int, case: MakerCase, adverse: float, takers: AsTakers, settings: EconomicsSettings) -> Rest:
    """Return what a leg's rest brings: edges fade while it waits, for the takers after it as for the other legs."""
    waits_sec = settings.maker_timeout_sec + settings.latency_sec
    lasts = 0.5 ** (waits_sec / settings.edge_half_life_sec)
    fill = 1 - (1 - case.fill) ** settings.maker_attempts
    after = lasts**settings.maker_attempts
    return Rest(
        at, fill, adverse, case.advantage, max(takers.value * after, 0.0),
        takers.fill * after if takers.value > 0 else 0.0, (1 - lasts) * max(takers.repair, 0.0),
    )  # fmt: skip


def _maker_case(
    taker: Offer, lots: Lots, now_ns: int, seen: Seen, settings: EconomicsSettings
) -> tuple[MakerCase | None, Offer | None, float]:
    """Return one leg as a maker and what its fill is expected to lose; None where nobody knows what trades."""
    bids = bids_of(taker.quote, taker.proposition.outcome)
    ask, bid = taker.levels[0].ticks, bids[0].ticks if bids else 0
    flow = seen.flow.of(taker.proposition, now_ns) if settings.makers else None
    if flow is None or not bid or ask - bid < settings.maker_spread * PAYOUT_TICKS:
        return None, None, 0.0
    maker = offer_of(
        taker.proposition, taker.fact, taker.quote, Style.MAKER, settings.aggressiveness_ticks, taker.known_ns
    )
    if maker is None:
        return None, None, 0.0
    price = maker.levels[0].ticks
    contracts, half = lots / CONTRACT_LOTS, (ask - bid) / 2 / PAYOUT_TICKS
    family = family_of(taker.proposition, taker.fact.category)
    fees = (taker.fees.maker.fee_nano(price, lots), taker.fees.taker.fee_nano(ask, lots))
    case = MakerCase(
        price=price / PAYOUT_TICKS,
        bid=bid / PAYOUT_TICKS,
        ask=ask / PAYOUT_TICKS,
        fill=resting_fill(maker, lots, now_ns, flow, settings),
        adverse_score=seen.marks.score(family, half),
        maker_fee=fees[0] / _NANO / contracts,
        taker_fee=fees[1] / _NANO / contracts,
    )
    return case, maker, seen.marks.expected(family, half)
