"""What each setting of the quote desk means and may be, as data; and every problem that a configuration has, at once.

Nothing is repaired in silence (quoting 10): a desk that ran with other limits than those in its file would be trusted
for what it does not do. The rows are the one place for unit, meaning and bounds; `millrace.config` makes its knobs of
them.
"""

from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from math import isfinite
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec

from millrace.core.failure import OperatorError
from millrace.strategies.quoting.bounds_growth import GROWTH_ROWS
from millrace.strategies.quoting.settings import SYMBOL_SECTIONS, QuotingSettings, Scalar

_WEIGHT_TOLERANCE = 0.01
_BOUND = tuple[str, str, str, str, float | None, float | None]
"""Name, unit, meaning, section of the contract, lowest and highest value."""


class Row(NamedTuple):
    """What is known of one setting; bounds are inclusive, `choices` are the words that it may be."""

    section: str
    name: str
    default: Scalar
    unit: str
    meaning: str
    spec: str
    low: float | None
    high: float | None
    choices: tuple[str, ...]

    @property
    def key(self) -> str:
        """Section and name."""
        return f"{self.section}.{self.name}"


_STAGE_ROWS: dict[str, tuple[_BOUND, ...]] = {
    "pipeline": (
        ("enabled", "", "symbols are quoted by the six stages; the ramp says which", "1", None, None),
    ),
    "md_cache": (
        ("enabled", "", "a book may be priced from until it is ttl_ms old", "4.1", None, None),
        ("ttl_ms", "ms", "oldest book that may be priced from", "3", 10, 5_000),
        ("max_depth", "levels", "levels of a book that a tick is shown", "3", 1, 200),
        ("stale_ok", "", "a book that is not fresh may be priced from", "10", None, None),
        ("invalidate_on_ws_gap_ms", "ms", "older books are none, and both sides are pulled", "3", 50, 10_000),
        ("fresh_ms_for_pricing", "ms", "oldest book that is fresh", "3", 10, 5_000),
        ("skip_pricing_on_stale", "", "nothing new is quoted from a book that is not fresh", "4.1", None, None),
    ),
    "features": (
        ("depth_levels", "levels", "levels that the imbalance is read from", "3", 1, 50),
        ("vol_half_life_sec", "s", "half-life of the volatility", "3", 1, 3_600),
        ("latency_window_sec", "s", "older latencies count no more", "3", 1, 3_600),
        ("latency_samples", "samples", "latencies that count at most", "3", 5, 10_000),
        ("pnl_samples", "samples", "changes of profit that their mean is taken of", "3", 10, 10_000),
        ("pnl_window_min", "min", "window of the z-score of profit", "4.3", 5, 1_440),
        ("vol_samples", "samples", "middles that the compat volatility is taken of", "3", 3, 1_000),
    ),
    "adaptive_spread": (
        ("enabled", "", "the spread adapts; off: the base spread", "4.2", None, None),
        ("model", "", "how the width is found", "4.2", None, None),
        ("base_spread_bps", "bps", "width without any score", "4.2", 0.1, 10),
        ("min_spread_bps", "bps", "narrowest width", "4.2", 0.1, 1_000),
        ("max_spread_bps", "bps", "widest width; the fee floor wins over it", "4.2", 0.1, 1_000),
        ("vol_window_sec", "samples", "window of the compat volatility", "4.2", 10, 3_600),
        ("depth_levels", "levels", "levels that liquidity is read from", "4.2", 1, 20),
        ("vol_sensitivity", "", "how much volatility widens", "4.2", 0, 1),
        ("liquidity_sensitivity", "", "how much thin books widen", "4.2", 0, 1),
        ("latency_sensitivity", "", "how much slow answers widen", "4.2", 0, 1),
        ("pnl_dev_sensitivity", "", "how much losses widen", "4.2", 0, 1),
        ("clamp_step_bps", "bps", "largest change in a tick", "4.2", 0.01, 5),
        ("cooloff_ms", "ms", "time between two changes", "4.2", 0, 5_000),
        ("fast_widen", "", "only narrowing is held back by step and cool-off", "4.2", None, None),
        ("live_volatility", "", "volatility by time instead of by samples", "10.1", None, None),
        ("vol_calm_bps", "bps", "volatility that scores 0", "4.2", 0, 1_000),
        ("vol_wild_bps", "bps", "volatility that scores 1", "4.2", 0, 10_000),
        ("liquidity_unit", "", "what liquidity is measured in", "4.2", None, None),
        ("liquidity_good_base", "base units", "mean depth of a side that scores 0", "4.2", 0, None),
        ("liquidity_poor_base", "base units", "mean depth of a side that scores 1", "4.2", 0, None),
        ("liquidity_good_usd", "quote currency", "the same by value: scores 0", "4.2", 0, None),
        ("liquidity_poor_usd", "quote currency", "the same by value: scores 1", "4.2", 0, None),
        ("latency_fast_ms", "ms", "95th percentile of latency that scores 0", "4.2", 0, 60_000),
        ("latency_slow_ms", "ms", "95th percentile of latency that scores 1", "4.2", 0, 60_000),
        ("pnl_poor", "quote currency", "mean change of profit that scores 1", "4.2", None, -1e-9),
        ("vol_weight", "bps", "what a full volatility score adds, times its sensitivity", "4.2", 0, 100),
        ("liquidity_weight", "bps", "what a full liquidity score adds", "4.2", 0, 100),
        ("latency_weight", "bps", "what a full latency score adds", "4.2", 0, 100),
        ("pnl_weight", "bps", "what a full loss score adds", "4.2", 0, 100),
        ("fee_floor", "", "never narrower than what both fees cost", "4.2", None, None),
        ("min_edge_bps", "bps", "what a round trip earns above its fees at least", "4.2", 0, 100),
        ("stale_widen_bps", "bps", "added when the book is not fresh", "4.1", 0, 100),
        ("glft_fills_per_sec", "1/s", "fills at no distance, as calibrated; 0: not yet", "4.2", 0, None),
        ("glft_decay_per_bps", "1/bps", "how fast fills get fewer with distance", "4.2", 0, None),
        ("glft_aversion", "1/bps", "aversion to holding one base size", "4.2", 0, None),
    ),
    "risk_guards": (
        ("enabled", "", "guards look; off: no level, full size", "4.3", None, None),
        ("vol_soft_bps", "bps", "volatility from which sizes shrink", "4.3", 0, 10_000),
        ("vol_hard_bps", "bps", "volatility from which nothing is quoted", "4.3", 0, 10_000),
        ("live_volatility", "", "volatility by time instead of by samples", "10.1", None, None),
        ("latency_soft_ms", "ms", "latency above which sizes shrink", "4.3", 0, 60_000),
        ("latency_hard_ms", "ms", "latency above which nothing is quoted", "4.3", 0, 60_000),
        ("latency_expires", "", "no latency for a minute is unknown, and unknown is soft", "4.3", None, None),
        ("pnl_soft_z", "", "score of profit below which sizes shrink", "4.3", -1_000, 0),
        ("pnl_hard_z", "", "score of profit below which nothing is quoted", "4.3", -1_000, 0),
        ("pnl_mode", "", "how the score of profit is made", "4.3", None, None),
        ("daily_loss", "quote currency", "loss of a day from which nothing is quoted; 0: off", "4.3", 0, None),
        ("inventory_soft_pct", "%", "share of the largest position above which sizes shrink", "4.3", 0, 100),
        ("inventory_hard_pct", "%", "share above which it may not grow", "4.3", 0, 100),
        ("one_sided_inventory", "", "too much inventory stops only the side that grows it", "4.3", None, None),
        ("takers_soft", "fills", "taker fills from which sizes shrink", "4.3", 1, 100_000),
        ("takers_hard", "fills", "taker fills from which nothing is quoted", "4.3", 1, 100_000),
        ("taker_window_sec", "s", "window of the taker fills", "4.3", 60, 86_400),
        ("size_scale_soft", "", "size while the level is SOFT", "4.3", 0.1, 1),
        ("soft_widen_bps", "bps", "added to the width while the level is SOFT", "4.3", 0, 100),
        ("halt_ms_hard", "ms", "how long HARD halts", "4.3", 100, 10_000),
        ("halt_max_ms", "ms", "longest halt of those that follow each other", "4.3", 100, 3_600_000),
        ("escalating_halts", "", "halts that follow each other last longer", "4.3", None, None),
        ("escalation_window_sec", "s", "halts within it follow each other", "4.3", 1, 86_400),
        ("exit_hysteresis", "", "a level is left later than it was entered", "4.3", None, None),
        ("exit_ratio", "", "share of its threshold at which SOFT may end", "4.3", 0, 1),
        ("exit_hold_ms", "ms", "how long it must stay under it", "4.3", 0, 600_000),
        ("vpin_soft", "", "toxicity from which sizes shrink; 0: off", "4.3", 0, 1),
    ),
    "adverse_flow": (
        ("enabled", "", "the side about to be run over steps back", "4.3", None, None),
        ("ofi_z", "", "score of the order flow from which it does", "4.3", 0.1, 100),
        ("microprice_drift_bps", "bps", "distance of the microprice from which it does", "4.3", 1, 10),
        ("widen_factor", "", "its distance while it steps back", "4.3", 1, 10),
        ("pause_ms", "ms", "how long it is not quoted", "4.3", 100, 1_000),
    ),
    "market_guard": (
        ("enabled", "", "figures of all symbols together may stop each", "4.3", None, None),
        ("cancel_rate_share", "", "share of the venue's cancel limit that is used", "4.3", 0, 1),
        ("error_rate", "", "share of calls that fail", "4.3", 0, 1),
        ("pnl_slope_per_min", "% of the largest exposure/min", "trend of profit", "4.3", None, 0),
        ("rejected_share", "", "share of orders that are refused", "4.3", 0, 1),
        ("gross_exposure_share", "", "share of the largest exposure", "4.3", 0, 10),
        ("daily_loss", "quote currency", "loss of a day of all symbols; 0: off", "4.3", 0, None),
        ("feed_gap_ms", "ms", "silence of the feed", "4.3", 0, 600_000),
        ("clock_skew_ms", "ms", "distance of our clock from the venue's", "4.3", 0, 600_000),
        ("bad_checks", "checks", "bad ones in a row that pause", "4.3", 1, 100),
        ("good_checks", "checks", "good ones in a row that resume", "4.3", 1, 100),
        ("resume_sec", "s", "shortest pause", "4.3", 0, 86_400),
        ("check_sec", "s", "time between two checks", "4.3", 1, 3_600),
        ("window_sec", "s", "window of the figures", "4.3", 1, 86_400),
    ),
    "inventory_skew": (
        ("enabled", "", "inventory moves prices", "4.4", None, None),
        ("target_pct", "%", "inventory that is wanted", "4.4", -100, 100),
        ("max_skew_bps", "bps", "largest skew", "4.4", 0, 10),
        ("slope_bps_per_1pct", "bps/%", "skew for a percent of inventory", "4.4", 0, 1),
        ("clamp_pct", "%", "inventory that moves nothing", "4.4", 0, 50),
        ("mode", "", "whether the skew begins at once or from nothing at the edge of the band", "4.4", None, None),
        ("shape", "", "whether one side moves more than the other", "4.4", None, None),
        ("size_skew", "", "the side that grows the position gets smaller", "4.4", None, None),
    ),
    "queue_aware": (
        ("enabled", "", "places in queues move prices", "4.5", None, None),
        ("max_reprice_bps", "bps", "largest nudge", "4.5", 0.1, 5),
        ("headroom_ms", "ms", "time between two nudges of a side", "4.5", 50, 5_000),
        ("join_threshold_pct", "%", "place in the queue that is good enough", "4.5", 0, 100),
        ("book_depth_levels", "levels", "levels that the queue is read from", "4.5", 1, 10),
        ("rule", "", "when a place is given up for a better price", "4.5", None, None),
        ("own_in_book", "", "the book that we see counts our own orders in", "4.5", None, None),
        ("model", "", "how cancels are believed to fall before and behind an order", "4.5", None, None),
        ("min_gain_bps", "bps", "what moving must be worth above its fee", "4.5", 0, 100),
        ("move_fee_bps", "bps", "what a venue takes for moving an order", "4.5", 0, 100),
        ("moves_per_sec", "1/s", "how often the middle leaves a resting price; 0: not calibrated", "4.5", 0, None),
        ("adverse_share", "", "share of fills that are run over", "4.5", 0, 1),
        ("adverse_loss_bps", "bps", "what such a fill loses", "4.5", 0, 1_000),
    ),
    "fast_cancel": (
        ("enabled", "", "orders that the market left are drawn before anything else", "4.3", None, None),
        ("cancel_threshold_bps", "bps", "drift from which an order is drawn", "4.3", 0.5, 50),
        ("spike_threshold_bps", "bps", "drift that also stops placing", "4.3", 1, 100),
        ("cooldown_ms", "ms", "for how long", "4.3", 0, 5_000),
        ("from_placement", "", "drift against us since placement, not any from the price", "4.3", None, None),
    ),
    "taker_cap": (
        ("max_fills", "fills", "taker fills of the account in the window", "4.3", 1, 1_000),
        ("max_share_pct", "%", "their share of all fills", "4.3", 0, 100),
        ("window_sec", "s", "the window", "4.3", 60, 86_400),
        ("min_sample", "fills", "fewer have no share", "4.3", 1, 10_000),
    ),
    "emit": (
        ("reference", "", "price that distances are measured from", "3", None, None),
        ("base_size_usd", "quote currency", "size of a level", "4.6", 0.01, None),
        ("max_position_usd", "quote currency", "largest position of a symbol", "4.4", 0.01, None),
        ("levels", "levels", "levels of a side", "4.6", 1, 10),
        ("level_spacing", "", "distance between levels, as a share of the width", "4.6", 0, 10),
        ("level_size_step", "", "how much smaller each level is than the one before", "4.6", 0, 0.9),
        ("amend_price_threshold_bps", "bps", "nearer prices are left where they are", "4.6", 0, 100),
        ("amend_size_threshold", "", "so are sizes nearer than this share", "4.6", 0, 1),
        ("replace_threshold_bps", "bps", "beyond it an order is always replaced", "4.6", 0, 1_000),
        ("min_time_in_book_ms", "ms", "how long an order rests before it advances", "4.6", 0, 60_000),
        ("refresh_floor_ms", "ms", "time between two changes that are not defensive", "4.6", 0, 60_000),
        ("cancel_stale_ms", "ms", "oldest order", "4.6", 1_000, 3_600_000),
        ("max_active_orders", "orders", "orders of a symbol at once", "4.6", 1, 100),
        ("can_amend", "", "the venue changes orders where they rest; off: cancel, then place", "4.6", None, None),
    ),
    "throttle": (
        ("window_ms", "ms", "window that actions are counted in", "4.6", 1_000, 60_000),
        ("places_per_sec", "1/s", "orders placed", "4.6", 1, 1_000),
        ("amends_per_sec", "1/s", "orders amended", "4.6", 1, 1_000),
        ("cancels_per_sec", "1/s", "orders cancelled", "4.6", 1, 1_000),
        ("defensive_share", "", "share of cancels that only defence may use", "4.6", 0, 1),
        ("backoff_error_rate", "", "share of errors from which the desk slows down", "4.6", 0, 1),
        ("backoff_feed_lag_ms", "ms", "lag of the feed from which it does", "4.6", 1, 60_000),
        ("backoff_first_ms", "ms", "first pause", "4.6", 1, 60_000),
        ("backoff_top_ms", "ms", "pause at which doubling ends", "4.6", 1, 60_000),
        ("backoff_cap_ms", "ms", "longest pause with its jitter", "4.6", 1, 60_000),
        ("jitter", "", "share by which a pause varies", "4.6", 0, 0.5),
    ),
    "async_batch": (
        ("enabled", "", "actions of a step are sent together", "12", None, None),
        ("max_parallel_symbols", "symbols", "symbols served in one round; the others follow at once", "10", 1, 50),
        ("coalesce_cancel", "", "cancels of a round leave first, a symbol's in one call", "4.6", None, None),
        ("coalesce_place", "", "places of a round leave last; orders, and new terms, in one call", "4.6", None, None),
        ("max_batch_size", "actions", "actions at which a round ends, and the most in one call", "4.6", 1, 20),
        ("tick_deadline_ms", "ms", "when a tick is too late", "10", 50, 1_000),
    ),
    "trace": (
        ("enabled", "", "some ticks leave a trace", "5", None, None),
        ("sample_rate", "", "share of them; 0: off", "5", 0, 1),
        ("deadline_ms", "ms", "when a tick has missed its deadline", "5", 50, 1_000),
        ("golden_interval", "ticks", "every so many ticks leave a whole trace", "5", 1, 1_000_000),
    ),
}  # fmt: skip


