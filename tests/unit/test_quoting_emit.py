"""From decisions to orders: exact prices, sizes, and the fewest actions that lead from what rests to what is wanted."""

import json

import pytest
from msgspec.structs import replace

from millrace.core.commands import Side
from millrace.strategies.quoting.model import (
    Allocation,
    BlockedSides,
    GuardLevel,
    GuardReason,
    IntentKind,
    PortfolioSnapshot,
)
from millrace.strategies.quoting.quotes.fast_cancel import FastCancels, fast_cancels
from millrace.strategies.quoting.quotes.state import EmitState, SlotMemory
from millrace.strategies.quoting.settings import EmitSettings, FastCancelSettings
from millrace.strategies.quoting.stages.emit import emit_stage, pull_all
from millrace.strategies.quoting.stages.prices import raw_prices
from quote_inputs import FLAT, FRESH, IN_PLACE, OPEN, TERMS, aimed, book, done, features, resting, width

BUY, SELL = Side
CANCEL, AMEND, PLACE = IntentKind
NOTHING = FastCancels((), 0)
CFG = EmitSettings()
NOW = 1_000_000
FOUR_BPS = width(4.0)
SOFT = replace(OPEN, level=GuardLevel.SOFT, scale_factor=0.5, widen_bid_bps=0.15, widen_ask_bps=0.15)
OLD_SLOTS = EmitState((SlotMemory(1, 0),), (SlotMemory(1, 0),))


def emit(data=None, *, spread=FOUR_BPS, guards=OPEN, inventory=FLAT, queue=IN_PLACE, freshness=FRESH, **more):
    data = data or book()
    taken, state, cfg = more.pop("taken", NOTHING), more.pop("state", OLD_SLOTS), more.pop("cfg", CFG)
    aim = aimed(data, spread, guards, inventory)
    return emit_stage(features(data, **more), data, freshness, aim, spread, guards, inventory, queue, taken, state, cfg)


def said(result) -> list[tuple]:
    return [(i.kind, i.side, i.ticks, i.lots, str(i.reason), i.defensive) for i in result.intents]


def pair(bid=9_998, ask=10_002, bid_lots=1_000, ask_lots=1_000, **more):
    return resting(BUY, bid, bid_lots, **more), resting(SELL, ask, ask_lots, **more)


def test_golden_emit_raw_prices(shared) -> None:
    rows = json.loads((shared / "golden" / "quoting.json").read_bytes())["emit_raw_prices"]
    assert rows
    for row in rows:
        # The reference multiplies the spread by the guard's factor in its quirk rows (defect 3): undone here.
        spread = row["spread_bps"] * (row["guard_scale"] if row["quirk"] else 1.0)
        shifts = row["bid_adj_bps"] + row["bid_nudge_bps"], row["ask_adj_bps"] + row["ask_nudge_bps"]
        assert raw_prices(row["mid"], spread, *shifts) == pytest.approx((row["bid"], row["ask"]), rel=1e-9)


def test_an_empty_symbol_is_quoted_on_both_sides() -> None:
    result = emit()
    assert said(result) == [(PLACE, BUY, 9_998, 1_000, "new", False), (PLACE, SELL, 10_002, 1_000, "new", False)]
    assert [intent.generation for intent in result.intents] == [2, 2]
    assert result.state.bids == (SlotMemory(2, NOW),)


def test_prices_are_rounded_away_from_the_middle_and_never_take() -> None:
    quotes = emit(spread=width(4.5)).quotes
    assert (quotes[0].bid_ticks, quotes[0].ask_ticks) == (9_997, 10_003)
    near = emit(queue=replace(IN_PLACE, bid_nudge_ticks=50, ask_nudge_ticks=-1)).quotes[0]
    assert (near.bid_ticks, near.ask_ticks) == (10_000, 10_001)
    crossing = replace(IN_PLACE, bid_nudge_ticks=50, ask_nudge_ticks=-50)
    for position, sides in ((1, [SELL]), (-1, [BUY]), (0, [])):
        result = emit(queue=crossing, position=position)
        assert result.quotes[0].ask_ticks > result.quotes[0].bid_ticks
        assert [i.side for i in result.intents] == sides


