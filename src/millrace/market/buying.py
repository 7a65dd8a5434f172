"""From a seen book to what can be bought: the effective price of an outcome, and its ladder of prices (arb 2.1, 2.2).

An outcome is bought at its own ask, or by hitting the other outcome's bid at one dollar less that bid. On a mirrored
venue the two routes are one book seen twice, so their sizes at one price are the same contracts and are never added;
elsewhere one order takes one route, the better one. No size is ever invented: a level without contracts is no level.
"""

from enum import StrEnum
from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote, BookLevel, Levels
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import Lots, Outcome, Ticks


class Origin(StrEnum):
    """Where a price comes from: the outcome's own ask, or the other outcome's bid turned over (arb 2.1)."""

    DIRECT_ASK = "direct_ask"
    OPPOSITE_BID = "opposite_bid"


YES, DIRECT_ASK, OPPOSITE_BID = Outcome.YES, Origin.DIRECT_ASK, Origin.OPPOSITE_BID


class EffectiveBuy(NamedTuple):
    """The best price at which an outcome can be bought, the contracts there, and by which route (arb 1)."""

    ticks: Ticks
    lots: Lots
    origin: Origin


class Ladder(NamedTuple):
    """What can be bought of an outcome, the best price first; the origin is that of the best price."""

    levels: Levels
    origin: Origin


def effective_buy(ask: BookLevel | None, opposite_bid: BookLevel | None) -> EffectiveBuy | None:
    """Return the lower of the two routes, on equal prices the larger size; None when neither has contracts (arb 2.1).

    An ask outside 0 to 1 dollar is none; a turned bid is kept within them.
    """
    direct = None
    if ask is not None and ask.lots > 0 and 0 <= ask.ticks <= PAYOUT_TICKS:
        direct = EffectiveBuy(ask.ticks, ask.lots, DIRECT_ASK)
    if opposite_bid is None or opposite_bid.lots <= 0:
        return direct
    turned = min(max(PAYOUT_TICKS - opposite_bid.ticks, 0), PAYOUT_TICKS)
    if direct is None or (turned, -opposite_bid.lots) < (direct.ticks, -direct.lots):
        return EffectiveBuy(turned, opposite_bid.lots, OPPOSITE_BID)
    return direct


def asks_and_turned(quote: BinaryQuote, outcome: Outcome) -> tuple[Levels, Levels]:
    """Return an outcome's asks, and the bids of the other outcome that can be hit instead."""
    return (quote.yes_asks, quote.no_bids) if outcome is YES else (quote.no_asks, quote.yes_bids)


def bids_of(quote: BinaryQuote, outcome: Outcome) -> Levels:
    """Return an outcome's own bids."""
    return quote.yes_bids if outcome is YES else quote.no_bids


def ladder_of(quote: BinaryQuote, outcome: Outcome, *, mirrored: bool) -> Ladder | None:
    """Return what can be bought of an outcome; None when nothing can (arb 2.2)."""
    asks, bids = asks_and_turned(quote, outcome)
    if bids and _is_one_book(asks, bids):
        return Ladder(asks, DIRECT_ASK)
    top = effective_buy(asks[0] if asks else None, bids[0] if bids else None)
    if top is None:
        return None
    if not bids:
        return Ladder(asks, top.origin)
    turned = tuple([BookLevel(PAYOUT_TICKS - ticks, lots) for ticks, lots in bids])
    if turned == asks:
        return Ladder(asks, top.origin)
    if not mirrored:
        return Ladder(asks if top.origin is DIRECT_ASK else turned, top.origin)
    seen: dict[Ticks, Lots] = dict(turned)
    for level in asks:
        seen[level.ticks] = max(seen.get(level.ticks, 0), level.lots)
    return Ladder(tuple(BookLevel(ticks, seen[ticks]) for ticks in sorted(seen)), top.origin)


def _is_one_book(asks: Levels, bids: Levels) -> bool:
    """Tell whether both routes show the same contracts, as those of most books do; then the direct one is taken."""
    if len(asks) != len(bids):
        return False
    for (ticks, lots), (bid_ticks, bid_lots) in zip(asks, bids, strict=True):
        if ticks + bid_ticks != PAYOUT_TICKS or lots != bid_lots:
            return False
    best, lots = asks[0]
    return lots > 0 and 0 <= best <= PAYOUT_TICKS
