"""What one market paid, shared out to sub-positions: the cases that news in an odd order makes (arb 12)."""

import pytest

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Outcome
from millrace.orders import positions as positions_module
from millrace.orders.positions import Positions
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.model import MarketFacts

MARKET, OTHER = InstrumentId("kalshi", "RAIN"), InstrumentId("kalshi", "SNOW")
INSTRUMENTS = {
    one.id: one
    for market in (MARKET, OTHER)
    for one in outcome_instruments(MarketFacts(market=market, event="E"))
}  # fmt: skip
CONTRACT, DOLLAR = 1_000_000, 10**9
VOID = MarketResolved(MARKET, None, 9)


def at(outcome: Outcome, group: str = "b1") -> SubPosition:
    instrument = next(one for one in INSTRUMENTS.values() if one.binary.outcome is outcome)
    return SubPosition("arb", instrument.id, group, outcome.value)


YES, NO = at(Outcome.YES), at(Outcome.NO)


def told(table: Positions, *news: object) -> list[tuple[str, int, int]]:
    """Return group, lots and proceeds of what follows from the last piece of news; a fill is position, lots, cost."""
    found = []
    for item in news:
        if isinstance(item, tuple):
            table.move(*item)
            found = table.late(item[0], INSTRUMENTS)
        else:
            found = table.close(item, INSTRUMENTS)
    return [(one.position.group, one.lots, one.proceeds) for one in found]


def pairs(lots: int, route: RedeemRoute = RedeemRoute.NET, number: int = 1) -> PairsRedeemed:
    return PairsRedeemed(MARKET, lots, lots * DOLLAR // CONTRACT, route, 8, number)


@pytest.mark.parametrize("yes_ticks", [0, 3_000, 10_000])
def test_pairs_heard_of_after_a_pay_out_by_answer_change_nothing(yes_ticks: int) -> None:
    table = Positions()
    fills = ((YES, 3 * CONTRACT, DOLLAR), (NO, 3 * CONTRACT, DOLLAR))
    assert len(told(table, *fills, MarketResolved(MARKET, yes_ticks, 9))) == 2
    assert told(table, pairs(3 * CONTRACT)) == []
    assert table.owed() == {}


def test_a_sale_heard_of_after_a_void_leaves_the_cost_of_what_was_not_sold() -> None:
    table = Positions()
    assert told(table, (YES, 5 * CONTRACT, 2 * DOLLAR), VOID) == [("b1", 5 * CONTRACT, 2 * DOLLAR)]
    assert told(table, (YES, -3 * CONTRACT, DOLLAR)) == [("b1", -3 * CONTRACT, -1_200_000_000)]


def test_a_sale_heard_of_before_its_purchase_is_taken_back_by_a_void_until_then() -> None:
    table = Positions()
    assert told(table, (YES, -3 * CONTRACT, DOLLAR), VOID) == [("b1", -3 * CONTRACT, -DOLLAR)]
    assert told(table, (YES, 3 * CONTRACT, DOLLAR)) == [("b1", 3 * CONTRACT, DOLLAR)]


def test_what_a_void_paid_goes_to_those_who_hold_and_nothing_is_drawn_from_those_who_owe() -> None:
    table = Positions()
    fills = ((YES, 3 * CONTRACT, 1_200_000_000), (at(Outcome.YES, "b2"), -2 * CONTRACT, 1_100_000_000))
    void = MarketResolved(MARKET, None, 9, paid=400_000_000)
    assert told(table, *fills, void) == [("b1", 3 * CONTRACT, 400_000_000), ("b2", -2 * CONTRACT, 0)]


def test_contracts_that_cost_too_little_to_count_share_a_void_by_number() -> None:
    table = Positions()
    void = MarketResolved(MARKET, None, 9, paid=80)
    assert told(table, (YES, 3, 0), (at(Outcome.YES, "b2"), 1, 0), void) == [("b1", 3, 60), ("b2", 1, 20)]


def test_a_conversion_and_pairs_are_owed_side_by_side() -> None:
    table = Positions()
    assert told(table, pairs(CONTRACT, RedeemRoute.CONVERT), pairs(2 * CONTRACT, number=2)) == []
    assert table.owed() == {MARKET: 3 * CONTRACT}
    assert told(table, (NO, 3 * CONTRACT, DOLLAR)) == [("b1", CONTRACT, DOLLAR)]
    assert told(table, (YES, 2 * CONTRACT, DOLLAR)) == [("b1", 2 * CONTRACT, DOLLAR)] * 2
    assert table.owed() == {}


def test_of_more_markets_than_are_remembered_the_oldest_is_forgotten_with_what_it_owed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(positions_module, "_KEPT", 1)
    table = Positions()
    told(table, pairs(CONTRACT), VOID, MarketResolved(OTHER, None, 9))
    assert not table.knows(VOID)
    assert table.owed() == {}
