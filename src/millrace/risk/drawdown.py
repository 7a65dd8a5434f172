"""Drawdown tiers: a strategy that keeps losing trades smaller, then not at all (runtime 2.17 rule 5).

Each quarter of an hour the guard takes what every strategy has won or lost so far, and compares it with the best of the
last seven days. Five, ten and fifteen per cent of the allocated capital below that are the tiers: half size, a quarter,
halt. A tier is entered on a new low only, so that a deep but old low does not bind twice.

The way back is one tier after 24 hours without a new low, and only when something measured says that the cause is over:
realised over expected profit of at least 0.8 where somebody publishes it (`realised_to_expected`). Where nobody does,
being back above a tier's own limit ends the two smaller ones; the halt stays for an operator, who may end it after 24
hours and finds a quarter size behind it. Time alone lifts nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from millrace.core.commands import Alert, Lift, OrderUpdate, Place, Post, Severity
from millrace.core.events import Measured, Operator, Timer
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.instrument import Instrument
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.strategy import Interest
from millrace.risk.profit import Dollars, Exposure, by_name, cap_dollars, usd
from millrace.risk.settings import StopsSettings

SAMPLE_NS: Final = 900 * 10**9
WINDOW_NS: Final = 7 * 86_400 * 10**9
HOLD_NS: Final = 86_400 * 10**9
TIERS_PCT: Final = (5, 10, 15)
"""Drawdown in per cent of allocated capital from which a tier holds."""
MULTIPLIERS: Final = (0.5, 0.25)
"""Of the tiers below the halt."""
LEAST_RATIO: Final = 0.8
RATIO: Final = "realised_to_expected"
"""Name of the measure; its subject is the strategy."""
_HALT_TIER: Final = len(TIERS_PCT)
_NO_MARGIN: Final = 2**62


class _Course(msgspec.Struct, gc=False):
    """One strategy: books, samples (time, value), the tier, and the low that the tier's way back counts from."""

    books: Exposure
    samples: list[tuple[int, Dollars]] = []
    tier: int = 0
    low: Dollars | None = None
    low_ns: int = 0
    ratio: float | None = None


class _Saved(msgspec.Struct):
    next_ns: int | None
    courses: dict[str, _Course]


