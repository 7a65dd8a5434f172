"""News that a market paid, or that pairs became cash, meets the faults of the line like news of an order (arb 12)."""

import pytest

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.instrument import InstrumentId
from millrace.sim.faults import Fault, FaultMenu, Faults
from millrace.sim.venue import Delivery
from millrace.world.line import NEVER_NS, SimulatedLine

MARKET = InstrumentId("kalshi", "KX1")
NEWS = (MarketResolved(MARKET, 10_000, 5), PairsRedeemed(MARKET, 7, 7, RedeemRoute.NET, 5, number=1))


def told(fault: Fault, news: MarketResolved | PairsRedeemed) -> list[MarketResolved | PairsRedeemed]:
    """Return what reaches the program of one piece of news where all news meets one fault."""
    line = SimulatedLine(None, Faults(FaultMenu(1, news_share_ppm=1_000_000, news_faults=(fault,))))
    line.answer([Delivery(5, news)])
    found = []
    while line.next_ns < NEVER_NS:
        ts_ns, kind, event = line.pop()
        assert (kind, event.ts_ns) == ("event", ts_ns)
        found.append(event)
    return found


@pytest.mark.parametrize("news", NEWS, ids=lambda news: type(news).__name__)
def test_news_of_an_ending_is_lost_late_or_told_twice(news) -> None:
    assert told(Fault.ANSWER_LOST, news) == []
    (late,) = told(Fault.ANSWER_DELAYED, news)
    assert late.ts_ns > news.ts_ns
    first, again = told(Fault.ANSWER_TWICE, news)
    assert first == news
    assert again.ts_ns > news.ts_ns
    assert (again.market, type(again)) == (news.market, type(news))
