"""Checks a find in integers: what it pays at least, and what it costs at the books of now.

This is the part that is trusted. It runs in the core when a scan's result comes in, and again on replay; it knows no
solver, and whatever a solver's floats got wrong makes the proved payout smaller or the find void, never larger.
"""

from collections.abc import Sequence

import numpy as np

from millrace.core.instrument import InstrumentId, Lots, Outcome
from millrace.strategies.arb.combo.offers import Offers
from millrace.strategies.arb.combo.records import ComboBasket, ComboFind, ComboLeg, Weight
from millrace.strategies.arb.lanes.exact import leg_at
from millrace.strategies.arb.rules.constraints import Count
from millrace.strategies.arb.rules.joint import Joint


def verify(find: ComboFind, joint: Joint, offers: Offers) -> ComboBasket | str:
    """Return the find with its proved payout and exact cost, or why it is void.

    Void are finds under other rules, over markets that are not bound together or contradict each other, and finds that
    the books of now do not hold any more.
    """
    if find.rules != joint.version:
        return f"found under rules {find.rules}, which are not in force"
    if not find.legs or len({leg.proposition for leg in find.legs}) < len(find.legs):
        return "buys nothing, or names an outcome twice"
    proved = _payout(find, joint)
    if isinstance(proved, str):
        return proved
    legs = []
    for leg in find.legs:
        offer = offers.of(leg.proposition)
        if offer is None or sum(level.lots for level in offer.levels) < leg.lots:
            return f"{leg.proposition.instrument} is not offered in that size any more"
        if leg.lots <= 0 or leg.lots % offer.fact.lot or leg.lots < offer.fact.min_lots:
            return f"{leg.proposition.instrument} is not sold in {leg.lots} millionths"
        legs.append(leg_at(offer, leg.lots))
    payout_lots, worlds = proved
    return ComboBasket(
        find=find,
        legs=tuple(sorted(legs, key=lambda leg: leg.sort_key)),
        payout_lots=payout_lots,
        worlds=worlds,
        cost_nano=sum(leg.cost_nano for leg in legs),
        fee_nano=sum(leg.fee_nano for leg in legs),
    )


def _payout(find: ComboFind, joint: Joint) -> tuple[Lots, int] | str:
    """Return what the find pays at least and in how many worlds that was tried, or why nothing is proved."""
    component = joint.component(find.legs[0].proposition.market)
    if component is None or any(leg.proposition.market not in component.markets for leg in find.legs):
        return "its markets are not bound together by rules"
    worlds = joint.worlds(component.markets[0])
    if worlds is None:
        return "its rules contradict each other"
    if not find.weights:
        if not worlds.whole:
            return "claims an enumeration that is too large"
        paid = worlds.wins([leg.proposition for leg in find.legs]) @ lots_of(find.legs)
        return int(paid.min()), len(worlds.yes)
    if any(not 0 <= weight.which < len(component.floors) for weight in find.weights):
        return "weighs a count that its rules do not have"
    return dual_payout(find.legs, find.weights, component.floors), 0


def lots_of(legs: Sequence[ComboLeg]) -> "np.ndarray[tuple[int, ...], np.dtype[np.int64]]":
    """Return the sizes of legs as a column."""
    return np.array([leg.lots for leg in legs], dtype=np.int64)


def dual_payout(legs: Sequence[ComboLeg], weights: Sequence[Weight], counts: Sequence[Count]) -> Lots:
    """Return a payout that no permitted world falls below, by weak duality: any weights >= 0 give a true bound.

    Each weighted count is an inequality that every permitted world satisfies. Their sum is subtracted from the payout;
    what is left depends on each market alone and is at least the sum of each market's worse outcome.
    """
    sure = 0
    slope: dict[InstrumentId, int] = {}
    for leg in legs:
        yes = leg.outcome is Outcome.YES
        sure += 0 if yes else leg.lots
        slope[leg.proposition.market] = slope.get(leg.proposition.market, 0) + (leg.lots if yes else -leg.lots)
    for weight in weights:
        count = counts[weight.which]
        sign, least = (1, count.low) if weight.at_least else (-1, -count.high)
        lots = max(weight.lots, 0)
        sure += lots * least
        for member in count.members:
            yes = member.outcome is Outcome.YES
            sure -= 0 if yes else sign * lots
            slope[member.market] = slope.get(member.market, 0) - (sign * lots if yes else -sign * lots)
    return sure + sum(min(left, 0) for left in slope.values())
