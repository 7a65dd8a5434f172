"""The desk's own orders of one symbol: from a stage's intent to a command's name, and from the venue's news back.

A slot is a side and a level; each order placed in it is a generation, and these three and the session make the order's
key, so the same decision has the same key in any process and a key never returns with other content (runtime 2.15). The
session is when the desk's state began: a run that begins anew counts its generations anew, and a venue must not take
its orders for those of the run before. What the stages read
of an order (`LiveOrder`) is kept here from the news, never from what was hoped for: an order is pending until the venue
has answered what was asked of it last.
"""

from typing import NamedTuple

import msgspec

from millrace.core.commands import Amend, Cancel, Intent, OrderState, OrderUpdate, Place, Refused, Side, Style
from millrace.core.events import NOT_SENT, RejectReason
from millrace.core.ids import SubPosition
from millrace.core.instrument import Lots, Ticks
from millrace.strategies.quoting.features.queue_tracker import Resting
from millrace.strategies.quoting.model import IntentKind, LiveOrder, OrderIntent

PURPOSE = "quote"
_MS = 1_000_000
_NOT_SEEN = frozenset({OrderState.INTENT, OrderState.SENT})
_ASKED_AGAIN = NOT_SENT | {RejectReason.LOST, RejectReason.RATE_LIMIT, RejectReason.POST_ONLY_WOULD_CROSS}
"""Why an amend was not done that say nothing against the next one: it did not arrive, or the market had moved."""


class Order(msgspec.Struct, gc=False):
    """One order: its slot, its terms as the venue confirmed them, and what is on its way.

    `asked_ns` is when the last call was decided, later by what it waited here, 0 when it was answered. `placed_ms` and
    `reference_ticks2` are renewed when it moves to the back of a queue. After an amend was refused it is taken back
    instead of amended: what is refused once would be refused at each tick, while the order stands where nobody wants
    it.
    """

    key: str
    side: Side
    level: int
    generation: int
    ticks: Ticks
    lots: Lots
    placed_ms: int
    reference_ticks2: int
    reduces: bool
    filled: Lots = 0
    seen: bool = False
    unknown: bool = False
    cancelling: bool = False
    amend_ticks: Ticks | None = None
    amend_lots: Lots = 0
    amend_reference_ticks2: int = 0
    asked_ns: int = 0
    queue_ahead: Lots | None = None
    may_amend: bool = True

    @property
    def pending(self) -> bool:
        """Whether the venue owes an answer about it."""
        return not self.seen or self.unknown or self.cancelling or self.amend_ticks is not None

    @property
    def most(self) -> Lots:
        """Lots that it may fill in all."""
        return self.lots if self.amend_ticks is None else max(self.lots, self.amend_lots)

    def live(self) -> LiveOrder:
        """Return what the stages read of it."""
        return LiveOrder(
            self.side,
            self.level,
            self.generation,
            self.ticks,
            self.most,
            self.filled,
            self.placed_ms,
            self.pending,
            self.reference_ticks2,
            self.queue_ahead,
            self.cancelling,
        )


class Heard(NamedTuple):
    """What news of an order says to the desk: a latency sample, and how long a quote had rested that is gone, in ms.

    A quote is gone when its order has ended, or was moved to another price.
    """

    order: Order
    latency_ms: float | None
    rested_ms: int | None


