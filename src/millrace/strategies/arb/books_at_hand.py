"""The books of one candidate's legs as they are now, what each leg costs in its style, and how likely it fills.

Styles are chosen here: a leg rests only where its spread, its chance and its advantage all say so, and a desk that
does not know how much trades at a price knows no chance, so it takes (arb 7.5). A taker's offer is kept of every leg,
because that is how a missing leg would be completed.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Lots
from millrace.market.buying import bids_of
from millrace.strategies.arb.economics.assessment import leg_fill
from millrace.strategies.arb.economics.fill import maker_fill
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.economics.style import MakerCase, choose_style, maker_value, one_maker
from millrace.strategies.arb.lanes.exact import Offer, offer_of
from millrace.strategies.arb.model import Basket, Leg, MarketFacts, Proposition, Style

_NANO = 1e9
Arrivals = Callable[[Proposition], float | None]
"""Contracts that trade at or through the best bid in a minute; None where nobody knows."""


class Hand(NamedTuple):
    """Each leg's offer in its style, and its offer to a taker, in the order of the legs."""

    offers: tuple[Offer, ...]
    takers: tuple[Offer, ...]

    def fills(
        self, legs: Sequence[Leg], lots: Lots, now_ns: int, arrivals: Arrivals | None, settings: EconomicsSettings
    ) -> list[float]:
        """Return each leg's chance to fill whole at a size."""
        found = []
        for leg, offer, taker in zip(legs, self.offers, self.takers, strict=True):
            if offer.style is Style.TAKER:
                found.append(leg_fill(taker, leg, lots, now_ns, settings))
            else:
                found.append(resting_fill(offer, lots, now_ns, arrivals, settings))
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


def resting_fill(
    offer: Offer, lots: Lots, now_ns: int, arrivals: Arrivals | None, settings: EconomicsSettings
) -> float:
    """Return the chance that a resting order fills in its time; before it stand the bids at its price or better."""
    price = offer.levels[0].ticks
    ahead = sum(level.lots for level in bids_of(offer.quote, offer.proposition.outcome) if level.ticks >= price)
    rate = None if arrivals is None else arrivals(offer.proposition)
    age_sec = (now_ns - offer.known_ns) / _NANO
    contracts, queue = lots / CONTRACT_LOTS, ahead / CONTRACT_LOTS
    return maker_fill(contracts, queue, settings.maker_timeout_sec, rate, settings, age_sec=age_sec)


def styled(
    hand: Hand,
    lots: Lots,
    ev_taker: float,
    threshold: float,
    now_ns: int,
    arrivals: Arrivals | None,
    settings: EconomicsSettings,
) -> tuple[Hand | None, bool]:
    """Return the hand with each leg's style chosen, None where a leg is worth no trade, and whether anything changed.

    `ev_taker` is the basket's expected realized value per contract with every leg as taker, `threshold` the least.
    """
    styles, gains, resting = [], [], []
    for offer, taker in zip(hand.offers, hand.takers, strict=True):
        case, maker = _maker_case(taker, lots, now_ns, arrivals, settings)
        resting.append(maker)
        if case is None:
            styles.append(Style.TAKER if ev_taker >= threshold or offer.style is Style.MAKER else None)
            gains.append(0.0)
            continue
        adverse = case.adverse_score * (case.ask - case.bid) / 2
        ev_maker = maker_value(case.fill, ev_taker + case.advantage, adverse, ev_taker, 0.0)
        styles.append(choose_style(case, ev_maker, ev_taker, threshold, settings).style)
        gains.append(case.advantage)
    if None in styles:
        return None, False
    chosen = one_maker([style for style in styles if style is not None], gains, settings)
    offers = tuple(
        maker if style is Style.MAKER and maker is not None else taker
        for style, maker, taker in zip(chosen, resting, hand.takers, strict=True)
    )
    return Hand(offers, hand.takers), offers != hand.offers


def _maker_case(
    taker: Offer, lots: Lots, now_ns: int, arrivals: Arrivals | None, settings: EconomicsSettings
) -> tuple[MakerCase | None, Offer | None]:
    """Return one leg as a maker; (None, None) where its spread is too narrow or nobody knows what trades."""
    bids = bids_of(taker.quote, taker.proposition.outcome)
    ask, bid = taker.levels[0].ticks, bids[0].ticks if bids else 0
    if arrivals is None or not bid or ask - bid < settings.maker_spread * PAYOUT_TICKS:
        return None, None
    maker = offer_of(
        taker.proposition, taker.fact, taker.quote, Style.MAKER, settings.aggressiveness_ticks, taker.known_ns
    )
    if maker is None:
        return None, None
    price = maker.levels[0].ticks
    contracts = lots / CONTRACT_LOTS
    fees = (taker.fees.maker.fee_nano(price, lots), taker.fees.taker.fee_nano(ask, lots))
    case = MakerCase(
        price=price / PAYOUT_TICKS,
        bid=bid / PAYOUT_TICKS,
        ask=ask / PAYOUT_TICKS,
        fill=resting_fill(maker, lots, now_ns, arrivals, settings),
        adverse_score=settings.adverse_prior,
        maker_fee=fees[0] / _NANO / contracts,
        taker_fee=fees[1] / _NANO / contracts,
    )
    return case, maker
