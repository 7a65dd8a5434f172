"""Kraken's checksum of a book, from exact digits: the vectors of runtime 2.4."""

from decimal import Decimal
from zlib import crc32

from millrace.core.binary_events import BookLevel
from millrace.market.books.checksum import checksum
from millrace.market.books.order_book import OrderBook

V2_BIDS = """45283.5 0.10000000  45283.4 1.54582015  45282.1 0.10000000  45281.0 0.10000000  45280.3 1.54592586
45279.0 0.07990000  45277.6 0.03310103  45277.5 0.30000000  45277.3 1.54602737  45276.6 0.15445238"""
V2_ASKS = """45285.2 0.00100000  45286.4 1.54571953  45286.6 1.54571109  45289.6 1.54560911  45290.2 0.15890660
45291.8 1.54553491  45294.7 0.04454749  45296.1 0.35380000  45297.5 0.09945542  45299.5 0.18772827"""


def levels(text: str, price_decimals: int, lot_decimals: int) -> tuple[BookLevel, ...]:
    words = text.split()
    scaled = [
        (int(Decimal(price).scaleb(price_decimals)), int(Decimal(lots).scaleb(lot_decimals)))
        for price, lots in zip(words[::2], words[1::2], strict=True)
    ]
    return tuple(BookLevel(*row) for row in scaled)


def book_of(bids: tuple[BookLevel, ...], asks: tuple[BookLevel, ...]) -> OrderBook:
    book = OrderBook()
    assert book.replace(bids, asks)
    return book


def test_the_vector_of_the_documentation_and_what_binary_floats_make_of_it() -> None:
    """Runtime 2.4 A1: 3310070434 from exact digits; by way of binary floats 1604409348."""
    bids, asks = levels(V2_BIDS, 1, 8), levels(V2_ASKS, 1, 8)
    assert checksum(book_of(bids, asks)) == 3310070434

    def rounded(text: str) -> str:
        words = [str(float(word)).replace(".", "").lstrip("0") for word in text.split()]
        return "".join(words)

    assert crc32((rounded(V2_ASKS) + rounded(V2_BIDS)).encode()) == 1604409348


def test_the_vector_of_the_older_channel() -> None:
    """Runtime 2.4 A1: 974947235."""
    asks = tuple(BookLevel(5005 + 5 * step, 500) for step in range(10))
    bids = tuple(BookLevel(ticks, 500) for ticks in (5000, 4995, 4990, 4980, 4975, 4970, 4965, 4960, 4955, 4950))
    assert checksum(book_of(bids, asks)) == 974947235


def test_only_ten_levels_count_and_fewer_are_used_where_there_are_fewer() -> None:
    asks = tuple(BookLevel(5005 + 5 * step, 500) for step in range(12))
    bids = tuple(BookLevel(5000 - 5 * step, 500) for step in range(12))
    assert checksum(book_of(bids, asks)) == checksum(book_of(bids[:10], asks[:10]))
    assert checksum(book_of(bids[:1], asks[:1])) == crc32(b"50055005000500")
    assert checksum(book_of((), ())) == 0


def test_the_vector_of_one_level_a_side() -> None:
    """Venues 1.7: one ask 0.1400000 x 900 and one bid 0.1399990 x 1000 of DOGE/USD."""
    book = book_of(levels("0.1399990 1000.00000000", 7, 8), levels("0.1400000 900.00000000", 7, 8))
    assert checksum(book) == 2998523948
