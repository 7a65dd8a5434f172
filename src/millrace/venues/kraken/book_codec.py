"""Messages of Kraken's book and trade channels, second version, as events (venues 1.7).

Prices and quantities are read as decimals and never as binary floats: the checksum is one of digits, and a double has
others. The venue numbers nothing, so what proves a book is its checksum, its time, and the depth that was subscribed:
a level that falls out below is never said to be gone.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, Literal

import msgspec

from millrace.core.binary_events import BookLevel, Levels, StreamBeat
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.failure import WorldError
from millrace.core.instrument import Instrument

DEPTHS: Final = (10, 25, 100, 500, 1000)
"""What may be subscribed."""
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NS_PER_MICROSECOND: Final = 1_000
_ALIVE: Final = frozenset({"heartbeat", "status"})


class _Level(msgspec.Struct):
    price: Decimal
    qty: Decimal


class _Book(msgspec.Struct):
    symbol: str
    bids: list[_Level]
    asks: list[_Level]
    checksum: int
    timestamp: datetime | None = None


class _Trade(msgspec.Struct):
    symbol: str
    side: Literal["buy", "sell"]
    price: Decimal
    qty: Decimal


class _TradeMessage(msgspec.Struct):
    type: str
    data: list[_Trade]


class _Message(msgspec.Struct):
    channel: str = ""
    type: str = ""
    data: Any = None


class _BookMessage(msgspec.Struct):
    channel: str
    type: str
    data: list[_Book]


class BookCodec:
    """Bytes of one connection in, events out; `instruments` are those subscribed, by their symbols, at `depth`."""

    def __init__(self, instruments: Iterable[Instrument], depth: int) -> None:
        self._instruments = {one.id.symbol: one for one in instruments}
        self._venue = next(iter(self._instruments.values())).id.venue
        self._depth = depth
        self._kinds = msgspec.json.Decoder(_Message)
        self._books = msgspec.json.Decoder(_BookMessage)
        self._trades = msgspec.json.Decoder(_TradeMessage)

    def events(self, message: bytes, ts_ns: int) -> list[BookSnapshot | BookDelta | Print | StreamBeat]:
        """Return what a message says, received at `ts_ns`; raises WorldError for one that is not understood.

        The trades with which a subscription begins are old, and are left out.
        """
        try:
            kind = self._kinds.decode(message)
            if kind.channel in _ALIVE:
                return [StreamBeat(self._venue, ts_ns)]
            if kind.channel == "trade" and kind.type == "update":
                return [self._trade(trade, ts_ns) for trade in self._trades.decode(message).data]
            if kind.channel != "book":
                return []
            books = self._books.decode(message).data
        except msgspec.DecodeError as error:
            raise WorldError(f"{self._venue}: not a message of its channel: {error}") from error
        return [self._event(book, ts_ns, whole=kind.type == "snapshot") for book in books]

    def _event(self, book: _Book, ts_ns: int, *, whole: bool) -> BookSnapshot | BookDelta:
        facts = self._facts(book.symbol)
        said = book.timestamp
        venue_ts_ns = 0 if said is None else (said - _EPOCH) // timedelta(microseconds=1) * _NS_PER_MICROSECOND
        sides = _levels(book.bids, facts), _levels(book.asks, facts)
        if whole:
            return BookSnapshot(facts.id, ts_ns, venue_ts_ns, 0, *sides, book.checksum, depth=self._depth)
        return BookDelta(facts.id, ts_ns, venue_ts_ns, 0, 0, *sides, book.checksum)

    def _trade(self, trade: _Trade, ts_ns: int) -> Print:
        facts = self._facts(trade.symbol)
        ticks = _exact(trade.price, facts.price_decimals, facts)
        return Print(facts.id, ts_ns, ticks, _exact(trade.qty, facts.lot_decimals, facts), trade.side == "sell")

    def _facts(self, symbol: str) -> Instrument:
        facts = self._instruments.get(symbol)
        if facts is None:
            raise WorldError(f"{self._venue}: data of {symbol} came, which was not subscribed")
        return facts


def _levels(told: list[_Level], facts: Instrument) -> Levels:
    return tuple(
        [
            BookLevel(_exact(level.price, facts.price_decimals, facts), _exact(level.qty, facts.lot_decimals, facts))
            for level in told
        ]
    )


def _exact(value: Decimal, decimals: int, facts: Instrument) -> int:
    """Return a decimal in units of its last one; raises WorldError where the venue writes more than it should."""
    scaled = value.scaleb(decimals)
    found = int(scaled)
    if found != scaled:
        raise WorldError(f"{facts.id}: {value} has more than {decimals} decimals; the instrument's facts have changed")
    return found
