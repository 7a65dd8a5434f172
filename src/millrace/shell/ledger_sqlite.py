"""The ledger in one SQLite file: the truth about money (design section 6, runtime 2.16).

One connection writes, each batch is one transaction, and a commit returns when it is on the medium (write-ahead log,
full sync). The file is checked when it is opened and never made anew in place of one that is missing or damaged: an
empty ledger would say that we own nothing. Money is summed in Python, because SQL would turn a sum that is too large
into a float without a word.
"""

import sqlite3
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec

from millrace.core.commands import (
    TERMINAL_STATES,
    AmendOrder,
    Book,
    Command,
    Lift,
    OrderState,
    Place,
    Post,
    RecordAdoption,
    RecordAmend,
    RecordClosing,
    RecordFill,
    RecordOpening,
    RecordOrder,
    Side,
    Submit,
)
from millrace.core.failure import OperatorError, WorldError
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Money
from millrace.core.ledger import CommitResult, LedgerOrder, LedgerPosition
from millrace.core.order_truth import Terms
from millrace.core.permission import Restriction
from millrace.risk.board import refreshed
from millrace.shell.disk import RealDisk
from millrace.shell.ledger_rows import (
    CLOSING,
    OPENING,
    closing_fill,
    fill_key,
    moved,
    opening_fill,
    terms_of,
    venue_key,
)

SCHEMA_VERSION: Final = "2"
_BUSY_MS: Final = 2_000
_DAMAGE: Final = ("SQLITE_CORRUPT", "SQLITE_NOTADB")
_LOCKED: Final = ("SQLITE_BUSY", "SQLITE_LOCKED")
_SCHEMA: Final = """
CREATE TABLE meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT;
CREATE TABLE orders (
  number INTEGER PRIMARY KEY, client_id TEXT NOT NULL UNIQUE, strategy TEXT NOT NULL, intent_key TEXT NOT NULL,
  venue TEXT NOT NULL, symbol TEXT NOT NULL, side TEXT NOT NULL, lots INTEGER NOT NULL, limit_ticks INTEGER NOT NULL,
  place BLOB NOT NULL, state TEXT NOT NULL, live INTEGER NOT NULL, venue_order_id TEXT,
  cum_lots INTEGER NOT NULL, cum_cost INTEGER NOT NULL, cum_fee INTEGER NOT NULL,
  created_ns INTEGER NOT NULL, updated_ns INTEGER NOT NULL,
  terms_told INTEGER NOT NULL DEFAULT 0, wanted INTEGER,
  UNIQUE (strategy, intent_key), UNIQUE (venue, venue_order_id)) STRICT;
CREATE TABLE amends (
  client_id TEXT NOT NULL, revision INTEGER NOT NULL, lots INTEGER NOT NULL, limit_ticks INTEGER NOT NULL,
  created_ns INTEGER NOT NULL, PRIMARY KEY (client_id, revision)) STRICT, WITHOUT ROWID;
CREATE INDEX live_orders ON orders (number) WHERE live;
CREATE TABLE fills (
  number INTEGER PRIMARY KEY, client_id TEXT NOT NULL,
  strategy TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL, grp TEXT NOT NULL, leg TEXT NOT NULL,
  side TEXT NOT NULL, lots INTEGER NOT NULL, cost INTEGER NOT NULL, fee INTEGER NOT NULL,
  cum_lots INTEGER NOT NULL, cum_cost INTEGER NOT NULL, cum_fee INTEGER NOT NULL,
  ts_ns INTEGER NOT NULL, UNIQUE (client_id, cum_lots, cum_cost, cum_fee)) STRICT;
CREATE TABLE positions (
  strategy TEXT NOT NULL, venue TEXT NOT NULL, symbol TEXT NOT NULL, grp TEXT NOT NULL, leg TEXT NOT NULL,
  lots INTEGER NOT NULL, cost INTEGER NOT NULL, fees INTEGER NOT NULL,
  PRIMARY KEY (strategy, venue, symbol, grp, leg)) STRICT, WITHOUT ROWID;
CREATE TABLE bookings (
  number INTEGER PRIMARY KEY, strategy TEXT NOT NULL, kind TEXT NOT NULL, booking_key TEXT NOT NULL,
  vals BLOB NOT NULL, ts_ns INTEGER NOT NULL, UNIQUE (strategy, kind, booking_key)) STRICT;
CREATE TABLE restrictions (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, level INTEGER NOT NULL, reason TEXT NOT NULL,
  restriction BLOB NOT NULL) STRICT;
"""
_ORDERS: Final = (
    "SELECT orders.client_id, place, state, venue_order_id, cum_lots, cum_cost, cum_fee, orders.created_ns, updated_ns,"
    " orders.lots, orders.limit_ticks, amends.lots, amends.limit_ticks"
    " FROM orders LEFT JOIN amends ON amends.client_id = orders.client_id AND revision = wanted"
)
_AT: Final = "strategy = ? AND venue = ? AND symbol = ? AND grp = ? AND leg = ?"

