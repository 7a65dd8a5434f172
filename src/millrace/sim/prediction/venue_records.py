"""What the simulated venue of binary markets writes down: one record per change, before anybody is told.

The venue changes only by applying these records (`venue_state`), so folding a log gives it back: its books with what we
took out of them, orders with their places in the queue, contracts and cash.
"""

from typing import NamedTuple

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.commands import Side, Style
from millrace.core.events import EndStatus, MarketPhase, Print, RejectReason
from millrace.core.instrument import InstrumentId, Lots, Money, Outcome, Ticks


class LevelKey(NamedTuple):
    """A level as a buyer of `outcome` meets it: one of its asks, or of the other outcome's bids turned over."""

    outcome: Outcome
    turned: bool
    ticks: Ticks


class Trade(NamedTuple):
    """Contracts that an order traded, at its own outcome's price."""

    ticks: Ticks
    lots: Lots
    maker: bool


class _Record(msgspec.Struct, frozen=True, gc=False, tag_field="k", array_like=True):
    pass


class Shown(_Record, frozen=True, gc=False, tag="q"):
    """A market's book was shown."""

    quote: BinaryQuote


class Traded(_Record, frozen=True, gc=False, tag="t"):
    """Others traded; `lots` of it were not ours, and are gone of the level `key` until the next book is shown."""

    trade: Print
    key: LevelKey
    lots: Lots


class Accepted(_Record, frozen=True, gc=False, tag="a"):
    """An order came onto the books; `ahead` are the lots that stood at its price before it."""

    ts_ns: int
    client_id: str
    instrument: InstrumentId
    side: Side
    style: Style
    lots: Lots
    limit_ticks: Ticks
    ahead: Lots
    number: int


class Rejected(_Record, frozen=True, gc=False, tag="r"):
    """An order, or new terms of one (`revision` above 0), were refused."""

    ts_ns: int
    client_id: str
    revision: int
    reason: RejectReason


class Amended(_Record, frozen=True, gc=False, tag="n"):
    """An open order has other terms."""

    ts_ns: int
    client_id: str
    lots: Lots
    limit_ticks: Ticks
    ahead: Lots


class Executed(_Record, frozen=True, gc=False, tag="x"):
    """An order traded; `used` is what is gone of the book's levels by it, `ahead` what still stands before its rest."""

    ts_ns: int
    client_id: str
    trades: tuple[Trade, ...]
    used: tuple[tuple[LevelKey, Lots], ...]
    ahead: Lots


class Ended(_Record, frozen=True, gc=False, tag="e"):
    """An order left the books before it was filled whole."""

    ts_ns: int
    client_id: str
    status: EndStatus
    reason: str


class Refused(_Record, frozen=True, gc=False, tag="c"):
    """A cancel was refused."""

    ts_ns: int
    client_id: str


class Netted(_Record, frozen=True, gc=False, tag="p"):
    """Pairs of YES and NO of a market became a dollar each."""

    ts_ns: int
    market: InstrumentId
    lots: Lots


class PhaseSet(_Record, frozen=True, gc=False, tag="s"):
    """A market was paused, or opened again."""

    ts_ns: int
    market: InstrumentId
    phase: MarketPhase


class Resolved(_Record, frozen=True, gc=False, tag="z"):
    """A market ended: it `paid` for what we held and kept a `fee`; nothing is held of it any more."""

    ts_ns: int
    market: InstrumentId
    yes_ticks: Ticks | None
    paid: Money
    fee: Money


PredictionRecord = (
    Shown | Traded | Accepted | Rejected | Amended | Executed | Ended | Refused | Netted | PhaseSet | Resolved
)  # fmt: skip

_encoder = msgspec.msgpack.Encoder()
_decoder: msgspec.msgpack.Decoder[PredictionRecord] = msgspec.msgpack.Decoder(PredictionRecord)


def encode_record(record: PredictionRecord) -> bytes:
    """Return the record's bytes."""
    return _encoder.encode(record)


def decode_record(data: bytes) -> PredictionRecord:
    """Return the record of these bytes; raises msgspec.DecodeError when they are none."""
    return _decoder.decode(data)
