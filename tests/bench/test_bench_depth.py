"""Rows a second of generated order books, and of the venue that fills on them."""

from itertools import islice

import pytest

from millrace.core.book_events import BOOK_EVENTS
from millrace.core.commands import Approved, Place, Side, Style
from millrace.core.ids import SubPosition
from millrace.sim.depth.generator import SYMBOLS, DepthMarket
from millrace.sim.depth.market_settings import DepthMarketSettings
from millrace.sim.depth.records import encode_record
from millrace.sim.depth.settings import DepthVenueSettings
from millrace.sim.depth.venue import DepthVenue

BEGINS_NS = 1_700_000_000 * 10**9
ROWS = 5_000


def market() -> DepthMarket:
    return DepthMarket(1, SYMBOLS, DepthMarketSettings(begins_ns=BEGINS_NS))


def test_generated_rows(benchmark):
    """Twenty pairs; divide `ROWS` by the time."""
    assert len(benchmark(lambda: list(islice(market().rows(BEGINS_NS), ROWS)))) == ROWS


@pytest.mark.parametrize("resting", [0, 6])
def test_venue_rows(benchmark, resting):
    """The same rows through the venue with its log, with so many orders of ours a pair near the touch, or none."""
    one = market()
    rows = list(islice(one.rows(BEGINS_NS), ROWS))
    opening = {"USDT": 10**18} | {facts.base: 10**18 for facts in one.instruments}
    settings = DepthVenueSettings(venue="bybit", instruments=one.instruments, opening=opening, seed=1)

    def fresh():
        venue = DepthVenue(settings, encode_record)
        for row in rows[: len(SYMBOLS)]:
            venue.on_book(row)
            for number in range(resting):
                side, level = (Side.BUY, row.bids) if number % 2 else (Side.SELL, row.asks)
                name = f"{row.instrument}{number}"
                place = Place(
                    row.instrument, side, 10**6, level[number // 2].ticks, Style.POST_ONLY,
                    SubPosition("q", row.instrument, "", ""), False, name, "",
                )  # fmt: skip
                venue.place(Approved(place, name, 1, 0), row.ts_ns)
        return (venue,), {}

    def show(venue):
        for row in rows[len(SYMBOLS) :]:
            venue.on_book(row) if isinstance(row, BOOK_EVENTS) else venue.on_trade(row)

    benchmark.pedantic(show, setup=fresh, rounds=5)