def test_prices_that_lie_on_a_tick_stay_on_it() -> None:
    """A binary floor of an exact price loses a tick (defect 11); 1 bps of 10,000 is one tick exactly."""
    for middle in range(5_000, 200_000, 7_000):
        data = book(middle - 1, middle + 1)
        quote = emit(data, spread=width(2e4 * 3 / middle)).quotes[0]
        assert (quote.bid_ticks, quote.ask_ticks) == (middle - 3, middle + 3)


def test_the_fee_floor_has_the_last_word() -> None:
    """Quoting 4.6 step B and 4.2: fees of a round trip are wider than what the spread stage may ask for."""
    quote = emit(spread=width(2.5, floor_bps=20.2)).quotes[0]
    assert quote.ask_ticks - quote.bid_ticks == 21
    assert (quote.bid_ticks, quote.ask_ticks) == (9_989, 10_010)
    short = emit(spread=width(2.5, floor_bps=20.2), position=-1).quotes[0]
    assert (short.bid_ticks, short.ask_ticks) == (9_990, 10_011)
    rebate = emit(spread=width(0.0, floor_bps=-1.0)).quotes[0]
    assert rebate.ask_ticks - rebate.bid_ticks >= 1


def test_soft_adds_its_widening_to_both_distances_and_halves_the_sizes() -> None:
    quote = emit(guards=replace(SOFT, widen_bid_bps=1.0, widen_ask_bps=1.0)).quotes[0]
    assert (quote.bid_ticks, quote.ask_ticks, quote.bid_lots, quote.ask_lots) == (9_997, 10_003, 500, 500)


def test_sizes_are_allocation_times_guard_times_skew_down_to_the_lot() -> None:
    data = book(terms=replace(TERMS, lot=10))
    inventory = replace(FLAT, bid_scale=0.305)
    quote = emit(data, inventory=inventory, allocation=Allocation(size_multiplier=1.5), guards=SOFT).quotes[0]
    assert (quote.bid_lots, quote.ask_lots) == (220, 750)


def test_a_size_below_the_venues_minimum_is_no_quote() -> None:
    for terms in (replace(TERMS, min_lots=1_001), replace(TERMS, min_cost=100 * 10**8 + 1)):
        quote = emit(book(terms=terms)).quotes[0]
        assert quote.bid_lots == 0
    assert emit(book(terms=replace(TERMS, min_lots=1_000))).quotes[0].bid_lots == 1_000
    lowest = replace(TERMS, min_cost=9_998 * 1_000 * 1_000)
    assert emit(book(terms=lowest)).quotes[0].bid_lots == 1_000


def test_all_orders_of_a_side_together_never_pass_the_largest_position() -> None:
    cfg = replace(CFG, levels=3)
    quotes = emit(cfg=cfg, position=8_500, max_position=10_000).quotes
    assert [quote.bid_lots for quote in quotes] == [1_000, 500, 0]
    assert emit(position=10_001, max_position=10_000).quotes[0].bid_lots == 0
    pending = (resting(BUY, 9_998, 1_000, pending=True, cancelling=True, level=1),)
    result = emit(position=8_500, max_position=10_000, live=pending)
    assert [(i.side, i.lots) for i in result.intents] == [(BUY, 500), (SELL, 1_000)]


def test_a_larger_position_makes_resting_orders_smaller_at_once() -> None:
    result = emit(position=9_100, max_position=10_000, live=pair(pending=False))
    assert said(result) == [(AMEND, BUY, 9_998, 900, "smaller", True)]


