"""The quote desk's figures under the names of its contract: one table from what the desk counts to what is exposed.

The desk counts each event once and knows nothing of formats; stage times are the probe's. Here both become families of
true types when somebody looks. What the desk cannot know in this program is not made up: the table says what each
family is made of, and the page of metrics names those that are not there (quoting 9).
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Final

from millrace.capacity.stage_budgets import BUCKETS_MS, STAGES, TICK_TOTAL
from millrace.core.series import Buckets, Family, Kind, Series
from millrace.shell.batching import OPS, BatchTally
from millrace.shell.tick_times import StageHistogram, TickTimes
from millrace.strategies.quoting.allocator.fairness import Statement
from millrace.strategies.quoting.rollout.desk_ramp import MARKOUTS_MS, Path
from millrace.strategies.quoting.tally import AGE_BOUNDS_MS, GAP_BOUNDS_MS, NUDGE_BOUNDS_BPS

PREFIX: Final = "millrace_quoting_"
PIPELINE: Final = Path.PIPELINE.value
_NS_IN_MS: Final = 1e6
_MS_IN_SECOND: Final = 1e3
_NS_IN_SECOND: Final = 1e9
_SIDES: Final = ("bid", "ask")
_SCORES: Final = ("vol", "liq", "lat", "pnl")
_FAST_CANCEL: Final = "fast_cancel"
_FROM_GAUGES: Final = {
    "guard_level": "0 none, 1 soft, 2 hard",
    "adaptive_spread_bps": "full width that the spread stage wants",
    "spread_floor_binding": "1 while fees and not the market say how wide to quote",
    "inventory_pct": "position in per cent of the most that may be held, negative when short",
    "inventory_skew_bps": "how far inventory moves both prices, positive when long",
}
_FROM_GROWTH: Final = {
    "symbol_score": ("score", "what the scoreboard thinks of a symbol"),
    "symbol_net_bps": ("net_bps", "profit of what was traded"),
    "symbol_fill_rate": ("fill_rate", "share of quotes that filled"),
    "symbol_slippage_bps": ("slippage_bps", "how much worse than intended fills were"),
    "symbol_queue_edge": ("queue_edge", "how far in front of their queues quotes stand"),
    "symbol_adverse_penalty": ("adverse_penalty", "what the market does after fills"),
    "symbol_samples": ("samples", "windows that the score rests on"),
    "symbol_weight": ("weight", "share of capital, the mean being one"),
    "symbol_size_multiplier": ("size_multiplier", "what an order's size is multiplied by"),
    "symbol_refresh_multiplier": ("refresh_multiplier", "what the pace of quoting is multiplied by"),
    "symbol_max_quotes": ("max_quotes", "orders that a symbol may have"),
    "allocator_at_floor_seconds": ("at_floor_sec", "how long a symbol has had the least weight"),
}

_OF_PATHS: Final = {
    "orders": "orders of this step that ended",
    "fills": "fills of this step",
    "rejected_pct": "share of its orders that the venue rejected",
    "taker_share_pct": "share of its fills that took",
    "slippage_bps": "how much worse than intended its fills were",
}


class QuoteMetrics:
    """Reads one desk: `telemetry` gives what it counted, `times` what its stages took, by path.

    `requests` are round trips of calls by (venue, verb), of which those to the desk's `venues` are its own;
    `discrepancies` says what comparisons with a venue found, `batches` what became of calls that carried several items.
    """

    def __init__(
        self,
        telemetry: Callable[[], Mapping[str, Any]],
        times: Mapping[str, TickTimes],
        requests: Mapping[tuple[str, str], StageHistogram],
        venues: Collection[str],
        discrepancies: Callable[[str], Mapping[str, int]],
        batches: Callable[[str], BatchTally | None],
    ) -> None:
        self._times = times
        self._telemetry = telemetry
        self._requests = requests
        self._venues = venues
        self._discrepancies = discrepancies
        self._batches = batches

    def families(self) -> list[Family]:
        """Return every family that has something to say."""
        told = self._telemetry()
        symbols: Mapping[str, Mapping[str, Any]] = told["symbols"]
        found = [*_of_times(self._times), *_of_counts(symbols), *_of_gauges(symbols), *_of_growth(told["growth"])]
        calls = [
            ((verb, venue), _buckets(cell)) for (venue, verb), cell in self._requests.items() if venue in self._venues
        ]
        found.append(_family("exchange_req_ms", "histogram", "time of a call to the venue", "verb api", calls))
        found += [*_of_figures(told["figures"], symbols), *_of_ramp(told["ramp"]), *_of_stream(told["stream"])]
        found += self._of_batches()
        types: dict[tuple[str, ...], int] = {}
        for venue in self._venues:
            for kind, count in self._discrepancies(venue).items():
                types[kind,] = types.get((kind,), 0) + count
        meaning = "findings of comparisons that our books do not explain"
        found.append(_family("reconcile_discrepancies_total", "counter", meaning, "type", types.items()))
        return [family for family in found if family.rows]

    def _of_batches(self) -> list[Family]:
        """Return the calls that batches saved, and how many of them failed in part: none, where there were none."""
        tallies = [(venue, tally) for venue in sorted(self._venues) if (tally := self._batches(venue)) is not None]
        saved = [((op,), sum(tally.saved[op] for _, tally in tallies)) for op in OPS] if tallies else []
        failed = [((op, venue), tally.fail_rate(op)) for venue, tally in tallies for op in OPS]
        meaning = "share of the newest batches of which an item failed"
        return [
            _family("cmd_coalesced_total", "counter", "calls saved by sending several items in one", "op", saved),
            _family("partial_fail_rate", "gauge", meaning, "op exchange", failed),
        ]


def _family(name: str, kind: Kind, meaning: str, labels: str, rows: Iterable[tuple[tuple[str, ...], Any]]) -> Family:
    names = tuple(labels.split())
    series = [Series(dict(zip(names, values, strict=True)), value) for values, value in rows if value is not None]
    return Family(f"{PREFIX}{name}", kind, meaning, names, series)


def _of_times(paths: Mapping[str, TickTimes]) -> list[Family]:
    times = paths[PIPELINE]
    stages = [
        ((name, path), _buckets(one.histograms[name])) for path, one in paths.items() if one.ticks for name in STAGES
    ]
    whole = [((), _buckets(times.histograms[TICK_TOTAL]))]
    return [
        _family("stage_duration_ms", "histogram", "time of a stage, and of the whole tick", "stage path", stages),
        _family("tick_duration_ms", "histogram", "time of a symbol's tick", "", whole),
        _family("stage_p95_ms", "gauge", "exact 95th percentile of the newest ticks", "stage", _p95(times)),
        _family("tick_deadline_miss_total", "counter", "ticks over the deadline", "", [((), times.deadline_misses)]),
    ]


def _p95(times: TickTimes) -> list[tuple[tuple[str, ...], float]]:
    """Return the exact percentiles; a stage with too few ticks has none."""
    if not times.keeps_samples:
        return []
    rows = ((name, row["p95"]) for name, row in times.percentiles().items())
    return [((name,), value) for name, value in rows if isinstance(value, float)]


def _buckets(cell: StageHistogram) -> Buckets:
    return Buckets(BUCKETS_MS, cell.counts, cell.sum_ns / _NS_IN_MS)


def _of_counts(symbols: Mapping[str, Mapping[str, Any]]) -> list[Family]:
    """Return the counters of single symbols, and those of the desk that are their sums."""
    each = symbols.items()
    faults: dict[tuple[str, ...], int] = {}
    trips: dict[tuple[str, ...], int] = {}
    for counts in symbols.values():
        for table, kind in ((faults, "faults"), (trips, "guard_trips")):
            for words, count in counts[kind].items():
                key = tuple(words.rsplit(" ", 1))
                table[key] = table.get(key, 0) + count
    intents = [
        ((symbol, *words.split(" ", 1)), count) for symbol, one in each for words, count in one["intents"].items()
    ]
    fast = [((symbol, reason), count) for (symbol, _, reason), count in intents if reason.startswith(_FAST_CANCEL)]
    ticks = [((symbol, result), count) for symbol, one in each for result, count in one["ticks"].items()]
    reasons = [((symbol, reason), count) for symbol, one in each for reason, count in one["guard_reasons"].items()]
    soft, hard = ([((symbol,), one["level_ms"][n] / _MS_IN_SECOND) for symbol, one in each] for n in (1, 2))
    sides = [(symbol, side, n, one) for symbol, one in each for n, side in enumerate(_SIDES)]
    nudges = [((symbol, side), one["nudges"][n]) for symbol, side, n, one in sides]
    nudged = [((symbol, side), _row_buckets(NUDGE_BOUNDS_BPS, one["nudge_bps"][n])) for symbol, side, n, one in sides]
    ages = [((symbol,), _row_buckets(AGE_BOUNDS_MS, one["md_ages"])) for symbol, one in each]
    held_back = sum(one["throttled"] for one in symbols.values())
    return [
        _family("ticks_total", "counter", "ticks by what became of them", "symbol result", ticks),
        _family("stage_fault_total", "counter", "stages that could not do their work", "stage code", faults.items()),
        _family("order_intents_total", "counter", "actions that left, by why", "symbol kind reason", intents),
        _family("order_keep_total", "counter", "orders left as they are", "symbol", _each(symbols, "kept")),
        _family("intents_held_back_total", "counter", "actions held back by the pace", "", [((), held_back)]),
        _family("guard_trips_total", "counter", "how often a guard tripped, by why", "reason level", trips.items()),
        _family("guard_reason_total", "counter", "ticks for which a trigger held", "symbol reason", reasons),
        _family("guard_soft_seconds_total", "counter", "time at SOFT", "symbol", soft),
        _family("guard_hard_seconds_total", "counter", "time at HARD", "symbol", hard),
        _family("queue_nudges_total", "counter", "prices moved for their place in a queue", "symbol side", nudges),
        _family("queue_nudge_bps", "histogram", "how far they were moved", "symbol side", nudged),
        _family("fast_cancel_total", "counter", "orders taken back at once", "symbol reason", fast),
        _family("md_cache_age_ms", "histogram", "age of market data at a tick", "symbol", ages),
        _family("md_pricing_on_stale_total", "counter", "ticks on stale data", "symbol", _each(symbols, "md_stale")),
    ]


def _each(symbols: Mapping[str, Mapping[str, Any]], name: str) -> list[tuple[tuple[str, ...], Any]]:
    return [((symbol,), one[name]) for symbol, one in symbols.items()]


def _row_buckets(bounds: tuple[float, ...], row: list[Any]) -> Buckets:
    """Return a tally's row as a histogram: its last cell is the sum."""
    return Buckets(bounds, [round(count) for count in row[:-1]], row[-1])


