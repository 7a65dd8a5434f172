"""Orders and positions of another program in the order table, the ledgers and the simulated venue (design 5.4, 5.5)."""

from typing import Any

import pytest
from msgspec import structs

from millrace.core.commands import OrderState, RecordAdoption, RecordFill, RecordOpening, RecordOrder, Side
from millrace.core.events import OrderEnded, OrderProgress
from millrace.core.handing_over import taken_over
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.recovery_events import AdoptedOrder, HandedOver, OpenedPosition
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.shell.ledger_memory import MemoryLedger
from millrace.shell.ledger_sqlite import SqliteLedger
from millrace.sim.venue import FillRule, SimVenue, VenueSettings
from millrace.sim.venue_log import VenueRecord
from millrace.world.folder.recovery import check_agreement
from slots_desk import doge

DOGE = doge()
LONG = SubPosition("slots", InstrumentId("kraken", "DOGE/USD"), "slot1", "B")
UNIT = 10**8
CENT = 10**7


def adopted(name: str = "OAAAAA", **changes: Any) -> AdoptedOrder:
    """Return an exit of 60 units at 0.2 USD, of which 25 have executed."""
    cost = DOGE.cost(2_000_000, 25 * UNIT)
    executed = (25 * UNIT, cost, DOGE.fee(cost, maker=True))
    told = AdoptedOrder(name, DOGE.id, "sell", 60 * UNIT, 2_000_000, LONG, True, f"k/{name}", "exit", *executed, 7)
    return structs.replace(told, **changes)


def event(*orders: AdoptedOrder) -> HandedOver:
    opened = OpenedPosition(LONG, 60 * UNIT, 11 * 10**9, 3 * CENT, 12 * 10**9)
    return HandedOver("slots", "old.json", orders, (opened,), "{}", 50)


def taken(*orders: AdoptedOrder):
    table, account = OrderTable(ClientIds("test", ("slots",))), Account()
    facts, openings = taken_over(event(*orders), table, account, {DOGE.id: DOGE})
    return table, account, facts, openings


def test_the_facts_say_opening_order_fill_and_state_in_their_causal_order() -> None:
    table, _, facts, openings = taken(adopted())
    assert [type(fact) for fact in facts] == [RecordOpening, RecordAdoption, RecordFill, RecordOrder]
    assert table.position(LONG) == 35 * UNIT
    (order,) = table.unfinished()
    assert (order.client_id, order.venue_order_id, order.state) == ("OAAAAA", "OAAAAA", OrderState.PARTIAL)
    assert table.coverable(LONG, Side.SELL) == 0, "what the adopted exit still closes is spoken for"
    (seen,) = openings
    assert (seen.d_lots, seen.d_cost, seen.d_fee) == (60 * UNIT, 12 * 10**9, 0), "guards count from the worth of now"


def test_news_under_the_venues_id_is_news_of_the_adopted_order() -> None:
    table, account, _, _ = taken(adopted())
    cost = DOGE.cost(2_000_000, 60 * UNIT)
    applied = table.apply(OrderProgress("OAAAAA", 60 * UNIT, cost, DOGE.fee(cost, maker=True), 99))
    assert applied is not None
    update, _ = applied
    account.update(update)
    assert (update.state, update.d_lots) == (OrderState.FILLED, 35 * UNIT)
    assert table.positions() == {}
    late = table.apply(OrderProgress("OAAAAA", 61 * UNIT, cost + 1, 0, 100))
    assert late is not None
    account.update(late[0])


@pytest.mark.parametrize("again", [adopted(), adopted("OBBBBB", key="k/OAAAAA"), adopted(key="another")])
def test_an_order_is_adopted_once(again: AdoptedOrder) -> None:
    with pytest.raises(ValueError, match="already in the table"):
        taken(adopted(), again)


def test_both_ledgers_agree_with_the_table_and_take_the_facts_once(tmp_path) -> None:
    table, _, facts, _ = taken(adopted(), adopted("OBBBBB", key="k2", reduces=False, side="buy", cum_lots=0, cum_cost=0, cum_fee=0))  # fmt: skip
    for ledger in (MemoryLedger(), SqliteLedger(tmp_path / "ledger.db", create=True)):
        assert ledger.commit(facts).reused_keys == ()
        rows = ledger.orders(), ledger.positions(), ledger.fills()
        assert ledger.commit(facts).reused_keys == ()
        assert (ledger.orders(), ledger.positions(), ledger.fills()) == rows
        assert ledger.fills() == 1, "an opening is no fill of an order of ours"
        check_agreement(table, ledger)
        other = structs.replace(facts[1], place=structs.replace(facts[1].place, lots=1))
        assert ledger.commit([other]).reused_keys == ("k/OAAAAA",)
        ledger.close()


def venue(log: list[VenueRecord]) -> SimVenue:
    opening = {"DOGE": 100 * UNIT, "USD": 50 * 10**9}
    settings = VenueSettings(venue="kraken", instruments=(DOGE,), opening=opening, seed=1, fill_rule=FillRule.PRINTS)
    return SimVenue(settings, log.append)


def test_a_rested_order_holds_its_rest_fills_at_its_limit_and_survives_a_rebuild() -> None:
    log: list[VenueRecord] = []
    there = venue(log)
    there.rest(adopted(), "bot-17", 1_000)
    (listed,) = there.open_orders(DOGE.id)
    assert (listed.client_id, listed.venue_order_id, listed.cum_lots) == ("bot-17", "OAAAAA", 25 * UNIT)
    assert there.balances()["DOGE"] == (65 * UNIT, 35 * UNIT)
    (progress, *_) = there.on_print(DOGE.id, 2_000, 2_100_000, 10**12, 1, 10**15)
    cost = DOGE.cost(2_000_000, 35 * UNIT)
    before = adopted()
    told = progress.event
    assert isinstance(told, OrderProgress)
    assert (told.client_id, told.cum_lots, told.cum_cost) == ("OAAAAA", 60 * UNIT, before.cum_cost + cost)
    assert there.balances()["DOGE"] == (65 * UNIT, 0)
    assert there.balances()["USD"] == (50 * 10**9 + cost - DOGE.fee(cost, maker=True), 0)
    assert SimVenue.rebuild(there.settings, log).snapshot() == there.snapshot()


def test_a_rested_order_is_cancelled_under_the_venues_id() -> None:
    there = venue([])
    there.rest(adopted(side="buy", cum_lots=0, cum_cost=0, cum_fee=0), "", 1_000)
    assert there.balances()["USD"][1] > 12 * 10**9
    (ended, *_) = there.cancel(DOGE.id, "OAAAAA", 2_000)
    assert isinstance(ended.event, OrderEnded)
    assert there.balances()["USD"] == (50 * 10**9, 0)
