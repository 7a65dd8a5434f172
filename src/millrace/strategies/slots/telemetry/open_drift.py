"""Open orders that the venue counts and the grid does not know, or the other way round (slots 4.7).

The two counts differ for a moment whenever an order is on its way, so only a difference that lasts is told: once, again
after a while as long as it stays, and once more when it has gone.
"""

from enum import StrEnum
from typing import Any

import msgspec

_SECOND_NS = 1_000_000_000


class DriftNews(StrEnum):
    """What the operator must be told."""

    PERSISTS = "persists"
    GONE = "gone"


class DriftLimits(msgspec.Struct, frozen=True, gc=False):
    """OPEN_ORDER_DRIFT_ALERT_THRESHOLD in orders, _PERSIST_SEC and _COOLDOWN_SEC (slots 21)."""

    orders: int = 10
    persist_sec: float = 600.0
    cooldown_sec: float = 1800.0


class OpenOrderDrift(msgspec.Struct):
    """Since when the counts have differed by the threshold, and when that was last told."""

    limits: DriftLimits
    since_ns: int | None = None
    told_ns: int | None = None

    @property
    def persistent(self) -> bool:
        """Whether a drift was told and has not gone."""
        return self.told_ns is not None

    def look(self, exchange: int, internal: int, now_ns: int) -> DriftNews | None:
        """Take both counts of one moment and return what must be told."""
        if abs(exchange - internal) < self.limits.orders:
            told = self.persistent
            self.since_ns = self.told_ns = None
            return DriftNews.GONE if told else None
        if self.since_ns is None:
            self.since_ns = now_ns
        due_ns = self.since_ns + round(self.limits.persist_sec * _SECOND_NS)
        if self.told_ns is not None:
            due_ns = self.told_ns + round(self.limits.cooldown_sec * _SECOND_NS)
        if now_ns < due_ns:
            return None
        self.told_ns = now_ns
        return DriftNews.PERSISTS

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"since_ns": self.since_ns, "told_ns": self.told_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.since_ns, self.told_ns = state["since_ns"], state["told_ns"]
