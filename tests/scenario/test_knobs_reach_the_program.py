"""Knobs whose effect is neither a price nor a size still reach the assembled program."""

from millrace.config.load import load_settings
from millrace.core.commands import Book, OrderState
from millrace.sim.market_generator import DAY_NS, day_prints
from millrace.world.backtest import Assembled, assemble_backtest, start

DAY = 20_454


def run(**overrides: object) -> Assembled:
    columns = day_prints(21, DAY)
    settings = load_settings(profile="demo", overrides={"slots.count": 30, **overrides})
    assembled = assemble_backtest(settings, columns)
    start(settings, assembled, int(columns.ts_ns[0]) - 1)
    assembled.simulation.run_until(DAY * DAY_NS + DAY_NS // 4)
    return assembled


def updates(assembled: Assembled) -> list[Book]:
    return assembled.ledger.bookings("sizer_update")


def test_an_acting_sizer_records_its_updates_unless_told_not_to() -> None:
    acting = {"sizer.enabled": True, "sizer.shadow": False}
    recorded = updates(run(**acting))
    assert recorded
    assert {"active_regime", "age_pressure", "aggregate", "bullish_B"} <= recorded[0].values.keys()
    assert len({record.key for record in recorded}) == len(recorded)
    assert updates(run(**acting, **{"sizer.log_updates": False})) == []
    assert updates(run()) == []


def test_an_entry_that_waited_too_long_is_not_sent() -> None:
    def unsent(assembled: Assembled) -> int:
        orders = assembled.ledger.orders()
        return sum(order.state is OrderState.REJECTED and not order.venue_order_id for order in orders)

    assert unsent(run(**{"run.entry_valid_for_sec": 0.5})) > unsent(run())
