"""`step`: the one function through which everything that trades passes.

The engine joins the parts that it was given (market view, order table, account, restriction board, strategies) and does
nothing but route: an event in, commands out. It reads no clock and does no I/O; the shell journals the event before and
carries the commands out after. Live, paper, backtest and replay run this same class.

The path of an order (design section 3): intent -> guards' objections -> board -> approved -> command. News comes back
as an event, becomes an update of one order, and is shown to the guards that read it and the strategy that owns it.

A guard or a step that raises is a bug, and a bug may not trade on: everything halts until an operator lifts that. This
is the one module that catches what it does not know, so that the halt is a command of this very step.
"""

from collections.abc import Callable, Sequence
from typing import Any

from millrace.core.amending import judged, room
from millrace.core.binary_events import FEED_NEWS, BinaryQuote, MarketResolved, PairsRedeemed
from millrace.core.book_events import BOOK_EVENTS
from millrace.core.codec import EMPTY_HASH, chain, encode_commands
from millrace.core.commands import (
    Alert,
    Amend,
    AmendOrder,
    Approved,
    ApprovedAmend,
    Cancel,
    CancelOrder,
    Command,
    Intent,
    Lift,
    OrderUpdate,
    Place,
    Plan,
    Post,
    RecordClosing,
    Refuse,
    Refused,
    ResyncBook,
    Severity,
    Submit,
)
from millrace.core.core_view import CoreView
from millrace.core.events import (
    ORDER_EVENTS,
    BalanceReport,
    ConfigApplied,
    Event,
    MarketBlock,
    Measured,
    OpenOrdersReport,
    OrderEvent,
    Print,
    Quote,
    Scalar,
    Started,
)
from millrace.core.guard import CancelScope, Guard, Seen, Verdict, merged
from millrace.core.halts import EXCEPTION_ID, GUARD_ID, TROUBLES, bug_halt, key_halt, said_of
from millrace.core.handing_over import taken_over
from millrace.core.instrument import Instrument
from millrace.core.permission import ReasonCode, Restriction, scopes_of
from millrace.core.ports import Account, Board, Market, Orders
from millrace.core.probe import NO_PROBE, OrderProbe, Stage
from millrace.core.recovery_events import HandedOver
from millrace.core.strategy import Interest, Strategy, hears

_MARKET_EVENTS = (Print, Quote, MarketBlock, BinaryQuote)
_PRICES = (Print, Quote, *BOOK_EVENTS)
_FEEDS_AND_START = (*FEED_NEWS, Started, Measured)
_ENDINGS = (MarketResolved, PairsRedeemed)
_NOTHING_AWAITED = Interest()
_ROUTING_LIMIT = 10_000


