"""Whether forecasts come true: each prediction beside what became of it, by venue, lane and style (arb 8.7).

A desk that does not compare its fill chances and its profits with what happened cannot say how sure it is of an edge;
the error measured here goes into the shrinkage of sizes. A prediction without an outcome counts as that and is shown.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import msgspec

from millrace.strategies.arb.economics.settings import EconomicsSettings

_BINS = 5


class Forecast(msgspec.Struct, frozen=True):
    """One prediction and its outcome, dollars per basket; `filled` None: nothing ever became of it."""

    intent: str
    group: str
    fill_probability: float
    slippage: float
    profit: float
    filled: bool | None = None
    real_slippage: float = 0.0
    real_profit: float = 0.0


class Calibration(NamedTuple):
    """How forecasts of one group did; biases are forecast less outcome. None of it counts below the least number."""

    group: str
    known: int
    open_or_lost: int
    fill_bias: float
    fill_error: float
    brier: float
    slippage_bias: float
    profit_bias: float
    bins: tuple[tuple[float, float, int], ...]
    alerts: tuple[str, ...]


class _Saved(msgspec.Struct):
    waiting: list[Forecast]
    done: dict[str, list[Forecast]]
    told: list[str]


class CalibrationBook:
    """The last forecasts of each group; bounded by the window."""

    def __init__(self, settings: EconomicsSettings) -> None:
        self._settings = settings
        self._waiting: dict[str, Forecast] = {}
        self._done: dict[str, list[Forecast]] = {}
        self._told: list[str] = []

    def predicted(self, forecast: Forecast) -> None:
        """Take a prediction; a window's worth of later ones turns it stale, which is reported."""
        self._waiting[forecast.intent] = forecast
        while len(self._waiting) > self._settings.calibration_window:
            self._keep(self._waiting.pop(next(iter(self._waiting))))

    def came(self, intent: str, *, filled: bool, slippage: float, profit: float) -> None:
        """Take an outcome; one that nobody predicted is ignored."""
        forecast = self._waiting.pop(intent, None)
        if forecast is not None:
            self._keep(msgspec.structs.replace(forecast, filled=filled, real_slippage=slippage, real_profit=profit))

    def _keep(self, forecast: Forecast) -> None:
        rows = [*self._done.get(forecast.group, []), forecast]
        self._done[forecast.group] = rows[-self._settings.calibration_window :]

    def error(self, group: str) -> float:
        """Return the absolute fill bias of a group, 0 while too few outcomes are known: a part of the uncertainty."""
        found = self.report(group)
        return abs(found.fill_bias) if found is not None else 0.0

    def report(self, group: str) -> Calibration | None:
        """Return how a group's forecasts did; None below the least number of outcomes."""
        rows = self._done.get(group, [])
        known = [row for row in rows if row.filled is not None]
        if len(known) < self._settings.calibration_least:
            return None
        n = len(known)
        fill_bias = sum(row.fill_probability - bool(row.filled) for row in known) / n
        slip_bias = sum(row.slippage - row.real_slippage for row in known) / n
        profit_bias = sum(row.profit - row.real_profit for row in known) / n
        limits = self._settings
        tests = (
            ("fill_bias", fill_bias, limits.fill_bias_alert),
            ("slippage_bias", slip_bias, limits.slippage_bias_alert),
            ("pnl_bias", profit_bias, limits.pnl_bias_alert),
        )
        return Calibration(
            group=group,
            known=n,
            open_or_lost=len(rows) - n + sum(row.group == group for row in self._waiting.values()),
            fill_bias=fill_bias,
            fill_error=sum(abs(row.fill_probability - bool(row.filled)) for row in known) / n,
            brier=sum((row.fill_probability - bool(row.filled)) ** 2 for row in known) / n,
            slippage_bias=slip_bias,
            profit_bias=profit_bias,
            bins=_reliability(known),
            alerts=tuple(name for name, bias, limit in tests if abs(bias) > limit),
        )

    def reports(self) -> list[Calibration]:
        """Return the report of every group that has one, in the order of their names."""
        found = [self.report(group) for group in sorted(self._done)]
        return [report for report in found if report is not None]

    def new_alerts(self) -> tuple[str, ...]:
        """Return biases that passed their limits since they were last within them, each once."""
        found = [f"{report.group}: {name}" for report in self.reports() for name in report.alerts]
        fresh = tuple(text for text in found if text not in self._told)
        self._told = found
        return fresh

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(list(self._waiting.values()), self._done, self._told))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._waiting = {forecast.intent: forecast for forecast in saved.waiting}
        self._done, self._told = saved.done, saved.told


def _reliability(known: Sequence[Forecast]) -> tuple[tuple[float, float, int], ...]:
    """Return (mean forecast, share filled, count) of each fifth of the probabilities that has any."""
    bins: list[list[Forecast]] = [[] for _ in range(_BINS)]
    for row in known:
        bins[min(int(row.fill_probability * _BINS), _BINS - 1)].append(row)
    return tuple(
        (
            sum(row.fill_probability for row in rows) / len(rows),
            sum(bool(row.filled) for row in rows) / len(rows),
            len(rows),
        )
        for rows in bins
        if rows
    )
