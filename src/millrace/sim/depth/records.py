"""What a venue of books writes down beside what every spot venue does: rows that it was shown, and what they did to us.

A record of a row names the places in the queues that moved and the orders that filled, so a log tells the whole story
of an order without the model that told it first, and gives the state back if another model is in use by then.
"""

from typing import NamedTuple

import msgspec

from millrace.core.binary_events import Levels
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.instrument import InstrumentId, Lots
from millrace.sim.venue_log import Accepted, Amended, Ended, Refused, Rejected, Rested, Unamended


class Queued(NamedTuple):
    """An order, and what it has before it at its price now: an estimate in lots, infinite where nobody knows."""

    client_id: str
    ahead: float


class Fill(NamedTuple):
    """A resting order that traded so many lots at its own limit."""

    client_id: str
    lots: Lots


class _Record(msgspec.Struct, frozen=True, gc=False, tag_field="k", array_like=True):
    pass


class Shown(_Record, frozen=True, gc=False, tag="b"):
    """The market's book became or changed to this."""

    ts_ns: int
    event: BookSnapshot | BookDelta
    queues: tuple[Queued, ...]


class Traded(_Record, frozen=True, gc=False, tag="t"):
    """Others traded where orders of ours wait, or beyond."""

    ts_ns: int
    event: Print
    queues: tuple[Queued, ...]
    fills: tuple[Fill, ...]


class Crossed(_Record, frozen=True, gc=False, tag="z"):
    """The book came to prices of ours: what it offered there filled us, and `used` is gone of its levels."""

    ts_ns: int
    instrument: InstrumentId
    fills: tuple[Fill, ...]
    used: Levels


class Took(_Record, frozen=True, gc=False, tag="k"):
    """An order took these levels of the book when it came, or when it was amended."""

    ts_ns: int
    client_id: str
    trades: Levels


DepthRecord = Accepted | Rested | Rejected | Amended | Unamended | Ended | Refused | Shown | Traded | Crossed | Took

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[DepthRecord] = msgspec.msgpack.Decoder(DepthRecord)


def encode_record(record: DepthRecord) -> bytes:
    """Return the record's bytes."""
    return _encoder.encode(record)


def decode_record(data: bytes) -> DepthRecord:
    """Return the record of these bytes; raises msgspec.DecodeError when they are none."""
    return _decoder.decode(data)
