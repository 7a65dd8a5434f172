"""The quote desk as the kernel sees it: books, trades and news in, orders out.

Each symbol is reduced and ticked on its own (`quoted`); what the desk adds is what holds for all of them: the account's
figures and guards, the scores and weights, the pace of actions, and the one timer. A book that may not be believed, a
halt of the board or a fault of a stage end in the same way: the symbol's orders are taken back (quoting 1, 4.7).
"""

import heapq
from collections.abc import Sequence
from math import fsum
from typing import Any, ClassVar

import msgspec

from millrace.core import clock_skew
from millrace.core.binary_events import BINARY_EVENTS, StreamBeat, StreamReset
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.commands import Alert, Cancel, Intent, OrderUpdate, Place, Refused, Severity, Side
from millrace.core.events import Event, MarketBlock, Measured, Operator, Print, Quote, Started, Timer
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.permission import Level
from millrace.core.probe import NO_TICK_PROBE, TickProbe
from millrace.core.strategy import Interest, SeriesSpec, View
from millrace.core.trouble_events import CallWaited
from millrace.strategies.quoting.desk_figures import DeskFigures, Feed
from millrace.strategies.quoting.growth import Growth
from millrace.strategies.quoting.operator import operate
from millrace.strategies.quoting.quoted import NEVER_NS, POOR_NS, QuotedSymbol
from millrace.strategies.quoting.rollout.desk_ramp import DeskRamp
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tally import StreamTally

DESK_FAILED = "desk_failed"
"""Why quotes are taken back that no desk stands behind any more."""
_MS = 1_000_000
_SECOND_NS = 1_000_000_000
_NOT_OURS = tuple(kind for kind in BINARY_EVENTS if kind not in {StreamBeat, StreamReset})


class DeskPace(msgspec.Struct, frozen=True):
    """Least time between two ticks of a symbol, and how often one with orders is looked at, in ms."""

    min_tick_ms: int = 100
    look_ms: int = 1_000


USUAL_PACE = DeskPace()