def _rows() -> Iterator[Row]:
    defaults = QuotingSettings()
    for section, bounds in (_STAGE_ROWS | GROWTH_ROWS).items():
        record = getattr(defaults, section)
        words = get_type_hints(type(record))
        for name, unit, meaning, spec, low, high in bounds:
            choices = get_args(words[name])
            yield Row(section, name, getattr(record, name), unit, meaning, spec, low, high, choices)


ROWS: tuple[Row, ...] = tuple(_rows())
"""Every setting of the desk, in the order of its sections."""
_BY_KEY = {row.key: row for row in ROWS}


def problems(settings: QuotingSettings) -> list[str]:
    """Return a line for each value that is out of its bounds and each pair that contradicts itself (quoting 10)."""
    found = [line for row in ROWS for line in _outside(row, getattr(getattr(settings, row.section), row.name))]
    sound = []
    for one in settings.overrides:
        lines = list(_wrong_override(one.symbol, one.key, one.value))
        sound += [] if lines else [one]
        found += lines
    found += _contradictions(settings, "")
    for symbol in sorted({one.symbol for one in sound}):
        config = msgspec.structs.replace(settings, overrides=tuple(sound)).for_symbol(symbol)
        for line in _contradictions(config, f"symbol {symbol}: "):
            if line.removeprefix(f"symbol {symbol}: ") not in found:
                found.append(line)
    return found


