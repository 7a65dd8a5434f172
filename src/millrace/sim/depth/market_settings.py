"""What a generated market of order books is told: its seed, its coins' trading costs, its moods and how it speaks.

A mood is how a market behaves for some minutes: what its price, its traders and its makers do. The shares of the moods
decide what a quoting desk can earn there, so a report names them.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from millrace.core.instrument import PPM

_MINUTE_NS = 60_000_000_000


class Mood(StrEnum):
    """How a market behaves."""

    CALM = "calm"
    VOLATILE = "volatile"
    TOXIC = "toxic"
    THIN = "thin"


class Behaviour(NamedTuple):
    """What a mood does, as multiples of the coin's own figures.

    `informed` is the share of takers who know where the price goes within `KNOWN_NS`; `stale_traded` is how often
    orders that the price has left behind are traded and not pulled.
    """

    volatility: float
    tempo: float
    width: float
    size: float
    informed: float
    stale_traded: float


KNOWN_NS = 5_000_000_000
"""How far ahead an informed taker sees, at a tempo of 1."""
BEHAVIOURS = {
    Mood.CALM: Behaviour(volatility=0.6, tempo=1.0, width=1.0, size=1.0, informed=0.05, stale_traded=0.3),
    Mood.VOLATILE: Behaviour(volatility=2.0, tempo=1.8, width=1.4, size=0.7, informed=0.2, stale_traded=0.5),
    Mood.TOXIC: Behaviour(volatility=1.3, tempo=1.4, width=1.2, size=0.8, informed=0.8, stale_traded=0.9),
    Mood.THIN: Behaviour(volatility=0.8, tempo=0.4, width=2.5, size=0.2, informed=0.2, stale_traded=0.4),
}
ENTRY_FEES_PPM = (1_000, 1_000)


class DepthMarketSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The assumptions of a generated market; `mood_ppm` are the shares of `Mood`'s members, in their order.

    `tempo_ppm` is the speed of the market's own clock: it scales how much happens, how far the price spreads (its
    variance) and, the other way, how far ahead informed takers see. The book has `depth` levels a side; what falls out
    of it is told to be gone. Each message about a book of the first `checksummed` coins carries its CRC-32, as
    Kraken's do (runtime 2.4).
    """

    begins_ns: int
    venue: str = "bybit"
    epoch_ns: int = 10 * _MINUTE_NS
    depth: int = 20
    checksummed: int = 0
    tempo_ppm: int = PPM
    mood_ppm: tuple[int, int, int, int] = (550_000, 200_000, 150_000, 100_000)
    maker_fee_ppm: int = ENTRY_FEES_PPM[0]
    taker_fee_ppm: int = ENTRY_FEES_PPM[1]
    max_open_orders: int = 500
