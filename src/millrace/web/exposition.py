"""Writes families of series as the text that Prometheus reads, by its own library (runtime 2.24, quoting 9).

The reference declared histograms and wrote summaries, and repeated its headers, so its own dashboard found nothing.
Here a family has one type and one header, and a series that does not fit its family is a bug that is raised. Symbols
are the only label without a closed set, so they are capped: those beyond the cap are added up under one name.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric

from millrace.core.series import Buckets, Family, Series

SYMBOL: Final = "symbol"
MOST_SYMBOLS: Final = 500
OTHERS: Final = "other"
CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"


def text(families: Iterable[Family]) -> bytes:
    """Return the exposition of families; raises ValueError for a name, label or value that cannot be one."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Families(merged(families)))
    return generate_latest(registry)


def write_text(path: Path, families: Iterable[Family]) -> None:
    """Write the exposition so that a reader sees the old text or the whole new one."""
    beside = path.with_name(f"{path.name}.new")
    beside.write_bytes(text(families))
    beside.replace(path)


def merged(families: Iterable[Family]) -> list[Family]:
    """Return each name once with all its series, in name order; raises ValueError where two do not agree."""
    found: dict[str, Family] = {}
    for family in families:
        _check(family)
        before = found.get(family.name)
        if before is None:
            found[family.name] = family
        elif (before.kind, before.labels) != (family.kind, family.labels):
            raise ValueError(
                f"{family.name} is declared twice, as {before.kind} and {family.kind}, or with other labels"
            )
        else:
            found[family.name] = before._replace(rows=(*before.rows, *family.rows))
    return [_capped(found[name]) for name in sorted(found)]


class _Families:
    """What the library calls a collector: something that yields metrics."""

    def __init__(self, families: Sequence[Family]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        for family in self._families:
            yield _metric(family)


def _check(family: Family) -> None:
    if (family.kind == "counter") is not family.name.endswith("_total"):
        raise ValueError(f"{family.name} is a {family.kind}: counters, and only they, end with _total")
    for row in family.rows:
        if tuple(sorted(row.labels)) != tuple(sorted(family.labels)):
            raise ValueError(f"{family.name} has the labels {family.labels}, a series {tuple(row.labels)}")
        if isinstance(row.value, Buckets) is not (family.kind == "histogram"):
            raise ValueError(f"{family.name} is a {family.kind} and a series of it is not")


def _metric(family: Family) -> Metric:
    labels = list(family.labels)
    if family.kind == "histogram":
        histogram = HistogramMetricFamily(family.name, family.meaning, labels=labels)
        for row in family.rows:
            if isinstance(row.value, Buckets):
                histogram.add_metric(_values(family, row), list(_cumulated(row.value)), row.value.total)
        return histogram
    kind = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
    metric = kind(family.name, family.meaning, labels=labels)
    for row in family.rows:
        if not isinstance(row.value, Buckets):
            metric.add_metric(_values(family, row), row.value)
    return metric


def _values(family: Family, row: Series) -> list[str]:
    return [row.labels[name] for name in family.labels]


def _cumulated(value: Buckets) -> Iterator[tuple[str, int]]:
    """Yield (le, count up to it); the last is everything."""
    seen = 0
    for bound, count in zip(value.bounds, value.counts, strict=False):
        seen += count
        yield f"{bound:g}", seen
    yield "+Inf", sum(value.counts)


def _capped(family: Family) -> Family:
    """Return a family of at most 500 symbols: the first by name, the others' counts added up, their gauges left out."""
    symbols = sorted({row.labels[SYMBOL] for row in family.rows}) if SYMBOL in family.labels else []
    if len(symbols) <= MOST_SYMBOLS:
        return family
    kept = set(symbols[: MOST_SYMBOLS - 1])
    rows = [row for row in family.rows if row.labels[SYMBOL] in kept]
    others: dict[tuple[str, ...], float] = {}
    for row in family.rows:
        if row.labels[SYMBOL] not in kept and family.kind == "counter" and not isinstance(row.value, Buckets):
            key = tuple(OTHERS if name == SYMBOL else row.labels[name] for name in family.labels)
            others[key] = others.get(key, 0.0) + row.value
    rows += [Series(dict(zip(family.labels, key, strict=True)), value) for key, value in others.items()]
    return family._replace(rows=rows)
