"""The slot grid as the engine sees it: events in, intents out (slots 4; design section 3).

The strategy acts on news of its orders at once and does everything else in its loop, at multiples of the poll interval.
Which loops have work is a function of the state (`schedule`), so the engine may skip the others, and every print that
no slot's bounds can notice, without changing a decision.
"""

from typing import Any

from millrace.core.binary_events import BINARY_EVENTS
from millrace.core.commands import Intent, Lift, OrderUpdate, Post, Refused
from millrace.core.events import (
    BalanceReport,
    ConfigApplied,
    Event,
    LedgerSummed,
    OpenOrdersReport,
    Operator,
    Print,
    Started,
    Timer,
)
from millrace.core.instrument import Instrument
from millrace.core.permission import Level
from millrace.core.recovery_events import HandedOver
from millrace.core.strategy import Bound, Field, Interest, SeriesSpec, View
from millrace.core.trouble_events import CallWaited
from millrace.strategies.slots.books.audit_action import audited
from millrace.strategies.slots.entry_size.idle_money import rebalance
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.grid_state import restore_grid, snapshot_grid
from millrace.strategies.slots.handover.take_over import take_over
from millrace.strategies.slots.loop import run_loop
from millrace.strategies.slots.news import balance_news, order_news, refused
from millrace.strategies.slots.operator import removal
from millrace.strategies.slots.operator.actions import operate
from millrace.strategies.slots.operator.stickiness import follow_settings
from millrace.strategies.slots.release.flow import time_out
from millrace.strategies.slots.release.tiers import run_tiers, watch_tiers
from millrace.strategies.slots.settings import SlotsSettings
from millrace.strategies.slots.signals.direction import BAR_NS
from millrace.strategies.slots.signals.momentum_gate import look_at_waits
from millrace.strategies.slots.signals.volatility import SAMPLES_USED
from millrace.strategies.slots.slot import NEVER_NS
from millrace.strategies.slots.stages.stage_record import note_stage
from millrace.strategies.slots.telemetry.status import grid_status
from millrace.strategies.slots.telemetry.vintage_day import book_day, day_due_ns
from millrace.strategies.slots.telemetry.watch import note_band, watch_balances, watch_open_orders
from millrace.strategies.slots.turn import Turn

_BARS_KEPT = 600


