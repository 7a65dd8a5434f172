"""The figures of mapping and its checks, with the contract's defaults (arb 14, 4.8, 19).

They are one record, so that the hash of the effective settings covers them and no check has a number of its own.
"""

import msgspec

SECOND_NS = 10**9
MINUTE_NS = 60 * SECOND_NS
HOUR_NS = 60 * MINUTE_NS


class MappingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of tiers and checks; shares and prices in dollars of a one-dollar contract.

    A word is rare while at most `rare_word` markets of a venue have it.
    """

    strict_confidence: float = 0.90
    strict_signals: int = 2
    fallback_enabled: bool = False
    fallback_confidence: float = 0.70
    review_confidence: float = 0.70
    stale_sec: int = 3_600
    text_similarity: float = 0.62
    runner_up_gap: float = 0.05
    rare_word: int = 200
    close_within_sec: int = 48 * 3_600
    overlap_share: float = 0.9
    paired_mids: int = 20
    paired_sec: int = 1_800
    coherent_gap: float = 0.05
    correlation: float = 0.5
    moved: float = 0.05
    blocked_gap: float = 0.10
    blocked_edge: float = 0.05
    blocked_edge_sec: int = 600
    sanity_edge: float = 0.30
    drift: float = 0.15
    unlisted_sec: int = 3_600
    unlisted_error_sec: int = 24 * 3_600
    sample_sec: int = 60
    mid_age_sec: int = 300
    verify_sec: int = 1_800
