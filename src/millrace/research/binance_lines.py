"""Recorded lines of Binance's streams as the events of a book: each line is a receive time and one message.

Trades and changes of the book become events, and so does the snapshot that the recorder asked for. It came while
changes were already coming, so it is older than some of them: what to do about that is the books' business, and whoever
simply overwrites a book with it ends with a wrong one. Best quotes are left out, a book says them too; they are read
apart, to compare.

The recorders' clocks were wrong by up to a second; `recorder_clock` puts them right.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print, Quote
from millrace.core.failure import OperatorError, WorldError
from millrace.core.instrument import Instrument
from millrace.research.binance_facts import Listing, Venue, listing
from millrace.research.recorder_clock import Clock, calibrated, lines_of, receive_ns

_MS: Final = 1_000_000
_SNAPSHOT: Final = b'{"lastUpdateId"'
_TICKER: Final = b"@bookTicker"
_MARK: Final = b"@markPrice"
_SENT: Final = re.compile(rb'"E":(\d{13})')
_STREAM_BYTES: Final = 64
Row = BookSnapshot | BookDelta | Print
_Pairs = list[tuple[str, str]]


_LETTERS = {
    "event": "e", "sent_ms": "E", "symbol": "s", "pair": "ps", "first": "U", "last": "u", "before": "pu",
    "bids": "b", "asks": "a", "bid_size": "B", "ask_size": "A", "price": "p", "size": "q", "buyer_rests": "m",
}  # fmt: skip


class _Data(msgspec.Struct, rename=_LETTERS):
    """The letters of all messages; those of best quotes and of changes mean different things."""

    event: str = ""
    sent_ms: int = 0
    symbol: str = ""
    pair: str = ""
    first: int = 0
    last: int = 0
    before: int | None = None
    bids: _Pairs | str | int = 0
    asks: _Pairs | str | int = 0
    bid_size: str = ""
    ask_size: str = ""
    price: str = ""
    size: str = ""
    buyer_rests: bool = False


class _Message(msgspec.Struct, rename={"seq": "lastUpdateId", "sent_ms": "E"}):
    data: _Data | None = None
    seq: int = 0
    sent_ms: int = 0
    bids: _Pairs = []
    asks: _Pairs = []


_DECODER = msgspec.json.Decoder(_Message)


class BestQuote(NamedTuple):
    """The venue's own word on the top of the book after its change `seq`."""

    seq: int
    quote: Quote


class Recording(NamedTuple):
    """One file whose market, clock and start are known; `rows` and `best_quotes` read it."""

    path: Path
    listing: Listing
    clock: Clock
    lines: int
    start_book: Path | None

    @property
    def instrument(self) -> Instrument:
        """What was recorded."""
        return self.listing.instrument

    def rows(self) -> Iterator[Row]:
        """Yield snapshots, changes and trades at corrected receive times; raises WorldError for another line."""
        is_first = True
        for number, received_ns, message in self._messages((_TICKER, _MARK)):
            if is_first and self.start_book is not None:
                yield self._started(received_ns)
            is_first = False
            try:
                row = self._row(message, received_ns)
            except ValueError as error:
                raise WorldError(f"{self.path}:{number}: {error}") from error
            if row is not None:
                yield row

    def best_quotes(self) -> Iterator[BestQuote]:
        """Yield the recorded best quotes, for comparison; a side whose size is 0 is left out with its line."""
        at, scale = self.instrument.id, self.listing
        decimals, size_decimals = self.instrument.price_decimals, scale.size_decimals
        for _, received_ns, message in self._messages((b"@depth", b"@trade", _MARK, _SNAPSHOT)):
            data = message.data
            if data is None or not isinstance(data.bids, str) or not isinstance(data.asks, str):
                continue
            bid, ask = _units(data.bids, decimals), _units(data.asks, decimals)
            bid_size, ask_size = _units(data.bid_size, size_decimals), _units(data.ask_size, size_decimals)
            quote = Quote(at, received_ns, bid, ask, scale.lots(bid_size, bid), scale.lots(ask_size, ask))
            yield BestQuote(data.last, quote)

    def _messages(self, passed_over: tuple[bytes, ...]) -> Iterator[tuple[int, int, _Message]]:
        clock, at_ns, last_ns = self.clock, 0, 0
        for number, line in enumerate(lines_of(self.path), start=1):
            head = line[:_STREAM_BYTES]
            if any(mark in head for mark in passed_over):
                continue
            received, _, text = line.partition(b" ")
            at_ns = receive_ns(received, at_ns, self.path, number)
            last_ns = max(last_ns, clock.corrected(at_ns))
            yield number, last_ns, _decoded(text, self.path, number)

    def _row(self, message: _Message, received_ns: int) -> Row | None:
        at, data = self.instrument.id, message.data
        if data is None:
            sides = self._levels(message.bids), self._levels(message.asks)
            return BookSnapshot(at, received_ns, message.sent_ms * _MS, message.seq, *sides)
        if data.event == "depthUpdate":
            first = data.first if data.before is None else data.before + 1
            sides = self._levels(data.bids), self._levels(data.asks)
            return BookDelta(at, received_ns, data.sent_ms * _MS, first, data.last, *sides)
        ticks = _units(data.price, self.instrument.price_decimals) if data.event == "trade" else 0
        size = _units(data.size, self.listing.size_decimals) if ticks else 0
        # A trade at no price settles an insolvent account against the insurance fund; nobody met it in the book.
        return Print(at, received_ns, ticks, self.listing.lots(size, ticks), data.buyer_rests) if size else None

    def _levels(self, pairs: Any) -> Levels:
        decimals, size_decimals = self.instrument.price_decimals, self.listing.size_decimals
        plain = [(_units(price, decimals), _units(size, size_decimals)) for price, size in pairs]
        if not self.listing.contract:
            return tuple([BookLevel(ticks, size) for ticks, size in plain])
        # Contracts that are there at all are worth at least one lot.
        lots = self.listing.lots
        return tuple([BookLevel(ticks, max(lots(size, ticks), 1) if size else 0) for ticks, size in plain])

    def _started(self, received_ns: int) -> BookSnapshot:
        path = self.start_book
        assert path is not None  # noqa: S101  the caller looked
        message = _decoded(path.read_bytes(), path, 1)
        at = self.instrument.id
        return BookSnapshot(at, received_ns, 0, message.seq, self._levels(message.bids), self._levels(message.asks))


