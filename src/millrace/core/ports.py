"""The parts that the kernel joins, as protocols: order table, account, market, board.

The kernel (`core.engine`) imports none of the packages that implement these; the wiring hands them in, so each can be
read, tested and replaced alone.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from millrace.core.binary_events import BinaryQuote, MarketResolved, PairsRedeemed, StreamBeat, StreamReset
from millrace.core.book_events import BookDelta, BookNews, BookSnapshot, Depth
from millrace.core.commands import (
    Approved,
    ApprovedAmend,
    Command,
    Intent,
    LegPolicy,
    Opportunity,
    OrderUpdate,
    Place,
    Plan,
    RecordClosing,
    Refused,
    ResyncBook,
    Side,
)
from millrace.core.data_quality import Judged, LegNeeds, LegVerdict, QuoteReason
from millrace.core.events import BalanceReport, MarketEvent, Measured, OpenOrdersReport, OrderEvent, Started
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Outcome
from millrace.core.order_truth import OpenOrder
from millrace.core.permission import Restriction, Standing
from millrace.core.recovery_events import AdoptedOrder
from millrace.core.strategy import SeriesSpec


class Restorable(Protocol):
    """A part whose whole state goes into a snapshot as builtins."""

    def snapshot(self) -> dict[str, Any]:
        """Return the state."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        ...


class Board(Restorable, Protocol):
    """The single answer to "may this order leave?" (runtime 2.1)."""

    version: int

    def permit(
        self, place: Place, client_id: str, coverable_lots: Lots, ts_ns: int, objections: tuple[str, ...] = ()
    ) -> Approved | Refused:
        """Admit or refuse; `coverable_lots` is what a reducing order may still close of its sub-position.

        `objections` are the guards' reasons against an order that does not reduce.
        """
        ...

    def permit_amend(
        self,
        before: Place,
        after: Place,
        client_id: str,
        revision: int,
        coverable_lots: Lots,
        ts_ns: int,
        objections: tuple[str, ...] = (),
    ) -> ApprovedAmend | Refused:
        """Admit or refuse new terms of an open order; `coverable_lots` as if the order were not there."""
        ...

    def standing_of(self, position: SubPosition) -> Standing:
        """Return the effective level and multiplier for orders of a sub-position, lane and family included."""
        ...

    def standing(self, strategy: str, instrument: InstrumentId) -> Standing:
        """Return the effective level and multiplier."""
        ...

    def post(self, restriction: Restriction) -> bool:
        """Add or refresh a restriction; True when the board changed."""
        ...

    def lift(self, restriction_id: str) -> bool:
        """Remove a restriction; True when it was there."""
        ...

    def active(self) -> list[Restriction]:
        """Return the restrictions in force, in a stable order."""
        ...


class Legs(Protocol):
    """The plans whose legs are under way (runtime 2.14); what it returns is gated like any other intent."""

    @property
    def next_ns(self) -> int | None:
        """When `due` must be called next."""
        ...

    def begin(self, strategy: str, key: str, legs: Sequence[Place], policy: LegPolicy, now_ns: int) -> frozenset[str]:
        """Take a plan; returns the keys of the legs that leave now."""
        ...

    def heard(self, update: OrderUpdate) -> list[Intent]:
        """Take an order's news."""
        ...

    def refused(self, news: Refused) -> list[Intent]:
        """Take a refusal of the board."""
        ...

    def due(self, now_ns: int) -> list[tuple[str, list[Intent]]]:
        """Return what the passing of time asks for, by strategy."""
        ...


class Orders(Restorable, Protocol):
    """Every order of ours that is live, in flight or recently ended, and the sub-positions made by their fills."""

    @property
    def legs(self) -> Legs:
        """The plans under way."""
        ...

    def known(self, strategy: str, key: str) -> Place | None:
        """Return the intent that already has this key, if any."""
        ...

    def client_id(self, strategy: str, key: str) -> str:
        """Return the client order id that an intent key of a strategy has."""
        ...

    def admit(self, plan: Plan, ts_ns: int) -> tuple[str, tuple[Place, ...], bool]:
        """Return the key of a plan's opportunity, its legs under their intent keys, and whether it is a duplicate."""
        ...

    def acted(self, opportunity: Opportunity, ts_ns: int) -> int:
        """Close an opportunity that was acted on; returns how many others were forgotten before their time."""
        ...

    def add(self, approved: Approved) -> None:
        """Take an order that is about to be sent."""
        ...

    def adopt(self, found: AdoptedOrder, ts_ns: int) -> list[Command]:
        """Take an order that another program placed, and return the facts for the ledger."""
        ...

    def is_closed(self, opportunity: Opportunity, ts_ns: int) -> bool:
        """Tell whether an opportunity was acted on and is not open again."""
        ...

    def close(
        self, event: MarketResolved | PairsRedeemed, instruments: Mapping[InstrumentId, Instrument]
    ) -> list[tuple[RecordClosing, OrderUpdate]]:
        """Take a pay-out or pairs taken back: facts for the ledger, and the updates that guards and owner see."""
        ...

    def knows(self, event: MarketResolved | PairsRedeemed) -> bool:
        """Tell whether an ending was told before, or changes nothing any more."""
        ...

    def close_late(
        self, update: OrderUpdate, instruments: Mapping[InstrumentId, Instrument]
    ) -> list[tuple[RecordClosing, OrderUpdate]]:
        """Return the same of a fill that was heard of after its market's end."""
        ...

    def hedgeable(self, position: SubPosition) -> Lots:
        """Return the lots that a sub-position lacks to be as large as the largest of its group."""
        ...

    def opened(self, position: SubPosition, lots: Lots, cost: Money) -> None:
        """Take signed lots that were open before the first fill of ours."""
        ...

    def request_cancel(self, strategy: str, key: str) -> tuple[str, InstrumentId] | None:
        """Return the live order that a cancel must name; None when there is nothing (more) to cancel."""
        ...

    def amend(self, approved: ApprovedAmend) -> None:
        """Take new terms that are about to be sent; the larger of old and new counts until they are known."""
        ...

    def named(self, strategy: str, key: str) -> OpenOrder | None:
        """Return an order that has not ended by its intent key; None when there is none."""
        ...

    def apply(self, event: OrderEvent) -> tuple[OrderUpdate, list[Command]] | None:
        """Apply a venue's news: the update and the facts for the ledger; None when it changes nothing."""
        ...

    def open_order(self, client_id: str) -> OpenOrder | None:
        """Return an order that has not ended; None for any other."""
        ...

    def unfinished(self) -> list[OpenOrder]:
        """Return the orders that have not ended, in the order in which they were made."""
        ...

    def position(self, position: SubPosition) -> Lots:
        """Return signed open lots."""
        ...

    def positions(self) -> dict[SubPosition, Lots]:
        """Return every sub-position that is not flat."""
        ...

    def coverable(self, position: SubPosition, side: Side) -> Lots:
        """Return the lots that an order on `side` may still close; 0 when that side would add to the position."""
        ...

    def live(self, instrument: InstrumentId) -> int:
        """Return the number of live or in-flight orders on an instrument."""
        ...


