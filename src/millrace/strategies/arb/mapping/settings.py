"""The figures of mapping and its checks, with the contract's defaults (arb 14, 4.8, 19).

They are one record, so that the hash of the effective settings covers them and no check has a number of its own.
"""

import msgspec

MINUTE_NS = 60 * 10**9
HOUR_NS = 60 * MINUTE_NS


class MappingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of tiers and checks; shares and prices in dollars of a one-dollar contract, times in ns.

    A word is rare while at most `rare_word` markets of a venue have it.
    """

    strict_confidence: float = 0.90
    strict_signals: int = 2
    fallback_enabled: bool = False
    fallback_confidence: float = 0.70
    review_confidence: float = 0.70
    stale_ns: int = HOUR_NS
    text_similarity: float = 0.62
    runner_up_gap: float = 0.05
    rare_word: int = 200
    close_within_ns: int = 48 * HOUR_NS
    overlap_share: float = 0.9
    paired_mids: int = 20
    paired_ns: int = 30 * MINUTE_NS
    coherent_gap: float = 0.05
    correlation: float = 0.5
    moved: float = 0.05
    blocked_gap: float = 0.10
    blocked_edge: float = 0.05
    blocked_edge_ns: int = 10 * MINUTE_NS
    sanity_edge: float = 0.30
    drift: float = 0.15
    unlisted_ns: int = HOUR_NS
    unlisted_error_ns: int = 24 * HOUR_NS
    sample_ns: int = MINUTE_NS
    mid_age_ns: int = 5 * MINUTE_NS