def test_a_symbol_that_drains_or_may_only_close_quotes_one_side_up_to_its_position() -> None:
    for more in (
        {"allocation": Allocation(0.0, 0.0, 0.0, 0, active=False)},
        {"portfolio": PortfolioSnapshot(reduce_only=True)},
        {"guards": replace(OPEN, reduce_only_sides=BlockedSides.BOTH)},
    ):
        quote = emit(position=300, **more).quotes[0]
        assert (quote.bid_lots, quote.ask_lots) == (0, 300)
        assert emit(position=0, **more).intents == ()
        live = emit(position=0, live=pair(), **more)
        assert said(live) == [
            (CANCEL, BUY, 9_998, 1_000, "closing_only", True),
            (CANCEL, SELL, 10_002, 1_000, "closing_only", True),
        ]


def test_levels_stand_further_away_and_are_smaller() -> None:
    """Quoting 4.6 step C: 0.4 of the spread further and 20 % smaller each."""
    quotes = emit(spread=width(10.0), cfg=replace(CFG, levels=3)).quotes
    assert [(q.bid_ticks, q.ask_ticks, q.bid_lots) for q in quotes] == [
        (9_995, 10_005, 1_000),
        (9_991, 10_009, 800),
        (9_987, 10_013, 640),
    ]
    fewer = emit(cfg=replace(CFG, levels=4), allocation=Allocation(max_quotes=2)).quotes
    assert len(fewer) == 2
    assert len(emit(cfg=replace(CFG, levels=4), portfolio=PortfolioSnapshot(stress_level=2)).quotes) == 2
    assert len(emit(portfolio=PortfolioSnapshot(stress_level=3)).quotes) == 1


@pytest.mark.parametrize(("bid", "ask"), [(99_980, 100_020), (99_971, 100_011), (99_989, 100_029)])
def test_what_is_near_enough_stays(bid, ask) -> None:
    """A basis point is ten ticks here."""
    result = emit(book(99_999, 100_001), live=pair(bid, ask, 100, 100))
    assert (result.intents, result.kept, result.state is OLD_SLOTS) == ((), 2, True)


def test_what_lies_a_band_from_the_market_moves_at_once() -> None:
    """Quoting 4.6 step D: a retreat ignores the minimum time in the book."""
    result = emit(book(9_998, 10_000), live=pair(at_ms=NOW))
    assert said(result)[0] == (AMEND, BUY, 9_997, 1_000, "retreat", True)


def test_in_danger_one_tick_is_enough() -> None:
    data = book(99_998, 100_000)
    live = (resting(BUY, 99_979, 100), resting(SELL, 100_019, 100))
    assert emit(data, live=live).intents == ()
    result = emit(data, guards=replace(SOFT, scale_factor=1.0), live=live)
    assert [(i.kind, i.ticks, str(i.reason), i.defensive) for i in result.intents] == [
        (AMEND, 99_977, "retreat", True),
        (AMEND, 100_021, "retreat", True),
    ]


@pytest.mark.parametrize("key", ["inv", "market_inventory", "vol"])
@pytest.mark.parametrize("position", [500, -500, 0])
def test_too_much_inventory_endangers_only_the_side_that_grows_it(key, position) -> None:
    """4.6: a retreat of a tick needs a guard's reason; the side that closes keeps its place within the band."""
    data = book(99_998, 100_000)
    live = (resting(BUY, 99_979, 100), resting(SELL, 100_019, 100))
    reasons = (GuardReason("flow_ofi", 4.0, 3.0, GuardLevel.NONE), GuardReason(key, 7.0, 6.0))
    soft = replace(SOFT, scale_factor=1.0, reasons=reasons)
    both = [(AMEND, BUY), (AMEND, SELL)]
    grows = both if key == "vol" or not position else [both[0 if position > 0 else 1]]
    found = emit(data, guards=soft, live=live, position=position)
    assert [(i.kind, i.side) for i in found.intents] == grows
    assert found.kept == 2 - len(grows)
    pressed = replace(soft, widen_bid_bps=soft.widen_bid_bps + 0.1, widen_ask_bps=soft.widen_ask_bps)
    found = emit(data, guards=pressed, live=live, position=-500)
    assert [(i.kind, i.side) for i in found.intents] == both, "flow against the closing side is a reason too"


