"""A run of the desk as its folder tells it: rows and fills from the ledger, what the venues said from the journal.

A backtest keeps no ledger; then its journal's commands hold the same rows and fills. The folder is only read, also
beside a program that is writing it.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from millrace.config.settings import Settings
from millrace.core.binary_events import BinaryQuote
from millrace.core.commands import Book, Command, RecordClosing, RecordFill, Side
from millrace.core.events import BalanceReport, Event
from millrace.core.failure import OperatorError, WorldError
from millrace.core.instrument import LEDGER_DECIMALS
from millrace.research.arb_facts import ArbFacts, CashFlow, VenueCash
from millrace.shell.journal import read_journal
from millrace.shell.ledger_extract import reading
from millrace.shell.ledger_rows import closing_fill, fill_key
from millrace.shell.manifest import read_manifest
from millrace.shell.run_records import read_run
from millrace.strategies.arb.telemetry.rows import BASKET, DECISION, REST, BasketRow, DecisionRow, RestRow
from millrace.world.arb.desk import DESK
from millrace.world.folder.journaled_program import settings_of
from millrace.world.premises import LEDGER

_NANO_DECIMALS: Final = 9
_SECOND_NS: Final = 1_000_000_000
_PRESENT_NS: Final = 60 * _SECOND_NS
_ROWS: Final = frozenset({DECISION, BASKET, REST})
_CASH: Final = ("USD", "USDC", "pUSD")
_FILLS: Final = "SELECT grp, venue, side, cost, fee, ts_ns FROM fills WHERE strategy = ? ORDER BY number"
_CARRIED: Final = "SELECT grp, venue, cost, fees FROM positions WHERE strategy = ?"
_LIVE: Final = "SELECT venue, count(*) FROM orders WHERE strategy = ? AND live GROUP BY venue"


class _Moved(NamedTuple):
    """One increment of a position in the ledger's own units."""

    group: str
    venue: str
    side: str
    cost: int
    fee: int
    ts_ns: int


class ArbRecorder:
    """Takes in a run of the desk step by step: from its journal afterwards, or as a listener while it goes on.

    A venue is present in a cycle when it said something within the minute before.
    """

    def __init__(self) -> None:
        self._first: dict[str, BalanceReport] = {}
        self._last: dict[str, BalanceReport] = {}
        self._books: list[Book] = []
        self._moved: dict[tuple[str, int, int, int], _Moved] = {}
        self._heard: dict[str, int] = {}
        self._present: dict[int, frozenset[str]] = {}

    def step(self, event: Event, commands: list[Command]) -> None:
        """Take one event and what followed from it."""
        if isinstance(event, BinaryQuote):
            self._heard[event.market.venue] = event.ts_ns
        elif isinstance(event, BalanceReport) and _has_cash(event):
            self._first.setdefault(event.venue, event)
            self._last[event.venue] = event
        for command in commands:
            if isinstance(command, Book) and command.strategy == DESK:
                self._booked(command)
            elif isinstance(command, RecordFill | RecordClosing) and command.position.strategy == DESK:
                fill = closing_fill(command) if isinstance(command, RecordClosing) else command
                at = fill.position
                moved = _Moved(at.group, at.instrument.venue, fill.side.value, fill.cost, fill.fee, fill.ts_ns)
                self._moved.setdefault(fill_key(fill), moved)

    def _booked(self, book: Book) -> None:
        if book.kind in _ROWS:
            self._books.append(book)
        cycle = book.values.get("cycle") if book.kind == DECISION else None
        if isinstance(cycle, int):
            since_ns = book.ts_ns - _PRESENT_NS
            self._present[cycle] = frozenset(venue for venue, at_ns in self._heard.items() if at_ns >= since_ns)

    def facts(self, settings: Settings, ledger: Path | None = None) -> ArbFacts:
        """Return what was taken in; with a ledger its rows and fills hold, as they are what is true about money."""
        books: Sequence[Book] = self._books
        moved, carried, live = list(self._moved.values()), None, dict[str, int]()
        if ledger is not None:
            moved, carried, live = _read_ledger(ledger)
            books = read_run(ledger.parent, ledger, _ROWS).bookings
        scale = {venue: 10 ** (_NANO_DECIMALS - _decimals(report)) for venue, report in self._last.items()}
        flows = tuple(_flow(one, scale.get(one.venue, 1)) for one in moved)
        decisions = tuple(DecisionRow.read(book) for book in books if book.kind == DECISION and book.strategy == DESK)
        baskets = tuple(BasketRow.read(book) for book in books if book.kind == BASKET and book.strategy == DESK)
        traded = {leg.venue for row in decisions for leg in row.legs} | {flow.venue for flow in flows}
        venue_cash = {
            venue: VenueCash(_cash(self._first[venue]) * scale[venue], _cash(report) * scale[venue], report.ts_ns)
            for venue, report in self._last.items()
            if venue in traded
        }
        return ArbFacts(
            decisions=decisions,
            baskets=baskets,
            flows=flows,
            carried_nano=None if carried is None else _summed(carried, scale),
            venue_cash=venue_cash,
            live_orders=live,
            present=self._present,
            cooldown_ns=round(settings.arb.desk.opportunity_cooldown_sec * _SECOND_NS),
            paper=all(row.realised_nano is None for row in baskets),
            rests=tuple(RestRow.read(book) for book in books if book.kind == REST and book.strategy == DESK),
        )


