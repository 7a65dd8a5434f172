"""The playbooks in force, as data: each is one row of the table in runtime 2.20, with its numbers.

Rows whose inputs do not exist yet (429 storm, disconnect loop, stale data) are added here by the parts that publish
them. The figures that rows judge by, and where each turns from good to bad, stand here too, because whoever publishes
one must know when it is worth an event.
"""

from typing import Final

import msgspec

from millrace.core import clock_skew
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Scope, ScopeKind
from millrace.core.trouble_events import BreakerState
from millrace.risk.breakers import Endpoint
from millrace.risk.playbooks_facts import STORAGE
from millrace.risk.playbooks_row import Act, Action, Case, Playbook, Predicate, Rung, Scopes

_SECOND_NS: Final = 1_000_000_000
_CAUTION: Final = 0.5
_MINUTE_NS: Final = 60 * _SECOND_NS


class Figure(msgspec.Struct, frozen=True):
    """A published figure: where it turns bad, perhaps worse, and where it is good again; `low_is_bad`: what runs out.

    Between good and bad nothing starts and nothing ends. One with a sign counts by its size. A change by `step` is told
    although nothing is bad yet, because others calculate with it.
    """

    name: str
    bad: float
    good: float
    worse: float | None = None
    low_is_bad: bool = False
    step: float | None = None

    def is_bad(self, value: float) -> bool:
        """Tell whether a playbook may start on it; a value that is no number is bad."""
        return not (value >= self.bad if self.low_is_bad else abs(value) <= self.bad)

    def is_good(self, value: float) -> bool:
        """Tell whether a playbook may end on it."""
        return value >= self.good if self.low_is_bad else abs(value) < self.good

    def grade(self, value: float) -> int:
        """Return 0 for what is not bad, 1 for bad, 2 for worse."""
        return self.is_bad(value) + (self.worse is not None and not abs(value) <= self.worse)


CLOCK_SKEW: Final = Figure(clock_skew.FIGURE, bad=1.0, good=0.5, worse=clock_skew.MOST_SEC, step=0.05)
"""By how many seconds, at least, a venue's clock is ahead of ours; negative where it is behind."""
COMMIT_P99: Final = Figure("ledger_commit_p99_ms", bad=50.0, good=5.0)
"""The 99th percentile of the durations of the ledger's commits of the last 60 s."""
FREE_DISK: Final = Figure("disk_free_bytes", bad=float(2**30), good=float(2**30), low_is_bad=True)
"""What the disk of the run's folder has left."""


def _venue(case: Case) -> tuple[Scope, ...]:
    return (Scope(ScopeKind.VENUE, case.subject),)


def _everything(case: Case) -> tuple[Scope, ...]:
    del case
    return (Scope(ScopeKind.GLOBAL),)


def _market_and_families(case: Case) -> tuple[Scope, ...]:
    """Return the market and every family that holds some of it; its own family is that of its symbol."""
    at = InstrumentId.parse(case.subject)
    held = [*case.view.positions(), *(order.place.position for order in case.view.unfinished())]
    families = {at.symbol, *(position.family for position in held if position.instrument == at)}
    return (*_market(case), *(Scope(ScopeKind.FAMILY, name) for name in sorted(families)))


def _market(case: Case) -> tuple[Scope, ...]:
    return (Scope(ScopeKind.MARKET, case.subject),)


def _halt(scopes: Scopes) -> Action:
    return Action(Act.POST_RESTRICTION, scopes, Level.HALT)


def _caution(scopes: Scopes) -> Action:
    return Action(Act.POST_RESTRICTION, scopes, Level.CAUTION, multiplier=_CAUTION)


_PAGE: Final = Action(Act.PAGE)


# Venue outage


def _closed(case: Case, endpoint: Endpoint) -> bool:
    return case.facts.breakers.get((case.subject, endpoint), BreakerState.CLOSED) is BreakerState.CLOSED


def _no_orders(case: Case) -> bool:
    """Tell whether the orders breaker is not closed: it opens for 60 s at most and then probes, which is no service."""
    return not _closed(case, Endpoint.ORDERS)


def _down(case: Case) -> bool:
    return not any(_closed(case, endpoint) for endpoint in Endpoint)


