"""What program and rehearsal venue say to each other, as records and as bytes.

The venue says about orders what a real one says: answers to calls, and news with cumulative progress. What a venue
cannot know, such as an operator's word, has no place in these unions, so a peer cannot put it into our journal. The
program speaks first, with the version of this protocol; the venue answers with the clock that both then share.
"""

from typing import Final, TypeVar

import msgspec

from millrace.core.commands import Approved, ApprovedAmend
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    Print,
)
from millrace.core.failure import WorldError
from millrace.core.instrument import InstrumentId
from millrace.core.order_truth import VenueOrder
from millrace.venues.rehearsal.frames import frame

VERSION: Final = 2
ADDRESS: Final = "address.json"
"""The file in the venue's folder that says where it listens; replaced at each start of it."""
ORDERS_PER_PART: Final = 1_000
"""How many orders a frame holds with room to spare."""

VenueNews = (
    Print
    | OrderAccepted
    | OrderRejected
    | OrderProgress
    | OrderEnded
    | CancelRefused
    | OrderAmended
    | AmendRefused
    | BalanceReport
)
"""The events that this venue can tell."""


class Anchor(msgspec.Struct, frozen=True):
    """Where the simulated time stood at a reading of the machine's monotonic clock, and how fast it runs."""

    monotonic_ns: int
    sim_ns: int
    speed: float


class Address(msgspec.Struct, frozen=True):
    """Where the venue listens on this machine, as its file says, and the clock that it began with."""

    port: int
    anchor: Anchor


class _Message(msgspec.Struct, frozen=True, gc=False, tag_field="m"):
    pass


class Hello(_Message, frozen=True, gc=False, tag="hello"):
    """The program's first word."""

    version: int


class PlaceCall(_Message, frozen=True, gc=False, tag="place"):
    """An order; `attempt` counts the sends of it on this connection's side and comes back with the answer."""

    order: Approved
    attempt: int


class AmendCall(_Message, frozen=True, gc=False, tag="amend"):
    """New terms of an order."""

    amend: ApprovedAmend


class CancelCall(_Message, frozen=True, gc=False, tag="cancel"):
    """A cancel."""

    instrument: InstrumentId
    client_id: str


class OrderQuestion(_Message, frozen=True, gc=False, tag="ask_order"):
    """The question what became of an order; `asked_ns` comes back with the answer."""

    client_id: str
    asked_ns: int


class OpenOrdersQuestion(_Message, frozen=True, gc=False, tag="ask_open_orders"):
    """The question which orders are open on an instrument, and which of those placed since `since_ns` have ended.

    Without `since_ns` none that ended are asked for; `asked_ns` comes back with the answer.
    """

    instrument: InstrumentId
    since_ns: int | None
    asked_ns: int


class BalancesQuestion(_Message, frozen=True, gc=False, tag="ask_balances"):
    """The question what the account holds; `asked_ns` comes back with the answer."""

    asked_ns: int


class TimeQuestion(_Message, frozen=True, gc=False, tag="ask_time"):
    """The question what the venue's clock shows; `asked_ns` comes back with the answer."""

    asked_ns: int


class Welcome(_Message, frozen=True, gc=False, tag="welcome"):
    """The venue's first word: the clock, and up to when it has worked through its market."""

    anchor: Anchor
    now_ns: int


class News(_Message, frozen=True, gc=False, tag="news"):
    """Something that the venue tells without being asked, or the answer to a call that has one only."""

    event: VenueNews


class Refusal(_Message, frozen=True, gc=False, tag="refusal"):
    """The order of that attempt was refused."""

    event: OrderRejected
    attempt: int


class OrderAnswer(_Message, frozen=True, gc=False, tag="order"):
    """The answer to a question about an order; `found` is None when the venue never had it."""

    client_id: str
    found: VenueOrder | None
    asked_ns: int


class OpenOrdersList(_Message, frozen=True, gc=False, tag="open_orders"):
    """The answer to the question which orders are open, ours and others', in parts of `ORDERS_PER_PART` at most."""

    instrument: InstrumentId
    found: tuple[VenueOrder, ...]
    asked_ns: int
    last: bool


class BalancesStatement(_Message, frozen=True, gc=False, tag="balances"):
    """The answer to the question what the account holds."""

    report: BalanceReport
    asked_ns: int


class TimeAnswer(_Message, frozen=True, gc=False, tag="time"):
    """The answer to the question what the venue's clock shows."""

    venue: str
    asked_ns: int
    venue_ns: int


class Farewell(_Message, frozen=True, gc=False, tag="bye"):
    """The connection ends for this reason; the last thing that is said."""

    reason: str


FromProgram = (
    Hello | PlaceCall | AmendCall | CancelCall | OrderQuestion | OpenOrdersQuestion | BalancesQuestion | TimeQuestion
)
FromVenue = Welcome | News | Refusal | OrderAnswer | OpenOrdersList | BalancesStatement | TimeAnswer | Farewell

_encoder = msgspec.msgpack.Encoder()
_from_program: msgspec.msgpack.Decoder[FromProgram] = msgspec.msgpack.Decoder(FromProgram)
_from_venue: msgspec.msgpack.Decoder[FromVenue] = msgspec.msgpack.Decoder(FromVenue)
_T = TypeVar("_T")


def encode(message: FromProgram | FromVenue) -> bytes:
    """Return a message's bytes, framed."""
    return frame(_encoder.encode(message))


def from_program(payload: bytes) -> FromProgram:
    """Return what the program says; raises WorldError for what is no word of this protocol."""
    return _decoded(_from_program, payload)


def from_venue(payload: bytes) -> FromVenue:
    """Return what the venue says; raises WorldError for what is no word of this protocol."""
    return _decoded(_from_venue, payload)


def _decoded(decoder: msgspec.msgpack.Decoder[_T], payload: bytes) -> _T:
    try:
        return decoder.decode(payload)
    except msgspec.DecodeError as error:  # a ValidationError is one
        raise WorldError(f"malformed frame: {error}") from error
