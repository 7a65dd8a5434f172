"""The ledger of runs that need no durability: backtests, sweeps and the fault world (design section 5.10).

Same unique keys, same answers, same batches as SQLite; what a crash must not lose, it loses.
"""

from collections.abc import Callable
from typing import Any

from millrace.core.commands import (
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
    Submit,
)
from millrace.core.ids import SubPosition
from millrace.core.instrument import Lots, Money
from millrace.core.ledger import CommitResult, LedgerOrder, LedgerPosition
from millrace.core.order_truth import Terms
from millrace.core.permission import Restriction
from millrace.risk.board import refreshed
from millrace.shell.ledger_rows import FillKey, closing_fill, fill_key, moved, opening_fill, terms_of, venue_key

_NOTHING = CommitResult(frozenset(), ())


class _Row:
    """One order; like `LedgerOrder`, but it can change."""

    __slots__ = (
        "amends",
        "client_id",
        "created_ns",
        "cum_cost",
        "cum_fee",
        "cum_lots",
        "place",
        "state",
        "terms",
        "told",
        "updated_ns",
        "venue_order_id",
        "wanted",
    )

    def __init__(self, client_id: str, place: Place, ts_ns: int) -> None:
        self.client_id = client_id
        self.place = place
        self.created_ns = ts_ns
        self.state = OrderState.SENT
        self.venue_order_id = ""
        self.cum_lots: Lots = 0
        self.cum_cost: Money = 0
        self.cum_fee: Money = 0
        self.updated_ns = ts_ns
        self.terms = Terms(place.lots, place.limit_ticks)
        self.told = 0
        self.wanted: int | None = None
        self.amends: dict[int, Terms] = {}


