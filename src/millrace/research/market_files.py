"""A recording as integer columns, or a clear refusal that names file, row and reason.

Recorders are buggy: rows come twice, out of order, with holes or impossible prices. A backtest on such rows gives a
number that nobody can trust, so nothing is mended here; the first bad row ends the reading. A missing bar is no fault:
it is time in which nothing traded (design section 3). Rows count from 1, without the line of column names.
"""

from datetime import UTC, datetime
from hashlib import file_digest
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from millrace.core.failure import OperatorError
from millrace.core.instrument import Instrument
from millrace.research.market_source import Batch, FileKind, open_source
from millrace.sim.candles import PRINTS_PER_BAR, PrintColumns, prints_of_bars, prints_of_trades

_LARGEST = float(2**62)
_SECOND_NS = 10**9
_LEAST_ROWS = 2
_OPEN, _HIGH, _LOW, _CLOSE = range(4)

Column = NDArray[np.int64]
Mask = NDArray[np.bool_]


class MarketFacts(msgspec.Struct, frozen=True):
    """What a recording holds. `bar_ns` is 0 for trades; `missing_bars` counts bars of the grid that have no row."""

    path: str
    kind: FileKind
    rows: int
    first_ns: int
    last_ns: int
    bar_ns: int
    missing_bars: int
    longest_gap_ns: int
    zero_volume_rows: int
    digest: str


class MarketFile(NamedTuple):
    """A recording ready for the simulated venue, and its facts."""

    columns: PrintColumns
    facts: MarketFacts


class _Rows(NamedTuple):
    """Checked rows: time, prices in ticks (four of a bar, one of a trade), lots."""

    ts_ns: Column
    ticks: tuple[Column, ...]
    lots: Column


def read_market_file(path: Path, instrument: Instrument) -> MarketFile:
    """Return the prints of a file of bars or trades, parquet or CSV, in the instrument's ticks and lots.

    Raises OperatorError naming file, row and reason for a file that is missing, empty or unreadable, columns that are
    not there, times that do not ascend, and prices or volumes that cannot be.
    """
    layout, batches = open_source(path)
    parts: list[_Rows] = []
    last_ns = -1
    for batch in batches:
        rows = _checked(path, layout.kind, batch, last_ns, instrument)
        last_ns = int(rows.ts_ns[-1])
        parts.append(rows)
    if not parts:
        raise OperatorError(f"{path}: the file has column names and no rows")
    ts_ns = np.concatenate([part.ts_ns for part in parts])
    ticks = [np.concatenate(columns) for columns in zip(*(part.ticks for part in parts), strict=True)]
    lots = np.concatenate([part.lots for part in parts])
    bar_ns = _bar_ns(path, ts_ns, np.diff(ts_ns)) if layout.kind == "bars" else 0
    if layout.kind == "bars":
        columns = prints_of_bars(ts_ns, ticks[_OPEN], ticks[_HIGH], ticks[_LOW], ticks[_CLOSE], lots, bar_ns)
    else:
        columns = prints_of_trades(ts_ns, ticks[0], lots)
    with path.open("rb") as stream:
        digest = file_digest(stream, "blake2b").hexdigest()[:32]
    return MarketFile(columns, _facts(path.name, layout.kind, ts_ns, lots, bar_ns, digest))


def cut(market: MarketFile, first_ns: int, end_ns: int) -> MarketFile:
    """Return the rows of a recording from `first_ns` until before `end_ns`; the digest stays that of the file.

    Raises OperatorError when fewer than two rows are left.
    """
    facts, columns = market.facts, market.columns.since(first_ns).until(end_ns - 1)
    each = PRINTS_PER_BAR if facts.kind == "bars" else 1
    ts_ns, lots = columns.ts_ns[::each], columns.bar_lots[::each]
    if len(ts_ns) < _LEAST_ROWS:
        raise OperatorError(f"{facts.path}: no {facts.kind} from {_utc(first_ns)} to {_utc(end_ns)}")
    return MarketFile(columns, _facts(facts.path, facts.kind, ts_ns, lots, facts.bar_ns, facts.digest))


