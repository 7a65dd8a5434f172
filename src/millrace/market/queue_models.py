"""How far an order moves up in the queue of its price when the level changes and nobody says whose order went.

A venue that tells only levels leaves two questions open: a level that shrinks by more than was traded had cancels, and
they came from before or from behind our order. A model answers with one method (quoting 4.5). `RiskAverse` lets only
trades advance us, which no real queue can undercut. `ProbQueue` shares cancels out by how much stands before and behind
(Rigtorp's estimator): the more stands behind us, the more of them were there.

Lots are of the instrument; `ahead` is an estimate and may be a fraction. Infinite means that nobody knows.
"""

from enum import StrEnum
from math import inf, log1p
from typing import Protocol

import msgspec

from millrace.core.instrument import Lots


class QueueModel(Protocol):
    """What a shrinking level does to who waits in it."""

    def ahead_after(self, ahead: float, before: Lots, after: Lots, traded: Lots) -> float:
        """Return the lots before us when a level went from `before` to `after` lots.

        `traded` of the difference were trades, which `ahead` is already less by. Never less than 0, nor more than
        `after`.
        """
        ...


class RiskAverse(msgspec.Struct, frozen=True, gc=False):
    """Only trades advance us: every cancel was behind us, as long as that can be."""

    def ahead_after(self, ahead: float, before: Lots, after: Lots, traded: Lots) -> float:  # noqa: ARG002  the protocol
        """Return what was ahead, or the whole level where it is less."""
        return min(ahead, float(after))


class PowerQueue(msgspec.Struct, frozen=True, gc=False):
    """Cancels fall behind us with probability b^n / (b^n + a^n), a being before us and b behind; it has no unit."""

    exponent: float = 3.0

    def ahead_after(self, ahead: float, before: Lots, after: Lots, traded: Lots) -> float:
        """Return what is ahead when cancels fell on both sides by their odds."""
        behind = before - traded - ahead
        if not 0 < ahead < inf or behind <= 0:
            return min(ahead, float(after))
        ratio = (ahead / behind) ** self.exponent
        return _advanced(ahead, behind, after, 1 / (1 + ratio))


class LogQueue(msgspec.Struct, frozen=True, gc=False):
    """The same with f(x) = log(1 + x); x counts units of `unit_lots`, so the answer depends on what a unit is."""

    unit_lots: Lots

    def ahead_after(self, ahead: float, before: Lots, after: Lots, traded: Lots) -> float:
        """Return what is ahead when cancels fell on both sides by their odds."""
        behind = before - traded - ahead
        if not 0 < ahead < inf or behind <= 0:
            return min(ahead, float(after))
        front, back = log1p(ahead / self.unit_lots), log1p(behind / self.unit_lots)
        return _advanced(ahead, behind, after, back / (front + back))


def _advanced(ahead: float, behind: float, after: Lots, share_behind: float) -> float:
    """Take cancels off both sides; what one side has too few of, the other gave."""
    gone = ahead + behind - after
    if gone <= 0:
        return ahead
    from_ahead = max(gone * (1 - share_behind), gone - behind)
    return min(max(ahead - from_ahead, 0.0), float(after))


class QueueRule(StrEnum):
    """Which model a venue uses."""

    LOG = "log"
    POWER = "power"
    RISK_AVERSE = "risk_averse"


def queue_model(rule: QueueRule, lot_decimals: int) -> QueueModel:
    """Return the model of a rule for one instrument; the logarithm counts whole coins."""
    if rule is QueueRule.LOG:
        return LogQueue(10**lot_decimals)
    return PowerQueue() if rule is QueueRule.POWER else RiskAverse()
