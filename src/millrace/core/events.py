"""Everything that can change a decision.

Each event is an immutable record with its own time in integer nanoseconds UTC; the sequencer numbers it, the journal
holds it, and `step` is fed nothing else. What a venue says about an order always carries the cumulative progress, so
late, repeated or reordered news changes nothing (design section 3).
"""

from enum import StrEnum
from typing import ClassVar

import msgspec

from millrace.core.binary_events import BinaryEvent, BinaryQuote
from millrace.core.book_events import BookEvent
from millrace.core.instrument import InstrumentId, Lots, Money, Ticks
from millrace.core.recovery_events import RecoveryEvent
from millrace.core.trouble_events import TroubleEvent

Scalar = str | int | float | bool | None


class RejectReason(StrEnum):
    """Why a venue refused an order before accepting it, or new terms of one."""

    INSUFFICIENT_FUNDS = "insufficient_funds"
    POST_ONLY_WOULD_CROSS = "post_only_would_cross"
    BELOW_MINIMUM = "below_minimum"
    BAD_TICK_OR_LOT = "bad_tick_or_lot"
    OPEN_ORDER_LIMIT = "open_order_limit"
    RATE_LIMIT = "rate_limit"
    DUPLICATE_CLIENT_ID = "duplicate_client_id"
    UNKNOWN_INSTRUMENT = "unknown_instrument"
    UNKNOWN_ORDER = "unknown_order"
    BELOW_FILLED = "below_filled"
    MARKET_CLOSED = "market_closed"
    LOST = "lost"
    OUTBOX_FULL = "outbox_full"
    RESTRICTION_CHANGED = "restriction_changed"
    TOO_OLD = "too_old"
    KILLED = "killed"
    NEVER_LEFT = "never_left"
    SUPERSEDED = "superseded"
    OTHER = "other"


NOT_SENT = frozenset(
    {
        RejectReason.OUTBOX_FULL,
        RejectReason.RESTRICTION_CHANGED,
        RejectReason.TOO_OLD,
        RejectReason.KILLED,
        RejectReason.NEVER_LEFT,
        RejectReason.SUPERSEDED,
    }
)
"""Reasons of our own: the order or amend never left, or the program's end cut it off; nobody refused it or failed."""


class MarketPhase(StrEnum):
    """What a venue says about a market as a whole (runtime 2.20)."""

    OPEN = "open"
    PAUSED = "paused"
    DELISTED = "delisted"
    RESOLVED_AGAINST_MAPPING = "resolved_against_mapping"


class EndStatus(StrEnum):
    """How an accepted order ended without being filled whole."""

    CANCELLED = "cancelled"
    EXPIRED = "expired"


class _Event(msgspec.Struct, frozen=True, gc=False, tag_field="k"):
    is_market: ClassVar[bool] = False


class Print(_Event, frozen=True, gc=False, tag="print"):
    """A trade that happened at the venue; a candle bar becomes four of these.

    `taker_sells` says whether who took liquidity sold; None where the venue does not say.
    """

    instrument: InstrumentId
    ts_ns: int
    ticks: Ticks
    lots: Lots
    taker_sells: bool | None = None
    is_market: ClassVar[bool] = True


class Quote(_Event, frozen=True, gc=False, tag="quote"):
    """Best bid and ask."""

    instrument: InstrumentId
    ts_ns: int
    bid_ticks: Ticks
    ask_ticks: Ticks
    bid_lots: Lots
    ask_lots: Lots
    is_market: ClassVar[bool] = True


class MarketBlock(_Event, frozen=True, gc=False, tag="block"):
    """A run of market data that no strategy, order or timer can care about, skipped in bulk (design section 9).

    `columns` are little-endian int64 arrays of equal length: (ts_ns, ticks, lots) of prints when `kind` is "print",
    (ts_ns, bid_ticks, ask_ticks, bid_lots, ask_lots) of quotes when it is "quote". `ts_ns` is the last row's time.
    """

    instrument: InstrumentId
    ts_ns: int
    kind: str
    columns: tuple[bytes, ...]
    is_market: ClassVar[bool] = True


class OrderAccepted(_Event, frozen=True, gc=False, tag="accepted"):
    """The venue has the order and gave it its own id."""

    client_id: str
    venue_order_id: str
    ts_ns: int


class OrderRejected(_Event, frozen=True, gc=False, tag="rejected"):
    """The venue refused the order before accepting it; nothing was executed.

    `retry_after_ns` is how long the venue wants to be left alone when we ask too fast; 0 where it does not say.
    """

    client_id: str
    reason: RejectReason
    text: str
    ts_ns: int
    retry_after_ns: int = 0


class OrderProgress(_Event, frozen=True, gc=False, tag="progress"):
    """The only carrier of fills: cumulative lots, cost and fee (quote money) since the order was accepted."""

    client_id: str
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money
    ts_ns: int


