"""The demo's market: a seeded DOGE-like tape that can be opened at any day.

Every day is drawn from (seed, day) alone, so a restarted program finds the same market whatever it read before. The
price at midnight is a sum of the last weeks' daily draws with fading weights, which keeps it near its long-run level;
a day's path runs from one midnight to the next. Within the day the market changes between regimes (calm and
ranging, trending, volatile), is quiet for minutes at a time, jumps now and then, and on some days crashes.
"""

from collections.abc import Iterator

import msgspec
import numpy as np
from numpy.typing import NDArray

from millrace.sim.candles import PrintColumns, prints_of_trades

DAY_NS = 86_400_000_000_000
_SEC_NS = 1_000_000_000
_DAY_SEC = 86_400
_MINUTE_SEC = 60
_BPS = 1e-4
_MEMORY_DAYS = 60
_LEVEL_STREAM, _DAY_STREAM = 0, 1
_ROWS_PER_DAY = 1 << 17
"""Room for one day's bars in the numbering of bars; a day has at most one print a second."""

Path = NDArray[np.float64]


class Regime(msgspec.Struct, frozen=True, gc=False):
    """How the market behaves for a while; `drift_bps` is the size of its move per hour, `ranging` undoes it."""

    minute_bps: float
    drift_bps: float
    ranging: bool
    mean_hours: float
    prints_per_sec: float


CALM = Regime(minute_bps=6.0, drift_bps=0.0, ranging=True, mean_hours=1.5, prints_per_sec=0.15)
TREND = Regime(minute_bps=8.0, drift_bps=60.0, ranging=False, mean_hours=1.0, prints_per_sec=0.3)
VOLATILE = Regime(minute_bps=16.0, drift_bps=0.0, ranging=False, mean_hours=0.4, prints_per_sec=0.6)
_REGIMES = (CALM, TREND, VOLATILE)
_REGIME_ODDS = (0.5, 0.35, 0.15)


class MarketShape(msgspec.Struct, frozen=True):
    """The numbers of a generated market; volumes are in base coin, times of quiet in minutes."""

    price: float = 0.17
    price_decimals: int = 7
    tick: int = 1
    lot_decimals: int = 8
    day_bps: float = 300.0
    day_memory: float = 0.9
    bounce_bps: float = 1.0
    median_volume: float = 1_500.0
    volume_spread: float = 1.1
    quiets_per_day: float = 24.0
    quiet_minutes: tuple[int, int] = (2, 12)
    jumps_per_day: float = 2.0
    jump_bps: tuple[float, float] = (30.0, 100.0)
    crash_odds: float = 0.15
    crash_bps: tuple[float, float] = (500.0, 1_100.0)
    crash_minutes: tuple[int, int] = (3, 15)
    recovery_share: float = 0.5
    recovery_hours: float = 3.0


DOGE_USD = MarketShape()
"""The demo's market: near 0.17 USD on a grid of 1e-7."""


def opening_price(seed: int, day_index: int, shape: MarketShape = DOGE_USD) -> float:
    """Return the price at the start of a UTC day (days since 1970)."""
    level = 0.0
    for age in range(_MEMORY_DAYS):
        rng = np.random.default_rng((seed, day_index - age + _MEMORY_DAYS, _LEVEL_STREAM))
        level += shape.day_memory**age * rng.standard_normal()
    return float(shape.price * np.exp(shape.day_bps * _BPS * level))


def day_prints(seed: int, day_index: int, shape: MarketShape = DOGE_USD) -> PrintColumns:
    """Return the prints of a UTC day (days since 1970; negative seeds and days are refused by numpy).

    Each print is its own bar, numbered so that no two days share a number.
    """
    rng = np.random.default_rng((seed, day_index, _DAY_STREAM))
    returns, rate = _regimes(rng)
    returns += _jumps(rng, shape)
    if rng.random() < shape.crash_odds:
        crash = _crash(rng, shape)
        returns += crash
        rate[crash < 0.0] = VOLATILE.prints_per_sec
    path = _between(returns, opening_price(seed, day_index, shape), opening_price(seed, day_index + 1, shape))
    rate[_quiet(rng, shape)] = 0.0
    seconds = np.flatnonzero(rng.random(_DAY_SEC) < rate)
    count = len(seconds)
    bounce = rng.normal(0.0, shape.bounce_bps * _BPS, count)
    price = path[seconds] * np.exp(bounce) * 10.0**shape.price_decimals / shape.tick
    volume = rng.lognormal(np.log(shape.median_volume), shape.volume_spread, count) * 10.0**shape.lot_decimals
    return prints_of_trades(
        ts_ns=day_index * DAY_NS + seconds * _SEC_NS + rng.integers(0, _SEC_NS, count),
        ticks=np.maximum(np.rint(price).astype(np.int64), 1) * shape.tick,
        lots=np.maximum(volume.astype(np.int64), 1),
        first_bar=day_index * _ROWS_PER_DAY,
    )


