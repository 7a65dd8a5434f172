"""What a strategy is to the engine: it is shown events and a read-only view, and answers with intents.

A strategy owns its state and nothing else. It declares its interest, so that in backtest and replay the engine may skip
what cannot matter to it; live nothing is skipped and both give the same commands (design sections 3 and 9).
"""

from enum import StrEnum
from typing import Any, NamedTuple, Protocol

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.book_events import Depth
from millrace.core.commands import Intent, Opportunity, OrderUpdate, Refused
from millrace.core.data_quality import TAKER_BUY, LegNeeds, LegVerdict, QuoteReason
from millrace.core.events import Event
from millrace.core.ids import SubPosition
from millrace.core.instrument import Instrument, InstrumentId, Lots, Money, Outcome, Ticks
from millrace.core.permission import Standing


class Field(StrEnum):
    """Which price of an instrument a bound looks at."""

    LAST = "last"
    BID = "bid"
    ASK = "ask"


class Bound(NamedTuple):
    """Wake the strategy when `field` is at or below (`below`), or at or above, `ticks`."""

    instrument: InstrumentId
    field: Field
    below: bool
    ticks: Ticks


class Interest(msgspec.Struct, frozen=True, gc=False):
    """When a strategy must be woken.

    `deadline_ns`: the next time at which something can happen without news; `heartbeat_ns`: the next time of its
    regular loop, at which it is woken when nothing is skipped. Order and account news always wake it.
    """

    bounds: tuple[Bound, ...] = ()
    deadline_ns: int | None = None
    heartbeat_ns: int | None = None
    all_events: bool = False


class SeriesSpec(msgspec.Struct, frozen=True, gc=False):
    """Which histories of an instrument the market view keeps: a sample grid and closed bars; 0 keeps none."""

    instrument: InstrumentId
    sample_ns: int = 0
    samples_kept: int = 0
    sample_max_age_ns: int = 0
    bar_ns: int = 0
    bars_kept: int = 0


class View(Protocol):
    """What a strategy may read. Nothing in it can be changed through it."""

    now_ns: int

    def market(self, instrument: InstrumentId) -> Any:
        """Return the instrument's market (a `millrace.market` record)."""
        ...

    def instrument(self, instrument: InstrumentId) -> Instrument:
        """Return the instrument's facts."""
        ...

    def book(self, market: InstrumentId) -> BinaryQuote | None:
        """Return a binary market's last accepted book; None when there is none."""
        ...

    def depth(self, instrument: InstrumentId) -> Depth | None:
        """Return an instrument's book while it is known to be the venue's; None otherwise."""
        ...

    def tradable(
        self, market: InstrumentId, outcome: Outcome | None = None, needs: LegNeeds = TAKER_BUY
    ) -> tuple[QuoteReason, ...]:
        """Return why a leg may not be traded now, () when it may; without an outcome the market's data are judged."""
        ...

    def leg_verdict(self, market: InstrumentId) -> LegVerdict:
        """Return what a decision row keeps of a leg: its market, the accepted book's version, the verdict now."""
        ...

    def position(self, position: SubPosition) -> Lots:
        """Return the signed open lots of a sub-position."""
        ...

    def free(self, venue: str, asset: str) -> Money | None:
        """Return the money free for new orders; None while the venue has not reported."""
        ...

    def total(self, venue: str, asset: str) -> Money | None:
        """Return free plus held money as last reported; None while the venue has not reported."""
        ...

    def live_orders(self, instrument: InstrumentId) -> int:
        """Return how many of our orders are live or in flight on the instrument."""
        ...

    def standing(self, strategy: str, instrument: InstrumentId) -> Standing:
        """Return the restriction level and multiplier that an order would meet."""
        ...

    def standing_of(self, position: SubPosition) -> Standing:
        """Return the same for orders of a sub-position, its lane and family included."""
        ...

    def is_closed(self, opportunity: Opportunity) -> bool:
        """Tell whether an opportunity was acted on and is not open again."""
        ...


class Strategy(Protocol):
    """A strategy; several instances may run, each under its own name.

    One that has an attribute `ignores`, a tuple of kinds of events, is never shown those: what one strategy's markets
    do thousands of times a second costs another one nothing. One that has an attribute `venues`, a set of names, is
    shown the prices and books of those venues alone.
    """

    name: str

    def series(self) -> tuple[SeriesSpec, ...]:
        """Return the market histories that it reads."""
        ...

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        """Return what it wants after this event."""
        ...

    def interest(self) -> Interest:
        """Return when it must be woken next; it may change only by `decide` or `restore`."""
        ...

    def snapshot(self) -> dict[str, Any]:
        """Return its whole state as builtins that survive the codec."""
        ...

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        ...

    def status(self, view: View) -> dict[str, Any]:
        """Return what a person or a dashboard wants to see; strict JSON."""
        ...


def hears(strategy: Strategy, kind: type, venue: str) -> bool:
    """Tell whether a strategy is shown events of a kind, where they are prices those of a venue."""
    venues = getattr(strategy, "venues", None)
    return kind not in getattr(strategy, "ignores", ()) and (not venue or venues is None or venue in venues)
