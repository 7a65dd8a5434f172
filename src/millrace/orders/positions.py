"""The sub-positions that fills make, what they cost, and how they become cash without an order.

A market that resolves pays what we hold of it, and a venue may take pairs of YES and NO back at a dollar. Both are told
by market; here they become closings of single sub-positions. News may come in any order: a fill that is heard of after
its market paid is closed on the spot, and pairs that the venue took back before we heard of their fills are owed until
then, so that in the end the table says what the venue says (arb 12, 0.7).
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec
from msgspec import structs

from millrace.core.binary_events import MarketResolved, PairsRedeemed, RedeemRoute
from millrace.core.commands import OrderState, OrderUpdate, Place, RecordClosing, Side, Style
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Outcome, half_even, outcome_id

CLOSING = "closing/"
"""Begins the name of an update that no order stands behind: a pay-out, or pairs taken back."""
_RESOLVED_KEPT = 10_000
"""Markets whose pay-out is remembered for fills that are heard of late."""


class Held(NamedTuple):
    """Signed lots of a sub-position, and what those lots cost without fees."""

    lots: Lots
    cost: Money


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
    resolved: list[MarketResolved]
    owed: list[PairsRedeemed]
    numbers: dict[str, list[int]]


class Positions:
    """Sub-positions by name; one that is flat is forgotten."""

    def __init__(self) -> None:
        self._held: dict[SubPosition, Held] = {}
        self._resolved: dict[InstrumentId, MarketResolved] = {}
        self._owed: dict[InstrumentId, PairsRedeemed] = {}
        self._numbers: dict[str, dict[int, None]] = {}

    def lots(self, position: SubPosition) -> Lots:
        """Return signed open lots."""
        held = self._held.get(position)
        return 0 if held is None else held.lots

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
        before = self._held.get(position, Held(0, 0))
        after = before.lots + lots
        if after == 0:
            self._held.pop(position, None)
        elif before.lots * lots >= 0:
            self._held[position] = Held(after, before.cost + cost)
        elif before.lots * after > 0:
            self._held[position] = Held(after, half_even(before.cost * abs(after), abs(before.lots)))
        else:
            self._held[position] = Held(after, half_even(cost * abs(after), abs(lots)))

    # Markets that end, and pairs that are taken back

    def close(
        self, event: MarketResolved | PairsRedeemed, instruments: Mapping[InstrumentId, Instrument]
    ) -> list[Closed]:
        """Take a pay-out or pairs taken back; told again it changes nothing."""
        return self.resolve(event, instruments) if isinstance(event, MarketResolved) else self.redeem(event)

    def resolve(self, event: MarketResolved, instruments: Mapping[InstrumentId, Instrument]) -> list[Closed]:
        """Close what is held of a market that pays; where the venue says what it paid, the shares sum to that."""
        if event.market in self._resolved:
            return []
        self._resolved[event.market] = event
        self._owed.pop(event.market, None)
        if len(self._resolved) > _RESOLVED_KEPT:
            del self._resolved[next(iter(self._resolved))]
        return self._pay(event, instruments)

    def redeem(self, event: PairsRedeemed) -> list[Closed]:
        """Close pairs that the venue took back; what no fill explains yet is owed until one does.

        After its market paid a pair was closed as two lots that sum to the same dollar.
        """
        if self.knows(event):
            return []
        if event.number:
            numbers = self._numbers.setdefault(event.market.venue, {})
            numbers[event.number] = None
            if len(numbers) > _RESOLVED_KEPT:
                del numbers[next(iter(numbers))]
        owed = self._owed.pop(event.market, None)
        if owed is not None:
            event = structs.replace(event, lots=event.lots + owed.lots, proceeds=event.proceeds + owed.proceeds)
        return self._take_pairs(event)

    def knows(self, event: Ending) -> bool:
        """Tell whether an ending changes nothing any more: it was told before, or its market has paid since."""
        if event.market in self._resolved:
            return True
        return isinstance(event, PairsRedeemed) and event.number in self._numbers.get(event.market.venue, ())

    def late(self, position: SubPosition, instruments: Mapping[InstrumentId, Instrument]) -> list[Closed]:
        """Return what a fill closes at once: its market has paid already, or pairs of it are owed."""
        if not (self._resolved or self._owed):
            return []
        terms = instruments[position.instrument].binary
        if terms is None:
            return []
        resolved = self._resolved.get(terms.market)
        if resolved is not None:
            return self._pay(structs.replace(resolved, paid=None), instruments)
        owed = self._owed.pop(terms.market, None)
        return [] if owed is None else self._take_pairs(owed)

    def owed(self) -> dict[InstrumentId, Lots]:
        """Return pairs that a venue took back and no fill of ours explains yet, by market."""
        return {market: event.lots for market, event in self._owed.items()}

    def _of(self, market: InstrumentId, outcome: Outcome) -> list[tuple[SubPosition, Held]]:
        wanted = outcome_id(market, outcome)
        return sorted((position, held) for position, held in self._held.items() if position.instrument == wanted)

    def _pay(self, event: MarketResolved, instruments: Mapping[InstrumentId, Instrument]) -> list[Closed]:
        found = []
        for outcome in Outcome:
            for position, held in self._of(event.market, outcome):
                instrument = instruments[position.instrument]
                proceeds = held.cost if event.yes_ticks is None else instrument.cost(_pays(event, outcome), held.lots)
                wins = event.yes_ticks is not None and _pays(event, outcome) > 0
                fee = -(-event.fee_per_contract * max(held.lots, 0) // CONTRACT_LOTS) if wins else 0
                found.append(Closed(position, held.lots, proceeds, fee, RedeemRoute.RESOLUTION))
        found = _as_told(found, event)
        for closed in found:
            del self._held[closed.position]
        return found

    def _take_pairs(self, event: PairsRedeemed) -> list[Closed]:
        """Take pairs first where one group holds both outcomes, then across groups; half of the money to each side.

        A conversion takes NOs alone: whoever makes the events gives each market of the set its own.
        """
        rest, money, found = event.lots, event.proceeds, []
        for sides in self._pairs(event):
            lots = max(min(rest, *(self.lots(position) for position in sides)), 0)
            if not lots:
                continue
            share = money if lots == rest else money * lots // rest
            rest, money = rest - lots, money - share
            for position in sides:
                part = share // len(sides) + (share % len(sides) if position is sides[-1] else 0)
                self.move(position, -lots, 0)
                found.append(Closed(position, lots, part, 0, event.route))
        if rest:
            self._owed[event.market] = structs.replace(event, lots=rest, proceeds=money)
        return found

    def _pairs(self, event: PairsRedeemed) -> list[tuple[SubPosition, ...]]:
        yes, no = self._of(event.market, Outcome.YES), self._of(event.market, Outcome.NO)
        if event.route is RedeemRoute.CONVERT:
            return [(one,) for one, _ in no]
        pairs = [(one, other) for one, _ in yes for other, _ in no]
        return [*sorted(pairs, key=lambda pair: (pair[0].group != pair[1].group, pair))]

    # Snapshots

    def snapshot(self) -> dict[str, object]:
        """Return the state as builtins."""
        numbers = {venue: list(told) for venue, told in self._numbers.items()}
        saved = _Saved(list(self._held.items()), list(self._resolved.values()), list(self._owed.values()), numbers)
        builtins: dict[str, object] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, object]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with nothing changed, when it is none."""
        saved = msgspec.convert(state, _Saved)
        self._held = dict(saved.held)
        self._resolved = {event.market: event for event in saved.resolved}
        self._owed = {event.market: event for event in saved.owed}
        self._numbers = {venue: dict.fromkeys(told) for venue, told in saved.numbers.items()}


