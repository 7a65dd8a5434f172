"""The frozen quoter: what quotes symbols that the ramp has not reached, and what the pipeline is compared with.

One sequential loop, one order per side: guards, spread, skew, nudge, then take back what is no longer wanted and place
what is missing. It reads the same features and uses the same formulas, and has its own, plainer way from prices to
orders: nothing is amended, and what moved by more than a band is replaced once its cancel is acknowledged. What no
profile may leave out holds here too: whole ticks, post-only, no more than the largest position (quoting 8, 10.1).
"""

from msgspec import structs

from millrace.core.commands import Side
from millrace.core.instrument import Lots, Ticks
from millrace.core.probe import NO_TICK_PROBE, QuoteStage, TickProbe
from millrace.strategies.quoting.model import (
    BPS,
    FaultCode,
    Features,
    Freshness,
    GuardAssessment,
    IntentKind,
    InventoryAdjustment,
    LiveOrder,
    MarketData,
    OrderIntent,
    QueueAwareAdjustment,
    Quote,
    SpreadDecision,
    SpreadReason,
    StageFault,
    TickOutcome,
)
from millrace.strategies.quoting.quotes.fast_cancel import FastCancels, fast_cancels
from millrace.strategies.quoting.quotes.reasons import Reason
from millrace.strategies.quoting.quotes.state import EmitState, SlotMemory
from millrace.strategies.quoting.quotes.wanted import is_tradable, room_of
from millrace.strategies.quoting.settings import EmitSettings, QuotingSettings, SymbolConfig
from millrace.strategies.quoting.stages.emit import cooled, pull_all
from millrace.strategies.quoting.stages.fetch_md import fetch_md
from millrace.strategies.quoting.stages.guards import guards_stage
from millrace.strategies.quoting.stages.inventory import inventory_stage
from millrace.strategies.quoting.stages.prices import ask_on_tick, bid_on_tick, raw_prices
from millrace.strategies.quoting.stages.queue_aware import queue_stage
from millrace.strategies.quoting.stages.spread import spread_stage
from millrace.strategies.quoting.tick_result import QuoteContext, SymbolState, TickResult

