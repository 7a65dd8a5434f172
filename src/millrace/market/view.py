"""The market as the strategies see it: last prices, and the histories that somebody asked for.

Prints reach it one by one or, when nothing could happen for a while, as one block of columns; both leave the same
state behind, which is what makes skipping exact (design section 9). Histories are kept only where a strategy declared a
series. Everything passes the firewall first: what it does not accept changes nothing here (runtime 2.2).
"""

from typing import Any

import numpy as np
import numpy.typing as npt

from millrace.core import clock_skew
from millrace.core.binary_events import BinaryQuote, StreamReset
from millrace.core.book_events import BookCause, BookDelta, BookNews, BookSnapshot, BookState, Depth
from millrace.core.commands import ResyncBook
from millrace.core.data_quality import Judged
from millrace.core.events import MarketBlock, MarketEvent, Measured, OpenOrdersReport, Print, Quote, Started
from millrace.core.instrument import Instrument, InstrumentId, Ticks, whole_account
from millrace.core.strategy import SeriesSpec
from millrace.market.books.books import Books
from millrace.market.candles import BarBuilder
from millrace.market.firewall import FeedNews, Firewall
from millrace.market.firewall_settings import FirewallSettings
from millrace.market.samples import SampleGrid
from millrace.market.waiting_rows import last_of

_PRINT_COLUMNS = 3