def checked(settings: QuotingSettings) -> QuotingSettings:
    """Return the settings; raises OperatorError that names every problem with its key."""
    if found := problems(settings):
        raise OperatorError("the quote desk's settings do not hold together:\n  " + "\n  ".join(found))
    return settings


def strangers(settings: QuotingSettings, symbols: Iterable[str]) -> list[str]:
    """Return a line for each symbol that the settings name and the desk does not quote (quoting 10).

    A misspelt name in the blacklist would be quoted, and one in the whitelist would leave a desk that quotes nothing.
    """
    known = sorted(set(symbols))
    allocator, rollout = settings.dynamic_allocator, settings.rollout
    named = [(f"override {one.key}", one.symbol) for one in settings.overrides]
    named += [("dynamic_allocator.whitelist", name) for name in allocator.whitelist.split()]
    named += [("dynamic_allocator.blacklist", name) for name in allocator.blacklist.split()]
    named += [("rollout.pinned_in", name) for name in rollout.pinned_in.split()]
    named += [("rollout.pinned_out", name) for name in rollout.pinned_out.split()]
    found = []
    for key, name in named:
        if name not in known:
            near = "".join(f"; {one} is near" for one in get_close_matches(name, known, 1))
            found.append(f"{key} names {name}, which the desk does not quote{near}")
    return found