def prints_from(seed: int, ts_ns: int, shape: MarketShape = DOGE_USD) -> Iterator[PrintColumns]:
    """Yield the market from `ts_ns` on, a day at a time (the first day cut at `ts_ns`), without end."""
    day_index = ts_ns // DAY_NS
    yield day_prints(seed, day_index, shape).since(ts_ns)
    while True:
        day_index += 1
        yield day_prints(seed, day_index, shape)


def _regimes(rng: np.random.Generator) -> tuple[Path, Path]:
    """Return log returns per second and the chance of a print in each second."""
    returns = rng.standard_normal(_DAY_SEC)
    rate = np.empty(_DAY_SEC)
    start = 0
    while start < _DAY_SEC:
        regime = _REGIMES[rng.choice(len(_REGIMES), p=_REGIME_ODDS)]
        hours = regime.mean_hours * (0.3 + rng.exponential(0.7))
        end = min(_DAY_SEC, start + int(hours * 3_600) + _MINUTE_SEC)
        part = returns[start:end]
        part *= regime.minute_bps * _BPS / _MINUTE_SEC**0.5
        if regime.ranging:
            part -= part.mean()
        part += rng.choice((-1.0, 1.0)) * regime.drift_bps * _BPS / 3_600
        rate[start:end] = regime.prints_per_sec
        start = end
    return returns, rate


def _jumps(rng: np.random.Generator, shape: MarketShape) -> Path:
    """Return log returns per second that are 0 but for a few gaps."""
    returns = np.zeros(_DAY_SEC)
    count = rng.poisson(shape.jumps_per_day)
    sizes = rng.uniform(*shape.jump_bps, count) * rng.choice((-1.0, 1.0), count) * _BPS
    np.add.at(returns, rng.integers(0, _DAY_SEC, count), sizes)
    return returns


def _crash(rng: np.random.Generator, shape: MarketShape) -> Path:
    """Return the log returns per second of a fall within minutes and a slow recovery of part of it."""
    returns = np.zeros(_DAY_SEC)
    fall = rng.uniform(*shape.crash_bps) * _BPS
    fall_sec = int(rng.integers(shape.crash_minutes[0], shape.crash_minutes[1] + 1)) * _MINUTE_SEC
    recovery_sec = int(shape.recovery_hours * 3_600)
    start = int(rng.integers(0, _DAY_SEC - fall_sec - recovery_sec))
    end = start + fall_sec
    returns[start:end] = -fall / fall_sec
    returns[end : end + recovery_sec] = fall * shape.recovery_share / recovery_sec
    return returns


def _quiet(rng: np.random.Generator, shape: MarketShape) -> NDArray[np.bool_]:
    """Return which seconds lie in a stretch without prints."""
    quiet = np.zeros(_DAY_SEC, np.bool_)
    for _ in range(rng.poisson(shape.quiets_per_day)):
        start = int(rng.integers(0, _DAY_SEC))
        minutes = int(rng.integers(shape.quiet_minutes[0], shape.quiet_minutes[1] + 1))
        quiet[start : start + minutes * _MINUTE_SEC] = True
    return quiet


def _between(returns: Path, opening: float, closing: float) -> Path:
    """Return the price at each second of a path that starts at `opening` and would next be at `closing`."""
    climbed = np.cumsum(returns)
    missing = np.log(closing / opening) - climbed[-1]
    share = np.arange(1, _DAY_SEC + 1) / _DAY_SEC
    path: Path = opening * np.exp(climbed + missing * share)
    return path
