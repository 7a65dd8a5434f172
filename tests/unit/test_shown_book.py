"""A simulated venue's book: what we took of a level is not there again, and what nobody shows is not a short queue."""

from math import inf

from millrace.core.binary_events import BookLevel, Levels
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import Side
from millrace.core.instrument import InstrumentId
from millrace.sim.depth.shown_book import ShownBook

BTC = InstrumentId.parse("binance:BTC/USDT")


def levels(*rows: tuple[int, int]) -> Levels:
    return tuple(BookLevel(*row) for row in rows)


BIDS, ASKS = levels((99, 10), (98, 20)), levels((101, 5), (102, 7))


def shown(bids: Levels = BIDS, asks: Levels = ASKS) -> BookSnapshot:
    return BookSnapshot(BTC, 1, 0, 1, bids, asks)


def change(bids: Levels = (), asks: Levels = ()) -> BookDelta:
    return BookDelta(BTC, 2, 0, 2, 2, bids, asks)


def book() -> ShownBook:
    one = ShownBook()
    assert not one.is_known
    one.show(shown())
    assert one.is_known
    return one


def test_a_queue_is_as_long_as_its_level_none_between_levels_and_unknown_below_them() -> None:
    one = book()
    one.show(change(bids=levels((96, 4))))
    assert [one.standing(Side.BUY, ticks) for ticks in (100, 99, 97, 96, 95)] == [0.0, 10.0, 0.0, 4.0, inf]
    assert [one.standing(Side.SELL, ticks) for ticks in (100, 101, 102, 103)] == [0.0, 5.0, 7.0, inf]
    assert ShownBook().standing(Side.BUY, 99) == inf


def test_an_order_is_offered_the_other_side_up_to_its_limit_the_best_first() -> None:
    one = book()
    assert list(one.offers(Side.BUY, 100)) == []
    assert tuple(one.offers(Side.BUY, 101)) == levels((101, 5))
    assert tuple(one.offers(Side.BUY, 200)) == levels((101, 5), (102, 7))
    assert tuple(one.offers(Side.SELL, 98)) == levels((99, 10), (98, 20))
    assert (one.best_against(Side.BUY), one.best_against(Side.SELL)) == (101, 99)


def test_what_was_taken_is_not_offered_again_while_the_level_stands() -> None:
    one = book()
    one.use(Side.BUY, levels((101, 3)))
    one.use(Side.BUY, levels((101, 1)))
    assert tuple(one.offers(Side.BUY, 101)) == levels((101, 1))
    one.show(shown())
    assert tuple(one.offers(Side.BUY, 101)) == levels((101, 1))
    assert tuple(one.offers(Side.SELL, 99)) == levels((99, 10))


def test_what_a_level_grows_by_is_new_and_a_level_that_was_gone_is_new_whole() -> None:
    one = book()
    one.use(Side.BUY, levels((101, 4)))
    one.show(change(asks=levels((101, 9))))
    assert tuple(one.offers(Side.BUY, 101)) == levels((101, 5))
    one.show(change(asks=levels((101, 2))))
    assert list(one.offers(Side.BUY, 101)) == []
    one.show(change(asks=levels((101, 0))))
    one.show(change(asks=levels((101, 2))))
    assert tuple(one.offers(Side.BUY, 101)) == levels((101, 2))


def test_a_snapshot_without_the_level_forgets_what_was_taken_of_it() -> None:
    one = book()
    one.use(Side.SELL, levels((99, 8)))
    one.show(shown(bids=levels((98, 20))))
    one.show(shown())
    assert tuple(one.offers(Side.SELL, 99)) == levels((99, 10))


def test_a_trade_is_remembered_until_its_level_is_told() -> None:
    one = book()
    one.note_trade(Side.BUY, 99, 2)
    one.note_trade(Side.BUY, 99, 3)
    assert (one.traded(Side.BUY, 99), one.traded(Side.SELL, 99), one.traded(Side.BUY, 98)) == (5, 0, 0)
    one.show(change(bids=levels((98, 1)), asks=levels((99, 1))))
    assert one.traded(Side.BUY, 99) == 5
    one.show(change(bids=levels((99, 5))))
    assert one.traded(Side.BUY, 99) == 0
    one.note_trade(Side.BUY, 99, 2)
    one.show(shown())
    assert one.traded(Side.BUY, 99) == 0
