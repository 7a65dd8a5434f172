"""Capital layers (slots 8.1, 18) and the entry reserve (slots 9) in a running grid."""

import pytest

from millrace.strategies.slots.turn import Turn
from slots_desk import Desk, doge

DECIMALS = [0, 2, 8]


def desk(count=1, *, decimals=8, money=(10_000.0, 2_000.0), **changes):
    return Desk(count, facts=doge(decimals), money=money, **({"reentry_base_cooldown_sec": 0.0} | changes))


def shown(grid_desk):
    return grid_desk.status()["capital_layers"]


@pytest.mark.parametrize("decimals", DECIMALS)
def test_8_1_layers_add_their_units_to_both_orders_in_doge_mode(decimals):
    grid_desk = desk(decimals=decimals, capital_layers=3, capital_layer_doge_per_order=2.5).open()
    assert [grid_desk.volume(grid_desk.one(leg)) for leg in "AB"] == [67.5 if decimals else 67.0] * 2


@pytest.mark.parametrize("decimals", DECIMALS)
def test_8_1_layers_add_their_units_at_the_mark_in_usd_mode(decimals):
    usd = {"order_size_mode": "USD", "order_size_usd": 12.0, "b_side_account_sizing": False}
    grid_desk = desk(decimals=decimals, capital_layers=3, capital_layer_doge_per_order=2.5, **usd).open()
    for leg in "AB":
        order = grid_desk.one(leg)
        assert grid_desk.volume(order) == round((12.0 + 3 * 2.5 * 0.2) / grid_desk.limit(order), decimals)


def test_8_1_layers_come_before_the_multipliers():
    grid_desk = desk(capital_layers=3, capital_layer_doge_per_order=2.0)
    grid_desk.caution(0.9)
    sizes = grid_desk.grid.sizes(grid_desk.slot(), turn_of(grid_desk))
    assert sizes.volume("A", 0.2) == pytest.approx((60.0 + 6.0) * 0.9)


def turn_of(grid_desk):
    return Turn(grid_desk.engine, "slots", grid_desk.facts, grid_desk.grid.stale_ns)


def test_8_1_only_layers_that_the_account_carries_are_effective():
    grid_desk = desk(10, money=(1_000.0, 100.0), capital_layers=20)
    worth = 1_000.0 + 100.0 / 0.2
    assert shown(grid_desk) == {
        "target": 20,
        "effective": int(worth / 20 - 60.0),
        "by_source": {"AUTO": 20, "DOGE": 0, "USD": 0},
        "units_per_order": 1.0,
        "added_units_per_order": 15.0,
        "layer_units": 20.0,
    }
    grid_desk.money(0.0, 100.0)
    assert shown(grid_desk)["effective"] == 0
    unknown = desk(10, money=None, capital_layers=20)
    assert shown(unknown)["effective"] == 0


def test_18_add_layer_needs_the_money_free_in_the_balance_that_it_names():
    grid_desk = desk(10, money=(30.0, 2.0), order_size_doge=50.0)
    assert grid_desk.ask("add_layer", source="USD") == (
        "refused: a layer takes 20 DOGE for both orders of 10 slots; USD has the worth of 10 free"
    )
    assert grid_desk.ask("add_layer", source="doge").startswith("ok: layer 1 from DOGE; 0 of 1 are effective")
    assert grid_desk.ask("add_layer").startswith("ok: layer 2 from AUTO")
    grid_desk.money(5.0, 2.0)
    assert grid_desk.ask("add_layer").startswith("refused: a layer takes 20 DOGE")
    assert shown(grid_desk)["by_source"] == {"AUTO": 1, "DOGE": 1, "USD": 0}


def test_18_add_layer_waits_for_price_and_balances_and_stops_at_a_hundred():
    assert desk(money=None).ask("add_layer") == (
        "refused: price or balances are not known yet; ask again when they are"
    )
    nothing = desk(capital_layer_doge_per_order=0.0)
    assert nothing.ask("add_layer").startswith("refused: a layer adds nothing while")
    full = desk(capital_layers=100)
    assert full.ask("add_layer").startswith("refused: 100 layers are the most")


@pytest.mark.parametrize("source", ["EUR", 1, True, ""])
def test_18_a_source_must_be_one_of_three_words(source):
    for action in ("add_layer", "remove_layer"):
        assert desk().ask(action, source=source).startswith("refused: source must be AUTO or DOGE or USD")