def closing_of(closed: Closed, number: int, ts_ns: int) -> tuple[RecordClosing, OrderUpdate]:
    """Return a closing for the ledger, and as the update of an order that never was, for guards and strategy."""
    position, lots = closed.position, abs(closed.lots)
    side = Side.SELL if closed.lots > 0 else Side.BUY
    record = RecordClosing(position, closed.lots, closed.proceeds, closed.fee, closed.route, number, ts_ns)
    key = f"{CLOSING}{number}"
    terms = (side, lots, 0, Style.LIMIT, position)
    place = Place(position.instrument, *terms, reduces=True, key=key, purpose=closed.route.value)
    totals = (lots, abs(closed.proceeds), closed.fee)
    return record, OrderUpdate(key, place, OrderState.FILLED, OrderState.OPEN, *totals, *totals, None, "", ts_ns)


def _pays(event: MarketResolved, outcome: Outcome) -> int:
    yes = event.yes_ticks or 0
    return yes if outcome is Outcome.YES else PAYOUT_TICKS - yes


def _as_told(found: list[Closed], event: MarketResolved) -> list[Closed]:
    """Make roundings add up to what the venue paid; a larger difference is no rounding and stays to be seen.

    What a void pays back is the venue's own average over everything that it saw, so there its word is shared out.
    """
    if event.paid is None or not found:
        return found
    if event.yes_ticks is None:
        cost = sum(one.proceeds for one in found)
        found = [one._replace(proceeds=event.paid * one.proceeds // cost if cost else 0) for one in found]
    off, fee_off = event.paid - sum(one.proceeds for one in found), event.fee - sum(one.fee for one in found)
    if abs(off) > len(found) + 1:
        return found
    last = max(range(len(found)), key=lambda place: (found[place].proceeds > 0, place))
    told = found[last]
    return [
        *found[:last],
        told._replace(proceeds=told.proceeds + off, fee=told.fee + fee_off),
        *found[last + 1 :],
    ]
