"""Real ticks of the quoting pipeline, made once and run as often as a measurement wants (quoting 5.1, 5.2).

What the stages are given comes from books and trades through the same reducers as in the desk, and the orders that they
decide on rest and move as a venue without delay would have it, so every stage has its real work. The rows come from a
recording, or from the generated market where only two versions of the code are compared: what made-up ticks take may
be compared with itself and nothing else.
"""

import platform
from collections.abc import Callable, Iterable, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final, NamedTuple

from msgspec import structs

from millrace.capacity.stage_budgets import LEAST_SAMPLES, STAGES
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import Side
from millrace.core.events import Print
from millrace.core.failure import OperatorError
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.probe import TickProbe
from millrace.market.books.books import Books
from millrace.research.binance_lines import open_recording
from millrace.research.perf_profile import SCHEMA
from millrace.shell.tick_times import CPU_CLOCK, WALL_CLOCK, TickTimes
from millrace.sim.depth.generator import SYMBOLS, DepthMarket
from millrace.sim.depth.market_settings import DepthMarketSettings
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.model import (
    EVEN_ALLOCATION,
    NO_PORTFOLIO,
    Features,
    IntentKind,
    LiveOrder,
    OrderIntent,
)
from millrace.strategies.quoting.pipeline import tick
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.terms import terms_of
from millrace.strategies.quoting.tick_result import SymbolState

Row = BookSnapshot | BookDelta | Print
_MS: Final = 1_000_000
_SECOND_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
EVERY_MS: Final = 100
"""Market time between two ticks of a symbol."""
_FRESH_NS: Final = 250 * _MS
"""A stream that was silent for longer makes no tick: its stages would not run."""
WARM_SECONDS: Final = 30
"""Market time before the first tick: windows are full then and rates known."""
WARM_TICKS: Final = 500
"""Ticks that are run and not counted before a measurement."""
_SEED: Final = 6
_BEGINS_NS: Final = 1_767_225_600_000_000_000
CLOCKS: Final = {"cpu": CPU_CLOCK, "wall": WALL_CLOCK}


class Workload(NamedTuple):
    """Ticks to run: what each is given, without orders of ours; where they come from; how long they span, in ns."""

    ticks: tuple[Features, ...]
    source: str
    span_ns: int

    @property
    def symbols(self) -> int:
        """How many symbols tick."""
        return len({one.terms.symbol for one in self.ticks})

    @property
    def digest(self) -> str:
        """A hash of what the ticks are given: two measurements of other ticks are not compared."""
        seen = sha256()
        for one in self.ticks:
            seen.update(f"{one.terms.symbol} {one.tick} {one.now_ms} {one.microprice!r} {one.depth_bid!r}\n".encode())
        return seen.hexdigest()[:16]


def generated(ticks: int, symbols: int, seed: int = _SEED) -> Workload:
    """Return so many ticks of so many generated symbols; the same ones for the same seed."""
    if not 1 <= symbols <= len(SYMBOLS) or ticks < symbols:
        raise OperatorError(f"{ticks} ticks of {symbols} symbols: there are 1 to {len(SYMBOLS)}, with a tick each")
    market = DepthMarket(seed, SYMBOLS[:symbols], DepthMarketSettings(begins_ns=_BEGINS_NS))
    return prepared(market.rows(_BEGINS_NS), market.instruments, ticks, f"generated:seed {seed}")


def recorded(path: Path, ticks: int) -> Workload:
    """Return the first ticks of a recording; raises OperatorError when it cannot be read or is too short."""
    recording = open_recording(path)
    return prepared(recording.rows(), (recording.instrument,), ticks, f"replay:{path.name}")


