"""What the desk knows of its account stops or slows all symbols: each figure is taken from what happened (quoting 4.3)."""

from types import SimpleNamespace

import pytest
from msgspec import json
from msgspec.structs import replace

from millrace.core.commands import OrderState, OrderUpdate, Place, Side, Style
from millrace.core.events import NOT_SENT, RejectReason
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId
from millrace.strategies.quoting.desk_figures import DeskFigures, Feed
from millrace.strategies.quoting.features.samples import LatencyWindow, ProfitWindow
from millrace.strategies.quoting.guards.market_wide import MarketBit
from millrace.strategies.quoting.model import IntentKind, OrderIntent
from millrace.strategies.quoting.settings import QuotingSettings

LIVE = QuotingSettings.live()
ID = InstrumentId("bybit", "AAA/USDT")
PAIR = Instrument(ID, "AAA", "USDT", 2, 1, 3, 1, 1, 0, 1_000, 2_000, 100)
PLACE = Place(ID, Side.BUY, 10, 100, Style.POST_ONLY, SubPosition("quoting", ID, "quotes", "net"), False, "k", "quote")
NEAR = Feed(10, 10)


def symbol(profit: float = 0.0, latency: float | None = 20.0, name: str = "AAA/USDT"):
    return SimpleNamespace(
        symbol=name,
        day_pnl=profit,
        profit_usd=profit,
        exposure_usd=100.0,
        latency_p95_ms=latency,
        waits=False,
        tally=SimpleNamespace(throttled=0),
    )


def answer(figures: DeskFigures, state: OrderState, times: int = 1, reject: RejectReason | None = None, **more) -> None:
    values = {"d_lots": 0, "d_cost": 0, "d_fee": 0, "cum_lots": 0, "cum_cost": 0, "cum_fee": 0} | more
    for _ in range(times):
        figures.heard(
            OrderUpdate("c", PLACE, state, OrderState.SENT, reject=reject, text="", ts_ns=0, **values), PAIR, 0
        )


def desk(settings: QuotingSettings = LIVE) -> DeskFigures:
    return DeskFigures(settings, 2 * settings.emit.max_position_usd, "quoting")


def intents(count: int, *, defensive: bool = False) -> tuple[OrderIntent, ...]:
    kind = IntentKind.CANCEL if defensive else IntentKind.PLACE
    return (OrderIntent(kind, Side.BUY, 0, 1, 100, 1, "new", defensive),) * count


def test_calls_without_an_answer_pause_all_symbols_after_two_checks() -> None:
    figures = desk()
    answer(figures, OrderState.OPEN, 90)
    answer(figures, OrderState.UNKNOWN, 10)
    assert figures.now([symbol()], 10_000, NEAR).market_bits == 0
    assert figures.now([symbol()], 19_999, NEAR).error_rate == 0.1
    assert figures.now([symbol()], 20_999, NEAR).market_bits == MarketBit.ERRORS
    assert figures.shown(20_999)["market"] == ["errors"]


def test_orders_that_the_venue_does_not_want_count_but_for_those_of_price_and_money() -> None:
    figures = desk()
    answer(figures, OrderState.OPEN, 15)
    answer(figures, OrderState.REJECTED, 5, RejectReason.POST_ONLY_WOULD_CROSS)
    answer(figures, OrderState.REJECTED, 5, RejectReason.INSUFFICIENT_FUNDS)
    assert figures.now([symbol()], 10_000, NEAR).rejected_share == 0.0
    answer(figures, OrderState.REJECTED, 25, RejectReason.BELOW_MINIMUM)
    assert figures.now([symbol()], 11_000, NEAR).rejected_share == 0.5


def test_orders_that_never_left_are_no_answers_of_the_venue() -> None:
    """A halt between a decision and its call must not pause the desk for five minutes when it is over."""
    figures = desk()
    answer(figures, OrderState.OPEN, 20)
    for reject in NOT_SENT:
        answer(figures, OrderState.REJECTED, 5, reject)
    assert figures.now([symbol()], 10_000, NEAR).rejected_share == 0.0
    assert figures.shown(10_000)["answers"] == 20


def test_a_few_calls_say_nothing() -> None:
    figures = desk()
    answer(figures, OrderState.UNKNOWN, 19)
    assert figures.now([symbol()], 10_000, NEAR).error_rate is None


def test_errors_hold_back_what_is_new_and_never_what_defends() -> None:
    figures, one = desk(), symbol()
    answer(figures, OrderState.UNKNOWN, 20)
    figures.now([one], 10_000, NEAR)
    assert figures.paced(one, intents(3), 10_001) == ()
    assert (one.waits, one.tally.throttled) == (True, 3)
    assert len(figures.paced(one, intents(3, defensive=True), 10_002)) == 3
    assert not one.waits
    assert figures.shown(10_002)["back_offs"] == 1


