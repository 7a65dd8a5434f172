"""What new terms do to an order that rests at the simulated venue.

The order keeps its id, and its place in the queue as long as its price stays and its size does not grow; anything else
puts it behind what rests at its price already, which is the modest assumption where a venue promises more (venues 1.4).
What was executed stays executed at the price of its time. Terms are checked as those of a new order would be.
"""

from millrace.core.commands import Side, Style
from millrace.core.events import RejectReason
from millrace.core.instrument import Lots, Money, Ticks
from millrace.sim.balances import need
from millrace.sim.matching import RestingOrder, RestingSide
from millrace.sim.venue_log import Amended


def amend_fault(
    order: RestingOrder, lots: Lots, limit_ticks: Ticks, taken_at: Ticks, free: Money
) -> RejectReason | None:
    """Return why the terms cannot be taken, or None; `taken_at` is the price at which they trade at once, 0 if none.

    `free` is what the account has of the asset that the order holds.
    """
    facts = order.instrument
    if limit_ticks <= 0 or limit_ticks % facts.tick or lots % facts.lot:
        return RejectReason.BAD_TICK_OR_LOT
    if lots <= order.cum_lots:
        return RejectReason.BELOW_FILLED
    if lots < max(facts.min_lots, 1) or facts.cost(limit_ticks, lots) < facts.min_cost:
        return RejectReason.BELOW_MINIMUM
    if taken_at and order.style is Style.POST_ONLY:
        return RejectReason.POST_ONLY_WOULD_CROSS
    amount = _hold(order, lots, limit_ticks)
    if taken_at and order.side is Side.BUY:
        cost = facts.cost(taken_at, lots - order.cum_lots)
        amount = max(amount, cost + facts.fee(cost, maker=False))
    return RejectReason.INSUFFICIENT_FUNDS if amount - order.held > free else None


def apply_amend(table: RestingSide, order: RestingOrder, record: Amended) -> bool:
    """Give an order its new terms and hold; True when it lost its place in the queue."""
    moves = record.limit_ticks != order.limit_ticks
    requeued = moves or record.lots > order.lots
    held = _hold(order, record.lots, record.limit_ticks)
    if requeued:
        table.remove(order)
    if moves:
        order.before_lots, order.before_cost, order.before_fee = order.cum_lots, order.cum_cost, order.cum_fee
    order.lots, order.limit_ticks, order.held = record.lots, record.limit_ticks, held
    order.touched_ns = record.ts_ns
    if requeued:
        table.add(order)
    return requeued


def _hold(order: RestingOrder, lots: Lots, limit_ticks: Ticks) -> Money:
    """Return what the order must hold for what these terms leave to fill."""
    if limit_ticks != order.limit_ticks:
        return need(order.instrument, order.side, limit_ticks, lots - order.cum_lots)[1]
    _, whole = need(order.instrument, order.side, limit_ticks, lots - order.before_lots)
    if order.side is Side.BUY:
        return whole - (order.cum_cost - order.before_cost) - (order.cum_fee - order.before_fee)
    return whole - order.instrument.base_amount(order.cum_lots - order.before_lots)
