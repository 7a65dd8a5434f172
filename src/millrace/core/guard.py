"""What watches over trading, as one seam: a guard is shown what happens and answers with postings on the board.

Kill switches, caps, breakers and playbooks differ in what they look at and in nothing else, so the engine knows only
this protocol. A guard never sends, changes or resizes an order: it posts and lifts restrictions, objects to single
orders that would add to a position, and asks for cancels of a scope. The board alone refuses (runtime 2.1).

A guard that raises has failed at the one thing it is for, so the engine then halts everything in its name.
"""

from typing import Any, Protocol

import msgspec

from millrace.core.book_events import BookNews
from millrace.core.commands import Alert, Book, CancelOrder, Lift, OrderUpdate, Place, Post, Reply, ResyncBook
from millrace.core.data_quality import Judged
from millrace.core.events import Event
from millrace.core.ids import SubPosition
from millrace.core.instrument import Lots
from millrace.core.order_truth import OpenOrder
from millrace.core.permission import Restriction, Scope
from millrace.core.ports import Restorable
from millrace.core.strategy import Bound, Interest, View


class CancelScope(msgspec.Struct, frozen=True, gc=False):
    """Take every order of ours in the scope off the book; cancels are admitted at every level."""

    scope: Scope
    reason: str


Verdict = Post | Lift | Alert | Reply | Book | CancelScope | CancelOrder | ResyncBook
Seen = Event | OrderUpdate | Judged | BookNews


class GuardView(View, Protocol):
    """What a guard may read: what strategies see, and the board, positions and orders as a whole."""

    def restrictions(self) -> list[Restriction]:
        """Return the restrictions in force, in a stable order."""
        ...

    def positions(self) -> dict[SubPosition, Lots]:
        """Return the signed lots of every sub-position that is not flat, in a stable order."""
        ...

    def unfinished(self) -> list[OpenOrder]:
        """Return the orders that have not ended, in the order in which they were made."""
        ...


class Guard(Restorable, Protocol):
    """One guard; its state is part of the engine's snapshot under its name.

    `reads` names the kinds of Event, and OrderUpdate, Judged and BookNews, that it is shown. An event reaches it after
    market, board and account took it and before the strategies see it; an order update after table and account took it.
    Market data that lie within its bounds may come as a MarketBlock, which it need not read; those that are not plainly
    accepted come as `Judged`, and as themselves only when they are accepted after all.
    """

    name: str
    reads: tuple[type, ...]

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Return what follows from one thing that happened."""
        ...

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Return the reason codes for which these orders may not leave; () if they may.

        They would add to positions and leave together or not at all: the legs of a plan, or one order alone.
        """
        ...

    def interest(self) -> Interest:
        """Return when it must be woken; it may change only by `observe` or `restore`.

        A deadline is answered by a Timer, which the guard must then read, at the earliest at that very time.
        """
        ...

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return what a person or a dashboard wants to see, computed from the state; strict JSON."""
        ...


def merged(parts: list[Interest], guards: list[Interest]) -> Interest:
    """Return the interest of all together; a guard has no regular loop, so its deadlines are kept in any case."""
    bounds: list[Bound] = []
    deadlines, regular, every = [], [], False
    for part in parts:
        bounds += part.bounds
        every = every or part.all_events
        if part.deadline_ns is not None:
            deadlines.append(part.deadline_ns)
        if part.heartbeat_ns is not None:
            regular.append(part.heartbeat_ns)
    for part in guards:
        bounds += part.bounds
        every = every or part.all_events
        if part.deadline_ns is not None:
            deadlines.append(part.deadline_ns)
            regular.append(part.deadline_ns)
    return Interest(tuple(bounds), min(deadlines, default=None), min(regular, default=None), every)
