"""The sub-positions that fills make, what they cost, and how they become cash without an order.

A market that resolves pays what we hold of it, and a venue may take pairs of YES and NO back at a dollar. Both are told
by market; here they become closings of single sub-positions. News may come in any order: a fill that is heard of after
its market paid is closed on the spot, pairs that the venue took back before we heard of their fills are owed until
then, and pairs of which we hear when their market has paid already change what it paid for; so that in the end the
table says what the venue says (arb 12, 0.7).
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import structs

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.commands import OrderState, OrderUpdate, Place, RecordClosing, Style
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Outcome, outcome_of
from millrace.orders.held import FLAT, Book, Held, move, of_outcome, pairs_in
from millrace.orders.payouts import Payout, Share

CLOSING = "closing/"
"""Begins the name of an update that no order stands behind: a pay-out, or pairs taken back."""
_KEPT = 10_000
"""Markets whose pay-out, and of each venue redemptions whose number, is remembered for news that comes late."""


class Closed(NamedTuple):
    """Lots of one sub-position that became cash."""

    position: SubPosition
    lots: Lots
    proceeds: Money
    fee: Money
    route: RedeemRoute


Ending = MarketResolved | PairsRedeemed


class _Saved(msgspec.Struct):
    held: list[tuple[SubPosition, Held]]
    paid: list[tuple[MarketResolved, list[tuple[SubPosition, Held]], list[tuple[SubPosition, Share]]]]
    owed: list[PairsRedeemed]
    numbers: dict[str, list[int]]


class Positions:
    """Sub-positions by name; one that is flat is forgotten."""

    def __init__(self) -> None:
        self._held: Book = {}
        self._paid: dict[InstrumentId, Payout] = {}
        self._owed: dict[InstrumentId, list[PairsRedeemed]] = {}
        self._numbers: dict[str, dict[int, None]] = {}

    def lots(self, position: SubPosition) -> Lots:
        """Return signed open lots."""
        return self._held.get(position, FLAT).lots

    def all(self) -> dict[SubPosition, Lots]:
        """Return the signed lots of every sub-position that is not flat."""
        return {position: held.lots for position, held in self._held.items()}

    def most_in_group(self, position: SubPosition) -> Lots:
        """Return the largest of the other sub-positions of the same strategy and group."""
        return max(
            (
                held.lots
                for other, held in self._held.items()
                if other.group == position.group and other.strategy == position.strategy and other != position
            ),
            default=0,
        )

    def move(self, position: SubPosition, lots: Lots, cost: Money) -> None:
        """Add signed lots at a cost; what is reduced takes its share of the average cost with it."""
        move(self._held, position, lots, cost)

    # Markets that end, and pairs that are taken back

    def close(self, event: Ending, instruments: Mapping[InstrumentId, Instrument]) -> list[Closed]:
        """Take a pay-out or pairs taken back; told again it changes nothing.

        Of a market that has paid, contracts are closed with what they are due; where the venue says what it paid, the
        shares sum to that. Pairs are closed at what they brought, and what no fill explains yet is owed until one does.
        """
        if self.knows(event):
            return []
        market = event.market
        if isinstance(event, MarketResolved):
            self._paid[market] = Payout(event)
            if len(self._paid) > _KEPT:
                oldest = next(iter(self._paid))
                del self._paid[oldest]
                self._owed.pop(oldest, None)
        else:
            numbers = self._numbers.setdefault(market.venue, {})
            numbers[event.number] = None
            if len(numbers) > _KEPT:
                del numbers[next(iter(numbers))]
            self._owed.setdefault(market, []).append(event)
        return self._settle(market, instruments)

    def knows(self, event: Ending) -> bool:
        """Tell whether an ending was told before."""
        if isinstance(event, MarketResolved):
            return event.market in self._paid
        return event.number in self._numbers.get(event.market.venue, ())

    def late(self, position: SubPosition, instruments: Mapping[InstrumentId, Instrument]) -> list[Closed]:
        """Return what a fill closes at once: its market has paid already, or pairs of it are owed."""
        if not (self._paid or self._owed):
            return []
        terms = instruments[position.instrument].binary
        return [] if terms is None else self._settle(terms.market, instruments)

    def owed(self) -> dict[InstrumentId, Lots]:
        """Return pairs that a venue took back and no fill of ours explains yet, by market."""
        return {market: sum(event.lots for event in events) for market, events in self._owed.items()}

    def _settle(self, market: InstrumentId, instruments: Mapping[InstrumentId, Instrument]) -> list[Closed]:
        """Close what pairs that are owed explain, and what is held of a market that has paid.

        What was closed before and is due more, or less, by what we know now has a closing of no lots.
        """
        paid = self._paid.get(market)
        if paid is None:
            return self._take_pairs(market, self._held)
        fresh: dict[SubPosition, Lots] = {}
        for position in [name for outcome in Outcome for name in of_outcome(self._held, market, outcome)]:
            fresh[position] = self.lots(position)
            paid.take(position, self._held.pop(position))
        found, paired = [], dict[SubPosition, Closed]()
        for taken in self._take_pairs(market, paid.paid_for, paid):
            lots = min(taken.lots, max(fresh.get(taken.position, 0), 0))
            if lots:
                fresh[taken.position] -= lots
                found.append(taken._replace(lots=lots))
            else:
                before = paired.get(taken.position)
                more = 0 if before is None else before.proceeds
                paired[taken.position] = taken._replace(lots=0, proceeds=taken.proceeds + more)
        for position, change in paid.changes(instruments).items():
            pair = paired.get(position, Closed(position, 0, 0, 0, RedeemRoute.RESOLUTION))
            lots, proceeds = fresh.get(position, 0), pair.proceeds + change.proceeds
            if lots or proceeds or change.fee:
                found.append(Closed(position, lots, proceeds, change.fee, pair.route))
        return found

    def _take_pairs(self, market: InstrumentId, book: Book, paid: Payout | None = None) -> list[Closed]:
        """Take the pairs that are owed out of a book; half of the money to each side, while its market has not paid."""
        found, left = [], []
        for event in self._owed.pop(market, ()):
            rest, money = event.lots, event.proceeds
            for sides in pairs_in(book, event):
                lots = max(min(rest, *(book.get(position, FLAT).lots for position in sides)), 0)
                if not lots:
                    continue
                share = money if lots == rest else money * lots // rest
                rest, money = rest - lots, money - share
                for position, part in zip(sides, _parts(sides, share, paid), strict=True):
                    move(book, position, -lots, 0)
                    found.append(Closed(position, lots, part, 0, event.route))
            if rest:
                left.append(structs.replace(event, lots=rest, proceeds=money))
        if left:
            self._owed[market] = left
        return found

    # Snapshots

    def snapshot(self) -> dict[str, object]:
        """Return the state as builtins."""
        paid = [(one.event, list(one.paid_for.items()), list(one.booked.items())) for one in self._paid.values()]
        owed = [event for events in self._owed.values() for event in events]
        numbers = {venue: list(told) for venue, told in self._numbers.items()}
        builtins: dict[str, object] = msgspec.to_builtins(_Saved(list(self._held.items()), paid, owed, numbers))
        return builtins

    def restore(self, state: dict[str, object]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with nothing changed, when it is none."""
        saved = msgspec.convert(state, _Saved)
        self._held = dict(saved.held)
        self._paid = {event.market: Payout(event, dict(book), dict(booked)) for event, book, booked in saved.paid}
        self._owed = {}
        for event in saved.owed:
            self._owed.setdefault(event.market, []).append(event)
        self._numbers = {venue: dict.fromkeys(told) for venue, told in saved.numbers.items()}


def _parts(sides: tuple[SubPosition, ...], money: Money, paid: Payout | None) -> tuple[Money, ...]:
    if len(sides) == 1:
        return (money,)
    if paid is None:
        return money // 2, money - money // 2
    return tuple(paid.of_pair(outcome_of(position.instrument)[1], money) for position in sides)


def closing_of(closed: Closed, number: int, ts_ns: int) -> tuple[RecordClosing, OrderUpdate]:
    """Return a closing for the ledger, and as the update of an order that never was, for guards and strategy."""
    position = closed.position
    record = RecordClosing(position, closed.lots, closed.proceeds, closed.fee, closed.route, number, ts_ns)
    key = f"{CLOSING}{number}"
    terms = (record.side, abs(closed.lots), 0, Style.LIMIT, position)
    place = Place(position.instrument, *terms, reduces=True, key=key, purpose=closed.route.value)
    totals = (abs(closed.lots), record.cost, closed.fee)
    return record, OrderUpdate(key, place, OrderState.FILLED, OrderState.OPEN, *totals, *totals, None, "", ts_ns)
