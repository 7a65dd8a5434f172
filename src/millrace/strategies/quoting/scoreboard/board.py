"""One score for each symbol, from what its windows brought lately.

For trading, a symbol's averages are of the samples within the rolling window, each counting half as much for every
half-life that it is old, so a busy symbol forgets no faster than a quiet one. The reference forgets by sample and
counts every call; its averages are here too, for the golden vectors. A score needs enough samples that carried a
profit; after two windows without any sample the symbol is unknown again (quoting 6).
"""

from collections import deque
from collections.abc import Iterable
from math import exp2
from typing import Any, NamedTuple

import msgspec

from millrace.strategies.quoting.scoreboard.window import ScoreInputs, ScoreWindow
from millrace.strategies.quoting.settings_growth import ScoreboardSettings

UNKNOWN = 0.5
"""The score of a symbol of which nothing is known."""
WINDOW_MS = 5_000
"""One sample is what so much time brought."""
_MOST_SAMPLES = 4_096
_MS_IN_SECOND = 1_000
_NET_RANGE_BPS = 20.0
_SLIPPAGE_RANGE_BPS = 5.0

Means = tuple[float | None, ...]
_NOTHING: Means = (None,) * 5


class SymbolScore(msgspec.Struct, frozen=True):
    """A symbol's score in [0, 1], None while unknown, and what it is made of.

    `effective` is what the allocator reads: drawn towards the middle while samples are few. `samples` are those within
    the rolling window that carried a profit, `net_samples` all of them ever, `ticks` the windows of any kind.
    """

    score: float | None
    effective: float
    samples: int
    net_samples: int
    ticks: int
    net_bps: float | None
    fill_rate: float | None
    slippage_bps: float | None
    queue_edge: float | None
    adverse_penalty: float | None


class _Sample(NamedTuple):
    ms: int
    values: ScoreInputs


class _Record:
    """What is kept of one symbol; which of the two averages is used, the settings say."""

    __slots__ = ("averages", "last_ms", "net_samples", "samples", "ticks")

    def __init__(self) -> None:
        self.samples: deque[_Sample] = deque()
        self.ticks = 0
        self.net_samples = 0
        self.last_ms = 0
        self.averages: Means = _NOTHING