class Account(Restorable, Protocol):
    """Free money per venue and asset: the venue's last report less what we have sent since."""

    def report(self, event: BalanceReport) -> None:
        """Take the venue's balances."""
        ...

    def know(self, instrument: Instrument) -> None:
        """Learn what the sides of an instrument spend, for orders that were never reserved here."""
        ...

    def reserve(self, approved: Approved, instrument: Instrument) -> None:
        """Hold the money of an order that leaves."""
        ...

    def amend(self, approved: ApprovedAmend, instrument: Instrument) -> None:
        """Hold what new terms may need beyond the old ones."""
        ...

    def update(self, update: OrderUpdate) -> None:
        """Release or mark acknowledged what an order's news allows."""
        ...

    def free(self, venue: str, asset: str) -> Money | None:
        """Return free money; None before the first report."""
        ...

    def total(self, venue: str, asset: str) -> Money | None:
        """Return the venue's free plus held money as last reported."""
        ...


class DataQuality(Protocol):
    """The firewall of the market view: what may be believed of it, and what may be traded on (runtime 2.2)."""

    def is_plain(self, instrument: InstrumentId) -> bool:
        """Tell whether ordinary rows of an instrument may come as a block now."""
        ...

    def odd_rows(self, instrument: InstrumentId, columns: tuple[Any, ...]) -> Any:
        """Return the rows of columns (int64 arrays, those of a MarketBlock) that must be shown one by one."""
        ...

    def book(self, market: InstrumentId) -> BinaryQuote | None:
        """Return a binary market's last accepted book."""
        ...

    def leg_verdict(self, market: InstrumentId) -> LegVerdict:
        """Return what a decision row keeps of a leg on a market."""
        ...

    def unsettled(self, now_ns: int) -> tuple[InstrumentId, ...]:
        """Return the markets whose books must be asked for: only a polled snapshot settles them."""
        ...

    def tradable(
        self, market: InstrumentId, now_ns: int, outcome: Outcome | None, needs: LegNeeds
    ) -> tuple[QuoteReason, ...]:
        """Return why a leg may not be traded now."""
        ...


class Market(Restorable, Protocol):
    """The market view: last prices and the histories that strategies asked for."""

    @property
    def firewall(self) -> DataQuality:
        """What judges the data before they change anything here."""
        ...

    def know(self, instrument: Instrument) -> None:
        """Learn the facts of an instrument by which its data are judged."""
        ...

    def keep(self, spec: SeriesSpec) -> None:
        """Keep a history from now on."""
        ...

    def observe(self, event: MarketEvent) -> Judged | None:
        """Take market data; returns what is wrong with them, None where nothing is."""
        ...

    def observe_book(self, event: BookSnapshot | BookDelta) -> list[BookNews | Judged]:
        """Take what a venue says of a book; returns what became of it and what is wrong with its top."""
        ...

    def resync(self, command: ResyncBook) -> None:
        """Learn that a book is asked for."""
        ...

    def hear(self, event: StreamBeat | StreamReset | MarketResolved | Started | Measured) -> list[BookNews]:
        """Take what feeds say beside their data, and figures that these are judged by.

        Returns the books that are not believed over a new connection.
        """
        ...

    def depth(self, instrument: InstrumentId) -> Depth | None:
        """Return an instrument's book while it is known to be the venue's."""
        ...

    def advance(self, now_ns: int) -> None:
        """Tell the time, so that grids and bars can close."""
        ...

    def state(self, instrument: InstrumentId) -> Any:
        """Return one instrument's market record."""
        ...

    def open_orders(self, event: OpenOrdersReport) -> None:
        """Remember the venue's count of open orders."""
        ...