class InstrumentMarket:
    """One instrument's market. Prices are ticks, times integer nanoseconds; 0 means that none was seen yet."""

    __slots__ = (
        "ask_ticks",
        "bars",
        "bid_ticks",
        "last_ticks",
        "last_ts_ns",
        "samples",
        "venue_open_orders",
        "venue_open_orders_ts_ns",
    )

    def __init__(self) -> None:
        self.last_ticks: Ticks = 0
        self.last_ts_ns = 0
        self.bid_ticks: Ticks = 0
        self.ask_ticks: Ticks = 0
        self.samples: SampleGrid | None = None
        self.bars: BarBuilder | None = None
        self.venue_open_orders: int | None = None
        self.venue_open_orders_ts_ns = 0

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "last": [self.last_ticks, self.last_ts_ns, self.bid_ticks, self.ask_ticks],
            "venue_open_orders": [self.venue_open_orders, self.venue_open_orders_ts_ns],
            "samples": self.samples.snapshot() if self.samples else None,
            "bars": self.bars.snapshot() if self.bars else None,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; the series must have been declared before."""
        self.last_ticks, self.last_ts_ns, self.bid_ticks, self.ask_ticks = state["last"]
        self.venue_open_orders, self.venue_open_orders_ts_ns = state["venue_open_orders"]
        if self.samples is not None and state["samples"] is not None:
            self.samples.restore(state["samples"])
        if self.bars is not None and state["bars"] is not None:
            self.bars.restore(state["bars"])


class MarketView:
    """All instruments' markets; implements the kernel's market port."""

    def __init__(self, settings: FirewallSettings | None = None) -> None:
        self.firewall = Firewall(settings)
        self.books = Books()
        self._markets: dict[InstrumentId, InstrumentMarket] = {}

    def state(self, instrument: InstrumentId) -> InstrumentMarket:
        """Return an instrument's market, empty when nothing was seen."""
        market = self._markets.get(instrument)
        if market is None:
            market = self._markets[instrument] = InstrumentMarket()
        return market

    def depth(self, instrument: InstrumentId) -> Depth | None:
        """Return an instrument's book while it is known to be the venue's, None otherwise."""
        return self.books.live(instrument)

    def know(self, instrument: Instrument) -> None:
        """Learn an instrument's tick, and of an outcome the fees."""
        self.firewall.know(instrument)
        self.books.know(instrument.id, instrument.tick)

    def observe_book(self, event: BookSnapshot | BookDelta) -> list[BookNews | Judged]:
        """Take what a venue says of a book; its top passes the firewall as a quote does, or the book is not served."""
        kept = self.books.kept(event.instrument)
        news = kept.changed(event) if isinstance(event, BookDelta) else kept.came(event)
        said: list[BookNews | Judged] = [] if news is None else [news]
        if kept.state is BookState.LIVE and kept.book.ts_ns == event.ts_ns:
            bid, bid_lots, ask, ask_lots = kept.book.top()
            if bid and ask:
                judged = self.firewall.judge(Quote(event.instrument, event.ts_ns, bid, ask, bid_lots, ask_lots))
                kept.doubted = judged is not None and not judged.is_accepted
                if judged is not None:
                    said.append(judged)
                if not kept.doubted:
                    market = self.state(event.instrument)  # what positions are marked at
                    market.bid_ticks, market.ask_ticks = bid, ask
        return said

    def resync(self, command: ResyncBook) -> None:
        """Learn that a book is asked for."""
        self.books.resync(command)

    def hear(self, event: FeedNews | Started | Measured) -> list[BookNews]:
        """Take what feeds say beside their data; no book of a connection that is a new one is believed.

        When the program was started anew none is. Of figures a venue's clock skew is heard, which a start forgets:
        what still holds is told again.
        """
        if isinstance(event, Measured):
            if event.name == clock_skew.FIGURE:
                most_sec = clock_skew.MOST_SEC
                self.firewall.skewed(event.subject, min(max(event.value, -most_sec), most_sec))
            return []
        if isinstance(event, Started):
            self.firewall.skewed(None, 0.0)
            return self.books.cut_off(None, BookCause.RESTART, event.ts_ns) if event.restart else []
        self.firewall.hear(event)
        return self.books.cut_off(event.venue, BookCause.RESET, event.ts_ns) if isinstance(event, StreamReset) else []

    def keep(self, spec: SeriesSpec) -> None:
        """Keep the declared histories from now on; one declaration per instrument and kind."""
        market = self.state(spec.instrument)
        if spec.sample_ns:
            market.samples = SampleGrid(spec.sample_ns, spec.samples_kept, spec.sample_max_age_ns)
        if spec.bar_ns:
            market.bars = BarBuilder(spec.bar_ns, spec.bars_kept)

    def observe(self, event: MarketEvent) -> Judged | None:
        """Take market data and say what is wrong with them; None: nothing. What is not accepted changes no market."""
        judged = self.firewall.judge(event)
        if not isinstance(event, BinaryQuote) and (judged is None or judged.is_accepted):
            self._take(self.state(event.instrument), event)
        return judged

    def _take(self, market: InstrumentMarket, event: Print | Quote | MarketBlock) -> None:
        if isinstance(event, Print):
            market.last_ticks = event.ticks
            market.last_ts_ns = event.ts_ns
            if market.samples is not None:
                market.samples.observe(event.ts_ns, event.ticks)
            if market.bars is not None:
                market.bars.observe(event.ts_ns, event.ticks, event.lots)
        elif isinstance(event, MarketBlock):
            self._observe_block(market, event)
        else:
            market.bid_ticks = event.bid_ticks
            market.ask_ticks = event.ask_ticks

    def _observe_block(self, market: InstrumentMarket, block: MarketBlock) -> None:
        if len(block.columns) != _PRINT_COLUMNS:
            market.bid_ticks = last_of(block.columns[1])
            market.ask_ticks = last_of(block.columns[2])
            return
        market.last_ticks = last_of(block.columns[1])
        market.last_ts_ns = block.ts_ns
        if market.samples is None and market.bars is None:
            return
        ts_ns, ticks, lots = (_column(raw) for raw in block.columns)
        if market.samples is not None:
            market.samples.observe_many(ts_ns, ticks)
        if market.bars is not None:
            market.bars.observe_many(ts_ns, ticks, lots)

    def advance(self, now_ns: int) -> None:
        """Close grids and bars up to `now_ns`."""
        for market in self._markets.values():
            if market.samples is not None:
                market.samples.advance(now_ns)
            if market.bars is not None:
                market.bars.advance(now_ns)

    def open_orders(self, event: OpenOrdersReport) -> None:
        """Remember the venue's count of open orders on an instrument, ours and others'; none of a whole account."""
        if event.instrument == whole_account(event.instrument.venue):
            return
        market = self.state(event.instrument)
        market.venue_open_orders = event.ours + event.foreign
        market.venue_open_orders_ts_ns = event.ts_ns

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins, by instrument."""
        return {
            "markets": {str(instrument): market.snapshot() for instrument, market in self._markets.items()},
            "firewall": self.firewall.snapshot(),
            "books": self.books.snapshot(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for text, saved in state["markets"].items():
            self.state(InstrumentId.parse(text)).restore(saved)
        self.firewall.restore(state["firewall"])
        self.books.restore(state["books"])


def _column(raw: bytes) -> npt.NDArray[np.int64]:
    return np.frombuffer(raw, dtype="<i8")
