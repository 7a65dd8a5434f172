"""What is left of a basket whose maker leg gave up, as a candidate of its own, and its new terms if it is traded.

The rest is priced from scratch on the books of that moment, as takers (arb 7.5). It stays the same basket: what filled
before stays in it, and its plan becomes what was paid for so far together with what is wanted now.
"""

from millrace.core.strategy import View
from millrace.strategies.arb.execution.basket import Life
from millrace.strategies.arb.execution.prices import Prices
from millrace.strategies.arb.execution.settings import ExecutionSettings
from millrace.strategies.arb.lanes.exact import leg_at
from millrace.strategies.arb.model import Basket, Lane, Style, Tier
from millrace.strategies.arb.planning import groups_of


def rest_of(life: Life, prices: Prices, view: View) -> Basket | None:
    """Return the rest of a basket with every leg as taker; None where nothing is left or the books hold too little."""
    lots = life.lots - life.full
    offers = [prices.offer(leg.proposition, view) for leg in life.legs]
    found = [offer for offer in offers if offer is not None]
    if len(found) < len(offers):
        return None
    step = max(offer.fact.lot for offer in found)
    lots = min(lots, *(sum(level.lots for level in offer.levels) for offer in found))
    lots -= lots % step
    if lots < max(offer.fact.min_lots for offer in found) or lots <= 0:
        return None
    legs = tuple(leg_at(offer, lots) for offer in found)
    return Basket(
        lane=Lane(life.lane), legs=legs, lots=lots, max_lots=lots, floor=life.floor, proof=life.label, rule=life.rule,
        label=life.label, relation="", tier=Tier(life.tier), family=life.family, cluster=life.cluster,
        cost_nano=sum(leg.cost_nano for leg in legs), fee_nano=sum(leg.fee_nano for leg in legs),
        oldest_ns=min(leg.quote_ts_ns for leg in legs), newest_ns=max(leg.quote_ts_ns for leg in legs),
        horizon_ns=life.horizon_ns,
    )  # fmt: skip


def decided_anew(life: Life, basket: Basket, settings: ExecutionSettings) -> None:
    """Give a basket the terms of its rest: sizes, limits and plan are what it holds and what is wanted beside it."""
    before, life.lots = life.lots, life.full + basket.lots
    held = life.full
    for one, leg in zip(life.legs, basket.legs, strict=True):
        one.style, one.limit_ticks, one.target = Style.TAKER, leg.limit_ticks, one.held
        one.depth_lots, one.version, one.quote_ts_ns = leg.depth_lots, leg.version, leg.quote_ts_ns
        one.cost_nano = one.cost_nano * held // before + leg.cost_nano
        one.fee_planned_nano = one.fee_planned_nano * held // before + leg.fee_nano
        one.planned_nano = one.cost_nano + one.fee_planned_nano
    life.groups = groups_of(life.legs, settings)