_encode: Final = msgspec.msgpack.Encoder().encode
_place: Final = msgspec.msgpack.Decoder(Place).decode
_values: Final = msgspec.msgpack.Decoder(dict[str, str | int | float | bool | None]).decode
_restriction: Final = msgspec.msgpack.Decoder(Restriction).decode


class SqliteLedger:
    """Implements `core.ledger.LedgerStore`; use it from the thread that opened it.

    With `create` a file that is absent is made (a first start); without, its absence is an OperatorError (design
    section 5.5). A damaged, foreign, newer or locked file is a WorldError that says what to do. Without `syncs` a
    commit survives the death of the program, and a loss of power takes the newest ones back, whole.
    """

    def __init__(self, path: Path, *, create: bool = False, syncs: bool = True) -> None:
        self._path = path
        self._syncs = syncs
        self._new: list[str] = []
        self._reused: list[str] = []
        self._amended: list[str] = []
        self._writers: dict[type, Callable[[Any], None]] = {
            Submit: self._submit,
            AmendOrder: self._amend,
            RecordAdoption: self._adopt,
            RecordOpening: self._open,
            RecordOrder: self._record_order,
            RecordAmend: self._record_amend,
            RecordFill: self._record_fill,
            RecordClosing: self._close,
            Book: self._book,
            Post: self._post,
            Lift: self._lift,
        }
        if not create and not path.exists():
            raise OperatorError(
                f"there is no ledger at {path}; restore it, or say with --adopt or --first-start what this start is"
            )
        try:
            if create:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._base = sqlite3.connect(path, timeout=_BUSY_MS / 1000, isolation_level=None)
        except (sqlite3.Error, OSError) as error:
            raise self._failed(error) from error
        try:
            self._prepare(create=create)
        except WorldError:
            self._base.close()
            raise
        except (sqlite3.Error, OSError) as error:
            self._base.close()
            raise self._told(error) from error

    def _prepare(self, *, create: bool) -> None:
        run = self._base.execute
        run(f"PRAGMA synchronous = {'FULL' if self._syncs else 'NORMAL'}")
        verdict = run("PRAGMA integrity_check").fetchone()[0]
        if verdict != "ok":
            raise self._damaged(verdict)
        tables = {row[0] for row in run("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if create and not tables:
            run("PRAGMA journal_mode = WAL")
            self._base.executescript(f"BEGIN IMMEDIATE;{_SCHEMA}")
            run("INSERT INTO meta VALUES ('schema_version', ?)", (SCHEMA_VERSION,))
            run("COMMIT")
            RealDisk().sync_folder(self._path.parent)
        elif "meta" not in tables:
            raise self._damaged("it holds no ledger")
        version = run("SELECT value FROM meta WHERE name = 'schema_version'").fetchone()
        if version is None or version[0] != SCHEMA_VERSION:
            raise WorldError(
                f"ledger {self._path} has schema version {version and version[0]}, this program writes "
                f"{SCHEMA_VERSION}; start the version that wrote it. Nothing was changed"
            )

    # Writing

    def commit(self, commands: list[Command]) -> CommitResult:
        """Write the batch in one durable transaction; rows already there by unique key change nothing.

        Raises WorldError, with nothing of the batch written, when the file is full, failing or locked by another.
        """
        facts = [(self._writers[type(command)], command) for command in commands if type(command) in self._writers]
        if not facts:
            return CommitResult(frozenset(), ())
        self._new, self._reused, self._amended = [], [], []
        try:
            self._base.execute("BEGIN IMMEDIATE")
            for write, command in facts:
                write(command)
            self._base.execute("COMMIT")
        except (sqlite3.Error, OverflowError) as error:
            with suppress(sqlite3.Error):  # an error may have ended the transaction already
                self._base.execute("ROLLBACK")
            raise self._failed(error) from error
        return CommitResult(frozenset(self._new), tuple(self._reused), frozenset(self._amended))

    def probe(self, ts_ns: int) -> None:
        """Write the time of this probe in one durable transaction; raises WorldError when that cannot be."""
        try:
            self._base.execute("INSERT OR REPLACE INTO meta VALUES ('probed_ns', ?)", (str(ts_ns),))
        except sqlite3.Error as error:
            raise self._failed(error) from error

    def _submit(self, submit: Submit) -> None:
        approved = submit.order
        if self._insert(approved.client_id, approved.order, approved.ts_ns):
            self._new.append(approved.client_id)

    def _adopt(self, fact: RecordAdoption) -> None:
        self._insert(fact.client_id, fact.place, fact.ts_ns)

    def _insert(self, client_id: str, place: Place, ts_ns: int) -> bool:
        """Tell whether the order is new; one whose id or key has another payload is told as reused."""
        strategy, at = place.position.strategy, place.instrument
        found = self._base.execute(
            "SELECT client_id, place FROM orders WHERE client_id = ? OR (strategy = ? AND intent_key = ?)",
            (client_id, strategy, place.key),
        ).fetchall()
        if found:
            if (client_id, place) not in [(known, _place(data)) for known, data in found]:
                self._reused.append(place.key)
            return False
        row: tuple[Any, ...] = (client_id, strategy, place.key, at.venue, at.symbol, place.side, place.lots)
        row += (place.limit_ticks, _encode(place), OrderState.SENT, ts_ns, ts_ns)
        self._base.execute(
            "INSERT INTO orders (client_id, strategy, intent_key, venue, symbol, side, lots, limit_ticks, place,"
            " state, live, cum_lots, cum_cost, cum_fee, created_ns, updated_ns)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, 0, 0, 0, ?, ?)",
            row,
        )
        return True

    def _amend(self, command: AmendOrder) -> None:
        amend = command.amend
        terms, name = terms_of(amend), (amend.client_id, amend.revision)
        if not self._base.execute("SELECT 1 FROM orders WHERE client_id = ?", name[:1]).fetchone():
            return
        found = self._base.execute("SELECT lots, limit_ticks FROM amends WHERE client_id = ? AND revision = ?", name)
        known = found.fetchone()
        if known is None:
            self._base.execute("INSERT INTO amends VALUES (?, ?, ?, ?, ?)", (*name, *terms, amend.ts_ns))
            self._base.execute("UPDATE orders SET wanted = ? WHERE client_id = ?", name[::-1])
            self._amended.append(amend.client_id)
        elif Terms(*known) != terms:
            self._reused.append(amend.key)

    def _record_amend(self, fact: RecordAmend) -> None:
        told = self._base.execute(
            "UPDATE orders SET terms_told = ?, updated_ns = max(updated_ns, ?), wanted = nullif(wanted, ?)"
            " WHERE client_id = ? AND terms_told < ?",
            (fact.number, fact.ts_ns, fact.revision, fact.client_id, fact.number),
        )
        if told.rowcount and fact.done:
            self._base.execute(
                "UPDATE orders SET lots = ?, limit_ticks = ? WHERE client_id = ?",
                (fact.lots, fact.limit_ticks, fact.client_id),
            )

    def _record_order(self, fact: RecordOrder) -> None:
        found = self._base.execute(
            "SELECT state, venue, venue_order_id FROM orders WHERE client_id = ?", (fact.client_id,)
        ).fetchone()
        if found is None:
            return
        state, venue, venue_order_id = moved(OrderState(found[0]), fact), found[1], found[2]
        if fact.venue_order_id not in {"", venue_order_id}:
            taken = "SELECT 1 FROM orders WHERE venue = ? AND venue_order_id = ?"
            if self._base.execute(taken, (venue, fact.venue_order_id)).fetchone():
                self._reused.append(venue_key(venue, fact.venue_order_id))
            else:
                venue_order_id = fact.venue_order_id
        self._base.execute(
            "UPDATE orders SET state = ?, live = ?, venue_order_id = ?, updated_ns = max(updated_ns, ?)"
            " WHERE client_id = ?",
            (state, state not in TERMINAL_STATES, venue_order_id, fact.ts_ns, fact.client_id),
        )

    def _open(self, opening: RecordOpening) -> None:
        self._record_fill(opening_fill(opening))

    def _close(self, closing: RecordClosing) -> None:
        self._record_fill(closing_fill(closing))

    def _record_fill(self, fill: RecordFill) -> None:
        at = (fill.position.strategy, *fill.position.instrument, fill.position.group, fill.position.leg)
        row = (fill.client_id, *at, fill.side, fill.lots, fill.cost, fill.fee, *fill_key(fill)[1:], fill.ts_ns)
        insert = (
            "INSERT INTO fills (client_id, strategy, venue, symbol, grp, leg, side, lots, cost, fee,"
            " cum_lots, cum_cost, cum_fee, ts_ns) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            " ON CONFLICT (client_id, cum_lots, cum_cost, cum_fee) DO NOTHING"
        )
        if self._base.execute(insert, row).rowcount == 0:
            return
        order = self._base.execute(
            "SELECT cum_lots, cum_cost, cum_fee FROM orders WHERE client_id = ?", (fill.client_id,)
        ).fetchone()
        if order is not None:
            self._base.execute(
                "UPDATE orders SET cum_lots = ?, cum_cost = ?, cum_fee = ?, updated_ns = max(updated_ns, ?)"
                " WHERE client_id = ?",
                (order[0] + fill.lots, order[1] + fill.cost, order[2] + fill.fee, fill.ts_ns, fill.client_id),
            )
        select = f"SELECT lots, cost, fees FROM positions WHERE {_AT}"  # noqa: S608  column names only
        sums = self._base.execute(select, at).fetchone() or (0, 0, 0)
        sign = fill.side.sign
        added = (sums[0] + sign * fill.lots, sums[1] + sign * fill.cost, sums[2] + fill.fee)
        if added[0]:
            self._base.execute("INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?, ?, ?, ?, ?)", (*at, *added))
        else:
            self._base.execute(f"DELETE FROM positions WHERE {_AT}", at)  # noqa: S608  as above

    def _book(self, book: Book) -> None:
        self._base.execute(
            "INSERT INTO bookings (strategy, kind, booking_key, vals, ts_ns) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (strategy, kind, booking_key) DO NOTHING",
            (book.strategy, book.kind, book.key, _encode(book.values), book.ts_ns),
        )

    def _post(self, post: Post) -> None:
        new = post.restriction
        found = self._base.execute("SELECT restriction FROM restrictions WHERE id = ?", (new.id,)).fetchone()
        kept = new if found is None else refreshed(_restriction(found[0]), new)
        self._base.execute(
            "INSERT INTO restrictions (id, level, reason, restriction) VALUES (?, ?, ?, ?) ON CONFLICT (id)"
            " DO UPDATE SET level = excluded.level, reason = excluded.reason, restriction = excluded.restriction",
            (kept.id, int(kept.level), kept.reason, _encode(kept)),
        )

    def _lift(self, lift: Lift) -> None:
        self._base.execute("DELETE FROM restrictions WHERE id = ?", (lift.restriction_id,))

    # Reading

    def _read(self, query: str, *values: str) -> list[Any]:
        try:
            return self._base.execute(query, values).fetchall()
        except sqlite3.Error as error:
            raise self._told(error) from error

    def orders(self, *, live_only: bool = False) -> list[LedgerOrder]:
        """Return orders in creation order."""
        where = "WHERE live" if live_only else ""
        rows = self._read(f"{_ORDERS} {where} ORDER BY number")
        return [_order(row) for row in rows]

    def order(self, client_id: str) -> LedgerOrder | None:
        """Return one order."""
        rows = self._read(f"{_ORDERS} WHERE orders.client_id = ?", client_id)
        return _order(rows[0]) if rows else None

    def positions(self) -> list[LedgerPosition]:
        """Return sub-positions that are not flat, sorted by their names."""
        rows = self._read("SELECT * FROM positions ORDER BY strategy, venue, symbol, grp, leg")
        return [
            LedgerPosition(SubPosition(strategy, InstrumentId(venue, symbol), group, leg), lots, cost, fees)
            for strategy, venue, symbol, group, leg, lots, cost, fees in rows
        ]

    def fills(self) -> int:
        """Return the number of booked fill increments."""
        select = "SELECT count(*) FROM fills WHERE client_id NOT LIKE ? AND client_id NOT LIKE ?"
        count: int = self._read(select, f"{OPENING}%", f"{CLOSING}%")[0][0]
        return count

    def fees(self, strategy: str) -> dict[str, Money]:
        """Return what a strategy's fills cost, by group, sorted by its name."""
        sums: dict[str, Money] = {}
        for group, fee in self._read("SELECT grp, fee FROM fills WHERE strategy = ? ORDER BY grp", strategy):
            sums[group] = sums.get(group, 0) + fee
        return sums

    def cash(self, strategy: str) -> dict[str, Money]:
        """Return what a strategy's fills and closings brought in, less their cost and fees, by group."""
        sums: dict[str, Money] = {}
        for group, side, cost, fee in self._read(
            "SELECT grp, side, cost, fee FROM fills WHERE strategy = ? ORDER BY grp", strategy
        ):
            sums[group] = sums.get(group, 0) - Side(side).sign * cost - fee
        return sums

    def bookings(self, kind: str | None = None) -> list[Book]:
        """Return accounting records in the order in which they were written."""
        select = "SELECT strategy, kind, booking_key, vals, ts_ns FROM bookings"
        if kind is None:
            rows = self._read(f"{select} ORDER BY number")
        else:
            rows = self._read(f"{select} WHERE kind = ? ORDER BY number", kind)
        return [Book(strategy, found, key, _values(values), ts_ns) for strategy, found, key, values, ts_ns in rows]

    def restrictions(self) -> list[Restriction]:
        """Return restrictions in force, in the order in which they were first posted."""
        return [_restriction(row[0]) for row in self._read("SELECT restriction FROM restrictions ORDER BY number")]

    def close(self) -> None:
        """Release the file; what was committed is on the medium already."""
        self._base.close()

    # Errors

    def _told(self, error: Exception) -> WorldError:
        return self._damaged(error) if _code(error).startswith(_DAMAGE) else self._failed(error)

    def _failed(self, error: Exception) -> WorldError:
        if _code(error).startswith(_LOCKED):
            return WorldError(f"ledger {self._path} is locked: another process writes it; stop that process")
        return WorldError(f"ledger {self._path} cannot be used: {error}; free or repair its disk. Nothing was changed")

    def _damaged(self, what: object) -> WorldError:
        return WorldError(
            f"ledger {self._path} is damaged ({what}). It was not changed and will not be made anew. Restore the "
            "newest sound copy, or move it aside and start with --adopt, which makes it anew from the journal"
        )


def _code(error: Exception) -> str:
    return getattr(error, "sqlite_errorname", "")


def _order(row: Any) -> LedgerOrder:
    client_id, place, state, venue_order_id, cum_lots, cum_cost, cum_fee, created_ns, updated_ns = row[:9]
    lots, limit_ticks, wanted_lots, wanted_ticks = row[9:]
    return LedgerOrder(
        client_id,
        _place(place),
        OrderState(state),
        venue_order_id or "",
        cum_lots,
        cum_cost,
        cum_fee,
        created_ns,
        updated_ns,
        Terms(lots, limit_ticks),
        None if wanted_lots is None else Terms(wanted_lots, wanted_ticks),
    )
