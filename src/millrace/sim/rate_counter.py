"""The trading-engine rate counter of one account and pair (venues 1.5).

It rises with every transaction and decays continuously. A request that would lift it over the threshold is refused and
charges nothing, so a client that hammers is let in again as soon as the counter has decayed.
"""

import msgspec

ADD_COST = 1.0
AMEND_COST = 1.0
"""What an amend charges whatever becomes of it; one that is done charges `amend_cost`."""
_AMEND_COST_BY_AGE_SEC = ((5, 3.0), (10, 2.0), (15, 1.0))
_CANCEL_COST_BY_AGE_SEC = ((5, 8.0), (10, 6.0), (15, 5.0), (45, 4.0), (90, 2.0), (300, 1.0))
_NS = 1_000_000_000


class RateTier(msgspec.Struct, frozen=True, gc=False):
    """An account's allowance: the counter may reach `threshold` and loses `decay_per_sec`."""

    threshold: float
    decay_per_sec: float


TIERS = {
    "starter": RateTier(60.0, 1.0),
    "intermediate": RateTier(125.0, 2.34),
    "pro": RateTier(180.0, 3.75),
}
"""The account tiers of venues 1.5."""


def cancel_cost(age_ns: int) -> float:
    """Return what cancelling an order charges: 8 when placed or amended within 5 s, down to 0 from 300 s on."""
    return _by_age(_CANCEL_COST_BY_AGE_SEC, age_ns)


def amend_cost(age_ns: int) -> float:
    """Return what amending an order charges in all: 4 when placed or amended within 5 s, down to 1 from 15 s on."""
    return AMEND_COST + _by_age(_AMEND_COST_BY_AGE_SEC, age_ns)


def _by_age(costs: tuple[tuple[int, float], ...], age_ns: int) -> float:
    for limit_sec, cost in costs:
        if age_ns < limit_sec * _NS:
            return cost
    return 0.0


class RateCounter:
    """The counter of one pair; without a tier nothing is ever refused and the level stays 0."""

    __slots__ = ("_tier", "level", "ts_ns")

    def __init__(self, tier: RateTier | None) -> None:
        self._tier = tier
        self.level = 0.0
        self.ts_ns = 0

    def now(self, ts_ns: int) -> float:
        """Return the decayed level at `ts_ns`."""
        if self._tier is None:
            return 0.0
        return max(0.0, self.level - (ts_ns - self.ts_ns) * self._tier.decay_per_sec / _NS)

    def after(self, cost: float, ts_ns: int) -> float | None:
        """Return the level that a transaction would leave, or None when it must be refused; changes nothing."""
        if self._tier is None:
            return 0.0
        level = self.now(ts_ns) + cost
        return level if level <= self._tier.threshold else None

    def set(self, level: float, ts_ns: int) -> None:
        """Take the level as of `ts_ns`."""
        self.level = level
        self.ts_ns = ts_ns