class QuoteDesk:
    """One desk over the symbols of one venue; implements the kernel's `Strategy`."""

    ignores: ClassVar[tuple[type, ...]] = (Quote, MarketBlock, *_NOT_OURS)

    def __init__(
        self, name: str, instruments: Sequence[Instrument], settings: QuotingSettings, pace: DeskPace = USUAL_PACE
    ) -> None:
        self.name = name
        self.settings = settings
        self.venues = frozenset(instrument.id.venue for instrument in instruments)
        self.symbols = {one.id: QuotedSymbol(name, one, settings) for one in instruments}
        configs = [one.config for one in self.symbols.values()]
        self.figures = DeskFigures(settings, fsum([one.emit.max_position_usd for one in configs]), name)
        self.growth = Growth(settings, tuple(one.symbol for one in self.symbols.values()))
        self.ramp = DeskRamp(
            settings.rollout, [one.symbol for one in self.symbols.values()], enabled=settings.pipeline.enabled
        )
        self.probe: TickProbe = NO_TICK_PROBE
        self.legacy_probe: TickProbe = NO_TICK_PROBE
        self._by_number = tuple(self.symbols.values())
        self._numbers = {one.symbol: number for number, one in enumerate(self._by_number)}
        self.pace = pace
        self._min_tick_ns, self._look_ns = pace.min_tick_ms * _MS, pace.look_ms * _MS
        self._stale_ns = (min([one.md_cache.invalidate_on_ws_gap_ms for one in configs]) + 1) * _MS
        self._due: list[tuple[int, int]] = []
        self.stream = StreamTally()
        self._stream_ns = 0
        self._late_ns = self._lead_ns = 0
        self._stale_at_ns = NEVER_NS
        self._now_ns = 0
        self._unattached = False
        self._failed = False
        self._session = ""
        for symbol in self._by_number:
            symbol.paths.go(self.ramp.path_of(symbol.symbol))
        self.growth.allocates, self.growth.ramping = self.ramp.allocates, self.ramp.is_climbing

    def series(self) -> tuple[SeriesSpec, ...]:
        """Return no histories: books are kept by the market view, windows by the reducers."""
        return ()

    # Events

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        """Return what the desk wants after this event.

        A step of ours that raises halts everything, and the quotes must not rest on without a desk behind them: from
        then on every event only takes them back, until a person has lifted the halt.
        """
        self._now_ns = view.now_ns
        if self._failed and any(view.standing_of(one.position).level is Level.HALT for one in self._by_number):
            return self._abandoned(event)
        if not self._session:
            self._begin(f"{self._now_ns // _MS:x}")
        self._failed = True
        wanted = self._decided(event, view)
        self._failed = False
        return wanted

    def _begin(self, session: str) -> None:
        self._session = session
        for symbol in self._by_number:
            symbol.working.session = session

    def _abandoned(self, event: Event | OrderUpdate | Refused) -> list[Intent]:
        """Take back whatever is out; only what becomes of our orders is still heard."""
        if isinstance(event, OrderUpdate):
            self.symbols[event.place.instrument].heard(event, self._now_ns)
        elif isinstance(event, Refused):
            self.symbols[event.place.instrument].refused(event)
        return [Cancel(self.name, key, DESK_FAILED) for one in self._by_number for key in one.working.abandoned()]

    def _decided(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        if self._unattached:
            self._attach(view)
        if isinstance(event, BookDelta | BookSnapshot):
            return self._book(event, view)
        if isinstance(event, Print):
            symbol = self.symbols.get(event.instrument)
            if symbol is not None:
                symbol.on_trade(event)
            return []
        if isinstance(event, OrderUpdate):
            return self._heard(event, view)
        if isinstance(event, Timer):
            return self._timer(view)
        if isinstance(event, Refused):
            return self._refused(event)
        if isinstance(event, StreamBeat | StreamReset):
            return self._stream(event, view)
        if isinstance(event, Measured | Started | CallWaited):
            return self._measured(event)
        return operate(self, event, view) if isinstance(event, Operator) else []

    def _book(self, event: BookDelta | BookSnapshot, view: View) -> list[Intent]:
        symbol = self.symbols.get(event.instrument)
        if symbol is None:
            return []
        self._heard_of(event.ts_ns)
        if event.venue_ts_ns:
            self._late_ns = event.ts_ns - event.venue_ts_ns
        if self._stale_at_ns != NEVER_NS:
            self._stale_at_ns = self._stream_ns + self._stale_ns
        depth = view.depth(event.instrument)
        markouts = symbol.reducer.on_book(depth, event.ts_ns)
        if markouts:
            symbol.tally.measured(markouts)
            self.growth.measured(symbol.symbol, markouts)
            self.ramp.measured(symbol.symbol, markouts)
        if depth is None and symbol.working.orders:
            return self.tick(symbol, view)  # nothing rests on a book that may not be believed
        return self._news(symbol, view)

    def _stream(self, event: StreamBeat | StreamReset, view: View) -> list[Intent]:
        """Take that the feed is up to date, or that none of its books is one any more: then all are pulled."""
        if event.venue not in self.venues:
            return []
        if isinstance(event, StreamBeat):
            self._heard_of(event.ts_ns)
            return []
        self.stream.reconnects += 1
        return [intent for symbol in self._by_number if symbol.working.orders for intent in self.tick(symbol, view)]

    def _measured(self, event: Measured | Started | CallWaited) -> list[Intent]:
        """Take by how much the venue's clock leads ours; after a start nothing is known, and what holds is told.

        A call that left later than it was decided was the venue's only from there on (quoting 12). Otherwise a desk
        that wants more than its calls carry would hold its own queue for a slow venue, halt, and by taking all its
        quotes back make the queue longer.
        """
        if isinstance(event, CallWaited):
            for symbol in self._by_number if event.strategy == self.name else ():
                if symbol.working.left_late(event.key, event.waited_ns):
                    break
        elif isinstance(event, Started):
            self._lead_ns = 0
        elif event.name == clock_skew.FIGURE and event.subject in self.venues:
            self._lead_ns = round(event.value * _SECOND_NS)
        return []

    def _heard_of(self, ts_ns: int) -> None:
        """Take that the stream was up to date at a time."""
        if ts_ns > self._stream_ns:
            if self._stream_ns:
                self.stream.silent(ts_ns - self._stream_ns)
            self._stream_ns = ts_ns

    def _feed(self, now_ns: int) -> Feed:
        """Return how the feed does now, by our clock; a message from the future proves that the venue's is ahead."""
        gap_ns = max(now_ns - self._stream_ns, 0) if self._stream_ns else 0
        late_ns = self._late_ns + self._lead_ns
        lead_ns = self._lead_ns if late_ns >= 0 else -self._late_ns
        return Feed(gap_ns // _MS, max(late_ns, 0) // _MS, int(lead_ns / _MS))

    def _news(self, symbol: QuotedSymbol, view: View) -> list[Intent]:
        """Tick a symbol to which something happened: now, or when the least time after its last tick is over."""
        wanted_ns = symbol.ticked_ns + self._min_tick_ns
        if wanted_ns <= self._now_ns:
            return self.tick(symbol, view)
        if wanted_ns < symbol.due_ns:
            self._schedule(symbol, wanted_ns)
        return []

    def _heard(self, update: OrderUpdate, view: View) -> list[Intent]:
        symbol = self.symbols[update.place.instrument]
        heard = symbol.heard(update, self._now_ns)
        slip_bps = symbol.slip_bps(update, heard)
        self.ramp.heard(symbol.symbol, update, taker=symbol.took(update), slip_bps=slip_bps)
        self.figures.heard(update, symbol.instrument, self._now_ns // _MS)
        if heard is not None:
            self.growth.heard(symbol, heard, update)
        said: list[Intent] = [self._no_funds(symbol, update)] if symbol.runs_out(update, self._now_ns) else []
        return said + self._news(symbol, view)

    def _no_funds(self, symbol: QuotedSymbol, update: OrderUpdate) -> Alert:
        buys = update.place.side is Side.BUY
        asset, side = (symbol.instrument.quote, "bid") if buys else (symbol.instrument.base, "ask")
        text = f"{symbol.symbol}: the venue has not enough free {asset} for another {side}; that side is tried again"
        return Alert(Severity.WARN, "no_funds", f"{text} every {POOR_NS // 1_000_000_000} s", self._now_ns)

    def _refused(self, refused: Refused) -> list[Intent]:
        """Take a refusal; the symbol is looked at later, for what the board refuses now it refuses at once again."""
        symbol = self.symbols[refused.place.instrument]
        symbol.refused(refused)
        self._schedule(symbol, min(symbol.due_ns, self._now_ns + self._look_ns))
        return []

    def _timer(self, view: View) -> list[Intent]:
        now_ns, out = self._now_ns, list[Intent]()
        if self._stale_at_ns <= now_ns:
            self._stale_at_ns = NEVER_NS
            for symbol in self._by_number:
                if symbol.working.orders:
                    self._schedule(symbol, now_ns)
        served, batch = 0, self.settings.async_batch
        while self._due and self._due[0][0] <= now_ns:
            if batch.enabled and (served >= batch.max_parallel_symbols or len(out) >= batch.max_batch_size):
                break  # the others are served in the next round, at this same time
            due_ns, number = heapq.heappop(self._due)
            symbol = self._by_number[number]
            if symbol.due_ns == due_ns:
                served += 1
                out += self.tick(symbol, view)
        if self.growth.next_ns <= now_ns:
            out += self.growth.rebalance(now_ns // _MS)
        return self._in_order(out)

    def _in_order(self, actions: list[Intent]) -> list[Intent]:
        """Let the cancels of a round leave before everything else, and its places last (quoting 4.6)."""
        batch = self.settings.async_batch
        first, last = batch.enabled and batch.coalesce_cancel, batch.enabled and batch.coalesce_place

        def rank(action: Intent) -> int:
            return 0 if first and isinstance(action, Cancel) else 2 if last and isinstance(action, Place) else 1

        return sorted(actions, key=rank)

    # Ticks

    def tick(self, symbol: QuotedSymbol, view: View) -> list[Intent]:
        """Decide what a symbol quotes now, and say when it must be looked at next."""
        now_ns = self._now_ns
        now_ms = now_ns // _MS
        if view.depth(symbol.instrument.id) is None:
            symbol.reducer.on_book(None, now_ns)  # it may have ended without a word about this symbol
        symbol.reducer.on_alive(self._stream_ns)
        held = view.position(symbol.position)
        figures = self.figures.now(self._by_number, now_ms, self._feed(now_ns))
        standing = view.standing_of(symbol.position)
        if standing.level is not Level.OPEN:
            figures = msgspec.structs.replace(
                figures,
                refused=", ".join(standing.reasons) if standing.level is Level.HALT else "",
                reduce_only=standing.level is Level.REDUCE_ONLY,
                size_scale=standing.multiplier,
            )
        allocation = self.growth.allocation(symbol.symbol)
        result, comparison = symbol.tick(now_ns, held, figures, allocation, self.probe, self.legacy_probe)
        if comparison is not None:
            self.ramp.compared(comparison, now_ms)
        self.growth.ticked(symbol, result, now_ms)
        affordable = symbol.affordable(result.intents, now_ns)
        intents = self.figures.paced(symbol, affordable, now_ms)
        if symbol.waits or len(affordable) < len(result.intents):
            symbol.hold_back(result, intents)
        out = symbol.commands(intents, now_ns, held)
        if symbol.working.orders and self._stale_at_ns == NEVER_NS and self._stream_ns + self._stale_ns > now_ns:
            self._stale_at_ns = self._stream_ns + self._stale_ns
        self._schedule(symbol, now_ns + self._look_ns if symbol.restless else NEVER_NS)
        return out

    def go_to(self, pct: int) -> None:
        """Move the ramp to a step; it holds from the next tick, which takes back the orders of who loses a symbol."""
        self.ramp.go(pct, self._now_ns // _MS)
        self._take_paths()
        for symbol in self._by_number:
            self.look_at(symbol)

    def _take_paths(self) -> None:
        for symbol in self._by_number:
            symbol.paths.go(self.ramp.path_of(symbol.symbol))
        now_ms = self._now_ns // _MS
        self.growth.switch(allocates=self.ramp.allocates, ramping=self.ramp.is_climbing, now_ms=now_ms)

    def look_at(self, symbol: QuotedSymbol) -> None:
        """Have a symbol ticked with the next timer: something was decided about it."""
        self._schedule(symbol, self._now_ns)

    def _schedule(self, symbol: QuotedSymbol, due_ns: int) -> None:
        symbol.due_ns = due_ns
        if due_ns != NEVER_NS:
            heapq.heappush(self._due, (due_ns, self._numbers[symbol.symbol]))

    def interest(self) -> Interest:
        """Return the next time at which a symbol, the stream's age or the allocator asks for something."""
        if self._failed:
            again_ns = self._now_ns + self._look_ns
            return Interest(deadline_ns=again_ns, heartbeat_ns=again_ns)
        due = self._due
        while due and self._by_number[due[0][1]].due_ns != due[0][0]:
            heapq.heappop(due)
        due_ns = min(
            due[0][0] if due else NEVER_NS, self._stale_at_ns, self.growth.next_ns if self._stream_ns else NEVER_NS
        )
        if due_ns == NEVER_NS:
            return Interest()
        due_ns = max(due_ns, self._now_ns)
        return Interest(deadline_ns=due_ns, heartbeat_ns=due_ns)

    # State

    def _attach(self, view: View) -> None:
        """Give the reducers the books that the market view restored: they refer to what it keeps."""
        self._unattached = False
        for instrument, symbol in self.symbols.items():
            symbol.reducer.attach(view.depth(instrument))

    def snapshot(self) -> dict[str, Any]:
        """Return the desk's whole state as builtins."""
        return {
            "now_ns": self._now_ns,
            "stream": self.stream.shown(),
            "stream_ns": self._stream_ns,
            "stale_at_ns": self._stale_at_ns,
            "late_ns": self._late_ns,
            "lead_ns": self._lead_ns,
            "failed": self._failed,
            "session": self._session,
            "figures": self.figures.snapshot(),
            "growth": self.growth.snapshot(),
            "ramp": self.ramp.snapshot(),
            "symbols": {str(instrument): one.snapshot() for instrument, one in self.symbols.items()},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._now_ns, self._stream_ns = state["now_ns"], state["stream_ns"]
        self._stale_at_ns, self._failed = state["stale_at_ns"], state["failed"]
        self._late_ns, self._lead_ns = state["late_ns"], state["lead_ns"]
        self.stream.restore(state["stream"])
        self._begin(state["session"])
        self.figures.restore(state["figures"])
        self.growth.restore(state["growth"])
        self.ramp.restore(state["ramp"])
        self._due = []
        for text, saved in state["symbols"].items():
            symbol = self.symbols[InstrumentId.parse(text)]
            symbol.restore(saved)
            self._schedule(symbol, symbol.due_ns)
        if (self.growth.allocates, self.growth.ramping) != (self.ramp.allocates, self.ramp.is_climbing):
            self._take_paths()
        for symbol in self._by_number:
            symbol.paths.go(self.ramp.path_of(symbol.symbol))  # other settings may have other members
        self._unattached = True

    # Looking at it

    def telemetry(self) -> dict[str, Any]:
        """Return the counts of all symbols and of the desk as plain data, each event counted once."""
        return {
            "symbols": {one.symbol: one.tally.shown() for one in self._by_number},
            "growth": self.growth.shown(self._now_ns // _MS),
            "ramp": self.ramp.shown(),
            "figures": self.figures.shown(self._now_ns // _MS),
            "stream": self.stream.shown(),
        }

    def status(self, view: View) -> dict[str, Any]:
        """Return what a person wants to see of the desk; strict JSON."""
        rows = [self._row(symbol, view) for symbol in self._by_number]
        return {
            "symbols": rows,
            "open_orders": sum(row["orders"] for row in rows),
            "fills": sum(row["fills"] for row in rows),
            "pnl_usd": sum(row["pnl_usd"] for row in rows),
            "exposure_usd": sum(abs(row["position_usd"]) for row in rows),
            "quoting": sum(not row["why"] and bool(row["orders"]) for row in rows),
            "config": self.settings.digest,
            "figures": self.figures.shown(self._now_ns // _MS),
        }

    def _row(self, symbol: QuotedSymbol, view: View) -> dict[str, Any]:
        held = view.position(symbol.position)
        standing = view.standing_of(symbol.position)
        stopped = ", ".join(standing.reasons) if standing.level is not Level.OPEN else ""
        allocation = self.growth.allocation(symbol.symbol)
        return {
            "symbol": symbol.symbol,
            "mid": symbol.mid_usd,
            "spread_bps": symbol.tally.gauges.get("adaptive_spread_bps", 0.0),
            "position": held * symbol.terms.lot_unit,
            "position_usd": held * symbol.terms.lot_unit * symbol.mid_usd,
            "orders": len(symbol.working.orders),
            "fills": symbol.tally.fills,
            "score": self.growth.score(symbol.symbol, self._now_ns // _MS),
            "weight": allocation.weight,
            "active": allocation.active,
            "pnl_usd": symbol.profit_usd,
            "why": stopped or self.growth.why(symbol.symbol, self._now_ns // _MS) or symbol.why,
            "ticks": dict(symbol.tally.ticks),
            "results": symbol.chain.digest,
        }
