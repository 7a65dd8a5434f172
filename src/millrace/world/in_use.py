"""The settings that the parts of a running program hold, under the keys of the configuration.

This is what an answer to a change is read from: not the configuration that was applied, but the objects that decide
with it. A key that no part of the core holds (a venue's assumptions, a file's name) is not in it.
"""

from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from millrace.core.events import Scalar
from millrace.risk.drawdown import Drawdown
from millrace.risk.exposure_guard import ExposureGuard
from millrace.risk.failure_caps import FailureCaps
from millrace.risk.loss_cap import LossCap
from millrace.strategies.slots.strategy import SlotGrid
from millrace.world.assemble import Program

DIFFERS: Final = "parts differ"
"""Stands for a value of which two parts hold different ones."""
_SLOTS: Final = {"throughput": "sizer"}
"""Parts of the grid's record whose section of the configuration has another name."""


def in_use(program: Program) -> dict[str, Scalar]:
    """Return every setting that a part in use holds; one that two of them hold differently is `DIFFERS`."""
    found: dict[str, Scalar] = {}
    for key, value in _held(program):
        if found.setdefault(key, value) != value:
            found[key] = DIFFERS
    return found


def _held(program: Program) -> Iterator[tuple[str, Scalar]]:
    if program.slots is not None:
        yield from _of_grid(program.slots)
    if program.desk is not None:
        yield from _sections("arb", program.desk.settings)
    if program.quotes is not None:
        yield from _sections("quoting", program.quotes.settings)
        yield from _rows("quoting", program.quotes.pace)
    for guard in program.engine.guards:
        if isinstance(guard, FailureCaps | LossCap | Drawdown):
            yield from _rows("stops", guard.settings)
        elif isinstance(guard, ExposureGuard):
            yield from _rows("arb_exposure", guard.settings)
    yield from _rows("slo", program.latency.slos.settings)


def _of_grid(slots: SlotGrid) -> Iterator[tuple[str, Scalar]]:
    grid = slots.grid
    by_hand: Mapping[str, Scalar] = {"entry_pct": grid.entry_pct, "profit_pct": grid.profit_pct}
    for name in grid.settings.__struct_fields__:
        value = getattr(grid.settings, name)
        if isinstance(value, msgspec.Struct):
            yield from _rows(_SLOTS.get(name, name), value)
        else:
            yield f"slots.{name}", by_hand.get(name, value)


def _sections(prefix: str, record: msgspec.Struct) -> Iterator[tuple[str, Scalar]]:
    for name in record.__struct_fields__:
        part = getattr(record, name)
        if isinstance(part, msgspec.Struct):
            yield from _rows(f"{prefix}_{name}", part)


def _rows(section: str, record: msgspec.Struct) -> Iterator[tuple[str, Scalar]]:
    for name in record.__struct_fields__:
        yield f"{section}.{name}", getattr(record, name)
