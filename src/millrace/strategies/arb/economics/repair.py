"""What an incomplete basket costs: complete it, give it back, or hold it, whichever is cheapest (arb 8.3).

The price of completing is that of the contracts behind those that the plan would have taken: when a leg was missed,
somebody else took them. Giving back is done at the bids, or where nothing can be sold by buying the other side.
"""

from collections.abc import Sequence
from typing import NamedTuple

from millrace.core.binary_events import BookLevel
from millrace.core.fee_terms import PAYOUT_TICKS, FeeTerms
from millrace.core.instrument import Lots
from millrace.market.buying import bids_of
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.lanes.exact import Offer, offer_of
from millrace.strategies.arb.model import TICK_LOTS_PER_NANO, NanoUsd, Style

_DOLLAR_PER_LOT_NANO = 1_000


class LegMoney(NamedTuple):
    """One leg at the basket's size, in nano-dollars: what it costs, and what each way out of it costs or brings.

    `complete_nano` is None when what is shown does not suffice.
    """

    spent_nano: NanoUsd
    complete_nano: NanoUsd | None
    unwind_nano: NanoUsd
    hold_nano: NanoUsd


def leg_money(taker: Offer, spent_nano: NanoUsd, lots: Lots, settings: EconomicsSettings, *, resting: bool) -> LegMoney:
    """Return a leg's money; `taker` is what the book offers a taker, `resting` says that the plan itself takes none."""
    skip = 0 if resting else lots
    complete = _walked(taker.levels, skip, lots, taker.fees.taker, sign=1)
    bids = bids_of(taker.quote, taker.proposition.outcome)
    if taker.fact.can_sell:
        unwind = _walked(bids, 0, lots, taker.fees.taker, sign=-1, partly=True) or 0
    else:
        unwind = _turned(taker, lots)
    ask = taker.levels[0].ticks
    fair = (ask + (bids[0].ticks if bids else 0)) / 2 / PAYOUT_TICKS
    hold = round(max(fair - settings.hold_charge, 0.0) * lots * _DOLLAR_PER_LOT_NANO)
    return LegMoney(spent_nano, complete, unwind, hold)


def _turned(taker: Offer, lots: Lots) -> NanoUsd:
    """Return what buying the other side leaves of the dollar that both then pay; 0 when it cannot be bought."""
    other = offer_of(taker.proposition.negation, taker.fact, taker.quote, Style.TAKER, 0, taker.known_ns)
    cost = None if other is None else _walked(other.levels, 0, lots, taker.fees.taker, sign=1)
    return 0 if cost is None else max(lots * _DOLLAR_PER_LOT_NANO - cost, 0)


def _walked(
    levels: Sequence[BookLevel], skip: Lots, lots: Lots, terms: FeeTerms, *, sign: int, partly: bool = False
) -> NanoUsd | None:
    """Return price plus (sign 1) or less (-1) fee of `lots` behind the first `skip`; None when too few are shown."""
    units, fills, open_lots = 0, [], lots
    for level in levels:
        behind = level.lots - skip
        skip = max(skip - level.lots, 0)
        taken = min(max(behind, 0), open_lots)
        if taken:
            units += level.ticks * taken
            fills.append((level.ticks, taken))
            open_lots -= taken
    if open_lots and not partly:
        return None
    return units // TICK_LOTS_PER_NANO + sign * terms.walked_nano(fills)


def outcome_value(filled: int, legs: Sequence[LegMoney], floor_nano: NanoUsd) -> NanoUsd:
    """Return what an outcome is worth; bit i of `filled` says that leg i filled.

    All filled: the floor less what was spent. None: nothing. Else the best of completing, giving back and holding, but
    never a gain: a basket that has to be put right is not counted on to earn.
    """
    if not filled:
        return 0
    spent = unwind = hold = missing = 0
    complete: NanoUsd | None = 0
    for leg, money in enumerate(legs):
        if filled >> leg & 1:
            spent += money.spent_nano
            unwind += money.unwind_nano
            hold += money.hold_nano
        else:
            missing += 1
            complete = None if complete is None or money.complete_nano is None else complete + money.complete_nano
    best = max(unwind, hold)
    if complete is not None:
        best = max(best, floor_nano - complete)
    return min(best - spent, 0) if missing else floor_nano - spent
