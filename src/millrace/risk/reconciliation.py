"""What the comparison with the venue means for trading: a halt until it is done, and one for what it cannot explain.

A start halts the venue until it has answered. An order with our tag that the core does not know, or one of ours that
can be told only by its terms, leaves exits alone; a person accepts it or takes it off the book. The venue's totals must
be the opening totals plus the sum of our fills: a difference that two comparisons in a row show halts the venue until
it is gone or a person books it as an adjustment (runtime 2.16). The comparison itself is the shell's.
"""

from typing import Any, Final

import msgspec

from millrace.core.commands import Alert, Book, CancelOrder, Lift, OrderUpdate, Place, Post, Severity, Side
from millrace.core.events import Operator
from millrace.core.failure import OperatorError
from millrace.core.guard import GuardView, Seen, Verdict
from millrace.core.instrument import Instrument, InstrumentId, Money, whole_account
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.recovery_events import Reconciled, RecoveryBegan
from millrace.core.requests import accepted, read_arguments, refused
from millrace.core.strategy import Interest

ACCEPT: Final = "accept_order"
ADJUST: Final = "book_adjustment"
"""The operator's words: args `order`, or `venue`, `asset`, `amount`; both with `operator` and `reason`."""
RECONCILE: Final = "reconcile_drift"
"""The operator's word that lists what is at the venue alone and, with `confirm`, takes what is ours off its book."""
ACTIONS: Final = {
    RECONCILE: "list drift and orders that only the venue has; confirm=true cancels those of them with our tag",
    ACCEPT: "leave an order alone that the program does not know: order= operator= reason=",
    ADJUST: "explain money that came or went: venue= asset= amount= operator= reason=",
}
ORPHAN: Final = "order_at_venue_only"
WEAK: Final = "matched_by_terms"
DRIFT: Final = "balance_drift"
TYPES: Final = (ORPHAN, WEAK, DRIFT)
"""What a comparison may find that our books do not explain."""
_QUIET: Final = Interest((), None, None)
_SHARE: Final = 100
"""A hundredth of what should be there may be missing, or a dollar's worth, whichever is more."""


class _Books(msgspec.Struct, gc=False):
    """One venue: opening totals, what our fills changed, and the last drift, each by asset."""

    opening: dict[str, Money] | None = None
    flows: dict[str, Money] = {}
    drift: dict[str, Money] = {}
    drifts_in_row: int = 0


class _Saved(msgspec.Struct):
    books: dict[str, _Books]
    accepted: list[str]
    orphans: dict[str, tuple[str, ...]]
    weak: dict[str, tuple[str, ...]]
    discrepancies: dict[str, dict[str, int]]


class ReconcileDrift(msgspec.Struct, frozen=True):
    """`confirm` cancels the orders that the last comparison found at the venue alone."""

    confirm: bool = False