def read_arb(folder: Path) -> ArbFacts:
    """Return what a run's desk did; raises OperatorError where there is no run, WorldError where it is damaged."""
    manifest = read_manifest(folder) if folder.is_dir() else None
    if manifest is None:
        raise OperatorError(f"{folder}: no run lies there; name the folder that demo or backtest --out wrote")
    recorder = ArbRecorder()
    for step in read_journal(folder):
        recorder.step(step.event, step.commands or [])
    ledger = folder / LEDGER
    try:
        return recorder.facts(settings_of(manifest.config), ledger if ledger.exists() else None)
    except msgspec.ValidationError as error:
        raise WorldError(f"{folder}: a row of the desk is of another version: {error}") from error


def basket_of_group(group: str) -> str:
    """Return the basket of a group of sub-positions, `lane/FAMILY/BASKET`."""
    return group.rpartition("/")[2]


def _flow(one: _Moved, scale: int) -> CashFlow:
    cash = -Side(one.side).sign * one.cost * scale
    return CashFlow(basket_of_group(one.group), one.venue, cash, one.fee * scale, one.ts_ns)


def _summed(carried: list[tuple[str, str, int, int]], scale: dict[str, int]) -> dict[str, int]:
    sums: defaultdict[str, int] = defaultdict(int)
    for group, venue, cost, fees in carried:
        sums[basket_of_group(group)] += (cost + fees) * scale.get(venue, 1)
    return dict(sums)


def _read_ledger(path: Path) -> tuple[list[_Moved], list[tuple[str, str, int, int]], dict[str, int]]:
    try:
        with reading(path) as base:
            moved = [_Moved(*row) for row in base.execute(_FILLS, (DESK,))]
            carried: list[tuple[str, str, int, int]] = base.execute(_CARRIED, (DESK,)).fetchall()
            live: dict[str, int] = dict(base.execute(_LIVE, (DESK,)).fetchall())
    except sqlite3.Error as error:
        raise WorldError(f"{path} cannot be read: {error}; repair or restore it") from error
    return moved, carried, live


def _has_cash(report: BalanceReport) -> bool:
    return any(asset in report.balances for asset in _CASH)


def _decimals(report: BalanceReport) -> int:
    return LEDGER_DECIMALS[next(asset for asset in _CASH if asset in report.balances)]


def _cash(report: BalanceReport) -> int:
    return sum(sum(report.balances[asset]) for asset in _CASH if asset in report.balances)
