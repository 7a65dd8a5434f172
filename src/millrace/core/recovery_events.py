"""What was there before this run: orders and positions of another program or our own, and the venue's word on them.

They are events like those of `core.events`, which joins them into the one union; they stand apart because only starts,
comparisons with the venue and what waits for their outcome read them. Nothing is believed of an order of before until
the venue has said what became of it (runtime 2.15).
"""

from typing import ClassVar

import msgspec

from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Lots, Money, Ticks


class AdoptedOrder(msgspec.Struct, frozen=True, gc=False):
    """An order that another program left at the venue; `cum_*` is what it had executed when that program last looked.

    It has no id of ours, so it is named by the venue's. `side` is "buy" or "sell", `key` the intent key under which the
    strategy knows it from now on; the rest is as in an intent.
    """

    venue_order_id: str
    instrument: InstrumentId
    side: str
    lots: Lots
    limit_ticks: Ticks
    position: SubPosition
    reduces: bool
    key: str
    purpose: str
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money
    made_ns: int


class OpenedPosition(msgspec.Struct, frozen=True, gc=False):
    """Signed lots that another program opened, what they cost and the fees, and what they were worth when it ended."""

    position: SubPosition
    lots: Lots
    cost: Money
    fees: Money
    worth: Money


class HandedOver(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="handed_over"):
    """Another program's orders, positions and state become one strategy's (design sections 5.4, 5.5).

    `state` is strict JSON that the strategy reads, `source` says where it came from. What the adopted orders did since
    is asked of the venue, as at any start.
    """

    strategy: str
    source: str
    orders: tuple[AdoptedOrder, ...]
    positions: tuple[OpenedPosition, ...]
    state: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class RecoveryBegan(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="recovery_began"):
    """The venue is being asked about everything of ours; until it has answered nothing but cancels may leave."""

    venue: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class QueryFailed(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="query_failed"):
    """The venue cannot say what became of an order: nothing may be sent there until it does (runtime 2.15 rule 3)."""

    client_id: str
    venue: str
    text: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class QueryAnswered(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="query_answered"):
    """What became of the order is known again."""

    client_id: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class Reconciled(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="reconciled"):
    """Our orders and the venue's have been compared, and each difference that has an explanation is settled.

    `orphans` are orders at the venue with our tag that the core does not know, `weak` those of ours that it was matched
    to by their terms alone. `totals` is what the venue says we own, asset -> free and held, as of a moment since which
    nothing was filled; None when there was no such moment.
    """

    venue: str
    orphans: tuple[str, ...]
    weak: tuple[str, ...]
    totals: dict[str, Money] | None
    ts_ns: int
    is_market: ClassVar[bool] = False


RecoveryEvent = HandedOver | RecoveryBegan | QueryFailed | QueryAnswered | Reconciled
