"""When money of an order is held and when it is free again: one case per sentence of the account's reasoning."""

import pytest

from millrace.core.commands import Approved, OrderState, OrderUpdate, Place, Side, Style
from millrace.core.events import BalanceReport
from millrace.core.ids import SubPosition
from millrace.orders.account import Account
from millrace.venues.kraken.facts import instrument_facts

FACTS = instrument_facts("kraken:DOGE/USD")
LEG = SubPosition("grid", FACTS.id, "7", "A")
LOTS = 60 * 10**8
COST = 6 * 10**9  # 60 DOGE at 0.1 USD
MAKER, TAKER = COST * 25 // 10_000, COST * 40 // 10_000
USD, DOGE = 100 * 10**9, 500 * 10**8


def place(side: Side = Side.BUY, style: Style = Style.POST_ONLY) -> Place:
    return Place(FACTS.id, side, LOTS, 10**6, style, LEG, False, "k", "entry")


def account(order: Place) -> Account:
    kept = Account()
    report(kept, 5)
    kept.reserve(Approved(order, "id", 0, 6), FACTS)
    return kept


def report(kept: Account, ts_ns: int, usd: int = USD) -> None:
    kept.report(BalanceReport("kraken", {"USD": (usd, 0), "DOGE": (DOGE, 0)}, ts_ns))


def news(
    kept: Account, state: OrderState, previous: OrderState, ts_ns: int, lots: int = 0, d_lots: int = 0, order=None
):
    order = order or place()
    cost, d_cost = COST * lots // LOTS, COST * d_lots // LOTS
    kept.update(OrderUpdate("id", order, state, previous, d_lots, d_cost, 0, lots, cost, 0, None, "", ts_ns))


def usd_held(kept: Account) -> int:
    return USD - kept.free("kraken", "USD")


@pytest.mark.parametrize(("style", "fee"), [(Style.POST_ONLY, MAKER), (Style.LIMIT, TAKER)])
def test_a_buy_holds_cost_and_the_fee_that_it_may_pay(style, fee):
    assert usd_held(account(place(style=style))) == COST + fee


def test_a_sell_holds_base_only():
    kept = account(place(Side.SELL))
    assert (usd_held(kept), kept.free("kraken", "DOGE")) == (0, DOGE - LOTS)


@pytest.mark.parametrize(("report_ns", "held"), [(9, True), (10, False), (11, False)])
def test_the_venues_hold_takes_over_with_a_report_from_its_acceptance_on(report_ns, held):
    kept = account(place())
    report(kept, 9)
    assert usd_held(kept) == COST + MAKER
    news(kept, OrderState.OPEN, OrderState.SENT, 10)
    report(kept, report_ns)
    assert usd_held(kept) == (COST + MAKER if held else 0)


def test_a_report_that_overtook_the_acceptance_does_not_take_over():
    kept = account(place())
    report(kept, 11)
    news(kept, OrderState.OPEN, OrderState.SENT, 10)
    assert usd_held(kept) == COST + MAKER
    report(kept, 12)
    assert usd_held(kept) == 0


def test_an_unknown_order_stays_held_through_reports():
    kept = account(place())
    news(kept, OrderState.UNKNOWN, OrderState.SENT, 10)
    report(kept, 20)
    assert usd_held(kept) == COST + MAKER
    news(kept, OrderState.REJECTED, OrderState.UNKNOWN, 21)
    assert usd_held(kept) == 0


@pytest.mark.parametrize("state", [OrderState.REJECTED, OrderState.CANCELLED, OrderState.EXPIRED])
def test_an_order_that_ended_without_a_fill_is_free_at_once(state):
    kept = account(place())
    news(kept, state, OrderState.SENT, 10)
    assert usd_held(kept) == 0


@pytest.mark.parametrize(("state", "lots"), [(OrderState.FILLED, LOTS), (OrderState.CANCELLED, LOTS // 2)])
def test_what_was_spent_stays_held_until_a_report_shows_it(state, lots):
    kept = account(place())
    news(kept, state, OrderState.SENT, 10, lots, lots)
    assert usd_held(kept) == COST * lots // LOTS
    report(kept, 9)
    assert usd_held(kept) == COST * lots // LOTS
    report(kept, 10)
    assert usd_held(kept) == 0


def test_proceeds_do_not_count_before_a_report():
    kept = account(place(Side.SELL))
    news(kept, OrderState.FILLED, OrderState.SENT, 10, LOTS, LOTS, place(Side.SELL))
    assert (usd_held(kept), kept.free("kraken", "DOGE")) == (0, DOGE - LOTS)


def test_a_fill_after_the_end_is_held_until_a_report_shows_it():
    kept = account(place())
    news(kept, OrderState.CANCELLED, OrderState.OPEN, 10)
    news(kept, OrderState.CANCELLED, OrderState.CANCELLED, 11, LOTS // 2, LOTS // 2)
    assert usd_held(kept) == COST // 2
    news(kept, OrderState.CANCELLED, OrderState.CANCELLED, 12, LOTS, LOTS // 2)
    assert usd_held(kept) == COST
    report(kept, 12)
    assert usd_held(kept) == 0


def test_an_older_report_does_not_replace_a_newer_one():
    kept = Account()
    report(kept, 7, usd=1)
    report(kept, 6, usd=2)
    assert kept.free("kraken", "USD") == 1


def test_nothing_is_free_before_the_first_report():
    kept = Account()
    assert kept.free("kraken", "USD") is None
    assert kept.total("kraken", "USD") is None
    kept.report(BalanceReport("kraken", {"USD": (5, 2)}, 1))
    assert (kept.free("kraken", "USD"), kept.total("kraken", "USD")) == (5, 7)
    assert kept.free("kraken", "DOGE") == 0
    assert kept.free("bybit", "USD") is None
