"""Whether a market's price has just moved: more than three ticks within two seconds is no price to trade on (arb 10).

A book that is being run over shows an edge for as long as it takes the slower side to notice. Only changes of the best
asks are kept, and of each market only what the window needs.
"""

from typing import Any

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.instrument import InstrumentId, Ticks


class _Saved(msgspec.Struct):
    changes: list[tuple[InstrumentId, list[tuple[int, Ticks, Ticks]]]]


class Moves:
    """The last changes of each market's best asks."""

    def __init__(self, window_sec: float, ticks: int) -> None:
        self._window_ns = round(window_sec * 1e9)
        self._ticks = ticks
        self._changes: dict[InstrumentId, list[tuple[int, Ticks, Ticks]]] = {}

    def observe(self, quote: BinaryQuote) -> None:
        """Take a quote; most change nothing and cost a comparison."""
        yes = quote.yes_asks[0].ticks if quote.yes_asks else -1
        no = quote.no_asks[0].ticks if quote.no_asks else -1
        known = self._changes.get(quote.market)
        if known is None:
            self._changes[quote.market] = [(quote.ts_ns, yes, no)]
            return
        last = known[-1]
        if last[1] == yes and last[2] == no:
            return
        since_ns = quote.ts_ns - self._window_ns
        # The last change before the window tells the price at its beginning.
        while len(known) > 1 and known[1][0] <= since_ns:
            del known[0]
        known.append((quote.ts_ns, yes, no))

    def forget(self, market: InstrumentId) -> None:
        """Drop a market that ended."""
        self._changes.pop(market, None)

    def moved(self, market: InstrumentId, tick: Ticks, now_ns: int) -> bool:
        """Tell whether a best ask lies more than the allowed ticks from where it was within the window."""
        known = self._changes.get(market)
        if known is None or len(known) == 1:
            return False
        _, yes, no = known[-1]
        since_ns = now_ns - self._window_ns
        for place, (_, yes_then, no_then) in enumerate(known[:-1]):
            if known[place + 1][0] <= since_ns:
                continue
            for now, then in ((yes, yes_then), (no, no_then)):
                if now >= 0 and then >= 0 and abs(now - then) > self._ticks * tick:
                    return True
        return False

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(list(self._changes.items())))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._changes = dict(msgspec.convert(state, _Saved).changes)
