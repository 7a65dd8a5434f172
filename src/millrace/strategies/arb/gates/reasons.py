"""The closed list of reasons for which a basket is not traded, in the order in which they are looked at.

Every gate that objects is recorded, and the first in this order is the primary reason of the decision row, so that
counts by reason add up to the rejected rows exactly (arb 10, 17). A reason is a machine code and never changes its
name; what it means to a person stands in its text.
"""

from collections.abc import Iterable
from enum import StrEnum


class Reason(StrEnum):
    """Why not; the order of the members is the order of the gates (arb 10)."""

    QUOTE_STATE = "quote_state"
    QUOTE_AGE = "quote_age"
    LEG_SKEW = "leg_skew"
    DEPTH_UNKNOWN = "depth_unknown"
    FEES_UNKNOWN = "fees_unknown"
    MAPPING_TIER = "mapping_tier"
    MAPPING_CONFIDENCE = "mapping_confidence"
    RULES_CONTRADICT = "rules_contradict"
    LABEL_MISSING = "label_missing"
    LANE_DISABLED = "lane_disabled"
    BUCKET_LEGS = "bucket_legs"
    BUCKET_RECORD = "bucket_record"
    LANE_NOT_READY = "lane_not_ready"
    PAUSED = "paused"
    EDGE = "edge"
    EXPECTED_PROFIT = "expected_profit"
    FILL_PROBABILITY = "fill_probability"
    FILL_QUALITY = "fill_quality"
    REALIZED_PROFIT = "realized_profit"
    NO_STYLE = "no_style"
    SANITY_EDGE = "sanity_edge"
    MICRO_PRICE = "micro_price"
    PRICE_MOVED = "price_moved"
    OUTLIER = "outlier"
    UNCERTAINTY = "uncertainty"
    HORIZON = "horizon"
    DRAWDOWN = "drawdown"
    KELLY = "kelly"
    LOSS_BUDGET = "loss_budget"
    SIZE = "size"
    CLUSTER_POSITIONS = "cluster_positions"
    CLUSTER_BUDGET = "cluster_budget"
    EXPOSURE_TOTAL = "exposure_total"
    EXPOSURE_VENUE = "exposure_venue"
    EXPOSURE_CATEGORY = "exposure_category"
    EXPOSURE_MARKET = "exposure_market"
    EXPOSURE_POSITIONS = "exposure_positions"
    EXPOSURE_LANE = "exposure_lane"
    EXPOSURE_FAMILY = "exposure_family"
    EXPOSURE_OPEN_MARKETS = "exposure_open_markets"
    COOLDOWN = "cooldown"
    DUPLICATE = "duplicate"
    OPPOSITE_HELD = "opposite_held"
    CAPITAL = "capital"


TEXTS = {
    Reason.QUOTE_STATE: "the firewall does not let a leg's market be traded now",
    Reason.QUOTE_AGE: "the oldest leg's quote is too old",
    Reason.LEG_SKEW: "the legs' quotes lie too far apart in time",
    Reason.DEPTH_UNKNOWN: "a leg's book shows no sizes",
    Reason.FEES_UNKNOWN: "a leg's fee schedule is not known",
    Reason.MAPPING_TIER: "the mapping's tier does not trade",
    Reason.MAPPING_CONFIDENCE: "the mapping's confidence is too low",
    Reason.RULES_CONTRADICT: "the rules that bind its markets cannot all be true",
    Reason.LABEL_MISSING: "no label supports the payout",
    Reason.LANE_DISABLED: "the lane is switched off, or trades on paper only",
    Reason.BUCKET_LEGS: "the bucket has more legs than the lane may trade",
    Reason.BUCKET_RECORD: "the bucket's realised record is bad, or buckets failed too often in a row this session",
    Reason.LANE_NOT_READY: "the lane is not ready",
    Reason.PAUSED: "trading is halted, paused or reducing only",
    Reason.EDGE: "the net edge per dollar of floor is below the lane's threshold",
    Reason.EXPECTED_PROFIT: "the expected profit in dollars is below the least",
    Reason.FILL_PROBABILITY: "all legs together fill too rarely",
    Reason.FILL_QUALITY: "what fills keeps too little of the edge",
    Reason.REALIZED_PROFIT: "the expected realized profit is below the least",
    Reason.NO_STYLE: "a leg is worth trading neither as maker nor as taker",
    Reason.SANITY_EDGE: "an edge this large is presumed a wrong mapping",
    Reason.MICRO_PRICE: "a leg is priced near 0 or 1 dollar with little size",
    Reason.PRICE_MOVED: "a leg's price has just moved",
    Reason.OUTLIER: "the edge stands out from its own last snapshots",
    Reason.UNCERTAINTY: "too little is known about this edge",
    Reason.HORIZON: "the capital would be locked too long",
    Reason.DRAWDOWN: "the drawdown from the high-water mark forbids new positions",
    Reason.KELLY: "the growth-optimal stake is zero",
    Reason.LOSS_BUDGET: "the loss budget is below one dollar, or one basket exceeds it",
    Reason.SIZE: "no feasible size is left after caps and rounding",
    Reason.CLUSTER_POSITIONS: "the cluster has its number of open positions",
    Reason.CLUSTER_BUDGET: "the cluster's budget is spent",
    Reason.EXPOSURE_TOTAL: "total exposure would pass its limit",
    Reason.EXPOSURE_VENUE: "a venue's exposure would pass its limit or share",
    Reason.EXPOSURE_CATEGORY: "a category's exposure would pass its limit or share",
    Reason.EXPOSURE_MARKET: "a market's exposure would pass its limit",
    Reason.EXPOSURE_POSITIONS: "the number of open positions is reached",
    Reason.EXPOSURE_LANE: "the lane has its number of positions at risk",
    Reason.EXPOSURE_FAMILY: "the family has its number of positions at risk",
    Reason.EXPOSURE_OPEN_MARKETS: "a venue has its number of open markets; some are kept for other lanes than intra",
    Reason.COOLDOWN: "the market or the opportunity cools down after it was acted on",
    Reason.DUPLICATE: "the same family is already being acted on",
    Reason.OPPOSITE_HELD: "another basket holds the other outcome of a market; the venue would net them",
    Reason.CAPITAL: "a venue has too little free money",
}
"""What each means to a person."""
_RANK = {reason: rank for rank, reason in enumerate(Reason)}


def in_order(reasons: Iterable[Reason]) -> tuple[Reason, ...]:
    """Return the reasons without repeats in the fixed order; the first is the primary one."""
    return tuple(sorted(set(reasons), key=_RANK.__getitem__))
