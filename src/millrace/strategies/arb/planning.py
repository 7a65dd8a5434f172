"""From a decision to a plan: which legs leave first, under which names, and what is written down with them.

A basket's name is a counter, so keys of orders hold no time and a leg tried again is a new key of the same basket
(arb 13). The hardest leg leaves first, a maker's before all others; legs of one venue leave together while what they
may leave uncovered is small (arb 7.6, 11.2).
"""

import msgspec

from millrace.core.commands import Finish, LegPolicy, Place, Plan, Side
from millrace.core.commands import Style as OrderStyle
from millrace.core.ids import SubPosition
from millrace.core.instrument import Lots
from millrace.core.strategy import View
from millrace.orders.opportunity import intent_key, opportunity_id
from millrace.strategies.arb.cycle import opportunity_of
from millrace.strategies.arb.decide import Decision
from millrace.strategies.arb.execution.basket import LegLife, Life
from millrace.strategies.arb.execution.prices import Prices
from millrace.strategies.arb.execution.settings import DeskSettings, ExecutionSettings
from millrace.strategies.arb.model import Basket, Leg, Style
from millrace.strategies.arb.telemetry.rows import OPENED, REJECTED, BasketRow, DecisionRow, LegRow, Outcome

_NANO_PER_USD = 1_000_000_000
_YEAR_NS = 8_760 * 3_600 * 1_000_000_000
_MICRO_LOW, _MICRO_HIGH, _MICRO_LOTS = 200, 9_800, 20_000_000
"""The micro-price filter of reports: 0.02 and 0.98 dollars, 20 contracts (arb 17)."""


def group_of(basket: Basket, key: str) -> str:
    """Return the name of a basket's sub-positions: lane, family, basket; so the board can name lane and family."""
    family = basket.family.replace("%", "%25").replace("/", "%2f")
    return f"{basket.lane.value}/{family}/{key}"


def life_of(decision: Decision, key: str, decision_id: str, settings: ExecutionSettings, view: View) -> Life:
    """Return the basket that a decision opens, before anything traded."""
    basket, found = decision.basket, decision.assessment
    fills = found.leg_fills if found is not None else (1.0,) * len(basket.legs)
    legs = [
        LegLife(
            market=leg.proposition.market, outcome=leg.proposition.outcome, style=leg.style,
            limit_ticks=leg.limit_ticks, planned_nano=leg.cost_nano + leg.fee_nano, hardness=1 - fill,
            depth_lots=leg.depth_lots, version=leg.version, quote_ts_ns=leg.quote_ts_ns,
            data=view.leg_verdict(leg.proposition.market).verdict.value,
            cost_nano=leg.cost_nano, fee_planned_nano=leg.fee_nano,
        )
        for leg, fill in zip(basket.legs, fills, strict=True)
    ]  # fmt: skip
    return Life(
        key=key, group=group_of(basket, key), decision=decision_id,
        opportunity=opportunity_id(opportunity_of(basket)), lane=basket.lane.value, lane_family=basket.lane.family,
        family=basket.family, style=basket.style, rule=basket.rule, label=basket.label, tier=basket.tier.value,
        cluster=basket.cluster, floor=basket.floor, lots=basket.lots, detected_nano=decision.detected_nano,
        expected_nano=decision.expected_nano,
        fill_probability=None if found is None else found.fill_probability,
        horizon_ns=basket.horizon_ns, opened_ns=view.now_ns, legs=legs, groups=groups_of(legs, settings),
    )  # fmt: skip


def groups_of(legs: list[LegLife], settings: ExecutionSettings) -> list[list[int]]:
    """Return the legs in the order in which they leave: one maker, then venue by venue, the hardest first."""
    order = sorted(range(len(legs)), key=lambda leg: (legs[leg].style is not Style.MAKER, -legs[leg].hardness, leg))
    groups: list[list[int]] = []
    if legs[order[0]].style is Style.MAKER:
        groups.append([order.pop(0)])
    venues: dict[str, list[int]] = {}
    for leg in order:
        venues.setdefault(legs[leg].market.venue, []).append(leg)
    for found in venues.values():
        naked = sum(legs[leg].planned_nano for leg in found)
        if naked <= settings.parallel_naked_usd * _NANO_PER_USD:
            groups.append(found)
        else:
            groups += [[leg] for leg in found]
    return groups


def plan_of(life: Life, basket: Basket, strategy: str, desk: DeskSettings, prices: Prices) -> Plan:
    """Return the plan of a basket: all legs are judged now, those of the first group leave now."""
    places = tuple(_place(life, at, leg, strategy, prices) for at, leg in enumerate(basket.legs))
    hardness = tuple(float(at in life.groups[0]) for at in range(len(places)))
    cooldowns = (round(desk.opportunity_cooldown_sec * 1e9), round(desk.market_cooldown_sec * 1e9))
    policy = LegPolicy(Finish.STRATEGY, hardness=hardness)
    return Plan(opportunity_of(basket, *cooldowns), places, policy, intent=life.key)


def first_of(life: Life, plan: Plan) -> list[Place]:
    """Return the legs of a plan that leave with it, under the keys that they get."""
    return [
        msgspec.structs.replace(place, key=intent_key(life.key, place.key))
        for at, place in enumerate(plan.legs)
        if at in life.groups[0]
    ]


def _place(life: Life, at: int, leg: Leg, strategy: str, prices: Prices) -> Place:
    instrument = leg.proposition.instrument
    position = SubPosition(strategy, instrument, life.group, str(at))
    style = OrderStyle.POST_ONLY if leg.style is Style.MAKER else OrderStyle.IOC
    lots = gross_lots(prices, leg, life.lots)
    terms = (Side.BUY, lots, leg.limit_ticks, style, position)
    return Place(instrument, *terms, reduces=False, key=str(at), purpose="leg")


