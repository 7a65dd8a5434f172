"""Whether a leg may go on resting: only while what would follow its fill can be had, and is worth having.

A resting order is met when the market moves, and the book of its hedge has often moved first: a fill that can be hedged
no more, or only at a loss, is the one that comes (arb 7.4, 11.2). So it is taken back when the hedge is gone, not when
it has filled.
"""

from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.ids import SubPosition
from millrace.core.instrument import Lots
from millrace.core.permission import Level
from millrace.core.strategy import View
from millrace.strategies.arb.execution.basket import Life
from millrace.strategies.arb.execution.counting import edge_ticks
from millrace.strategies.arb.execution.prices import Prices
from millrace.strategies.arb.execution.settings import ExecutionSettings


def may_rest(
    strategy: str, life: Life, prices: Prices, settings: ExecutionSettings, tolerance: Lots, view: View
) -> bool:
    """Tell whether new risk is allowed, hedges may leave and the proof stands, and the books allow it.

    These are the leg's own, which must be known, and those of the others: within the drift, and for less than the edge.
    Of a leg that lacks no more than `tolerance` nothing is asked.
    """
    if life.downgraded:
        return False
    leads = life.groups[0]
    for at, one in enumerate(life.legs):
        level = view.standing_of(SubPosition(strategy, one.proposition.instrument, life.group, str(at))).level
        if level >= (Level.REDUCE_ONLY if at in leads else Level.HALT):
            return False
    if any(prices.quote(life.legs[at].market, view) is None for at in leads):
        return False
    dearer, drift = 0, round(settings.drift * PAYOUT_TICKS)
    for at in (leg for group in life.groups[1:] for leg in group):
        one = life.legs[at]
        lots = life.lots - one.held - life.rest_of(at)
        if lots <= tolerance:
            continue
        walk = prices.buy(one.proposition, lots, view)
        if walk is None or walk.ticks - one.limit_ticks > drift:
            return False
        dearer += walk.ticks - one.limit_ticks
    return dearer <= edge_ticks(life)
