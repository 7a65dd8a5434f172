"""What a basket is expected to bring once its legs are let fail apart: the figure that decides, not the edge (arb 8.4).

The value is a sum over the outcomes of the legs, each with its own repair, less what fills cost beyond their plan,
summed over legs and not averaged, less the loss if the proof's markets resolve apart, less the price of locked capital.
"""

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import Lots
from millrace.market.buying import Origin
from millrace.strategies.arb.economics.fill import taker_fill
from millrace.strategies.arb.economics.impact import ImpactBook
from millrace.strategies.arb.economics.joint_fill import MOST_ENUMERATED, graduated, joint_fill, outcome_chances
from millrace.strategies.arb.economics.repair import LegMoney, leg_money, outcome_value
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.economics.style import Rest
from millrace.strategies.arb.lanes.exact import Offer, leg_at
from millrace.strategies.arb.model import Basket, Lane, Leg, NanoUsd, Style, Tier

_HOURS_PER_YEAR = 8_760
_NANO = 1e9
_DOLLAR_TICKS = 10_000


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """A basket at one size. Money is nano-dollars for the whole size, chances are fractions of one.

    `expected_nano` is the expected realized profit; `fill_quality` how much of the edge is lost (negative) once
    anything fills, as a share of it. `worst_loss_nano` is the dearest leg: lost when it alone fills and loses, and when
    the markets resolve apart.
    """

    net_nano: NanoUsd
    cost_nano: NanoUsd
    expected_nano: NanoUsd
    fill_probability: float
    none_probability: float
    leg_fills: tuple[float, ...]
    repair_nano: NanoUsd
    slippage_nano: NanoUsd
    divergence_probability: float
    carry_nano: NanoUsd
    worst_loss_nano: NanoUsd
    fill_quality: float

    @property
    def grades(self) -> tuple[float, ...]:
        """The chance of each graduated fill, from none to all (arb 8.6)."""
        return graduated(self.fill_probability, self.none_probability)

    @property
    def outcomes(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Chances and returns per dollar of complete, no fill, repaired, divergence: what Kelly bets on (arb 9.2)."""
        repaired = max(1 - self.fill_probability - self.none_probability, 0.0)
        apart = self.fill_probability * self.divergence_probability
        spent = self.cost_nano or 1
        edge = (self.net_nano - self.slippage_nano - self.carry_nano) / spent
        chances = (self.fill_probability - apart, self.none_probability, repaired, apart)
        lost = -min(self.repair_nano / spent, 1.0)
        return chances, (edge, 0.0, lost, -min(self.worst_loss_nano / spent, 1.0))


class Outlook(NamedTuple):
    """What an assessment takes from elsewhere: hours until the last leg pays, and how much of the edge not to count on.

    `doubtful_nano` is by how much per contract the edge of the books at hand exceeds that of several looks (arb 9.9).
    """

    now_ns: int
    hours: float
    doubtful_nano: float = 0.0


def divergence(basket: Basket, settings: EconomicsSettings) -> float:
    """Return the chance that the markets of a basket resolve against its proof (arb 4.7)."""
    venues = {leg.proposition.market.venue for leg in basket.legs}
    if basket.tier is Tier.FALLBACK:
        return settings.divergence_fallback
    if basket.lane is Lane.INTRA:
        return settings.divergence_intra
    return settings.divergence_structural if len(venues) == 1 else settings.divergence_strict


def leg_fill(offer: Offer, leg: Leg, lots: Lots, now_ns: int, settings: EconomicsSettings) -> float:
    """Return the chance that a taker leg fills at a size (arb 7.2)."""
    spread = (offer.levels[0].ticks - leg.bid_ticks) / _DOLLAR_TICKS if leg.bid_ticks else 1.0
    return taker_fill(
        lots / CONTRACT_LOTS,
        leg.depth_lots / CONTRACT_LOTS,
        (now_ns - leg.quote_ts_ns) / _NANO,
        spread,
        settings,
        turned_elsewhere=leg.origin is Origin.OPPOSITE_BID and not offer.fact.mirrored,
    )


def resized(basket: Basket, offers: Sequence[Offer], lots: Lots) -> Basket | None:
    """Return the basket priced anew at another size, depth and exact fees included; None when the books are too thin.

    Offers are in the order of the legs (arb 9.1 e).
    """
    if any(sum(level.lots for level in offer.levels) < lots for offer in offers):
        return None
    legs = tuple(leg_at(offer, lots) for offer in offers)
    return msgspec.structs.replace(
        basket,
        legs=legs,
        lots=lots,
        cost_nano=sum(leg.cost_nano for leg in legs),
        fee_nano=sum(leg.fee_nano for leg in legs),
        oldest_ns=min(leg.quote_ts_ns for leg in legs),
        newest_ns=max(leg.quote_ts_ns for leg in legs),
    )


def assess(
    basket: Basket,
    takers: Sequence[Offer],
    fills: Sequence[float],
    outlook: Outlook,
    impact: ImpactBook,
    settings: EconomicsSettings,
    rest: Rest | None = None,
) -> Assessment:
    """Return what the basket is worth at its size; `takers` are the legs' taker offers, `fills` their chances.

    With `rest` the others are sent only when that leg has filled, which costs what a fill is expected to lose; without
    its fill the basket is left to takers later, for what that is worth then (arb 7.5).
    """
    lots = basket.lots
    money = [
        leg_money(offer, leg.cost_nano + leg.fee_nano, lots, settings, resting=leg.style is Style.MAKER)
        for offer, leg in zip(takers, basket.legs, strict=True)
    ]
    net = basket.net_nano - round(max(outlook.doubtful_nano, 0.0) * lots / CONTRACT_LOTS)
    net -= basket.floor * lots * max(offer.fees.settlement_flat_nano for offer in takers) // CONTRACT_LOTS
    whole, none, others = _outcomes(fills, money, basket, settings.correlation, rest)
    contracts = lots / CONTRACT_LOTS
    beyond = sum(
        impact.beyond_plan(leg.proposition.market.venue, basket.lane.family, contracts, leg.depth_lots / CONTRACT_LOTS)
        for leg in basket.legs
        if leg.style is Style.TAKER
    )
    slip = round(beyond * contracts * _NANO)
    cost = basket.cost_nano + basket.fee_nano
    carry = round(cost * settings.lock_rate_per_year * max(outlook.hours, 0.0) / _HOURS_PER_YEAR)
    apart = divergence(basket, settings)
    worst = max(each.spent_nano for each in money)
    lost = whole * apart * (worst + max(net, 0))
    happens = max(1 - none, 0.0)
    expected = whole * (net - carry) + others - happens * slip - lost
    repaired = max(1 - whole - none, 0.0)
    if rest is not None:
        after = none * rest.later_fill
        expected += (none * rest.later - happens * (rest.adverse + rest.miss)) * contracts * _NANO
        # Those who take later pay what the resting leg would have saved.
        net -= round(rest.saved * contracts * _NANO * after / (whole + after)) if after else 0
        whole, none, happens = whole + after, none - after, happens + after
    quality = expected / happens / basket.net_nano - 1 if happens > 0 and basket.net_nano > 0 else -1.0
    return Assessment(
        net_nano=net,
        cost_nano=cost,
        expected_nano=round(expected),
        fill_probability=whole,
        none_probability=none,
        leg_fills=tuple(fills),
        repair_nano=round(-others / repaired) if repaired > 0 else 0,
        slippage_nano=slip,
        divergence_probability=apart,
        carry_nano=carry,
        worst_loss_nano=worst,
        fill_quality=quality,
    )


def _outcomes(
    fills: Sequence[float], money: Sequence[LegMoney], basket: Basket, correlation: float, rest: Rest | None
) -> tuple[float, float, float]:
    """Return the chances that all and that no legs fill, and the expected value between; with `rest` that leg leads."""
    if rest is None:
        return _legs_apart(fills, money, basket, correlation)
    lead = [1.0 if at == rest.leg else fill for at, fill in enumerate(fills)]
    whole, _, others = _legs_apart(lead, money, basket, correlation)
    return rest.fill * whole, 1 - rest.fill, rest.fill * others


def _legs_apart(
    fills: Sequence[float], money: Sequence[LegMoney], basket: Basket, correlation: float
) -> tuple[float, float, float]:
    """Return the chances that all and that no legs fill, and the expected value of what lies between (arb 8.2)."""
    venues = [leg.proposition.market.venue for leg in basket.legs]
    if len(fills) > MOST_ENUMERATED:
        whole = joint_fill(fills, venues, correlation)
        none = joint_fill([1 - fill for fill in fills], venues, correlation)
        worst = min(outcome_value(1 << leg, money, basket.floor_nano) for leg in range(len(money)))
        without_one = (1 << len(money)) - 1
        worst = min(
            worst, *(outcome_value(without_one ^ 1 << leg, money, basket.floor_nano) for leg in range(len(money)))
        )
        return whole, none, max(1 - whole - none, 0.0) * worst
    chances = outcome_chances(fills, venues, correlation).tolist()
    others = sum(
        chance * outcome_value(filled, money, basket.floor_nano)
        for filled, chance in enumerate(chances[1:-1], 1)
        if chance
    )
    return chances[-1], chances[0], others
