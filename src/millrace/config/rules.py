"""Limits of one value and rules between values, each with a notice (slots 21).

A clamp never happens in silence: what runs is always what `config explain` says, and every difference from what was
asked for is returned to the caller, who prints it at start-up.
"""

from collections.abc import Callable
from decimal import Decimal

import msgspec

from millrace.config.knob import Knob
from millrace.config.knobs import KNOBS
from millrace.config.settings import Notice, Setting
from millrace.core.events import Scalar
from millrace.core.instrument import Instrument
from millrace.strategies.slots.telemetry.capacity_health import CAUTION_HEADROOM

Values = dict[str, Setting]
_ORDERS_PER_SLOT = 2
_FLOOR_MARGIN_PCT = 0.1
_RECON_LOW_PCT, _RECON_HIGH_PCT = 1.0, 2.0
_LEAST_PANIC_PCT = 80.0


def clamp(knob: Knob, setting: Setting, fallback: Setting) -> tuple[Setting, list[Notice]]:
    """Return the setting within its limits; at or under an exclusive limit it falls back to the layer below."""
    value = setting.value
    if isinstance(value, bool) or not isinstance(value, int | float) or not knob.clamps:
        return setting, []
    if knob.above is not None and value <= knob.above:
        text = f"{knob.key} = {value} must be {knob.bounds}; kept {fallback.value} ({setting.where})"
        return fallback, [Notice("warning", "out_of_range", knob.key, text)]
    limited: float = value if knob.low is None else max(value, knob.low)
    limited = limited if knob.high is None else min(limited, knob.high)
    if limited == value:
        return setting, []
    limited = type(value)(limited)
    text = f"{knob.key} = {value} must be {knob.bounds}; clamped to {limited} ({setting.where})"
    return msgspec.structs.replace(setting, value=limited), [Notice("warning", "clamped", knob.key, text)]


def _number(values: Values, key: str) -> float:
    value = values[key].value
    return value if isinstance(value, int | float) else 0.0


def _move(values: Values, key: str, value: Scalar, rule: str) -> Notice:
    old = values[key]
    values[key] = msgspec.structs.replace(old, value=value)
    return Notice("warning", "adjusted", key, f"{key} = {old.value} breaks the rule {rule}; {value} is used")


def _profit(values: Values) -> list[Notice]:
    least = round(2 * _number(values, "slots.maker_fee_pct") + _FLOOR_MARGIN_PCT, 10)
    if _number(values, "slots.profit_pct") >= least:
        return []
    return [_move(values, "slots.profit_pct", least, "profit >= 2 x maker fee + 0.1")]


def _slots(values: Values) -> list[Notice]:
    notices = []
    most = values["slots.sticky_max_target_slots"].value
    if _number(values, "slots.sticky_target_slots") > _number(values, "slots.sticky_max_target_slots"):
        notices.append(_move(values, "slots.sticky_target_slots", most, "target <= sticky_max_target_slots"))
    sticky = values["slots.sticky_mode_enabled"].value
    if sticky and _number(values, "slots.count") > _number(values, "slots.sticky_max_target_slots"):
        notices.append(_move(values, "slots.count", most, "count <= sticky_max_target_slots when sticky"))
    return notices


def _averages(values: Values) -> list[Notice]:
    fast = int(_number(values, "momentum.ema_fast_bars"))
    if _number(values, "momentum.ema_slow_bars") > fast:
        return []
    return [_move(values, "momentum.ema_slow_bars", fast + 1, "slow > fast")]


def _bands(values: Values) -> list[Notice]:
    keys = ("regime.adx_choppy_max", "regime.adx_trending_min")
    if _number(values, keys[1]) > _number(values, keys[0]):
        return []
    return [_move(values, key, KNOBS[key].default, "trending_min > choppy_max, else both defaults") for key in keys]


def _staleness(values: Values) -> list[Notice]:
    poll = _number(values, "slots.poll_interval_sec")
    if _number(values, "slots.stale_price_max_age_sec") >= poll:
        return []
    return [_move(values, "slots.stale_price_max_age_sec", poll, "stale_price_max_age_sec >= poll_interval_sec")]


def _volatility(values: Values) -> list[Notice]:
    floor = _number(values, "slots.volatility_mult_floor")
    if _number(values, "slots.volatility_mult_ceiling") >= floor:
        return []
    return [_move(values, "slots.volatility_mult_ceiling", floor, "mult_ceiling >= mult_floor")]


def _release(values: Values) -> list[Notice]:
    """Keep the tiers of a release in their order, and say what loosens them (slots 21)."""
    found = []
    most, panic = _number(values, "release.max_stuck_pct"), _number(values, "release.panic_stuck_pct")
    if panic <= most:
        panic = min(100.0, max(_LEAST_PANIC_PCT, most + 1.0))
        if panic != _number(values, "release.panic_stuck_pct"):
            found.append(_move(values, "release.panic_stuck_pct", panic, "panic_stuck_pct > max_stuck_pct"))
    if _number(values, "release.recovery_target_pct") >= panic:
        below = max(0.0, panic - 1.0)
        found.append(_move(values, "release.recovery_target_pct", below, "recovery_target_pct < panic_stuck_pct"))
    age_sec = _number(values, "release.min_age_sec")
    if _number(values, "release.panic_min_age_sec") > age_sec:
        found.append(_move(values, "release.panic_min_age_sec", age_sec, "panic_min_age_sec <= min_age_sec"))
    sticky = values["slots.sticky_mode_enabled"].value
    if values["release.auto_enabled"].value and not sticky:
        found.append(_move(values, "release.auto_enabled", False, "the release tiers need sticky_mode_enabled"))
    if sticky and not values["release.recon_hard_gate_enabled"].value:
        text = "release.recon_hard_gate_enabled = false: a drift of the balances does not block releases any more"
        found.append(Notice("warning", "recon_gate_off", "release.recon_hard_gate_enabled", text))
    return found