class OrderEnded(_Event, frozen=True, gc=False, tag="ended"):
    """The order left the book unfilled or part filled; `progress` is its final cumulative state."""

    progress: OrderProgress
    status: EndStatus
    reason: str

    @property
    def client_id(self) -> str:
        """The order that ended."""
        return self.progress.client_id

    @property
    def ts_ns(self) -> int:
        """When it ended."""
        return self.progress.ts_ns


class OrderUnknown(_Event, frozen=True, gc=False, tag="unknown"):
    """Nobody knows whether the venue has the order (time-out, reset, 5xx); it must be queried, never resent blindly."""

    client_id: str
    reason: str
    ts_ns: int


class CancelRefused(_Event, frozen=True, gc=False, tag="cancel_refused"):
    """The venue does not know the order that we asked it to cancel: it may have filled; its state must be queried.

    Where the reason is that we ask too fast, `retry_after_ns` is how long it wants to be left alone, 0 if not said.
    """

    client_id: str
    reason: str
    ts_ns: int
    retry_after_ns: int = 0


class OrderAmended(_Event, frozen=True, gc=False, tag="amended"):
    """The venue's terms of an order: lots in all and the limit; `revision` names the amend, 0 one that is not ours."""

    client_id: str
    revision: int
    lots: Lots
    limit_ticks: Ticks
    ts_ns: int


class AmendRefused(_Event, frozen=True, gc=False, tag="amend_refused"):
    """An amend was not done and will not be: the order's terms stay. `unknown_order` leaves open what became of it.

    Where the reason is that we ask too fast, `retry_after_ns` is how long it wants to be left alone, 0 if not said.
    """

    client_id: str
    revision: int
    reason: RejectReason
    ts_ns: int
    retry_after_ns: int = 0


class BalanceReport(_Event, frozen=True, gc=False, tag="balances"):
    """What the venue says we own: asset -> (free, held by open orders), as of the venue's time."""

    venue: str
    balances: dict[str, tuple[Money, Money]]
    ts_ns: int


class OpenOrdersReport(_Event, frozen=True, gc=False, tag="open_orders"):
    """How many open orders the venue counts on one instrument: this installation's, and all others."""

    instrument: InstrumentId
    ours: int
    foreign: int
    ts_ns: int


class Timer(_Event, frozen=True, gc=False, tag="timer"):
    """A deadline that the strategies asked for has come."""

    ts_ns: int


class Operator(_Event, frozen=True, gc=False, tag="operator"):
    """A person asked for something, under a name that ties the replies to it; without one nobody waits for them."""

    action: str
    args: dict[str, Scalar]
    ts_ns: int
    request: str = ""


class LedgerSummed(_Event, frozen=True, gc=False, tag="ledger_summed"):
    """What a strategy's append-only records add up to, by subject and name, so that it can check its own sums."""

    strategy: str
    sums: dict[str, dict[str, float]]
    ts_ns: int
    request: str = ""


class ConfigApplied(_Event, frozen=True, gc=False, tag="config"):
    """The configuration in force from here on: of a run's first event, of a start with another one, or of a reload.

    `changed` are the keys that differ from what held before, none at the first. `overruled` are those that were changed
    in flight, with what the last start's own settings say of them; `request` is the reload, empty at a start.
    """

    digest: str
    values: dict[str, Scalar]
    ts_ns: int
    changed: tuple[str, ...] = ()
    overruled: dict[str, Scalar] = {}
    request: str = ""


class Started(_Event, frozen=True, gc=False, tag="started"):
    """The program began to trade; `restart` when it continues a journal."""

    restart: bool
    ts_ns: int


class Measured(_Event, frozen=True, gc=False, tag="measured"):
    """A figure that the shell took and the core may act on; `subject` is the venue or part that it is about."""

    name: str
    subject: str
    value: float
    ts_ns: int


class MarketStatus(_Event, frozen=True, gc=False, tag="market_status"):
    """The venue paused, delisted or resolved a market, or opened it again."""

    instrument: InstrumentId
    phase: MarketPhase
    text: str
    ts_ns: int


MarketEvent = Print | Quote | MarketBlock | BinaryQuote
OrderEvent = (
    OrderAccepted
    | OrderRejected
    | OrderProgress
    | OrderEnded
    | OrderUnknown
    | CancelRefused
    | OrderAmended
    | AmendRefused
)
ORDER_EVENTS = (
    OrderAccepted,
    OrderRejected,
    OrderProgress,
    OrderEnded,
    OrderUnknown,
    CancelRefused,
    OrderAmended,
    AmendRefused,
)
"""The kinds of `OrderEvent`: news of one of our orders."""
Event = (
    Print
    | Quote
    | MarketBlock
    | OrderAccepted
    | OrderRejected
    | OrderProgress
    | OrderEnded
    | OrderUnknown
    | CancelRefused
    | OrderAmended
    | AmendRefused
    | BalanceReport
    | OpenOrdersReport
    | Timer
    | Operator
    | LedgerSummed
    | ConfigApplied
    | Started
    | Measured
    | MarketStatus
    | BinaryEvent
    | BookEvent
    | RecoveryEvent
    | TroubleEvent
)