class MemoryLedger:
    """Implements `core.ledger.LedgerStore`."""

    def __init__(self) -> None:
        self._rows: dict[str, _Row] = {}
        self._keys: dict[tuple[str, str], Place] = {}
        self._venue_ids: dict[tuple[str, str], str] = {}
        self._fills: set[FillKey] = set()
        self._unordered = 0
        self._positions: dict[SubPosition, list[int]] = {}
        self._fees: dict[tuple[str, str], Money] = {}
        self._cash: dict[tuple[str, str], Money] = {}
        self._bookings: dict[tuple[str, str, str], Book] = {}
        self._restrictions: dict[str, Restriction] = {}
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

    def commit(self, commands: list[Command]) -> CommitResult:
        """Take the batch; rows already there by unique key change nothing."""
        writers = self._writers
        for command in commands:
            writer = writers.get(type(command))
            if writer is not None:
                writer(command)
        if not (self._new or self._reused or self._amended):
            return _NOTHING
        result = CommitResult(frozenset(self._new), tuple(self._reused), frozenset(self._amended))
        for told in (self._new, self._reused, self._amended):
            told.clear()
        return result

    def probe(self, ts_ns: int) -> None:
        """Do nothing: memory can be written."""

    def _submit(self, submit: Submit) -> None:
        approved = submit.order
        if self._insert(approved.client_id, approved.order, approved.ts_ns):
            self._new.append(approved.client_id)

    def _adopt(self, fact: RecordAdoption) -> None:
        self._insert(fact.client_id, fact.place, fact.ts_ns)

    def _insert(self, client_id: str, place: Place, ts_ns: int) -> bool:
        """Tell whether the order is new; one whose id or key has another payload is told as reused."""
        key = (place.position.strategy, place.key)
        row = self._rows.get(client_id)
        if row is None and key not in self._keys:
            self._rows[client_id] = _Row(client_id, place, ts_ns)
            self._keys[key] = place
            return True
        if row is None or row.place != place:
            self._reused.append(place.key)
        return False

    def _amend(self, command: AmendOrder) -> None:
        amend = command.amend
        row = self._rows.get(amend.client_id)
        if row is None:
            return
        if amend.revision not in row.amends:
            row.amends[amend.revision] = terms_of(amend)
            row.wanted = amend.revision
            self._amended.append(amend.client_id)
        elif row.amends[amend.revision] != terms_of(amend):
            self._reused.append(amend.key)

    def _record_amend(self, fact: RecordAmend) -> None:
        row = self._rows.get(fact.client_id)
        if row is None or fact.number <= row.told:
            return
        row.told = fact.number
        row.updated_ns = max(row.updated_ns, fact.ts_ns)
        if fact.done:
            row.terms = Terms(fact.lots, fact.limit_ticks)
        if fact.revision == row.wanted:
            row.wanted = None

    def _record_order(self, fact: RecordOrder) -> None:
        row = self._rows.get(fact.client_id)
        if row is None:
            return
        row.state = moved(row.state, fact)
        row.updated_ns = max(row.updated_ns, fact.ts_ns)
        if fact.venue_order_id in {"", row.venue_order_id}:
            return
        venue = row.place.instrument.venue
        owner = self._venue_ids.setdefault((venue, fact.venue_order_id), fact.client_id)
        if owner != fact.client_id:
            self._reused.append(venue_key(venue, fact.venue_order_id))
            return
        self._venue_ids.pop((venue, row.venue_order_id), None)
        row.venue_order_id = fact.venue_order_id

    def _open(self, opening: RecordOpening) -> None:
        before = len(self._fills)
        self._record_fill(opening_fill(opening))
        self._unordered += len(self._fills) - before

    def _close(self, closing: RecordClosing) -> None:
        before = len(self._fills)
        self._record_fill(closing_fill(closing))
        self._unordered += len(self._fills) - before

    def _record_fill(self, fill: RecordFill) -> None:
        key = fill_key(fill)
        if key in self._fills:
            return
        self._fills.add(key)
        row = self._rows.get(fill.client_id)
        if row is not None:
            row.cum_lots += fill.lots
            row.cum_cost += fill.cost
            row.cum_fee += fill.fee
            row.updated_ns = max(row.updated_ns, fill.ts_ns)
        owner = (fill.position.strategy, fill.position.group)
        self._fees[owner] = self._fees.get(owner, 0) + fill.fee
        self._cash[owner] = self._cash.get(owner, 0) - fill.side.sign * fill.cost - fill.fee
        sums = self._positions.get(fill.position)
        if sums is None:
            sums = self._positions[fill.position] = [0, 0, 0]
        sign = fill.side.sign
        sums[0] += sign * fill.lots
        sums[1] += sign * fill.cost
        sums[2] += fill.fee
        if not sums[0]:
            del self._positions[fill.position]

    def _book(self, book: Book) -> None:
        self._bookings.setdefault((book.strategy, book.kind, book.key), book)

    def _post(self, post: Post) -> None:
        new = post.restriction
        old = self._restrictions.get(new.id)
        self._restrictions[new.id] = new if old is None else refreshed(old, new)

    def _lift(self, lift: Lift) -> None:
        self._restrictions.pop(lift.restriction_id, None)

    def orders(self, *, live_only: bool = False) -> list[LedgerOrder]:
        """Return orders in creation order."""
        rows = self._rows.values()
        return [_order(row) for row in rows if not (live_only and row.state.is_terminal)]

    def order(self, client_id: str) -> LedgerOrder | None:
        """Return one order."""
        row = self._rows.get(client_id)
        return None if row is None else _order(row)

    def positions(self) -> list[LedgerPosition]:
        """Return sub-positions that are not flat, sorted by their names."""
        return [LedgerPosition(at, *sums) for at, sums in sorted(self._positions.items())]

    def fills(self) -> int:
        """Return the number of booked fill increments."""
        return len(self._fills) - self._unordered

    def fees(self, strategy: str) -> dict[str, Money]:
        """Return what a strategy's fills cost, by group, sorted by its name."""
        return {group: fee for (owner, group), fee in sorted(self._fees.items()) if owner == strategy}

    def cash(self, strategy: str) -> dict[str, Money]:
        """Return what a strategy's fills and closings brought in, less their cost and fees, by group."""
        return {group: cash for (owner, group), cash in sorted(self._cash.items()) if owner == strategy}

    def bookings(self, kind: str | None = None) -> list[Book]:
        """Return accounting records in the order in which they were written."""
        return [book for book in self._bookings.values() if kind is None or book.kind == kind]

    def restrictions(self) -> list[Restriction]:
        """Return restrictions in force, in the order in which they were first posted."""
        return list(self._restrictions.values())

    def close(self) -> None:
        """Release nothing: the memory goes with the object."""


def _order(row: _Row) -> LedgerOrder:
    return LedgerOrder(
        client_id=row.client_id,
        place=row.place,
        state=row.state,
        venue_order_id=row.venue_order_id,
        cum_lots=row.cum_lots,
        cum_cost=row.cum_cost,
        cum_fee=row.cum_fee,
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
        terms=row.terms,
        wanted=None if row.wanted is None else row.amends[row.wanted],
    )
