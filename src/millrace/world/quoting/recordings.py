"""Which recorder wrote a file of market data, and its rows: Binance's streams, or the second version of Kraken's.

Both are lines of a receive time and one message, so a look at the first message tells. What differs lies in the codecs;
what a recorder's clock did wrong is put right in the same way.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple, Protocol

from msgspec.structs import replace

from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.failure import OperatorError, WorldError
from millrace.core.instrument import Instrument
from millrace.research.binance_lines import open_recording as open_binance
from millrace.research.recorder_clock import Clock, calibrated, lines_of, receive_ns
from millrace.venues.kraken.book_codec import DEPTHS, BookCodec
from millrace.venues.kraken.facts import known_facts

Row = BookSnapshot | BookDelta | Print
_KRAKEN: Final = b'"channel"'


class Recording(Protocol):
    """A file whose market and clock are known."""

    @property
    def path(self) -> Path:
        """The file."""
        ...

    @property
    def instrument(self) -> Instrument:
        """What was recorded."""
        ...

    @property
    def clock(self) -> Clock:
        """What was done to its receive times."""
        ...

    def rows(self) -> Iterator[Row]:
        """Yield books and trades at corrected receive times."""
        ...


class KrakenRecording(NamedTuple):
    """A recorded connection to Kraken with one pair; `depth` is what it had subscribed, told by its snapshot."""

    path: Path
    instrument: Instrument
    clock: Clock
    depth: int

    def rows(self) -> Iterator[Row]:
        """Yield books and trades at corrected receive times; raises WorldError for a line that is not one."""
        last_ns = 0
        for received_ns, row in _decoded(self.path, BookCodec([self.instrument], self.depth)):
            last_ns = max(last_ns, self.clock.corrected(received_ns))
            yield replace(row, ts_ns=last_ns)


def open_recording(path: Path) -> Recording:
    """Look a file through once; raises OperatorError where no book can be built from it."""
    first = next(lines_of(path), b"")
    return _open_kraken(path) if _KRAKEN in first else open_binance(path)


def _open_kraken(path: Path) -> KrakenRecording:
    latencies, first_ns, last_ns, depth = [], 0, 0, 0
    found: Instrument | None = None
    facts = {facts.id: facts for facts in known_facts()}
    for received_ns, row in _decoded(path, BookCodec(facts.values(), 0)):
        if found is not None and row.instrument != found.id:
            raise OperatorError(f"{path}: books of {found.id} and {row.instrument}; record one pair in a file")
        found = facts[row.instrument]
        first_ns, last_ns = first_ns or received_ns, max(last_ns, received_ns)
        if isinstance(row, BookSnapshot):
            levels = max(len(row.bids), len(row.asks))
            depth = depth or next((one for one in DEPTHS if one >= levels), 0)
        if not isinstance(row, Print) and row.venue_ts_ns:
            latencies.append((last_ns, last_ns - row.venue_ts_ns))
    if found is None or not depth or not latencies:
        raise OperatorError(f"{path}: no snapshot and changes of a book; is it a recording of Kraken's book channel?")
    return KrakenRecording(path, found, calibrated(latencies, first_ns, last_ns), depth)


def _decoded(path: Path, codec: BookCodec) -> Iterator[tuple[int, Row]]:
    latest_ns = 0
    for number, line in enumerate(lines_of(path), start=1):
        received, _, text = line.partition(b" ")
        latest_ns = receive_ns(received, latest_ns, path, number)
        try:
            events = codec.events(text, latest_ns)
        except WorldError as error:
            raise WorldError(f"{path}:{number}: {error}") from error
        for event in events:
            if isinstance(event, BookSnapshot | BookDelta | Print):
                yield latest_ns, event