class Engine(CoreView):
    """Core state and the step over it; as a `CoreView` it is also what strategies and guards are shown."""

    def __init__(
        self,
        instruments: Sequence[Instrument],
        strategies: Sequence[Strategy],
        market: Market,
        orders: Orders,
        account: Account,
        board: Board,
        guards: Sequence[Guard] = (),
    ) -> None:
        super().__init__(instruments, market, orders, account, board)
        self.command_hash = EMPTY_HASH
        self.config: dict[str, Scalar] = {}
        self.overruled: dict[str, Scalar] = {}
        self.applies: Callable[[ConfigApplied], None] | None = None
        self.probe: OrderProbe = NO_PROBE
        self.fault: Exception | None = None
        for instrument in instruments:
            market.know(instrument)
        self.go_on_with(strategies, guards)
        for strategy in strategies:
            for spec in strategy.series():
                market.keep(spec)

    def go_on_with(self, strategies: Sequence[Strategy], guards: Sequence[Guard]) -> None:
        """Take these from now on, in the order in which they are asked; those that replace others have their state.

        Histories are not declared anew: whoever replaces a strategy must read the same ones.
        """
        self.strategies = tuple(strategies)
        self.guards = tuple(guards)
        self._by_name = {strategy.name: strategy for strategy in strategies}
        self._readers: dict[type, tuple[Guard, ...]] = {
            kind: tuple(guard for guard in guards if kind in guard.reads) for guard in guards for kind in guard.reads
        }
        self._audiences: dict[tuple[type, str], tuple[Strategy, ...]] = {}
        self._interest: Interest | None = None
        self._awaited: dict[str, Interest] = {}
        self._guards_interest: list[Interest] | None = None

    # When to wake it

    def interest(self) -> Interest:
        """Return when the strategies and guards must be woken; asked are those that were shown something since."""
        if self._interest is None:
            self._interest = self._merged_interest()
        return self._interest

    def _merged_interest(self) -> Interest:
        guards = self._guards_interest
        if guards is None:
            guards = self._guards_interest = self._wanted_by_guards()
        legs_ns = self.orders.legs.next_ns
        if legs_ns is not None:
            guards = [*guards, Interest(deadline_ns=legs_ns)]
        awaited = self._awaited
        for strategy in self.strategies:
            if strategy.name not in awaited:
                awaited[strategy.name] = strategy.interest()
        wanted = [awaited[strategy.name] for strategy in self.strategies]
        return wanted[0] if not guards and len(wanted) == 1 else merged(wanted, guards)

    def _wanted_by_guards(self) -> list[Interest]:
        """Return what guards wait for; one that failed is not woken, or its deadline would come for ever."""
        failed = {restriction.id for restriction in self.board.active()}
        sound = [guard.interest() for guard in self.guards if f"{GUARD_ID}{guard.name}" not in failed]
        return [wanted for wanted in sound if wanted != _NOTHING_AWAITED]

    # The step

    def step(self, event: Event) -> list[Command]:
        """Apply one event and return the commands that follow from it, in causal order.

        A step that raises ends in a halt; what it had decided before stays decided, because the state holds it.
        """
        self.now_ns = max(self.now_ns, event.ts_ns)
        self._interest = None
        out: list[Command] = []
        try:
            self._apply(event, out)
        except Exception as error:  # noqa: BLE001  a bug halts
            self._failed(EXCEPTION_ID, ReasonCode.CORE_EXCEPTION, type(event).__name__, error, out)
        if out:
            self.command_hash = chain(self.command_hash, encode_commands(out))
        return out

    def _apply(self, event: Event, out: list[Command]) -> None:
        if isinstance(event, _MARKET_EVENTS):
            doubt = self._market.observe(event)
            if doubt is not None:
                self._guards_see(doubt, out)
                if not doubt.is_accepted:
                    return
            if type(event) in self._readers:
                self._guards_see(event, out)
            if not isinstance(event, MarketBlock):
                self._show(event, out)
        elif isinstance(event, BOOK_EVENTS):
            self._tell(self._market.observe_book(event), out)
            self._show(event, out)
        elif isinstance(event, ORDER_EVENTS):
            self._order_news(event, out)
        else:
            if isinstance(event, _FEEDS_AND_START):
                self._tell(self._market.hear(event), out)
            self._market.advance(self.now_ns)
            if isinstance(event, _ENDINGS):
                self._closed(self.orders.close(event, self._instruments), out)
            self._other(event, out)

    def _other(self, event: Event, out: list[Command]) -> None:
        if isinstance(event, BalanceReport):
            self.account.report(event)
        elif isinstance(event, OpenOrdersReport):
            self._market.open_orders(event)
        elif isinstance(event, ConfigApplied):
            self._configured(event)
        elif isinstance(event, TROUBLES):
            for verdict in said_of(event, self.now_ns):
                self._verdict(verdict, out)
        elif isinstance(event, HandedOver):
            facts, openings = taken_over(event, self.orders, self.account, self._instruments)
            out.extend(facts)
            for opening in openings:
                self._guards_see(opening, out)
        elif isinstance(event, Started) and event.restart:
            out.append(Alert(Severity.INFO, "restarted", "continues from its journal", event.ts_ns))
        self._guards_see(event, out)
        for strategy, intents in self.orders.legs.due(self.now_ns):
            self._route(self._by_name[strategy], intents, out)
        self._show(event, out)

    def _configured(self, event: ConfigApplied) -> None:
        """Take the configuration in force; from here on the parts are those that these settings make."""
        self.config, self.overruled = event.values, event.overruled
        if self.applies is not None:
            self.applies(event)

    def _order_news(self, event: OrderEvent, out: list[Command]) -> None:
        self._market.advance(self.now_ns)
        applied = self.orders.apply(event)
        if applied is None:
            return
        update, facts = applied
        out.extend(facts)
        self.account.update(update)
        self._guards_see(update, out)
        owner = self._by_name[update.place.position.strategy]
        self._route(owner, self.orders.legs.heard(update), out)
        self._route(owner, self._decided(owner, update), out)
        if update.d_lots:
            self._closed(self.orders.close_late(update, self._instruments), out)

    def _closed(self, closings: list[tuple[RecordClosing, OrderUpdate]], out: list[Command]) -> None:
        """Book what became cash without an order, and show it to guards and owner as if an order had closed it."""
        for record, update in closings:
            out.append(record)
            self._guards_see(update, out)
            owner = self._by_name[update.place.position.strategy]
            self._route(owner, self._decided(owner, update), out)

    def _tell(self, news: Sequence[Seen], out: list[Command]) -> None:
        for one in news:
            self._guards_see(one, out)

    def _guards_see(self, seen: Seen, out: list[Command]) -> None:
        """Show the guards that read its kind what happened, and do what they say."""
        for guard in self._readers.get(type(seen), ()):
            self._guards_interest = None
            try:
                for verdict in guard.observe(seen, self):
                    self._verdict(verdict, out)
            except Exception as error:  # noqa: BLE001  a bug halts
                self._failed(f"{GUARD_ID}{guard.name}", ReasonCode.GUARD_FAILURE, guard.name, error, out)

    def _verdict(self, verdict: Verdict, out: list[Command]) -> None:
        if isinstance(verdict, Post):
            self._post(verdict.restriction, out)
        elif isinstance(verdict, Lift):
            self._lift(verdict, out)
        elif isinstance(verdict, CancelScope):
            self._cancel_scope(verdict, out)
        else:
            if isinstance(verdict, ResyncBook):
                self._market.resync(verdict)
            out.append(verdict)

    def _cancel_scope(self, wanted: CancelScope, out: list[Command]) -> None:
        for order in self.orders.unfinished():
            position = order.place.position
            is_within = wanted.scope in scopes_of(position)
            found = self.orders.request_cancel(position.strategy, order.place.key) if is_within else None
            if found is not None:
                out.append(CancelOrder(found[1], found[0], wanted.reason))

    def _objections(self, places: Sequence[Place], out: list[Command]) -> tuple[str, ...]:
        """Return why guards would not let what of these adds to positions leave; one that raises halts everything."""
        adding = tuple(place for place in places if place.adds) if self.guards else ()
        found: list[str] = []
        for guard in self.guards if adding else ():
            try:
                found += guard.objections(adding, self)
            except Exception as error:  # noqa: BLE001  a bug halts
                self._failed(f"{GUARD_ID}{guard.name}", ReasonCode.GUARD_FAILURE, guard.name, error, out)
        return tuple(dict.fromkeys(found))

    def _failed(self, halt_id: str, reason: ReasonCode, culprit: str, error: Exception, out: list[Command]) -> None:
        """Halt everything after a bug, and tell a person once; the error is kept for the shell to write down."""
        self.fault = error
        halt = bug_halt(halt_id, reason, culprit, error, self.now_ns)
        if self.board.post(halt.restriction):
            out.append(halt)
            out.append(Alert(Severity.PAGE, reason.value, halt.restriction.text, self.now_ns))

    def _show(self, event: Event, out: list[Command]) -> None:
        kind = type(event)
        venue = event.instrument.venue if isinstance(event, _PRICES) else ""
        audience = self._audiences.get((kind, venue))
        if audience is None:
            audience = self._audiences[kind, venue] = tuple(one for one in self.strategies if hears(one, kind, venue))
        for strategy in audience:
            intents = self._decided(strategy, event)
            if intents:
                self._route(strategy, intents, out)

    def _decided(self, strategy: Strategy, seen: Event | OrderUpdate | Refused) -> list[Intent]:
        """Show a strategy something and return what it wants; what it waits for may be another thing after it."""
        self._awaited.pop(strategy.name, None)
        return strategy.decide(seen, self)

    def _route(self, strategy: Strategy, intents: list[Intent], out: list[Command]) -> None:
        queue = list(intents)
        place = 0
        while place < len(queue):
            if place > _ROUTING_LIMIT:
                raise AssertionError(f"{strategy.name} answers refusals with new orders without end")
            for refused in self._one(strategy, queue[place], out):
                if isinstance(queue[place], Place) and self.orders.known(strategy.name, refused.place.key) is None:
                    queue.extend(self.orders.legs.refused(refused))
                queue.extend(self._decided(strategy, refused))
            place += 1

    def _one(self, strategy: Strategy, intent: Intent, out: list[Command]) -> Sequence[Refused]:
        if isinstance(intent, Place):
            refused = self._place(strategy.name, intent, out)
            return () if refused is None else (refused,)
        if isinstance(intent, Plan):
            return self._plan(strategy.name, intent, out)
        if isinstance(intent, Cancel):
            found = self.orders.request_cancel(intent.strategy, intent.key)
            if found is not None:
                out.append(CancelOrder(found[1], found[0], intent.reason))
        elif isinstance(intent, Amend):
            return self._amend(intent, out)
        elif isinstance(intent, Post):
            self._post(intent.restriction, out)
        elif isinstance(intent, Lift):
            self._lift(intent, out)
        else:
            out.append(intent)
        return ()

    def _amend(self, wanted: Amend, out: list[Command]) -> Sequence[Refused]:
        verdict = judged(wanted, self.orders, self.board, lambda place: self._objections((place,), out), self.now_ns)
        if isinstance(verdict, ApprovedAmend):
            self.orders.amend(verdict)
            self.account.amend(verdict, self._instruments[verdict.order.instrument])
            out.append(AmendOrder(verdict))
        elif isinstance(verdict, Refused):
            out.append(Refuse(wanted.key, verdict.reasons))
            return (verdict,)
        return ()

    def _plan(self, strategy: str, plan: Plan, out: list[Command]) -> Sequence[Refused]:
        """Begin a plan when each leg may leave, and not when its opportunity was acted on already."""
        key, legs, duplicate = self.orders.admit(plan, self.now_ns)
        duplicate = duplicate or any(self.orders.known(strategy, leg.key) for leg in legs)
        objections = () if duplicate else self._objections(legs, out)
        verdicts = [] if duplicate else [self._permitted(strategy, leg, objections) for leg in legs]
        reasons = [reason for verdict in verdicts if isinstance(verdict, Refused) for reason in verdict.reasons]
        if duplicate or reasons:
            found = (ReasonCode.DUPLICATE.value,) if duplicate else tuple(dict.fromkeys(reasons))
            out.append(Refuse(key, found))
            for leg in legs:
                self.probe.drop(self.orders.client_id(strategy, leg.key))
            return [Refused(leg, found, self.now_ns) for leg in legs]
        now = self.orders.legs.begin(strategy, key, legs, plan.policy, self.now_ns)
        for verdict in verdicts:
            if isinstance(verdict, Approved) and verdict.order.key in now:
                self._take(verdict, out)
            elif isinstance(verdict, Approved):
                self.probe.drop(verdict.client_id)
        out.extend(plan.booked)
        forgotten = self.orders.acted(plan.opportunity, self.now_ns)
        if forgotten:
            text = f"{forgotten} opportunities were forgotten before their cooldown ended; they may be acted on again"
            out.append(Alert(Severity.WARN, "cooldown_evicted", text, self.now_ns))
        return ()

    def _place(self, strategy: str, place: Place, out: list[Command]) -> Refused | None:
        known = self.orders.known(strategy, place.key)
        if known is not None:
            if known != place:
                self._post(key_halt(place.key, self.now_ns).restriction, out)
                return Refused(place, (ReasonCode.INTENT_KEY_REUSE.value,), self.now_ns)
            return None
        verdict = self._permitted(strategy, place, self._objections((place,), out))
        if isinstance(verdict, Approved):
            self._take(verdict, out)
            return None
        out.append(Refuse(place.key, verdict.reasons))
        return verdict

    def _permitted(self, strategy: str, place: Place, objections: tuple[str, ...]) -> Approved | Refused:
        client_id = self.orders.client_id(strategy, place.key)
        self.probe.mark(client_id, Stage.DETECT, self.now_ns)
        self.probe.mark(client_id, Stage.PLAN)
        most = room(place, self.orders, self._instruments[place.instrument])
        verdict = self.board.permit(place, client_id, most, self.now_ns, objections)
        if isinstance(verdict, Refused):
            self.probe.drop(client_id)
        return verdict

    def _take(self, approved: Approved, out: list[Command]) -> None:
        self.probe.mark(approved.client_id, Stage.GATE)
        self.orders.add(approved)
        self.account.reserve(approved, self._instruments[approved.order.instrument])
        out.append(Submit(approved))

    def _post(self, restriction: Restriction, out: list[Command]) -> None:
        if self.board.post(restriction):
            out.append(Post(restriction))

    def _lift(self, lift: Lift, out: list[Command]) -> None:
        if self.board.lift(lift.restriction_id):
            out.append(lift)

    # Snapshots

    def snapshot(self) -> dict[str, Any]:
        """Return the whole core state as builtins."""
        return {
            "now_ns": self.now_ns,
            "command_hash": self.command_hash,
            "config": self.config,
            "overruled": self.overruled,
            "market": self._market.snapshot(),
            "orders": self.orders.snapshot(),
            "account": self.account.snapshot(),
            "board": self.board.snapshot(),
            "strategies": {strategy.name: strategy.snapshot() for strategy in self.strategies},
            "guards": {guard.name: guard.snapshot() for guard in self.guards},
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.now_ns = state["now_ns"]
        self.command_hash = state["command_hash"]
        self.config, self.overruled = state["config"], state["overruled"]
        self._market.restore(state["market"])
        self.orders.restore(state["orders"])
        self.account.restore(state["account"])
        self.board.restore(state["board"])
        for name, saved in state["strategies"].items():
            self._by_name[name].restore(saved)
        for guard in self.guards:
            guard.restore(state["guards"][guard.name])
        self._interest, self._guards_interest = None, None
        self._awaited.clear()
