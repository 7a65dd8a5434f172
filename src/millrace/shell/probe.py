"""Attributes every nanosecond of an order's way to a stage, and counts what became of orders (runtime 2.14, 2.15).

A stage's time is what passed since the stage before it, in the order in which they came, so an order's stages add up to
its whole life exactly. Percentiles are kept for the last minute and for the UTC day in buckets of fixed bounds. The
probe is told and never asked: it listens to the sequencer and is marked by engine and executor.
"""

from collections import deque
from collections.abc import Callable
from typing import Any, NamedTuple

from millrace.core.commands import Command, OrderState, RecordFill, RecordOrder, Submit
from millrace.core.events import Event, OrderRejected, OrderUnknown, RejectReason
from millrace.core.probe import Stage
from millrace.shell.executor import KNOWN_ALREADY
from millrace.shell.metrics import QUANTILES, LogHistogram, Metrics

_SLICE_NS = 10_000_000_000
_SLICES = 6
_DAY_NS = 86_400 * 1_000_000_000
_RECENT = 1_000
_TOTAL = "total"
_ACKED = frozenset({OrderState.OPEN, OrderState.PARTIAL})
Answered = Callable[[str, dict[Stage, int], int], None]
"""Takes a venue, the ns from an order's detection to each stage up to its first answer, and the time of that."""


class OrderStages(NamedTuple):
    """One finished order: (stage, ns since the stage before), and ns from the first stage to the last."""

    client_id: str
    stages: tuple[tuple[Stage, int], ...]
    total_ns: int


class _Times(NamedTuple):
    """When an order was detected, when its last stage was, and what each stage took."""

    first_ns: int
    last_ns: int
    stages: tuple[tuple[Stage, int], ...]


class _Window:
    """Durations of one stage over the last minute, in slices, and over the UTC day."""

    __slots__ = ("day", "day_number", "slices")

    def __init__(self) -> None:
        self.slices: deque[tuple[int, LogHistogram]] = deque(maxlen=_SLICES)
        self.day = LogHistogram()
        self.day_number = 0

    def add(self, value_ns: int, now_ns: int) -> None:
        number = now_ns // _SLICE_NS
        if not self.slices or self.slices[-1][0] != number:
            self.slices.append((number, LogHistogram()))
        self.slices[-1][1].add(value_ns)
        if now_ns // _DAY_NS != self.day_number:
            self.day, self.day_number = LogHistogram(), now_ns // _DAY_NS
        self.day.add(value_ns)

    def minute(self, now_ns: int) -> LogHistogram:
        merged = LogHistogram()
        for number, histogram in self.slices:
            if number > now_ns // _SLICE_NS - _SLICES:
                merged.take(histogram)
        return merged

    def today(self, now_ns: int) -> LogHistogram:
        return self.day if now_ns // _DAY_NS == self.day_number else LogHistogram()


