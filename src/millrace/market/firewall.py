"""The data-quality firewall: no decision rests on an observation that is malformed, stale, impossible or unexplained.

Every print, quote and book passes it before the market view and before any strategy (runtime 2.2). What is rejected
changes nothing but counts; what is suspect waits until others agree; what a desk wants to trade on is looked at again
when it plans and when the order leaves. It knows no clock: observations bring their time.
"""

from typing import Any, NamedTuple

from millrace.core.binary_events import BinaryQuote, MarketResolved, StreamBeat, StreamReset
from millrace.core.data_quality import (
    TAKER_BUY,
    FeedHealth,
    Judged,
    LegNeeds,
    LegVerdict,
    QuoteReason,
    Verdict,
)
from millrace.core.events import MarketBlock, Print, Quote
from millrace.core.instrument import Instrument, InstrumentId, Outcome
from millrace.market.binary_checks import is_named
from millrace.market.binary_firewall import BinaryFirewall
from millrace.market.feed_tally import FeedTally
from millrace.market.firewall_settings import FirewallSettings, ns
from millrace.market.spot_checks import Column, odd_rows
from millrace.market.spot_firewall import SpotFirewall
from millrace.market.watch import Opinion

_NOBODY = "unknown"
"""Under this venue stands what came without a name."""
Judgeable = Print | Quote | MarketBlock | BinaryQuote
FeedNews = StreamBeat | StreamReset | MarketResolved


class FeedCounts(NamedTuple):
    """One venue's counts since the run began."""

    verdicts: dict[Verdict, int]
    reasons: dict[QuoteReason, int]
    shifts: int
    quarantined: int


class Firewall:
    """All venues' feeds."""

    def __init__(self, settings: FirewallSettings | None = None) -> None:
        self.settings = settings or FirewallSettings()
        self._spot = SpotFirewall(self.settings)
        self._binary = BinaryFirewall(self.settings)
        self._outcomes: dict[InstrumentId, tuple[InstrumentId, Outcome]] = {}
        self._feeds: dict[str, FeedTally] = {}

    def know(self, instrument: Instrument) -> None:
        """Learn what an instrument's data are judged by: its tick, and of an outcome the fees."""
        if instrument.binary is None:
            self._spot.know(instrument.id, instrument.tick)
        else:
            self._outcomes[instrument.id] = (instrument.binary.market, instrument.binary.outcome)
            self._binary.know(instrument, instrument.binary)

    # Observations

    def judge(self, event: Judgeable) -> Judged | None:
        """Judge market data; None: plainly accepted. A block holds ordinary rows only (`odd_rows`) and is."""
        if isinstance(event, MarketBlock):
            self._spot.block(event)
            venue = event.instrument.venue
            feed = self._feeds.get(venue) or self._feed(venue)
            feed.accepted_block(event.columns[0], event.ts_ns)
            return None
        if isinstance(event, BinaryQuote):
            at, version, opinion = event.market, event.version, self._binary.judge(event)
        else:
            at, version = event.instrument, 0
            opinion = self._print(event) if isinstance(event, Print) else self._spot.quote(event)
        feed = self._feed(at.venue if is_named(at) else _NOBODY)
        if opinion is None:
            feed.accepted(event.ts_ns)
            return None
        feed.judged(event.ts_ns, opinion.verdict, opinion.reasons)
        feed.shifts += opinion.verdict is Verdict.ACCEPT
        figures = tuple((measure.reason, measure.value) for measure in opinion.measures)
        return Judged(at, version, opinion.verdict, opinion.reasons, event.ts_ns, figures)

    def _print(self, event: Print) -> Opinion | None:
        found = self._outcomes.get(event.instrument)
        return self._spot.print_(event) if found is None else self._binary.print_(event, *found)

    def hear(self, news: FeedNews) -> None:
        """Take what a feed says beside its data: that it lives, that it began anew, that a market is over."""
        if isinstance(news, MarketResolved):
            self._binary.end(news.market)
            return
        self._feed(news.venue).heard(news.ts_ns)
        if isinstance(news, StreamReset):
            self._spot.reset(news.venue)
            self._binary.reset(news.venue)

    def skewed(self, venue: str | None, ahead_sec: float) -> None:
        """Take by how much a venue's clock leads ours; with None all are believed to agree (runtime 2.2)."""
        self._binary.skewed(venue, ns(ahead_sec))

    # For those who pass rows over in bulk

    def is_plain(self, instrument: InstrumentId) -> bool:
        """Tell whether ordinary rows of a pair may come as a block now."""
        return self._spot.is_plain(instrument)

    def odd_rows(self, instrument: InstrumentId, columns: tuple[Column, ...]) -> Column:
        """Return the rows of a pair's columns that must be shown one by one."""
        return odd_rows(columns, self._spot.tick(instrument), self.settings)

    # What is known

    def book(self, market: InstrumentId) -> BinaryQuote | None:
        """Return a binary market's last accepted book; None when none was."""
        return self._binary.book(market)

    def leg_verdict(self, market: InstrumentId) -> LegVerdict:
        """Return what a decision row keeps of a leg on this market."""
        return self._binary.leg_verdict(market)

    def tradable(
        self, market: InstrumentId, now_ns: int, outcome: Outcome | None = None, needs: LegNeeds = TAKER_BUY
    ) -> tuple[QuoteReason, ...]:
        """Return why a leg may not be traded now, () when it may; without an outcome only the data are judged."""
        feed = self._feeds.get(market.venue)
        faults = self._binary.state_faults(market, now_ns, 0 if feed is None else feed.heard_ns)
        return faults if outcome is None else (*faults, *self._binary.leg_faults(market, outcome, needs))

    def flags(self, market: InstrumentId, now_ns: int) -> tuple[QuoteReason, ...]:
        """Return what is worth knowing of a market and forbids nothing."""
        return self._binary.flags(market, now_ns)

    def stale_books(self, venue: str, now_ns: int) -> int:
        """Return how many of a venue's books have not changed for long; on a live feed they are fresh all the same."""
        return sum(at.venue == venue for at in self._binary.stale_books(now_ns))

    def unsettled(self, now_ns: int) -> tuple[InstrumentId, ...]:
        """Return the markets whose books must be asked for: only a polled snapshot settles them."""
        return self._binary.unsettled(now_ns)

    def health(self, venue: str, now_ns: int) -> FeedHealth:
        """Return how much of a venue's last half minute was dirty."""
        feed = self._feeds.get(venue)
        return FeedHealth(0, 0) if feed is None else feed.health(now_ns)

    def counts(self) -> dict[str, FeedCounts]:
        """Return every venue's counts."""
        held = [at.venue for at in (*self._spot.quarantined(), *self._binary.quarantined())]
        return {
            venue: FeedCounts(dict(feed.verdicts), dict(feed.reasons), feed.shifts, held.count(venue))
            for venue, feed in self._feeds.items()
        }

    def _feed(self, venue: str) -> FeedTally:
        feed = self._feeds.get(venue)
        if feed is None:
            feed = self._feeds[venue] = FeedTally()
        return feed

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "spot": self._spot.snapshot(),
            "binary": self._binary.snapshot(),
            "feeds": {venue: feed.snapshot() for venue, feed in self._feeds.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._spot.restore(state["spot"])
        self._binary.restore(state["binary"])
        for venue, saved in state["feeds"].items():
            self._feed(venue).restore(saved)
