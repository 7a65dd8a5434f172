"""What a run did, collected as it happens: fills, round trips, open orders, alerts.

A listener of the sequencer: it looks at commands only, never at the engine's inside, so that a report says what was
decided and booked and nothing else.
"""

from typing import NamedTuple

from millrace.core.commands import Alert, Book, Command, OrderState, RecordFill, RecordOrder, Submit
from millrace.core.engine import Engine
from millrace.core.events import Event, Scalar
from millrace.core.instrument import InstrumentId


class BookedFill(NamedTuple):
    """One increment: time, slot and leg names, side text, whether it opens, and exact lots, cost and fee."""

    ts_ns: int
    group: str
    leg: str
    side: str
    is_entry: bool
    lots: int
    cost: int
    fee: int


_ENTRY_SIDE = {"A": "sell", "B": "buy"}


class RunRecord:
    """Grows with fills, not with market data."""

    def __init__(self, engine: Engine, instrument: InstrumentId) -> None:
        self.fills: list[BookedFill] = []
        self.cycles: list[dict[str, Scalar]] = []
        self.open_orders: list[tuple[int, int]] = []
        self.alerts: list[Alert] = []
        self.orders_sent = 0
        self.orders_filled = 0
        self.orders_rejected = 0
        self.max_open_orders = 0
        self._engine = engine
        self._instrument = instrument
        self._live = -1

    def step(self, event: Event, commands: list[Command]) -> None:
        """Take in one step of the engine."""
        if not commands:
            return
        for command in commands:
            if isinstance(command, RecordOrder):
                self._order(command)
            elif isinstance(command, RecordFill):
                self._fill(command)
            elif isinstance(command, Submit):
                self.orders_sent += 1
            elif isinstance(command, Book):
                if command.kind == "cycle":
                    self.cycles.append(command.values)
            elif isinstance(command, Alert):
                self.alerts.append(command)
        live = self._engine.live_orders(self._instrument)
        if live != self._live:
            self._live = live
            self.max_open_orders = max(self.max_open_orders, live)
            self.open_orders.append((event.ts_ns, live))

    def _order(self, command: RecordOrder) -> None:
        if command.state is OrderState.FILLED:
            self.orders_filled += 1
        elif command.state is OrderState.REJECTED:
            self.orders_rejected += 1

    def _fill(self, command: RecordFill) -> None:
        place = command.position
        side = command.side.value
        is_entry = side == _ENTRY_SIDE.get(place.leg)
        self.fills.append(
            BookedFill(command.ts_ns, place.group, place.leg, side, is_entry, command.lots, command.cost, command.fee)
        )
