"""What the simulated venue writes down: one small record per change of its state, before anybody is told.

Live and rebuilt venue share one path, because the venue changes only by applying these records; folding a log gives the
venue back, with queue priority, money, counters and the next order number. Where the bytes go is the shell's business.
"""

import msgspec

from millrace.core.commands import Side, Style
from millrace.core.events import EndStatus, RejectReason
from millrace.core.instrument import InstrumentId, Lots, Money, Ticks


class _Record(msgspec.Struct, frozen=True, gc=False, tag_field="k", array_like=True):
    pass


class Accepted(_Record, frozen=True, gc=False, tag="a"):
    """An order came onto the books; `number` counts the venue's orders, `counter` is the rate counter afterwards."""

    ts_ns: int
    client_id: str
    instrument: InstrumentId
    side: Side
    style: Style
    lots: Lots
    limit_ticks: Ticks
    number: int
    counter: float


class Rested(_Record, frozen=True, gc=False, tag="o"):
    """An order that another program placed is on the books; `told_as` is the client id that it gave it.

    `cum_*` had been executed before the account's opening balances were taken.
    """

    ts_ns: int
    venue_order_id: str
    told_as: str
    instrument: InstrumentId
    side: Side
    lots: Lots
    limit_ticks: Ticks
    placed_ns: int
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money


class Rejected(_Record, frozen=True, gc=False, tag="r"):
    """An order was refused; only the rate counter changed."""

    ts_ns: int
    client_id: str
    instrument: InstrumentId
    reason: RejectReason
    counter: float


class Executed(_Record, frozen=True, gc=False, tag="x"):
    """An order traded `lots`; `bar` is whose volume it took (`quoted`: the displayed size), None for a taker."""

    ts_ns: int
    client_id: str
    lots: Lots
    bar: int | None
    quoted: bool
    cum_cost: Money
    cum_fee: Money


class Amended(_Record, frozen=True, gc=False, tag="n"):
    """An open order has other terms; `revision` is the client's number for the amend."""

    ts_ns: int
    client_id: str
    revision: int
    lots: Lots
    limit_ticks: Ticks
    counter: float


class Unamended(_Record, frozen=True, gc=False, tag="u"):
    """An amend was refused; only the rate counter changed."""

    ts_ns: int
    client_id: str
    instrument: InstrumentId
    reason: RejectReason
    counter: float


class Ended(_Record, frozen=True, gc=False, tag="e"):
    """An order left the books before it was filled whole."""

    ts_ns: int
    client_id: str
    status: EndStatus
    reason: str
    counter: float


class Refused(_Record, frozen=True, gc=False, tag="c"):
    """A cancel was refused."""

    ts_ns: int
    client_id: str
    instrument: InstrumentId
    reason: str


class Moved(_Record, frozen=True, gc=False, tag="m"):
    """The market has been worked through to this time; prices are the last ones seen, 0 when there was none."""

    ts_ns: int
    instrument: InstrumentId
    last_ticks: Ticks
    bid_ticks: Ticks
    ask_ticks: Ticks


REFUSALS = {
    RejectReason.INSUFFICIENT_FUNDS: "free balance does not cover the order",
    RejectReason.POST_ONLY_WOULD_CROSS: "post-only order would take",
    RejectReason.BELOW_MINIMUM: "volume or cost is below the minimum",
    RejectReason.BAD_TICK_OR_LOT: "price or volume is off the grid",
    RejectReason.OPEN_ORDER_LIMIT: "too many open orders on the pair",
    RejectReason.RATE_LIMIT: "rate limit exceeded",
    RejectReason.DUPLICATE_CLIENT_ID: "client id is already used by an open order",
    RejectReason.UNKNOWN_INSTRUMENT: "unknown instrument",
}
"""What the venue says when it refuses an order."""
VenueRecord = Accepted | Rested | Rejected | Executed | Amended | Unamended | Ended | Refused | Moved

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[VenueRecord] = msgspec.msgpack.Decoder(VenueRecord)


def encode_record(record: VenueRecord) -> bytes:
    """Return the record's bytes."""
    return _encoder.encode(record)


def decode_record(data: bytes) -> VenueRecord:
    """Return the record of these bytes; raises msgspec.DecodeError when they are none."""
    return _decoder.decode(data)
