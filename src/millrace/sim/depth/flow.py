"""What one event does to a generated book: a limit order, a cancel, a taker, or the price leaving orders behind.

The rules are those of a queue-reactive model (Huang, Lehalle, Rosenbaum 2015) around a price from outside: the fuller
a level, the likelier its next event is a cancel; a wide spread is bettered; takers come from both sides, some of them
knowing where the price goes; orders on the wrong side of the fair price are traded or pulled. Nothing of it is fitted.
"""

from math import ceil, floor, log1p
from typing import Final, NamedTuple

from millrace.core.instrument import Instrument, Lots, Ticks
from millrace.sim.depth.coins import Coin
from millrace.sim.depth.ladder import Ladder
from millrace.sim.depth.market_settings import Behaviour

DRAWS: Final = 5
"""Numbers from 0 to 1 that an event is made of."""
_TAKER_SHARE = 0.12
_BETTERS_FROM = 0.56
"""Events of a kind above it better the book where makers want a closer touch."""
_EVEN = 0.5
_LEVELS_KEPT = 4
_DEEPER = 2.5
"""Mean distance of an event from the touch, in gaps between levels."""
_CRUMB = 0.05
_TAIL = 0.8
_TAKEN_LEAST, _TAKEN_MOST = 0.04, 4.0
"""What a taker wants, in usual levels: a Pareto number between these."""
_BPS = 1e4


class Take(NamedTuple):
    """A trade at one level."""

    ticks: Ticks
    lots: Lots
    taker_sells: bool


class Flow:
    """Events of one pair in one mood."""

    def __init__(self, coin: Coin, instrument: Instrument, behaviour: Behaviour, depth: int) -> None:
        self._half = coin.spread_bps * behaviour.width / _BPS / 2
        self._level_lots = coin.level_usd * behaviour.size / coin.price * 10.0**instrument.lot_decimals
        self._behaviour = behaviour
        self._depth = depth

    def half_ticks(self, fair: float) -> float:
        """Return how far makers stay away from the fair price."""
        return max(fair * self._half, 0.5)

    def gap(self, fair: float) -> Ticks:
        """Return the usual distance between levels."""
        return max(round(self.half_ticks(fair) * 2 / 3), 1)

    def usual_lots(self, level: int) -> Lots:
        """Return what usually rests on the `level`-th level from the touch: more further out."""
        return max(round(self._level_lots * (0.4 + 0.6 * log1p(level))), 1)

    def happen(self, ladder: Ladder, fair: float, known: float, draws: list[float]) -> list[Take]:
        """Let one event happen; returns its trades. `known` is the price that informed takers expect."""
        kind, where, how, size, luck = draws
        trades: list[Take] = []
        self._leave_behind(ladder, fair, trades, traded=luck < self._behaviour.stale_traded)
        if trades:
            self._better(ladder, fair, how, size, bids=True)
            self._better(ladder, fair, how, size, bids=False)
        elif kind < _TAKER_SHARE:
            self._take(ladder, self._buys(fair, known, where, luck), size, trades)
        elif kind < _BETTERS_FROM or not self._better(ladder, fair, how, size, bids=where < _EVEN):
            self._change(ladder, fair, how, size, luck, bids=where < _EVEN)
        for bids in (True, False):
            self._keep_levels(ladder, fair, bids=bids)
            ladder.cut(self._depth, bids=bids)
        return trades

    def _leave_behind(self, ladder: Ladder, fair: float, trades: list[Take], *, traded: bool) -> None:
        """Trade or pull what the fair price has passed."""
        for bids in (True, False):
            side = ladder.side(bids=bids)
            while (best := side.best()) is not None and (best.ticks > fair if bids else best.ticks < fair):
                if traded:
                    trades.append(Take(best.ticks, best.lots, bids))
                ladder.put(best.ticks, 0, bids=bids)

    def _buys(self, fair: float, known: float, where: float, luck: float) -> bool:
        if luck < self._behaviour.informed and known != fair:
            return known > fair
        return where < _EVEN

    def _take(self, ladder: Ladder, buys: bool, size: float, trades: list[Take]) -> None:
        bids = not buys
        side = ladder.side(bids=bids)
        usual = min(_TAKEN_LEAST * (1 - size) ** -_TAIL, _TAKEN_MOST) * self._level_lots
        left = max(round(usual), 1)
        while left and len(side) > _LEVELS_KEPT and (best := side.best()) is not None:
            taken = min(left, best.lots)
            trades.append(Take(best.ticks, taken, bids))
            ladder.put(best.ticks, best.lots - taken, bids=bids)
            left -= taken

    def _better(self, ladder: Ladder, fair: float, how: float, size: float, *, bids: bool) -> bool:
        """Put a level at the best price that makers want, where it betters the book; tell whether it did."""
        ticks = self._wanted(ladder, fair, bids=bids)
        best = ladder.side(bids=bids).best()
        if best is not None and (ticks <= best.ticks if bids else ticks >= best.ticks):
            return False
        ladder.put(ticks, max(round(self.usual_lots(0) * (0.2 + 0.8 * size) * (0.5 + how)), 1), bids=bids)
        return True

    def _wanted(self, ladder: Ladder, fair: float, *, bids: bool) -> Ticks:
        """Return the touch that makers want: their half spread from the fair price, and never across the book."""
        half = self.half_ticks(fair)
        other = ladder.side(bids=not bids).best()
        if bids:
            ticks = floor(fair - half)
            return max(ticks if other is None else min(ticks, other.ticks - 1), 1)
        ticks = ceil(fair + half)
        return ticks if other is None else max(ticks, other.ticks + 1)

    def _change(self, ladder: Ladder, fair: float, how: float, size: float, luck: float, *, bids: bool) -> None:
        """Add to a level or take from it, the likelier the one the less or the more rests there."""
        level = int(-log1p(-how) * _DEEPER)
        wanted = self._wanted(ladder, fair, bids=bids)
        away = level * self.gap(fair)
        ticks = max(wanted - away, 1) if bids else wanted + away
        lots, usual = ladder.side(bids=bids).lots_at(ticks), self.usual_lots(level)
        if luck * (lots + usual) < usual:
            lots += max(round(usual * size), 1)
        else:
            lots -= max(round(lots * size), 1)
            lots = 0 if lots < usual * _CRUMB else lots
        ladder.put(ticks, lots, bids=bids)

    def _keep_levels(self, ladder: Ladder, fair: float, *, bids: bool) -> None:
        """Let no side run out: far makers come before it does."""
        side = ladder.side(bids=bids)
        while len(side) < _LEVELS_KEPT:
            levels = side.levels()
            away = self.gap(fair)
            edge = levels[-1].ticks if levels else self._wanted(ladder, fair, bids=bids)
            ticks = max(edge - away, 1) if bids else edge + away
            ladder.put(ticks, self.usual_lots(len(levels)), bids=bids)
            if ticks == 1 and bids:
                return