@pytest.mark.parametrize("side", [BUY, SELL])
def test_each_side_in_danger_moves_and_the_other_stays(side) -> None:
    data = book(99_998, 100_000)
    live = (resting(BUY, 99_979, 100), resting(SELL, 100_019, 100))
    wider = {"widen_bid_bps": 0.1} if side is BUY else {"widen_ask_bps": 0.1}
    (only,) = emit(data, guards=replace(OPEN, **wider), live=live).intents
    assert (only.kind, only.side, str(only.reason)) == (AMEND, side, "retreat")


def test_orders_that_grow_share_what_room_is_left() -> None:
    """4.4: also with an order whose cancel may come too late, all of a side together fill no more than there is room."""
    levels = replace(CFG, levels=2, base_size_usd=10.0)
    live = (
        resting(BUY, 9_998, 50),
        resting(BUY, 9_996, 50, level=1),
        resting(BUY, 9_990, 60, level=2, pending=True, cancelling=True),
    )
    room = 200
    found = emit(cfg=levels, live=live, max_position=room)
    grown = {i.level: i.lots for i in found.intents if i.side is BUY and i.kind is AMEND}
    rests = {order.level: grown.get(order.level, order.lots) for order in live}
    assert grown
    assert sum(rests.values()) == room


def test_a_long_way_is_cancelled_and_placed_after_the_acknowledgement() -> None:
    low, high = book(9_994, 9_996), book(10_004, 10_006)
    first = emit(low, live=(resting(BUY, 9_998),))
    assert said(first)[0] == (CANCEL, BUY, 9_998, 1_000, "retreat", True)
    later = emit(high, live=(resting(BUY, 9_998),))
    assert said(later)[0] == (CANCEL, BUY, 9_998, 1_000, "advance", False)
    waiting = (resting(BUY, 9_998, pending=True, cancelling=True),)
    assert [i.side for i in emit(high, live=waiting, state=later.state).intents] == []
    assert said(emit(high, state=EmitState(later.state.bids, OLD_SLOTS.asks))) == [
        (PLACE, BUY, 10_002, 999, "replaced", False),
        (PLACE, SELL, 10_008, 999, "new", False),
    ]


def test_towards_the_market_only_after_its_time_its_floor_and_with_the_queues_leave() -> None:
    data = book(99_999, 100_001)
    live = (resting(BUY, 99_970, 100, at_ms=NOW - 500), resting(SELL, 100_020, 100))
    assert said(emit(data, live=live)) == [(AMEND, BUY, 99_980, 100, "advance", False)]
    young = (live[0]._replace(placed_ms=NOW - 499), live[1])
    assert emit(data, live=young).intents == ()
    soon = EmitState((SlotMemory(1, NOW - 799),), OLD_SLOTS.asks)
    assert emit(data, live=live, state=soon).intents == ()
    assert emit(data, live=live, state=EmitState((SlotMemory(1, NOW - 800),), OLD_SLOTS.asks)).intents
    assert emit(data, live=live, state=soon, allocation=Allocation(refresh_multiplier=1.01)).intents
    behind = replace(IN_PLACE, bid_may_advance=False)
    assert emit(data, live=live, queue=behind).intents == ()
    stale = (live[0]._replace(placed_ms=NOW - 60_000), live[1])
    assert said(emit(data, live=stale, queue=behind)) == [(AMEND, BUY, 99_980, 100, "stale", False)]