def _trend(values: Values) -> list[Notice]:
    """Keep the slow average at least as slow as the fast one, and floor and ceiling in their order (slots 21)."""
    notices = []
    fast = _number(values, "trend.fast_halflife_sec")
    if _number(values, "trend.slow_halflife_sec") < fast:
        notices.append(_move(values, "trend.slow_halflife_sec", fast, "slow >= fast"))
    low, high = _number(values, "trend.floor"), _number(values, "trend.ceiling")
    if low > high:
        notices.append(_move(values, "trend.floor", high, "floor <= ceiling, else swapped"))
        notices.append(_move(values, "trend.ceiling", low, "floor <= ceiling, else swapped"))
    chosen = [key for key in values if key.startswith("trend.") and values[key].layer != "default"]
    if chosen and not values["trend.enabled"].value:
        text = f"{', '.join(chosen)} set, but trend.enabled is false: floor and ceiling only bound the first target"
        notices.append(Notice("warning", "trend_off", "trend.enabled", text))
    return notices


def _safe_cap(values: Values) -> int:
    ratio = Decimal(str(_number(values, "slots.open_order_safety_ratio")))
    return max(1, int(int(_number(values, "slots.open_orders_per_pair_limit")) * ratio))


def _rebalancer(values: Values) -> list[Notice]:
    """Say when the capacity band of a full grid will hold the rebalancer still (slots 13, 15.5)."""
    wanted, cap = _ORDERS_PER_SLOT * int(_number(values, "slots.count")), _safe_cap(values)
    if not values["rebalance.enabled"].value or cap - wanted >= CAUTION_HEADROOM:
        return []
    text = (
        f"rebalance.enabled: {wanted} orders of a full grid come within {CAUTION_HEADROOM} of the safe cap {cap}; "
        "there the capacity band takes the skew away; fewer slots or a higher slots.open_order_safety_ratio let it act"
    )
    return [Notice("warning", "rebalancer_held", "rebalance.enabled", text)]


def _advice(values: Values) -> list[Notice]:
    """Say what is allowed but surprising, and sum up a sticky grid in one line (slots 8.1, 8.2, 9, 21)."""
    sticky = bool(values["slots.sticky_mode_enabled"].value)
    mode = values["slots.order_size_mode"].value
    count = int(_number(values, "slots.count"))
    cap = _safe_cap(values)
    size = values["slots.order_size_doge" if mode == "DOGE" and sticky else "slots.order_size_usd"].value
    found = []
    if sticky:
        unit = "base units" if mode == "DOGE" else "USD"
        text = f"sticky: {count} slots of {size} {unit} an order, at most {cap} open orders"
        found.append(Notice("info", "sticky_summary", "slots.sticky_mode_enabled", text))
    elif mode == "DOGE":
        text = "slots.order_size_mode = DOGE is honoured by sticky slots only; these slots use slots.order_size_usd"
        found.append(Notice("warning", "size_mode_ignored", "slots.order_size_mode", text))
    if sticky and values["slots.sticky_compounding_mode"].value != "legacy_profit":
        text = "slots.sticky_compounding_mode = fixed is the emergency fallback; sticky production uses legacy_profit"
        found.append(Notice("warning", "compounding_deviates", "slots.sticky_compounding_mode", text))
    drift_pct = _number(values, "slots.balance_recon_drift_pct")
    if sticky and not _RECON_LOW_PCT <= drift_pct <= _RECON_HIGH_PCT:
        text = f"slots.balance_recon_drift_pct = {drift_pct} is outside {_RECON_LOW_PCT:g} to {_RECON_HIGH_PCT:g}"
        found.append(Notice("warning", "recon_threshold", "slots.balance_recon_drift_pct", text))
    if _ORDERS_PER_SLOT * count > cap:
        text = (
            f"{count} slots want {_ORDERS_PER_SLOT * count} open orders, the safe cap is {cap}: some entries will wait"
        )
        found.append(Notice("warning", "slots_exceed_safe_cap", "slots.count", text))
    return found


def _slow_market(values: Values) -> list[Notice]:
    """Say what a quote desk trades on whose generated market is not as fast as a venue is (quoting 1)."""
    tempo = _number(values, "quoting.tempo")
    if not values["quoting.enabled"].value or tempo >= 1.0:
        return []
    text = (
        f"quoting.tempo: the quote desk's generated books and prices move at {tempo:g} of a busy venue's speed, moods"
        f" last {_number(values, 'quoting.mood_min'):g} min, makers pay {_number(values, 'quoting.maker_fee_bps'):g}"
        " bps: what it earns there says nothing about a real venue"
    )
    return [Notice("info", "slow_market", "quoting.tempo", text)]


_RULES: tuple[Callable[[Values], list[Notice]], ...] = (
    _profit,
    _slots,
    _averages,
    _bands,
    _staleness,
    _volatility,
    _release,
    _trend,
    _rebalancer,
    _advice,
    _slow_market,
)


def apply_rules(values: Values) -> list[Notice]:
    """Mend what breaks a rule between knobs, in place, and return a notice for each; then say what is surprising."""
    return [notice for rule in _RULES for notice in rule(values)]


def against_instrument(values: Values, instrument: Instrument) -> list[Notice]:
    """Lift the DOGE-mode order size to the instrument's minimum, in place, with a notice (slots 21)."""
    least = instrument.volume(instrument.min_lots)
    if values["slots.order_size_mode"].value != "DOGE" or _number(values, "slots.order_size_doge") >= least:
        return []
    return [_move(values, "slots.order_size_doge", least, f"order_size_doge >= minimum of {instrument.id}")]