def prepared(rows: Iterable[Row], instruments: Sequence[Instrument], ticks: int, source: str) -> Workload:
    """Return the first `ticks` ticks of these rows, a tick of each symbol with a book each 100 ms of market time."""
    settings, books = QuotingSettings.live(), Books()
    reducers = {one.id: SymbolReducer(terms_of(one), settings) for one in instruments}
    for one in instruments:
        books.know(one.id, one.tick)
    found: list[Features] = []
    numbers = dict.fromkeys(reducers, 0)
    next_ns = first_ns = stream_ns = 0
    for row in rows:
        if not next_ns:
            first_ns, next_ns = row.ts_ns, row.ts_ns + WARM_SECONDS * _SECOND_NS
        while row.ts_ns >= next_ns and len(found) < ticks:
            for name, reducer in reducers.items():
                fresh = next_ns - stream_ns <= _FRESH_NS and books.live(name) is not None
                if fresh and len(found) < ticks:
                    numbers[name] += 1
                    reducer.on_alive(stream_ns)
                    found.append(_features(reducer, next_ns // _MS, numbers[name]))
            next_ns += EVERY_MS * _MS
        if len(found) >= ticks:
            break
        _take(row, books, reducers)
        stream_ns = row.ts_ns
    if len(found) < ticks:
        raise OperatorError(f"{source}: there are only {len(found)} ticks in it, and {ticks} are wanted")
    return Workload(tuple(found), source, next_ns - first_ns)


def _take(row: Row, books: Books, reducers: dict[InstrumentId, SymbolReducer]) -> None:
    reducer = reducers.get(row.instrument)
    if reducer is None:
        return
    if isinstance(row, Print):
        reducer.on_trade(row)
    else:
        books.observe(row)
        reducer.on_book(books.live(row.instrument), row.ts_ns)


def _features(reducer: SymbolReducer, now_ms: int, number: int) -> Features:
    position = number * 7 % 401 - 200
    return reducer.features(now_ms, number, (), position, 10_000, NO_PORTFOLIO, EVEN_ALLOCATION)


class _Orders:
    """The orders of one symbol as a venue without delay would have them."""

    def __init__(self) -> None:
        self._live: dict[tuple[Side, int], LiveOrder] = {}

    def live(self) -> tuple[LiveOrder, ...]:
        return tuple(self._live.values())

    def take(self, intents: Sequence[OrderIntent], features: Features) -> None:
        for intent in intents:
            key = (intent.side, intent.level)
            if intent.kind is IntentKind.CANCEL:
                self._live.pop(key, None)
            else:
                book = features.book
                middle2 = 0 if book is None else book.best_bid + book.best_ask
                generation = intent.generation + (intent.kind is IntentKind.PLACE)
                self._live[key] = LiveOrder(
                    *(intent.side, intent.level, generation, intent.ticks, intent.lots, 0, features.now_ms, False),
                    reference_ticks2=middle2,
                    queue_ahead=_resting(features, intent),
                )


def _resting(features: Features, intent: OrderIntent) -> int:
    """Return what rests at an intent's price: it joins behind that."""
    if features.book is None:
        return 0
    levels = features.book.bids if intent.side is Side.BUY else features.book.asks
    return next((lots for ticks, lots in levels if ticks == intent.ticks), 0)


def run_ticks(ticks: Sequence[Features], probe: TickProbe) -> int:
    """Run the whole pipeline over these ticks; returns how many of them placed, changed or took back an order."""
    settings = QuotingSettings.live()
    symbols = {one.terms.symbol for one in ticks}
    configs = {symbol: settings.for_symbol(symbol) for symbol in symbols}
    states = {symbol: SymbolState() for symbol in symbols}
    orders = {symbol: _Orders() for symbol in symbols}
    acted = 0
    for one in ticks:
        symbol = one.terms.symbol
        ours = orders[symbol]
        result = tick(structs.replace(one, live=ours.live()), states[symbol], configs[symbol], probe)
        states[symbol] = result.state
        if result.intents:
            acted += 1
            ours.take(result.intents, one)
    return acted


def measure(workload: Workload, clock: str = "cpu", wrap: Callable[[TickProbe], TickProbe] | None = None) -> TickTimes:
    """Return the times of a workload by "cpu" or "wall" clock, after a warm-up; `wrap` lets a test slow a stage."""
    most = len(workload.ticks)
    quiet = TickTimes(CLOCKS[clock], trace_rate=0.0, golden_every=0)
    run_ticks(workload.ticks[: min(WARM_TICKS, most)], quiet)
    times = TickTimes(CLOCKS[clock], trace_rate=0.2, keep_samples=most)
    run_ticks(workload.ticks, times if wrap is None else wrap(times))
    return times


def profile(workload: Workload, times: TickTimes, clock: str, commit: str, generated_at: str) -> dict[str, Any]:
    """Return what was measured in the contract's shape; raises OperatorError when the samples are too few."""
    if times.ticks < LEAST_SAMPLES:
        raise OperatorError(f"{times.ticks} ticks are too few to tell a percentile of; measure {LEAST_SAMPLES} or more")
    stages = times.percentiles()
    fetch = stages[STAGES[0]]["p95"]
    fresh = sum(one.book is not None for one in workload.ticks) / len(workload.ticks)
    return {
        "schema": SCHEMA,
        "unit": "ms",
        "clock": clock,
        "generated_at": generated_at,
        "commit": commit,
        "host": host_class(),
        "source": workload.source,
        "workload": workload.digest,
        "stages": stages,
        "facts": {
            "symbols": float(workload.symbols),
            "span_minutes": workload.span_ns / _MINUTE_NS,
            "cache_hit_ratio": fresh,
            "deadline_miss_pct": 100.0 * times.deadline_misses / times.ticks,
            "fetch_p95_ms": fetch,
        },
    }


def host_class() -> str:
    """Return the kind of machine: figures of different kinds are not compared."""
    python = f"{platform.python_implementation()}{platform.python_version()}"
    return f"{platform.system()}-{platform.machine()}-{python}".lower()
