"""The firewall for spot pairs: prints and quotes, alone or in blocks of rows that were found ordinary (runtime 2.2).

A spot feed has no snapshots that could be asked for, so where a snapshot must decide, the next observation does: after
half a minute of suspicion the market is what it says it is.
"""

from typing import Any

from millrace.core.events import MarketBlock, Print, Quote
from millrace.core.instrument import InstrumentId, Ticks
from millrace.market.firewall_settings import FirewallSettings
from millrace.market.spot_checks import SpotRules, crossed, wrong_print, wrong_quote
from millrace.market.suspicion import Measure
from millrace.market.waiting_rows import last_of
from millrace.market.watch import LATE, Opinion, Watch

_PRINT_COLUMNS = 3


class SpotFirewall:
    """What is known of each pair's prints and of its quotes, apart: they tell different prices."""

    def __init__(self, settings: FirewallSettings) -> None:
        self._settings = settings
        self._rules = SpotRules.of(settings)
        self._ticks: dict[InstrumentId, Ticks] = {}
        self._prints: dict[InstrumentId, Watch] = {}
        self._quotes: dict[InstrumentId, Watch] = {}

    def know(self, instrument: InstrumentId, tick: Ticks) -> None:
        """Learn a pair's tick; without it prices are taken as they come."""
        self._ticks[instrument] = tick

    def tick(self, instrument: InstrumentId) -> Ticks:
        """Return a pair's tick, 1 where it is not known."""
        return self._ticks.get(instrument, 1)

    def is_plain(self, instrument: InstrumentId) -> bool:
        """Tell whether ordinary rows of the pair may be passed over in blocks."""
        prints, quotes = self._prints.get(instrument), self._quotes.get(instrument)
        return (prints is None or prints.is_plain) and (quotes is None or quotes.is_plain)

    def print_(self, event: Print) -> Opinion | None:
        """Judge a print; None: plainly accepted."""
        watch = self._watch(self._prints, event.instrument)
        wrong = wrong_print(event, self.tick(event.instrument))
        if wrong:
            return watch.reject(wrong, event.ts_ns)
        return self._settled(watch, 2 * event.ticks, event.ts_ns, ())

    def quote(self, event: Quote) -> Opinion | None:
        """Judge a quote; None: plainly accepted."""
        watch = self._watch(self._quotes, event.instrument)
        wrong = wrong_quote(event, self.tick(event.instrument))
        if wrong:
            return watch.reject(wrong, event.ts_ns)
        suspect = crossed(event) if event.bid_ticks > event.ask_ticks else ()
        return self._settled(watch, event.bid_ticks + event.ask_ticks, event.ts_ns, suspect)

    def block(self, event: MarketBlock) -> None:
        """Take a block of ordinary rows."""
        columns, is_prints = event.columns, len(event.columns) == _PRINT_COLUMNS
        one, other = columns[1], columns[1 if is_prints else 2]
        watch = self._watch(self._prints if is_prints else self._quotes, event.instrument)
        watch.accept_block(columns[0], one, other, last_of(one) + last_of(other), event.ts_ns)

    def reset(self, venue: str) -> None:
        """Forget the baselines of a venue: its stream was connected anew."""
        for watches in (self._prints, self._quotes):
            for instrument, watch in watches.items():
                if instrument.venue == venue:
                    watch.forget()

    def quarantined(self) -> set[InstrumentId]:
        """Return the pairs in quarantine."""
        watched = (*self._prints.items(), *self._quotes.items())
        return {instrument for instrument, watch in watched if watch.quarantine.until_ns}

    def _settled(self, watch: Watch, middle: int, ts_ns: int, suspect: tuple[Measure, ...]) -> Opinion | None:
        if ts_ns < watch.middle_ns:
            watch.is_plain = False
            return LATE
        measures = suspect + self._rules.jump(watch, middle, ts_ns)
        if not measures and watch.is_plain:
            watch.accept(middle, ts_ns)
            return None
        decides = not measures or watch.suspicion.is_overdue(ts_ns)
        return watch.settle(measures, 0, middle, ts_ns, snapshot=decides)

    def _watch(self, watches: dict[InstrumentId, Watch], instrument: InstrumentId) -> Watch:
        watch = watches.get(instrument)
        if watch is None:
            watch = watches[instrument] = Watch(self._settings)
        return watch

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "prints": {str(instrument): watch.snapshot() for instrument, watch in self._prints.items()},
            "quotes": {str(instrument): watch.snapshot() for instrument, watch in self._quotes.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for watches, saved in ((self._prints, state["prints"]), (self._quotes, state["quotes"])):
            for text, one in saved.items():
                self._watch(watches, InstrumentId.parse(text)).restore(one)
