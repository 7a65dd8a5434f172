"""Each stage with each input on its boundary and one step to each side: an ulp of a float, a millisecond, a lot (11.5)."""

from math import inf, nextafter

import msgspec
import pytest

from millrace.core.commands import Side
from millrace.strategies.quoting.model import FaultCode, GuardLevel, NudgeReason, SkewReason, StageFault
from millrace.strategies.quoting.settings import MarketDataSettings, QueueSettings, SkewSettings
from millrace.strategies.quoting.stages.fetch_md import fetch_md
from millrace.strategies.quoting.stages.inventory import skew_bps
from millrace.strategies.quoting.stages.queue_aware import QueueState, queue_stage
from millrace.strategies.quoting.stages.spread import SpreadState
from millrace.strategies.quoting.tick_result import SymbolState
from quoting_tick import COMPAT, LIVE, NOW_MS, book, features, ticked


def around(value: float) -> tuple[float, float, float]:
    """Return the float below, the value, the float above."""
    return nextafter(value, -inf), value, nextafter(value, inf)


@pytest.mark.parametrize(
    ("age_ms", "fresh", "stale", "may_place", "fault"),
    [
        (0, True, False, True, False), (60, True, False, True, False), (61, False, True, True, False),
        (100, False, True, True, False), (101, False, False, False, False), (300, False, False, False, False),
        (301, False, False, False, True), (-1, True, False, True, False), (-300, True, False, True, False),
        (-301, False, False, False, True),
    ],
)  # fmt: skip
def test_ages_of_a_book(age_ms, fresh, stale, may_place, fault) -> None:
    found = fetch_md(features(book(age_ms=age_ms)), MarketDataSettings())
    if fault:
        assert isinstance(found, StageFault)
        assert found.code is FaultCode.MD_STALE
    else:
        assert (found.fresh_for_pricing, found.used_stale, found.may_place) == (fresh, stale, may_place)
        assert found.fresh_for_guards is fresh


@pytest.mark.parametrize("change", [{"skip_pricing_on_stale": True}, {"stale_ok": False}, {"enabled": False}])
def test_what_is_not_fresh_may_be_refused_for_pricing(change) -> None:
    cfg = MarketDataSettings(**change)
    assert fetch_md(features(book(age_ms=60)), cfg).may_place
    refused = fetch_md(features(book(age_ms=61)), cfg)
    assert (refused.may_place, refused.used_stale) == (False, False)


@pytest.mark.parametrize(
    ("field", "at", "score"),
    [
        ("vol_abs_ema_bps", 0.5, "vol_score"), ("vol_abs_ema_bps", 5.0, "vol_score"),
        ("latency_p95_ms", 150.0, "latency_score"), ("latency_p95_ms", 400.0, "latency_score"),
        ("pnl_mean", 0.0, "pnl_score"), ("pnl_mean", -10.0, "pnl_score"),
        ("depth_bid", 2.0 - 1.0, "liquidity_score"), ("depth_bid", 20.0 - 1.0, "liquidity_score"),
    ],
)  # fmt: skip
def test_scores_neither_jump_nor_leave_their_range(field, at, score) -> None:
    found = []
    for value in around(at):
        context = ticked(features(depth_ask=1.0, **{field: value}), config=COMPAT).context
        found.append(getattr(context.spread, score))
    assert all(0.0 <= one <= 1.0 for one in found)
    assert max(found) - min(found) < 1e-12


def test_five_latencies_are_enough_and_four_are_not() -> None:
    for count, score in ((4, 0.0), (5, 1.0)):
        assert (
            ticked(features(latency_n=count, latency_p95_ms=400.0), config=COMPAT).context.spread.latency_score == score
        )


@pytest.mark.parametrize(("waited_ms", "changes"), [(199, False), (200, True), (201, True)])
def test_the_cool_off_ends_on_its_millisecond(waited_ms, changes) -> None:
    state = SymbolState(spread=SpreadState(2.0, NOW_MS - waited_ms))
    found = ticked(features(), state, COMPAT).context.spread.spread_bps
    assert (found < 2.0) is changes


@pytest.mark.parametrize("change_bps", around(0.001))
def test_a_change_counts_from_a_thousandth_of_a_bps(change_bps) -> None:
    """|spread - last| > 0.001 renews the time of the last change."""
    last = ticked(features(), config=COMPAT).context.spread.spread_bps + change_bps
    state = SymbolState(spread=SpreadState(last, NOW_MS - 500))
    result = ticked(features(), state, COMPAT)
    moved = abs(result.context.spread.spread_bps - last)
    assert (result.state.spread.changed_ms == NOW_MS) is (moved > 0.001)


@pytest.mark.parametrize(
    ("field", "at", "level"),
    [
        ("vol_stdev_bps", 15.0, (GuardLevel.NONE, GuardLevel.SOFT, GuardLevel.SOFT)),
        ("vol_stdev_bps", 25.0, (GuardLevel.SOFT, GuardLevel.HARD, GuardLevel.HARD)),
        ("latency_p95_ms", 300.0, (GuardLevel.NONE, GuardLevel.NONE, GuardLevel.SOFT)),
        ("latency_p95_ms", 450.0, (GuardLevel.SOFT, GuardLevel.SOFT, GuardLevel.HARD)),
        ("pnl_mean", -12.0, (GuardLevel.SOFT, GuardLevel.NONE, GuardLevel.NONE)),
        ("pnl_mean", -20.0, (GuardLevel.HARD, GuardLevel.SOFT, GuardLevel.SOFT)),
        ("inventory_pct", 6.0, (GuardLevel.NONE, GuardLevel.NONE, GuardLevel.SOFT)),
        ("inventory_pct", -10.0, (GuardLevel.HARD, GuardLevel.SOFT, GuardLevel.SOFT)),
    ],
)
def test_guards_compare_as_the_reference_does(field, at, level) -> None:
    """Quoting 4.3: volatility from its threshold on, latency and inventory above it, profit below it."""
    for value, wanted in zip(around(at), level, strict=True):
        assert ticked(features(**{field: value}), config=COMPAT).context.guards.level is wanted, value


