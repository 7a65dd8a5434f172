"""Recorded tables as they lie on disk, and a plain word about one that cannot be read.

Every recording of prediction markets is read through here, so that a file that was cut off, or is of another kind, is
named with what is wrong about it, whichever part of a command came upon it.
"""

from collections.abc import Iterable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from millrace.core.failure import OperatorError


def columns_of(path: Path) -> set[str]:
    """Return the names of a file's columns; raises OperatorError when there is none, or it is no parquet file."""
    if not path.is_file():
        raise OperatorError(f"{path}: there is no such file; name a recording")
    try:
        return set(pq.read_schema(path).names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def read_columns(path: Path, columns: Iterable[str]) -> pa.Table:
    """Return these columns of a file; raises OperatorError when it is no parquet file or has one of them not."""
    names = list(columns)
    missing = [name for name in names if name not in columns_of(path)]
    if missing:
        raise OperatorError(f"{path}: has no column {', '.join(missing)}; it is a recording of another kind")
    try:
        return pq.read_table(path, columns=names)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> OperatorError:
    return OperatorError(f"{path}: not readable as parquet: {' '.join(str(error).split())}")
