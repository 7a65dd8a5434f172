"""Counters, gauges and histograms of one program, under the names of the contract (runtime 2.24).

The label set is part of a series' key, so two venues' figures of one name stay apart. Names are declared here and label
values come from closed sets: what is never cleaned up may not grow with events. Nothing here is read by what decides.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

from millrace.core.series import Buckets, Family, Kind, Series

_NS = 1e9
BOUNDS_NS = tuple(round(1_000 * 10 ** (step / 10)) for step in range(111))
"""A histogram's upper bounds: a microsecond to 10^5 seconds, ten to a decade; each is 26 % above the last."""
_SHOWN_EVERY = 5
"""Of the bounds every fifth is shown: two to a decade; the counts between are added up."""
QUANTILES = {"p50": 0.50, "p95": 0.95, "p99": 0.99}

NAMES = {
    "millrace_order_stage_seconds": "time of an order from one stage to the next",
    "millrace_outbox_depth": "calls that wait to leave",
    "millrace_inflight": "calls that left and have no answer yet",
    "millrace_commands_expired_total": "orders dropped because they had waited too long",
    "millrace_orders_total": "orders by the state that they reached",
    "millrace_orders_unknown": "orders of which nobody knows what became of them",
    "millrace_orders_adopted_total": "orders that were unknown and that the venue turned out to have",
    "millrace_duplicates_dropped_total": "orders that were not sent because they exist already",
    "millrace_breaker_state": "0 closed, 1 half open, 2 open",
    "millrace_breaker_trips_total": "how often a breaker opened",
    "millrace_firewall_quotes_total": "market data by what was thought of them",
    "millrace_firewall_reasons_total": "reasons against market data",
    "millrace_firewall_quarantined_markets": "markets in quarantine now",
    "millrace_firewall_level_shifts_total": "sudden prices that turned out true",
    "millrace_firewall_reject_ratio": "share of the last half minute's market data that was rejected",
    "millrace_book_state": "order books by what is known of them",
    "millrace_book_checksum_failures_total": "messages after which a book had another checksum than the venue's",
    "millrace_book_resyncs_total": "order books that were asked for anew, by why",
    "millrace_book_resync_seconds": "time from a wrong book to the verified one, of the last ones that were asked for",
    "millrace_book_divergence_total": "comparisons with the venue's book that disagreed",
    "millrace_book_verified_age_seconds": "how long ago live books were last known to be the venue's",
    "millrace_latency_seconds": "time from an order's detection, plan or submission to its plan, submission or answer",
    "millrace_latency_discarded_total": "orders whose time of a stage is not known",
    "millrace_slo_breach": "1 while the last evaluation of an SLO found it breached",
    "millrace_slo_throttle_seconds_total": "how long a venue traded less because it was slow",
    "millrace_clock_skew_seconds": "by how much a venue's clock is ahead of ours for certain; below nought: behind",
    "millrace_lane_scan_seconds": "time of a lane's scan outside the step",
    "millrace_lane_timeouts_total": "scans that were not done within their budget",
    "millrace_lane_errors_total": "scans that failed, or whose process died",
    "millrace_lane_over_soft_budget_total": "scans that were in time but took longer than they should",
    "millrace_lane_candidates_total": "candidates that scans found",
}
Labels = tuple[tuple[str, str], ...]
_Series = tuple[str, Labels]
LabelledValue = tuple[dict[str, str], float]


