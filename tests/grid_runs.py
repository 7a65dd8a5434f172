"""The assembled slot grid over a stretch of market, for scenario tests that compare whole runs with each other."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from millrace.config.load import load_settings
from millrace.config.settings import Settings
from millrace.core.commands import Book, Command, RecordFill, Submit
from millrace.core.events import Event, Operator
from millrace.research.market_files import read_market_file
from millrace.sim.candles import PrintColumns, prints_of_bars
from millrace.sim.market_generator import DAY_NS, day_prints
from millrace.venues.kraken.facts import instrument_facts
from millrace.world.assemble import with_bars
from millrace.world.backtest import Assembled, assemble_backtest, start

MINUTE_NS = 60 * 1_000_000_000
HOUR_NS = 60 * MINUTE_NS
FIRST_DAY = 20_454
"""2026-01-01, where the demo's market begins."""
AFTER_NS = 10_000_000_000
ACTING_SIZER = {
    "sizer.enabled": True,
    "sizer.shadow": False,
    "sizer.min_samples": 4,
    "sizer.min_samples_per_bucket": 2,
    "sizer.full_confidence_samples": 6,
}
ADAPTIVE = {"regime.adx_enabled": True}
REBALANCING = {
    "rebalance.enabled": True,
    "rebalance.idle_basis": "usd_only",
    "rebalance.target_idle_pct": 0.10,
    "rebalance.ema_halflife_sec": 60.0,
    "trend.enabled": True,
    "trend.min_samples": 3,
    "slots.reentry_base_cooldown_sec": 0.0,
}
"""An idle target far below what lies idle at first, so that the skew moves; steps of a look are the contract's."""
MOMENTUM = {"momentum.enabled": True, "momentum.max_defer_sec": 900.0}
STRICT = MOMENTUM | ADAPTIVE | {"momentum.neutral_pct": 0.15, "regime.adx_trending_min": 22.0, "slots.refresh_pct": 0.3}
"""Adaptive, with a dead band so wide that the strict gate of a trend has something to say."""
RELEASING = {
    "slots.refresh_pct": 0.1,
    "slots.entry_pct": 0.05,
    "slots.profit_pct": 3.0,
    "slots.volatility_auto_profit": False,
    "slots.daily_loss_limit_usd": 0.0,
    "release.auto_enabled": True,
    "release.min_age_sec": 7_200.0,
    "release.panic_min_age_sec": 3_600.0,
    "release.min_distance_pct": 1.0,
    "release.adx_threshold": 20.0,
    "release.max_stuck_pct": 5.0,
    "release.panic_stuck_pct": 13.0,
    "release.recovery_target_pct": 10.0,
    "release.batch_max": 2,
}
USD_STICKY = {"slots.sticky_mode_enabled": True, "slots.order_size_mode": "USD", "slots.order_size_usd": 12.0}


class Request(NamedTuple):
    """What an operator asks for, and when."""

    ts_ns: int
    action: str
    args: dict[str, Any]


class Outcome(NamedTuple):
    """A finished run: the hash, every command with the time of its event, and the parts to look into."""

    command_hash: str
    commands: list[tuple[int, Command]]
    assembled: Assembled

    def count(self, kind: type) -> int:
        return sum(isinstance(command, kind) for _, command in self.commands)

    @property
    def sent(self) -> int:
        return self.count(Submit)

    @property
    def fills(self) -> int:
        return self.count(RecordFill)

    @property
    def booked(self) -> int:
        return self.count(Book)


def settings_for(profile: str, changes: Mapping[str, Any] | None = None, bar_ns: int = MINUTE_NS) -> Settings:
    """Return a profile's settings with changes, as a run over bars of this length has them."""
    return with_bars(load_settings(profile=profile, overrides=dict(changes or {})), bar_ns)


def recording(shared: Path, settings: Settings, name: str) -> PrintColumns:
    """Return a recording's prints in the ticks of the settings' instrument."""
    return read_market_file(shared / "data/doge_candles" / name, instrument_facts(settings.run.instrument)).columns