class Working:
    """The orders of one symbol that have not ended; `position` is the sub-position that all of them change.

    `session` is part of the name of each (quoting 4.6).
    """

    def __init__(self, position: SubPosition) -> None:
        self.position = position
        self.session = ""
        self.orders: dict[str, Order] = {}

    def resting(self) -> list[Resting]:
        """Return the orders that rest at the venue."""
        found = self.orders.values()
        return [Resting(one.key, one.side, one.ticks, one.lots - one.filled) for one in found if one.seen]

    def live(self) -> tuple[LiveOrder, ...]:
        """Return the orders as the stages read them, by side and level."""
        return tuple([order.live() for order in sorted(self.orders.values(), key=_place)])

    def wanted(self, intent: OrderIntent, now_ns: int, held: Lots, reference_ticks2: int) -> Intent | None:
        """Return the command's intent of a stage's; None where the order that it names has ended meanwhile.

        `held` are the signed lots of the position: an order that closes no more than is open and not spoken for by
        another one is a reducing one, and may leave where only those may. It never becomes one that does more: then it
        is taken back, and what replaces it has another name.
        """
        key = self._key_of(intent)
        if intent.kind is IntentKind.PLACE:
            reduces = intent.lots <= self._closable(intent.side, held)
            self.orders[key] = Order(
                key,
                intent.side,
                intent.level,
                intent.generation,
                intent.ticks,
                intent.lots,
                now_ns // _MS,
                reference_ticks2,
                reduces,
                asked_ns=now_ns,
            )
            terms = (intent.side, intent.lots, intent.ticks, Style.POST_ONLY, self.position)
            return Place(self.position.instrument, *terms, reduces, key, PURPOSE)
        order = self.orders.get(key)
        if order is None or order.cancelling:
            return None
        if intent.kind is IntentKind.AMEND and (intent.ticks, intent.lots) == (order.ticks, order.lots):
            return None
        order.asked_ns = now_ns
        if intent.kind is IntentKind.CANCEL or not (order.may_amend and self._stays_closing(order, intent.lots, held)):
            order.cancelling = True
            return Cancel(self.position.strategy, key, intent.reason)
        order.amend_ticks, order.amend_lots = intent.ticks, intent.lots
        order.amend_reference_ticks2 = reference_ticks2
        return Amend(self.position.strategy, key, intent.lots, intent.ticks, intent.reason)

    def _key_of(self, intent: OrderIntent) -> str:
        """Return the intent key of a slot's order."""
        return f"{self.position.instrument.symbol}/{self.session}/{intent.side.value}{intent.level}/{intent.generation}"

    def _stays_closing(self, order: Order, lots: Lots, held: Lots) -> bool:
        return not order.reduces or lots <= order.lots + max(self._closable(order.side, held), 0)

    def _closable(self, side: Side, held: Lots) -> Lots:
        spoken = sum(one.most - one.filled for one in self.orders.values() if one.reduces and one.side is side)
        return -side.sign * held - spoken

    def heard(self, update: OrderUpdate, now_ns: int) -> Heard | None:
        """Take the venue's news of an order; None for one that is not the desk's own any more."""
        order = self.orders.get(update.place.key)
        if order is None:
            return None
        latency_ms = (now_ns - order.asked_ns) / _MS if order.asked_ns else None
        order.filled = update.cum_lots
        order.unknown = update.state is OrderState.UNKNOWN
        if order.unknown:
            # What was asked is not known to have arrived; the questions that follow tell.
            order.cancelling, order.asked_ns = False, 0
            return Heard(order, None, None)
        if update.previous is OrderState.UNKNOWN:
            order.cancelling = False  # one that was asked for meanwhile may be lost without a word
        answered = not order.seen or update.amend is not None or update.state.is_terminal
        if update.state not in _NOT_SEEN:
            order.seen = True
        placed_ms, ticks = order.placed_ms, order.ticks
        if update.amend is not None:
            self._amended(order, update, now_ns)
        elif order.cancelling and update.state is update.previous and not update.d_lots:
            order.cancelling, answered = False, True  # the cancel was refused
        if answered:
            order.asked_ns = 0
        if update.state.is_terminal:
            del self.orders[order.key]
        gone = update.state.is_terminal or order.ticks != ticks
        measured = answered and not _stayed_here(update)
        return Heard(order, latency_ms if measured else None, now_ns // _MS - placed_ms if gone else None)

    def left_late(self, key: str, waited_ns: int) -> bool:
        """Take that the call which is awaited waited here before it left; False for an order of somebody else."""
        order = self.orders.get(key)
        if order is not None and order.asked_ns:
            order.asked_ns += waited_ns
        return order is not None

    def _amended(self, order: Order, update: OrderUpdate, now_ns: int) -> None:
        moved = update.place.limit_ticks != order.ticks or update.place.lots > order.lots
        order.ticks, order.lots = update.place.limit_ticks, update.place.lots
        if moved:
            order.placed_ms, order.queue_ahead = now_ns // _MS, None
            order.reference_ticks2 = order.amend_reference_ticks2 or order.reference_ticks2
        order.amend_ticks, order.amend_reference_ticks2 = None, 0
        reject = None if update.amend is None else update.amend.reject
        order.may_amend = reject is None or reject in _ASKED_AGAIN

    def refused(self, refused: Refused) -> Order | None:
        """Take that the board let an order or an amend not leave; returns the order, None for one that is not known."""
        order = self.orders.get(refused.place.key)
        if order is None:
            return None
        order.asked_ns = 0
        if refused.is_amend:
            order.amend_ticks, order.may_amend = None, False
        else:
            del self.orders[order.key]
        return order

    def abandoned(self) -> list[str]:
        """Return the keys of all orders without a cancel on its way, which they have from now on."""
        found = [order for order in self.orders.values() if not order.cancelling]
        for order in found:
            order.cancelling = True
        return [order.key for order in found]

    def snapshot(self) -> list[Order]:
        """Return the orders."""
        return list(self.orders.values())

    def restore(self, orders: list[Order]) -> None:
        """Take what `snapshot` gave."""
        self.orders = {order.key: order for order in orders}


def _stayed_here(update: OrderUpdate) -> bool:
    """Tell whether it is our own answer: what never left says nothing of how slow the venue is (quoting 12)."""
    return update.reject in NOT_SENT or (update.amend is not None and update.amend.reject in NOT_SENT)


def _place(order: Order) -> tuple[str, int, int]:
    return order.side.value, order.level, order.generation
