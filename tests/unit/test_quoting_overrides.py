"""What an operator says of one symbol holds for that symbol, wherever it is read; what cannot hold is refused (10)."""

import pytest
from msgspec.structs import replace

from millrace.core.binary_events import BookLevel
from millrace.core.failure import OperatorError
from millrace.market.books.order_book import OrderBook
from millrace.strategies.quoting.bounds import problems, strangers
from millrace.strategies.quoting.desk_figures import Feed
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.model import EVEN_ALLOCATION, NO_PORTFOLIO, Features, GuardLevel, PortfolioSnapshot
from millrace.strategies.quoting.rollout.legacy import legacy_settings, legacy_tick
from millrace.strategies.quoting.settings import Override, QuotingSettings, Scalar
from millrace.strategies.quoting.tick_result import SymbolState
from millrace.world.quoting.desk import build_quotes
from quote_runs import quoting_settings
from quoting_tick import NOW_MS, TERMS, features

LIVE, COMPAT = QuotingSettings.live(), QuotingSettings.compat()
NS = 1_000_000


def overridden(key: str, value: Scalar, settings: QuotingSettings = LIVE) -> QuotingSettings:
    return replace(settings, overrides=(Override(TERMS.symbol, key, value),))


def known(settings: QuotingSettings) -> Features:
    """Return what a symbol's reducer knows of a book of three levels: 100, 200 and 400 lots on each side."""
    reducer, depth = SymbolReducer(TERMS, settings), OrderBook()
    sizes = (100, 200, 400)
    bids = tuple(BookLevel(100_000 - number, lots) for number, lots in enumerate(sizes))
    asks = tuple(BookLevel(100_002 + number, 3 * lots) for number, lots in enumerate(sizes))
    depth.replace(bids, asks)
    reducer.on_book(depth, NOW_MS * NS)
    for age_ms in range(100):
        reducer.on_latency((NOW_MS - 70_000 + age_ms) * NS, 30.0)
    return reducer.features(NOW_MS, 1, (), 0, 1, NO_PORTFOLIO, EVEN_ALLOCATION)


def test_liquidity_is_read_from_the_levels_that_the_spread_was_told() -> None:
    """4.2: L is over `adaptive_spread.depth_levels`; section 3: the imbalance is over N of its own."""
    whole = known(LIVE)
    assert (whole.depth_bid, whole.depth_ask, whole.imbalance) == (700.0, 2_100.0, -0.5)
    spread = replace(LIVE.adaptive_spread, depth_levels=2)
    first = known(replace(LIVE, adaptive_spread=spread))
    assert (first.depth_bid, first.depth_ask, first.imbalance) == (300.0, 900.0, -0.5)
    assert known(overridden("adaptive_spread.depth_levels", 1)).depth_bid == 100.0


def test_what_the_reducers_are_told_of_one_symbol_holds() -> None:
    assert len(known(overridden("md_cache.max_depth", 2)).book.bids) == 2  # type: ignore[union-attr]
    assert known(LIVE).latency_p95_ms is None, "older than a minute"
    assert known(overridden("risk_guards.latency_expires", value=False)).latency_p95_ms == 30.0


@pytest.mark.parametrize("key", ["market_guard.daily_loss", "throttle.places_per_sec", "rollout.salt"])
def test_what_holds_for_all_symbols_is_refused_as_one_symbols_own(key: str) -> None:
    assert any("holds for all symbols" in line for line in problems(overridden(key, 1.0)))


def test_the_frozen_quoter_keeps_what_an_operator_told_the_guards() -> None:
    """Its switches are the compat profile's (10.1), its limits the desk's: a roll-back must not switch them off."""
    assert legacy_settings(LIVE).risk_guards == COMPAT.risk_guards
    assert legacy_settings(LIVE).fast_cancel == COMPAT.fast_cancel
    told = replace(LIVE, risk_guards=replace(LIVE.risk_guards, daily_loss=50.0, vol_soft_bps=4.0, vol_hard_bps=5.0))
    config = legacy_settings(told).for_symbol(TERMS.symbol)
    for bad in ({"day_pnl": -50.0}, {"vol_stdev_bps": 5.0}):
        result = legacy_tick(features(**bad), SymbolState(), config)
        assert result.context.guards is not None
        assert result.context.guards.level is GuardLevel.HARD, bad


def test_the_desks_largest_exposure_is_that_of_its_symbols() -> None:
    """The gross exposure and the trend of profit are shares of it (4.3 addition 5)."""
    settings = quoting_settings(
        quoting__symbols=2, quoting__overrides="BTC/USDT:emit.max_position_usd=1000 ETH/USDT:emit.max_position_usd=500"
    )
    desk, _ = build_quotes(settings)
    assert desk is not None
    symbols = list(desk.symbols.values())
    for symbol in symbols:
        symbol.exposure_usd = 750.0
    found: PortfolioSnapshot = desk.figures.now(symbols, NOW_MS, Feed(0, 0))
    assert found.gross_exposure_share == 1.0


NAMES = ["BTC/USDT", "ETH/USDT"]


@pytest.mark.parametrize("where", ["whitelist", "blacklist", "pinned_in", "pinned_out"])
def test_a_symbol_that_the_desk_does_not_quote_is_a_mistake(where: str) -> None:
    section = "dynamic_allocator" if where.endswith("list") else "rollout"
    told = replace(LIVE, **{section: replace(getattr(LIVE, section), **{where: "ETH/USDT BTC/USTD"})})
    (line,) = strangers(told, NAMES)
    assert line.startswith(f"{section}.{where} names BTC/USTD")
    assert "BTC/USDT" in line
    assert not strangers(LIVE, NAMES)


def test_a_program_does_not_begin_with_a_misspelt_symbol() -> None:
    with pytest.raises(OperatorError, match="blacklist names BTC/USTD"):
        build_quotes(quoting_settings(quoting_dynamic_allocator__blacklist="BTC/USTD"))
    with pytest.raises(OperatorError, match=r"override emit\.levels names XYZ"):
        build_quotes(quoting_settings(quoting__overrides="XYZ:emit.levels=2"))
