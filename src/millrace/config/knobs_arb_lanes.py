"""Knobs of detection and of the combination lane: what is worth a look, and how much is searched.

Detection's least edge is below the gates' on purpose, so that what they refuse is on record (arb 3, 10).
"""

from millrace.config.knob import ArbRow, Knob, arb_knobs
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.settings import LaneSettings

_LANES: tuple[ArbRow, ...] = (
    ("min_edge_nano", "nano-USD", "least edge per dollar of floor that is worth an exact look", "3", 0, 500_000_000),
    ("near_nano", "nano-USD", "how far a basket may miss its floor to stand on the near list", "3", 0, 500_000_000),
    ("leg_risk_nano", "nano-USD", "what a NO leg of a subset has to earn at least", "3", 0, 500_000_000),
    ("makers", "", "baskets are also priced as if all their legs rested, as an estimate", "7.1", None, None),
    ("taker_skew_ns", "ns", "how far apart in time the books of a basket of takers may be", "2.5", 0, None),
    ("maker_skew_ns", "ns", "the same for a basket that rests", "2.5", 0, None),
    ("aggressiveness_ticks", "ticks", "how far below the ask a maker posts, unless its bid is higher", "7.1", 1, 100),
    ("suspect_edge_nano", "nano-USD", "edge between markets from which the mapping is doubted", "4.8", 0, None),
)
_COMBO: tuple[ArbRow, ...] = (
    ("reporting", "", "combinations are searched for the report; they never trade", "4.6", None, None),
    ("processes", "", "searches run in processes of their own, on the machine's time", "4.6", None, None),
    ("every_sec", "s", "time between two searches", "4.6", 1, None),
    ("components", "components", "connected components that one search looks at", "4.6", 1, 10_000),
    ("most_markets", "markets", "components with more are not searched", "4.6", 2, 1_000),
    ("most_levels", "levels", "levels of a book that are read", "4.6", 1, 100),
    ("most_nodes", "nodes", "nodes of one integer program", "4.6", 1, None),
    ("most_rounds", "rounds", "times that worlds are added", "4.6", 1, None),
    ("gap", "", "a basket this close to the best ends a search", "4.6", 0, 1),
    ("min_net_usd", "USD", "what a basket earns for sure to be reported", "4.6", 0, None),
    ("skew_sec", "s", "how far apart in time the books of a combination may be", "2.5", 0, None),
)
LANE_KNOBS: tuple[Knob, ...] = (
    *arb_knobs("arb_lanes", LaneSettings(), _LANES),
    *arb_knobs("arb_combo", ComboSettings(), _COMBO),
)
