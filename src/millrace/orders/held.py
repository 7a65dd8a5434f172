"""Contracts of sub-positions by name: how they move, and which of them a venue that takes pairs back would take.

Open positions and those that a market has paid already are kept alike, so that pairs which were taken back before the
market paid, and of which we hear after it, come out of the same arithmetic (arb 12).
"""

from collections.abc import Iterable
from typing import NamedTuple

from millrace.core.binary_events import PairsRedeemed, RedeemRoute
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Lots, Money, Outcome, half_even, outcome_id


class Held(NamedTuple):
    """Signed lots of a sub-position, and what those lots cost without fees."""

    lots: Lots
    cost: Money


FLAT = Held(0, 0)
Book = dict[SubPosition, Held]
"""Sub-positions that are not flat."""


def move(book: Book, position: SubPosition, lots: Lots, cost: Money) -> None:
    """Add signed lots at a cost; what is reduced takes its share of the average cost with it."""
    before = book.get(position, FLAT)
    after = before.lots + lots
    if after == 0:
        book.pop(position, None)
    elif before.lots * lots >= 0:
        book[position] = Held(after, before.cost + cost)
    elif before.lots * after > 0:
        book[position] = Held(after, half_even(before.cost * abs(after), abs(before.lots)))
    else:
        book[position] = Held(after, half_even(cost * abs(after), abs(lots)))


def of_outcome(book: Iterable[SubPosition], market: InstrumentId, outcome: Outcome) -> list[SubPosition]:
    """Return the sub-positions of one outcome, in their order."""
    wanted = outcome_id(market, outcome)
    return sorted(position for position in book if position.instrument == wanted)


def pairs_in(book: Book, event: PairsRedeemed) -> list[tuple[SubPosition, ...]]:
    """Return what may be taken together: first where one group holds both outcomes, then across groups.

    A conversion takes NOs alone: whoever makes the events gives each market of the set its own.
    """
    yes, no = (of_outcome(book, event.market, outcome) for outcome in Outcome)
    if event.route is RedeemRoute.CONVERT:
        return [(one,) for one in no]
    pairs = [(one, other) for one in yes for other in no]
    return [*sorted(pairs, key=lambda pair: (pair[0].group != pair[1].group, pair))]
