"""Slots 12.3 in the assembled program: an independent reading of the tape says which entries may have left."""

from collections.abc import Iterator

import numpy as np
import pytest

import grid_runs as grid
from millrace.core.commands import Alert, CancelOrder, Submit
from millrace.core.events import Timer

BAR_NS = 300 * 1_000_000_000
DOGE_1M = "bybit_DOGEUSDT_1m_2025-06.parquet"
FAST, SLOW = 5, 20


def averages(closes: np.ndarray, bars: int) -> np.ndarray:
    """Return the average after each bar, by the recursion's closed form; NaN before the seed."""
    out = np.full(len(closes), np.nan)
    out[bars - 1] = closes[:bars].mean()
    for place in range(bars, len(closes)):
        out[place] = out[place - 1] * (bars - 1) / (bars + 1) + closes[place] * 2 / (bars + 1)
    return out


def signals(columns) -> dict[int, int]:
    """Return the sign of the averages by the number of the bar that has just closed."""
    index = columns.ts_ns // BAR_NS
    last = np.flatnonzero(np.diff(index, append=index[-1] + 1))
    closes = columns.ticks[last].astype(float)
    assert np.all(np.diff(index[last]) == 1), "the stretch has no holes"
    gap = averages(closes, FAST) - averages(closes, SLOW)
    gap[: 2 * SLOW - 1] = 0.0
    return {int(bar): int(np.sign(value)) for bar, value in zip(index[last], gap, strict=True)}


def new_entries(outcome: grid.Outcome) -> Iterator[tuple[int, str, str]]:
    """Yield (time, slot, leg) of entries that neither take a drifted one's place nor are sent a second time."""
    moving: set[tuple[str, str]] = set()
    placed = {}
    for ts_ns, command in outcome.commands:
        if isinstance(command, Submit) and not command.order.order.reduces:
            order = command.order
            place = order.order.position.group, order.order.position.leg
            placed[order.client_id] = place
            if place not in moving and order.order.key.endswith("/a1"):
                yield ts_ns, *place
            moving.discard(place)
        elif isinstance(command, CancelOrder) and command.reason == "stale_entry":
            moving.add(placed[command.client_id])


def against(outcome: grid.Outcome, said: dict[int, int]) -> list[tuple[int, str, str]]:
    """Return the new entries that the market ran against when they left."""
    return [row for row in new_entries(outcome) if said.get(row[0] // BAR_NS - 1, 0) == (1 if row[2] == "A" else -1)]


@pytest.fixture(scope="module")
def tape(shared):
    settings = grid.settings_for("demo")
    columns = grid.recording(shared, settings, DOGE_1M)
    first_ns = int(columns.ts_ns[0]) + 4 * 24 * grid.HOUR_NS
    return grid.between(columns, first_ns, first_ns + 48 * grid.HOUR_NS)


def test_12_3_no_new_entry_leaves_against_the_market_and_without_the_gate_some_do(tape):
    """Some, not many: a sell entry follows a buy exit, and that fills in a falling market, which lets sells go."""
    said = signals(tape)
    free = grid.played(grid.settings_for("demo"), tape, lazy=True)
    gated = grid.played(grid.settings_for("demo", {"momentum.enabled": True}), tape, lazy=True)
    assert len(against(free, said)) >= 20
    overridden = [command.text for _, command in gated.commands if isinstance(command, Alert)]
    assert not any("both legs go out" in text for text in overridden)
    assert against(gated, said) == []
    assert gated.fills > 200
    assert gated.assembled.program.grid.grid.violations == 0
    skewed = grid.played(grid.settings_for("demo", {"momentum.enabled": True} | grid.REBALANCING), tape, lazy=True)
    assert against(skewed, said) == [], "how much is another part's business (slots 12.3)"


def test_12_4_the_shadow_gate_names_those_very_entries(tape):
    """The stamp of each placed entry is the word of the independent reading."""
    said = signals(tape)
    assembled, commands = grid.prepared(grid.settings_for("demo"), tape, lazy=True)
    assembled.simulation.run_until(int(tape.ts_ns[-1]))
    outcome = grid.Outcome("", commands, assembled)
    left = {(slot, leg): ts_ns for ts_ns, slot, leg in new_entries(outcome)}
    checked = 0
    for slot in assembled.program.grid.grid.slots.values():
        for order in slot.state.orders:
            ts_ns = left.get((f"slot{slot.slot_id}", order.trade_id))
            if ts_ns is not None:
                want = said.get(ts_ns // BAR_NS - 1, 0) == (1 if order.trade_id == "A" else -1)
                assert order.would_defer == want
                checked += 1
    assert checked > 80


def test_12_6_fresh_entries_stand_at_the_distances_of_the_table_and_nowhere_else(tape):
    outcome = grid.played(grid.settings_for("demo", grid.ADAPTIVE), tape, lazy=True)
    distances = set()
    for ts_ns, command in outcome.commands:
        if isinstance(command, Submit) and not command.order.order.reduces:
            market = tape.ticks[np.searchsorted(tape.ts_ns, ts_ns, side="right") - 1]
            distances.add(round(abs(command.order.order.limit_ticks / market - 1.0) * 100.0, 2))
    assert distances == {0.2, 0.25, 0.35, 0.5}, "0.2 until the index is warm"


def test_a_grid_that_waits_for_momentum_wakes_at_bars_and_not_at_loops(tape):
    """Design section 9: a leg that is kept back costs one look per bar."""
    wakes = {}
    for name, changes in (("free", {}), ("gated", {"momentum.enabled": True})):
        assembled, _ = grid.prepared(grid.settings_for("demo", changes), tape, lazy=True)
        seen: list[Timer] = []
        assembled.simulation.sequencer.listen(
            lambda event, _, seen=seen: seen.append(event) if isinstance(event, Timer) else None
        )
        assembled.simulation.run_until(int(tape.ts_ns[-1]))
        wakes[name] = len(seen)
    assert wakes["gated"] < wakes["free"] + 48 * 12 + 100