_NO_WIDTH = SpreadDecision(0.0, SpreadReason.DEFAULT, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
"""The guards come first here, and what they would widen by a share of the spread is off in this profile."""


def legacy_settings(settings: QuotingSettings) -> QuotingSettings:
    """Return settings with the frozen quoter's arithmetic; limits, sizes and the fee floor stay those of the desk.

    The reference quoted below what the venue keeps of a round trip, which nobody would let trade (quoting 4.2). What an
    operator has told the guards, the loss of a day above all, holds also on the day when the ramp goes back to 0 %.
    """
    frozen = QuotingSettings.compat()
    return structs.replace(
        settings,
        adaptive_spread=structs.replace(
            settings.adaptive_spread, model="additive", fast_widen=False, live_volatility=False, liquidity_unit="base"
        ),
        risk_guards=structs.replace(
            settings.risk_guards,
            live_volatility=False,
            latency_expires=False,
            pnl_mode="mean",
            one_sided_inventory=False,
            soft_widen_bps=0.0,
            escalating_halts=False,
            exit_hysteresis=False,
        ),
        adverse_flow=frozen.adverse_flow,
        inventory_skew=frozen.inventory_skew,
        queue_aware=structs.replace(settings.queue_aware, rule="percentile"),
        fast_cancel=structs.replace(settings.fast_cancel, from_placement=False),
        emit=structs.replace(settings.emit, reference="mid", levels=1),
    )


def legacy_tick(
    features: Features, state: SymbolState, config: SymbolConfig, probe: TickProbe = NO_TICK_PROBE
) -> TickResult:
    """Decide what the frozen quoter does with one symbol now; `config` is of the compat profile."""
    symbol = features.terms.symbol
    probe.begin(symbol, features.tick)
    context = (f"{symbol}:{features.tick}", config.config_hash, features, state)
    freshness = fetch_md(features, config.md_cache)
    probe.lap(QuoteStage.FETCH_MD)
    book = features.book
    if isinstance(freshness, StageFault) or book is None:
        fault = freshness if isinstance(freshness, StageFault) else StageFault("stage_fetch_md", FaultCode.MD_BAD, "")
        probe.end()
        return TickResult(
            QuoteContext(*context),
            SymbolState(state.spread, state.guards, state.queue, state.emit, fault.code),
            pull_all(features, fault.code),
            0,
            TickOutcome.FAULT,
            fault,
        )
    guards, guard_state = guards_stage(features, _NO_WIDTH, state.guards, config.risk_guards, config.adverse_flow)
    probe.lap(QuoteStage.GUARDS)
    spread, spread_state = spread_stage(
        features, book, freshness, state.spread, config.adaptive_spread, config.emit.base_size_usd
    )
    probe.lap(QuoteStage.SPREAD)
    inventory = inventory_stage(features, spread, config.inventory_skew)
    probe.lap(QuoteStage.INVENTORY)
    bid, ask = _prices(book, spread, inventory)
    taken_back = fast_cancels(features, state.emit.cooldown_until_ms, config.fast_cancel)
    queue, queue_state = queue_stage(
        features, book, bid, ask, state.queue, config.queue_aware, taken_back.cooldown_until_ms, guards
    )
    probe.lap(QuoteStage.QUEUE_AWARE)
    halted = guards.reasons[0].key if guards.should_halt else ""
    if halted:
        quote = None
        intents, emit_state = pull_all(features, halted), cooled(state.emit, taken_back)
    else:
        quote = _quote(features, book, guards, queue, bid, ask, config.emit.base_size_usd)
        intents, emit_state = _orders(features, freshness, quote, taken_back, state.emit, config.emit)
    probe.lap(QuoteStage.EMIT)
    result = TickResult(
        QuoteContext(*context, freshness, spread, guards, inventory, queue, () if quote is None else (quote,)),
        SymbolState(spread_state, guard_state, queue_state, emit_state, halted),
        intents,
        len(features.live) - sum(intent.kind is IntentKind.CANCEL for intent in intents),
        TickOutcome.HALTED if halted else TickOutcome.QUOTED,
    )
    probe.end()
    return result


def _prices(book: MarketData, spread: SpreadDecision, inventory: InventoryAdjustment) -> tuple[Ticks, Ticks]:
    """Return bid and ask around the middle, moved by what is held, on ticks and not taking."""
    tick = book.terms.tick
    middle = (book.best_bid + book.best_ask) / 2.0
    shifts = -inventory.bid_adjustment_bps, inventory.ask_adjustment_bps
    bid, ask = raw_prices(middle, spread.spread_bps, *shifts)
    highest, lowest = (book.best_ask - 1) // tick * tick, (book.best_bid // tick + 1) * tick
    return min(bid_on_tick(bid, tick), highest), max(ask_on_tick(ask, tick), lowest)


def _quote(
    features: Features,
    book: MarketData,
    guards: GuardAssessment,
    queue: QueueAwareAdjustment,
    bid: Ticks,
    ask: Ticks,
    base_usd: float,
) -> Quote:
    """Return the one quote of both sides: nudged, sized, and without a side that may not be quoted."""
    bid, ask = bid + queue.bid_nudge_ticks, ask + queue.ask_nudge_ticks
    terms, room = book.terms, room_of(features, guards)
    lots = base_usd / (book.mid_price * terms.lot_unit) * guards.scale_factor
    size = int(lots + 1e-6) // terms.lot * terms.lot
    apart = bid < ask
    return Quote(
        0,
        bid,
        ask,
        _sized(size, room.bid, bid, book) if apart or features.position < 0 else 0,
        _sized(size, room.ask, ask, book) if apart or features.position > 0 else 0,
    )


def _sized(lots: Lots, room: Lots, ticks: Ticks, book: MarketData) -> Lots:
    whole = min(lots, room) // book.terms.lot * book.terms.lot
    return whole if is_tradable(whole, ticks, book.terms) else 0


def _orders(
    features: Features,
    freshness: Freshness,
    quote: Quote,
    taken_back: FastCancels,
    state: EmitState,
    cfg: EmitSettings,
) -> tuple[tuple[OrderIntent, ...], EmitState]:
    """Return cancels of what is not wanted where it is, and places on sides that have no order."""
    middle = (quote.bid_ticks + quote.ask_ticks) / 2.0
    band = max(float(features.terms.tick), cfg.amend_price_threshold_bps * middle / BPS)
    urgent = dict(_slots(taken_back))
    out: list[OrderIntent] = []
    for order in features.live:
        word = urgent.get(_slot(order)) or _why_not(features, order, quote, band, cfg)
        if word and not (order.cancelling or order.pending):
            name = (order.side, order.level, order.generation)
            out.append(OrderIntent(IntentKind.CANCEL, *name, order.ticks, order.rest, word, True))
    busy = {order.side for order in features.live}
    places = ((Side.BUY, quote.bid_ticks, quote.bid_lots), (Side.SELL, quote.ask_ticks, quote.ask_lots))
    slots = {Side.BUY: state.bids, Side.SELL: state.asks}
    may_place = freshness.may_place and features.now_ms >= taken_back.cooldown_until_ms
    for side, ticks, lots in places:
        if lots and may_place and side not in busy:
            before = slots[side]
            generation = before[0].generation + 1 if before else 1
            slots[side] = (SlotMemory(generation, features.now_ms), *before[1:])
            out.append(OrderIntent(IntentKind.PLACE, side, 0, generation, ticks, lots, Reason.NEW, False))
    return tuple(out), EmitState(slots[Side.BUY], slots[Side.SELL], taken_back.cooldown_until_ms)


def _slot(order: LiveOrder) -> tuple[Side, int, int]:
    return order.side, order.level, order.generation


def _slots(taken_back: FastCancels) -> list[tuple[tuple[Side, int, int], str]]:
    return [(_slot(order), word) for order, word in taken_back.orders]


def _why_not(features: Features, order: LiveOrder, quote: Quote, band: float, cfg: EmitSettings) -> str:
    """Return why an order may not stay where it is, "" when it may."""
    buys = order.side is Side.BUY
    ticks, lots = (quote.bid_ticks, quote.bid_lots) if buys else (quote.ask_ticks, quote.ask_lots)
    if not lots:
        return Reason.TOO_SMALL
    if order.level:
        return Reason.LEVEL_OFF
    if features.now_ms - order.placed_ms >= cfg.cancel_stale_ms:
        return Reason.STALE
    moved = abs(ticks - order.ticks) >= band or abs(lots - order.rest) > order.rest * cfg.amend_size_threshold
    return Reason.REPLACED if moved else ""