class ReconciliationGuard:
    """Implements `core.guard.Guard`."""

    name = "reconciliation"
    reads: tuple[type, ...] = (RecoveryBegan, Reconciled, OrderUpdate, Operator)

    def __init__(self, instruments: tuple[Instrument, ...]) -> None:
        self._instruments = instruments
        self._spot = tuple(one for one in instruments if one.binary is None)
        self._units: dict[str, int] = {one.quote: 10**one.quote_decimals for one in instruments}
        self._books: dict[str, _Books] = {}
        self._accepted: dict[str, None] = {}
        self._orphans: dict[str, tuple[str, ...]] = {}
        self._weak: dict[str, tuple[str, ...]] = {}
        self._discrepancies: dict[str, dict[str, int]] = {}

    def discrepancies(self, venue: str) -> dict[str, int]:
        """Return what comparisons with a venue found, each finding counted once however long it lasts, by its type."""
        return self._discrepancies.get(venue, dict.fromkeys(TYPES, 0))

    def _count(self, venue: str, kind: str, found: int) -> None:
        if found:
            self._discrepancies.setdefault(venue, dict.fromkeys(TYPES, 0))[kind] += found

    def observe(self, seen: Seen, view: GuardView) -> list[Verdict]:
        """Return what a start, a comparison, a fill or a person's word asks for."""
        if isinstance(seen, OrderUpdate):
            if seen.d_lots or seen.d_cost or seen.d_fee:
                self._flow(seen, view.instrument(seen.place.instrument))
            return []
        if isinstance(seen, RecoveryBegan):
            text = "the venue has not yet said what it holds of ours"
            return [Post(_restriction("recovery", seen.venue, Level.HALT, ReasonCode.RECOVERY_INCOMPLETE, text, seen))]
        if isinstance(seen, Reconciled):
            return [*self._strangers(seen, view), *self._drift(seen, view), *_lifted("recovery", seen, view)]
        return self._operator(seen) if isinstance(seen, Operator) else []

    def objections(self, places: tuple[Place, ...], view: GuardView) -> tuple[str, ...]:
        """Object to nothing: what is unsafe stands on the board."""
        del places, view
        return ()

    def interest(self) -> Interest:
        """Return that no price and no time matters."""
        return _QUIET

    # Orders

    def _strangers(self, seen: Reconciled, view: GuardView) -> list[Verdict]:
        for kind, now, known in ((ORPHAN, seen.orphans, self._orphans), (WEAK, seen.weak, self._weak)):
            self._count(seen.venue, kind, len({*now} - {*known.get(seen.venue, ())}))
            known[seen.venue] = now
        strangers = [name for name in (*seen.orphans, *seen.weak) if name not in self._accepted]
        if not strangers:
            return _lifted("strangers", seen, view)
        text = f"{len(strangers)} orders with our tag cannot be told, the first {strangers[0]}"
        found = _restriction("strangers", seen.venue, Level.REDUCE_ONLY, ReasonCode.STRANGE_ORDER, text, seen)
        if any(standing.id == found.id for standing in view.restrictions()):
            return [Post(found)]
        todo = f"; cancel them at the venue, or `millrace ask {ACCEPT} order=ID operator=NAME reason=TEXT`"
        return [Post(found), Alert(Severity.PAGE, "strange_order", text + todo, seen.ts_ns)]

    # Money

    def _flow(self, update: OrderUpdate, instrument: Instrument) -> None:
        books = self._books.setdefault(instrument.id.venue, _Books())
        sign = 1 if update.place.side is Side.BUY else -1
        changes = {
            instrument.base: sign * instrument.base_amount(update.d_lots),
            instrument.quote: -sign * update.d_cost - update.d_fee,
        }
        for asset, change in changes.items():
            books.flows[asset] = books.flows.get(asset, 0) + change

    def _drift(self, seen: Reconciled, view: GuardView) -> list[Verdict]:
        books = self._books.setdefault(seen.venue, _Books())
        if seen.totals is None:
            return []
        assets = sorted(seen.totals.keys() | books.flows.keys())
        if books.opening is None:
            books.opening = {asset: seen.totals.get(asset, 0) - books.flows.get(asset, 0) for asset in assets}
        expected = {asset: books.opening.get(asset, 0) + books.flows.get(asset, 0) for asset in assets}
        books.drift = {asset: seen.totals.get(asset, 0) - expected[asset] for asset in assets}
        wrong = [asset for asset in assets if abs(books.drift[asset]) > self._tolerance(asset, expected[asset], view)]
        if not wrong:
            books.drifts_in_row = 0
            return _lifted("drift", seen, view)
        self._count(seen.venue, DRIFT, not books.drifts_in_row)
        books.drifts_in_row += 1
        asset = wrong[0]
        text = f"{asset}: {seen.totals.get(asset, 0)} at {seen.venue}, {expected[asset]} by our fills"
        if books.drifts_in_row == 1:
            return [Alert(Severity.WARN, "balance_drift", text, seen.ts_ns)]
        halt = _restriction("drift", seen.venue, Level.HALT, ReasonCode.BALANCE_DRIFT, text, seen)
        if any(standing.id == halt.id for standing in view.restrictions()):
            return [Post(halt)]
        todo = f"; find out why, or `millrace ask {ADJUST} venue={seen.venue} asset={asset} amount=N operator=NAME"
        return [Post(halt), Alert(Severity.PAGE, "balance_drift", f"{text}{todo} reason=TEXT`", seen.ts_ns)]

    def _tolerance(self, asset: str, expected: Money, view: GuardView) -> Money:
        """Return one per cent of what should be there, or a unit of quote money's worth, whichever is more."""
        units = [0, self._units.get(asset, 0)]
        for instrument in self._spot:
            ticks = view.market(instrument.id).last_ticks
            if asset == instrument.base and ticks:
                one = 10**instrument.quote_decimals
                units.append(one * instrument.base_amount(1) // max(instrument.cost(ticks, 1), 1))
        return max(abs(expected) // _SHARE, *units)

    # A person

    def _operator(self, seen: Operator) -> list[Verdict]:
        if seen.action == RECONCILE:
            return self._reconcile(seen)
        if seen.action not in {ACCEPT, ADJUST}:
            return []
        who, why = str(seen.args.get("operator", "")), str(seen.args.get("reason", ""))
        if not who or not why:
            return [refused(seen, "name operator= and reason=")]
        if seen.action == ACCEPT:
            return self._accept(str(seen.args.get("order", "")), who, why, seen)
        return self._adjust(seen, who, why)

    def _reconcile(self, seen: Operator) -> list[Verdict]:
        """List what the last comparison left unexplained; cancel what is ours at the venue alone, if confirmed.

        Orphans carry this installation's tag by definition; other people's orders are never touched (slots 18).
        """
        given = {name: value for name, value in seen.args.items() if name != "strategy"}
        try:
            wanted = read_arguments(ReconcileDrift, seen.action, given)
        except OperatorError as error:
            return [refused(seen, str(error))]
        found = {venue: names for venue, names in self._orphans.items() if names}
        cancels: list[Verdict] = [
            CancelOrder(self._asked_of(venue), name, RECONCILE)
            for venue, names in found.items()
            for name in names
            if wanted.confirm
        ]
        count = sum(len(names) for names in found.values())
        data = {
            "orders": {venue: list(names) for venue, names in found.items()},
            "drift": {venue: dict(books.drift) for venue, books in self._books.items()},
            "cancelling": count if cancels else 0,
        }
        done = "being cancelled" if cancels else "left alone" if wanted.confirm else "confirm=true cancels them"
        text = f"{count} orders with our tag are at the venue alone" + (f"; {done}" if count else "")
        return [*cancels, accepted(seen, text, data)]

    def _asked_of(self, venue: str) -> InstrumentId:
        return next((one.id for one in self._spot if one.id.venue == venue), whole_account(venue))

    def _accept(self, order: str, who: str, why: str, seen: Operator) -> list[Verdict]:
        self._accepted[order] = None
        text = f"{order} is left alone from the next comparison on"
        values = {"order": order, "operator": who, "reason": why}
        return [
            Book(self.name, ACCEPT, f"{order}/{seen.ts_ns}", dict(values), seen.ts_ns),
            accepted(seen, text),
        ]

    def _adjust(self, seen: Operator, who: str, why: str) -> list[Verdict]:
        venue, asset = str(seen.args.get("venue", "")), str(seen.args.get("asset", ""))
        amount, books = seen.args.get("amount"), self._books.get(venue)
        scale = self._scale(asset)
        opening = None if books is None else books.opening
        if opening is None or scale is None or isinstance(amount, bool) or not isinstance(amount, int | float):
            return [refused(seen, "name venue=, asset= and amount= of an asset that was compared")]
        change = round(amount * 10**scale)
        opening[asset] = opening.get(asset, 0) + change
        values = {"venue": venue, "asset": asset, "amount": change, "operator": who, "reason": why}
        return [
            Book(self.name, ADJUST, f"{venue}/{asset}/{seen.ts_ns}", dict(values), seen.ts_ns),
            accepted(seen, f"{amount} {asset} booked; the next comparison decides"),
        ]

    def _scale(self, asset: str) -> int | None:
        for instrument in self._instruments:
            if asset in {instrument.base, instrument.quote}:
                return instrument.base_decimals if asset == instrument.base else instrument.quote_decimals
        return None

    # Looking at it

    def status(self, view: GuardView) -> dict[str, Any]:
        """Return the drift per venue and asset in ledger units, and the orders that a person accepted."""
        del view
        drift = {venue: dict(books.drift) for venue, books in self._books.items()}
        return {"drift": drift, "accepted_orders": list(self._accepted)}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(
            _Saved(self._books, list(self._accepted), self._orphans, self._weak, self._discrepancies)
        )
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._books = saved.books
        self._accepted = dict.fromkeys(saved.accepted)
        self._orphans, self._weak = saved.orphans, saved.weak
        self._discrepancies = saved.discrepancies


def _restriction(
    kind: str, venue: str, level: Level, reason: ReasonCode, text: str, seen: RecoveryBegan | Reconciled
) -> Restriction:
    scope = Scope(ScopeKind.VENUE, venue)
    return Restriction(
        f"{kind}/{venue}", scope, level, reason, text, "reconciliation", seen.ts_ns, recovery=Recovery.AUTO
    )


def _lifted(kind: str, seen: Reconciled, view: GuardView) -> list[Verdict]:
    restriction_id = f"{kind}/{seen.venue}"
    if not any(standing.id == restriction_id for standing in view.restrictions()):
        return []
    return [Lift(restriction_id, "the comparison with the venue is clean", seen.ts_ns)]