def _of_gauges(symbols: Mapping[str, Mapping[str, Any]]) -> list[Family]:
    gauges = {symbol: one["gauges"] for symbol, one in symbols.items()}
    found = [
        _family(name, "gauge", meaning, "symbol", [((symbol,), row.get(name)) for symbol, row in gauges.items()])
        for name, meaning in _FROM_GAUGES.items()
    ]
    scores = [((symbol, kind), row.get(f"score_{kind}")) for symbol, row in gauges.items() for kind in _SCORES]
    found.append(_family("adaptive_score", "gauge", "parts of the spread, from 0 to 1", "symbol type", scores))
    for name, meaning in (("queue_ahead", "lots before our order"), ("queue_percentile", "how far back it stands")):
        rows = [((symbol, side), row.get(f"{name}_{side}")) for symbol, row in gauges.items() for side in _SIDES]
        found.append(_family(name, "gauge", meaning, "symbol side", rows))
    return found


def _of_growth(growth: Mapping[str, Any]) -> list[Family]:
    rows: Mapping[str, Mapping[str, Any]] = growth["symbols"]
    found = [
        _family(name, "gauge", meaning, "symbol", [((symbol,), row.get(key)) for symbol, row in rows.items()])
        for name, (key, meaning) in _FROM_GROWTH.items()
    ]
    broken = {number for number, _ in growth["violations"]}
    fair = [((str(one.value),), float(one.value in broken)) for one in Statement] if growth["enabled"] else []
    blacklist = [((kind,), count) for kind, count in growth["blacklist_size"].items()]
    return [
        *found,
        _family(
            "symbol_total_ticks_total", "counter", "ticks of a symbol that were scored", "symbol", _each(rows, "ticks")
        ),
        _family("allocator_rebalance_total", "counter", "weights made anew", "", [((), growth["rebalances"])]),
        _family("allocator_active_symbols", "gauge", "symbols that may quote", "", [((), growth["active_symbols"])]),
        _family("allocator_fairness_broken", "gauge", "1: a statement of fairness does not hold", "statement", fair),
        _family("allocator_blacklist_size", "gauge", "symbols that may not", "kind", blacklist),
        _family(
            "allocator_jain_index", "gauge", "how even weights are; 1: all the same", "", [((), growth["jain_index"])]
        ),
    ]


