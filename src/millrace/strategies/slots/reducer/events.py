"""What a slot hears: prices, timers, fills and ends of its orders, and releases.

A `Fill` is a finished order derived from cumulative progress; `PartFill` carries the cumulative values of an order that
is still open. A negative `local_id` means the recovery with that number (the convention of the cancel action). Every
timestamp is in float seconds; one that goes backwards counts as "now" (slots 1.2).
"""

from typing import Literal

import msgspec

from millrace.strategies.slots.reducer.model import Side


class PriceTick(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The market traded or quoted at `price` (USD per unit)."""

    price: float
    ts: float


class TimerTick(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Time passed."""

    ts: float


class Fill(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An order finished with `volume` units executed at average `price`; `fee` in USD for all of it."""

    local_id: int
    txid: str
    side: Side
    price: float
    volume: float
    fee: float
    ts: float


class RecoveryFill(msgspec.Struct, frozen=True, gc=False, tag=True):
    """A recovery finished with `volume` units executed at average `price`."""

    recovery_id: int
    txid: str
    side: Side
    price: float
    volume: float
    fee: float
    ts: float


class RecoveryCancel(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Somebody cancelled a recovery on purpose; its record goes unless something had executed."""

    recovery_id: int
    txid: str
    ts: float


class PartFill(msgspec.Struct, frozen=True, gc=False, tag=True):
    """An open order's cumulative executed volume, cost (USD) and fee (USD) so far (slots 6.4)."""

    local_id: int
    txid: str
    exec_volume: float
    exec_cost: float
    exec_fee: float
    ts: float


class OrderEnded(msgspec.Struct, frozen=True, gc=False, tag=True):
    """The venue ended an order that need not be filled; the executed values are cumulative (slots 6)."""

    local_id: int
    txid: str
    status: Literal["canceled", "expired", "closed"]
    exec_volume: float
    avg_price: float
    fee: float
    ts: float


class Release(msgspec.Struct, frozen=True, gc=False, tag=True):
    """Write an exit's unexecuted remainder off at `mark`; the fee is estimated when None (slots 2.9).

    The venue's order must have ended before, and its part fill, if any, been told by a `PartFill`.
    """

    local_id: int
    mark: float
    fee: float | None
    ts: float
    reason: str = ""


Event = PriceTick | TimerTick | Fill | RecoveryFill | RecoveryCancel | PartFill | OrderEnded | Release
