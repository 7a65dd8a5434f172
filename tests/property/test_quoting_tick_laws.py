"""What holds for every tick, whatever the market, the orders and the position: prices, sizes, sides, monotony (11.6)."""

from math import isfinite

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.commands import Side
from millrace.strategies.quoting.canonical import canonical_json
from millrace.strategies.quoting.model import BPS, Features, GuardLevel, IntentKind, TickOutcome
from millrace.strategies.quoting.settings import QuotingSettings, SkewSettings
from millrace.strategies.quoting.stages.inventory import skewed
from millrace.strategies.quoting.stages.queue_aware import place_at, step_towards_best
from millrace.strategies.quoting.tick_result import SymbolState
from quoting_tick import COMPAT, LIVE, NOW_MS, TERMS, book, features, order, ticked

CONFIGS = st.sampled_from([LIVE, COMPAT])
COARSE = msgspec.structs.replace(TERMS, tick=5, lot=10, maker_fee_bps=2.0)
REBATE = msgspec.structs.replace(TERMS, maker_fee_bps=-1.0)


@st.composite
def markets(draw: st.DrawFn) -> Features:
    """Any sound market, with any figures that reducers may give, orders of ours and a position."""
    terms = draw(st.sampled_from([TERMS, COARSE, REBATE]))
    tick = terms.tick
    best_bid = draw(st.integers(500, 2_000_000)) * tick
    best_ask = best_bid + draw(st.integers(1, 40)) * tick
    steps = st.lists(st.integers(1, 20), min_size=1, max_size=6)
    bids, asks = [best_bid], [best_ask]
    for step in draw(steps):
        if bids[-1] > step * tick:
            bids.append(bids[-1] - step * tick)
    for step in draw(steps):
        asks.append(asks[-1] + step * tick)
    sizes = st.integers(1, 10_000_000)
    market = book(
        tuple((at, draw(sizes)) for at in bids), tuple((at, draw(sizes)) for at in asks),
        age_ms=draw(st.sampled_from([0, 60, 61, 100, 101, 300])), terms=terms,
    )  # fmt: skip
    unit = st.floats(0.0, 1.0)
    largest = draw(st.integers(0, 1_000_000))
    position = draw(st.integers(-2 * largest, 2 * largest))
    live = tuple(
        order(
            side,
            (best_bid - draw(st.integers(-5, 80)) * tick)
            if side is Side.BUY
            else best_ask + draw(st.integers(-5, 80)) * tick,
            draw(st.integers(1, 200)) * 10,
            pending=draw(st.booleans()),
            queue_ahead=draw(st.none() | st.integers(0, 1_000_000)),
            placed_ms=NOW_MS - draw(st.integers(0, 100_000)),
            reference_ticks2=best_bid + best_ask + draw(st.integers(-200, 200)),
        )
        for side in draw(st.sampled_from([(), (Side.BUY,), (Side.SELL,), (Side.BUY, Side.SELL)]))
    )
    return features(
        market,
        microprice=(best_bid + draw(unit) * (best_ask - best_bid)) * terms.price_unit,
        depth_bid=draw(st.floats(0.0, 1e9)),
        depth_ask=draw(st.floats(0.0, 1e9)),
        ofi_10s_z=draw(st.none() | st.floats(-10.0, 10.0)),
        vol_bps_sqrt_sec=draw(st.none() | st.floats(0.0, 40.0)),
        vol_abs_ema_bps=draw(st.floats(0.0, 40.0)),
        vol_stdev_bps=draw(st.floats(0.0, 40.0)),
        latency_p95_ms=draw(st.none() | st.floats(0.0, 600.0)),
        latency_n=draw(st.integers(0, 100)),
        pnl_mean=draw(st.none() | st.floats(-40.0, 40.0)),
        pnl_z=draw(st.none() | st.floats(-4.0, 4.0)),
        position=position,
        max_position=largest,
        inventory_pct=max(-100.0, min(100.0, 100.0 * position / largest)) if largest else 0.0,
        taker_fills=draw(st.integers(0, 25)),
        live=live,
    )


