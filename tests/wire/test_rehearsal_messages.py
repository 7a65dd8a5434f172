"""What program and rehearsal venue say comes out as it went in, however the stream is cut; anything else is an error."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from millrace.core.codec import encode_event
from millrace.core.commands import Approved, ApprovedAmend, OrderState, Place, Side, Style
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    EndStatus,
    Operator,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    Print,
    RejectReason,
)
from millrace.core.failure import WorldError
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.order_truth import VenueOrder
from millrace.venues.rehearsal.frames import MAX_FRAME_BYTES, FrameReader, frame
from millrace.venues.rehearsal.messages import (
    ORDERS_PER_PART,
    AmendCall,
    Anchor,
    BalancesQuestion,
    BalancesStatement,
    CancelCall,
    Farewell,
    FromProgram,
    FromVenue,
    Hello,
    News,
    OpenOrdersList,
    OpenOrdersQuestion,
    OrderAnswer,
    OrderQuestion,
    PlaceCall,
    Refusal,
    TimeAnswer,
    TimeQuestion,
    Welcome,
    encode,
    from_program,
    from_venue,
)

DOGE = InstrumentId("kraken", "DOGE/USD")
PLACE = Place(DOGE, Side.BUY, 6, 17, Style.POST_ONLY, SubPosition("slots", DOGE, "slot1", "B"), False, "key", "entry")
BALANCES = BalanceReport("kraken", {"USD": (1, 2)}, 3)
PROGRESS = OrderProgress("id", 1, 2, 3, 4)
FOUND = VenueOrder(DOGE, "id", "O1", Side.SELL, 9, 17, OrderState.PARTIAL, 1, 2, 3, "")
CALLS: tuple[FromProgram, ...] = (
    Hello(1),
    PlaceCall(Approved(PLACE, "id", 4, 5), 2),
    PlaceCall(Approved(structs.replace(PLACE, style=Style.IOC), "id", 4, 5), 2),
    AmendCall(ApprovedAmend(PLACE, "id", 2, 7, 18, True, 4, 5)),
    CancelCall(DOGE, "id"),
    OrderQuestion("id", 7),
    OpenOrdersQuestion(DOGE, 7, 8),
    OpenOrdersQuestion(DOGE, None, 8),
    BalancesQuestion(9),
    TimeQuestion(10),
)
NEWS = (
    Print(DOGE, 1, 2, 3),
    OrderAccepted("id", "O1", 2),
    OrderRejected("id", RejectReason.RATE_LIMIT, "too fast", 1),
    PROGRESS,
    OrderEnded(PROGRESS, EndStatus.EXPIRED, "old"),
    CancelRefused("id", "unknown order", 5),
    OrderAmended("id", 2, 7, 18, 5),
    AmendRefused("id", 2, RejectReason.BELOW_FILLED, 5),
    BALANCES,
)
TOLD: tuple[FromVenue, ...] = (
    Welcome(Anchor(1, 2, 60.0), 3),
    *(News(event) for event in NEWS),
    Refusal(OrderRejected("id", RejectReason.LOST, "", 1), 2),
    OrderAnswer("id", FOUND, 7),
    OrderAnswer("id", None, 7),
    OpenOrdersList(DOGE, (FOUND, FOUND), 8, last=True),
    BalancesStatement(BALANCES, 9),
    TimeAnswer("kraken", 10, 11),
    Farewell("the venue closes"),
)


@given(st.data())
def test_a_stream_cut_anywhere_gives_the_same_messages(data):
    sent = data.draw(st.lists(st.sampled_from(TOLD), max_size=6))
    stream = b"".join(encode(message) for message in sent)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader, got = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True):
        got += [from_venue(payload) for payload in reader.feed(stream[start:end])]
    assert got == sent


@pytest.mark.parametrize("message", CALLS)
def test_every_call_survives_the_way(message):
    (payload,) = FrameReader().feed(encode(message))
    assert from_program(payload) == message


@given(st.binary(max_size=200))
def test_bytes_that_are_no_message_are_named_so(data):
    for decode in (from_program, from_venue):
        with pytest.raises(WorldError, match="malformed frame"):
            decode(data)


@pytest.mark.parametrize("length", [0, MAX_FRAME_BYTES + 1, 2**32 - 1])
def test_a_length_that_cannot_be_ends_the_stream(length):
    with pytest.raises(WorldError, match=f"malformed frame: a length of {length} bytes"):
        list(FrameReader().feed(length.to_bytes(4, "big")))


@pytest.mark.parametrize("payload", [b"", b"x" * (MAX_FRAME_BYTES + 1)])
def test_no_frame_is_made_that_a_peer_would_refuse(payload):
    with pytest.raises(ValueError, match="a frame of"):
        frame(payload)


def test_a_venue_cannot_put_an_operators_word_into_our_journal():
    word = Operator("unhalt", {}, 1)
    forged = msgspec.msgpack.encode({"m": "news", "event": msgspec.Raw(encode_event(word))})
    with pytest.raises(WorldError, match="malformed frame"):
        from_venue(forged)


def test_a_part_of_a_list_fits_a_frame_with_room_to_spare():
    big = 2**62
    found = VenueOrder(
        DOGE, "x" * 36, "O12345-12345-123456", Side.SELL, big, big, OrderState.PARTIAL, big, big, big, "user", big
    )
    assert len(encode(OpenOrdersList(DOGE, (found,) * ORDERS_PER_PART, big, last=False))) < MAX_FRAME_BYTES / 2
