"""Free money per venue and asset: the venue's last report less what has left since and the report cannot know yet.

A reservation is made when an order leaves and stays until a report from after the venue's first sign of the order: from
then on the venue's own hold, or the trade, is in the reported figure. A fill does not free it, because the report that
is still in force knows nothing of the spending. Proceeds never count before a report. So the figure may be too small
for a moment, and never too large.

An amend that may need more is held on its own, in the same way: until it was refused, or a report knows of it.
"""

from typing import Any

import msgspec
from msgspec import structs

from millrace.core.commands import Approved, ApprovedAmend, OrderState, OrderUpdate, Place, Side, Style
from millrace.core.events import BalanceReport
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money

_ROUNDING = 4
"""Units by which the sum of two roundings, of cost and of fee, may exceed that of one."""
_NOT_SEEN = frozenset({OrderState.INTENT, OrderState.SENT, OrderState.UNKNOWN})


class _Legs(msgspec.Struct, frozen=True):
    """What the two sides of an instrument spend."""

    base: str
    quote: str
    base_per_lot: Money


class _Reservation(msgspec.Struct, gc=False):
    """Money of one order, or, with a revision, what that amend of it may need beyond.

    `seen_ns` is when the venue first showed that it has the order or the new terms, 0 before.
    """

    client_id: str
    venue: str
    asset: str
    amount: Money
    seen_ns: int = 0
    revision: int = 0

    @property
    def key(self) -> tuple[str, int]:
        return self.client_id, self.revision


class _Saved(msgspec.Struct):
    reports: list[tuple[str, int, dict[str, tuple[Money, Money]]]]
    reservations: list[_Reservation]
    legs: list[tuple[InstrumentId, _Legs]]


