"""One tick of one symbol: six stages in a fixed order, from features to orders (quoting 1, 4).

Nothing crosses the boundary but a result. A stage that cannot do its work, a halt or a refusal is a normal result that
takes the symbol off the book; the reference raised instead, and cancelled nothing. Time is measured by a probe that is
only written to, so no decision depends on it.
"""

from collections.abc import Iterable

from millrace.core.probe import NO_TICK_PROBE, QuoteStage, TickProbe
from millrace.strategies.quoting.model import BPS, FaultCode, Features, StageFault, TickOutcome
from millrace.strategies.quoting.quotes.fast_cancel import fast_cancels
from millrace.strategies.quoting.quotes.wanted import Aim
from millrace.strategies.quoting.settings import SymbolConfig
from millrace.strategies.quoting.stages.emit import emit_stage, pull_all
from millrace.strategies.quoting.stages.fetch_md import fetch_md
from millrace.strategies.quoting.stages.guards import guards_stage
from millrace.strategies.quoting.stages.inventory import inventory_stage
from millrace.strategies.quoting.stages.prices import reference_price, wanted_ticks
from millrace.strategies.quoting.stages.queue_aware import queue_stage
from millrace.strategies.quoting.stages.spread import spread_stage
from millrace.strategies.quoting.tick_result import QuoteContext, SymbolState, TickResult

TickInput = tuple[Features, SymbolState, SymbolConfig]
_FETCH_MD, _SPREAD, _GUARDS = QuoteStage.FETCH_MD, QuoteStage.SPREAD, QuoteStage.GUARDS
_INVENTORY, _QUEUE, _EMIT = QuoteStage.INVENTORY, QuoteStage.QUEUE_AWARE, QuoteStage.EMIT


def tick(features: Features, state: SymbolState, config: SymbolConfig, probe: TickProbe = NO_TICK_PROBE) -> TickResult:
    """Decide what one symbol quotes now; a fault takes it off the book and is told in the result."""
    symbol = features.terms.symbol
    probe.begin(symbol, features.tick)
    context = (f"{symbol}:{features.tick}", config.config_hash, features, state)
    freshness = fetch_md(features, config.md_cache)
    taken_back = fast_cancels(features, state.emit.cooldown_until_ms, config.fast_cancel)
    probe.lap(_FETCH_MD)
    book = features.book
    if isinstance(freshness, StageFault) or book is None:
        fault = freshness if isinstance(freshness, StageFault) else StageFault(_FETCH_MD.label, FaultCode.MD_BAD, "")
        return _faulted(context, fault, probe)
    at = _SPREAD
    try:
        spread, spread_state = spread_stage(
            features, book, freshness, state.spread, config.adaptive_spread, config.emit.base_size_usd
        )
        probe.lap(_SPREAD)
        at = _GUARDS
        guards, guard_state = guards_stage(features, spread, state.guards, config.risk_guards, config.adverse_flow)
        probe.lap(_GUARDS)
        at = _INVENTORY
        inventory = inventory_stage(features, spread, config.inventory_skew)
        probe.lap(_INVENTORY)
        at = _QUEUE
        reference = reference_price(features, book, config.emit.reference)
        bid, ask = wanted_ticks(reference, features.terms.tick, spread, guards, inventory)
        cools_until_ms = taken_back.cooldown_until_ms
        band = config.emit.amend_price_threshold_bps * reference / BPS
        queue, queue_state = queue_stage(
            features, book, bid, ask, state.queue, config.queue_aware, cools_until_ms, guards, band
        )
        probe.lap(_QUEUE)
        at = _EMIT
        emitted = emit_stage(
            features,
            book,
            freshness,
            Aim(reference, bid, ask),
            spread,
            guards,
            inventory,
            queue,
            taken_back,
            state.emit,
            config.emit,
        )
        probe.lap(_EMIT)
    except (ArithmeticError, ValueError, LookupError) as error:
        return _faulted(context, StageFault(at.label, FaultCode.BAD_NUMBER, str(error)), probe)
    halted = guards.reasons[0].key if guards.should_halt else ""
    result = TickResult(
        QuoteContext(*context, freshness, spread, guards, inventory, queue, emitted.quotes),
        SymbolState(spread_state, guard_state, queue_state, emitted.state, halted),
        emitted.intents,
        emitted.kept,
        TickOutcome.HALTED if halted else TickOutcome.QUOTED,
    )
    probe.end()
    return result


def tick_many(inputs: Iterable[TickInput], probe: TickProbe = NO_TICK_PROBE) -> list[TickResult]:
    """Return one result for each input, in their order; no symbol sees another's."""
    return [tick(features, state, config, probe) for features, state, config in inputs]


def _faulted(context: tuple[str, str, Features, SymbolState], fault: StageFault, probe: TickProbe) -> TickResult:
    """Take the symbol off the book: a normal result that cancels and remembers why (quoting 4.7)."""
    _, _, features, state = context
    result = TickResult(
        QuoteContext(*context),
        SymbolState(state.spread, state.guards, state.queue, state.emit, fault.code),
        pull_all(features, fault.code),
        0,
        TickOutcome.FAULT,
        fault,
    )
    probe.end()
    return result