def test_stress_makes_the_desk_slower() -> None:
    """Quoting 4.6: 15 % more time in the book for each step of the auto-policy."""
    data = book(99_999, 100_001)
    live = (resting(BUY, 99_970, 100, at_ms=NOW - 574), resting(SELL, 100_020, 100))
    stressed = PortfolioSnapshot(stress_level=1)
    assert emit(data, live=live).intents
    assert emit(data, live=live, portfolio=stressed).intents == ()
    assert emit(data, live=(live[0]._replace(placed_ms=NOW - 575), live[1]), portfolio=stressed).intents


def test_stress_moves_what_would_be_replaced() -> None:
    """Quoting 4.6: 15 % more way for each step; 3 bps are 30 ticks here and 3.45 are 34.5."""
    data, live = book(99_999, 100_001), (resting(BUY, 99_948, 100), resting(SELL, 100_020, 100))
    for stress, kind in ((0, CANCEL), (1, AMEND)):
        assert emit(data, live=live, portfolio=PortfolioSnapshot(stress_level=stress)).intents[0].kind is kind
    still = replace(CFG, replace_threshold_bps=0.0)
    assert emit(data, live=live, cfg=still, portfolio=PortfolioSnapshot(stress_level=3)).intents[0].kind is CANCEL


def test_sizes_change_past_20_percent_only() -> None:
    assert emit(live=pair(bid_lots=1_250, ask_lots=834)).intents == ()
    result = emit(live=pair(bid_lots=1_251, ask_lots=833))
    assert said(result) == [(AMEND, BUY, 9_998, 1_000, "smaller", False), (AMEND, SELL, 10_002, 1_000, "larger", False)]


def test_an_amend_speaks_of_the_order_in_all() -> None:
    result = emit(live=(resting(BUY, 9_998, 1_500, filled=100), resting(SELL, 10_002)))
    assert said(result) == [(AMEND, BUY, 9_998, 1_100, "smaller", False)]


def test_a_venue_that_cannot_amend_gets_a_cancel() -> None:
    data = book(terms=replace(TERMS, can_amend=False))
    result = emit(data, live=pair(bid_lots=2_000))
    assert said(result) == [(CANCEL, BUY, 9_998, 2_000, "smaller", False)]
    assert result.state.bids == (SlotMemory(1, NOW, replacing=True),)


def test_one_action_at_a_time_in_a_slot() -> None:
    assert emit(book(9_990, 9_992), live=pair(pending=True)).intents == ()


def test_two_orders_in_a_slot_are_one_too_many() -> None:
    live = (resting(BUY, 9_998, generation=2), *pair())
    assert said(emit(live=live)) == [(CANCEL, BUY, 9_998, 1_000, "double", True)]


def test_no_more_orders_than_a_symbol_may_have() -> None:
    result = emit(cfg=replace(CFG, levels=3, max_active_orders=4))
    assert [(i.side, i.level) for i in result.intents] == [(BUY, 0), (BUY, 1), (BUY, 2), (SELL, 0)]


def test_our_own_orders_never_meet() -> None:
    live = (resting(SELL, 10_002, pending=True, cancelling=True),)
    assert emit(book(10_004, 10_006), live=live).intents == ()


def test_a_slot_is_not_filled_again_at_once() -> None:
    state = EmitState((SlotMemory(4, NOW - 799),), (SlotMemory(4, NOW - 800),))
    assert [(i.side, i.generation) for i in emit(state=state).intents] == [(SELL, 5)]


def test_an_old_book_leaves_what_rests_and_places_nothing() -> None:
    old = FRESH._replace(may_place=False)
    assert emit(freshness=old).intents == ()
    assert emit(book(9_998, 10_000), freshness=old, live=pair()).intents == ()
    blocked = replace(OPEN, blocked_sides=BlockedSides.BID)
    assert said(emit(freshness=old, live=pair(), guards=blocked)) == [(CANCEL, BUY, 9_998, 1_000, "blocked", True)]


