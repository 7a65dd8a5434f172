"""What happens to binary markets: their books, their end, and pairs that a venue turns into cash.

They are events like those of `core.events`, which joins them into the one union; they stand apart because only desks
that trade outcomes read them. A market is named by venue and market id; its outcomes are instruments of their own.
"""

from enum import StrEnum
from typing import Any, ClassVar, NamedTuple

import msgspec

from millrace.core.instrument import InstrumentId, Lots, Money, Ticks


class QuoteSource(StrEnum):
    """Where a quote came from; a summary has no book behind it and is never tradable (arb 1)."""

    STREAM = "stream"
    POLL = "poll"
    WARM = "warm"
    SUMMARY = "summary"


class RedeemRoute(StrEnum):
    """How a position becomes cash (arb 9.8)."""

    RESOLUTION = "resolution"
    NET = "net"
    MERGE = "merge"
    CONVERT = "convert"


class BookLevel(NamedTuple):
    """One price of a book and the contracts resting there."""

    ticks: Ticks
    lots: Lots


Levels = tuple[BookLevel, ...]


class BinaryQuote(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="binary_quote"):
    """The book of one binary market as far as it was seen: both outcomes' asks and bids, the best price first.

    On a mirrored venue the asks are the other outcome's bids turned over, and whoever makes the event fills in both.
    `version` counts the market's messages and may skip; `venue_ts_ns` is 0 where the venue does not say.
    """

    market: InstrumentId
    ts_ns: int
    venue_ts_ns: int
    version: int
    source: QuoteSource
    yes_asks: Levels
    no_asks: Levels
    yes_bids: Levels
    no_bids: Levels
    is_market: ClassVar[bool] = True


class StreamBeat(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="beat"):
    """A venue's stream is alive: a heartbeat, or any message that changed nothing."""

    venue: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class StreamReset(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="reset"):
    """A venue's stream was connected anew; what was known of its books is not verified until it is seen again."""

    venue: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class MarketResolved(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="resolved"):
    """A market ended and pays: YES pays `yes_ticks` per contract, NO the rest; None: void, each leg gets its cost back.

    `fee_per_contract` is what the venue keeps of a winning contract, in the quote currency's ledger units. `paid` is
    what it paid for all that we held then, before its `fee`, None where it does not say: shares of several
    sub-positions are rounded so that they add up to it. Pairs that the venue had turned into cash before are not in it.
    """

    market: InstrumentId
    yes_ticks: Ticks | None
    ts_ns: int
    fee_per_contract: Money = 0
    paid: Money | None = None
    fee: Money = 0
    is_market: ClassVar[bool] = False


class PairsRedeemed(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="pairs_redeemed"):
    """The venue turned pairs of YES and NO of one market, or NOs of an exclusive event, into cash.

    `number` is one of the venue's, each its own, so that what is told twice counts once, whenever that is. Of a venue
    that does not number them whoever speaks with it makes one of what it says; nothing else could tell them apart.
    """

    market: InstrumentId
    lots: Lots
    proceeds: Money
    route: RedeemRoute
    ts_ns: int
    number: int
    is_market: ClassVar[bool] = False


class LaneStatus(StrEnum):
    """What became of a lane's scan (runtime 2.10)."""

    DONE = "done"
    LATE = "late"
    FAILED = "failed"


class LaneScanned(msgspec.Struct, frozen=True, tag_field="k", tag="lane_scanned"):
    """What a lane's scan outside the step found; `scan` is the number of the snapshot that it read.

    `found` is opaque to the core and strict JSON: the strategy checks every item again on its own state before it acts.
    A scan that was late or failed contributes nothing.
    """

    strategy: str
    lane: str
    scan: int
    status: LaneStatus
    found: tuple[dict[str, Any], ...]
    text: str
    ts_ns: int
    is_market: ClassVar[bool] = False


BinaryEvent = BinaryQuote | StreamBeat | StreamReset | MarketResolved | PairsRedeemed | LaneScanned
BINARY_EVENTS = (BinaryQuote, StreamBeat, StreamReset, MarketResolved, PairsRedeemed, LaneScanned)
"""The kinds of `BinaryEvent`."""
FEED_NEWS = (StreamBeat, StreamReset, MarketResolved)
"""What a feed says beside its data: the firewall hears it."""