def _facts(name: str, kind: FileKind, ts_ns: Column, lots: Column, bar_ns: int, digest: str) -> MarketFacts:
    steps = np.diff(ts_ns)
    return MarketFacts(
        path=name,
        kind=kind,
        rows=len(ts_ns),
        first_ns=int(ts_ns[0]),
        last_ns=int(ts_ns[-1]),
        bar_ns=bar_ns,
        missing_bars=int((steps // bar_ns - 1).sum()) if bar_ns else 0,
        longest_gap_ns=int(steps.max()) if len(steps) else 0,
        zero_volume_rows=int(np.count_nonzero(lots == 0)),
        digest=digest,
    )


def _checked(path: Path, kind: FileKind, batch: Batch, last_ns: int, instrument: Instrument) -> _Rows:
    """Return the batch in ticks and lots; raises OperatorError for its first bad row."""
    ts_ns, (*prices, volume) = batch.ts_ns, batch.values
    before = np.concatenate([np.array([last_ns], np.int64), ts_ns[:-1]])
    scale, lot_scale = 10.0**instrument.price_decimals, 10.0**instrument.lot_decimals
    faults: list[tuple[Mask, str]] = [
        (ts_ns < 0, "the time is before 1970"),
        (ts_ns < before, "the time is earlier than in the row before it: the file is not sorted"),
    ]
    names = ("open", "high", "low", "close") if kind == "bars" else ("price",)
    for name, price in zip(names, prices, strict=True):
        faults.append((~np.isfinite(price), f"{name} is not a finite number"))
        faults.append((price <= 0, f"{name} is zero or negative"))
        faults.append((price * scale < 0.5, f"{name} is below one tick of {instrument.id}"))  # noqa: PLR2004  a half
        faults.append((price * scale > _LARGEST, f"{name} is too large"))
    faults.append((~np.isfinite(volume), "volume is not a finite number"))
    faults.append((volume < 0, "volume is negative"))
    faults.append((volume * lot_scale > _LARGEST, "volume is too large"))
    if kind == "bars":
        low, high = prices[_LOW], prices[_HIGH]
        faults.append((ts_ns == before, "the time is the same as in the row before it: a duplicate"))
        faults.append((high < low, "high is below low"))
        faults.extend(
            ((prices[place] < low) | (prices[place] > high), f"{names[place]} is outside low and high")
            for place in (_OPEN, _CLOSE)
        )
    else:
        faults.append((volume == 0, "volume is zero: not a trade"))
    _refuse_first(path, batch, faults)
    ticks = tuple(np.rint(price * scale).astype(np.int64) for price in prices)
    return _Rows(ts_ns, ticks, np.rint(volume * lot_scale).astype(np.int64))


def _refuse_first(path: Path, batch: Batch, faults: list[tuple[Mask, str]]) -> None:
    """Raise for the earliest faulty row; of two faults in one row the first listed is named."""
    found = [(int(np.argmax(mask)), order, reason) for order, (mask, reason) in enumerate(faults) if mask.any()]
    if found:
        place, _, reason = min(found)
        raise OperatorError(f"{path}: row {batch.first_row + place} ({_utc(int(batch.ts_ns[place]))}): {reason}")


def _bar_ns(path: Path, ts_ns: Column, steps: Column) -> int:
    """Return the length of a bar: the smallest step. All times must lie on its grid."""
    if not len(steps):
        raise OperatorError(f"{path}: row 1: one bar alone does not show how long a bar is")
    bar_ns = int(steps.min())
    off = (ts_ns - ts_ns[0]) % bar_ns != 0
    if off.any():
        place = int(np.argmax(off))
        raise OperatorError(
            f"{path}: row {place + 1} ({_utc(int(ts_ns[place]))}): not on the grid of {bar_ns / _SECOND_NS:g} s bars "
            "that the smallest step shows"
        )
    return bar_ns


def _utc(ts_ns: int) -> str:
    try:
        return datetime.fromtimestamp(ts_ns / _SECOND_NS, tz=UTC).isoformat(timespec="seconds")
    except (ValueError, OverflowError):
        return f"{ts_ns} ns"