class Account:
    """Implements `core.ports.Account`."""

    def __init__(self) -> None:
        self._reported: dict[str, dict[str, tuple[Money, Money]]] = {}
        self._reported_ns: dict[str, int] = {}
        self._reservations: dict[tuple[str, int], _Reservation] = {}
        self._amending: dict[str, _Reservation] = {}
        self._seen: dict[str, dict[tuple[str, int], _Reservation]] = {}
        self._sums: dict[tuple[str, str], Money] = {}
        self._legs: dict[InstrumentId, _Legs] = {}

    def report(self, event: BalanceReport) -> None:
        """Take the venue's balances; a report older than the one in force is ignored."""
        if event.ts_ns < self._reported_ns.get(event.venue, event.ts_ns):
            return
        self._reported[event.venue] = event.balances
        self._reported_ns[event.venue] = event.ts_ns
        seen = self._seen.get(event.venue)
        if seen:
            for reservation in [known for known in seen.values() if known.seen_ns <= event.ts_ns]:
                self._drop(reservation)

    def know(self, instrument: Instrument) -> None:
        """Learn what the sides of an instrument spend; the venue's hold of an adopted order is in its reports."""
        if instrument.id not in self._legs:
            self._legs[instrument.id] = _Legs(instrument.base, instrument.quote, instrument.base_amount(1))

    def reserve(self, approved: Approved, instrument: Instrument) -> None:
        """Hold the money of an order that leaves: a buy's cost and fee at its limit, a sell's base.

        The fee is the maker's, or the taker's where that is higher and the order may take.
        """
        place = approved.order
        self.know(instrument)
        legs = self._legs[place.instrument]
        amount = _need(place, instrument, may_take=place.style is not Style.POST_ONLY)
        asset = legs.quote if place.side is Side.BUY else legs.base
        self._hold(_Reservation(approved.client_id, place.instrument.venue, asset, amount))

    def amend(self, approved: ApprovedAmend, instrument: Instrument) -> None:
        """Hold what new terms may need beyond what the venue holds for the old ones.

        Some of the order may fill at the old price and some at the new one, so all of it counts at the dearer of both.
        """
        before = approved.order
        sooner = before.side.sign * (approved.limit_ticks - before.limit_ticks) > 0
        limit_ticks = approved.limit_ticks if sooner else before.limit_ticks
        after = structs.replace(before, lots=approved.lots, limit_ticks=limit_ticks)
        may_take = sooner and before.style is not Style.POST_ONLY
        more = _need(after, instrument, may_take=may_take) - _need(before, instrument, may_take=False)
        if more <= 0:
            return
        if before.side is Side.BUY and approved.limit_ticks != before.limit_ticks:
            more += _ROUNDING
        asset = instrument.quote if before.side is Side.BUY else instrument.base
        held = _Reservation(approved.client_id, before.instrument.venue, asset, more, revision=approved.revision)
        self._amending[approved.client_id] = held
        self._hold(held)

    def update(self, update: OrderUpdate) -> None:
        """Note that the venue has an order or its new terms, or free what cannot be spent any more."""
        if update.amend is not None or update.state.is_terminal:
            self._amended(update)
        reservation = self._reservations.get((update.client_id, 0))
        if update.previous.is_terminal:
            self._late_fill(update, reservation)
        elif reservation is not None and update.state.is_terminal:
            self._ended(update, reservation)
        elif reservation is not None and update.state not in _NOT_SEEN:
            self._saw(reservation, update.ts_ns)

    def _amended(self, update: OrderUpdate) -> None:
        """Free what an amend that was not done would have needed; else a report must know of it, or of the end."""
        held, result = self._amending.get(update.client_id), update.amend
        if held is None:
            return
        if result is not None and result.revision == held.revision and result.reject is not None:
            self._drop(held)
        elif update.state.is_terminal or (result is not None and result.revision == held.revision):
            del self._amending[update.client_id]
            self._saw(held, update.ts_ns)

    def _ended(self, update: OrderUpdate, reservation: _Reservation) -> None:
        spent = self._spent(update, update.cum_lots, update.cum_cost + update.cum_fee)
        if spent <= 0:
            self._drop(reservation)
            return
        self._sums[reservation.venue, reservation.asset] += spent - reservation.amount
        reservation.amount = spent
        self._saw(reservation, update.ts_ns)

    def _late_fill(self, update: OrderUpdate, reservation: _Reservation | None) -> None:
        """Hold what an order spent after its end until a report shows it."""
        spent = self._spent(update, update.d_lots, update.d_cost + update.d_fee)
        if spent <= 0:
            return
        if reservation is not None:
            spent += reservation.amount
            self._drop(reservation)
        legs, place = self._legs[update.place.instrument], update.place
        asset = legs.quote if place.side is Side.BUY else legs.base
        held = _Reservation(update.client_id, place.instrument.venue, asset, spent)
        self._hold(held)
        self._saw(held, update.ts_ns)

    def _spent(self, update: OrderUpdate, lots: Lots, paid: Money) -> Money:
        place = update.place
        return paid if place.side is Side.BUY else lots * self._legs[place.instrument].base_per_lot

    def _hold(self, held: _Reservation) -> None:
        self._reservations[held.key] = held
        self._sums[held.venue, held.asset] = self._sums.get((held.venue, held.asset), 0) + held.amount

    def _saw(self, reservation: _Reservation, ts_ns: int) -> None:
        if not reservation.seen_ns:
            reservation.seen_ns = ts_ns
            self._seen.setdefault(reservation.venue, {})[reservation.key] = reservation

    def _drop(self, reservation: _Reservation) -> None:
        self._sums[reservation.venue, reservation.asset] -= reservation.amount
        del self._reservations[reservation.key]
        if self._amending.get(reservation.client_id) is reservation:
            del self._amending[reservation.client_id]
        self._seen.get(reservation.venue, {}).pop(reservation.key, None)

    def free(self, venue: str, asset: str) -> Money | None:
        """Return free money, which may be negative for a moment; None before the first report.

        An asset that the report does not name is one of which the venue holds nothing.
        """
        reported = self._reported.get(venue)
        if reported is None:
            return None
        return reported.get(asset, (0, 0))[0] - self._sums.get((venue, asset), 0)

    def total(self, venue: str, asset: str) -> Money | None:
        """Return the venue's free plus held money as last reported; None before the first report."""
        reported = self._reported.get(venue)
        return None if reported is None else sum(reported.get(asset, (0, 0)))

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        reports = [(venue, self._reported_ns[venue], balances) for venue, balances in self._reported.items()]
        saved = _Saved(reports, list(self._reservations.values()), list(self._legs.items()))
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with the account unchanged, when it is none."""
        saved = msgspec.convert(state, _Saved)
        self._reported = {venue: balances for venue, _, balances in saved.reports}
        self._reported_ns = {venue: ts_ns for venue, ts_ns, _ in saved.reports}
        self._legs = dict(saved.legs)
        for table in (self._reservations, self._amending, self._seen, self._sums):
            table.clear()
        for held in saved.reservations:
            self._hold(held)
            if held.seen_ns:
                self._seen.setdefault(held.venue, {})[held.key] = held
            elif held.revision:
                self._amending[held.client_id] = held


def _need(place: Place, instrument: Instrument, *, may_take: bool) -> Money:
    """Return the quote money that a buy may cost with its fee, or the base that a sell gives away."""
    if place.side is Side.SELL:
        return instrument.base_amount(place.lots)
    cost = instrument.cost(place.limit_ticks, place.lots)
    return cost + instrument.most_fee(place.limit_ticks, place.lots, may_take=may_take)
