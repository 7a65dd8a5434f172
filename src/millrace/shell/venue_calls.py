"""Calls that left and have no answer yet, and the breakers that are told what became of them (runtime 2.14, 2.18).

Whatever a call was, an order, a cancel or a question, it ends here in one of three ways: answered, refused for its
pace, or, after two seconds, failed. That frees its place among the calls under way and is what the breaker of its class
counts. A half-open breaker with nothing to send is given a probe that can do no harm: a cancel of, or a question about,
an order that does not exist.

Should this very part fail, nothing that opens a position leaves until a restart; cancels, exits and questions do.
"""

from collections.abc import Callable
from typing import NamedTuple

from millrace.core.commands import Approved, ApprovedAmend, CancelOrder
from millrace.core.events import (
    NOT_SENT,
    AmendRefused,
    CancelRefused,
    OrderAmended,
    OrderEnded,
    OrderEvent,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.instrument import InstrumentId
from millrace.core.trouble_events import BreakerMoved, BreakerState
from millrace.risk.breakers import RULES, Breaker, Endpoint, Outcome
from millrace.shell.batching import BatchTally, op_of
from millrace.shell.outbox import Call, Rank
from millrace.shell.reconciler import AccountAnswer, OpenOrdersAnswer, OpenOrdersQuery
from millrace.shell.unanswered import Query, StatusAnswer

ANSWER_NS = 2_000_000_000
"""How long a call counts as under way (runtime 2.14)."""
_PROBE = "probe-"
_LONGEST_ID = 18
"""Characters of text in a client id are the most that some venues take."""
_ENDPOINT = {
    Rank.CANCEL: Endpoint.ORDERS,
    Rank.EXIT: Endpoint.ORDERS,
    Rank.ENTRY: Endpoint.ORDERS,
    Rank.QUESTION: Endpoint.QUERIES,
}
_NOT_FAILED = frozenset({RejectReason.POST_ONLY_WOULD_CROSS, RejectReason.UNKNOWN_ORDER, RejectReason.BELOW_FILLED})
"""Refusals that are the market's doing: it came to our price, or had filled us, before the call was there."""
_GONE = frozenset({RejectReason.UNKNOWN_ORDER.value, "unknown order"})
_Key = tuple[str, str]


def probe_id(venue: str) -> str:
    """Return the client id of an order that never exists at a venue."""
    return f"{_PROBE}{venue}"[:_LONGEST_ID]


def is_probe(client_id: str) -> bool:
    """Tell whether a client id is of no order but of a probe."""
    return client_id.startswith(_PROBE)


class _UnderWay(NamedTuple):
    """When a call counts as failed, its class, and whether a half-open breaker waits for it."""

    due_ns: int
    endpoint: Endpoint
    is_probe: bool


class VenueCalls:
    """The calls under way to one venue, and its breakers; `resumed` names classes whose breaker was open before."""

    def __init__(
        self,
        instrument: InstrumentId,
        seed: int,
        *,
        resumed: frozenset[Endpoint] = frozenset(),
        answer_ns: int = ANSWER_NS,
    ) -> None:
        self.broken = ""
        self.batches = BatchTally()
        self.probe_id = probe_id(instrument.venue)
        self._instrument = instrument
        self._answer_ns = answer_ns
        self._under_way: dict[_Key, _UnderWay] = {}
        self._moves: list[BreakerMoved] = []
        self._breakers = {
            endpoint: Breaker(f"{instrument.venue}/{endpoint}", seed, rules, resumed=endpoint in resumed)
            for endpoint, rules in RULES.items()
        }

    def __len__(self) -> int:
        return len(self._under_way)

    @property
    def next_ns(self) -> int | None:
        """When `due` must be called next; None when nothing is under way and no breaker is open."""
        if self.broken:
            return None
        waits = [breaker.until_ns for breaker in self._breakers.values() if breaker.state is BreakerState.OPEN]
        if self._under_way:
            waits.append(next(iter(self._under_way.values())).due_ns)
        return min(waits) if waits else None

    def states(self) -> dict[str, BreakerState]:
        """Return the state of each breaker by its class."""
        return {endpoint.value: breaker.state for endpoint, breaker in self._breakers.items()}

    def trips(self) -> dict[str, int]:
        """Return how often each breaker tripped."""
        return {endpoint.value: breaker.total_trips for endpoint, breaker in self._breakers.items()}

    def take_moves(self) -> list[BreakerMoved]:
        """Return, once, how the breakers moved."""
        moves, self._moves = self._moves, []
        return moves

    # Before and while a call leaves

    def may_leave(self, rank: Rank, now_ns: int) -> bool:
        """Ask the breaker of the call's class; cancels always pass."""
        if rank is Rank.CANCEL:
            return True
        if not self.broken:
            self._try(now_ns, lambda: self._breakers[_ENDPOINT[rank]].may_leave)
        return rank is not Rank.ENTRY if self.broken else self._breakers[_ENDPOINT[rank]].may_leave

    def left(self, rank: Rank, call: Call, now_ns: int) -> None:
        """Note that a call leaves."""
        self._try(now_ns, lambda: self._left(_ENDPOINT[rank], _key(call), now_ns))

    def _left(self, endpoint: Endpoint, key: _Key, now_ns: int) -> None:
        before = self._under_way.pop(key, None)
        is_probe = self._breakers[endpoint].left() or (before is not None and before.is_probe)
        self._under_way[key] = _UnderWay(now_ns + self._answer_ns, endpoint, is_probe)

    def probes(self, waiting: Callable[[Rank], bool]) -> list[Call]:
        """Return what half-open breakers ask to be sent because nothing of their class waits."""
        found: list[Call] = []
        for endpoint, breaker in self._breakers.items():
            if not self.broken and breaker.wants_probe and not breaker.probe_is_out:
                if endpoint is Endpoint.ORDERS and not (waiting(Rank.CANCEL) or waiting(Rank.EXIT)):
                    found.append(CancelOrder(self._instrument, self.probe_id, "is the venue back"))
                elif endpoint is Endpoint.QUERIES and not waiting(Rank.QUESTION):
                    found.append(Query(self._instrument, self.probe_id))
        return found

    @property
    def wants_probe(self) -> bool:
        """Tell whether a breaker waits for a probe that is not under way."""
        return not self.broken and any(one.wants_probe and not one.probe_is_out for one in self._breakers.values())

    # What became of it

    def due(self, now_ns: int) -> None:
        """Count what had no answer in time, and let breakers that were open long enough ask for a probe."""
        self._try(now_ns, lambda: self._due(now_ns))

    def _due(self, now_ns: int) -> None:
        while self._under_way:
            key, first = next(iter(self._under_way.items()))
            if first.due_ns > now_ns:
                break
            self._ended(key, Outcome.FAILED, now_ns)
        for endpoint, breaker in self._breakers.items():
            self._moved(endpoint, breaker.advance(now_ns), now_ns)

    def heard(self, event: OrderEvent) -> None:
        """Take an order's news: it answers the order's placing, its cancel, or both."""
        self._try(event.ts_ns, lambda: self._heard(event))

    def _heard(self, event: OrderEvent) -> None:
        if isinstance(event, OrderUnknown):
            self._ended(("place", event.client_id), Outcome.FAILED, event.ts_ns)
        elif isinstance(event, CancelRefused):
            outcome = _answer(too_fast=event.reason == RejectReason.RATE_LIMIT.value)
            self._ended(("cancel", event.client_id), outcome, event.ts_ns, failed=event.reason not in _GONE)
        elif isinstance(event, OrderAmended | AmendRefused):
            outcome = _answer(too_fast=isinstance(event, AmendRefused) and event.reason is RejectReason.RATE_LIMIT)
            self._ended(("amend", event.client_id), outcome, event.ts_ns, failed=_is_failure(event))
        else:
            outcome = _answer(too_fast=isinstance(event, OrderRejected) and event.reason is RejectReason.RATE_LIMIT)
            self._ended(("place", event.client_id), outcome, event.ts_ns, failed=_is_failure(event))
            if isinstance(event, OrderEnded):
                self._ended(("cancel", event.client_id), Outcome.ANSWERED, event.ts_ns, failed=False)

    def answered(self, answer: StatusAnswer | AccountAnswer, now_ns: int, *, refused: bool) -> None:
        """Take the answer to a question; `refused`: the venue said that we ask too fast."""
        self._try(now_ns, lambda: self._ended(self._asked(answer), _answer(too_fast=refused), now_ns))

    def _asked(self, answer: StatusAnswer | AccountAnswer) -> _Key:
        if isinstance(answer, StatusAnswer):
            return "query", answer.client_id
        if isinstance(answer, OpenOrdersAnswer):
            return "open orders", str(answer.instrument)
        return "balances", self._instrument.venue

    def _ended(self, key: _Key, outcome: Outcome, now_ns: int, *, failed: bool = True) -> None:
        """End a call; `failed` says whether a batch of which it was an item failed in part.

        A batch is one call, however many items the venue did not answer or refused for its pace. A probe is told of at
        once all the same: a breaker waits for it.
        """
        call = self._under_way.pop(key, None)
        told = self.batches.ended(key, outcome, failed=failed)
        if call is not None and call.is_probe:
            told = outcome
        if call is not None and told is not None:
            why = self._breakers[call.endpoint].told(told, now_ns, probe=call.is_probe)
            self._moved(call.endpoint, why, now_ns)

    def _moved(self, endpoint: Endpoint, why: str, now_ns: int) -> None:
        if why:
            state = self._breakers[endpoint].state
            self._moves.append(BreakerMoved(self._instrument.venue, endpoint, state, why, now_ns))

    def _try(self, now_ns: int, act: Callable[[], object]) -> None:
        """Act unless this part has failed; a failure restricts the venue until a restart (runtime 2.18)."""
        if self.broken:
            return
        try:
            act()
        except Exception as error:  # noqa: BLE001  whatever it is, what opens a position may not pass unjudged
            self.broken = f"the breaker itself failed: {type(error).__name__}"
            self._under_way.clear()
            self.batches.give_up()
            move = BreakerMoved(self._instrument.venue, Endpoint.ORDERS, BreakerState.OPEN, self.broken, now_ns)
            self._moves.append(move)


def _answer(*, too_fast: bool) -> Outcome:
    return Outcome.TOO_FAST if too_fast else Outcome.ANSWERED


def _is_failure(event: OrderEvent) -> bool:
    """Tell whether news is a refusal that neither the market nor we ourselves brought about."""
    if not isinstance(event, OrderRejected | AmendRefused):
        return False
    return event.reason not in _NOT_FAILED and event.reason not in NOT_SENT


def _key(call: Call) -> _Key:
    if isinstance(call, Approved | ApprovedAmend | CancelOrder):
        return op_of(call), call.client_id
    if isinstance(call, Query):
        return "query", call.client_id
    if isinstance(call, OpenOrdersQuery):
        return "open orders", str(call.instrument)
    return "balances", call.venue
