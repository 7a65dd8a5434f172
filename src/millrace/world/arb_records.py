"""A run of the desk as its folder tells it: rows and fills from the ledger, what the venues said from the journal.

A backtest keeps no ledger; then its journal's commands hold the same rows and fills. The folder is only read, also
beside a program that is writing it.
"""

import sqlite3
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from millrace.core.commands import Command, RecordClosing, RecordFill, Side
from millrace.core.events import BalanceReport
from millrace.core.failure import OperatorError, WorldError
from millrace.core.instrument import LEDGER_DECIMALS
from millrace.research.arb_facts import ArbFacts, CashFlow, VenueCash
from millrace.shell.journal import read_journal
from millrace.shell.ledger_extract import reading
from millrace.shell.ledger_rows import closing_fill
from millrace.shell.manifest import read_manifest
from millrace.shell.run_records import read_run
from millrace.strategies.arb.telemetry.rows import BASKET, DECISION, BasketRow, DecisionRow
from millrace.world.desk import DESK
from millrace.world.journaled_program import settings_of
from millrace.world.premises import LEDGER

_NANO_DECIMALS: Final = 9
_SECOND_NS: Final = 1_000_000_000
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


class _Journal(NamedTuple):
    """What the journal tells: each venue's first and last statement, and the fills of its commands."""

    first: dict[str, BalanceReport]
    last: dict[str, BalanceReport]
    moved: list[_Moved]


def read_arb(folder: Path) -> ArbFacts:
    """Return what a run's desk did; raises OperatorError where there is no run, WorldError where it is damaged."""
    ledger = folder / LEDGER
    records = read_run(folder, ledger, frozenset({DECISION, BASKET}))
    manifest = read_manifest(folder)
    if manifest is None:
        raise OperatorError(f"{folder} holds no run: it has no manifest.json")
    settings = settings_of(manifest.config)
    books = [book for book in records.bookings if book.strategy == DESK]
    journal = _read_journal(folder)
    moved, carried, live = (journal.moved, None, {}) if not ledger.exists() else _read_ledger(ledger)
    scale = {venue: 10 ** (_NANO_DECIMALS - _decimals(report)) for venue, report in journal.last.items()}
    flows = tuple(_flow(one, scale.get(one.venue, 1)) for one in moved)
    try:
        decisions = tuple(DecisionRow.read(book) for book in books if book.kind == DECISION)
        baskets = tuple(BasketRow.read(book) for book in books if book.kind == BASKET)
    except msgspec.ValidationError as error:
        raise WorldError(f"{folder}: a row of the desk is of another version: {error}") from error
    traded = {leg.venue for row in decisions for leg in row.legs} | {flow.venue for flow in flows}
    venue_cash = {
        venue: VenueCash(_cash(journal.first[venue]) * scale[venue], _cash(report) * scale[venue], report.ts_ns)
        for venue, report in journal.last.items()
        if venue in traded
    }
    return ArbFacts(
        decisions=decisions,
        baskets=baskets,
        flows=flows,
        carried_nano=None if carried is None else _summed(carried, scale),
        venue_cash=venue_cash,
        live_orders=live,
        cooldown_ns=round(settings.arb.desk.opportunity_cooldown_sec * _SECOND_NS),
        paper=not settings.arb.desk.live,
    )


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


def _read_journal(folder: Path) -> _Journal:
    found = _Journal({}, {}, [])
    seen: Counter[tuple[str, ...]] = Counter()
    for step in read_journal(folder):
        event = step.event
        if isinstance(event, BalanceReport) and _has_cash(event):
            found.first.setdefault(event.venue, event)
            found.last[event.venue] = event
        for fill in _fills(step.commands or []):
            key = (fill.client_id, str(fill.cum_lots), str(fill.cum_cost), str(fill.cum_fee))
            seen[key] += 1
            if seen[key] == 1:
                at = fill.position
                found.moved.append(
                    _Moved(at.group, at.instrument.venue, fill.side.value, fill.cost, fill.fee, fill.ts_ns)
                )
    return found


def _fills(commands: list[Command]) -> Iterator[RecordFill]:
    for command in commands:
        if isinstance(command, RecordFill | RecordClosing) and command.position.strategy == DESK:
            yield closing_fill(command) if isinstance(command, RecordClosing) else command


def _has_cash(report: BalanceReport) -> bool:
    return any(asset in report.balances for asset in _CASH)


def _decimals(report: BalanceReport) -> int:
    return LEDGER_DECIMALS[next(asset for asset in _CASH if asset in report.balances)]


def _cash(report: BalanceReport) -> int:
    return sum(sum(report.balances[asset]) for asset in _CASH if asset in report.balances)
