"""Whatever the environment holds, settings come out typed, finite and within their limits, or an operator error does."""

from math import isfinite

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.config.knobs import KNOBS, LEGACY
from millrace.config.load import load_settings
from millrace.core.failure import OperatorError

AVAILABLE = sorted(name for name, knob in LEGACY.items() if knob.available and knob.env)
TYPES = {"bool": bool, "int": int, "float": float, "enum": str, "text": str}
TEXTS = st.one_of(
    st.floats().map(str), st.integers(-(10**6), 10**6).map(str), st.booleans().map(str), st.text(max_size=12)
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(AVAILABLE), TEXTS, max_size=8))
def test_any_legacy_environment_gives_values_within_their_limits(environ):
    try:
        loaded = load_settings(environ=environ)
    except OperatorError as error:
        assert "given twice" in str(error)  # noqa: PT017  two names of one knob
        return
    for key, value in loaded.flat().items():
        knob = KNOBS[key]
        assert value is None or type(value) is TYPES[knob.kind]
        if knob.kind in {"int", "float"} and value is not None:
            assert isfinite(value)
            assert knob.low is None or value >= knob.low
            assert knob.high is None or value <= knob.high
            assert knob.above is None or value > knob.above
        if knob.choices:
            assert value in knob.choices
    slots = loaded.slots
    assert slots.profit_pct >= 2 * slots.maker_fee_pct + 0.1 - 1e-9
    assert slots.sticky_target_slots <= slots.sticky_max_target_slots
    assert slots.momentum.ema_slow_bars > slots.momentum.ema_fast_bars
    assert slots.regime.adx_trending_min > slots.regime.adx_choppy_max
    assert slots.stale_price_max_age_sec >= slots.poll_interval_sec
    changed = [key for key, setting in loaded.values.items() if setting.value != KNOBS[key].default]
    assert not changed or loaded.notices


@settings(max_examples=50, deadline=None)
@given(st.permutations(["slots.count", "slots.entry_pct", "sizer.enabled"]))
def test_the_order_of_overrides_changes_nothing(order):
    values = {"slots.count": 12, "slots.entry_pct": 0.4, "sizer.enabled": True}
    assert load_settings(overrides={key: values[key] for key in order}).digest == load_settings(overrides=values).digest