def test_hard_takes_everything_off_the_book_as_a_normal_result() -> None:
    """Quoting 4.7 and defect 5: the reference raises before Emit, and nothing is cancelled."""
    reasons = (GuardReason("p95", 500.0, 450.0),)
    halt = replace(OPEN, level=GuardLevel.HARD, scale_factor=0.0, reasons=reasons, should_halt=True)
    live = (resting(SELL, 10_002), resting(BUY, 9_998, pending=True), resting(BUY, 9_990, level=1, cancelling=True))
    result = emit(guards=halt, live=live)
    assert result.quotes == ()
    assert said(result) == [(CANCEL, BUY, 9_998, 1_000, "p95", True), (CANCEL, SELL, 10_002, 1_000, "p95", True)]
    assert pull_all(features(live=live), "md_stale")[0].reason == "md_stale"


def test_the_order_of_intents() -> None:
    """Quoting 4.6: cancels, amends, places; in each the defensive first, then side and level."""
    cfg = replace(CFG, levels=3)
    data = book(9_998, 10_000)
    live = (resting(BUY, 9_998, level=0), resting(BUY, 9_995, level=4), resting(SELL, 10_003, level=1))
    result = emit(data, live=live, cfg=cfg, state=EmitState())
    kinds = [(i.kind, i.side, i.level) for i in result.intents]
    assert kinds[:2] == [(CANCEL, BUY, 4), (AMEND, BUY, 0)]
    assert [kind for kind, _, _ in kinds[2:]] == [PLACE] * 4
    assert kinds[2:] == sorted(kinds[2:])


def test_a_spike_takes_back_and_places_nothing_for_a_while() -> None:
    """Quoting 4.3 and defect 10: the cool-down blocks placing and never cancelling."""
    data, settings = book(9_988, 9_990), FastCancelSettings()
    live = (resting(BUY, 9_980), resting(BUY, 9_970, level=1), resting(SELL, 10_002))
    taken = fast_cancels(features(data, live=live), 0, settings)
    assert [(order.level, word) for order, word in taken.orders] == [(0, "volatile_spike"), (1, "volatile_spike")]
    result = emit(data, live=live, taken=taken)
    assert [(i.kind, i.side, str(i.reason)) for i in result.intents] == [(CANCEL, BUY, "volatile_spike")] * 2
    assert result.state.cooldown_until_ms == NOW + 500
    later = FastCancels((), NOW + 500)
    assert emit(data, taken=later, now_ms=NOW + 499).intents == ()
    assert emit(data, taken=later, now_ms=NOW + 500).intents
    away = emit(book(9_998, 10_000), live=pair(), taken=later, now_ms=NOW + 499)
    assert said(away) == [(CANCEL, BUY, 9_998, 1_000, "retreat", True)]


def test_a_constant_book_for_1000_ticks_is_one_place_in_each_slot() -> None:
    """Quoting 4.6, churn acceptance; ticks of 100 ms, so that the time to live passes too."""
    live, state, seen = (), EmitState(), []
    for tick in range(1_000):
        now = NOW + 100 * tick
        result = emit(live=live, state=state, now_ms=now, cfg=replace(CFG, levels=2))
        seen += result.intents
        live, state = done(live, result.intents, book(), now), result.state
    assert [(i.kind, i.side, i.level, i.generation) for i in seen] == [
        (PLACE, BUY, 0, 1),
        (PLACE, BUY, 1, 1),
        (PLACE, SELL, 0, 1),
        (PLACE, SELL, 1, 1),
    ]


def test_half_a_tick_to_and_fro_changes_nothing() -> None:
    """Quoting 4.6, churn acceptance."""
    live, state, seen = (), EmitState(), []
    for tick in range(1_000):
        now, data = NOW + 100 * tick, book(9_999, 10_001 + tick % 2)
        result = emit(data, live=live, state=state, now_ms=now)
        seen += result.intents
        live, state = done(live, result.intents, data, now), result.state
    assert len(seen) == 2
