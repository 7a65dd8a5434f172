"""New terms for an order that rests at a venue: what is asked for, judged before anything changes.

An amend is judged on terms that are known, so it must find the order open and nothing of it on its way: what an amend
on top of another would leave at the venue, nobody could say until both are answered. An order's name is all that an
amend takes from its strategy; market, side and sub-position are the order's own and stay.
"""

from collections.abc import Callable

from msgspec import structs

from millrace.core.commands import Amend, ApprovedAmend, Place, Refused
from millrace.core.instrument import Instrument, Lots
from millrace.core.order_truth import Terms
from millrace.core.permission import ReasonCode
from millrace.core.ports import Board, Orders

_NOT_AMENDABLE = (ReasonCode.NOT_AMENDABLE.value,)


def room(place: Place, orders: Orders, instrument: Instrument) -> Lots:
    """Return the lots that an order may still close, or ask for to complete its basket; 0 for one that does neither.

    Where the fee is kept back in contracts, more may be asked for than lacks, so that what lacks arrives.
    """
    if place.reduces:
        return orders.coverable(place.position, place.side)
    lacks = orders.hedgeable(place.position) if place.hedges else 0
    terms = instrument.binary
    if not lacks or terms is None or not terms.fees.in_shares:
        return lacks
    return terms.fees.gross_lots(place.limit_ticks, lacks, lot=instrument.lot)


def judged(
    amend: Amend, orders: Orders, board: Board, objections: Callable[[Place], tuple[str, ...]], now_ns: int
) -> ApprovedAmend | Refused | None:
    """Return the board's verdict; None when the order has ended or the terms are wanted already (runtime 2.15 rule 5).

    `objections` are the guards' against the order as if it were placed anew with these terms.
    """
    order = orders.named(amend.strategy, amend.key)
    terms = Terms(amend.lots, amend.limit_ticks)
    if order is None or terms == (order.wanted or order.terms):
        return None
    before = order.place
    after = structs.replace(before, lots=amend.lots, limit_ticks=amend.limit_ticks)
    if not order.is_amendable:
        return Refused(after, _NOT_AMENDABLE, now_ns, is_amend=True)
    coverable = orders.coverable(before.position, before.side) + before.lots if before.reduces else 0
    return board.permit_amend(before, after, order.client_id, order.revision + 1, coverable, now_ns, objections(after))
