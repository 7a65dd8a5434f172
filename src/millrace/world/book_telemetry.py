"""The figures of order books under the names of the contract, asked for when somebody looks (runtime 2.4).

Books and their guard count for themselves, because what they count is part of their state and survives a restart; here
it only gets its labels. Nothing of it reaches the core.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial

from millrace.core.book_events import BookState
from millrace.risk.book_guard import BookGuard
from millrace.shell.metrics import QUANTILES, LabelledValue, Metrics

_SECOND_NS = 1e9
_Now = Callable[[], int]


def watch_books(metrics: Metrics, guard: BookGuard, now: Callable[[], int]) -> None:
    """Show a guard's books; `now` is the run's time in ns."""
    for name, rows in _FAMILIES.items():
        metrics.family(name, partial(rows, guard, now))


def _states(guard: BookGuard, _: _Now) -> list[LabelledValue]:
    states = Counter((kept.instrument.venue, kept.state) for kept in guard.books.all())
    return [
        ({"venue": venue, "state": state.value}, states[venue, state])
        for venue in guard.books.counts()
        for state in BookState
    ]


def _checksum_failures(guard: BookGuard, _: _Now) -> list[LabelledValue]:
    return [({"venue": venue}, counts.checksum_failures) for venue, counts in guard.books.counts().items()]


def _divergences(guard: BookGuard, _: _Now) -> list[LabelledValue]:
    return [({"venue": venue}, counts.divergences) for venue, counts in guard.books.counts().items()]


def _resyncs(guard: BookGuard, _: _Now) -> list[LabelledValue]:
    return [({"venue": venue, "cause": cause}, count) for (venue, cause), count in guard.resyncs.items()]


def _durations(guard: BookGuard, _: _Now) -> list[LabelledValue]:
    return [row for venue, found in guard.durations_ns.items() for row in _quantiles(venue, found)]


def _ages(guard: BookGuard, now: _Now) -> list[LabelledValue]:
    now_ns = now()
    return [
        row for venue in guard.books.counts() for row in _quantiles(venue, guard.books.verified_ages_ns(venue, now_ns))
    ]


def _quantiles(venue: str, durations_ns: Iterable[int]) -> list[LabelledValue]:
    """Return the nearest-rank quantiles of some durations, in seconds; none of none."""
    ordered = sorted(durations_ns)
    if not ordered:
        return []
    return [
        ({"venue": venue, "quantile": name}, ordered[max(-int(-share * len(ordered) // 1), 1) - 1] / _SECOND_NS)
        for name, share in QUANTILES.items()
    ]


_FAMILIES: dict[str, Callable[[BookGuard, _Now], list[LabelledValue]]] = {
    "millrace_book_state": _states,
    "millrace_book_checksum_failures_total": _checksum_failures,
    "millrace_book_divergence_total": _divergences,
    "millrace_book_resyncs_total": _resyncs,
    "millrace_book_resync_seconds": _durations,
    "millrace_book_verified_age_seconds": _ages,
}
