"""Recorded best prices without sizes: temperature ladders, and snapshots of one exclusive group.

Such a recording shows what a screen would have shown and nothing of what could be bought there, so its rows carry no
size, and nobody may book a profit on them. The ladders' rows are updates of single markets; a snapshot has one price
per market, which is no offer at all.
"""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from millrace.core.failure import OperatorError
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId
from millrace.research.arb_data.tables import columns_of, read_columns
from millrace.research.arb_survey import Group, Seen

_CENT_TICKS = 100
_LADDER = {"ts_us", "market", "implied_yes_ask", "implied_no_ask"}
_SNAPSHOT = {"snapshot_utc", "condition_id", "title", "yes_price", "no_price"}
_US = 1_000


def is_ladder(path: Path) -> bool:
    """Tell whether a file holds best quotes of one event's markets, in cents."""
    return columns_of(path) >= _LADDER


def is_snapshot(path: Path) -> bool:
    """Tell whether a file holds price snapshots of many markets."""
    return columns_of(path) >= _SNAPSHOT


def ladder(path: Path) -> tuple[Group, Iterator[Seen]]:
    """Return the group of an event's temperature buckets, exclusive and exhaustive, and what was seen of them."""
    table = read_columns(path, sorted(_LADDER))
    names = table.column("market").to_pylist()
    members = tuple(InstrumentId("kalshi", name) for name in sorted(set(names)))
    if not members:
        raise OperatorError(f"{path}: the file holds no row; remove it")
    group = Group(path.stem, members, exhaustive=True, sizes=False, quotes=True)
    columns = (table.column(name).to_pylist() for name in ("ts_us", "implied_yes_ask", "implied_no_ask"))
    return group, _ladder_rows(names, *columns)


def _ladder_rows(names: list[str], times: list[int], yes: list[int], no: list[int]) -> Iterator[Seen]:
    for name, ts_us, yes_ask, no_ask in zip(names, times, yes, no, strict=True):
        market = InstrumentId("kalshi", name)
        yield Seen(ts_us * _US, market, _ticks(yes_ask), _ticks(no_ask), None, None)


def _ticks(cents: int) -> int | None:
    """Return a price in ticks; at nothing or a whole dollar nobody offers."""
    ticks = cents * _CENT_TICKS
    return ticks if 0 < ticks < PAYOUT_TICKS else None


def snapshots(path: Path, title_part: str) -> tuple[Group, Iterator[Seen]]:
    """Return the exclusive group of the markets whose title has these words, and their prices at each snapshot.

    Whether every outcome is listed is not said there, so the group counts as open.
    """
    table = read_columns(path, sorted(_SNAPSHOT))
    titles = table.column("title").to_pylist()
    rows = [row for row, title in enumerate(titles) if title_part in title]
    if not rows:
        raise OperatorError(f"{path}: no title has the words {title_part!r}")
    ids = table.column("condition_id").to_pylist()
    times = table.column("snapshot_utc").cast("int64").to_pylist()
    prices = [table.column(name).to_pylist() for name in ("yes_price", "no_price")]
    members = tuple(InstrumentId("polymarket", name) for name in sorted({ids[row] for row in rows}))
    group = Group(f"{path.stem}: {title_part}", members, exhaustive=False, sizes=False, quotes=False)
    rows.sort(key=times.__getitem__)
    return group, _snapshot_rows(rows, ids, times, *prices)


def _snapshot_rows(
    rows: list[int], ids: list[str], times: list[int], yes: list[float], no: list[float]
) -> Iterator[Seen]:
    for row in rows:
        market = InstrumentId("polymarket", ids[row])
        yield Seen(times[row] * _US, market, _price(yes[row]), _price(no[row]), None, None)


def _price(dollars: float) -> int | None:
    ticks = int(np.rint(dollars * PAYOUT_TICKS))
    return ticks if 0 < ticks < PAYOUT_TICKS else None
