"""A symbol without quotes says why, is looked at again though nothing happens, and never waits for what cannot come."""

import pytest
from msgspec.structs import replace

from millrace.core.commands import OrderState, OrderUpdate, Place, Side, Style
from millrace.core.events import RejectReason
from millrace.core.probe import NO_TICK_PROBE
from millrace.strategies.quoting.guards.state import GuardState
from millrace.strategies.quoting.model import EVEN_ALLOCATION, NO_PORTFOLIO, GuardLevel, PortfolioSnapshot
from millrace.strategies.quoting.quoted import POOR_NS, QuotedSymbol
from millrace.strategies.quoting.quotes.state import EmitState
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tick_result import SymbolState
from millrace.world.quoting.desk import quote_markets
from quote_runs import quote_run, quoting_settings
from quoting_books import book
from quoting_tick import LIVE, features, ticked

NOW_NS = 1_700_000_000_000_000_000
MS = 1_000_000


def quoted(settings: QuotingSettings | None = None) -> QuotedSymbol:
    """Return a symbol whose book has been told once."""
    markets = quote_markets(quoting_settings(quoting__symbols=1))
    assert markets is not None
    symbol = QuotedSymbol("quoting", markets.instruments[0], settings or QuotingSettings.live())
    symbol.reducer.on_book(book(640_000, 900_000, 640_001, 900_000), NOW_NS)
    return symbol


def tick(symbol: QuotedSymbol, now_ns: int = NOW_NS, portfolio: PortfolioSnapshot = NO_PORTFOLIO) -> None:
    result = symbol.tick(now_ns, 0, portfolio, EVEN_ALLOCATION, NO_TICK_PROBE, NO_TICK_PROBE).result
    symbol.commands(symbol.affordable(result.intents, now_ns), now_ns, 0)


@pytest.mark.parametrize(
    "state",
    [
        SymbolState(emit=EmitState(cooldown_until_ms=NOW_NS // MS + 400)),
        SymbolState(guards=GuardState(bid_paused_until_ms=NOW_NS // MS + 300, ask_paused_until_ms=NOW_NS // MS + 300)),
    ],
    ids=["cooling", "paused"],
)
def test_what_ends_without_news_is_looked_at_again(state: SymbolState) -> None:
    """4.3: 500 ms after a spike, 300 ms after a flow's beginning; in a quiet market no book may come for minutes."""
    symbol = quoted()
    symbol.paths.state = state
    tick(symbol)
    assert not symbol.working.orders
    assert symbol.restless
    symbol.reducer.on_alive(NOW_NS + 600 * MS)
    tick(symbol, NOW_NS + 600 * MS)
    assert {one.side for one in symbol.working.orders.values()} == set(Side)


@pytest.mark.parametrize(
    ("told", "portfolio", "word"),
    [
        ({"base_size_usd": 1.0}, NO_PORTFOLIO, "too_small"),
        ({}, PortfolioSnapshot(reduce_only=True), "closing_only"),
        ({}, PortfolioSnapshot(refused="operator_halt"), "refused"),
        ({}, NO_PORTFOLIO, ""),
    ],
)
def test_a_symbol_without_quotes_says_why(told: dict[str, float], portfolio: PortfolioSnapshot, word: str) -> None:
    live = QuotingSettings.live()
    symbol = quoted(replace(live, emit=replace(live.emit, **told)))
    tick(symbol, portfolio=portfolio)
    assert symbol.why == word
    assert bool(symbol.working.orders) is (not word)


def test_a_symbol_that_waits_for_its_pace_says_so() -> None:
    run = quote_run(quoting__feed_delay_ms=600)
    run.run(5)
    assert {row["why"] for row in run.desk.status(run.program.engine)["symbols"]} == {"pace"}


def test_while_the_latency_is_unknown_the_smallest_order_is_its_probe() -> None:
    """4.3 addition 2: SOFT halves 1.5 dollars to less than the venue's least, 1 dollar, and nobody could ever measure."""
    config = replace(LIVE, emit=replace(LIVE.emit, base_size_usd=1.5))
    for latency_ms, least in ((None, (11, 10)), (310.0, (0, 0))):
        (quote,) = ticked(features(latency_p95_ms=latency_ms), config=config).context.quotes
        assert (quote.bid_lots, quote.ask_lots) == least
    too_small = replace(LIVE, emit=replace(LIVE.emit, base_size_usd=0.9))
    (quote,) = ticked(features(latency_p95_ms=None), config=too_small).context.quotes
    assert (quote.bid_lots, quote.ask_lots) == (0, 0), "never larger than what the desk may quote"
    careful = ticked(features(latency_p95_ms=None, portfolio=PortfolioSnapshot(size_scale=0.6)), config=config)
    assert careful.context.guards is not None
    assert careful.context.guards.level is GuardLevel.SOFT
    assert not any(one.bid_lots for one in careful.context.quotes), "nor than what the board's multiplier leaves"


def test_a_desk_of_small_quotes_measures_its_latency() -> None:
    run = quote_run(quoting__symbols=2, quoting_emit__base_size_usd=8.0)
    run.run(30)
    for symbol in run.desk.symbols.values():
        assert symbol.latency_p95_ms is not None, symbol.symbol


def news(
    symbol: QuotedSymbol, side: Side, state: OrderState, lots: int = 0, why: RejectReason | None = None
) -> OrderUpdate:
    terms = (side, 10, 640_000, Style.POST_ONLY, symbol.position, False, "key", "quote")
    place = Place(symbol.instrument.id, *terms)
    return OrderUpdate("id", place, state, OrderState.SENT, lots, 0, 0, lots, 0, 0, why, "", NOW_NS)


def test_a_side_without_money_is_left_alone_until_something_brings_some() -> None:
    symbol, no_money = quoted(), RejectReason.INSUFFICIENT_FUNDS
    refused = news(symbol, Side.SELL, OrderState.REJECTED, why=no_money)
    assert symbol.runs_out(refused, NOW_NS)
    assert not symbol.runs_out(refused, NOW_NS), "a person hears of it once"
    tick(symbol)
    assert [one.side for one in symbol.working.orders.values()] == [Side.BUY]
    assert symbol.restless
    bought = news(symbol, Side.BUY, OrderState.OPEN, lots=5)
    assert not symbol.runs_out(bought, NOW_NS + 1)
    intents = symbol.last.intents if symbol.last else ()
    assert symbol.affordable(intents, NOW_NS + 1) == intents
    symbol.runs_out(refused, NOW_NS + 2)
    assert len(symbol.affordable(intents, NOW_NS + 1 + POOR_NS)) < len(intents)
    assert symbol.affordable(intents, NOW_NS + 2 + POOR_NS) == intents
    assert symbol.runs_out(refused, NOW_NS + 3_700_000_000_000 + POOR_NS)


@pytest.mark.parametrize("none", ["coins_usd", "cash_usd"])
def test_an_account_with_one_side_only_is_quoted_from_what_that_side_brings(none: str) -> None:
    run = quote_run(**{f"quoting__{none}": 0.0})
    run.run(30)
    figures = run.desk.figures.shown(run.simulation.now_ns // MS)
    assert not figures["market"], "no money is no reason to pause every symbol"
    rows = run.desk.symbols.values()
    assert sum(one.tally.rejects for one in rows) < sum(one.tally.fills for one in rows)
    begun = QuotedSymbol("quoting", next(iter(rows)).instrument, run.settings.quoting)
    begun.restore(next(iter(rows)).snapshot())
    assert begun.poor_until_ns == next(iter(rows)).poor_until_ns
