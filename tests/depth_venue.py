"""Builders for tests of the simulated venue of order books."""

from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import Approved, ApprovedAmend, Place, Side, Style
from millrace.core.events import Print
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.sim.depth.settings import DepthVenueSettings

NAME = InstrumentId("bybit", "ABC/USDT")
ABC = Instrument(NAME, "ABC", "USDT", 2, 1, 2, 1, 1, 100, 1_000, 2_000, 50)
"""Price in cents, quantity in hundredths; maker 0.1 %, taker 0.2 %; at least one lot and a millionth of a dollar."""
COIN, DOLLAR = 10**8, 10**8
OPENING = {"ABC": 1_000 * COIN, "USDT": 10_000 * DOLLAR}


def settings(**more) -> DepthVenueSettings:
    quiet = {"request_latency_ns": 7, "response_latency_ns": 5, "jitter_ns": 0}
    return DepthVenueSettings(**{"venue": "bybit", "instruments": (ABC,), "opening": OPENING, "seed": 1} | quiet | more)


def levels(rows) -> tuple[BookLevel, ...]:
    return tuple(BookLevel(ticks, lots) for ticks, lots in rows)


def shown(ts_ns, bids=(), asks=(), seq=0) -> BookSnapshot:
    return BookSnapshot(NAME, ts_ns, ts_ns, seq, levels(bids), levels(asks))


def changed(ts_ns, bids=(), asks=(), seq=0) -> BookDelta:
    return BookDelta(NAME, ts_ns, ts_ns, seq, seq, levels(bids), levels(asks))


def trade(ts_ns, ticks, lots, taker_sells=True) -> Print:
    return Print(NAME, ts_ns, ticks, lots, taker_sells)


def order(client_id, side, lots, ticks, style=Style.LIMIT, name=NAME) -> Approved:
    place = Place(name, side, lots, ticks, style, SubPosition("q", name, client_id, ""), False, client_id, "quote")
    return Approved(place, client_id, 1, 0)


def buy(client_id, lots, ticks, style=Style.LIMIT) -> Approved:
    return order(client_id, Side.BUY, lots, ticks, style)


def sell(client_id, lots, ticks, style=Style.LIMIT) -> Approved:
    return order(client_id, Side.SELL, lots, ticks, style)


def terms(approved, lots, ticks, revision=1) -> ApprovedAmend:
    return ApprovedAmend(approved.order, approved.client_id, revision, lots, ticks, True, 1, 0)
