"""The guards of a symbol: how much of it may be quoted now, and on which sides (quoting 4.3).

SOFT makes quotes smaller and moves them away, HARD takes everything off the book for a while; neither touches the
spread by a factor. What only makes one side dangerous stops or widens that side and leaves the level alone. All that is
remembered is in `GuardState`; on a quiet tick the same assessment and the same state are handed out again.
"""

from millrace.strategies.quoting.guards.flow import CALM, Pressure, pressure
from millrace.strategies.quoting.guards.latches import kept
from millrace.strategies.quoting.guards.state import STILL_HOLDS, GuardState, Latch
from millrace.strategies.quoting.guards.triggers import growth_stopped, judged, sides_of
from millrace.strategies.quoting.model import (
    BlockedSides,
    Features,
    GuardAssessment,
    GuardLevel,
    GuardReason,
    SpreadDecision,
)
from millrace.strategies.quoting.settings import AdverseFlowSettings, RiskGuardSettings

Assessed = tuple[GuardAssessment, GuardState]

CLEAR = GuardAssessment(GuardLevel.NONE, 1.0, (), False, 0.0, 0.0, BlockedSides.NONE, 0)
"""Nothing speaks against quoting."""
_SECOND_MS = 1_000
_MOST_DOUBLINGS = 30


def guards_stage(
    features: Features, spread: SpreadDecision, state: GuardState, cfg: RiskGuardSettings, flow: AdverseFlowSettings
) -> Assessed:
    """Return the assessment of this tick and the state for the next.

    What the portfolio refuses stops quoting even where the guards are switched off (quoting 4.7).
    """
    portfolio = features.portfolio
    if portfolio.refused:
        return _refused(state, cfg)
    if not cfg.enabled:
        return (CLEAR if portfolio.size_scale == 1.0 else _scaled(portfolio.size_scale)), state
    if features.now_ms < state.halt_until_ms:
        return _hard((GuardReason("halt_cooldown", 0.0, 0.0, GuardLevel.HARD),), state.halt_until_ms), state
    hard, soft = judged(features, cfg)
    if hard:
        return _halted(hard, soft, features.now_ms, state, cfg)
    pressed, flow_reason = pressure(features, state, flow)
    if not soft and not state.latches and pressed is CALM and portfolio.size_scale == 1.0:
        return CLEAR, _with(state, (), CALM)
    latches = state.latches
    if cfg.exit_hysteresis and (soft or latches):
        latches, held = kept(latches, soft, features, cfg)
        soft += held
    soft.sort()
    reasons = tuple(soft) if flow_reason is None else (*soft, flow_reason)
    assessment = _quotable(features, spread, cfg, flow, pressed, reasons, is_soft=bool(soft))
    return assessment, _with(state, latches, pressed)


def _quotable(
    features: Features,
    spread: SpreadDecision,
    cfg: RiskGuardSettings,
    flow: AdverseFlowSettings,
    pressed: Pressure,
    reasons: tuple[GuardReason, ...],
    *,
    is_soft: bool,
) -> GuardAssessment:
    """What may be quoted short of a halt: smaller, further away, and without the sides that are in danger."""
    widen = cfg.soft_widen_bps / 2.0 if is_soft else 0.0
    scale = (cfg.size_scale_soft if is_soft else 1.0) * features.portfolio.size_scale
    widen_bid = widen_ask = widen
    if pressed.bid:
        widen_bid += (flow.widen_factor - 1.0) * spread.spread_bps / 2.0
    if pressed.ask:
        widen_ask += (flow.widen_factor - 1.0) * spread.spread_bps / 2.0
    shrinks = growth_stopped(features, cfg)
    now = features.now_ms
    bid = shrinks or pressed.bid_paused_until_ms > now
    ask = shrinks or pressed.ask_paused_until_ms > now
    blocked, reduce_only = sides_of(features, bid=bid, ask=ask)
    level = GuardLevel.SOFT if is_soft else GuardLevel.NONE
    return GuardAssessment(level, scale, reasons, False, widen_bid, widen_ask, blocked, 0, reduce_only)


def _halted(
    hard: list[GuardReason], soft: list[GuardReason], now_ms: int, state: GuardState, cfg: RiskGuardSettings
) -> Assessed:
    """Halt: everything off the book, longer each time it happens again within ten minutes."""
    count = 1
    if cfg.escalating_halts and state.hard_count and now_ms - state.hard_ms <= cfg.escalation_window_sec * _SECOND_MS:
        count = state.hard_count + 1
    until = now_ms + min(cfg.halt_ms_hard << min(count - 1, _MOST_DOUBLINGS), cfg.halt_max_ms)
    hard.sort()
    soft.sort()
    reasons = (*hard, *soft)
    latches = _all_hold(reasons, state, cfg)
    return _hard(reasons, until), GuardState(until, count, now_ms, latches)


def _refused(state: GuardState, cfg: RiskGuardSettings) -> Assessed:
    """What the board or a person refuses: off the book as long as it lasts, and SOFT for a while after it."""
    reasons = (GuardReason("refused", 0.0, 0.0, GuardLevel.HARD),)
    latches = _all_hold(reasons, state, cfg)
    return _hard(reasons, state.halt_until_ms), _with(state, latches, CALM)


def _all_hold(reasons: tuple[GuardReason, ...], state: GuardState, cfg: RiskGuardSettings) -> tuple[Latch, ...]:
    if not cfg.exit_hysteresis:
        return ()
    keys = {latch.key for latch in state.latches}.union(reason.key for reason in reasons)
    latches = tuple(Latch(key, STILL_HOLDS) for key in sorted(keys))
    return state.latches if latches == state.latches else latches


def _hard(reasons: tuple[GuardReason, ...], until_ms: int) -> GuardAssessment:
    return GuardAssessment(GuardLevel.HARD, 0.0, reasons, True, 0.0, 0.0, BlockedSides.BOTH, until_ms)


def _scaled(scale: float) -> GuardAssessment:
    return GuardAssessment(GuardLevel.NONE, scale, (), False, 0.0, 0.0, BlockedSides.NONE, 0)


def _with(state: GuardState, latches: tuple[Latch, ...], pressed: Pressure) -> GuardState:
    """Return the state with these, the same one where nothing changed."""
    if (
        latches == state.latches
        and pressed.bid == state.bid_pressed
        and pressed.ask == state.ask_pressed
        and pressed.bid_paused_until_ms == state.bid_paused_until_ms
        and pressed.ask_paused_until_ms == state.ask_paused_until_ms
    ):
        return state
    return GuardState(state.halt_until_ms, state.hard_count, state.hard_ms, latches, *pressed)
