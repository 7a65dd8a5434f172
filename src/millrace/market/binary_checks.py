"""What can be wrong, or unlikely, about the book of a binary market (runtime 2.2).

An adapter hands over what a venue sent, and a venue sends anything. So every number is looked at before it is compared,
and each fault has one name. What is unlikely but possible is measured: two outcomes that together cost far less than
the dollar that they pay are an error or an opportunity, and only later observations tell which.
"""

import math
from typing import Any, NamedTuple

from millrace.core.binary_events import BinaryQuote, Levels, QuoteSource
from millrace.core.data_quality import QuoteReason
from millrace.core.events import Print
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS, UNKNOWN_SOURCE, FeeSchedule
from millrace.core.instrument import Instrument, InstrumentId, Ticks
from millrace.market.firewall_settings import FirewallSettings, ns, price_ticks
from millrace.market.suspicion import Measure
from millrace.market.watch import Watch

_NEVER_TRADABLE = frozenset({QuoteSource.WARM, QuoteSource.SUMMARY})
_HALF = PAYOUT_TICKS // 2


class BinaryTermsKnown(NamedTuple):
    """What is known of a market beforehand: its tick, and what is wrong with its fees, if anything."""

    tick: Ticks
    fee_fault: QuoteReason | None


class Tops(NamedTuple):
    """The best prices of a book in ticks; None where a side is empty."""

    yes_ask: Ticks | None
    no_ask: Ticks | None
    yes_bid: Ticks | None
    no_bid: Ticks | None

    @classmethod
    def of(cls, quote: BinaryQuote) -> "Tops":
        """Return them of a book whose numbers are sound."""
        return cls(*(levels[0][0] if levels else None for levels in _sides(quote)))

    @property
    def middle(self) -> int | None:
        """Twice the price of YES that the book implies, in ticks: by both asks, else both bids, else one outcome's own.

        None where the book tells no middle.
        """
        yes_ask, no_ask, yes_bid, no_bid = self
        if yes_ask is not None and no_ask is not None:
            return yes_ask + PAYOUT_TICKS - no_ask
        if yes_bid is not None and no_bid is not None:
            return yes_bid + PAYOUT_TICKS - no_bid
        if yes_ask is not None and yes_bid is not None:
            return yes_ask + yes_bid
        if no_ask is not None and no_bid is not None:
            return 2 * PAYOUT_TICKS - no_ask - no_bid
        return None


class BinaryRules(NamedTuple):
    """The firewall's figures for outcomes, as integers."""

    future_ns: int
    degenerate: Ticks
    high: Ticks
    low: Ticks
    jump: Ticks
    jump_multiple: float

    @classmethod
    def of(cls, settings: FirewallSettings) -> "BinaryRules":
        """Return them from the settings."""
        return cls(
            ns(settings.future_limit_sec),
            price_ticks(settings.degenerate_price),
            price_ticks(settings.complement_high),
            price_ticks(settings.complement_low),
            2 * price_ticks(settings.jump_binary),
            settings.jump_multiple,
        )

    def wrong(self, quote: BinaryQuote, terms: BinaryTermsKnown, ahead_ns: int = 0) -> tuple[QuoteReason, ...]:
        """Return what is wrong with a book of a venue whose clock leads ours; () when its numbers are sound."""
        fault = _fields(quote) or _times(quote, self.future_ns + ahead_ns)
        if fault is not None:
            return (fault,)
        found = [] if terms.fee_fault is None else [terms.fee_fault]
        for levels, falling in zip(_sides(quote), (False, False, True, True), strict=True):
            fault = _levels(levels, terms.tick, falling=falling)
            if fault is not None:
                found.append(fault)
        if quote.source in _NEVER_TRADABLE:
            found.append(QuoteReason.UNVERIFIED_BOOK)
        return tuple(dict.fromkeys(found)) if found else self._shape(Tops.of(quote))

    def _shape(self, tops: Tops) -> tuple[QuoteReason, ...]:
        """Return what is wrong with the book as a whole."""
        yes_ask, no_ask, yes_bid, no_bid = tops
        if tops == (None, None, None, None):
            return (QuoteReason.DEGENERATE,)
        found = []
        if _equal(yes_ask, yes_bid) or _equal(no_ask, no_bid):
            found.append(QuoteReason.LOCKED)
        if yes_ask is not None and no_ask is not None:
            if yes_ask >= self.degenerate and no_ask >= self.degenerate:
                found.append(QuoteReason.DEGENERATE)
            elif yes_ask + no_ask > self.high:
                found.append(QuoteReason.COMPLEMENT_HIGH)
        return tuple(found)

    def unlikely(self, tops: Tops, watch: Watch, ts_ns: int, tick: Ticks) -> tuple[Measure, ...]:
        """Return what must be confirmed before the book may be used."""
        yes_ask, no_ask, yes_bid, no_bid = tops
        found = []
        over = max(_over(yes_bid, yes_ask), _over(no_bid, no_ask))
        if over > 0:
            found.append(Measure(QuoteReason.CROSSED, over, over, tick))
        if yes_ask is not None and no_ask is not None and yes_ask + no_ask < self.low:
            total = yes_ask + no_ask
            found.append(Measure(QuoteReason.COMPLEMENT_LOW, total, PAYOUT_TICKS - total, tick))
        if yes_bid is not None and no_bid is not None and yes_bid + no_bid > PAYOUT_TICKS:
            total = yes_bid + no_bid
            found.append(Measure(QuoteReason.BID_COMPLEMENT, total, total - PAYOUT_TICKS, tick))
        middle, base = tops.middle, watch.middle
        if middle is not None and base is not None:
            move = abs(middle - base)
            if move > self.jump and move > self.jump_multiple * watch.usual_move(ts_ns):
                found.append(Measure(QuoteReason.PRICE_JUMP, middle, move, 2 * tick))
        return tuple(found)


