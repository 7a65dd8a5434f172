"""A run that begins where another program stopped: its snapshot lies in the run's folder before the first event.

The file comes first and everything else follows from it, so a kill at any moment loses nothing: while there is no
journal, the simulated venue is given the snapshot's orders that it does not have yet, and a core that has not taken
over is handed the snapshot in its first event. A real venue has those orders already, and money for them.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from millrace.config.settings import Settings
from millrace.core.commands import Side
from millrace.core.failure import OperatorError, WorldError
from millrace.core.instrument import Instrument
from millrace.core.recovery_events import HandedOver
from millrace.shell.disk import Disk, RealDisk
from millrace.shell.grid_file import read_grid_file, write_grid_file
from millrace.shell.journal import has_segments
from millrace.sim.balances import need
from millrace.sim.candles import PrintColumns
from millrace.sim.market_generator import DOGE_USD, prints_from
from millrace.strategies.slots.handover.grid_snapshot import GridSnapshot, TooNew, document_of, read_snapshot
from millrace.strategies.slots.handover.take_over import handed_over
from millrace.venues.kraken.facts import is_pair
from millrace.world.assemble import SLOTS, traded_instrument, venue_settings
from millrace.world.folder.venue_store import VenueStore
from millrace.world.premises import VENUE

HANDOVER: Final = "handover.json"
_SECOND_NS: Final = 1_000_000_000
_OLD_ID: Final = "bot"
"""Begins the client ids that the simulated venue shows for the other program's orders."""


class Taken(NamedTuple):
    """A snapshot that was read: from which file, and what there is to say of it."""

    snapshot: GridSnapshot
    source: str
    notices: tuple[str, ...]


def read_handover(path: Path, facts: Instrument) -> Taken:
    """Read another program's snapshot for a run on this instrument.

    Raises OperatorError when it is not there or not of this pair, WorldError when no generation of it is whole or it
    is of a version that this program does not know.
    """
    file = read_grid_file(path)
    try:
        snapshot, notices = read_snapshot(file.document, trusted=file.trusted)
    except TooNew as error:
        raise WorldError(
            f"{path}: {error}; it is not traded on. Start the program that wrote it, or a newer Millrace;"
            f" `millrace snapshot show {path}` shows what can be read of it"
        ) from error
    if snapshot.pair and not is_pair(snapshot.pair, facts.id):
        raise OperatorError(f"{path} is of {snapshot.pair}, and this run trades {facts.id}; set run.instrument")
    return Taken(snapshot, path.name, (*file.notices, *notices))


def put_handover(folder: Path, path: Path, settings: Settings, first_ns: int) -> tuple[str, ...]:
    """Put a snapshot into a run's folder, for its first start; returns what there is to say of it.

    Raises OperatorError when the folder holds a run or the account cannot hold the snapshot's orders, and as
    `read_handover` does.
    """
    if has_segments(folder):
        raise OperatorError(
            f"{folder} holds a run already, which goes on without --from-snapshot; give a new --dir, or --fresh"
        )
    facts = traded_instrument(settings)
    taken = read_handover(path, facts)
    snapshot = taken.snapshot
    began_ns = max(first_ns, round(snapshot.saved_at * _SECOND_NS))
    _check_money(handed_over(snapshot, facts, SLOTS, taken.source, began_ns), settings, facts)
    price = None
    if snapshot.last_price > 0.0:
        first = next(part for part in prints_from(settings.run.seed, began_ns) if len(part))
        price = DOGE_USD.price * snapshot.last_price / facts.price(int(first.ticks[0]))
    told = {"source": taken.source, "began_ns": began_ns, "market_price": price, "snapshot": document_of(snapshot)}
    write_grid_file(folder / HANDOVER, told)
    return taken.notices


def rest_orders(folder: Path, settings: Settings) -> None:
    """Put the orders of a snapshot that waits in the folder onto the simulated venue's books, once each."""
    told = None if has_segments(folder) else _waiting(folder, RealDisk())
    if told is None:
        return
    facts = traded_instrument(settings)
    event = _event(told, facts, told["began_ns"])
    store = VenueStore(folder / VENUE, venue_settings(settings, facts))
    try:
        for order in event.orders:
            if store.venue.order_status(order.venue_order_id) is None:
                told_as = f"{_OLD_ID}-{order.position.group}-{order.key.split('/')[-2]}"
                store.venue.rest(order, told_as, told["began_ns"])
    finally:
        store.close()


def waiting_handover(folder: Path, disk: Disk, facts: Instrument, ts_ns: int) -> HandedOver | None:
    """Return the event that hands the folder's snapshot over at `ts_ns`; None when none waits there."""
    told = _waiting(folder, disk)
    return None if told is None else _event(told, facts, ts_ns)


def demo_market(folder: Path, seed: int, ts_ns: int) -> Iterator[PrintColumns]:
    """Yield the built-in market from `ts_ns` on; one that follows a snapshot begins at its last price."""
    told = _waiting(folder, RealDisk())
    price = None if told is None else told["market_price"]
    return prints_from(seed, ts_ns, DOGE_USD if price is None else msgspec.structs.replace(DOGE_USD, price=price))


def _waiting(folder: Path, disk: Disk) -> dict[str, Any] | None:
    if HANDOVER not in disk.names(folder):
        return None
    file = read_grid_file(folder / HANDOVER, disk)
    if not file.trusted:
        raise WorldError(f"{folder / HANDOVER} was edited; take the whole folder away and begin with --from-snapshot")
    return file.document


def _event(told: dict[str, Any], facts: Instrument, ts_ns: int) -> HandedOver:
    snapshot, _ = read_snapshot(told["snapshot"], trusted=True)
    return handed_over(snapshot, facts, SLOTS, told["source"], ts_ns)


def _check_money(event: HandedOver, settings: Settings, facts: Instrument) -> None:
    """Raise OperatorError when the simulated account cannot hold what the orders hold."""
    held = {facts.base: 0, facts.quote: 0}
    for order in event.orders:
        asset, amount = need(facts, Side(order.side), order.limit_ticks, order.lots - order.cum_lots)
        held[asset] += amount
    opening = venue_settings(settings, facts).opening
    for asset, amount in held.items():
        if amount > opening[asset]:
            name = "base" if asset == facts.base else "quote"
            decimals = facts.base_decimals if name == "base" else facts.quote_decimals
            raise OperatorError(
                f"the snapshot's orders hold {amount / 10**decimals:g} {asset}, and the simulated account has"
                f" {opening[asset] / 10**decimals:g}; say what the account had with --set venue.{name}_balance=N"
            )