@given(markets(), CONFIGS)
@settings(max_examples=300, deadline=None)
def test_quotes_are_on_tick_post_only_apart_and_never_negative(market, config) -> None:
    result = ticked(market, config=config)
    assert result.outcome in {TickOutcome.QUOTED, TickOutcome.HALTED}
    data, tick = market.book, market.terms.tick
    for quote in result.context.quotes:
        assert quote.bid_ticks < quote.ask_ticks
        assert quote.bid_ticks % tick == quote.ask_ticks % tick == 0
        assert quote.bid_ticks < data.best_ask
        assert quote.ask_ticks > data.best_bid
        assert quote.bid_lots >= 0 <= quote.ask_lots
        assert quote.bid_lots % market.terms.lot == quote.ask_lots % market.terms.lot == 0
        width = (quote.ask_ticks - quote.bid_ticks) / ((data.best_bid + data.best_ask) / 2) * BPS
        assert width >= result.context.spread.floor_bps - 1e-6
    for one in result.intents:
        if one.kind is not IntentKind.CANCEL:
            assert one.lots > 0
            assert one.ticks % tick == 0
            assert one.ticks < data.best_ask if one.side is Side.BUY else one.ticks > data.best_bid
    assert b"NaN" not in canonical_json(result)
    assert b"null" not in canonical_json(result).split(b'"intents"')[1].split(b'"kept"')[0]


@given(markets(), CONFIGS)
@settings(max_examples=200, deadline=None)
def test_hard_quotes_nothing_and_no_fill_can_grow_a_position_past_its_limit(market, config) -> None:
    result = ticked(market, config=config)
    guards = result.context.guards
    if guards.level is GuardLevel.HARD:
        assert all(one.kind is IntentKind.CANCEL for one in result.intents)
        cancelled = {(one.side, one.level) for one in result.intents}
        assert cancelled == {(one.side, one.level) for one in market.live if not one.cancelling}
    for one in result.intents:
        if one.kind is not IntentKind.PLACE:
            continue
        after = market.position + (one.lots if one.side is Side.BUY else -one.lots)
        assert abs(after) <= max(market.max_position, abs(market.position))
        if abs(market.inventory_pct) > config.risk_guards.inventory_hard_pct:
            assert abs(after) < abs(market.position), "a position past its hard limit may only shrink"


@given(markets(), st.sampled_from(["taker_fills", "latency_p95_ms"]))
@settings(max_examples=200, deadline=None)
def test_soft_never_narrows_and_never_enlarges(market, trigger) -> None:
    """Quoting 15 row 3: the reference multiplied the spread by the size factor, and quoted tighter in danger."""
    calm = msgspec.structs.replace(
        market, taker_fills=0, latency_p95_ms=100.0, vol_bps_sqrt_sec=1.0, pnl_z=0.0, ofi_10s_z=0.0, live=(),
        position=0, inventory_pct=0.0, microprice=market.book.mid_price,
    )  # fmt: skip
    soft = msgspec.structs.replace(calm, **{trigger: {"taker_fills": 12, "latency_p95_ms": 301.0}[trigger]})
    before, after = ticked(calm).context, ticked(soft).context
    assert (before.guards.level, after.guards.level) == (GuardLevel.NONE, GuardLevel.SOFT)
    for was, now in zip(before.quotes, after.quotes, strict=True):
        assert now.ask_ticks - now.bid_ticks >= was.ask_ticks - was.bid_ticks
        assert now.bid_lots <= was.bid_lots
        assert now.ask_lots <= was.ask_lots


@given(markets(), st.floats(0.0, 14.0), st.floats(0.0, 14.0), CONFIGS)
@settings(max_examples=200, deadline=None)
def test_more_volatility_never_quotes_narrower(market, one, other, config) -> None:
    low, high = sorted((one, other))
    width = [
        ticked(
            msgspec.structs.replace(market, vol_bps_sqrt_sec=vol, vol_abs_ema_bps=vol, vol_stdev_bps=vol), config=config
        ).context.spread.spread_bps
        for vol in (low, high)
    ]
    assert width[0] <= width[1]