def open_recording(path: Path, start_book: Path | None = None) -> Recording:
    """Look a file through once and return how it is to be read.

    Without `start_book` the file beside it of the same name is taken, if there is one. Raises OperatorError for a file
    from which no book can be built, and for an instrument whose tick is not known.
    """
    if start_book is None:
        beside = path.with_name(f"{path.name.removesuffix('.gz')}.start_book.json")
        start_book = beside if beside.is_file() else None
    found, lines, has_book = None, 0, start_book is not None
    latencies: list[tuple[int, int]] = []
    at_ns = first_ns = 0
    for number, line in enumerate(lines_of(path), start=1):
        received, _, text = line.partition(b" ")
        lines = number
        at_ns = receive_ns(received, at_ns, path, number)
        first_ns = first_ns or at_ns
        has_book = has_book or text.startswith(_SNAPSHOT)
        if found is None and b'"depthUpdate"' in text[: _STREAM_BYTES * 2]:
            found = _market(_decoded(text, path, number))
        sent = _SENT.search(text)
        if sent is not None and not text.startswith(_SNAPSHOT):
            latencies.append((at_ns, at_ns - int(sent[1]) * _MS))
    if found is None or not latencies:
        raise OperatorError(f"{path}: no change of a book in it; is it a recording of Binance's streams?")
    if not has_book:
        raise OperatorError(
            f"{path}: no snapshot of the book in it and no {path.name.removesuffix('.gz')}.start_book.json beside it;"
            " a book cannot be built from changes alone"
        )
    return Recording(path, found, calibrated(latencies, first_ns, at_ns), lines, start_book)


def read_lines(path: Path, start_book: Path | None = None) -> Iterator[Row]:
    """Yield the rows of a file; the errors are those of `open_recording` and `Recording.rows`."""
    return open_recording(path, start_book).rows()


def _market(message: _Message) -> Listing:
    """Tell by a change of the book which of the venue's markets it is: coin-margined names a pair, futures a chain."""
    data = message.data
    assert data is not None  # noqa: S101  the caller saw a stream's message
    venue = Venue.COINM if data.pair else Venue.SPOT if data.before is None else Venue.USDM
    return listing(venue, data.symbol)


def _decoded(text: bytes, path: Path, number: int) -> _Message:
    try:
        return _DECODER.decode(text)
    except msgspec.DecodeError as error:
        raise WorldError(f"{path}:{number}: not a message of Binance's streams: {error}") from error


def _units(text: str, decimals: int) -> int:
    """Return a decimal text in units of its last decimal; raises ValueError for more of them, and below nothing."""
    whole, _, fraction = text.partition(".")
    if len(fraction) > decimals:
        if fraction[decimals:].strip("0"):
            raise ValueError(f"{text} has more than {decimals} decimals, so the facts of the instrument are others")
        fraction = fraction[:decimals]
    units = int(whole + fraction.ljust(decimals, "0"))
    if units < 0:
        raise ValueError(f"{text} is negative")
    return units
