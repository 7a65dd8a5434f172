"""What strategies ask for, and what the core tells the shell to do.

A strategy returns intents. The core gates them and answers with commands: orders that may leave, cancels, and the
facts that the ledger must hold. Only the restriction board makes an `Approved`, and the executor takes nothing else,
so an order that was not checked cannot be sent. Neither intents nor commands carry a sequence number: the same
decisions give the same bytes whether events were skipped or not (design section 3).
"""

from enum import StrEnum
from typing import Any, NamedTuple

import msgspec

from millrace.core.binary_events import RedeemRoute
from millrace.core.events import RejectReason, Scalar
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId, Lots, Money, Ticks
from millrace.core.permission import Restriction

OK, REFUSED = 200, 400
"""Codes of replies: done or begun; a bad argument, an unknown action or a business reason against it (slots 18)."""


class Side(StrEnum):
    """Which way an order trades."""

    BUY = "buy"
    SELL = "sell"

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sell."""
        return 1 if self is Side.BUY else -1

    @property
    def opposite(self) -> "Side":
        """The other one."""
        return Side.SELL if self is Side.BUY else Side.BUY


class Style(StrEnum):
    """How an order may meet the book: never take, take and rest, or take what is there and end (IOC)."""

    POST_ONLY = "post_only"
    LIMIT = "limit"
    IOC = "ioc"


class OrderState(StrEnum):
    """Where an order is in its life (runtime 2.15 rule 2)."""

    INTENT = "intent"
    SENT = "sent"
    OPEN = "open"
    PARTIAL = "partial"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    EXPIRED = "expired"
    REJECTED = "rejected"

    @property
    def is_terminal(self) -> bool:
        """Tell whether nothing can follow."""
        return self in TERMINAL_STATES


TERMINAL_STATES = frozenset({OrderState.FILLED, OrderState.CANCELLED, OrderState.EXPIRED, OrderState.REJECTED})


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARN = "warn"
    PAGE = "page"


class Place(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="place"):
    """An order that a strategy wants. `key` is its derived identity; `position` the sub-position that it changes.

    With `reduces` the order closes part of that sub-position and may not exceed what is open there. With `hedges` it
    buys what a basket lacks: no more than makes its sub-position as large as another one of the same group.
    """

    instrument: InstrumentId
    side: Side
    lots: Lots
    limit_ticks: Ticks
    style: Style
    position: SubPosition
    reduces: bool
    key: str
    purpose: str
    hedges: bool = False

    @property
    def adds(self) -> bool:
        """Whether it may add to what is at risk: it neither closes a position nor completes a basket."""
        return not (self.reduces or self.hedges)


class OpportunityLeg(NamedTuple):
    """One leg of an opportunity: the market, and the side that it takes there (buy, sell, yes, no)."""

    instrument: InstrumentId
    side: str


class Opportunity(msgspec.Struct, frozen=True, gc=False):
    """What was found, by what it is: kind, legs, how they are executed, relation of the markets, rule that tells it.

    After it was acted on, its family stays closed for `cooldown_ns`, at least for a time bucket, and its markets for
    `market_cooldown_ns` (runtime 2.15 rule 4).
    """

    kind: str
    legs: tuple[OpportunityLeg, ...]
    style: str
    relation: str = "eq"
    rule: str = ""
    cooldown_ns: int = 0
    market_cooldown_ns: int = 0


class Finish(StrEnum):
    """What becomes of a plan whose legs do not match; each falls back to the next (runtime 2.14)."""

    HEDGE = "hedge"
    UNWIND = "unwind"
    HOLD = "hold"
    STRATEGY = "strategy"
    """The strategy follows the legs itself, at prices of the moment; those of the greatest hardness leave at once."""


class LegPolicy(msgspec.Struct, frozen=True, gc=False):
    """How the legs of a plan follow each other; figures are one for each leg, in the plan's order, or none.

    `hardness` is what a leg wants of what the book shows: the highest leaves first. `hedge_ticks` are the worst prices
    at which a missing leg is completed, `unwind_ticks` those at which a surplus is given back. A first venue's legs may
    wait `first_wait_ns` for a fill; between the first fill and the next venue's legs lie at most `gap_ns`.
    """

    finish: Finish = Finish.HOLD
    hardness: tuple[float, ...] = ()
    hedge_ticks: tuple[Ticks, ...] = ()
    unwind_ticks: tuple[Ticks, ...] = ()
    first_wait_ns: int = 3_000_000_000
    gap_ns: int = 3_000_000_000


class Plan(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="plan"):
    """Orders that act on one opportunity together: each may leave, or none does, and they do once.

    A leg's `key` is its name within the plan, unique there; its intent key is derived from the opportunity's, or from
    `intent`, a name that the strategy never gives twice. `booked` is written down in the same step if the plan begins.
    """

    opportunity: Opportunity
    legs: tuple[Place, ...]
    policy: LegPolicy = LegPolicy()
    intent: str = ""
    booked: tuple["Book", ...] = ()


class Cancel(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="cancel"):
    """Take an order off the book, named by its intent key."""

    strategy: str
    key: str
    reason: str


class Amend(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="amend"):
    """Change the terms of an open order, named by its intent key: `lots` in all, filled ones included, and the limit.

    One at a time: while an amend or a cancel of the order is on its way, another is refused. Terms that hold already,
    or are on their way, are no amend, and nothing follows.
    """

    strategy: str
    key: str
    lots: Lots
    limit_ticks: Ticks
    reason: str


class Refuse(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="refuse"):
    """Something was not done, and why: the answer to "why is it not trading?"."""

    subject: str
    reasons: tuple[str, ...]


class Book(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="book"):
    """An accounting record of a strategy; append-only and unique by `key` (slots 7.3)."""

    strategy: str
    kind: str
    key: str
    values: dict[str, Scalar]
    ts_ns: int


class Alert(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="alert"):
    """A line for a person, with a machine code that stays the same."""

    severity: Severity
    code: str
    text: str
    ts_ns: int


class Reply(msgspec.Struct, frozen=True, tag_field="k", tag="reply"):
    """The answer to an operator's request, tagged with the request's name.

    `code` speaks HTTP (200 done or begun, 400 refused), so that a face only transports it. `message` is for people,
    `data` says the same to machines as strict JSON. With `final` False more follows under the same name.
    """

    request: str
    action: str
    code: int
    message: str
    data: dict[str, Any]
    ts_ns: int
    final: bool = True

    @property
    def ok(self) -> bool:
        """Whether what was asked is done, or has begun."""
        return self.code == OK

    @property
    def said(self) -> str:
        """The answer in one line."""
        return f"{'ok' if self.ok else 'refused'}: {self.message}"


class Post(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="post"):
    """Put a restriction on the board."""

    restriction: Restriction


class Lift(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="lift"):
    """Take a restriction off the board."""

    restriction_id: str
    reason: str
    ts_ns: int


class Scan(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="scan"):
    """Run a lane over the strategy's present snapshot outside the step; `LaneScanned` answers under the same number."""

    strategy: str
    lane: str
    scan: int
    ts_ns: int