class SlotGrid:
    """One grid on one instrument; implements the kernel's `Strategy`."""

    ignores = (*BINARY_EVENTS, CallWaited)

    def __init__(self, name: str, instrument: Instrument, settings: SlotsSettings) -> None:
        self.name = name
        self.venues = frozenset({instrument.id.venue})
        self.grid = Grid(name, instrument, settings)
        self._now_ns = 0
        for _ in range(settings.count):
            self.grid.add_slot()

    def series(self) -> tuple[SeriesSpec, ...]:
        """Return the price samples of the profit target and the 5-minute bars of the direction label."""
        grid = self.grid
        return (
            SeriesSpec(
                instrument=grid.instrument.id,
                sample_ns=grid.loop_ns,
                samples_kept=SAMPLES_USED,
                sample_max_age_ns=grid.stale_ns,
                bar_ns=BAR_NS,
                bars_kept=_BARS_KEPT,
            ),
        )

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        """Return what the grid wants after this event."""
        self._now_ns = view.now_ns
        grid = self.grid
        turn = Turn(view, self.name, grid.instrument, grid.stale_ns)
        if turn.standing.level != grid.level:
            grid.level = turn.standing.level
            grid.wake_all()
        grid.adapt(turn)
        if isinstance(event, Print):
            if grid.stale_wait or grid.is_outside(turn.ticks):
                grid.stale_wait = False
                grid.loop_wanted = True
        elif isinstance(event, OrderUpdate):
            order_news(grid, turn, event)
            removal.carry_on(grid, turn)
            note_band(grid, turn)
        elif isinstance(event, Timer):
            self._timer(event, turn)
        elif isinstance(event, BalanceReport):
            balance_news(grid, turn)
            watch_balances(grid, turn)
        else:
            self._other(event, turn)
        if not isinstance(event, Print):
            # Prints may be skipped, so no time may hang on one.
            grid.sides.look(turn.now_ns, trading=turn.standing.level < Level.REDUCE_ONLY)
            watch_tiers(grid, turn)
        if any(isinstance(intent, Post | Lift) for intent in turn.out):
            # The level that follows shows from the next event on, whichever that is: have it looked at in any case.
            grid.wake_all()
        return turn.out

    def _loop(self, turn: Turn, ts_ns: int) -> None:
        """Do what stands at a loop's time, in the contract's order (slots 4.1)."""
        grid = self.grid
        grid.last_loop_ns = ts_ns
        grid.loop_wanted = False
        grid.check_loss_lock(turn)
        book_day(grid, turn)
        if grid.idle.due_ns <= turn.now_ns:
            rebalance(grid, turn)
        look_at_waits(grid, turn)
        run_loop(grid, turn)
        run_tiers(grid, turn)

    def _timer(self, event: Timer, turn: Turn) -> None:
        if self.grid.releases:
            time_out(self.grid, turn)
        if event.ts_ns % self.grid.loop_ns == 0:
            self._loop(turn, event.ts_ns)
            removal.carry_on(self.grid, turn)

    def _other(self, event: Event | Refused, turn: Turn) -> None:
        if isinstance(event, OpenOrdersReport):
            watch_open_orders(self.grid, turn)
        elif isinstance(event, Refused):
            refused(self.grid, turn, event)
        elif isinstance(event, Operator):
            operate(self.grid, turn, event)
            note_stage(self.grid, turn)
        elif isinstance(event, LedgerSummed):
            audited(self.grid, turn, event)
        elif isinstance(event, ConfigApplied):
            self.grid.reconfigured(event.changed)
            follow_settings(self.grid, turn, event.changed)
            note_stage(self.grid, turn)
        elif isinstance(event, HandedOver):
            if event.strategy == self.name:
                take_over(self.grid, turn, event)
                note_stage(self.grid, turn)
        elif isinstance(event, Started):
            if event.restart:
                self.grid.windows.clear()
                self.grid.band_clock.clear()
            self.grid.wake_all()
            note_stage(self.grid, turn)

    def interest(self) -> Interest:
        """Return the tightest price bounds of all slots and the next loop that has work."""
        grid = self.grid
        instrument = grid.instrument.id
        heartbeat_ns = grid.next_loop_ns(self._now_ns)
        rare_ns = min(grid.lock_due_ns(), day_due_ns(grid), grid.idle_due_ns(), grid.momentum.look_ns)
        watch_ns = min(grid.low_headroom_due_ns(), grid.sides.due_ns, removal.due_ns(grid), rare_ns)
        if grid.stale_wait:
            bounds: tuple[Bound, ...] = (Bound(instrument, Field.LAST, below=False, ticks=0),)
        elif grid.loop_wanted or grid.dirty:
            bounds, watch_ns = (), heartbeat_ns
        else:
            low, high, due_ns = grid.outlook()
            watch_ns = min(watch_ns, due_ns)
            bounds = (
                Bound(instrument, Field.LAST, below=True, ticks=low),
                Bound(instrument, Field.LAST, below=False, ticks=high),
            )
        deadline_ns = None if watch_ns == NEVER_NS else max(watch_ns, heartbeat_ns)
        if grid.releases:
            # A cancel's patience ends between two loops; it is awaited whether or not loops are passed over.
            until_ns = max(grid.releases.until_ns(), self._now_ns)
            heartbeat_ns = min(heartbeat_ns, until_ns)
            deadline_ns = until_ns if deadline_ns is None else min(deadline_ns, until_ns)
        return Interest(bounds, deadline_ns, heartbeat_ns)

    def snapshot(self) -> dict[str, Any]:
        """Return the grid's whole state as builtins."""
        return snapshot_grid(self.grid) | {"now_ns": self._now_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        restore_grid(self.grid, state)
        self._now_ns = state["now_ns"]

    def status(self, view: View) -> dict[str, Any]:
        """Return what a person wants to see of the grid; strict JSON."""
        return grid_status(self.grid, Turn(view, self.name, self.grid.instrument, self.grid.stale_ns))