def _of_figures(figures: Mapping[str, Any], symbols: Mapping[str, Mapping[str, Any]]) -> list[Family]:
    ticked = sum(sum(one["md_ages"][:-1]) for one in symbols.values())
    stale = sum(one["md_stale"] for one in symbols.values())
    fresh = 1.0 - stale / ticked if ticked else None
    blocked: dict[tuple[str, ...], int] = {}
    for one in symbols.values():
        for reason, count in one["refusals"].items():
            blocked[reason,] = blocked.get((reason,), 0) + count
    return [
        _family("parallel_symbols", "gauge", "symbols that the desk serves", "", [((), len(symbols))]),
        _family("taker_fills_window", "gauge", "taker fills of the window", "", [((), figures["taker_fills_window"])]),
        _family("taker_share_pct", "gauge", "share of them in all fills", "", [((), figures["taker_share_pct"])]),
        _family("orders_refused_total", "counter", "orders that the board let not leave", "reason", blocked.items()),
        _family("md_cache_hit_ratio", "gauge", "share of ticks on fresh market data", "", [((), fresh)]),
    ]


def _of_stream(stream: Mapping[str, Any]) -> list[Family]:
    gaps = [((), _row_buckets(GAP_BOUNDS_MS, stream["gaps"]))]
    anew = [(("books",), stream["reconnects"])]
    return [
        _family("ws_gap_ms", "histogram", "silence between two messages of the stream", "", gaps),
        _family("reconnect_attempts_total", "counter", "how often a stream was connected anew", "kind", anew),
    ]