def _outside(row: Row, value: Any, whose: str = "") -> Iterator[str]:
    wanted = type(row.default)
    if wanted is float and type(value) is int:
        value = float(value)
    if type(value) is not wanted:
        yield f"{whose}{row.key} must be {wanted.__name__}, not {value!r}"
    elif row.choices and value not in row.choices:
        yield f"{whose}{row.key} must be one of {', '.join(row.choices)}, not {value!r}"
    elif isinstance(value, float) and not isfinite(value):
        yield f"{whose}{row.key} is {value}, which is no number"
    elif not isinstance(value, str):
        if row.low is not None and value < row.low:
            yield f"{whose}{row.key} = {value} must be >= {row.low:g}"
        if row.high is not None and value > row.high:
            yield f"{whose}{row.key} = {value} must be <= {row.high:g}"


def _wrong_override(symbol: str, key: str, value: Scalar) -> Iterator[str]:
    whose = f"symbol {symbol}: "
    row = _BY_KEY.get(key)
    if row is None:
        near = get_close_matches(key, _BY_KEY, 1)
        yield f"{whose}{key} is not a setting" + (f"; the nearest is {near[0]}" if near else "")
    elif row.section not in SYMBOL_SECTIONS:
        yield f"{whose}{key} holds for all symbols and cannot be one symbol's own"
    else:
        yield from _outside(row, value, whose)