def test_symbols_that_wait_are_served_in_their_order() -> None:
    """Quoting 10: all symbols are served; the reference served ten of twenty-five and starved the others."""
    figures, busy = desk(), symbol(name="BUSY")
    slow = [symbol(name=f"SLOW{number}") for number in range(3)]
    assert len(figures.paced(busy, intents(50), 0)) == 50
    for one in slow:
        assert figures.paced(one, intents(1), 100) == ()
    assert [len(figures.paced(busy, intents(60), 10_001)), len(figures.paced(slow[1], intents(1), 10_001))] == [47, 1]
    assert figures.paced(busy, intents(9), 10_002) == ()
    assert [len(figures.paced(one, intents(1), 10_003)) for one in (slow[2], slow[0])] == [1, 1]
    assert [one.waits for one in (*slow, busy)] == [False, False, False, True]
    assert len(figures.paced(busy, intents(9), 20_004)) == 9
    assert not busy.waits


def test_late_messages_slow_the_desk_down() -> None:
    figures, one = desk(), symbol()
    figures.now([one], 10_000, Feed(0, 499))
    assert len(figures.paced(one, intents(1), 10_001)) == 1
    figures.now([one], 10_002, Feed(0, 500))
    assert figures.paced(one, intents(1), 10_003) == ()


def test_the_trend_of_profit_is_a_share_of_the_largest_exposure() -> None:
    """-0.1 % a minute of 2 x 5,000 is 10 a minute."""
    figures = desk()
    for second in range(0, 100, 10):
        found = figures.now([symbol(-second / 6.0 * 1.01), symbol()], second * 1_000 + 1_000, NEAR)
        expected = None if second < 60 else pytest.approx(-0.101)
        assert found.pnl_slope_per_min == expected
    assert found.market_bits == MarketBit.PNL


def test_half_of_the_symbols_must_be_slow_before_all_are_held() -> None:
    figures = desk()
    slow = [symbol(latency=900.0), symbol(latency=20.0), symbol(latency=None)]
    assert figures.now(slow, 10_000, NEAR).latency_p95_ms == 20.0
    assert desk().now([symbol(latency=None)], 10_000, NEAR).latency_p95_ms is None


def test_a_silent_feed_and_a_lost_day_are_told() -> None:
    found = desk().now([symbol(-30.0), symbol(-12.0)], 10_000, Feed(2_500, 0))
    assert (found.feed_gap_ms, found.day_loss) == (2_500, 42.0)
    strict = replace(LIVE, market_guard=replace(LIVE.market_guard, daily_loss=42.0))
    assert desk(strict).now([symbol(-30.0), symbol(-12.0)], 10_000, NEAR).market_bits == MarketBit.PNL


def test_fills_that_took_are_counted_once() -> None:
    figures = desk()
    answer(figures, OrderState.FILLED, 3, d_lots=10, d_cost=1_000_000, d_fee=1_000)
    answer(figures, OrderState.FILLED, 1, d_lots=10, d_cost=1_000_000, d_fee=2_000)
    shown = figures.shown(0)
    assert (shown["fills_window"], shown["taker_fills_window"], shown["taker_share_pct"]) == (4, 1, 25.0)


def test_figures_go_on_after_a_restart() -> None:
    figures, again, one = desk(), desk(), symbol()
    answer(figures, OrderState.UNKNOWN, 30)
    figures.now([one], 10_000, NEAR)
    figures.paced(one, intents(2), 10_001)
    again.restore(json.decode(json.encode(figures.snapshot())))
    for now_ms in (10_002, 20_500):
        assert again.now([one], now_ms, NEAR) == figures.now([one], now_ms, NEAR)
        assert again.paced(one, intents(60), now_ms) == figures.paced(one, intents(60), now_ms)
    assert again.shown(20_500) == figures.shown(20_500)


def test_figures_of_a_longer_window_are_cut_to_a_shorter_one() -> None:
    """A start with other settings restores what the ones before kept."""
    long, short = ProfitWindow(60, 60), ProfitWindow(20, 60)
    waits, fewer = LatencyWindow(100, 0), LatencyWindow(10, 0)
    for number in range(60):
        long.observe(number * 1_000, number)
        waits.observe(number * 1_000, float(number))
    short.restore(long.snapshot())
    fewer.restore(waits.snapshot())
    assert short.mean() == sum(range(40, 60)) / 20
    assert fewer.p95_ms(60_000) == (59.0, 10)
