"""The firewall for binary markets, and the gate that each leg passes before it is traded (runtime 2.2).

Per market it keeps the last accepted book, which is all that a desk may see, and what the newest observation was like,
because a book that was good a moment ago says nothing once its market sends rubbish. A leg may be traded only on a book
that was accepted, of a feed that is alive, in a market that is not in quarantine.
"""

from typing import Any

import msgspec

from millrace.core.binary_events import BinaryQuote, Levels, QuoteSource
from millrace.core.data_quality import LegNeeds, LegVerdict, QuoteReason, Verdict
from millrace.core.events import Print
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import BinaryTerms, Instrument, InstrumentId, Outcome
from millrace.market.binary_checks import (
    BinaryRules,
    BinaryTermsKnown,
    Tops,
    beyond_book,
    is_named,
    terms_of,
    wrong_print,
)
from millrace.market.buying import asks_and_turned, bids_of, effective_buy
from millrace.market.firewall_settings import FirewallSettings, ns, price_ticks
from millrace.market.suspicion import Measure
from millrace.market.watch import LATE, TWICE, Opinion, Watch

_BROKEN = (TypeError, ValueError, ArithmeticError, LookupError, AttributeError)
"""What a malformed value raises when it is judged: rejected as an internal error, and counted (runtime 2.2)."""
_INTERNAL = (QuoteReason.INTERNAL_ERROR,)
_ENDED = Opinion(Verdict.REJECT, (QuoteReason.MARKET_ENDED,))
_NAMELESS = Opinion(Verdict.REJECT, (QuoteReason.MISSING_IDENTITY,))
_UNVERIFIED = Opinion(Verdict.SUSPECT, (QuoteReason.UNVERIFIED_BOOK,))
_NO_FEES = Opinion(Verdict.REJECT, (QuoteReason.FEE_UNKNOWN,))


class _Market:
    """One market; `opinion` is that of its newest observation, None when it was plainly accepted."""

    __slots__ = ("changed_ns", "ended", "opinion", "printed_ns", "quote", "seen_ns", "verified", "watch")

    def __init__(self, settings: FirewallSettings) -> None:
        self.watch = Watch(settings)
        self.quote: BinaryQuote | None = None
        self.opinion: Opinion | None = None
        self.verified = False
        self.ended = False
        self.seen_ns = 0
        self.changed_ns = 0
        self.printed_ns = 0