def terms_of(instrument: Instrument, fees: FeeSchedule) -> BinaryTermsKnown:
    """Return what a market's books are judged by; a taker who is paid at an even price is a fault of its facts.

    A maker may be: some venues give a rebate.
    """
    if fees.source == UNKNOWN_SOURCE:
        return BinaryTermsKnown(instrument.tick, QuoteReason.FEE_UNKNOWN)
    paid = fees.fee_nano(_HALF, CONTRACT_LOTS, maker=False)
    return BinaryTermsKnown(instrument.tick, QuoteReason.NEGATIVE_FEE if paid < 0 else None)


def wrong_print(event: Print, tick: Ticks) -> tuple[QuoteReason, ...]:
    """Return what is wrong with a trade of an outcome; () when its numbers are sound."""
    found = []
    if not 0 < event.ticks < PAYOUT_TICKS:
        found.append(QuoteReason.PRICE_OUT_OF_RANGE)
    elif event.ticks % tick:
        found.append(QuoteReason.OFF_TICK)
    if event.lots <= 0:
        found.append(QuoteReason.NON_POSITIVE_SIZE)
    if event.ts_ns <= 0:
        found.append(QuoteReason.BAD_TIMESTAMP)
    return tuple(found)


def beyond_book(ticks: Ticks, asks: Levels, bids: Levels) -> Ticks:
    """Return how far a price lies outside of what a book shows; 0 within its levels, and where a side is empty."""
    over = ticks - asks[-1].ticks if asks else 0
    under = bids[-1].ticks - ticks if bids else 0
    return max(over, under, 0)


def _sides(quote: BinaryQuote) -> tuple[Levels, Levels, Levels, Levels]:
    return quote.yes_asks, quote.no_asks, quote.yes_bids, quote.no_bids


def is_named(market: Any) -> bool:
    """Tell whether this names a venue and a market of it."""
    return isinstance(market, InstrumentId) and bool(market.venue and market.symbol)


def _fields(quote: BinaryQuote) -> QuoteReason | None:
    if None in (quote.version, quote.source, *_sides(quote)):
        return QuoteReason.MISSING_FIELD
    return None if type(quote.version) is int else _no_integer((quote.version,))


def _times(quote: BinaryQuote, future_ns: int) -> QuoteReason | None:
    ts_ns, venue_ns = quote.ts_ns, quote.venue_ts_ns
    if type(ts_ns) is not int or type(venue_ns) is not int or ts_ns <= 0 or venue_ns < 0:
        return QuoteReason.BAD_TIMESTAMP
    return QuoteReason.FUTURE_TIMESTAMP if venue_ns > ts_ns + future_ns else None


def _levels(levels: Levels, tick: Ticks, *, falling: bool) -> QuoteReason | None:
    """Return the first fault of one side; prices rise, or fall, from the best on."""
    before: Ticks | None = None
    for ticks, lots in levels:
        if type(ticks) is not int or type(lots) is not int:
            return _no_integer((ticks, lots))
        if not 0 <= ticks <= PAYOUT_TICKS:
            return QuoteReason.PRICE_OUT_OF_RANGE
        if ticks % tick:
            return QuoteReason.OFF_TICK
        if lots <= 0:
            return QuoteReason.NON_POSITIVE_SIZE
        if before is not None and (ticks >= before if falling else ticks <= before):
            return QuoteReason.UNSORTED_BOOK
        before = ticks
    return None


def _no_integer(values: tuple[Any, ...]) -> QuoteReason:
    """Name what is wrong with numbers that are not all integers."""
    if None in values:
        return QuoteReason.MISSING_FIELD
    floats = [value for value in values if isinstance(value, float)]
    return QuoteReason.NON_NUMERIC if all(map(math.isfinite, floats)) else QuoteReason.NON_FINITE


def _equal(one: Ticks | None, other: Ticks | None) -> bool:
    return one is not None and one == other


def _over(bid: Ticks | None, ask: Ticks | None) -> int:
    return 0 if bid is None or ask is None else bid - ask
