"""The words in which market data are judged: may a decision rest on this observation, and if not, why (runtime 2.2).

The reasons are a closed list, because a reason that carries a number makes a new label with each quote; numbers stand
beside it. They are words of the core, so that guards, strategies and the decision rows of a ledger share them with the
firewall, which stands in `market`.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import InstrumentId, Lots, Ticks


class Verdict(StrEnum):
    """Accept: decisions may rest on it. Suspect: it waits for confirmation. Reject: it changes nothing but counts."""

    ACCEPT = "accept"
    SUSPECT = "suspect"
    REJECT = "reject"


class QuoteReason(StrEnum):
    """Everything that can be wrong with an observation, or with trading on the last accepted one."""

    MISSING_IDENTITY = "missing_identity"
    MISSING_FIELD = "missing_field"
    NON_NUMERIC = "non_numeric"
    NON_FINITE = "non_finite"
    PRICE_OUT_OF_RANGE = "price_out_of_range"
    OFF_TICK = "off_tick"
    NON_POSITIVE_SIZE = "non_positive_size"
    UNSORTED_BOOK = "unsorted_book"
    NEGATIVE_FEE = "negative_fee"
    FEE_UNKNOWN = "fee_unknown"
    BAD_TIMESTAMP = "bad_timestamp"
    FUTURE_TIMESTAMP = "future_timestamp"
    STALE_FEED = "stale_feed"
    STALE_BOOK = "stale_book"
    OUT_OF_ORDER = "out_of_order"
    DUPLICATE = "duplicate"
    UNVERIFIED_BOOK = "unverified_book"
    MARKET_ENDED = "market_ended"
    CROSSED = "crossed"
    LOCKED = "locked"
    ONE_SIDED = "one_sided"
    MICRO_PRICE = "micro_price"
    DEGENERATE = "degenerate"
    COMPLEMENT_HIGH = "complement_high"
    COMPLEMENT_LOW = "complement_low"
    BID_COMPLEMENT = "bid_complement"
    PRICE_JUMP = "price_jump"
    SPREAD_WIDE = "spread_wide"
    THIN_BOOK = "thin_book"
    QUARANTINED = "quarantined"
    NO_QUOTE = "no_quote"
    PRICE_MOVED = "price_moved"
    MAPPING_CONFIDENCE = "mapping_confidence"
    INTERNAL_ERROR = "internal_error"


class Judged(msgspec.Struct, frozen=True, gc=False):
    """What was thought of one observation that is not plainly accepted.

    `figures` are the measured values of reasons that have one: price units, twice the middle for a jump.
    """

    market: InstrumentId
    version: int
    verdict: Verdict
    reasons: tuple[QuoteReason, ...]
    ts_ns: int
    figures: tuple[tuple[QuoteReason, int], ...] = ()

    @property
    def is_accepted(self) -> bool:
        """Whether decisions may rest on it after all: a level shift, confirmed."""
        return self.verdict is Verdict.ACCEPT


class LegVerdict(NamedTuple):
    """What a decision row keeps of a leg (A5): the book that it rests on and what the firewall says of its market.

    `version` is that of the accepted book, -1 without one; `verdict` that of the newest observation.
    """

    market: InstrumentId
    version: int
    verdict: Verdict


class FeedHealth(NamedTuple):
    """How many observations of a venue were judged in the last half minute, and how many rejected as dirty."""

    seen: int
    rejected: int

    @property
    def ratio(self) -> float:
        """The share of rejected ones; 0.0 where nothing was seen."""
        return self.rejected / self.seen if self.seen else 0.0


class LegNeeds(NamedTuple):
    """What one leg asks of the market at the moment of trading; the defaults are a taker that buys a contract.

    `limit_ticks` is the worst price of its plan. `least_confidence` is what a leg of a mapped pair demands of its
    `confidence`; an absent one fails it.
    """

    buys: bool = True
    taker: bool = True
    least_lots: Lots = CONTRACT_LOTS
    limit_ticks: Ticks | None = None
    least_confidence: float | None = None
    confidence: float | None = None


TAKER_BUY = LegNeeds()