def _serves_again(case: Case) -> bool:
    """Tell whether the breakers closed, each after three good probes, and the venue agreed with us in full since."""
    closed_ns = case.facts.closed_ns.get(case.subject, 0)
    closed = all(_closed(case, endpoint) for endpoint in Endpoint)
    return closed and case.facts.reconciled_ns.get(case.subject, closed_ns) >= closed_ns


def _exposed(case: Case) -> bool:
    """Tell whether we hold something at the venue, or an order there could still fill."""
    held = [*case.view.positions(), *(order.place.position for order in case.view.unfinished())]
    return any(position.instrument.venue == case.subject for position in held)


VENUE_OUTAGE: Final = Playbook(
    "venue_outage",
    3,
    ReasonCode.VENUE_OUTAGE,
    lambda facts: tuple(dict.fromkeys(venue for venue, _ in facts.breakers)),
    rungs=(
        Rung("nothing answers", _down, (_halt(_venue),)),
        Rung("no order went through for 60 s", _no_orders, (_halt(_venue),), for_ns=_MINUTE_NS),
    ),
    recovered=_serves_again,
    escalations=(Rung("it lasts, and we are exposed there", _exposed, (_PAGE,), for_ns=10 * _MINUTE_NS),),
)

# Clock skew


def _skew_over(limit_sec: float) -> Predicate:
    def over(case: Case) -> bool:
        skew = case.figure(CLOCK_SKEW.name)
        return skew is not None and not abs(skew) <= limit_sec

    return over


def _in_step(case: Case) -> bool:
    skew = case.fresh(CLOCK_SKEW.name)
    return skew is not None and CLOCK_SKEW.is_good(skew)


CLOCK_SKEW_BOOK: Final = Playbook(
    "clock_skew",
    2,
    ReasonCode.CLOCK_SKEW,
    lambda facts: tuple(subject for name, subject in facts.readings if name == CLOCK_SKEW.name),
    rungs=(
        Rung("clocks differ by more than 1 s", _skew_over(CLOCK_SKEW.bad), (_caution(_venue),), for_ns=30 * _SECOND_NS),
        Rung("clocks differ by more than 5 s", _skew_over(clock_skew.MOST_SEC), (_halt(_venue), _PAGE)),
    ),
    recovered=_in_step,
    hold_ns=_MINUTE_NS,
    figures=(CLOCK_SKEW.name,),
)

# Ledger or disk trouble


def _slow(case: Case) -> bool:
    value = case.figure(COMMIT_P99.name)
    return value is not None and COMMIT_P99.is_bad(value)


def _little_space(case: Case) -> bool:
    value = case.figure(FREE_DISK.name)
    return value is not None and FREE_DISK.is_bad(value)


def _broken(case: Case) -> bool:
    return bool(case.facts.broken)


def _writes_well(case: Case) -> bool:
    value = case.fresh(COMMIT_P99.name)
    return value is not None and COMMIT_P99.is_good(value)


LEDGER_TROUBLE: Final = Playbook(
    "ledger_trouble",
    3,
    ReasonCode.STORAGE_TROUBLE,
    lambda _: (STORAGE,),
    rungs=(
        Rung("commits take more than 50 ms", _slow, (_halt(_everything), _PAGE), for_ns=_MINUTE_NS),
        Rung("less than 1 GiB is free", _little_space, (_halt(_everything), _PAGE)),
        Rung("it cannot be written", _broken, (_halt(_everything), _PAGE)),
    ),
    recovered=_writes_well,
    hold_ns=_MINUTE_NS,
    figures=(COMMIT_P99.name, FREE_DISK.name),
)

# Resolution or settlement anomaly


def _out_of_order(case: Case) -> bool:
    return case.subject in case.facts.anomalies


MARKET_ANOMALY: Final = Playbook(
    "market_anomaly",
    3,
    ReasonCode.MARKET_ANOMALY,
    lambda facts: tuple(facts.anomalies),
    rungs=(
        Rung(
            "the market is not open as it should be",
            _out_of_order,
            (_halt(_market_and_families), Action(Act.SET_MODE, _market, mode="settlement_pending"), _PAGE),
        ),
    ),
)

ROWS: Final = (VENUE_OUTAGE, LEDGER_TROUBLE, MARKET_ANOMALY, CLOCK_SKEW_BOOK)
"""The books in force."""
FIGURES: Final = (CLOCK_SKEW, COMMIT_P99, FREE_DISK)
"""The figures that somebody publishes."""
