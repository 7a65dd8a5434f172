"""The daily loss cap: what the UTC day lost, open positions at their mark, may not exceed what the owner allows (2.17).

At 80 % of a cap sizes are halved for the rest of the day; at 100 % its scope halts until the next UTC day and an
operator's word. Before that no order or plan may leave whose own worst case, on top of the loss so far, would break the
cap; a profit of the day buys no more. Caps exist for the whole program, each strategy and each lane; none is on by
itself. The state is part of the core, so a restart forgives nothing.

The worst case of a spot order is a share of its notional (`stops.worst_case_share`) and its fee. A mark that is too old
is moved by that share for the check of a single order; a halt for the rest of the day is not made of a guess, and a
coin, unlike a bet, has no bound that would be worse than its last price.

Between two fills the loss depends on prices alone, so the guard names the price at which it must look again, and a
backtest skips the rest.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.commands import Alert, Lift, OrderUpdate, Place, Post, Severity, Style
from millrace.core.events import Print, Quote, Timer
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.instrument import Instrument, Outcome, Ticks, outcome_id
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind, scopes_of
from millrace.core.strategy import Bound, Field, Interest
from millrace.risk.profit import Dollars, Exposure, by_name, cap_dollars, in_dollars, usd
from millrace.risk.settings import StopsSettings

DAY_NS: Final = 86_400 * 10**9
CAUTION_PCT: Final = 80
"""Share of a cap, in per cent, at which sizes are halved."""
CAUTION_MULTIPLIER: Final = 0.5
_KINDS: Final = (ScopeKind.GLOBAL, ScopeKind.STRATEGY, ScopeKind.LANE)
_PPM: Final = 1_000_000
_MOST_TICKS: Final = 2**62
_OBJECTION: Final = (ReasonCode.WORST_CASE_EXCEEDS_LOSS_CAP.value,)


class _Day(msgspec.Struct, gc=False):
    """One scope: its books, their value when the day began, and what was posted since."""

    scope: Scope
    books: Exposure
    opening: Dollars = 0
    told: Level = Level.OPEN


class _Saved(msgspec.Struct):
    day: int | None
    quoted: bool
    scopes: list[_Day]


class LossCap:
    """A `Guard`; without any cap it only counts, for the status."""

    name = "loss_cap"

    def __init__(self, instruments: Sequence[Instrument], settings: StopsSettings) -> None:
        self.settings = settings
        wanted = {
            ScopeKind.GLOBAL: settings.daily_loss_cap_usd,
            ScopeKind.STRATEGY: settings.strategy_loss_cap_usd,
            ScopeKind.LANE: settings.lane_loss_cap_usd,
        }
        self._caps = {kind: cap_dollars(cap) for kind, cap in wanted.items() if cap is not None}
        self._instruments = by_name(instruments)
        self._worse_ppm = round(settings.worst_case_share * _PPM)
        self._stale_ns = round(settings.stale_mark_sec * 1e9)
        self._day: int | None = None
        self._scopes: dict[Scope, _Day] = {}
        self._bounds: tuple[Bound, ...] | None = None
        self._quoted = False
        self.reads: tuple[type, ...] = (OrderUpdate, Timer, *((Print, Quote, BinaryQuote) if self._caps else ()))

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Book fills, begin a new day, and judge the loss where a cap is set."""
        verdicts: list[Verdict] = []
        if isinstance(seen, OrderUpdate) and not (seen.d_lots or seen.d_cost or seen.d_fee):
            return verdicts
        # A print of midnight itself still belongs to the day before: the timer of midnight comes after it.
        is_price = isinstance(seen, Print | Quote | BinaryQuote)
        if self._day is not None and view.now_ns >= (self._day + 1) * DAY_NS + is_price:
            verdicts += self._begin_day(view)
        if isinstance(seen, OrderUpdate):
            self._book(seen, view)
        if self._caps and self._day is not None and not (isinstance(seen, BinaryQuote) and not self._holds(seen)):
            verdicts += self._judge(view)
        return verdicts

    def _begin_day(self, view: GuardView) -> list[Verdict]:
        self._day = view.now_ns // DAY_NS
        self._bounds = None
        verdicts: list[Verdict] = []
        for day in self._scopes.values():
            loss = self._loss(day, view)
            day.opening -= 0 if loss is None else loss
            if day.told is not Level.OPEN:
                verdicts.append(Lift(_id(Level.CAUTION, day.scope), "a new UTC day", view.now_ns))
            day.told = Level.OPEN
        return verdicts

    def _book(self, update: OrderUpdate, view: GuardView) -> None:
        if self._day is None:
            self._day = view.now_ns // DAY_NS
        self._bounds = None
        instrument = self._instruments[str(update.place.instrument)]
        market = view.market(instrument.id)
        self._quoted = self._quoted or market.bid_ticks > 0 or market.ask_ticks > 0
        for scope in scopes_of(update.place.position):
            if scope.kind in _KINDS:
                self._of(scope).books.book(update, instrument)

    def _of(self, scope: Scope) -> _Day:
        found = self._scopes.get(scope)
        if found is None:
            found = self._scopes[scope] = _Day(scope, Exposure(0, {}))
        return found

    def _holds(self, quote: BinaryQuote) -> bool:
        """Tell whether any scope holds an outcome of a market: of thousands of books few can change a loss."""
        names = [str(outcome_id(quote.market, outcome)) for outcome in Outcome]
        return any(name in day.books.lots for day in self._scopes.values() for name in names)

    # The loss

    def _loss(self, day: _Day, view: GuardView, worse_ppm: int = 0) -> Dollars | None:
        """Return what the day lost so far, negative for a profit; None without a price."""
        marks = day.books.marks(view, self._instruments, worse_ppm, self._stale_ns)
        value = day.books.value(marks, self._instruments)
        return None if value is None else day.opening - value

    def _judge(self, view: GuardView) -> list[Verdict]:
        verdicts: list[Verdict] = []
        for day in self._scopes.values():
            cap = self._caps.get(day.scope.kind)
            loss = None if cap is None else self._loss(day, view)
            if cap is None or loss is None or day.told is Level.HALT:
                continue
            level = Level.HALT if loss >= cap else Level.CAUTION if loss * 100 >= cap * CAUTION_PCT else Level.OPEN
            if level > day.told:
                day.told = level
                self._bounds = None
                verdicts += self._told(level, day.scope, loss, cap, view.now_ns)
        return verdicts

    def _told(self, level: Level, scope: Scope, loss: Dollars, cap: Dollars, now_ns: int) -> list[Verdict]:
        halt = level is Level.HALT
        text = f"{scope} lost {usd(loss):.2f} USD of {usd(cap):.2f} USD today"
        restriction = Restriction(
            id=_id(level, scope),
            scope=scope,
            level=level,
            reason=ReasonCode.DAILY_LOSS_CAP,
            text=text,
            posted_by=self.name,
            posted_ns=now_ns,
            multiplier=1.0 if halt else CAUTION_MULTIPLIER,
            hold_until_ns=(now_ns // DAY_NS + 1) * DAY_NS,
            recovery=Recovery.OPERATOR if halt else Recovery.AUTO,
        )
        severity = Severity.PAGE if halt else Severity.WARN
        return [Post(restriction), Alert(severity, ReasonCode.DAILY_LOSS_CAP.value, text, now_ns)]

    # The single order

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object to orders whose worst case on top of the loss so far would break a cap (2.17 rule 3)."""
        worst: dict[Scope, Dollars] = {}
        for place in places if self._caps else ():
            for scope in scopes_of(place.position):
                if scope.kind in self._caps:
                    worst[scope] = worst.get(scope, 0) + self._worst_case(place)
        for scope, more in worst.items():
            day = self._scopes.get(scope)
            loss = 0 if day is None else self._loss(day, view, self._worse_ppm)
            if loss is None or max(loss, 0) + more > self._caps[scope.kind]:
                return _OBJECTION
        return ()

    def _worst_case(self, place: Place) -> Dollars:
        instrument = self._instruments[str(place.instrument)]
        cost = instrument.cost(place.limit_ticks, place.lots)
        fee = instrument.most_fee(place.limit_ticks, place.lots, may_take=place.style is not Style.POST_ONLY)
        if instrument.binary is not None:
            return in_dollars(cost + fee, instrument)  # a bet can be lost whole
        return in_dollars(-(-cost * self._worse_ppm // _PPM) + fee, instrument)

    # When to look again

    def interest(self) -> Interest:
        """Return the prices at which a cap is touched, and the end of the day."""
        if self._day is None:
            return Interest()
        deadline_ns = (self._day + 1) * DAY_NS
        if not self._caps:
            return Interest(deadline_ns=deadline_ns)
        if self._bounds is None:
            found = [self._bound(day) for day in self._scopes.values()]
            if None in found:
                return Interest(deadline_ns=deadline_ns, all_events=True)
            self._bounds = tuple(bound for some in found if some is not None for bound in some)
        return Interest(self._bounds, deadline_ns)

    def _bound(self, day: _Day) -> tuple[Bound, ...] | None:
        """Return the last price at which a scope's next threshold is met; None when that takes more than a last price.

        With quotes the mark is a bid or an ask, and with several instruments no single price decides.
        """
        cap = self._caps.get(day.scope.kind)
        if cap is None or day.told is Level.HALT or not day.books.lots:
            return ()
        if len(day.books.lots) > 1 or self._quoted:
            return None
        ((name, lots),) = day.books.lots.items()
        limit = cap if day.told is Level.CAUTION else -(-cap * CAUTION_PCT // 100)

        def is_met(ticks: Ticks) -> bool:
            value = day.books.value({name: ticks}, self._instruments)
            return value is not None and day.opening - value >= limit

        below, above = 0, 1
        while above < _MOST_TICKS and is_met(above) == (lots > 0):
            above *= 2
        while above - below > 1:
            middle = (below + above) // 2
            below, above = (middle, above) if is_met(middle) == (lots > 0) else (below, middle)
        # The loss is met at `below` and lower for a long position, at `above` and higher for a short one.
        instrument = self._instruments[name].id
        return (Bound(instrument, Field.LAST, below=lots > 0, ticks=below if lots > 0 else above),)

    # What there is to see

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return the day by scope: `millrace_day_pnl_usd`, `millrace_loss_cap_used_ratio` (None without a cap)."""
        shown = {}
        for scope, day in self._scopes.items():
            loss, cap = self._loss(day, view), self._caps.get(scope.kind)
            shown[str(scope)] = {
                "day_pnl_usd": None if loss is None else usd(-loss),
                "loss_cap_usd": None if cap is None else usd(cap),
                "loss_cap_used_ratio": None if cap is None or loss is None else max(loss, 0) / cap,
            }
        return shown

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(self._day, self._quoted, list(self._scopes.values()))
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._day = saved.day
        self._scopes = {day.scope: day for day in saved.scopes}
        self._quoted = saved.quoted
        self._bounds = None


def _id(level: Level, scope: Scope) -> str:
    return f"loss_cap/{scope}" if level is Level.HALT else f"loss_cap/caution/{scope}"
