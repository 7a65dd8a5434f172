"""The first stage: is there a book that may be priced from, and how old is it (quoting 4.1).

It reads and judges, it never fetches: bringing data up to date is the feed's duty before the tick. What it refuses
becomes a typed fault, on which both sides are pulled; a book that is merely old keeps what already rests.
"""

from millrace.strategies.quoting.model import FaultCode, Features, Freshness, StageFault
from millrace.strategies.quoting.settings import MarketDataSettings

STAGE = "stage_fetch_md"
_MS_NS = 1_000_000


def fetch_md(features: Features, cfg: MarketDataSettings) -> Freshness | StageFault:
    """Return how fresh the book is, or why there is none to quote from.

    Age counts from when the feed last showed the book to be current. A book that seems to come from the future by more
    than the limit is as useless as an old one: one of the clocks is wrong.
    """
    if features.md_gap:
        return StageFault(STAGE, FaultCode.MD_GAP, features.book_fault or "the venue's numbers skip")
    book = features.book
    if book is None:
        return StageFault(STAGE, FaultCode.MD_BAD, features.book_fault or "no book")
    age_ms = features.now_ms - book.recv_ns // _MS_NS
    fresh_ms = cfg.fresh_ms_for_pricing
    if 0 <= age_ms <= fresh_ms:
        return Freshness(age_ms, True, True, False, True)
    limit_ms = cfg.invalidate_on_ws_gap_ms
    if age_ms > limit_ms or age_ms < -limit_ms:
        return StageFault(STAGE, FaultCode.MD_STALE, f"the book is {age_ms} ms old; {limit_ms} are the most")
    fresh = age_ms < 0
    usable = cfg.enabled and cfg.stale_ok and not cfg.skip_pricing_on_stale and age_ms <= cfg.ttl_ms
    return Freshness(age_ms, fresh, fresh, usable and not fresh, usable or fresh)
