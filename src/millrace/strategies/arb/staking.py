"""How many contracts of a basket: a growth-optimal stake, everything that shrinks it, every cap, and the trail of both.

The stake starts from the lane's bankroll, never from a cap, and nothing here can raise it. What was multiplied and what
capped it is kept beside the size, so that the question why a basket was this small has an answer in its row (arb 9).
"""

from collections.abc import Sequence
from math import lcm
from typing import NamedTuple

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import Lots
from millrace.sizing.kelly import growth_optimal
from millrace.sizing.overlays import cluster_penalty, doubt_shrink, lock_brake, loss_budget, uncertainty
from millrace.sizing.stake_settings import StakeSettings
from millrace.strategies.arb.economics.assessment import Assessment
from millrace.strategies.arb.economics.impact import most_contracts
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.gates.reasons import Reason
from millrace.strategies.arb.gates.settings import LaneGate
from millrace.strategies.arb.lanes.exact import Offer
from millrace.strategies.arb.model import Basket, Tier

_NANO = 1e9
TRIES = 8
"""How many sizes are tried before a basket is refused (arb 9.1)."""
_NEXT = 0.75
"""The next smaller size, as a share of the one before."""
Trail = tuple[tuple[str, float], ...]


class Doubt(NamedTuple):
    """How sure the edge is: its relative error u, and the confidence 1 - u that the loss budget scales with."""

    error: float
    confidence: float


class Money(NamedTuple):
    """What the stake is cut from, in dollars: bankroll, the lane's part, venues' cash and free money, the cluster."""

    bankroll: float
    lane: float
    venue_cash: dict[str, float]
    venue_free: dict[str, float]
    cluster_budget: float
    cluster_used: float


class Shrink(NamedTuple):
    """Multipliers that come from outside this basket."""

    variance: float
    drawdown: float
    board: float


class Stake(NamedTuple):
    """The contracts that the stake and the caps allow, what bound them, and the steps; `reason` when none are left."""

    contracts: float
    trail: Trail
    reason: Reason | None


def doubt(
    basket: Basket, confidence: float | None, age_share: float, calibration: float, outcomes: int, stake: StakeSettings
) -> Doubt:
    """Return how sure the edge is (arb 9.3); `age_share` is the oldest quote's age as a share of what is allowed."""
    mapped = basket.tier is not Tier.NONE
    parts = (
        stake.uncertainty_fallback if basket.tier is Tier.FALLBACK else stake.uncertainty_mapped if mapped else 0.0,
        1 - confidence if confidence is not None else 0.0,
        stake.uncertainty_unlabelled if basket.label == "unknown" else 0.0,
        calibration,
        stake.uncertainty_age * min(max(age_share, 0.0), 1.0),
        stake.uncertainty_new / (1 + outcomes) ** 0.5,
    )
    error = uncertainty(parts)
    return Doubt(error, max(1 - error, 0.0))


def size_caps(
    basket: Basket, offers: Sequence[Offer], money: Money, economics: EconomicsSettings, stake: StakeSettings
) -> list[tuple[str, float]]:
    """Return the caps in contracts that hold whatever the stake says (arb 9.2, 9.10, 9.11), each with its name."""
    contracts = basket.lots / CONTRACT_LOTS
    spent = (basket.cost_nano + basket.fee_nano) / _NANO / contracts
    edge = basket.net_nano / _NANO / contracts
    caps = [("trade_usd", stake.trade_usd / spent), ("trade_contracts", stake.trade_contracts)]
    for offer in offers:
        depth = sum(level.lots for level in offer.levels if level.ticks <= _worst(basket, offer)) / CONTRACT_LOTS
        caps.append(("depth", most_contracts(depth, edge, economics)))
    for venue in dict.fromkeys(leg.proposition.market.venue for leg in basket.legs):
        per_contract = sum(
            leg.cost_nano + leg.fee_nano for leg in basket.legs if leg.proposition.market.venue == venue
        ) / (_NANO * contracts)
        caps.append(("venue_cash", stake.venue_cash_share * money.venue_cash.get(venue, 0.0) / per_contract))
        caps.append(("free", money.venue_free.get(venue, 0.0) / per_contract))
    caps.append(("cluster", max(money.cluster_budget - money.cluster_used, 0.0) / spent))
    return caps


def _worst(basket: Basket, offer: Offer) -> int:
    return next(leg.limit_ticks for leg in basket.legs if leg.proposition == offer.proposition)


def stake_contracts(
    found: Assessment, basket: Basket, sure: Doubt, money: Money, shrink: Shrink, gate: LaneGate, hours: float,
    stake: StakeSettings,
) -> Stake:  # fmt: skip
    """Return the contracts that a growth-optimal stake allows after every overlay (arb 9.2 to 9.8)."""
    contracts = basket.lots / CONTRACT_LOTS
    spent = found.cost_nano / _NANO / contracts
    kelly = growth_optimal(*found.outcomes) if gate.use_kelly else float(found.expected_nano > 0)
    trail = [
        ("kelly", kelly),
        ("kelly_share", stake.kelly_share),
        ("doubt", doubt_shrink(sure.error)),
        ("variance", shrink.variance),
        ("drawdown", shrink.drawdown),
        ("lock", lock_brake(hours, stake)),
        ("cluster_penalty", cluster_penalty(money.cluster_used, money.cluster_budget, stake)),
        ("board", min(max(shrink.board, 0.0), 1.0)),
        ("fallback", stake.fallback_size if basket.tier is Tier.FALLBACK else 1.0),
        ("lane", min(gate.multiplier, 1.0)),
    ]
    share = 1.0
    for _, multiplier in trail:
        share *= multiplier
    allowed = share * money.lane / spent
    budget = loss_budget(money.bankroll, sure.confidence, stake)
    worst = found.worst_loss_nano / _NANO / contracts
    trail += [("stake", allowed), ("loss_budget", budget / worst)]
    if gate.use_kelly and kelly <= 0:
        return Stake(0.0, tuple(trail), Reason.KELLY)
    if budget <= 0:
        return Stake(0.0, tuple(trail), Reason.LOSS_BUDGET)
    return Stake(min(allowed, budget / worst), tuple(trail), None)


def whole_lots(contracts: float, offers: Sequence[Offer]) -> Lots:
    """Return the largest size that every leg's venue takes, 0 when that is below a venue's minimum (arb 9.1 d)."""
    step = lcm(*(offer.fact.lot for offer in offers))
    lots = int(contracts * CONTRACT_LOTS)
    lots -= lots % step
    return lots if lots >= max(offer.fact.min_lots for offer in offers) else 0


def smaller(lots: Lots, offers: Sequence[Offer]) -> Lots:
    """Return the next size to try, smaller by a quarter and at least by a step; 0 when there is none."""
    step = lcm(*(offer.fact.lot for offer in offers))
    return whole_lots(min(lots * _NEXT, lots - step) / CONTRACT_LOTS, offers)
