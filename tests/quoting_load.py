"""Many made-up symbols that trade: seeded features for each tick, and orders that are where the last intents put them.

What a tick sees depends on the seed, the symbol's name and the symbol's own results, never on how many other symbols
there are nor in which order they are asked: that is what the tests of determinism rest on, and what the bench measures.
"""

from collections.abc import Iterable
from hashlib import sha256
from random import Random

from millrace.core.binary_events import BookLevel
from millrace.core.commands import Side
from millrace.core.probe import NO_TICK_PROBE, TickProbe
from millrace.strategies.quoting.canonical import canonical_json
from millrace.strategies.quoting.model import (
    EVEN_ALLOCATION,
    NO_PORTFOLIO,
    Features,
    IntentKind,
    LiveOrder,
    MarketData,
    SymbolTerms,
)
from millrace.strategies.quoting.pipeline import tick_many
from millrace.strategies.quoting.settings import QuotingSettings, SymbolConfig
from millrace.strategies.quoting.tick_result import SymbolState, TickResult

FIRST_MS = 1_700_000_000_000
TICK_MS = 100
MAX_POSITION_USD = 5_000.0
_PRICES = (65_000.0, 3_400.0, 150.0, 0.62, 0.0812)


class Symbol:
    """One symbol: a walk of its middle, its orders and position, its state in the pipeline."""

    def __init__(self, seed: int, name: str, settings: QuotingSettings, *, wild: bool = False) -> None:
        self._random = Random(sha256(f"{seed}/{name}".encode()).digest())
        price = _PRICES[self._random.randrange(len(_PRICES))]
        unit = 10.0 ** -(6 if price < 1 else 4 if price < 1_000 else 2)
        lot_unit = 10.0 ** -(0 if price < 1 else 3 if price < 1_000 else 6)
        self.terms = SymbolTerms(name, 1, 1, 1, 0, unit, lot_unit, 1e8, 0.0, 2.0)
        self.config: SymbolConfig = settings.for_symbol(name)
        self.state = SymbolState()
        self.live: dict[tuple[Side, int], LiveOrder] = {}
        self.position = 0
        self._middle = round(price / unit)
        self._max_position = round(MAX_POSITION_USD / (price * lot_unit))
        self._calm = 5.0 if wild else 0.05
        self._vol = 1.0
        self.ticks = 0

    def features(self) -> Features:
        """Move the market by a tick and return what is known then."""
        draw = self._random
        self.ticks += 1
        self._vol = 0.95 * self._vol + 0.05 * (1.0 + 2.0 * draw.random())
        self._middle = max(1_000, round(self._middle * (1.0 + draw.gauss(0.0, self._calm) * 1e-4)))
        half = max(1, round(self._middle * 0.2e-4))
        best_bid, best_ask = self._middle - half, self._middle + half
        step = max(1, half // 2)
        bids = tuple([BookLevel(best_bid - step * n, draw.randrange(500, 90_000)) for n in range(10)])
        asks = tuple([BookLevel(best_ask + step * n, draw.randrange(500, 90_000)) for n in range(10)])
        self._fill(best_bid, best_ask)
        now_ms = FIRST_MS + TICK_MS * self.ticks
        age_ms = 400 if draw.random() < 0.001 else draw.randrange(70)
        book = MarketData(
            self.terms, best_bid, best_ask, bids[0].lots, asks[0].lots,
            (best_bid + best_ask) / 2.0 * self.terms.price_unit, now_ms - age_ms, (now_ms - age_ms) * 1_000_000,
            self.ticks, bids, asks,
        )  # fmt: skip
        tilt = draw.uniform(-0.4, 0.4)
        return Features(
            self.terms, self.ticks, now_ms, book, "", False,
            (self._middle + half * tilt) * self.terms.price_unit,
            draw.uniform(1.0, 12.0), draw.uniform(1.0, 12.0), tilt, draw.gauss(0.0, 1.0), draw.gauss(0.0, 0.8),
            self._vol, self._vol, self._vol, draw.uniform(20.0, 290.0), 100,
            draw.gauss(0.0, 1.0), draw.gauss(0.0, 0.5), 0.0, self.position, self._max_position,
            max(-100.0, min(100.0, 100.0 * self.position / self._max_position)), 0, 1.0,
            tuple([self.live[key] for key in sorted(self.live)]), NO_PORTFOLIO, EVEN_ALLOCATION, None, 900.0, 900.0,
        )  # fmt: skip

    def _fill(self, best_bid: int, best_ask: int) -> None:
        for key, order in list(self.live.items()):
            buys = order.side is Side.BUY
            if best_ask <= order.ticks if buys else best_bid >= order.ticks:
                self.position += (1 if buys else -1) * order.rest
                del self.live[key]

    def take(self, result: TickResult) -> None:
        """Do at once what a tick decided."""
        self.state = result.state
        book = result.context.features.book
        for one in result.intents:
            key = (one.side, one.level)
            if one.kind is IntentKind.CANCEL:
                self.live.pop(key, None)
            elif book is not None:
                now_ms = result.context.features.now_ms
                filled = self.live[key].filled if one.kind is IntentKind.AMEND else 0
                self.live[key] = LiveOrder(
                    one.side, one.level, one.generation, one.ticks, one.lots, filled, now_ms, False,
                    book.best_bid + book.best_ask,
                )  # fmt: skip


def symbols(count: int, settings: QuotingSettings | None = None, seed: int = 7) -> list[Symbol]:
    """Return so many symbols of the live profile."""
    settings = settings or QuotingSettings.live()
    return [Symbol(seed, f"S{number:03}/USDT", settings) for number in range(count)]


def rounds(many: list[Symbol], count: int, batch: int = 10, probe: TickProbe = NO_TICK_PROBE) -> Iterable[TickResult]:
    """Run rounds of one tick for each symbol, in batches; yield the results."""
    for _ in range(count):
        for start in range(0, len(many), batch):
            group = many[start : start + batch]
            results = tick_many([(one.features(), one.state, one.config) for one in group], probe)
            for one, result in zip(group, results, strict=True):
                one.take(result)
                yield result


def hashes(many: list[Symbol], count: int, batch: int = 10) -> dict[str, str]:
    """Return by symbol the SHA-256 of the canonical JSON of all its results, in order."""
    found = {one.terms.symbol: sha256() for one in many}
    for result in rounds(many, count, batch):
        found[result.context.features.terms.symbol].update(canonical_json(result))
    return {name: digest.hexdigest() for name, digest in sorted(found.items())}