def between(columns: PrintColumns, first_ns: int, last_ns: int) -> PrintColumns:
    """Return the prints of [first_ns, last_ns)."""
    first, last = np.searchsorted(columns.ts_ns, (first_ns, last_ns))
    rows = (columns.ts_ns, columns.ticks, columns.lots, columns.bar, columns.bar_lots)
    return PrintColumns(*(column[first:last] for column in rows))


def generated(seed: int, hours: float, day: int = FIRST_DAY, from_hour: float = 0.0) -> PrintColumns:
    """Return hours of the built-in market."""
    days = [day_prints(seed, day + place) for place in range(int((from_hour + hours) // 24) + 1)]
    rows = zip(*((part.ts_ns, part.ticks, part.lots, part.bar, part.bar_lots) for part in days), strict=True)
    first_ns = day * DAY_NS + round(from_hour * HOUR_NS)
    return between(PrintColumns(*map(np.concatenate, rows)), first_ns, first_ns + round(hours * HOUR_NS))


def minutes(seed: int, hours: float, volume: float = 500_000.0) -> PrintColumns:
    """Return minute bars of a restless market near 0.17 USD, so that prints stand on the loops' own times."""
    rng = np.random.default_rng(seed)
    count = round(hours * 60)
    close = 0.17 * np.exp(np.cumsum(rng.normal(0.0, 0.0012, count)))
    open_ = np.concatenate(([0.17], close[:-1]))
    prices = (open_, np.maximum(open_, close) * 1.0008, np.minimum(open_, close) * 0.9992, close)
    ticks = [np.rint(price * 1e7).astype(np.int64) for price in prices]
    first_ns = FIRST_DAY * DAY_NS + 20 * HOUR_NS
    ts_ns = first_ns + np.arange(count, dtype=np.int64) * MINUTE_NS
    lots = np.rint(rng.uniform(0.1, 1.0, count) * volume * 1e8).astype(np.int64)
    return prints_of_bars(ts_ns, *ticks, lots, MINUTE_NS)


def prepared(settings: Settings, columns: PrintColumns, *, lazy: bool) -> tuple[Assembled, list[tuple[int, Command]]]:
    """Return a started program and the list that its commands will be in."""
    assembled = assemble_backtest(settings, columns, lazy=lazy)
    commands: list[tuple[int, Command]] = []

    def listen(event: Event, made: list[Command]) -> None:
        assert assembled.program.engine.fault is None, assembled.program.engine.fault
        commands.extend((event.ts_ns, command) for command in made)

    assembled.simulation.sequencer.listen(listen)
    start(settings, assembled, int(columns.ts_ns[0]) - 1)
    return assembled, commands


def played(settings: Settings, columns: PrintColumns, requests: Sequence[Request] = (), *, lazy: bool) -> Outcome:
    """Return the whole run over the columns."""
    assembled, commands = prepared(settings, columns, lazy=lazy)
    simulation = assembled.simulation
    for request in requests:
        simulation.line.push(request.ts_ns, "event", Operator(request.action, request.args, request.ts_ns))
    simulation.run_until(int(columns.ts_ns[-1]) + AFTER_NS)
    return Outcome(assembled.program.engine.command_hash.hex(), commands, assembled)


def first_difference(ones: Sequence[tuple[int, Command]], others: Sequence[tuple[int, Command]]) -> str | None:
    """Return the first command that two runs do not share, as text with what came before it; None when all are."""
    for place, (one, other) in enumerate(zip_longest(ones, others)):
        if one != other:
            before = "\n".join(f"  both   {shown}" for shown in ones[max(0, place - 5) : place])
            return f"command {place} of {len(ones)} and {len(others)}:\n{before}\n  one    {one}\n  other  {other}"
    return None


def assert_same(one: Outcome, other: Outcome) -> None:
    """Compare commands with a readable difference, then the hashes that stand for them."""
    difference = first_difference(one.commands, other.commands)
    assert difference is None, difference
    assert one.command_hash == other.command_hash


def assert_lazy_is_exact(settings: Settings, columns: PrintColumns, requests: Sequence[Request] = ()) -> Outcome:
    """Run skipping and waking on everything, compare, and return the skipping run."""
    lazy = played(settings, columns, requests, lazy=True)
    assert_same(lazy, played(settings, columns, requests, lazy=False))
    return lazy
