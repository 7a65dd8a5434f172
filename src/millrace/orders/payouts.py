"""What one market paid, shared out to the sub-positions that it paid for, and shared out anew when more is heard.

A market may pay before we hear of the last fill, or of the pairs that its venue had turned into cash until then. So a
pay-out is no moment: what each sub-position is due is worked out from all that is known, and what is booked is how far
that differs from what was booked before. In the end it is what the venue paid, whatever order the news had (arb 12).
"""

from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from millrace.core.binary_events import MarketResolved
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Outcome
from millrace.orders.held import FLAT, Book, Held, move, of_outcome


class Share(NamedTuple):
    """What the pay-out brings one sub-position, and what the venue keeps of it."""

    proceeds: Money
    fee: Money


_NOTHING = Share(0, 0)


class Payout(msgspec.Struct):
    """One market's pay-out; `paid_for` are the contracts that it paid for as far as we know, `booked` what was told."""

    event: MarketResolved
    paid_for: Book = {}
    booked: dict[SubPosition, Share] = {}

    def take(self, position: SubPosition, held: Held) -> None:
        """Add contracts that were held when the market paid."""
        move(self.paid_for, position, *held)
        self.booked.setdefault(position, _NOTHING)

    def changes(self, instruments: Mapping[InstrumentId, Instrument]) -> dict[SubPosition, Share]:
        """Return how far each share differs from what was booked of it, and count that as booked; YES comes first."""
        market = self.event.market
        names = [name for outcome in Outcome for name in of_outcome(self.booked, market, outcome)]
        due = _due(self.event, [(instruments[name.instrument], self.paid_for.get(name, FLAT)) for name in names])
        changed = {}
        for name, share in zip(names, due, strict=True):
            before = self.booked[name]
            changed[name] = Share(share.proceeds - before.proceeds, share.fee - before.fee)
            self.booked[name] = share
        return changed

    def of_pair(self, outcome: Outcome, money: Money) -> Money:
        """Return the part of a pair's dollar that its YES or NO stands for: as the market pays, of a void one half."""
        yes_ticks = self.event.yes_ticks
        yes = money // 2 if yes_ticks is None else money * yes_ticks // PAYOUT_TICKS
        return yes if outcome is Outcome.YES else money - yes


def _due(event: MarketResolved, rows: list[tuple[Instrument, Held]]) -> list[Share]:
    """Return what each is due by the market's answer, or by the venue's word where that decides."""
    due = []
    for instrument, held in rows:
        ticks = _ticks(event, instrument)
        cost = held.cost if held.lots > 0 else -held.cost
        proceeds = cost if ticks is None else instrument.cost(ticks, held.lots)
        fee = -(-event.fee_per_contract * max(held.lots, 0) // CONTRACT_LOTS) if ticks else 0
        due.append(Share(proceeds, fee))
    if event.paid is None or not due:
        return due
    if event.yes_ticks is None:
        due = _shared(event.paid, [held for _, held in rows])
    off = event.paid - sum(share.proceeds for share in due)
    if abs(off) > len(due) + 1:
        # No rounding: something is not known yet, or the venue paid otherwise than it must, which the comparison finds.
        return due
    last = max(range(len(due)), key=lambda place: (due[place].proceeds > 0, place))
    fee_off = event.fee - sum(share.fee for share in due)
    due[last] = Share(due[last].proceeds + off, due[last].fee + fee_off)
    return due


def _ticks(event: MarketResolved, instrument: Instrument) -> int | None:
    if event.yes_ticks is None or instrument.binary is None:
        return None
    return event.yes_ticks if instrument.binary.outcome is Outcome.YES else PAYOUT_TICKS - event.yes_ticks


def _shared(paid: Money, rows: list[Held]) -> list[Share]:
    """Share what a void paid by cost: the venue's own average over all that it saw, so its word stands for the sum."""
    weights: list[Money | Lots] = [max(held.cost, 0) if held.lots > 0 else 0 for held in rows]
    if not any(weights):
        weights = [max(held.lots, 0) for held in rows]
    whole = sum(weights)
    return [Share(paid * weight // whole if whole else 0, 0) for weight in weights]