@pytest.mark.parametrize(
    ("count", "level"), [(11, GuardLevel.NONE), (12, GuardLevel.SOFT), (19, GuardLevel.SOFT), (20, GuardLevel.HARD)]
)
def test_taker_fills_count_from_their_threshold_on(count, level) -> None:
    assert ticked(features(taker_fills=count), config=COMPAT).context.guards.level is level


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_the_dead_band_of_inventory_and_its_saturation(side) -> None:
    jump, shifted = SkewSettings(mode="jump", slope_bps_per_1pct=0.1), SkewSettings()
    below, at, above = (side * value for value in around(5.0))
    assert skew_bps(below, jump) == (0.0, SkewReason.DEADBAND)
    assert skew_bps(at, jump) == (side * 0.5, SkewReason.SKEW)
    assert skew_bps(at, shifted)[0] == 0.0
    assert 0.0 <= side * skew_bps(above, shifted)[0] < 1e-12
    for value in around(8.0):
        assert side * skew_bps(side * value, shifted)[0] == pytest.approx(0.6)
    assert skew_bps(side * 8.1, shifted) == (side * 0.6, SkewReason.CAPPED)


def nudge(bid: int, *, state=None, now_ms=NOW_MS, cooldown_until_ms=0, **changes):
    cfg = QueueSettings(**changes)
    given = features(now_ms=now_ms)
    return queue_stage(given, given.book, bid, 100_002, state or QueueState(), cfg, cooldown_until_ms)[0]


def test_a_place_is_good_enough_up_to_its_threshold() -> None:
    """At 99,999 there are 130,000 of 220,000 lots ahead: 59.1 %."""
    assert nudge(99_999).bid_percentile == 59.1
    below, at, above = around(59.1)
    assert nudge(99_999, join_threshold_pct=at).bid_nudge_ticks == 0
    assert nudge(99_999, join_threshold_pct=above).bid_nudge_ticks == 0
    assert nudge(99_999, join_threshold_pct=below).bid_nudge_ticks == 1


def test_headroom_and_cool_down_end_on_their_millisecond() -> None:
    for waited_ms, reason in ((149, NudgeReason.HEADROOM), (150, NudgeReason.NUDGED)):
        assert nudge(99_999, state=QueueState(NOW_MS - waited_ms, None)).reason is reason
    for until_ms, reason in ((NOW_MS + 1, NudgeReason.COOLDOWN), (NOW_MS, NudgeReason.NUDGED)):
        assert nudge(99_999, cooldown_until_ms=until_ms).reason is reason


def test_headroom_is_each_sides_own() -> None:
    """Quoting 15 row 11: in the reference one side's nudge held the other back."""
    given = features()
    state = QueueState(bid_nudged_ms=NOW_MS, ask_nudged_ms=None)
    found, after = queue_stage(given, given.book, 99_999, 100_003, state, QueueSettings())
    assert (found.bid_nudge_ticks, found.ask_nudge_ticks) == (0, -1)
    assert after == QueueState(NOW_MS, NOW_MS)


def test_a_nudge_that_goes_nowhere_waits_for_nothing() -> None:
    """Fair value behind the price, or no whole tick to go: none, and the headroom is not used up."""
    given = features(microprice=0.0999)
    found, after = queue_stage(given, given.book, 99_999, 100_002, QueueState(), QueueSettings())
    assert (found.bid_nudge_ticks, found.reason, after.bid_nudged_ms) == (0, NudgeReason.NONE, None)


def test_own_lots_do_not_stand_before_us() -> None:
    from quoting_tick import order

    mine = order(Side.BUY, 99_999, 80_000, queue_ahead=20_000)
    given = features(live=(mine,))
    counted = queue_stage(given, given.book, 99_999, 100_002, QueueState(), QueueSettings())[0]
    assert counted.bid_ahead == 50_000
    alone = queue_stage(given, given.book, 99_999, 100_002, QueueState(), QueueSettings(own_in_book=False))[0]
    assert alone.bid_ahead == 70_000


@pytest.mark.parametrize(("ahead", "moves"), [(200_000, True), (0, False)])
def test_a_place_near_the_front_is_kept_and_one_at_the_back_given_up(ahead, moves) -> None:
    """Keep or move by value (4.5): at the front a fill is certain, so a better price can only earn less."""
    from quoting_tick import order

    queue = msgspec.structs.replace(
        LIVE.queue_aware, moves_per_sec=0.05, adverse_share=0.5, adverse_loss_bps=1.0, own_in_book=False
    )
    config = msgspec.structs.replace(LIVE, queue_aware=queue)
    deep = book(bids=((100_000, 100), (99_996, 200_000)), asks=((100_004, 50_000), (100_005, 80_000)))
    given = features(deep, live=(order(Side.BUY, 99_996, queue_ahead=ahead),), taker_sell_lots_per_sec=1_000.0)
    found, _ = queue_stage(given, given.book, 99_997, 100_004, QueueState(), config.queue_aware)
    assert found.bid_may_advance is moves
