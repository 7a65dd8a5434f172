"""Parquet and CSV files as batches of plain columns, whatever they call their time.

Batches keep the memory of reading small and let a fault be named by its row. What is read is decided by the column
names: open, high, low and close make bars, a price and a size make trades. A time column without a unit in its name is
taken for seconds, milliseconds, microseconds or nanoseconds by its size; text times without a zone are UTC.
"""

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet
from numpy.typing import NDArray

from millrace.core.failure import OperatorError

FileKind = Literal["bars", "trades"]
_TIME_NS = {"ts_ns": 1, "ts_us": 10**3, "ts_ms": 10**6, "ts_s": 10**9}
_TIME_NAMES = (*_TIME_NS, "ts", "time", "timestamp", "open_time", "datetime", "date")
_SIZE_NAMES = ("volume", "size", "qty", "quantity", "amount")
_BAR_PRICES = ("open", "high", "low", "close")
_BATCH_ROWS = 65_536
_HEAD_BYTES = 65_536
_MICRO_NS = 1000
"""A double holds a second of our days to the microsecond and no finer."""
_UNITS_NS = ((10**11, 10**9), (10**14, 10**6), (10**17, 10**3))
_SUFFIXES = {".parquet": "parquet", ".pq": "parquet", ".csv": "csv", ".csv.gz": "csv"}


class Layout(NamedTuple):
    """Which columns of the file say what; `values` are the prices, then the size."""

    kind: FileKind
    time: str
    values: tuple[str, ...]


class Batch(NamedTuple):
    """Rows in file order: `ts_ns` as int64, one float column per name of the layout; `first_row` counts from 1."""

    first_row: int
    ts_ns: NDArray[np.int64]
    values: tuple[NDArray[np.float64], ...]


def open_source(path: Path) -> tuple[Layout, Iterator[Batch]]:
    """Return the layout and the batches; raises OperatorError naming file, row and reason, also while iterating."""
    form = next((form for suffix, form in _SUFFIXES.items() if path.name.lower().endswith(suffix)), None)
    if form is None:
        raise OperatorError(f"{path}: neither .parquet nor .csv; only these are read")
    if not path.is_file():
        raise OperatorError(f"{path}: no such file")
    if path.stat().st_size == 0:
        raise OperatorError(f"{path}: the file is empty")
    try:
        return _open_parquet(path) if form == "parquet" else _open_csv(path)
    except (pa.ArrowException, OSError) as error:
        broken = _broken_line(path) if form == "csv" else None
        raise OperatorError(f"{path}: {broken or f'not readable as {form}: {_one_line(error)}'}") from error


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _open_parquet(path: Path) -> tuple[Layout, Iterator[Batch]]:
    source = pyarrow.parquet.ParquetFile(path)
    layout = _layout(path, [str(name) for name in source.schema_arrow.names])
    columns = [layout.time, *layout.values]
    return layout, _batches(path, layout, source.iter_batches(batch_size=_BATCH_ROWS, columns=columns))


def _open_csv(path: Path) -> tuple[Layout, Iterator[Batch]]:
    with pa.input_stream(str(path)) as stream:
        head = bytes(stream.read(_HEAD_BYTES)).decode("utf-8", "replace").splitlines()
    names = [name.strip().strip('"') for name in head[0].split(",")] if head else []
    if names and all(_is_number(name) for name in names):
        raise OperatorError(f"{path}: row 1: the first line must name the columns, it holds numbers")
    layout = _layout(path, names)
    reader = pyarrow.csv.open_csv(
        str(path),
        read_options=pyarrow.csv.ReadOptions(use_threads=False, column_names=names, skip_rows=1),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=[layout.time, *layout.values],
            column_types=dict.fromkeys(layout.values, pa.float64()),
        ),
    )
    return layout, _batches(path, layout, reader)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _is_time(text: str) -> bool:
    try:
        datetime.fromisoformat(text)
    except ValueError:
        return _is_number(text)
    return True