_ORDERED = (
    ("md_cache", "fresh_ms_for_pricing", "<=", "ttl_ms"),
    ("md_cache", "ttl_ms", "<=", "invalidate_on_ws_gap_ms"),
    ("adaptive_spread", "min_spread_bps", "<=", "max_spread_bps"),
    ("adaptive_spread", "vol_calm_bps", "<", "vol_wild_bps"),
    ("adaptive_spread", "liquidity_poor_base", "<", "liquidity_good_base"),
    ("adaptive_spread", "liquidity_poor_usd", "<", "liquidity_good_usd"),
    ("adaptive_spread", "latency_fast_ms", "<", "latency_slow_ms"),
    ("risk_guards", "vol_soft_bps", "<", "vol_hard_bps"),
    ("risk_guards", "latency_soft_ms", "<", "latency_hard_ms"),
    ("risk_guards", "pnl_hard_z", "<", "pnl_soft_z"),
    ("risk_guards", "inventory_soft_pct", "<", "inventory_hard_pct"),
    ("risk_guards", "takers_soft", "<", "takers_hard"),
    ("risk_guards", "halt_ms_hard", "<=", "halt_max_ms"),
    ("fast_cancel", "cancel_threshold_bps", "<=", "spike_threshold_bps"),
    ("emit", "amend_price_threshold_bps", "<=", "replace_threshold_bps"),
    ("emit", "base_size_usd", "<=", "max_position_usd"),
    ("throttle", "backoff_first_ms", "<=", "backoff_top_ms"),
    ("throttle", "backoff_top_ms", "<=", "backoff_cap_ms"),
    ("dynamic_allocator", "min_weight", "<", "max_weight"),
    ("dynamic_allocator", "auto_blacklist_net_bps", "<", "auto_blacklist_clear_bps"),
    ("dynamic_allocator", "ban_min", "<=", "ban_max_min"),
    ("rollout", "stage_p95_pass_pct", "<=", "stage_p95_rollback_pct"),
    ("rollout", "tick_p95_limit_ms", "<=", "tick_p95_rollback_ms"),
    ("rollout", "deadline_miss_pass_pct", "<=", "deadline_miss_rollback_pct"),
    ("rollout", "taker_share_pass_pct", "<=", "taker_share_rollback_pct"),
)
"""Pairs of one section that must keep their order; a soft limit at or beyond its hard one is refused (4.3)."""


def _contradictions(settings: Any, whose: str) -> list[str]:
    """Return what two values of a record of sections say against each other; sections that it lacks say nothing."""
    found = []
    for section, name, order, other in _ORDERED:
        record = getattr(settings, section, None)
        if record is None:
            continue
        left, right = getattr(record, name), getattr(record, other)
        if left > right or (order == "<" and left == right):
            found.append(f"{whose}{section}.{name} = {left} must be {order} {section}.{other} = {right}")
    spread = settings.adaptive_spread
    if spread.model == "glft" and not (
        spread.glft_fills_per_sec and spread.glft_decay_per_bps and spread.glft_aversion
    ):
        found.append(
            f"{whose}adaptive_spread.model = glft needs glft_fills_per_sec, glft_decay_per_bps and glft_aversion"
        )
    if (board := getattr(settings, "symbol_scoreboard", None)) is not None:
        names = ("weight_net", "weight_fill", "weight_slippage", "weight_queue", "weight_adverse")
        total = sum(getattr(board, name) for name in names)
        if abs(total - 1.0) > _WEIGHT_TOLERANCE:
            found.append(f"{whose}symbol_scoreboard: the weights {', '.join(names)} sum to {total:g}, not to 1")
    return found