class ResyncBook(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="resync_book"):
    """Subscribe to a book anew, or with `only_check` ask for it once; a snapshot answers (runtime 2.4)."""

    instrument: InstrumentId
    cause: str
    ts_ns: int
    only_check: bool = False


Intent = Place | Plan | Cancel | Amend | Refuse | Book | Alert | Reply | Post | Lift | Scan


class Approved(msgspec.Struct, frozen=True, gc=False):
    """An order that the restriction board let through; nothing outside the board constructs one (a test checks)."""

    order: Place
    client_id: str
    board_version: int
    ts_ns: int

    @property
    def key(self) -> str:
        """The intent key."""
        return self.order.key

    @property
    def increases(self) -> bool:
        """Whether it may add to a position."""
        return self.order.adds


class ApprovedAmend(msgspec.Struct, frozen=True, gc=False):
    """New terms that the restriction board let through; nothing outside the board constructs one (a test checks).

    `order` has the terms as the venue confirmed them, `revision` counts the order's amends from 1. It `increases` when
    it may add to a position: more lots, or a price that trades sooner, of an order that does not reduce.
    """

    order: Place
    client_id: str
    revision: int
    lots: Lots
    limit_ticks: Ticks
    increases: bool
    board_version: int
    ts_ns: int

    @property
    def key(self) -> str:
        """The amend's own identity, derived from the order's, so that carrying it out twice changes nothing."""
        return f"{self.order.key}/r{self.revision}"


