"""One pair's rows, epoch by epoch: a snapshot where somebody begins to look, then numbered changes and trades.

An epoch is drawn from (seed, pair, epoch), so a stream that is opened in its middle makes the epoch from its beginning,
says nothing until it is there, and goes on exactly as any other would. What an epoch's book ended as becomes the next
one's beginning in one message, whose numbers span what is left of the epoch's.
"""

from collections.abc import Iterator
from typing import Final

import numpy as np

from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.instrument import PPM, Instrument, Ticks
from millrace.market.books.checksum import checksum
from millrace.sim.depth.coins import COINS
from millrace.sim.depth.fair import STEP_NS, FairPath
from millrace.sim.depth.flow import DRAWS, Flow
from millrace.sim.depth.ladder import Ladder
from millrace.sim.depth.market_settings import BEHAVIOURS, KNOWN_NS, DepthMarketSettings

DepthRow = BookSnapshot | BookDelta | Print
_EVENTS, _BOOK = 4, 5
_STRIDE: Final = 10_000_000
"""Numbers of an epoch's messages; no epoch has so many."""


class Pair:
    """Makes the rows of one pair; `number` is its place in the list of coins."""

    def __init__(self, seed: int, number: int, instrument: Instrument, settings: DepthMarketSettings) -> None:
        self._name = (seed, number)
        self._instrument = instrument
        self._settings = settings
        self._has_checksums = number < settings.checksummed
        self._coin = COINS[number]
        self._fair = FairPath(seed, number, self._coin, settings)
        self._known_steps = max(KNOWN_NS * PPM // (settings.tempo_ppm * STEP_NS), 1)
        # Epochs begin at different times in different pairs; of the first one only the rest is played.
        self._skipped_ns = number * settings.epoch_ns // len(COINS)
        self._first_ns = settings.begins_ns - self._skipped_ns

    def rows(self, from_ns: int) -> Iterator[DepthRow]:
        """Yield the book as it is at `from_ns`, then what happens, without end."""
        epoch = (from_ns - self._first_ns) // self._settings.epoch_ns
        ladder, flow, path = Ladder(), self._flow(epoch), self._fair.within(epoch)
        self._become(ladder, flow, path[0 if epoch else self._skipped_ns // STEP_NS], epoch)
        ladder.changes()
        seq, is_shown = (epoch + 1) * _STRIDE, False
        instrument = self._instrument.id
        while True:
            begins_ns = self._first_ns + epoch * self._settings.epoch_ns
            last = len(path) - 1
            for after_ns, draws in self._events(epoch):
                ts_ns, step = begins_ns + after_ns, after_ns // STEP_NS
                if not is_shown and ts_ns >= from_ns:
                    is_shown = True
                    yield self._snapshot(ladder, from_ns, seq)
                trades = flow.happen(ladder, path[step], path[min(step + self._known_steps, last)], draws)
                bids, asks = ladder.changes()
                if bids or asks:
                    seq += 1
                    if is_shown:
                        for ticks, lots, taker_sells in trades:
                            yield Print(instrument, ts_ns, ticks, lots, taker_sells)
                        yield BookDelta(instrument, ts_ns, ts_ns, seq, seq, bids, asks, self._checksum(ladder))
            epoch += 1
            ts_ns = begins_ns + self._settings.epoch_ns
            if not is_shown and ts_ns >= from_ns:
                is_shown = True
                yield self._snapshot(ladder, from_ns, seq)
            flow, path = self._flow(epoch), self._fair.within(epoch)
            self._become(ladder, flow, path[0], epoch)
            first_seq, seq = seq + 1, (epoch + 1) * _STRIDE
            bids, asks = ladder.changes()
            if is_shown:
                yield BookDelta(instrument, ts_ns, ts_ns, first_seq, seq, bids, asks, self._checksum(ladder))

    def _flow(self, epoch: int) -> Flow:
        behaviour = BEHAVIOURS[self._fair.mood(epoch)]
        return Flow(self._coin, self._instrument, behaviour, self._settings.depth)

    def _events(self, epoch: int) -> Iterator[tuple[int, list[float]]]:
        """Yield when in an epoch something happens, and what it is made of."""
        rng = np.random.default_rng([*self._name, _EVENTS, epoch])
        settings = self._settings
        tempo = BEHAVIOURS[self._fair.mood(epoch)].tempo * settings.tempo_ppm / PPM
        count = rng.poisson(self._coin.per_sec * tempo * settings.epoch_ns / STEP_NS)
        times = np.unique(rng.integers(1, settings.epoch_ns, count))
        if not epoch:
            times = times[times > self._skipped_ns]
        return zip(times.tolist(), rng.random((len(times), DRAWS)).tolist(), strict=True)

    def _become(self, ladder: Ladder, flow: Flow, fair: float, epoch: int) -> None:
        """Let the book be the one that an epoch begins with."""
        rng = np.random.default_rng([*self._name, _BOOK, epoch])
        sizes = rng.uniform(0.4, 1.6, (2, self._settings.depth)).tolist()
        half, gap = flow.half_ticks(fair), flow.gap(fair)
        for bids, drawn in zip((True, False), sizes, strict=True):
            wanted: dict[Ticks, int] = {}
            for level, factor in enumerate(drawn):
                away = half + level * gap
                ticks = int(fair - away) if bids else -int(-(fair + away))
                if ticks > 0:
                    wanted[ticks] = max(round(flow.usual_lots(level) * factor), 1)
            for ticks, lots in ladder.side(bids=bids).levels():
                if wanted.get(ticks) == lots:
                    del wanted[ticks]
                elif ticks not in wanted:
                    ladder.put(ticks, 0, bids=bids)
            for ticks, lots in wanted.items():
                ladder.put(ticks, lots, bids=bids)

    def _snapshot(self, ladder: Ladder, ts_ns: int, seq: int) -> BookSnapshot:
        book = ladder.book
        return BookSnapshot(self._instrument.id, ts_ns, ts_ns, seq, book.bids(), book.asks(), self._checksum(ladder))

    def _checksum(self, ladder: Ladder) -> int | None:
        return checksum(ladder.book) if self._has_checksums else None
