"""Everything that a tick may know of one symbol, kept up as its events come in.

The desk owns one of these per symbol and shows it the symbol's books, trades, fills and latencies; `features` then
gives one immutable snapshot. What it says depends on the events and the moment asked for, never on how often it was
asked: windows are of time, and whatever is sampled is sampled by events (quoting 3). A symbol's profit is taken from
its own fills and mids, once a second while there is something to win or lose, so that nobody else's idea of it can
differ.
"""

from typing import Any

from millrace.core.book_events import Depth
from millrace.core.commands import Side
from millrace.core.events import Print
from millrace.core.instrument import Lots, Money
from millrace.strategies.quoting.features.flow import OrderFlow
from millrace.strategies.quoting.features.markouts import Markout, Markouts
from millrace.strategies.quoting.features.samples import LatencyWindow, ProfitWindow
from millrace.strategies.quoting.features.toxicity import Toxicity
from millrace.strategies.quoting.features.volatility import SampledVolatility, TimedVolatility
from millrace.strategies.quoting.features.windows import GridWindow
from millrace.strategies.quoting.model import (
    Allocation,
    Features,
    LiveOrder,
    MarketData,
    PortfolioSnapshot,
    SymbolTerms,
)
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.telemetry.attribution import Attribution, ValueScale

_NS_IN_MS = 1_000_000
_MS_IN_SECOND = 1_000
_MS_IN_DAY = 86_400_000
_GRID_MS = 1_000
_TRADE_WINDOW_MS = 60_000
_KNOWN_TRADING_MS = 10_000
"""Time before a rate of trades is believed."""


