"""What trading has brought so far, where it makes the next stake smaller: drawdowns, buckets that fail (arb 9.6, 10).

Only what was realised counts. Equity as reported would not do: cash and positions are told in two messages, and between
them a purchase looks like a gain or a loss. A basket counts at cost until its last cash is in.
"""

from typing import Any

import msgspec

from millrace.sizing.overlays import Drawdown
from millrace.sizing.stake_settings import StakeSettings
from millrace.strategies.arb.model import Lane


class _Saved(msgspec.Struct):
    opening_usd: float
    realized_usd: float
    all: Drawdown
    lanes: dict[str, Drawdown]
    surprises: dict[str, float]
    bucket_failures: int


class TrackRecord:
    """The drawdown of everything and of each lane, and how often buckets failed in a row."""

    def __init__(self, settings: StakeSettings) -> None:
        self.bucket_failures = 0
        self._settings = settings
        self._opening_usd = self._realized_usd = 0.0
        self._all = Drawdown()
        self._lanes: dict[str, Drawdown] = {}
        self._surprises: dict[str, float] = {}

    @property
    def multiplier(self) -> float:
        """What the drawdown of everything leaves of a stake."""
        return self._all.multiplier

    def ended(self, lane: Lane, realized_usd: float, expected_usd: float) -> None:
        """Take what one basket realised, and what had been expected of it."""
        self._realized_usd += realized_usd
        self._surprises[lane] = self._surprises.get(lane, 0.0) + realized_usd - expected_usd
        self._all.traded()
        self._lanes.setdefault(lane, Drawdown()).traded()

    def executed(self, lane: Lane, *, failed: bool) -> None:
        """Count buckets that failed in a row."""
        if lane is Lane.BUCKET:
            self.bucket_failures = self.bucket_failures + 1 if failed else 0

    def shrink(self, lane: Lane, equity_usd: float, now_ns: int) -> float:
        """Return what the drawdowns leave of a lane's stake; the first equity told is where everything begins."""
        if not self._opening_usd:
            self._opening_usd = equity_usd
        everything = self._all.observe(self._opening_usd + self._realized_usd, now_ns, self._settings)
        course = self._lanes.setdefault(lane, Drawdown())
        share_usd = self._opening_usd * self._settings.lane_fraction + self._surprises.get(lane, 0.0)
        return min(everything, course.observe(share_usd, now_ns, self._settings))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(
            self._opening_usd, self._realized_usd, self._all, self._lanes, self._surprises, self.bucket_failures
        )
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._opening_usd, self._realized_usd = saved.opening_usd, saved.realized_usd
        self._all, self._lanes, self._surprises = saved.all, saved.lanes, saved.surprises
        self.bucket_failures = saved.bucket_failures