class Scoreboard:
    """The scores of all symbols of a desk. Times are integer ms and do not run back."""

    def __init__(self, settings: ScoreboardSettings, symbols: Iterable[str] = ()) -> None:
        self._settings = settings
        self._by_time = settings.alpha_mode == "time"
        self._window_ms = settings.rolling_window_sec * _MS_IN_SECOND
        self._half_life_ms = settings.half_life_sec * _MS_IN_SECOND
        self._weights = (
            settings.weight_net,
            settings.weight_fill,
            settings.weight_slippage,
            settings.weight_queue,
            settings.weight_adverse,
        )
        self._records: dict[str, _Record] = {symbol: _Record() for symbol in symbols}
        self._gathering: dict[str, ScoreWindow] = {symbol: ScoreWindow() for symbol in symbols}
        self._closed: dict[str, int] = {}

    def window(self, symbol: str) -> ScoreWindow:
        """Return the window that gathers what a symbol does now."""
        return self._gathering.setdefault(symbol, ScoreWindow())

    def roll(self, symbol: str, now_ms: int, total: int, traded: int) -> None:
        """Close a symbol's window when its time is over; profit and turnover so far are in value units."""
        cell = now_ms // WINDOW_MS
        closed = self._closed.setdefault(symbol, cell)
        if cell > closed:
            self._closed[symbol] = cell
            self.observe(symbol, self.window(symbol).close(total, traded, self._settings.winsor_bps), now_ms)

    def observe(self, symbol: str, inputs: ScoreInputs, now_ms: int) -> None:
        """Take one sample of a symbol."""
        record = self._records.setdefault(symbol, _Record())
        record.ticks += 1
        record.net_samples += inputs.net_bps is not None
        if inputs == _NOTHING:
            return
        if not self._by_time:  # averages by time are made when somebody asks: samples come far more often
            record.averages = _sampled(self._averages(record, now_ms), inputs, self._settings.ema_alpha)
        samples, oldest_ms = record.samples, self._oldest_ms(now_ms)
        while samples and (samples[0].ms <= oldest_ms or len(samples) == _MOST_SAMPLES):
            samples.popleft()
        samples.append(_Sample(now_ms, inputs))
        record.last_ms = now_ms

    def _oldest_ms(self, now_ms: int) -> int:
        """Return the time at which, and before which, a sample counts no more."""
        return now_ms - self._window_ms if self._settings.evicts else -1

    def _averages(self, record: _Record, now_ms: int) -> Means:
        """Return a symbol's averages now; after two windows without a sample there are none."""
        if self._settings.evicts and now_ms - record.last_ms >= 2 * self._window_ms:
            return _NOTHING
        if self._by_time:
            oldest_ms = self._oldest_ms(now_ms)
            samples = [sample for sample in record.samples if sample.ms > oldest_ms]
            return self._decayed(samples, now_ms) if samples else self._decayed(record.samples, record.last_ms)
        return record.averages

    def _decayed(self, samples: Iterable[_Sample], now_ms: int) -> Means:
        """Return the means of samples, a sample's weight halved by each half-life of its age."""
        sums, weights = [0.0] * len(_NOTHING), [0.0] * len(_NOTHING)
        for ms, values in samples:
            weight = exp2((ms - now_ms) / self._half_life_ms)
            for index, value in enumerate(values):
                if value is not None:
                    sums[index] += weight * value
                    weights[index] += weight
        return tuple([total / weight if weight else None for total, weight in zip(sums, weights, strict=True)])

    def score(self, symbol: str, now_ms: int) -> SymbolScore:
        """Return a symbol's score at this moment; of one never seen, the unknown. Asking changes nothing."""
        record = self._records.get(symbol)
        if record is None:
            return SymbolScore(None, UNKNOWN, 0, 0, 0, *_NOTHING)
        settings, oldest_ms = self._settings, self._oldest_ms(now_ms)
        averages = self._averages(record, now_ms)
        within = sum([ms > oldest_ms and values.net_bps is not None for ms, values in record.samples])
        counted = within if settings.evicts else record.ticks
        score = self._weighed(averages) if counted >= settings.min_samples else None
        effective = UNKNOWN if score is None else score
        if settings.shrinks:
            effective = UNKNOWN + (effective - UNKNOWN) * within / max(within + settings.shrink_samples, 1)
        return SymbolScore(score, effective, counted, record.net_samples, record.ticks, *averages)

    def scores(self, now_ms: int) -> dict[str, SymbolScore]:
        """Return the scores of all symbols that were named or seen."""
        return {symbol: self.score(symbol, now_ms) for symbol in sorted(self._records)}

    def _weighed(self, averages: Means) -> float | None:
        """Return the weighted mean of the terms that are known; the reference takes unknown averages for 0."""
        known = whole = 0.0
        terms = _terms(averages if self._by_time else tuple([each or 0.0 for each in averages]))
        for weight, term in zip(self._weights, terms, strict=True):
            if term is not None:
                known += weight * term
                whole += weight
        if whole <= 0.0:
            return None
        return known if None not in terms else known / whole

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        records = {
            symbol: {
                "samples": [[ms, *values] for ms, values in record.samples],
                "ticks": record.ticks,
                "net_samples": record.net_samples,
                "last_ms": record.last_ms,
                "averages": list(record.averages),
            }
            for symbol, record in self._records.items()
        }
        gathering = {symbol: window.snapshot() for symbol, window in self._gathering.items()}
        return {"records": records, "gathering": gathering, "closed": dict(self._closed)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for symbol, saved in state["records"].items():
            record = self._records[symbol] = _Record()
            record.samples.extend(_Sample(ms, ScoreInputs(*values)) for ms, *values in saved["samples"])
            record.ticks, record.net_samples = saved["ticks"], saved["net_samples"]
            record.last_ms, record.averages = saved["last_ms"], tuple(saved["averages"])
        for symbol, saved in state["gathering"].items():
            self.window(symbol).restore(saved)
        self._closed = dict(state["closed"])


def _sampled(averages: Means, inputs: ScoreInputs, alpha: float) -> Means:
    """Return the reference's averages after one more sample: the first one sets an average, also where it is 0."""
    return tuple(
        [
            old if value is None else value if old is None else alpha * value + (1.0 - alpha) * old
            for old, value in zip(averages, inputs, strict=True)
        ]
    )


def _terms(averages: Means) -> Means:
    net, fill, slippage, queue, adverse = averages
    return (
        None if net is None else _unit((net + _NET_RANGE_BPS) / (2.0 * _NET_RANGE_BPS)),
        None if fill is None else _unit(fill),
        None if slippage is None else _unit(1.0 - slippage / _SLIPPAGE_RANGE_BPS),
        None if queue is None else _unit(queue),
        None if adverse is None else _unit(1.0 - adverse),
    )


def _unit(value: float) -> float:
    return max(0.0, min(1.0, value))
