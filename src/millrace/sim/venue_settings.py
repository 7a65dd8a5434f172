"""What the simulated venue is told before it opens: instruments, opening balances, delays, and what fills an order.

Each of these is an assumption about a real venue, so a report of what was filled names them, and no default hides in
the venue itself. One seed with the same settings and the same requests gives one history.
"""

from enum import StrEnum

import msgspec

from millrace.core.instrument import Instrument, Money
from millrace.sim.rate_counter import TIERS, RateTier

_MS = 1_000_000


class FillRule(StrEnum):
    """Which market data fill resting orders."""

    PRINTS = "prints"
    QUOTES = "quotes"
    BOTH = "both"


class AccountSettings(msgspec.Struct, frozen=True):
    """What every spot venue is told of the account that it keeps for us.

    `rate` None switches the rate counter off; `ended_kept` bounds what can be asked about later.
    """

    venue: str
    instruments: tuple[Instrument, ...]
    opening: dict[str, Money]
    seed: int
    request_latency_ns: int = 25 * _MS
    response_latency_ns: int = 25 * _MS
    jitter_ns: int = 10 * _MS
    rate: RateTier | None = TIERS["pro"]
    ended_kept: int = 10_000


class VenueSettings(AccountSettings, frozen=True, kw_only=True):
    """The assumptions of a venue that knows prints and quotes; every one belongs into a report of what it filled.

    `participation_ppm` is the share of a bar's volume that one side may take; `quote_size_caps` limits fills on quotes
    to the displayed size.
    """

    participation_ppm: int = 100_000
    fill_rule: FillRule = FillRule.BOTH
    quote_size_caps: bool = True
