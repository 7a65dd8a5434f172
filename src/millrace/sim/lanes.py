"""Scans of lanes in a simulation: done at once, answered later, and late or broken as the seed says (runtime 2.10).

A simulated clock cannot measure how long a real computation takes, so whether a scan was in time is drawn, from the
seed and the scan's number alone. A backtest and its repetition therefore merge the same candidates on any machine,
however slow; a job that really raises is an answer here as it is in a process of its own.
"""

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from millrace.core.binary_events import LaneScanned, LaneStatus
from millrace.core.commands import Scan
from millrace.sim.dice import Dice
from millrace.sim.venue import Delivery

Prepare = Callable[[bytes], Callable[[bytes], tuple[dict[str, Any], ...]]]
"""A job: from rules and markets to what scans books."""
_MILLI = 1_000_000


class SimulatedLanesSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How long scans take, drawn evenly, and how many in a million come late or fail."""

    least_ns: int = 20 * _MILLI
    most_ns: int = 120 * _MILLI
    hard_ns: int = 400 * _MILLI
    late_ppm: int = 10_000
    failed_ppm: int = 0


class SimulatedLanes:
    """Answers scans under one seed; keeps nothing between them but what its jobs were prepared from."""

    def __init__(self, jobs: Mapping[str, Prepare], seed: int, settings: SimulatedLanesSettings) -> None:
        self._jobs = jobs
        self._dice = Dice(seed, "lanes")
        self._settings = settings
        self._prepared: dict[str, tuple[bytes, Callable[[bytes], tuple[dict[str, Any], ...]]]] = {}

    def answer(self, scan: Scan, setup: bytes, books: bytes) -> Delivery:
        """Return a scan's answer and when it comes; a late one comes when its budget is over, with nothing."""
        rules, name = self._settings, (scan.strategy, scan.lane, scan.scan)
        if self._dice.often(rules.late_ppm, "late", *name):
            return self._said(scan, LaneStatus.LATE, scan.ts_ns + rules.hard_ns, "not done within its budget")
        ts_ns = scan.ts_ns + self._dice.between(rules.least_ns, rules.most_ns, "time", *name)
        if self._dice.often(rules.failed_ppm, "failed", *name):
            return self._said(scan, LaneStatus.FAILED, ts_ns, "its process died")
        try:
            found = self._job(scan.lane, setup)(books)
        except (ValueError, LookupError, ArithmeticError, msgspec.MsgspecError) as error:
            return self._said(scan, LaneStatus.FAILED, ts_ns, f"{type(error).__name__}: {error}"[:200])
        return Delivery(ts_ns, LaneScanned(*name, LaneStatus.DONE, found, "", ts_ns))

    def _job(self, lane: str, setup: bytes) -> Callable[[bytes], tuple[dict[str, Any], ...]]:
        known = self._prepared.get(lane)
        if known is None or known[0] != setup:
            known = self._prepared[lane] = (setup, self._jobs[lane](setup))
        return known[1]

    @staticmethod
    def _said(scan: Scan, status: LaneStatus, ts_ns: int, text: str) -> Delivery:
        return Delivery(ts_ns, LaneScanned(scan.strategy, scan.lane, scan.scan, status, (), text, ts_ns))