def _of_ramp(ramp: Mapping[str, Any]) -> list[Family]:
    """Return where the ramp stands, what both paths did at this step, and how far they agree."""
    shadow, paths = ramp["shadow"], ramp["paths"]
    agreement = shadow["agreement_pct"]
    ratio = None if agreement is None else agreement / 100.0
    unexplained, lasted_sec = len(shadow["unexplained"]), shadow["lasted_ns"] / _NS_IN_SECOND
    members = [((symbol,), 1) for symbol in ramp["members"]]
    mismatches = [((kind,), count) for kind, count in shadow["mismatches"].items()]
    markouts = [
        ((path, ms), row.get(f"markout_{ms}ms_bps")) for path, row in paths.items() for ms in map(str, MARKOUTS_MS)
    ]
    return [
        _family("rollout_pct", "gauge", "share of symbols on the pipeline", "", [((), ramp["pct"])]),
        _family("rollout_symbol", "gauge", "1 for a symbol on the pipeline", "symbol", members),
        _family("shadow_match_ratio", "gauge", "share of ticks in which both paths agree", "", [((), ratio)]),
        _family("shadow_price_diff_median_bps", "gauge", "middle difference", "", [((), shadow["median_price_bps"])]),
        _family("shadow_seconds", "gauge", "time over which they were compared", "", [((), lasted_sec)]),
        _family("shadow_unexplained", "gauge", "classes of mismatch nobody waived", "", [((), unexplained)]),
        _family("shadow_compared", "gauge", "ticks of this step that were compared", "", [((), shadow["compared"])]),
        _family("shadow_mismatches", "gauge", "ticks of this step that differ, by why", "kind", mismatches),
        *(
            _family(f"path_{name}", "gauge", meaning, "path", [((path,), row[name]) for path, row in paths.items()])
            for name, meaning in _OF_PATHS.items()
        ),
        _family("path_markout_bps", "gauge", "where the market went after fills", "path horizon_ms", markouts),
    ]
