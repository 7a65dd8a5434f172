"""The price that a generated market moves around, and its mood, from any time on.

An epoch's ends are points of one random walk that is drawn from the seed and the coin's number alone, and its inside is
a bridge between them, drawn from the epoch's number too. So an epoch can be made without those before it.
"""

import numpy as np
from numpy.typing import NDArray

from millrace.core.instrument import PPM
from millrace.sim.depth.coins import Coin
from millrace.sim.depth.market_settings import BEHAVIOURS, DepthMarketSettings, Mood

STEP_NS = 1_000_000_000
_DAY_NS = 86_400 * STEP_NS
_WALK, _MOODS, _BRIDGE = 1, 2, 3
_MOOD_NAMES = tuple(Mood)
_AT_FIRST = 64


class FairPath:
    """One coin's fair price in ticks, a second apart, and its moods by epoch."""

    def __init__(self, seed: int, number: int, coin: Coin, settings: DepthMarketSettings) -> None:
        self._name = (seed, number)
        self._settings = settings
        self._open_ticks = coin.price * 10.0**coin.price_decimals
        # A quiet market is one whose clock goes slowly, for its price as for its orders.
        self._deviation = coin.volatility * (settings.epoch_ns / _DAY_NS * (settings.tempo_ppm / PPM)) ** 0.5
        self._steps = settings.epoch_ns // STEP_NS
        self._moods: list[Mood] = []
        self._walk: NDArray[np.float64] = np.zeros(0)

    def mood(self, epoch: int) -> Mood:
        """Return how the market behaves in an epoch."""
        self._reach(epoch)
        return self._moods[epoch]

    def within(self, epoch: int) -> list[float]:
        """Return the fair price at each second of an epoch, both ends included."""
        self._reach(epoch)
        rng = np.random.default_rng([*self._name, _BRIDGE, epoch])
        scale = self._deviation * BEHAVIOURS[self._moods[epoch]].volatility / self._steps**0.5
        free = np.concatenate(([0.0], np.cumsum(rng.standard_normal(self._steps)) * scale))
        along = np.linspace(0.0, 1.0, self._steps + 1)
        low, high = self._walk[epoch], self._walk[epoch + 1]
        logs = low + free + along * (high - low - free[-1])
        found: list[float] = (self._open_ticks * np.exp(logs)).tolist()
        return found

    def _reach(self, epoch: int) -> None:
        """Draw the walk beyond an epoch; what was drawn before comes out the same again."""
        if epoch < len(self._moods):
            return
        count = max(_AT_FIRST, 2 * (epoch + 1))
        shares = np.cumsum(self._settings.mood_ppm) / PPM
        drawn = np.random.default_rng([*self._name, _MOODS]).random(count)
        places = np.minimum(np.searchsorted(shares, drawn, side="right"), len(_MOOD_NAMES) - 1)
        self._moods = [_MOOD_NAMES[place] for place in places]
        factors = np.array([BEHAVIOURS[mood].volatility for mood in self._moods])
        steps = np.random.default_rng([*self._name, _WALK]).standard_normal(count) * factors * self._deviation
        self._walk = np.concatenate(([0.0], np.cumsum(steps)))
