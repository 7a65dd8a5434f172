"""What a gate is made of: checks with value, limit, verdict and since when, and the evidence they are judged on.

A check has three states, not two: it passes, it fails, or nobody can tell yet. The third is not green either, but it
asks for patience or for an exercise instead of a repair, so it says what is missing.
"""

from collections.abc import Sequence
from typing import Any, Literal

import msgspec

from millrace.core.commands import Book

Verdict = Literal["pass", "fail", "not_enough_data"]
Rule = Literal["<=", ">="]


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One condition; `since_ns` is the run's time from which the verdict holds, None while there is none."""

    name: str
    value: float | None
    limit: float
    rule: Rule
    verdict: Verdict
    since_ns: int | None
    reason: str = ""

    def status(self) -> dict[str, Any]:
        """Return the check for a status or a machine, `since` in seconds; strict JSON."""
        return {
            "name": self.name,
            "value": self.value,
            "limit": self.limit,
            "rule": self.rule,
            "pass": self.verdict == "pass",
            "verdict": self.verdict,
            "since": _seconds(self.since_ns),
            "reason": self.reason,
        }


class Gate(msgspec.Struct, frozen=True, kw_only=True):
    """A stage's gate: it passes when every check does, and fails when one does."""

    name: str
    title: str
    verdict: Verdict
    since_ns: int | None
    checks: tuple[Check, ...]

    @property
    def passes(self) -> bool:
        """Whether it is green."""
        return self.verdict == "pass"

    def status(self) -> dict[str, Any]:
        """Return the gate for a status or a machine, `since` in seconds; strict JSON."""
        return {
            "title": self.title,
            "pass": self.passes,
            "verdict": self.verdict,
            "since": _seconds(self.since_ns),
            "checks": [check.status() for check in self.checks],
        }


class StartRecord(msgspec.Struct, frozen=True, gc=False):
    """One start of the program: the run's time, the orders it had to account for, and how long it took in seconds."""

    ts_ns: int
    tracked_orders: int
    total_sec: float


class Evidence:
    """The records of a grid's runs, oldest run first, up to `now_ns`; those before `since_ns` are left out."""

    def __init__(
        self, records: Sequence[Book], starts: Sequence[StartRecord], now_ns: int, *, since_ns: int = 0
    ) -> None:
        self.now_ns = now_ns
        self.records = [record for record in records if record.ts_ns >= since_ns]
        self.starts = [start for start in starts if start.ts_ns >= since_ns]

    def of(self, *kinds: str) -> list[Book]:
        """Return the records of these kinds in their order."""
        return [record for record in self.records if record.kind in kinds]


def at_most(name: str, value: float, limit: float, since_ns: int, why: str = "") -> Check:
    """Return the check that `value` is not above `limit`; `why` is told when it is."""
    return _judged(name, value, limit, "<=", since_ns, why, passed=value <= limit)


def at_least(name: str, value: float, limit: float, since_ns: int, why: str = "") -> Check:
    """Return the check that `value` is not below `limit`; `why` is told when it is."""
    return _judged(name, value, limit, ">=", since_ns, why, passed=value >= limit)


def unknown(name: str, limit: float, rule: Rule, missing: str, value: float | None = None) -> Check:
    """Return a check that cannot be judged yet, with what is missing."""
    reason = f"not enough data yet: {missing}"
    return Check(
        name=name, value=value, limit=limit, rule=rule, verdict="not_enough_data", since_ns=None, reason=reason
    )


def gate_of(name: str, title: str, checks: tuple[Check, ...]) -> Gate:
    """Return the gate of these checks: green since the last of them turned green, red since the first turned red."""
    failed = [check.since_ns for check in checks if check.verdict == "fail" and check.since_ns is not None]
    if failed:
        return Gate(name=name, title=title, verdict="fail", since_ns=min(failed), checks=checks)
    if not checks or any(check.verdict != "pass" for check in checks):
        return Gate(name=name, title=title, verdict="not_enough_data", since_ns=None, checks=checks)
    since_ns = max([check.since_ns for check in checks if check.since_ns is not None], default=None)
    return Gate(name=name, title=title, verdict="pass", since_ns=since_ns, checks=checks)


def _judged(name: str, value: float, limit: float, rule: Rule, since_ns: int, why: str, *, passed: bool) -> Check:
    verdict: Verdict = "pass" if passed else "fail"
    reason = "" if passed else why or f"{value:.6g} is not {rule} {limit:.6g}"
    return Check(name=name, value=value, limit=limit, rule=rule, verdict=verdict, since_ns=since_ns, reason=reason)


def _seconds(ts_ns: int | None) -> float | None:
    return None if ts_ns is None else ts_ns / 1e9