def test_18_remove_layer_takes_the_newest_of_the_source():
    grid_desk = desk()
    for source in ("USD", "DOGE", "USD"):
        assert grid_desk.ask("add_layer", source=source).startswith("ok")
    assert grid_desk.ask("remove_layer", source="DOGE").startswith("ok: a layer from DOGE removed; 2 of 2")
    assert grid_desk.ask("remove_layer", source="DOGE") == "refused: there is no DOGE layer to remove"
    assert grid_desk.ask("remove_layer").startswith("ok: a layer from USD removed")
    assert grid_desk.ask("remove_layer").startswith("ok: a layer from USD removed; 0 of 0")
    assert grid_desk.ask("remove_layer") == "refused: there is no layer to remove"


def test_18_a_new_layer_sizes_the_entries_from_then_on_and_survives_a_restart():
    grid_desk = desk().open()
    assert grid_desk.ask("add_layer").startswith("ok")
    grid_desk.loops(2)
    assert grid_desk.volume(grid_desk.one("B")) == 60.0, "what is on the book stays"
    grid_desk.fill(grid_desk.one("B"))
    grid_desk.accept()
    grid_desk.fill(grid_desk.one("B"))
    assert grid_desk.volume(grid_desk.one("B")) == 61.0
    assert shown(grid_desk.restarted()) == shown(grid_desk)


def test_17_layers_of_the_operator_give_way_only_to_a_number_that_changed():
    grid_desk = desk(capital_layers=2)
    assert grid_desk.ask("add_layer").startswith("ok")
    grid_desk.grid.reconfigured({"slots.entry_pct"})
    assert shown(grid_desk)["target"] == 3
    grid_desk.grid.reconfigured({"slots.capital_layers"})
    assert shown(grid_desk)["target"] == 2


def test_8_5_a_leg_below_the_minimum_is_opened_by_the_layer_that_lifts_it():
    grid_desk = desk(order_size_doge=48.0)
    grid_desk.loop()
    assert grid_desk.waits() == {"A": "min_size_wait", "B": "min_size_wait"}
    assert grid_desk.ask("add_layer").startswith("ok")
    assert grid_desk.status()["slots"][0]["too_small"]["A"]["target"] == 49.0
    assert grid_desk.ask("add_layer").startswith("ok")
    grid_desk.loop()
    assert grid_desk.status()["slot_vintage"]["median_slot_size_usd"] == pytest.approx(50.0 * 0.2)
    assert [grid_desk.volume(grid_desk.one(leg)) for leg in "AB"] == [50.0, 50.0]


# ---- the entry reserve -----------------------------------------------------------------------------------------------


def parked(policy, *, reserve=10, limit=225):
    """Return four slots with a cap of four orders, all used by exits that wait."""
    grid_desk = desk(
        4,
        open_orders_per_pair_limit=limit,
        open_order_safety_ratio=1.0,
        entry_cap_policy=policy,
        entry_reserve_orders=reserve,
        max_entry_adds_per_loop=10,
    )
    grid_desk.grid.safe_cap = 4
    while len(grid_desk.find(reduces=True)) < 4:
        grid_desk.loop()
        grid_desk.accept()
        for entry in grid_desk.find("B", reduces=False):
            grid_desk.fill(entry)
        for entry in grid_desk.find("A", reduces=False):
            grid_desk.end(entry)
    for entry in grid_desk.find(reduces=False):
        grid_desk.end(entry)
    grid_desk.loops(3)
    grid_desk.accept()
    return grid_desk


def test_9_without_the_policy_waiting_exits_end_the_entries_at_the_cap():
    grid_desk = parked("none")
    assert len(grid_desk.find(reduces=True)) == 4
    assert grid_desk.find(reduces=False) == []
    assert set(grid_desk.waits(1).values()) == {"capacity_block"}


@pytest.mark.parametrize("reserve", [1, 2, 3])
def test_9_entry_reserve_lets_so_many_entries_in_beside_the_waiting_exits(reserve):
    grid_desk = parked("entry_reserve", reserve=reserve)
    assert len(grid_desk.find(reduces=True)) == 4, "exits are never exempt, and never held back"
    assert len(grid_desk.find(reduces=False)) == reserve
    first = grid_desk.find(reduces=False)[0]
    grid_desk.fill(first)
    grid_desk.loops(3)
    assert len(grid_desk.find(reduces=True)) == 5
    assert len(grid_desk.find(reduces=False)) <= reserve


def test_9_the_reserve_ends_at_what_the_venue_allows():
    grid_desk = parked("entry_reserve", reserve=10, limit=6)
    assert len(grid_desk.find(reduces=True)) + len(grid_desk.find(reduces=False)) == 6