class Drawdown:
    """A `Guard`; without allocated capital it only books fills.

    Capital may be allocated while positions are held; books that began then would take the sale of one for a short.
    """

    name = "drawdown"

    def __init__(self, instruments: Sequence[Instrument], settings: StopsSettings) -> None:
        self.settings = settings
        allocated = settings.allocated_capital_usd
        self._allocated = None if allocated is None else cap_dollars(allocated)
        self._instruments = by_name(instruments)
        self._next_ns: int | None = None
        self._courses: dict[str, _Course] = {}
        self.reads: tuple[type, ...] = (OrderUpdate,) if allocated is None else (OrderUpdate, Timer, Measured, Operator)

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Book fills, take the samples that are due, and notice an operator's word."""
        if isinstance(seen, OrderUpdate):
            if seen.d_lots or seen.d_cost or seen.d_fee:
                self._book(seen, view)
        elif isinstance(seen, Measured):
            if seen.name == RATIO and seen.subject in self._courses:
                self._courses[seen.subject].ratio = seen.value
        elif isinstance(seen, Operator):
            return self._cleared(view)
        elif self._next_ns is not None and view.now_ns >= self._next_ns:
            self._next_ns = _after(view.now_ns)
            return [verdict for name, course in self._courses.items() for verdict in self._sample(name, course, view)]
        return []

    def _book(self, update: OrderUpdate, view: GuardView) -> None:
        position = update.place.position
        course = self._courses.get(position.strategy)
        if course is None:
            course = self._courses[position.strategy] = _Course(Exposure(0, {}), [(view.now_ns, 0)])
        course.books.book(update, self._instruments[str(position.instrument)])
        if self._next_ns is None:
            self._next_ns = _after(view.now_ns)

    def _sample(self, strategy: str, course: _Course, view: GuardView) -> list[Verdict]:
        value = self._value(course, view)
        if value is None:
            return []
        since_ns = view.now_ns - WINDOW_NS
        course.samples = [one for one in course.samples if one[0] >= since_ns] + [(view.now_ns, value)]
        if course.low is None or value < course.low:
            course.low, course.low_ns = value, view.now_ns
            tier = sum(self._is_below(course, value, pct) for pct in TIERS_PCT)
            if tier > course.tier:
                return self._move(strategy, course, tier, view)
            # A halt holds for 24 hours from its last low.
            return [Post(self._restriction(strategy, course, view))] if course.tier == _HALT_TIER else []
        if course.tier == 0:
            if not self._is_below(course, value, TIERS_PCT[0]):
                course.low = None
            return []
        if view.now_ns - course.low_ns >= HOLD_NS and self._is_over(course, value):
            course.low_ns = view.now_ns
            return self._move(strategy, course, course.tier - 1, view)
        return []

    def _value(self, course: _Course, view: GuardView) -> Dollars | None:
        marks = course.books.marks(view, self._instruments, worse_ppm=0, stale_ns=_NO_MARGIN)
        return course.books.value(marks, self._instruments)

    def _is_below(self, course: _Course, value: Dollars, pct: int) -> bool:
        peak = max(sample for _, sample in course.samples)
        return (peak - value) * 100 >= (self._allocated or 0) * pct

    def _is_over(self, course: _Course, value: Dollars) -> bool:
        """Tell whether something measured says that the cause of the tier is over."""
        if course.ratio is not None:
            return course.ratio >= LEAST_RATIO
        return course.tier < _HALT_TIER and not self._is_below(course, value, TIERS_PCT[course.tier - 1])

    def _cleared(self, view: GuardView) -> list[Verdict]:
        """Take a halt that an operator cleared as a step back: a quarter size is behind it."""
        standing = {restriction.id for restriction in view.restrictions()}
        verdicts: list[Verdict] = []
        for name, course in self._courses.items():
            if course.tier == _HALT_TIER and _id(name, _HALT_TIER) not in standing:
                course.low_ns = view.now_ns
                verdicts += self._move(name, course, _HALT_TIER - 1, view)
        return verdicts

    def _move(self, strategy: str, course: _Course, tier: int, view: GuardView) -> list[Verdict]:
        """Post the new tier before the old one is lifted, so that nothing is open in between."""
        before, course.tier = course.tier, tier
        verdicts: list[Verdict] = [Post(self._restriction(strategy, course, view))] if tier else []
        if before:
            verdicts.append(Lift(_id(strategy, before), f"now tier {tier}", view.now_ns))
        severity = Severity.PAGE if tier == _HALT_TIER else Severity.WARN if tier > before else Severity.INFO
        text = f"{self._text(strategy, course, view)}: tier {tier} after {before}"
        return [*verdicts, Alert(severity, ReasonCode.DRAWDOWN.value, text, view.now_ns)]

    def _restriction(self, strategy: str, course: _Course, view: GuardView) -> Restriction:
        halt = course.tier == _HALT_TIER
        return Restriction(
            id=_id(strategy, course.tier),
            scope=Scope(ScopeKind.STRATEGY, strategy),
            level=Level.HALT if halt else Level.CAUTION,
            reason=ReasonCode.DRAWDOWN,
            text=self._text(strategy, course, view),
            posted_by=self.name,
            posted_ns=view.now_ns,
            multiplier=1.0 if halt else MULTIPLIERS[course.tier - 1],
            hold_until_ns=view.now_ns + HOLD_NS,
            recovery=Recovery.OPERATOR if halt else Recovery.AUTO,
        )

    def _text(self, strategy: str, course: _Course, view: GuardView) -> str:
        return f"{strategy} is {self._ratio(course, view):.1%} of its capital below its best of seven days"

    def _ratio(self, course: _Course, view: GuardView) -> float:
        """Return how far below the window's best it is, as a share of the allocated capital."""
        value = self._value(course, view)
        if value is None or self._allocated is None:
            return 0.0
        return max(max(sample for _, sample in course.samples) - value, 0) / self._allocated

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Have none: the tiers are on the board."""
        del places, view
        return ()

    def interest(self) -> Interest:
        """Return when the next sample is due."""
        return Interest(deadline_ns=None if self._allocated is None else self._next_ns)

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return the strategies: `millrace_drawdown_ratio`, the tier, and what they won or lost in all."""
        shown = {}
        for name, course in self._courses.items() if self._allocated is not None else ():
            value = self._value(course, view)
            shown[name] = {
                "drawdown_ratio": self._ratio(course, view),
                "tier": course.tier,
                "pnl_usd": None if value is None else usd(value),
                "realised_to_expected": course.ratio,
            }
        return shown

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(self._next_ns, self._courses))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._next_ns, self._courses = saved.next_ns, saved.courses


def _after(now_ns: int) -> int:
    return (now_ns // SAMPLE_NS + 1) * SAMPLE_NS


def _id(strategy: str, tier: int) -> str:
    return f"drawdown/{strategy}/tier{tier}"