class Submit(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="submit"):
    """Send an approved order: durable in the ledger first, then to the venue."""

    order: Approved


class AmendOrder(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="amend_order"):
    """Send approved new terms of an open order: durable in the ledger first, then to the venue."""

    amend: ApprovedAmend


class CancelOrder(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="cancel_order"):
    """Ask the venue to cancel; allowed at every restriction level."""

    instrument: InstrumentId
    client_id: str
    reason: str


class RecordAdoption(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="record_adoption"):
    """An order that another program placed is ours from now on; its state and fills follow as facts of their own."""

    client_id: str
    place: Place
    ts_ns: int


class RecordOpening(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="record_opening"):
    """A position that was open when the ledger began; unique by the position, and no fill of any order of ours."""

    position: SubPosition
    side: Side
    lots: Lots
    cost: Money
    fee: Money
    ts_ns: int


class RecordOrder(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="record_order"):
    """An order changed its state."""

    client_id: str
    state: OrderState
    venue_order_id: str
    ts_ns: int


class RecordAmend(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="record_amend"):
    """What became of an amend: with `done` these are the order's terms, without it they stay what they were.

    `number` counts what was learnt of the order's terms, so facts told again change nothing. A `revision` of 0 is a
    change that was not ours.
    """

    client_id: str
    number: int
    revision: int
    lots: Lots
    limit_ticks: Ticks
    done: bool
    ts_ns: int


class RecordFill(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="record_fill"):
    """The increment between two cumulative states of an order; unique by (client_id, cum_lots, cum_cost)."""

    client_id: str
    position: SubPosition
    side: Side
    lots: Lots
    cost: Money
    fee: Money
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money
    ts_ns: int


class RecordClosing(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="record_closing"):
    """Part of a position became cash without an order: its market paid out, or the venue took pairs back.

    Unique by position, route, number and time; `number` counts the program's closings. `lots` are the signed lots that
    are gone, `proceeds` the quote money received, `fee` what the venue kept of it. Lots of 0 add to closings before:
    news that came late says that more, or with amounts below 0 less, was paid for them.
    """

    position: SubPosition
    lots: Lots
    proceeds: Money
    fee: Money
    route: RedeemRoute
    number: int
    ts_ns: int

    @property
    def side(self) -> Side:
        """The side of the fill that this closing is in the ledger."""
        return Side.BUY if self.lots < 0 else Side.SELL

    @property
    def cost(self) -> Money:
        """What that fill cost on its side; below 0 where a sale took money away."""
        return -self.side.sign * self.proceeds


Command = (
    Submit
    | AmendOrder
    | CancelOrder
    | RecordAdoption
    | RecordOpening
    | RecordOrder
    | RecordAmend
    | RecordFill
    | Book
    | Alert
    | Reply
    | Refuse
    | Post
    | Lift
    | Scan
    | RecordClosing
    | ResyncBook
)


class AmendResult(msgspec.Struct, frozen=True, gc=False):
    """What became of an amend: `reject` says why it was not done; a revision of 0 is a change that was not ours."""

    revision: int
    lots: Lots
    limit_ticks: Ticks
    reject: RejectReason | None


class OrderUpdate(msgspec.Struct, frozen=True, gc=False):
    """What one venue event changed about one order; delivered to the strategy that owns it.

    `place` has the order's terms as the venue confirmed them. `d_*` are the increments that this event brought, `cum_*`
    the totals after it; `amend` is set when it answered an amend.
    """

    client_id: str
    place: Place
    state: OrderState
    previous: OrderState
    d_lots: Lots
    d_cost: Money
    d_fee: Money
    cum_lots: Lots
    cum_cost: Money
    cum_fee: Money
    reject: RejectReason | None
    text: str
    ts_ns: int
    amend: AmendResult | None = None


class Refused(msgspec.Struct, frozen=True, gc=False):
    """The board refused this intent; delivered to the strategy within the same step.

    With `is_amend` the order stands as it is, and `place` has the terms that were refused.
    """

    place: Place
    reasons: tuple[str, ...]
    ts_ns: int
    is_amend: bool = False
