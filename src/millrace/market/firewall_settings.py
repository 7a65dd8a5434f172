"""The figures of the data-quality firewall, under the names of their knobs (section `firewall`).

Prices are shares of a dollar for outcomes and per cent for spot; times are seconds, as a person writes them. Whoever
judges turns them into integers once, when it is made.
"""

import msgspec

from millrace.core.fee_terms import PAYOUT_TICKS

SECOND_NS = 1_000_000_000


class FirewallSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Defaults are those of runtime 2.2; the knobs say what each means."""

    future_limit_sec: float = 2.0
    stale_feed_sec: float = 5.0
    poll_interval_sec: float = 1.0
    stale_book_sec: float = 900.0
    gate_age_sec: float = 2.0
    micro_price: float = 0.01
    degenerate_price: float = 0.99
    complement_high: float = 1.15
    complement_low: float = 0.85
    spread_wide: float = 0.10
    jump_binary: float = 0.10
    jump_spot_pct: float = 3.0
    jump_multiple: float = 8.0
    baseline_max_age_sec: float = 60.0
    confirm_gap_sec: float = 0.25
    confirm_share: float = 0.25
    suspect_limit_sec: float = 30.0
    quarantine_strikes: int = 5
    quarantine_window_sec: float = 60.0
    quarantine_sec: float = 60.0
    quarantine_longest_sec: float = 900.0
    quarantine_relapse_sec: float = 600.0
    ratio_quotes: int = 200
    caution_ratio: float = 0.2
    caution_multiplier: float = 0.5
    halt_ratio: float = 0.5
    lift_ratio: float = 0.05
    lift_after_sec: float = 60.0


def ns(seconds: float) -> int:
    """Return seconds as integer nanoseconds."""
    return round(seconds * SECOND_NS)


def price_ticks(dollars: float) -> int:
    """Return a price of an outcome, in dollars, as ticks of 1/10000."""
    return round(dollars * PAYOUT_TICKS)
