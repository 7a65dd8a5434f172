"""Whether a knob may change while the program runs, and what to do where it may not.

A change in flight replaces every part that holds the setting, with its state, so most settings may; the exceptions are
what a run is, what its journal or venue was begun with, and what the shell around the core took at its start. The table
has no default: a section that nobody thought of is an error, not a permission. Caps on losses may be tightened in
flight by anybody who may ask, and are loosened only where a person starts the program (design section 5.8).
"""

from typing import Final, Literal

from millrace.core.events import Scalar

InFlight = Literal["always", "tighten", "when_flat", "restart", "never"]

_SECTIONS: Final[dict[str, InFlight]] = {
    "run": "never",
    "venue": "never",
    "prediction": "never",
    "quoting": "never",
    "slots": "always",
    **dict.fromkeys(("sizer", "momentum", "regime", "release", "rebalance", "trend"), "always"),
    "stops": "restart",
    "slo": "always",
    "firewall": "restart",
    "arb": "never",
    "arb_gates": "always",
    "arb_stake": "always",
    "arb_exposure": "when_flat",
    **dict.fromkeys(("arb_desk", "arb_execution", "arb_lanes", "arb_combo", "arb_economics"), "when_flat"),
    **dict.fromkeys(("arb_holding", "arb_mapping", "arb_discovery"), "when_flat"),
    **dict.fromkeys(("quoting_pipeline", "quoting_md_cache", "quoting_features", "quoting_adaptive_spread"), "always"),
    **dict.fromkeys(("quoting_risk_guards", "quoting_adverse_flow", "quoting_market_guard"), "always"),
    **dict.fromkeys(("quoting_inventory_skew", "quoting_queue_aware", "quoting_emit", "quoting_throttle"), "always"),
    **dict.fromkeys(("quoting_fast_cancel", "quoting_taker_cap", "quoting_async_batch", "quoting_rollout"), "always"),
    **dict.fromkeys(("quoting_symbol_scoreboard", "quoting_dynamic_allocator"), "always"),
    "quoting_stage_budgets": "restart",
    "quoting_trace": "restart",
}
_KEYS: Final[dict[str, InFlight]] = {
    "run.entry_valid_for_sec": "always",
    "run.survives_power_loss": "restart",
    "slots.enabled": "never",
    "slots.count": "never",
    **dict.fromkeys(("slots.poll_interval_sec", "slots.stale_price_max_age_sec"), "restart"),
    **dict.fromkeys(("slots.max_api_calls_per_loop", "slots.private_api_metronome_enabled"), "restart"),
    **dict.fromkeys(("slots.private_api_wave_calls", "slots.private_api_wave_sec"), "restart"),
    "slots.daily_loss_limit_usd": "tighten",
    **dict.fromkeys(("stops.daily_loss_cap_usd", "stops.strategy_loss_cap_usd", "stops.lane_loss_cap_usd"), "tighten"),
    "stops.allocated_capital_usd": "tighten",
    **dict.fromkeys(("stops.venue_failures", "stops.family_failures", "stops.total_failures"), "tighten"),
    **dict.fromkeys(("arb_combo.reporting", "arb_combo.processes"), "restart"),
    **dict.fromkeys(("quoting.overrides", "quoting.min_tick_ms", "quoting.look_ms"), "always"),
    **dict.fromkeys(("quoting_risk_guards.daily_loss", "quoting_market_guard.daily_loss"), "tighten"),
    **dict.fromkeys(("quoting_risk_guards.enabled", "quoting_market_guard.enabled"), "tighten"),  # they hold the caps
    "quoting_queue_aware.own_in_book": "restart",
    "quoting_pipeline.enabled": "restart",  # off and on again would begin the ramp at its first step, past a roll-back
    "quoting_pipeline.sample_stage_tracing": "restart",
}
_INSTEAD: Final = {
    "slots.count": "`millrace ask add_slot` adds a slot to a running grid",
    "slots.enabled": "`millrace ask pause` stops its entries",
    "arb.enabled": "`millrace kill --scope strategy:arb` stops the desk",
    "quoting.enabled": "`millrace ask quoting_ramp pct=0`, or a kill of strategy:quoting, stops it",
    "quoting_pipeline.enabled": "`millrace ask quoting_ramp pct=0` gives every symbol back to the frozen quoter",
}
_STRATEGY: Final = {"arb": "arb", "quoting": "quoting"}


def in_flight(key: str) -> InFlight:
    """Return the rule of a knob; raises KeyError for a section that the table does not name."""
    return _KEYS.get(key) or _SECTIONS[key.partition(".")[0]]


def in_flight_text(key: str) -> str:
    """Return the rule in words, with what to do instead where a running program cannot take it."""
    words: dict[InFlight, str] = {
        "always": "may change while the program runs",
        "tighten": "may be tightened while the program runs; to loosen it, start the program with it",
        "when_flat": f"may change while strategy {strategy_of(key)} has neither positions nor orders",
        "restart": "holds from a start on: stop the program and start it with the new value",
        "never": "stays for a whole run: begin anew with --fresh",
    }
    instead = _INSTEAD.get(key)
    return words[in_flight(key)] + (f"; {instead}" if instead else "")


def strategy_of(key: str) -> str:
    """Return the strategy that a knob is about, `slots` where it is none of the desks'."""
    section = key.partition(".")[0].partition("_")[0]
    return _STRATEGY.get(section, "slots")


def tightens(before: Scalar, after: Scalar) -> bool:
    """Tell whether a cap becomes stricter: lower, or one where there was none; nothing or less is none.

    A guard that is switched on is a cap where there was none.
    """
    was, now = _cap(before), _cap(after)
    return now is not None and (was is None or now < was)


def _cap(value: Scalar) -> float | None:
    return None if value is None or isinstance(value, str) or value <= 0 else float(value)