class StageProbe:
    """Implements `core.probe.OrderProbe` for one venue; `clock` is the time now in ns.

    `answered` is told of each order's first answer at its own venue, whatever `venue` calls them together.
    """

    def __init__(
        self, venue: str, clock: Callable[[], int], metrics: Metrics, answered: Answered | None = None
    ) -> None:
        self.recent: deque[OrderStages] = deque(maxlen=_RECENT)
        self._venue = venue
        self._clock = clock
        self._metrics = metrics
        self._answered = answered
        self._orders: dict[str, _Times] = {}
        self._venues: dict[str, str] = {}
        self._windows: dict[str, _Window] = {}
        self._unknown: set[str] = set()
        metrics.gauge("millrace_orders_unknown", lambda: len(self._unknown), venue=venue)

    def mark(self, client_id: str, stage: Stage, at_ns: int | None = None) -> None:
        """Note a stage; an order that was not seen from its beginning is not measured."""
        now_ns = self._clock() if at_ns is None else at_ns
        times = self._orders.get(client_id)
        if times is None:
            if stage is Stage.DETECT:
                self._orders[client_id] = _Times(now_ns, now_ns, ())
            return
        if stage is Stage.DETECT or any(stage is seen for seen, _ in times.stages):
            return
        now_ns = max(now_ns, times.last_ns)
        took_ns = now_ns - times.last_ns
        stages = (*times.stages, (stage, took_ns))
        self._observe(stage.name.lower(), took_ns, now_ns)
        if stage >= Stage.ACK:
            self._first_answer(client_id, times, now_ns)
        if stage is Stage.DONE:
            del self._orders[client_id]
            self.recent.append(OrderStages(client_id, stages, now_ns - times.first_ns))
            self._observe(_TOTAL, now_ns - times.first_ns, now_ns)
        else:
            self._orders[client_id] = _Times(times.first_ns, now_ns, stages)

    def _first_answer(self, client_id: str, times: _Times, now_ns: int) -> None:
        """Tell once how long an order that left took to be answered; one that never left has none."""
        venue = self._venues.pop(client_id, "")
        if self._answered is None or not venue:
            return
        since_ns, passed = 0, {Stage.ACK: now_ns - times.first_ns}
        for stage, took_ns in times.stages:
            since_ns += took_ns
            passed[stage] = since_ns
        if Stage.SEND in passed:
            self._answered(venue, passed, now_ns)

    def drop(self, client_id: str) -> None:
        """Forget an order that the board refused."""
        self._orders.pop(client_id, None)

    def _observe(self, stage: str, took_ns: int, now_ns: int) -> None:
        self._windows.setdefault(stage, _Window()).add(took_ns, now_ns)
        self._metrics.histogram("millrace_order_stage_seconds", venue=self._venue, stage=stage).add(took_ns)

    def step(self, event: Event, commands: list[Command]) -> None:
        """Listen to one step of the sequencer."""
        if isinstance(event, OrderRejected) and event.reason is RejectReason.TOO_OLD:
            self._metrics.add("millrace_commands_expired_total", venue=self._venue)
        elif isinstance(event, OrderUnknown) and event.reason == KNOWN_ALREADY:
            self._metrics.add("millrace_duplicates_dropped_total", where="ledger")
        for command in commands:
            if isinstance(command, Submit):
                if command.order.client_id in self._orders:
                    self._venues[command.order.client_id] = command.order.order.instrument.venue
            elif isinstance(command, RecordFill):
                if command.lots:
                    self.mark(command.client_id, Stage.FIRST_FILL)
            elif isinstance(command, RecordOrder):
                self._moved(command)

    def _moved(self, record: RecordOrder) -> None:
        client_id, state = record.client_id, record.state
        self._metrics.add("millrace_orders_total", venue=self._venue, state=state.value)
        if state is OrderState.UNKNOWN:
            self._unknown.add(client_id)
        elif client_id in self._unknown:
            self._unknown.discard(client_id)
            if state is not OrderState.REJECTED:
                self._metrics.add("millrace_orders_adopted_total", venue=self._venue)
        if state in _ACKED:
            self.mark(client_id, Stage.ACK)
        elif state.is_terminal:
            self.mark(client_id, Stage.DONE)

    def status(self, now_ns: int) -> dict[str, Any]:
        """Return p50, p95 and p99 in ms by stage, over the last 60 s and over the UTC day; None of nothing."""
        return {
            "60s": {stage: _summary(window.minute(now_ns)) for stage, window in self._windows.items()},
            "day": {stage: _summary(window.today(now_ns)) for stage, window in self._windows.items()},
        }


def _summary(histogram: LogHistogram) -> dict[str, float | int | None]:
    found: dict[str, float | int | None] = {"count": histogram.count}
    for name, share in QUANTILES.items():
        value_ns = histogram.quantile_ns(share)
        found[f"{name}_ms"] = None if value_ns is None else value_ns / 1e6
    return found
