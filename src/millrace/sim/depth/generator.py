"""Generated order books: snapshots, numbered changes and trades of many pairs, from any time on.

The rows are what a venue would send, at the venue's own times; when a program hears of them is another assumption
(`delays`). They are the same whoever asks and from when on: each pair is drawn for itself, epoch by epoch (`pair`).
"""

import heapq
from collections.abc import Iterator, Sequence

from millrace.core.failure import OperatorError
from millrace.core.instrument import Instrument
from millrace.sim.depth.coins import COINS, QUOTE, instrument_of
from millrace.sim.depth.market_settings import DepthMarketSettings
from millrace.sim.depth.pair import DepthRow, Pair

SYMBOLS = tuple(f"{coin.name}/{QUOTE}" for coin in COINS)
"""What can be asked for."""


class DepthMarket:
    """The markets of one seed; `instruments` are in the order of the symbols asked for.

    Raises OperatorError for symbols that it does not know.
    """

    def __init__(self, seed: int, symbols: Sequence[str], settings: DepthMarketSettings) -> None:
        known = {name: number for number, name in enumerate(SYMBOLS)}
        unknown = [name for name in symbols if name not in known]
        if unknown or not symbols or len(set(symbols)) < len(symbols):
            what = f"nothing is known of {', '.join(unknown)}" if unknown else "name each symbol once, and at least one"
            raise OperatorError(f"generated order books: {what}; there are {', '.join(SYMBOLS)}")
        self.settings = settings
        numbers = [known[name] for name in symbols]
        self.instruments: tuple[Instrument, ...] = tuple(instrument_of(COINS[n], settings) for n in numbers)
        self._pairs = [Pair(seed, n, one, settings) for n, one in zip(numbers, self.instruments, strict=True)]

    def rows(self, from_ns: int) -> Iterator[DepthRow]:
        """Yield what happens from `from_ns` on, in order of time and without end, each pair's book first."""
        begins_ns = max(from_ns, self.settings.begins_ns)
        return heapq.merge(*(pair.rows(begins_ns) for pair in self._pairs), key=_ts_ns)


def _ts_ns(row: DepthRow) -> int:
    return row.ts_ns