@given(
    st.floats(-100.0, 100.0),
    st.floats(0.5, 50.0),
    st.sampled_from(["jump", "shifted"]),
    st.sampled_from(["lean", "center"]),
    st.floats(0.0, 10.0),
    st.floats(0.0, 1.0),
)
def test_the_sign_law_of_the_skew(pct, half_bps, mode, shape, most, slope) -> None:
    """Quoting 4.4: long moves no price up and one down, short mirrors it, twice as far off never moves less."""
    cfg = SkewSettings(mode=mode, shape=shape, max_skew_bps=most, slope_bps_per_1pct=slope)
    bid, ask = 1.0 - half_bps / BPS, 1.0 + half_bps / BPS
    skew, bid_shift, ask_shift, _ = skewed(bid, ask, pct, cfg)
    assert all(map(isfinite, (skew, bid_shift, ask_shift)))
    if skew > 0.0 and (bid_shift or ask_shift):
        assert bid_shift <= 0.0 >= ask_shift
    if skew < 0.0 and (bid_shift or ask_shift):
        assert bid_shift >= 0.0 <= ask_shift
    mirrored = skewed(bid, ask, -pct, cfg)
    assert (mirrored[0], abs(mirrored[1]), abs(mirrored[2])) == pytest.approx(
        (-skew, abs(ask_shift), abs(bid_shift))
    ) or (shape == "lean" and {abs(mirrored[1]), abs(mirrored[2])} == {abs(bid_shift), abs(ask_shift)})
    assert bid * (1 + bid_shift / BPS) < ask * (1 + ask_shift / BPS)
    doubled = skewed(bid, ask, 2.0 * pct, cfg)
    if doubled[1] or doubled[2]:
        assert abs(doubled[1]) >= abs(bid_shift)
        assert abs(doubled[2]) >= abs(ask_shift)
    assert abs(doubled[0]) >= abs(skew)


@given(
    st.integers(1, 10**7), st.integers(-200, 200), st.none() | st.integers(-200, 200), st.sampled_from([1, 5]),
    st.floats(0.1, 5.0), st.sampled_from(list(Side)),
)  # fmt: skip
def test_a_step_is_whole_ticks_towards_the_best_and_no_further_than_it_may(at, best, fair, tick, most, side) -> None:
    ticks = at * tick
    best_ticks = max(tick, ticks + best * tick)
    fair_ticks = None if fair is None else float(ticks + fair * tick)
    step = step_towards_best(ticks, best_ticks, fair_ticks, side, tick, most)
    assert step >= 0
    assert step % tick == 0
    if step:
        moved = ticks + step if side is Side.BUY else ticks - step
        assert step / ticks * BPS <= most * (1.0 + 1e-9)
        assert moved <= best_ticks if side is Side.BUY else moved >= best_ticks
        if fair_ticks is not None:
            assert moved <= fair_ticks if side is Side.BUY else moved >= fair_ticks


@given(
    st.lists(st.tuples(st.integers(1, 30), st.integers(1, 1_000)), min_size=1, max_size=8),
    st.integers(-5, 60),
    st.integers(1, 10),
)
def test_a_place_against_counting_every_lot(steps, offset, depth) -> None:
    """The oracle lays all lots of the visible levels out in a row and counts those before us."""
    from millrace.core.binary_events import BookLevel

    at, levels = 10_000, []
    for down, lots in steps:
        levels.append(BookLevel(at, lots))
        at -= down
    ticks = 10_000 - offset
    row = [level.ticks for level in levels[:depth] for _ in range(level.lots)]
    place = place_at(tuple(levels), Side.BUY, ticks, depth)
    assert place.ahead == sum(one >= ticks for one in row)
    assert place.percentile == round(100.0 * place.ahead / len(row), 1)
    assert place.is_best == (ticks >= levels[0].ticks)


@given(markets())
@settings(max_examples=50, deadline=None)
def test_switched_off_stages_say_nothing(market) -> None:
    """Quoting 1 rule 4: the base spread, no level at full size, no shift, no nudge."""
    off = QuotingSettings.compat()
    names = ("adaptive_spread", "risk_guards", "inventory_skew", "queue_aware")
    off = msgspec.structs.replace(
        off, **{name: msgspec.structs.replace(getattr(off, name), enabled=False) for name in names}
    )
    context = ticked(market, SymbolState(), off.for_symbol(TERMS.symbol)).context
    assert context.spread.spread_bps - (0.5 if context.freshness.used_stale else 0.0) == pytest.approx(1.0)
    assert (context.guards.level, context.guards.scale_factor) == (GuardLevel.NONE, 1.0)
    assert (context.inventory.bid_adjustment_bps, context.inventory.ask_adjustment_bps) == (0.0, 0.0)
    assert (context.queue.bid_nudge_ticks, context.queue.ask_nudge_ticks) == (0, 0)
