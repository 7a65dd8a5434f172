"""Laws of Emit that hold whatever stands in the book and whatever rests (quoting 4.6, 11.6)."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from millrace.core.commands import Side
from millrace.strategies.quoting.model import (
    Allocation,
    BlockedSides,
    GuardLevel,
    IntentKind,
    InventoryAdjustment,
    LiveOrder,
    SkewReason,
    SymbolTerms,
)
from millrace.strategies.quoting.quotes.fast_cancel import FastCancels
from millrace.strategies.quoting.quotes.state import EmitState, SlotMemory
from millrace.strategies.quoting.settings import EmitSettings
from millrace.strategies.quoting.stages.emit import emit_stage
from quote_inputs import FRESH, IN_PLACE, OPEN, aimed, book, done, features, resting, width

BUY, SELL = Side
NOW = 10_000_000
NOTHING = FastCancels((), 0)


@st.composite
def situations(draw):
    """Return all that one tick of Emit is told, at random."""
    tick = draw(st.sampled_from([1, 5, 100]))
    lot = draw(st.sampled_from([1, 10]))
    terms = SymbolTerms(
        "AAA/USDT",
        tick,
        lot,
        lot * draw(st.integers(1, 20)),
        draw(st.sampled_from([0, 10**8])),
        0.01,
        0.001,
        1e8,
        1.0,
        5.0,
        can_amend=draw(st.booleans()),
    )
    bid = tick * draw(st.integers(50, 4_000))
    data = book(bid, bid + tick * draw(st.integers(1, 30)), terms)
    levels = draw(st.integers(1, 4))
    orders = []
    for side in Side:
        for level in range(5):
            if draw(st.booleans()):
                ticks = tick * draw(st.integers(max(1, bid // tick - 40), bid // tick + 70))
                lots = lot * draw(st.integers(1, 400))
                pending = draw(st.booleans())
                orders.append(
                    LiveOrder(
                        side,
                        level,
                        draw(st.integers(1, 3)),
                        ticks,
                        lots,
                        draw(st.integers(0, lots - 1)) // lot * lot,
                        NOW - draw(st.integers(0, 70_000)),
                        pending,
                        2 * ticks,
                        cancelling=pending and draw(st.booleans()),
                    )
                )
    shift = draw(st.floats(-5.0, 5.0))
    guards = replace(
        OPEN,
        level=draw(st.sampled_from([GuardLevel.NONE, GuardLevel.SOFT])),
        scale_factor=draw(st.sampled_from([1.0, 0.5])),
        widen_bid_bps=draw(st.sampled_from([0.0, 0.15, 3.0])),
        blocked_sides=draw(st.sampled_from(list(BlockedSides))),
        reduce_only_sides=draw(st.sampled_from(list(BlockedSides))),
    )
    most = lot * draw(st.integers(0, 3_000))
    asked = {
        "live": tuple(orders),
        "now_ms": NOW,
        "position": lot * draw(st.integers(-2_000, 2_000)),
        "max_position": most,
        "allocation": Allocation(size_multiplier=draw(st.floats(0.0, 3.0)), active=draw(st.booleans())),
    }
    slots = tuple(SlotMemory(draw(st.integers(3, 9)), NOW - draw(st.integers(0, 2_000))) for _ in range(5))
    rest = (
        FRESH._replace(may_place=draw(st.booleans())),
        width(draw(st.floats(0.0, 60.0)), draw(st.floats(-2.0, 40.0))),
        guards,
        InventoryAdjustment(shift, shift / 2, 0.0, 0.0, SkewReason.SKEW, draw(st.floats(0.0, 1.0)), 1.0),
        replace(IN_PLACE, bid_nudge_ticks=tick * draw(st.integers(0, 3)), bid_may_advance=draw(st.booleans())),
        FastCancels((), NOW + draw(st.integers(-1, 1))),
        EmitState(slots, slots),
        EmitSettings(levels=levels),
    )
    return data, asked, rest


def run(data, asked, rest):
    freshness, spread, guards, inventory, queue, taken, state, cfg = rest
    aim = aimed(data, spread, guards, inventory)
    return emit_stage(
        features(data, **asked), data, freshness, aim, spread, guards, inventory, queue, taken, state, cfg
    )


@given(situations())
def test_quotes_are_on_tick_apart_and_never_take(situation) -> None:
    data, _, rest = situation
    terms, spread = data.terms, rest[1]
    for quote in run(*situation).quotes:
        assert quote.bid_ticks < quote.ask_ticks
        assert quote.bid_ticks % terms.tick == quote.ask_ticks % terms.tick == 0
        assert quote.bid_ticks < data.best_ask
        assert quote.ask_ticks > data.best_bid
        assert (quote.ask_ticks - quote.bid_ticks) / (data.best_bid + data.best_ask) * 2e4 >= spread.floor_bps - 1e-6
        for lots, ticks in ((quote.bid_lots, quote.bid_ticks), (quote.ask_lots, quote.ask_ticks)):
            assert lots >= 0
            assert lots % terms.lot == 0
            assert not lots or (lots >= terms.min_lots and ticks > 0)


@given(situations())
def test_what_is_added_never_lets_a_side_pass_its_limit(situation) -> None:
    """All orders of a side, those on their way too, fill no more than the position may still move that way."""
    _, asked, rest = situation
    result = run(*situation)
    guards = rest[2]
    for side, sign in ((BUY, 1), (SELL, -1)):
        grown = [i for i in result.intents if i.side is side and i.kind is not IntentKind.CANCEL]
        before = {o.level: o for o in asked["live"] if o.side is side}
        adds = [i for i in grown if i.kind is IntentKind.PLACE or i.lots > before[i.level].lots]
        if not adds:
            continue
        total = sum(o.rest for o in before.values())
        for intent in grown:
            order = before.get(intent.level) if intent.kind is IntentKind.AMEND else None
            total += max(intent.lots - order.lots, 0) if order else intent.lots
        assert not guards.blocked_sides.blocks(side)
        assert asked["position"] * sign + total <= asked["max_position"] or total <= -asked["position"] * sign


@given(situations())
def test_a_slot_has_one_action_and_what_is_on_its_way_is_waited_for(situation) -> None:
    _, asked, _ = situation
    intents = run(*situation).intents
    slots = [(i.side, i.level) for i in intents if i.kind is not IntentKind.CANCEL or i.reason != "double"]
    assert len(slots) == len(set(slots))
    for order in asked["live"]:
        touching = [i for i in intents if (i.side, i.level) == (order.side, order.level)]
        assert not (order.cancelling and touching)
        assert not [i for i in touching if i.kind is IntentKind.PLACE]
        if order.pending:
            assert all(i.kind is IntentKind.CANCEL for i in touching)


@given(situations())
def test_doing_it_leaves_nothing_to_do(situation) -> None:
    """Idempotence: after the venue did all of it, the same tick again says nothing more (quoting 4.6)."""
    data, asked, rest = situation
    live = tuple(o._replace(pending=False) for o in asked["live"] if not o.cancelling)
    for _ in range(5):
        result = run(data, asked | {"live": live}, rest)
        if not result.intents:
            return
        live = done(live, result.intents, data, NOW)
        rest = (*rest[:6], result.state, rest[7])
    raise AssertionError(result.intents)


@given(situations())
def test_soft_never_stands_nearer_than_none(situation) -> None:
    data, asked, rest = situation
    calm = run(data, asked, (rest[0], rest[1], OPEN, *rest[3:])).quotes
    soft = run(data, asked, (rest[0], rest[1], replace(OPEN, widen_bid_bps=1.0, widen_ask_bps=1.0), *rest[3:])).quotes
    for before, after in zip(calm, soft, strict=True):
        assert after.ask_ticks - after.bid_ticks >= before.ask_ticks - before.bid_ticks


@given(situations())
def test_the_short_way_says_what_the_long_way_says(situation) -> None:
    """A tick on which everything stays is decided without the diff; the diff would say the same."""
    data, asked, rest = situation
    live = tuple(o._replace(pending=False) for o in asked["live"] if not o.cancelling)
    result = run(data, asked | {"live": live}, rest)
    asked = asked | {"live": done(live, result.intents, data, NOW)}
    short = run(data, asked, (*rest[:6], result.state, rest[7]))
    nobody = FastCancels(((resting(BUY, 1, generation=99), "adverse_move"),), rest[5].cooldown_until_ms)
    long = run(data, asked, (*rest[:5], nobody, result.state, rest[7]))
    assert (short.intents, short.kept, short.quotes) == (long.intents, long.kept, long.quotes)