class LogHistogram:
    """Counts of durations in fixed buckets: bounded memory, quantiles to the width of a bucket."""

    __slots__ = ("buckets", "count", "sum_ns")

    def __init__(self) -> None:
        self.buckets: Counter[int] = Counter()
        self.count = 0
        self.sum_ns = 0

    def add(self, value_ns: int) -> None:
        """Count one duration in ns; what is longer than the last bound counts as the last bucket."""
        self.buckets[min(bisect_left(BOUNDS_NS, value_ns), len(BOUNDS_NS) - 1)] += 1
        self.count += 1
        self.sum_ns += value_ns

    def take(self, other: "LogHistogram") -> None:
        """Add another's counts."""
        self.buckets.update(other.buckets)
        self.count += other.count
        self.sum_ns += other.sum_ns

    def shown(self) -> Buckets:
        """Return the counts in seconds, in buckets five times as wide."""
        bounds = BOUNDS_NS[::_SHOWN_EVERY]
        counts = [0] * (len(bounds) + 1)
        for bucket, count in self.buckets.items():
            counts[-(-bucket // _SHOWN_EVERY)] += count
        return Buckets([bound / _NS for bound in bounds], counts, self.sum_ns / _NS)

    def quantile_ns(self, share: float) -> int | None:
        """Return the upper bound of the bucket in which the value of this rank lies; None of nothing."""
        rank = max(1, -int(-share * self.count // 1))
        seen = 0
        for bucket in sorted(self.buckets):
            seen += self.buckets[bucket]
            if seen >= rank:
                return BOUNDS_NS[bucket]
        return None


class Metrics:
    """The registry; a gauge is a question that is asked when somebody looks."""

    def __init__(self) -> None:
        self._counters: Counter[_Series] = Counter()
        self._gauges: dict[_Series, Callable[[], float]] = {}
        self._families: dict[str, Callable[[], Iterable[LabelledValue]]] = {}
        self._histograms: dict[_Series, LogHistogram] = {}

    def add(self, name: str, **labels: str) -> None:
        """Count one more; raises KeyError for a name that is not declared."""
        self._counters[_series(name, labels)] += 1

    def gauge(self, name: str, value: Callable[[], float], **labels: str) -> None:
        """Show what `value` says whenever somebody looks."""
        self._gauges[_series(name, labels)] = value

    def family(self, name: str, rows: Callable[[], Iterable[LabelledValue]]) -> None:
        """Show what `rows` says whenever somebody looks: series whose labels, of closed sets, come up by and by."""
        _series(name, {})
        self._families[name] = rows

    def histogram(self, name: str, **labels: str) -> LogHistogram:
        """Return the histogram of a series; it is made at the first call."""
        return self._histograms.setdefault(_series(name, labels), LogHistogram())

    def snapshot(self) -> dict[str, list[dict[str, Any]]]:
        """Return every series with its labels and value; strict JSON."""
        found: dict[str, list[dict[str, Any]]] = {}
        for (name, labels), count in self._counters.items():
            found.setdefault(name, []).append({"labels": dict(labels), "value": count})
        for (name, labels), value in self._gauges.items():
            found.setdefault(name, []).append({"labels": dict(labels), "value": value()})
        for name, rows in self._families.items():
            found[name] = [{"labels": labels, "value": value} for labels, value in rows()]
        for (name, labels), histogram in self._histograms.items():
            sums = {"count": histogram.count, "sum": histogram.sum_ns / _NS}
            found.setdefault(name, []).append({"labels": dict(labels), **sums})
        return found

    def families(self) -> list[Family]:
        """Return every family with its type; one without a series is left out."""
        rows: dict[str, list[Series]] = {}
        for (name, labels), count in self._counters.items():
            rows.setdefault(name, []).append(Series(dict(labels), count))
        for (name, labels), value in self._gauges.items():
            rows.setdefault(name, []).append(Series(dict(labels), value()))
        for name, told in self._families.items():
            rows.setdefault(name, []).extend(Series(labels, value) for labels, value in told())
        for (name, labels), histogram in self._histograms.items():
            rows.setdefault(name, []).append(Series(dict(labels), histogram.shown()))
        return [
            Family(name, _kind(name, found), NAMES[name], tuple(sorted(found[0].labels)), found)
            for name, found in rows.items()
            if found
        ]


def _kind(name: str, rows: list[Series]) -> Kind:
    if isinstance(rows[0].value, Buckets):
        return "histogram"
    return "counter" if name.endswith("_total") else "gauge"


def _series(name: str, labels: dict[str, str]) -> _Series:
    if name not in NAMES:
        raise KeyError(f"no metric is declared as {name}; add it to NAMES with its meaning")
    return name, tuple(sorted(labels.items()))