def gross_lots(prices: Prices, leg: Leg, lots: Lots) -> Lots:
    """Return what to ask for so that `lots` arrive: more where a taker's fee is kept back in contracts."""
    fact = prices.facts[leg.proposition.market]
    if fact.fees is None or not fact.fees.in_shares:
        return lots
    return fact.fees.gross_lots(leg.limit_ticks, lots, lot=fact.lot, maker=leg.style is Style.MAKER)


# Rows


def leg_rows(basket: Basket, view: View) -> tuple[LegRow, ...]:
    """Return a basket's legs as a decision row keeps them, with what the firewall says of each now (runtime 2.2 A5)."""
    return tuple(
        LegRow(
            venue=leg.proposition.market.venue, market=leg.proposition.market.symbol,
            outcome=leg.proposition.outcome.value, style=leg.style.value, ticks=leg.limit_ticks, lots=basket.lots,
            depth_lots=leg.depth_lots, cost_nano=leg.cost_nano, fee_nano=leg.fee_nano, version=leg.version,
            quote_ts_ns=leg.quote_ts_ns, data=view.leg_verdict(leg.proposition.market).verdict.value,
        )
        for leg in basket.legs
    )  # fmt: skip


def decision_row(
    decision: Decision, decision_id: str, cycle: int, key: str, versions: tuple[str, str], view: View
) -> DecisionRow:
    """Return the row of a candidate; `key` is the basket that it opens, empty for a rejected one.

    `versions` are the digest of the settings and the version of the rules in force.
    """
    basket = decision.basket
    opened = bool(key)
    return DecisionRow(
        decision_id=decision_id, cycle=cycle, opportunity=opportunity_id(opportunity_of(basket)),
        family=basket.family, direction=basket.direction, lane=basket.lane.value, lane_family=basket.lane.family,
        aliases=",".join(basket.aliases), style=basket.style, rule=basket.rule, label=basket.label,
        relation=basket.relation, tier=basket.tier.value, cluster=basket.cluster, legs=leg_rows(basket, view),
        floor=basket.floor, lots=basket.lots, cost_nano=basket.cost_nano, fee_nano=basket.fee_nano,
        detected_nano=decision.detected_nano, expected_nano=decision.expected_nano,
        verdict=OPENED if opened else REJECTED,
        reason="" if opened or not decision.reasons else decision.reasons[0].value,
        reasons="" if opened else ",".join(reason.value for reason in decision.reasons),
        micro_ok=all(
            _MICRO_LOW <= leg.limit_ticks <= _MICRO_HIGH and leg.depth_lots >= _MICRO_LOTS for leg in basket.legs
        ),
        basket=key, horizon_ns=basket.horizon_ns, config=versions[0], rules=versions[1], ts_ns=view.now_ns,
        on_cost=basket.net_on_cost, on_cost_per_year=on_cost_per_year(basket, view.now_ns),
    )  # fmt: skip


def on_cost_per_year(basket: Basket, now_ns: int) -> float | None:
    """Return the net edge per dollar spent and year of locked capital; None when its end is unknown (arb 3)."""
    if basket.horizon_ns is None or basket.horizon_ns <= now_ns:
        return None
    return basket.net_on_cost * _YEAR_NS / (basket.horizon_ns - now_ns)


def basket_row(life: Life, outcome: Outcome, now_ns: int, *, live: bool) -> BasketRow:
    """Return the row of a basket whose last cash is in; that cash stands in one column, by what kind of run it is."""
    legs = tuple(
        LegRow(
            venue=leg.market.venue, market=leg.market.symbol, outcome=leg.outcome.value, style=leg.style.value,
            ticks=leg.limit_ticks, lots=leg.bought, depth_lots=leg.depth_lots, cost_nano=leg.paid_nano,
            fee_nano=leg.fees_nano, version=leg.version, quote_ts_ns=leg.quote_ts_ns, data=leg.data,
        )
        for leg in life.legs
    )  # fmt: skip
    bought = sum(leg.paid_nano for leg in life.legs)
    planned = sum(leg.planned_nano * leg.bought // max(life.lots, 1) for leg in life.legs)
    fees = sum(leg.fees_nano for leg in life.legs)
    naked = life.naked_ns + (now_ns - life.naked_since_ns if life.naked_since_ns else 0)
    return BasketRow(
        basket=life.key if not life.rows else f"{life.key}/late{life.rows}", decision_id=life.decision,
        opportunity=life.opportunity, family=life.family, lane=life.lane, lane_family=life.lane_family,
        style=life.style, rule=life.rule, label=life.label, tier=life.tier, cluster=life.cluster, legs=legs,
        floor=life.floor, lots=life.lots, matched_lots=life.most_matched, outcome=outcome.value,
        detected_nano=life.detected_nano, expected_nano=life.expected_nano,
        simulated_nano=None if live else life.cash_nano, realised_nano=life.cash_nano if live else None,
        bought_nano=bought, proceeds_nano=sum(leg.received_nano for leg in life.legs), fee_nano=fees,
        planned_nano=planned, repair_nano=life.repair_nano, slippage_nano=bought + fees - planned,
        capital_nano=life.peak_nano, capital_ns=life.capital_ns,
        hedge_ns=life.hedged_ns - life.first_fill_ns if life.hedged_ns else None, naked_ns=naked,
        diverged=life.diverged, opened_ns=life.opened_ns, ended_ns=now_ns,
    )  # fmt: skip