class SymbolReducer:
    """The reducers of one symbol. Events come in the order of their times, which are integer nanoseconds."""

    def __init__(self, terms: SymbolTerms, settings: QuotingSettings) -> None:
        windows, own = settings.features, settings.for_symbol(terms.symbol)
        guards, spread = own.risk_guards, own.adaptive_spread
        self._terms = terms
        self._imbalance_levels, self._depth_levels = windows.depth_levels, spread.depth_levels
        wanted = max(windows.depth_levels, spread.depth_levels, own.queue_aware.book_depth_levels)
        self._book_levels = min(wanted, own.md_cache.max_depth)
        self._depth: Depth | None = None
        self._fault = "no_book"
        self._was_live = False
        self._heard_ns = 0
        self._mid2 = 0  # the last one known, in half ticks
        self._flow = OrderFlow()
        self._timed = TimedVolatility(windows.vol_half_life_sec)
        self._sampled = SampledVolatility(spread.vol_window_sec, windows.vol_samples)
        expiry_sec = windows.latency_window_sec if guards.latency_expires else 0
        self._latency = LatencyWindow(windows.latency_samples, expiry_sec * _MS_IN_SECOND)
        self._profits = ProfitWindow(windows.pnl_samples, windows.pnl_window_min)
        self._takers = GridWindow(_GRID_MS, guards.taker_window_sec * _MS_IN_SECOND)
        self._trades = GridWindow(_GRID_MS, _TRADE_WINDOW_MS)
        self._trades_from_ms = 0
        self._toxicity = Toxicity()
        self._markouts = Markouts()
        self.account = Attribution(ValueScale.of(terms))
        self._second = 0
        self._day = 0
        self._counted = 0  # profit up to the last sample, in value units
        self._day_opened = 0

    def on_book(self, depth: Depth | None, ts_ns: int) -> tuple[Markout, ...]:
        """Take a symbol's book after a change, None of one that may not be believed; return the markouts now due."""
        bid, ask = (depth.best_bid(), depth.best_ask()) if depth is not None else (None, None)
        self._heard_ns = ts_ns
        if bid is None or ask is None or not 0 < bid[0] < ask[0]:
            self._lose(depth)
            return ()
        ms = ts_ns // _NS_IN_MS
        if ms // _GRID_MS != self._second:
            self._sample_profit(ms)
        self._depth, self._fault, self._was_live = depth, "", True
        bid_ticks, bid_lots = bid
        ask_ticks, ask_lots = ask
        self._mid2 = mid2 = bid_ticks + ask_ticks
        self._flow.observe(ms, bid_ticks, bid_lots, ask_ticks, ask_lots)
        self._timed.observe(ms, mid2)
        self._sampled.observe(mid2)
        found = self._markouts.measure(ms, mid2)
        for markout in found:
            self.account.settle(markout)
        return found

    def _lose(self, depth: Depth | None) -> None:
        if depth is None:
            self._fault = "no_book"
        else:
            self._fault = "one_sided" if depth.best_bid() is None or depth.best_ask() is None else "crossed"
        self._depth = None
        self._flow.lose_book()

    def on_alive(self, ts_ns: int) -> None:
        """Hear that the feed is up to date although nothing changed."""
        self._heard_ns = max(self._heard_ns, ts_ns)

    def on_trade(self, trade: Print) -> None:
        """Take a trade as the venue's feed tells it; where it does not say who took, half counts as sold."""
        ms = trade.ts_ns // _NS_IN_MS
        if not self._trades_from_ms:
            self._trades_from_ms = ms
        lots = trade.lots
        sold = lots // 2 if trade.taker_sells is None else lots * trade.taker_sells
        self._trades.add(ms, lots, sold)
        self._toxicity.observe(ms, lots, sold)

    def on_fill(
        self, ts_ns: int, side: Side, lots: Lots, cost: Money, fee: Money, *, taker: bool = False
    ) -> tuple[Markout, ...]:
        """Take what more of an order of ours was filled, its cost and fee; return markouts that had to make room.

        A fill without a book ever seen counts its own price as the mid.
        """
        ms = ts_ns // _NS_IN_MS
        sign = 1 if side is Side.BUY else -1
        account = self.account
        if not self._mid2:
            self._mid2 = round(cost * account.scale.money / (lots * account.scale.product))
        account.fill(sign, lots, cost, fee, self._mid2)
        if taker:
            self._takers.add(ms, 1)
        crowded = self._markouts.fill(ms, sign, lots, self._mid2)
        for markout in crowded:
            account.settle(markout)
        return crowded

    def on_latency(self, ts_ns: int, latency_ms: float) -> None:
        """Take how long a request to the venue took."""
        self._latency.observe(ts_ns // _NS_IN_MS, latency_ms)

    def on_pnl(self, ts_ns: int, change: Money) -> None:
        """Take a profit that no fill or mid explains, in money of the quote currency: funding, a correction."""
        self._profits.observe(ts_ns // _NS_IN_MS, change * self.account.scale.money)

    def _sample_profit(self, ms: int) -> None:
        """Count what was won until the last mid: once a second, as of the first book in it."""
        total = self.account.total(self._mid2)
        if total != self._counted or self.account.position:
            self._profits.observe(ms, total - self._counted)
        self._counted = total
        self._second = ms // _GRID_MS
        if ms // _MS_IN_DAY != self._day:
            self._day, self._day_opened = ms // _MS_IN_DAY, total

    @property
    def mid2(self) -> int:
        """The last mid known, in half ticks; 0 before any."""
        return self._mid2

    def features(
        self,
        now_ms: int,
        tick: int,
        live: tuple[LiveOrder, ...],
        position: Lots,
        max_position: Lots,
        portfolio: PortfolioSnapshot,
        allocation: Allocation,
    ) -> Features:
        """Return what is known at this moment; `tick` numbers the symbol's snapshots."""
        book = self.book()
        terms, flow, quote = self._terms, self._flow, self.account.scale.quote
        microprice = depth_bid = depth_ask = imbalance = 0.0
        if book is not None:
            microprice = _microprice(book)
            bid_lots, ask_lots = _lots_of(book.bids, self._depth_levels), _lots_of(book.asks, self._depth_levels)
            depth_bid, depth_ask = bid_lots * terms.lot_unit, ask_lots * terms.lot_unit
            if self._imbalance_levels != self._depth_levels:
                bid_lots = _lots_of(book.bids, self._imbalance_levels)
                ask_lots = _lots_of(book.asks, self._imbalance_levels)
            imbalance = (bid_lots - ask_lots) / (bid_lots + ask_lots) if bid_lots + ask_lots else 0.0
        latency_p95_ms, latency_n = self._latency.p95_ms(now_ms)
        mean, z = self._profits.mean(), self._profits.z(now_ms)
        self._takers.expire(now_ms)
        rate, buys, sells = self._trade_rates(now_ms)
        return Features(
            terms,
            tick,
            now_ms,
            book,
            self._fault,
            self._was_live and self._fault == "no_book",
            microprice,
            depth_bid,
            depth_ask,
            imbalance,
            flow.short(now_ms),
            flow.long_z(now_ms),
            self._timed.bps_sqrt_sec(now_ms),
            self._sampled.abs_ema_bps,
            self._sampled.stdev_bps(),
            latency_p95_ms,
            latency_n,
            None if mean is None else mean * quote,
            z,
            (self.account.total(self._mid2) - self._day_opened) * quote if self._mid2 else None,
            position,
            max_position,
            max(-100.0, min(100.0, 100.0 * position / max_position)) if max_position > 0 else 0.0,
            self._takers.n,
            rate,
            live,
            portfolio,
            allocation,
            vpin=self._toxicity.vpin(),
            taker_buy_lots_per_sec=buys,
            taker_sell_lots_per_sec=sells,
        )

    def book(self) -> MarketData | None:
        """Return the book as a tick would see it; None without one to quote from."""
        depth = self._depth
        if depth is None:
            return None
        bids, asks = depth.bids(self._book_levels), depth.asks(self._book_levels)
        best_bid, bid_size = bids[0]
        best_ask, ask_size = asks[0]
        return MarketData(
            self._terms,
            best_bid,
            best_ask,
            bid_size,
            ask_size,
            (best_bid + best_ask) * self._terms.price_unit / 2.0,
            (depth.venue_ts_ns or depth.ts_ns) // _NS_IN_MS,
            self._heard_ns,
            depth.seq,
            bids,
            asks,
        )

    def _trade_rates(self, now_ms: int) -> tuple[float | None, float | None, float | None]:
        """Lots traded, and those bought and sold by takers, per second; None before ten seconds of them were seen."""
        watched = now_ms - self._trades_from_ms
        if not self._trades_from_ms or watched < _KNOWN_TRADING_MS:
            return None, None, None
        trades = self._trades
        trades.expire(now_ms)
        seconds = min(watched, _TRADE_WINDOW_MS) / _MS_IN_SECOND
        return trades.a / seconds, (trades.a - trades.b) / seconds, trades.b / seconds

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins; the book itself is the market view's and comes with the next `on_book`."""
        return {
            "fault": self._fault,
            "was_live": self._was_live,
            "heard_ns": self._heard_ns,
            "mid2": self._mid2,
            "flow": self._flow.snapshot(),
            "timed": self._timed.snapshot(),
            "sampled": self._sampled.snapshot(),
            "latency": self._latency.snapshot(),
            "profits": self._profits.snapshot(),
            "takers": self._takers.snapshot(),
            "trades": self._trades.snapshot(),
            "trades_from_ms": self._trades_from_ms,
            "toxicity": self._toxicity.snapshot(),
            "markouts": self._markouts.snapshot(),
            "account": self.account.snapshot(),
            "second": self._second,
            "day": self._day,
            "counted": self._counted,
            "day_opened": self._day_opened,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; the book is asked for with `attach`."""
        self._depth = None
        self._fault, self._was_live = state["fault"], state["was_live"]
        self._heard_ns, self._mid2 = state["heard_ns"], state["mid2"]
        self._flow.restore(state["flow"])
        self._timed.restore(state["timed"])
        self._sampled.restore(state["sampled"])
        self._latency.restore(state["latency"])
        self._profits.restore(state["profits"])
        self._takers.restore(state["takers"])
        self._trades.restore(state["trades"])
        self._trades_from_ms = state["trades_from_ms"]
        self._toxicity.restore(state["toxicity"])
        self._markouts.restore(state["markouts"])
        self.account.restore(state["account"])
        self._second, self._day = state["second"], state["day"]
        self._counted, self._day_opened = state["counted"], state["day_opened"]

    def attach(self, depth: Depth | None) -> None:
        """Take the live book that the market view restored; it is the one of the last `on_book`, or there is none."""
        if depth is None and not self._fault:
            self._fault = "no_book"
        self._depth = None if self._fault else depth


def _microprice(book: MarketData) -> float:
    """Return the mid weighted by the other side's size, in quote currency; the mid when both are empty."""
    size = book.bid_size + book.ask_size
    if not size:
        return book.mid_price
    return (book.best_ask * book.bid_size + book.best_bid * book.ask_size) / size * book.terms.price_unit


def _lots_of(levels: tuple[tuple[int, int], ...], depth: int) -> Lots:
    return sum([lots for _, lots in levels[:depth]])
