"""The exposure limits where orders leave: by what is open and under way, whatever a plan believed (arb 11.7, 16)."""

from typing import Any

from arb_quotes import KALSHI
from guard_floor import Floor
from millrace.core.commands import Side
from millrace.core.events import BalanceReport
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.risk.exposure import ExposureSettings
from millrace.risk.exposure_guard import ExposureGuard
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.model import MarketFacts

MARKETS = tuple(InstrumentId(venue, f"M{number}") for venue in ("kalshi", "polymarket") for number in range(3))
FACTS = tuple(MarketFacts(market=market, event="E", fees=KALSHI, category="weather") for market in MARKETS)
OUTCOMES = tuple(outcome for facts in FACTS for outcome in outcome_instruments(facts))
REFUSED = ("exposure_limit",)


def _guard(**limits: Any) -> ExposureGuard:
    return ExposureGuard(OUTCOMES, ExposureSettings(**limits), {facts.market: facts.category for facts in FACTS})


def _floor(**limits: Any) -> Floor:
    desk = Floor(_guard(**limits), instruments=OUTCOMES)
    for venue in ("kalshi", "polymarket"):
        desk.step(BalanceReport(venue, {"USD": (10**15, 0)}, desk.now_ns))
    return desk


def _buy(desk: Floor, market: int, contracts: float, basket: str = "b1", price: float = 0.5, **more: Any):
    facts = OUTCOMES[2 * market]
    group = f"cross/F{basket}/{basket}"
    return desk.want(contracts, price, leg=SubPosition("arb", facts.id, group, str(market)), facts=facts, **more)


def _filled(desk: Floor, client_id: str) -> None:
    from millrace.core.events import OrderProgress

    order = desk.orders.open_order(client_id).place
    cost = order.limit_ticks * order.lots // 10
    desk.step(OrderProgress(client_id, order.lots, cost, 0, desk.now_ns))


def test_within_the_limits_orders_leave() -> None:
    desk = _floor()
    assert isinstance(_buy(desk, 0, 100), str)
    assert isinstance(_buy(desk, 3, 100), str)


def test_an_order_under_way_counts() -> None:
    """Fifty dollars under way leave sixty of 110."""
    desk = _floor(total_usd=110.0, venue_share=1.0, category_share=1.0)
    assert isinstance(_buy(desk, 0, 100), str)
    assert _buy(desk, 3, 121, "b2") == REFUSED
    assert isinstance(_buy(desk, 3, 100, "b2"), str)


def test_a_position_counts_until_it_is_sold() -> None:
    desk = _floor(market_usd=60.0)
    _filled(desk, _buy(desk, 0, 100))
    assert _buy(desk, 0, 30, "b2") == REFUSED
    sold = _buy(desk, 0, 100, side=Side.SELL, reduces=True)
    _filled(desk, sold)
    assert isinstance(_buy(desk, 0, 100, "b3"), str)


def test_the_limits_of_venue_category_and_counts() -> None:
    for limits in (
        {"venue_usd": 60.0},
        {"category_usd": 60.0},
        {"positions": 1},
        {"lane_positions": 1},
        {"open_markets": 1},
    ):
        desk = _floor(**limits)
        assert isinstance(_buy(desk, 0, 100), str), limits
        assert _buy(desk, 1, 100, "b2") == REFUSED, limits
        # The other leg of the same basket is no new basket, but it is more of a venue.
        both = _buy(desk, 4, 10)
        assert isinstance(both, str) or "category_usd" in limits


def test_what_it_holds_survives_a_restart() -> None:
    desk = _floor(market_usd=60.0)
    _filled(desk, _buy(desk, 0, 100))
    desk.restarted(_guard(market_usd=60.0), instruments=OUTCOMES)
    assert _buy(desk, 0, 30, "b2") == REFUSED
    shown = desk.engine.guards[0].status(desk.engine)
    assert shown == {"baskets": 1, "usd": {"kalshi": 50.0}}


def test_a_program_without_outcomes_costs_nothing() -> None:
    assert ExposureGuard((), ExposureSettings(), {}).reads == ()