class BinaryFirewall:
    """Every binary market's state; a market whose facts nobody told has none."""

    def __init__(self, settings: FirewallSettings) -> None:
        self._settings = settings
        self._rules = BinaryRules.of(settings)
        self._terms: dict[InstrumentId, BinaryTermsKnown] = {}
        self._markets: dict[InstrumentId, _Market] = {}
        self._doubtful: dict[InstrumentId, None] = {}
        self._ahead_ns: dict[str, int] = {}
        self._stale_ns = ns(settings.stale_feed_sec)
        self._poll_ns = ns(2 * settings.poll_interval_sec + settings.stale_feed_sec)
        self._gate_ns = ns(settings.gate_age_sec)
        self._book_ns = ns(settings.stale_book_sec)
        self._micro = price_ticks(settings.micro_price)
        self._wide = price_ticks(settings.spread_wide)

    def know(self, instrument: Instrument, terms: BinaryTerms) -> None:
        """Learn a market's tick and fees from one of its outcomes."""
        self._terms[terms.market] = terms_of(instrument, terms.fees)

    # Observations

    def judge(self, quote: BinaryQuote) -> Opinion | None:
        """Judge a book; None: plainly accepted. What is not accepted changes no book."""
        if not is_named(quote.market):
            return _NAMELESS
        if quote.market not in self._terms:
            return _NO_FEES
        market = self._market(quote.market)
        try:
            opinion = self._opinion(market, quote)
        except _BROKEN:
            opinion = market.watch.reject(_INTERNAL, quote.ts_ns)
        if opinion is LATE or opinion is TWICE:
            return opinion
        market.opinion = opinion
        self._note_doubt(quote.market, market)
        if opinion is None or opinion.verdict is Verdict.ACCEPT:
            self._take(market, quote)
        return opinion

    def print_(self, event: Print, at: InstrumentId, outcome: Outcome) -> Opinion | None:
        """Judge a trade of an outcome; None: plainly accepted. It changes no book, and no book's verdict.

        One that is farther beyond the last accepted book than a middle may leap is not believed: it says nothing of
        what trades at our prices.
        """
        market = self._market(at)
        if market.ended:
            return _ENDED
        wrong = wrong_print(event, self._terms[at].tick)
        if wrong:
            return Opinion(Verdict.REJECT, wrong)
        if event.ts_ns < market.printed_ns:
            return LATE
        market.printed_ns = event.ts_ns
        book = market.quote
        if book is None or not market.verified:
            return _UNVERIFIED
        beyond = beyond_book(event.ticks, asks_and_turned(book, outcome)[0], bids_of(book, outcome))
        if 2 * beyond <= self._rules.jump:
            return None
        measure = Measure(QuoteReason.PRICE_JUMP, event.ticks, beyond, 1)
        return Opinion(Verdict.SUSPECT, (QuoteReason.PRICE_JUMP,), (measure,))

    def _opinion(self, market: _Market, quote: BinaryQuote) -> Opinion | None:
        if market.ended:
            return _ENDED
        terms = self._terms[quote.market]
        wrong = self._rules.wrong(quote, terms, self._ahead_ns.get(quote.market.venue, 0) if self._ahead_ns else 0)
        if wrong:
            return market.watch.reject(wrong, quote.ts_ns)
        polled = quote.source is QuoteSource.POLL
        last = market.quote
        if (
            last is not None
            and market.verified
            and quote.version <= last.version
            and not (polled and quote.version == last.version)
        ):
            return TWICE if quote.version == last.version else LATE
        if not polled and market.watch.suspicion.since_ns and quote.version == market.watch.suspicion.version:
            return TWICE
        tops = Tops.of(quote)
        measures = self._rules.unlikely(tops, market.watch, quote.ts_ns, terms.tick)
        snapshot = polled or not market.verified
        return market.watch.settle(measures, quote.version, tops.middle, quote.ts_ns, snapshot=snapshot)

    def _note_doubt(self, at: InstrumentId, market: _Market) -> None:
        """Keep the few markets that may have to be asked for, so that nobody has to look at all."""
        if market.watch.suspicion.since_ns or market.watch.quarantine.until_ns:
            self._doubtful[at] = None
        elif at in self._doubtful:
            del self._doubtful[at]

    def _take(self, market: _Market, quote: BinaryQuote) -> None:
        last = market.quote
        if last is None or sides(last) != sides(quote):
            market.changed_ns = quote.ts_ns
        market.quote = quote
        market.seen_ns = quote.ts_ns
        market.verified = True

    def reset(self, venue: str) -> None:
        """Forget what a venue's stream was compared with: its books are not verified until they are seen again."""
        for at, market in self._markets.items():
            if at.venue == venue:
                market.watch.forget()
                self._note_doubt(at, market)
                market.verified = False

    def skewed(self, venue: str | None, ahead_ns: int) -> None:
        """Correct what a venue says its times are by what its clock leads ours; None: nobody's any more."""
        if venue is None:
            self._ahead_ns.clear()
        else:
            self._ahead_ns[venue] = ahead_ns

    def end(self, at: InstrumentId) -> None:
        """A market is over: it has no book any more and will not have one."""
        market = self._markets[at] = _Market(self._settings)
        market.ended = True
        self._note_doubt(at, market)

    # What is known

    def book(self, at: InstrumentId) -> BinaryQuote | None:
        """Return the last accepted book; None when none was."""
        market = self._markets.get(at)
        return None if market is None else market.quote

    def leg_verdict(self, at: InstrumentId) -> LegVerdict:
        """Return what a decision row keeps of a leg on this market."""
        market = self._markets.get(at)
        if market is None or market.quote is None or not market.verified:
            return LegVerdict(at, -1, Verdict.REJECT)
        verdict = Verdict.ACCEPT if market.opinion is None else market.opinion.verdict
        return LegVerdict(at, market.quote.version, verdict)

    def quarantined(self) -> set[InstrumentId]:
        """Return the markets in quarantine."""
        return {at for at, market in self._markets.items() if market.watch.quarantine.until_ns}

    def unsettled(self, now_ns: int) -> tuple[InstrumentId, ...]:
        """Return the markets that only a snapshot can settle: suspect for too long, or their quarantine is over."""
        found = ((at, self._markets[at].watch) for at in self._doubtful)
        return tuple(
            at for at, watch in found if watch.suspicion.is_overdue(now_ns) or 0 < watch.quarantine.until_ns <= now_ns
        )

    def state_faults(self, at: InstrumentId, now_ns: int, heard_ns: int) -> tuple[QuoteReason, ...]:
        """Return why a market's data may not be traded on at all, whatever the leg wants.

        `heard_ns` is when the venue's stream last spoke; a polled book is as old as its poll.
        """
        market = self._markets.get(at)
        if market is None or (market.quote is None and market.opinion is None):
            return (QuoteReason.NO_QUOTE,)
        found = [] if market.opinion is None or market.opinion.verdict is Verdict.ACCEPT else [*market.opinion.reasons]
        if market.ended:
            found.append(QuoteReason.MARKET_ENDED)
        elif market.quote is None:
            found.append(QuoteReason.NO_QUOTE)
        elif not market.verified:
            found.append(QuoteReason.UNVERIFIED_BOOK)
        if market.watch.quarantine.until_ns:
            found.append(QuoteReason.QUARANTINED)
        polled = market.quote is not None and market.quote.source is QuoteSource.POLL
        limit_ns = min(self._gate_ns, self._poll_ns if polled else self._stale_ns)
        if now_ns - (market.seen_ns if polled else heard_ns) > limit_ns:
            found.append(QuoteReason.STALE_FEED)
        return tuple(dict.fromkeys(found))

    def flags(self, at: InstrumentId, now_ns: int) -> tuple[QuoteReason, ...]:
        """Return what is worth knowing of a market and forbids nothing: a book that has not changed for long."""
        market = self._markets.get(at)
        quiet = market is not None and market.quote is not None and now_ns - market.changed_ns > self._book_ns
        return (QuoteReason.STALE_BOOK,) if quiet else ()

    def stale_books(self, now_ns: int) -> list[InstrumentId]:
        """Return the markets whose book has not changed for long."""
        return [at for at in self._markets if self.flags(at, now_ns)]

    def leg_faults(self, at: InstrumentId, outcome: Outcome, needs: LegNeeds) -> tuple[QuoteReason, ...]:
        """Return why the last accepted book does not serve this leg."""
        found = []
        if needs.least_confidence is not None and (
            needs.confidence is None or needs.confidence < needs.least_confidence
        ):
            found.append(QuoteReason.MAPPING_CONFIDENCE)
        quote = self.book(at)
        if quote is None:
            return tuple(found)
        asks, turned = asks_and_turned(quote, outcome)
        bids = bids_of(quote, outcome)
        # The other outcome's bid may be the better way in, or the only one (arb 2.1).
        way_in = effective_buy(asks[0] if asks else None, turned[0] if turned else None)
        way_out = bids[0] if bids else None
        met, other = (way_in, bids) if needs.buys else (way_out, asks)
        if met is None:
            return (*found, QuoteReason.ONE_SIDED)
        best, lots = met.ticks, met.lots
        if not self._micro <= best <= PAYOUT_TICKS - self._micro:
            found.append(QuoteReason.MICRO_PRICE)
        if lots < needs.least_lots:
            found.append(QuoteReason.THIN_BOOK)
        if needs.taker:
            if other and abs(best - other[0].ticks) > self._wide:
                found.append(QuoteReason.SPREAD_WIDE)
            if needs.limit_ticks is not None and (best > needs.limit_ticks if needs.buys else best < needs.limit_ticks):
                found.append(QuoteReason.PRICE_MOVED)
        return tuple(found)

    def _market(self, at: InstrumentId) -> _Market:
        market = self._markets.get(at)
        if market is None:
            market = self._markets[at] = _Market(self._settings)
        return market

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins, by market."""
        return {
            "markets": {str(at): _saved(market) for at, market in self._markets.items()},
            "doubtful": [str(at) for at in self._doubtful],
            "ahead_ns": dict(self._ahead_ns),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for text, saved in state["markets"].items():
            market = self._market(InstrumentId.parse(text))
            market.watch.restore(saved["watch"])
            market.quote = None if saved["quote"] is None else msgspec.convert(saved["quote"], BinaryQuote)
            if saved["opinion"] is not None:
                verdict, reasons = saved["opinion"]
                market.opinion = Opinion(Verdict(verdict), tuple(QuoteReason(reason) for reason in reasons))
            market.verified, market.ended, market.seen_ns, market.changed_ns, market.printed_ns = saved["told"]
        self._ahead_ns = dict(state["ahead_ns"])
        for at in state["doubtful"]:
            self._doubtful[InstrumentId.parse(at)] = None


def sides(quote: BinaryQuote) -> tuple[Levels, Levels, Levels, Levels]:
    """Return the four sides of a book."""
    return quote.yes_asks, quote.no_asks, quote.yes_bids, quote.no_bids


def _saved(market: _Market) -> dict[str, Any]:
    opinion = market.opinion
    return {
        "watch": market.watch.snapshot(),
        "quote": None if market.quote is None else msgspec.to_builtins(market.quote),
        "opinion": None if opinion is None else [opinion.verdict.value, [reason.value for reason in opinion.reasons]],
        "told": [market.verified, market.ended, market.seen_ns, market.changed_ns, market.printed_ns],
    }
