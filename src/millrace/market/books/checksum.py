"""The checksum that Kraken sends with its books, from exact numbers.

It is the CRC-32 of the digits of the ten best asks and the ten best bids, each price and quantity without point and
leading zeros (runtime 2.4 rule 1). Ticks and lots count units of the last decimal that the venue writes, so their
digits are just those; a price that went through a binary float has others.
"""

from zlib import crc32

from millrace.market.books.order_book import OrderBook

LEVELS = 10
"""As many levels of each side are in the sum; fewer where there are not so many."""


def checksum(book: OrderBook) -> int:
    """Return the venue's CRC-32 of a book, unsigned; prices and lots must be in units of the venue's last decimals."""
    digits = book.ask_side.digits(LEVELS) + book.bid_side.digits(LEVELS)
    return crc32(digits.encode())
