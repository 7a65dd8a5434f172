"""What a basket's figures become with each piece of news: contracts, cash, capital, time without a match.

Every figure is a sum of increments that the order table booked, the same that the ledger keeps, so a basket's row is
the ledger's cash of its group and nothing that was expected (arb 0.10, 17).
"""

from millrace.core.commands import OrderUpdate, Side
from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import Instrument, Ticks
from millrace.risk.profit import in_dollars
from millrace.strategies.arb.execution.basket import Life, Role
from millrace.strategies.arb.execution.prices import LOT_NANO
from millrace.strategies.arb.execution.settings import SECOND_NS
from millrace.strategies.arb.lanes.exact import TICK_NANO


def booked(life: Life, update: OrderUpdate, instrument: Instrument) -> None:
    """Add what an order's news executed to its leg, and what it cost beyond the plan to the repairs."""
    place = update.place
    leg = life.legs[int(place.position.leg)]
    cost, fee = in_dollars(update.d_cost, instrument), in_dollars(update.d_fee, instrument)
    leg.fees_nano += fee
    is_other = instrument.binary is not None and instrument.binary.outcome is not leg.outcome
    if place.side is Side.BUY:
        leg.paid_nano += cost
        if is_other:
            leg.other += update.d_lots
        else:
            leg.bought += update.d_lots
    else:
        leg.received_nano += cost
        leg.sold += update.d_lots
    sign = place.side.sign
    if is_other:
        leg.other_owned += sign * update.d_lots
    else:
        leg.owned += sign * update.d_lots
    if update.d_lots and not life.first_fill_ns:
        life.first_fill_ns = update.ts_ns
    order = life.orders.get(place.key)
    if order is None:
        return
    order.rest = max(place.lots - update.cum_lots, 0)
    if order.role is Role.COMPLETE and update.d_lots:
        planned = leg.planned_nano * update.d_lots // max(life.lots, 1)
        life.repair_nano += cost + fee - planned
        life.repaired = True
    elif order.role is Role.UNWIND and update.d_lots:
        back = update.d_lots * 1_000 - cost - fee if order.buys else cost - fee
        life.repair_nano += life.surplus_cost_nano(int(place.position.leg), update.d_lots) - back
        life.repaired = True


def closed(life: Life, update: OrderUpdate, instrument: Instrument) -> None:
    """Add what a pay-out, or a pair taken back, brought to its leg; late news may say that it was less."""
    place = update.place
    leg = life.legs[int(place.position.leg)]
    received = in_dollars(-place.side.sign * update.d_cost, instrument)
    leg.received_nano += received
    leg.fees_nano += in_dollars(update.d_fee, instrument)
    lots = -place.side.sign * update.d_lots
    if instrument.binary is not None and instrument.binary.outcome is not leg.outcome:
        leg.other_owned -= lots
    else:
        leg.owned -= lots
    if place.purpose == "resolution":
        leg.paid_out_nano += received
        leg.ended = True


def count_capital(life: Life, now_ns: int) -> None:
    """Add the capital that lay in the basket since the last time."""
    spent = max(life.spent_nano, 0)
    life.capital_ns += spent * (now_ns - (life.capital_since_ns or now_ns)) // SECOND_NS
    life.capital_since_ns = now_ns
    life.peak_nano = max(life.peak_nano, spent)


def count_naked(life: Life, now_ns: int, *, uneven: bool) -> None:
    """Note since when legs do not match, and when they first did."""
    if uneven and not life.naked_since_ns:
        life.naked_since_ns = now_ns
    elif not uneven and life.naked_since_ns:
        life.naked_ns += now_ns - life.naked_since_ns
        life.naked_since_ns = 0
    life.most_matched = max(life.most_matched, life.matched)
    if not uneven and life.matched and not life.hedged_ns:
        life.hedged_ns = now_ns
    life.peak_nano = max(life.peak_nano, life.spent_nano)


def edge_ticks(life: Life) -> Ticks:
    """Return what one basket was planned to earn: so much dearer may the legs that follow a fill become together."""
    planned = sum(leg.planned_nano for leg in life.legs)
    return max(life.floor * life.lots * LOT_NANO - planned, 0) // max(life.lots * TICK_NANO // CONTRACT_LOTS, 1)
