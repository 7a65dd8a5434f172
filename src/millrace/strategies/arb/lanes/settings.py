"""What detection may be told: the least edge, how far legs may lie apart in time, which styles it prices.

The least edge here only decides what is worth an exact look and how deep a book is walked; whether a basket may be
traded is for the gates, whose threshold is higher, so that what they refuse is on record (arb 3, 10).
"""

import msgspec

from millrace.strategies.arb.model import NanoUsd

SECOND_NS = 1_000_000_000


class LaneSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Detection. Edges are nano-dollars per dollar of floor (per basket for `near_nano`), times nanoseconds.

    `leg_risk_nano` is charged to each NO leg when the best subset is chosen: a leg has to earn more than that (arb 3).
    With `makers` each basket is also priced as if all its legs rested, as an estimate.
    """

    min_edge_nano: NanoUsd = 5_000_000
    near_nano: NanoUsd = 10_000_000
    leg_risk_nano: NanoUsd = 2_000_000
    taker_skew_ns: int = 2 * SECOND_NS
    maker_skew_ns: int = 10 * SECOND_NS
    aggressiveness_ticks: int = 2
    suspect_edge_nano: NanoUsd = 300_000_000
    makers: bool = False
