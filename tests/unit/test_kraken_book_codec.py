"""Kraken's book messages become exact events, and the recorded stream proves itself (runtime 2.4, venues 1.7)."""

import json
from zlib import crc32

import msgspec
import pytest

from millrace.core.binary_events import BookLevel, StreamBeat
from millrace.core.book_events import BookDelta, BookSnapshot, BookState
from millrace.core.events import Print
from millrace.core.failure import WorldError
from millrace.core.instrument import InstrumentId
from millrace.market.books.books import Books
from millrace.market.books.checksum import checksum
from millrace.market.books.order_book import OrderBook
from millrace.venues.kraken.book_codec import BookCodec
from millrace.venues.kraken.facts import instrument_facts

DOGE = instrument_facts("kraken:DOGE/USD")
BTC = msgspec.structs.replace(
    instrument_facts("kraken:BTC/USDC"), id=InstrumentId("kraken", "BTC/USD"), price_decimals=1
)
STREAM = "wsv2_book_stream_checksums_BTCUSD.json"
ODD = b"""{"channel": "book", "type": "update", "data": [{"symbol": "DOGE/USD", "bids": [{"price": 0.1399999, "qty": 0.1}],
"asks": [{"price": 0.14, "qty": 0.0}], "checksum": 7, "timestamp": "2023-07-30T15:29:58.343415Z"}]}"""


def test_digits_come_through_as_they_were_written() -> None:
    (event,) = BookCodec([DOGE], 10).events(ODD, 5)
    assert isinstance(event, BookDelta)
    assert event.bids == (BookLevel(1_399_999, 10_000_000),)
    assert event.asks == (BookLevel(1_400_000, 0),)
    assert (event.checksum, event.ts_ns, event.venue_ts_ns) == (7, 5, 1_690_730_998_343_415_000)


def test_trades_say_who_took_and_old_ones_are_left_out() -> None:
    said = b'{"channel":"trade","type":"update","data":[{"symbol":"DOGE/USD","side":"sell","price":0.14,"qty":5.5}]}'
    assert BookCodec([DOGE], 10).events(said, 3) == [Print(DOGE.id, 3, 1_400_000, 550_000_000, True)]
    assert BookCodec([DOGE], 10).events(said.replace(b"update", b"snapshot"), 3) == []


def test_what_is_alive_and_what_is_of_no_interest_is_told_apart() -> None:
    codec = BookCodec([DOGE], 10)
    assert codec.events(b'{"channel":"heartbeat"}', 9) == [StreamBeat("kraken", 9)]
    assert codec.events(b'{"channel":"trade","type":"update","data":[]}', 9) == []
    assert codec.events(b'{"method":"pong","req_id":1}', 9) == []


@pytest.mark.parametrize(
    ("message", "said"),
    [
        (b"{", "not a message"),
        (ODD.replace(b'"qty": 0.1}', b'"qty": "lots"}'), "not a message"),
        (ODD.replace(b"DOGE/USD", b"XRP/USD"), "XRP/USD came, which was not subscribed"),
        (ODD.replace(b"0.1399999", b"0.13999995"), "0.13999995 has more than 7 decimals"),
    ],
)
def test_what_is_not_understood_is_said_and_not_guessed(message: bytes, said: str) -> None:
    with pytest.raises(WorldError, match=said):
        BookCodec([DOGE], 10).events(message, 1)


@pytest.fixture
def recorded(shared) -> list[bytes]:
    path = shared / "data" / "payloads" / "kraken" / STREAM
    if not path.is_file():
        pytest.skip(f"no recorded stream at {path}")
    stream = json.loads(path.read_text(), parse_float=str)
    return [json.dumps(one).encode() for one in (stream["init"], *stream["updates"])]


def _events(recorded: list[bytes]) -> list[BookSnapshot | BookDelta]:
    codec = BookCodec([BTC], 10)
    return [event for at, message in enumerate(recorded) for event in codec.events(message, at + 1)]


def test_the_recorded_stream_verifies_509_of_509_and_not_without_truncation(recorded: list[bytes]) -> None:
    """Runtime 2.4 A1 on real data."""
    events, books, loose = _events(recorded), Books(), OrderBook()
    verified = untruncated = 0
    for event in events:
        assert books.observe(event) is None or isinstance(event, BookSnapshot)
        verified += isinstance(event, BookDelta) and books.live(BTC.id) is not None
        (loose.replace if isinstance(event, BookSnapshot) else loose.change)(event.bids, event.asks)
        untruncated += checksum(loose) != event.checksum
    assert verified == 509
    assert untruncated > 0


def test_by_way_of_binary_floats_the_recorded_stream_fails(recorded: list[bytes]) -> None:
    first = _events(recorded)[0]
    rows = [*first.asks, *first.bids]
    digits = "".join(
        str(BTC.price(t)).replace(".", "") + str(BTC.volume(q)).replace(".", "").lstrip("0") for t, q in rows
    )
    assert crc32(digits.encode()) != first.checksum


def test_one_wrong_digit_is_seen_at_once(recorded: list[bytes]) -> None:
    """Runtime 2.4 A3."""
    events = _events(recorded)
    for place in range(1, len(events), 25):
        books = Books()
        for event in events[:place]:
            books.observe(event)
        event = events[place]
        side = "bids" if event.bids else "asks"
        (ticks, lots), *others = getattr(event, side)
        wrong = msgspec.structs.replace(event, **{side: (BookLevel(ticks, lots + 1), *others)})
        books.observe(wrong)
        top = (event.bids or event.asks)[0].lots
        assert books.state_of(BTC.id) is BookState.INVALID or top == 0
