"""What the ledger says about a stretch of time, read beside a program that may be writing it, for an incident bundle.

The file is opened for reading only and in one transaction, so the rows are of one moment. What has no time (positions,
restrictions) is given whole; of orders, amends and fills those that the stretch touched.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import msgspec

_QUERIES: Final = {
    "meta": "SELECT * FROM meta",
    "orders": "SELECT * FROM orders WHERE live OR updated_ns >= :since ORDER BY number",
    "amends": "SELECT * FROM amends WHERE created_ns >= :since ORDER BY client_id, revision",
    "fills": "SELECT * FROM fills WHERE ts_ns >= :since ORDER BY number",
    "positions": "SELECT * FROM positions",
    "bookings": "SELECT * FROM bookings WHERE ts_ns >= :since ORDER BY number",
    "restrictions": "SELECT * FROM restrictions ORDER BY number",
}


def ledger_extract(path: Path, since_ns: int) -> dict[str, Any]:
    """Return rows by table as builtins; `error` says why when the ledger is absent or cannot be read."""
    if not path.exists():
        return {"error": "there is no ledger"}
    try:
        with reading(path) as base:
            base.row_factory = sqlite3.Row
            return {name: [_plain(row) for row in base.execute(query, {"since": since_ns})] for name, query in
                    _QUERIES.items()}  # fmt: skip
    except (sqlite3.Error, msgspec.DecodeError) as error:
        return {"error": f"the ledger cannot be read: {error}"}


@contextmanager
def reading(path: Path) -> Iterator[sqlite3.Connection]:
    """Open a ledger for reading only, in one transaction; raises sqlite3.Error when it cannot be read."""
    # Without a write-ahead log nobody writes, and SQLite need not make one beside the file either.
    still = "" if path.with_name(f"{path.name}-wal").exists() else "&immutable=1"
    with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro{still}", uri=True, isolation_level=None)) as base:
        base.execute("BEGIN")
        yield base


def _plain(row: sqlite3.Row) -> dict[str, Any]:
    named = zip(row.keys(), row, strict=True)
    return {name: msgspec.msgpack.decode(value) if isinstance(value, bytes) else value for name, value in named}
