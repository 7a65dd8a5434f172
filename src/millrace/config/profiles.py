"""Named sets of values between the defaults and the configuration file.

The contract's own order of 2 USD is below what the venue accepts today, so what a stranger runs first is a profile
(design section 7). A profile says only what differs from the defaults.
"""

from collections.abc import Mapping

from millrace.core.events import Scalar
from millrace.strategies.arb.gates.settings import START_PROFILE

_STICKY_80: dict[str, Scalar] = {
    "slots.count": 80,
    "slots.sticky_mode_enabled": True,
    "slots.order_size_mode": "DOGE",
    "slots.balance_recon_drift_pct": 1.5,
    "sizer.shadow": True,
}

_DEMO: dict[str, Scalar] = {
    **_STICKY_80,
    "run.seed": 21,
    "slots.order_size_doge": 60.0,
    "venue.base_balance": 10_000.0,
    "venue.quote_balance": 2_000.0,
}

_QUIET_QUOTES: dict[str, Scalar] = {
    "quoting.enabled": True,
    "quoting.tempo": 0.05,
    "quoting.mood_min": 60,
    "quoting_symbol_scoreboard.rolling_window_sec": 3_600,
    "quoting_symbol_scoreboard.half_life_sec": 1_800.0,
    "quoting.min_tick_ms": 500,
    "quoting.look_ms": 10_000,
    "quoting_md_cache.fresh_ms_for_pricing": 5_000,
    "quoting_md_cache.ttl_ms": 5_000,
    "quoting_md_cache.invalidate_on_ws_gap_ms": 10_000,
    "quoting_market_guard.feed_gap_ms": 10_000,
}
"""A venue that speaks some four times a second, so that four hours pass in a minute; a book may be older there."""

PROFILES: Mapping[str, Mapping[str, Scalar]] = {
    "default": {},
    "demo": _DEMO,
    "demo_desk": {**_DEMO, "arb.enabled": True},
    "demo_all": {**_DEMO, "arb.enabled": True, **_QUIET_QUOTES, "run.survives_power_loss": False},
    "demo_btc": {
        **_STICKY_80,
        "run.instrument": "kraken:BTC/USDC",
        "slots.order_size_doge": 0.0005,
        "venue.base_balance": 0.1,
        "venue.quote_balance": 2_000.0,
    },
    "arb_start": {
        **_DEMO,
        "arb.enabled": True,
        "stops.daily_loss_cap_usd": 10.0,
        **START_PROFILE,
    },
    "legacy10": {
        "slots.count": 10,
        "slots.order_size_usd": 12.0,
        "venue.base_balance": 10_000.0,
        "venue.quote_balance": 2_000.0,
    },
}
"""demo: design section 7; its seed gives a market that moves in the first minutes. demo_desk: the same with the
arbitrage desk beside it; demo_all: and the quote desk, what `millrace demo` runs. demo_btc: the same grid worth about
the same money on BTC/USDC. arb_start: demo_desk, as money begins (arb 10). legacy10: ten slots that time out, in USD
mode, with an order that stays above 50 DOGE up to 0.23 USD."""
