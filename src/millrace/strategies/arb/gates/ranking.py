"""Which bucket goes first when not all can: by what its like has really earned, with chance that is seeded (arb 10).

Thompson sampling draws each bucket's hit rate from what its realised outcomes permit, so that a new one gets its turns
and a bad one loses them. The draw is a hash of seed, rule and cycle: the same run ranks the same way. An expected value
is never an outcome.
"""

from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Any, TypeVar

import msgspec

from millrace.strategies.arb.model import Basket, Lane

PRIOR_MEAN = 0.002
PRIOR_STRENGTH = 12
LEAST_OUTCOMES = 8
LEAST_SCORE = -0.02
LEG_PENALTY = 0.00025
"""Dollars per leg beyond two."""
_WORD = 8
_DRAWS = 2**53


_T = TypeVar("_T")


class _Saved(msgspec.Struct):
    outcomes: dict[str, tuple[int, int, float]]


class BucketRanking:
    """Wins, losses and the sum of realised returns of each bucket rule."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._outcomes: dict[str, tuple[int, int, float]] = {}

    def ended(self, rule: str, realized: float) -> None:
        """Take what one basket realised, in dollars per contract."""
        wins, losses, total = self._outcomes.get(rule, (0, 0, 0.0))
        self._outcomes[rule] = (wins + (realized > 0), losses + (realized <= 0), total + realized)

    def score(self, rule: str, legs: int) -> float:
        """Return the mean realised outcome, shrunk to the prior, less the penalty of many legs."""
        wins, losses, total = self._outcomes.get(rule, (0, 0, 0.0))
        mean = (PRIOR_MEAN * PRIOR_STRENGTH + total) / (PRIOR_STRENGTH + wins + losses)
        return mean - LEG_PENALTY * max(legs - 2, 0)

    def is_bad(self, rule: str, legs: int) -> bool:
        """Tell whether enough outcomes say that a bucket is not worth its turn."""
        wins, losses, _ = self._outcomes.get(rule, (0, 0, 0.0))
        return wins + losses >= LEAST_OUTCOMES and self.score(rule, legs) < LEAST_SCORE

    def rank(self, rule: str, legs: int, cycle: int) -> float:
        """Return this cycle's draw of Beta(1 + wins, 1 + losses), less many legs' penalty; the highest goes first."""
        from scipy.special import betaincinv  # noqa: PLC0415  see joint_fill

        wins, losses, _ = self._outcomes.get(rule, (0, 0, 0.0))
        word = blake2b(f"{self._seed}/{cycle}/{rule}".encode(), digest_size=_WORD).digest()
        place = ((int.from_bytes(word, "little") >> 11) + 0.5) / _DRAWS
        return float(betaincinv(1 + wins, 1 + losses, place)) - LEG_PENALTY * max(legs - 2, 0)

    def turns(self, items: Sequence[_T], of: Callable[[_T], Basket], cycle: int) -> list[_T]:
        """Return items with buckets in the order of this cycle's draws, in the places that buckets had."""
        places = [place for place, item in enumerate(items) if of(item).lane is Lane.BUCKET]
        found = list(items)

        def key(place: int) -> tuple[float, str]:
            basket = of(items[place])
            return -self.rank(basket.rule, len(basket.legs), cycle), basket.direction

        for place, drawn in zip(places, sorted(places, key=key), strict=True):
            found[place] = items[drawn]
        return found

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(self._outcomes))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._outcomes = msgspec.convert(state, _Saved).outcomes
