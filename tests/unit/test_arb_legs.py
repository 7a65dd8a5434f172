"""Maker and taker legs in the desk's report: shares, chances and losses against what was expected (arb 7.4, 8.7)."""

import pytest
from test_arb_kpis import basket, decision

from millrace.core.codec import decode_state, encode_state
from millrace.research.arb_legs import legs_of
from millrace.strategies.arb.telemetry.rows import RestRow

ONE = 1_000_000


def rest(order, filled, **more):
    given = {
        "order": order, "basket": "b1", "lane": "cross", "venue": "kalshi", "market": "A", "outcome": "YES",
        "category": "news", "ticks": 4_000, "lots": 10 * ONE, "filled_lots": filled * ONE, "refused": False,
        "chance": 0.5, "placed_ns": 1, "ended_ns": 2,
    }  # fmt: skip
    return RestRow(**(given | more))


def test_chances_and_losses_stand_beside_what_came_of_them() -> None:
    rows = [
        rest("a", 10, forecast=0.004, soon=0.01, late=0.02, watched=True),
        rest("b", 4, forecast=0.006, soon=0.0, late=0.0, watched=True),
        rest("c", 0, chance=0.3),
        rest("d", 3, chance=0.1, forecast=0.9),
        rest("e", 0, refused=True, chance=0.9),
        rest("f", 10, venue="polymarket"),
    ]
    found = legs_of((), rows)
    maker = found["maker"]["kalshi"]
    assert (maker["orders"], maker["refused"], maker["contracts"]) == (5, 1, 17.0)
    assert (maker["filled"], maker["whole"]) == (17 / 40, 1 / 4)
    assert maker["chance"] == pytest.approx(1.4 / 4)
    assert maker["brier"] == pytest.approx((0.25 + 0.25 + 0.09 + 0.01) / 4)
    assert maker["adverse_expected_usd"] == pytest.approx(0.005)
    assert (maker["adverse_5s_usd"], maker["adverse_60s_usd"]) == (pytest.approx(0.005), pytest.approx(0.01))
    assert found["maker"]["polymarket"]["adverse_60s_usd"] is None
    assert found["taker"]["kalshi"] == {"legs": 0, "contracts": 0.0, "filled": None}


def test_legs_that_took_count_what_they_got_of_what_was_wanted() -> None:
    row = basket(decision(1), 2_000_000_000)
    found = legs_of([row], ())["taker"]
    assert {venue for venue, one in found.items() if one["legs"]} == {leg.venue for leg in row.legs}
    for venue, one in found.items():
        bought = [leg.lots for leg in row.legs if leg.venue == venue]
        assert one["legs"] == len(bought)
        assert one["contracts"] == sum(bought) / ONE
        assert one["filled"] == pytest.approx(sum(min(lots, row.lots) for lots in bought) / (row.lots * len(bought)))


def test_a_row_of_a_resting_order_comes_back_from_the_ledger() -> None:
    row = rest("b1/0/1", 3, forecast=0.004, late=0.01, watched=True)
    book = row.book("arb")
    assert RestRow.read(book) == row
    assert decode_state(encode_state(dict(book.values))) == dict(book.values)