def _layout(path: Path, names: list[str]) -> Layout:
    """Find the columns by name in any case; raises OperatorError naming what is missing and the nearest column."""
    by_folded = {name.strip().lower(): name for name in names}
    time = next((by_folded[name] for name in _TIME_NAMES if name in by_folded), None)
    size = next((by_folded[name] for name in _SIZE_NAMES if name in by_folded), None)
    price = by_folded.get("price")
    bars = [by_folded[name] for name in _BAR_PRICES if name in by_folded]
    if time and size and len(bars) == len(_BAR_PRICES):
        return Layout("bars", time, (*bars, size))
    if time and size and price and not bars:
        return Layout("trades", time, (price, size))
    wanted = {"ts_ms": time, "volume": size}
    wanted |= {"price": price} if price and not bars else {name: by_folded.get(name) for name in _BAR_PRICES}
    missing = [f"{name}{_nearest_column(name, names)}" for name, found in wanted.items() if found is None]
    raise OperatorError(
        f"{path}: has the columns {', '.join(names) or '(none)'}; missing: {', '.join(missing)}. "
        "Bars need ts_ms, open, high, low, close, volume; trades need ts_ms, price, volume."
    )


def _nearest_column(name: str, names: list[str]) -> str:
    found = get_close_matches(name, names, n=1)
    return f" (is {found[0]} meant to be it?)" if found else ""


def _batches(path: Path, layout: Layout, batches: Any) -> Iterator[Batch]:
    """Turn Arrow batches into numpy; the unit of number times is settled by the first row."""
    row = 1
    unit_ns = _TIME_NS.get(layout.time.lower())
    try:
        for batch in batches:
            if not batch.num_rows:
                continue
            columns = dict(zip(batch.schema.names, batch.columns, strict=True))
            _no_nulls(path, row, columns)
            times = columns[layout.time]
            if not pa.types.is_timestamp(times.type):
                _number_times(path, row, times)
                unit_ns = unit_ns or _unit_ns(times)
            yield Batch(
                row,
                _times_ns(path, times, unit_ns or 1),
                tuple(_floats(path, name, columns[name]) for name in layout.values),
            )
            row += batch.num_rows
    except pa.ArrowException as error:
        broken = _broken_line(path) if isinstance(batches, pyarrow.csv.CSVStreamingReader) else None
        raise OperatorError(f"{path}: {broken or f'after row {row - 1}: {_one_line(error)}'}") from error


def _broken_line(path: Path) -> str | None:
    """Return row and reason of the first line that does not parse: the fast reader does not always say which."""
    with pa.input_stream(str(path)) as raw, io.TextIOWrapper(raw, encoding="utf-8", errors="replace") as stream:
        lines = csv.reader(stream)
        names = [name.strip() for name in next(lines)]
        places = [(name, names.index(name)) for name in _layout(path, names).values]
        for row, line in enumerate(lines, start=1):
            if len(line) != len(names):
                return f"row {row}: has {len(line)} values, the first line names {len(names)} columns"
            for name, place in places:
                if line[place] and not _is_number(line[place]):
                    return f"row {row}: {name} is {line[place]!r}, not a number"
    return None


def _no_nulls(path: Path, row: int, columns: dict[str, Any]) -> None:
    for name, column in columns.items():
        if column.null_count:
            at = row + int(np.argmax(column.is_null().to_numpy(zero_copy_only=False)))
            raise OperatorError(f"{path}: row {at}: {name} is missing or not a number")


def _number_times(path: Path, row: int, times: Any) -> None:
    if not (pa.types.is_integer(times.type) or pa.types.is_floating(times.type)):
        texts = [str(time) for time in times.to_pylist()]
        at = next((place for place, text in enumerate(texts) if not _is_time(text)), 0)
        raise OperatorError(f"{path}: row {row + at}: time {texts[at]!r} is neither a number nor a UTC time")


def _unit_ns(times: Any) -> int:
    first = abs(times[0].as_py())
    return next((unit for limit, unit in _UNITS_NS if first < limit), 1)


def _times_ns(path: Path, times: Any, unit_ns: int) -> NDArray[np.int64]:
    if pa.types.is_timestamp(times.type):
        stamped: NDArray[np.int64] = times.cast(pa.timestamp("ns")).cast(pa.int64()).to_numpy()
        return stamped
    if pa.types.is_integer(times.type):
        whole: NDArray[np.int64] = times.to_numpy(zero_copy_only=False).astype(np.int64) * unit_ns
        return whole
    micros = np.rint(_floats(path, "time", times) * (unit_ns / _MICRO_NS)).astype(np.int64)
    return micros * _MICRO_NS


def _floats(path: Path, name: str, column: Any) -> NDArray[np.float64]:
    if not (pa.types.is_integer(column.type) or pa.types.is_floating(column.type)):
        raise OperatorError(f"{path}: column {name} holds {column.type}, not numbers")
    values: NDArray[np.float64] = column.to_numpy(zero_copy_only=False).astype(np.float64)
    return values
