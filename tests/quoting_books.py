"""Books, terms and features of one symbol for tests of the quote desk: small numbers that can be followed by hand."""

from millrace.core.binary_events import BookLevel
from millrace.core.commands import Side
from millrace.core.events import Print
from millrace.core.instrument import InstrumentId
from millrace.market.books.order_book import OrderBook
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.model import EVEN_ALLOCATION, NO_PORTFOLIO, Features, SymbolTerms
from millrace.strategies.quoting.settings import QuotingSettings

INSTRUMENT = InstrumentId("bybit", "AAA/USDT")
NS = 1_000_000
TERMS = SymbolTerms(
    symbol="AAA/USDT",
    tick=1,
    lot=1,
    min_lots=1,
    min_cost=0,
    price_unit=0.01,
    lot_unit=0.001,
    cost_unit=1e8,
    maker_fee_bps=1.0,
    taker_fee_bps=5.0,
)
LIVE = QuotingSettings.live()
MONEY_PER_PRODUCT = 1_000
"""Money of one tick times one lot of these terms."""


def book(bid: int, bid_lots: int, ask: int, ask_lots: int, ts_ms: int = 0, seq: int = 1) -> OrderBook:
    """Return a book with these best prices and two levels behind each."""
    found = OrderBook()
    found.replace(
        (BookLevel(bid, bid_lots), BookLevel(bid - 1, 7), BookLevel(bid - 3, 11)),
        (BookLevel(ask, ask_lots), BookLevel(ask + 2, 5), BookLevel(ask + 3, 13)),
    )
    found.seq, found.ts_ns, found.venue_ts_ns = seq, ts_ms * NS, ts_ms * NS
    return found


def trade(ts_ms: int, lots: int, taker_sells: bool | None) -> Print:
    return Print(INSTRUMENT, ts_ms * NS, 10_000, lots, taker_sells)


def fill(reducer: SymbolReducer, ts_ms: int, side: Side, lots: int, ticks: int, fee: int = 0, *, taker: bool = False):
    return reducer.on_fill(ts_ms * NS, side, lots, ticks * lots * MONEY_PER_PRODUCT, fee, taker=taker)


def ask_features(reducer: SymbolReducer, now_ms: int, position: int = 0, max_position: int = 100) -> Features:
    return reducer.features(now_ms, 1, (), position, max_position, NO_PORTFOLIO, EVEN_ALLOCATION)
