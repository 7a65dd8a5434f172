"""Places of resting orders, followed through trades, cancels, arrivals and gaps in what is visible (quoting 4.5)."""

import pytest

from millrace.core.commands import Side
from millrace.core.events import Print
from millrace.market.queue_models import LogQueue, PowerQueue, RiskAverse
from millrace.strategies.quoting.features.queue_tracker import QueueTracker, Resting, model_of
from millrace.strategies.quoting.settings import QueueSettings
from quoting_tick import TERMS, book

ASKS = ((100_010, 5_000),)
BID = Resting("a", Side.BUY, 100_000, 500)


def trade(ticks: int, lots: int, *, sells: bool = True) -> Print:
    from millrace.core.instrument import InstrumentId

    return Print(InstrumentId("bybit", TERMS.symbol), 1, ticks, lots, taker_sells=sells)


def tracker(model=None, *, own_in_book: bool = True, level: int = 1_500) -> QueueTracker:
    """Return a tracker with one order of 500 lots that arrived behind 1,000."""
    made = QueueTracker(model or RiskAverse(), own_in_book=own_in_book)
    made.follow([BID], book(((100_000, level), (99_999, 10)), ASKS))
    return made


def test_an_order_starts_behind_what_stands_there_without_itself() -> None:
    assert tracker().ahead("a") == 1_000
    assert tracker(own_in_book=False, level=1_000).ahead("a") == 1_000
    assert tracker().ahead("b") is None


def test_trades_at_the_price_advance_it_and_are_not_counted_again_from_the_book() -> None:
    made = tracker()
    made.on_trade(trade(100_000, 400))
    made.on_trade(trade(100_000, 300, sells=False))
    made.on_trade(trade(100_001, 300))
    assert made.ahead("a") == 600
    made.follow([BID], book(((100_000, 1_100), (99_999, 10)), ASKS))
    assert made.ahead("a") == 600


def test_a_trade_through_the_price_leaves_nothing_ahead() -> None:
    made = tracker()
    made.on_trade(trade(99_999, 1))
    assert made.ahead("a") == 0


@pytest.mark.parametrize(("model", "ahead"), [(RiskAverse(), 1_000), (PowerQueue(1.0), 900), (LogQueue(1), None)])
def test_cancels_are_shared_out_by_the_model(model, ahead) -> None:
    """1,000 ahead and 1,000 behind: half of 200 cancelled lots left from before us, with odds by size."""
    made = tracker(model)
    behind = book(((100_000, 2_500), (99_999, 10)), ASKS)
    made.follow([BID], behind)
    assert made.ahead("a") == 1_000
    made.follow([BID], book(((100_000, 2_300), (99_999, 10)), ASKS))
    assert made.ahead("a") == (ahead if ahead is not None else 900)


def test_never_more_ahead_than_stands_there() -> None:
    made = tracker()
    made.follow([BID], book(((100_000, 700), (99_999, 10)), ASKS))
    assert made.ahead("a") == 200
    made.follow([BID], book(((99_999, 10),), ASKS))
    assert made.ahead("a") == 0


def test_a_price_out_of_sight_keeps_its_estimate_and_a_moved_order_begins_anew() -> None:
    made = tracker()
    made.follow([BID], book(((100_005, 10), (100_004, 10)), ASKS))
    assert made.ahead("a") == 1_000
    made.follow([BID._replace(ticks=100_004)], book(((100_005, 10), (100_004, 600)), ASKS))
    assert made.ahead("a") == 100
    made.follow([BID._replace(ticks=100_001)], book(((100_005, 10), (100_004, 600)), ASKS))
    assert made.ahead("a") is None


def test_orders_that_are_gone_are_forgotten_and_the_rest_survives_a_restart() -> None:
    made = tracker()
    again = QueueTracker(RiskAverse(), own_in_book=True)
    again.restore(made.snapshot())
    assert again.snapshot() == made.snapshot()
    assert again.ahead("a") == 1_000
    made.follow([], book(((100_000, 700), (99_999, 10)), ASKS))
    assert made.snapshot() == []


def test_the_model_is_the_one_of_the_settings() -> None:
    assert model_of(TERMS, QueueSettings()) == LogQueue(1)
    assert model_of(TERMS, QueueSettings(model="power")) == PowerQueue()
    assert model_of(TERMS, QueueSettings(model="risk_averse")) == RiskAverse()
