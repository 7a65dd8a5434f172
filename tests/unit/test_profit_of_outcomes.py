"""What an outcome is worth to the loss cap and the drawdown: its bid, and nothing without one (runtime 2.17 rule 3)."""

from types import SimpleNamespace

from millrace.config.load import load_settings
from millrace.core.commands import Place, Side, Style
from millrace.core.ids import SubPosition
from millrace.core.instrument import Outcome, outcome_id
from millrace.risk.loss_cap import LossCap
from millrace.risk.profit import Exposure
from millrace.strategies.arb.listing import outcome_instruments
from prediction_venue import KALSHI, ONE, book, kalshi

SECOND = 1_000_000_000
YES, NO = outcome_instruments(kalshi().markets[0])
FACTS = {str(one.id): one for one in (YES, NO)}


def seen(quote, now_ns=0):
    return SimpleNamespace(now_ns=now_ns, book=lambda market: quote if market == KALSHI else None)


def test_an_outcome_is_worth_its_bid():
    books = Exposure(0, {str(YES.id): 2 * ONE, str(NO.id): ONE})
    quote = book(KALSHI, 0, yes_asks=[(4_200, 9)], no_asks=[(6_000, 9)])
    marks = books.marks(seen(quote), FACTS, worse_ppm=0, stale_ns=SECOND)
    assert marks == {str(YES.id): 4_000, str(NO.id): 5_800}
    assert books.value(marks, FACTS) == 2 * 400_000_000 + 580_000_000


def test_without_a_book_or_a_bid_it_is_worth_nothing():
    books = Exposure(0, {str(YES.id): ONE})
    assert books.marks(seen(None), FACTS, worse_ppm=0, stale_ns=SECOND) == {str(YES.id): 0}
    no_bid = book(KALSHI, 0, yes_asks=[(4_200, 9)])
    assert books.marks(seen(no_bid), FACTS, worse_ppm=0, stale_ns=SECOND) == {str(YES.id): 0}


def test_an_old_book_counts_for_the_value_and_not_for_a_new_order():
    books = Exposure(0, {str(YES.id): ONE})
    quote = book(KALSHI, 0, yes_asks=[(4_200, 9)], no_asks=[(6_000, 9)])
    old = seen(quote, now_ns=SECOND + 1)
    assert books.marks(old, FACTS, worse_ppm=0, stale_ns=SECOND) == {str(YES.id): 4_000}
    assert books.marks(old, FACTS, worse_ppm=50_000, stale_ns=SECOND) == {str(YES.id): 0}


def test_a_leg_may_lose_all_that_it_costs():
    name = outcome_id(KALSHI, Outcome.YES)
    position = SubPosition("arb", name, "intra/F/b1", "1")
    place = Place(name, Side.BUY, 10 * ONE, 4_000, Style.IOC, position, False, "b1/1/a1", "leg")
    fee_usd = YES.most_fee(4_000, 10 * ONE, may_take=True) / 1e9

    def objected(cap_usd: float) -> bool:
        stops = load_settings(overrides={"stops.daily_loss_cap_usd": cap_usd}).stops
        return bool(LossCap((YES, NO), stops).objections((place,), seen(None)))

    assert not objected(4.0 + fee_usd)
    assert objected(4.0 + fee_usd - 0.001)
