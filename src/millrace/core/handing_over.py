"""What another program leaves behind becomes ours: its orders at the venue and the positions that it opened.

Nothing is sent for it. The order table and the ledger take the orders under the venue's ids, with what they had
executed, and the positions as openings; what happened since is news like any other, because a start asks the venue
about every order that is not finished. Guards count a position from what it was worth when it came, so that yesterday's
loss of somebody else is not today's of ours.
"""

from collections.abc import Mapping

from millrace.core.commands import Command, OrderState, OrderUpdate, Place, RecordOpening, Side, Style
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.ports import Account, Orders
from millrace.core.recovery_events import HandedOver, OpenedPosition

_PURPOSE = "opening"


def taken_over(
    event: HandedOver, orders: Orders, account: Account, instruments: Mapping[InstrumentId, Instrument]
) -> tuple[list[Command], list[OrderUpdate]]:
    """Take orders and positions; returns the facts for the ledger and what the guards are to see of the positions.

    Raises ValueError for an order whose key or id is taken, KeyError for an instrument that the run does not trade.
    """
    facts: list[Command] = []
    openings: list[OrderUpdate] = []
    for opened in event.positions:
        account.know(instruments[opened.position.instrument])
        orders.opened(opened.position, opened.lots, opened.cost)
        side, lots = _side(opened), abs(opened.lots)
        facts.append(RecordOpening(opened.position, side, lots, opened.cost, opened.fees, event.ts_ns))
        openings.append(_seen(opened, event.ts_ns))
    for order in event.orders:
        account.know(instruments[order.instrument])
        facts += orders.adopt(order, event.ts_ns)
    return facts, openings


def _side(opened: OpenedPosition) -> Side:
    return Side.BUY if opened.lots > 0 else Side.SELL


def _seen(opened: OpenedPosition, ts_ns: int) -> OrderUpdate:
    """Return the position as if it had been opened now, at what it is worth and for no fee."""
    position, lots = opened.position, abs(opened.lots)
    key = f"{_PURPOSE}/{position.group}/{position.leg}"
    terms = (_side(opened), lots, 0, Style.LIMIT, position)
    place = Place(position.instrument, *terms, reduces=False, key=key, purpose=_PURPOSE)
    totals = (lots, opened.worth, 0)
    return OrderUpdate(key, place, OrderState.FILLED, OrderState.OPEN, *totals, *totals, None, "", ts_ns)
