"""What Polymarket charges takers, per category and date, as exact schedules.

The fee is contracts x rate x p x (1-p), cut to five decimals of a dollar and taken in shares from a buyer, so fewer
contracts arrive than were bought (arb 6). Within a single year the venue had other curves and none at all: the market's
own fields decide, and a market whose curve is not the plain one has no schedule here and is not tradable as taker.
"""

from decimal import Decimal

from millrace.core.fee_terms import PPM, FeeSchedule, FeeTerms

VENUE = "polymarket"
FEE_NANO = 10_000
"""Fees are cut to 1e-5 dollar."""
CATEGORY_RATES = {
    "crypto": "0.07",
    "sports": "0.03",
    "finance": "0.04",
    "politics": "0.04",
    "tech": "0.04",
    "mentions": "0.04",
    "economics": "0.05",
    "culture": "0.05",
    "weather": "0.05",
    "other": "0.05",
    "geopolitics": "0",
}
"""The venue's table of mid-2026, for recordings without fee fields; live markets say their own rate."""
_SOURCE = "Polymarket documentation (trading fees), table of mid-2026"


def schedule(*, enabled: bool | None, rate: str | None, exponent: str = "1", from_ns: int = 0) -> FeeSchedule | None:
    """Return the schedule of a market's `feesEnabled`, rate and exponent; None when they do not say it plainly.

    Only the exponent 1 of the present formula is known exactly; anything else is unknown.
    """
    if enabled is False:
        return FeeSchedule(taker=FeeTerms(), from_ns=from_ns, source=_SOURCE)
    if enabled is None or rate is None or Decimal(exponent) != 1:
        return None
    taker = FeeTerms(quadratic_ppm=int(Decimal(rate) * PPM), quantum_nano=FEE_NANO, rounds_down=True)
    return FeeSchedule(taker=taker, in_shares=True, from_ns=from_ns, source=_SOURCE)


def published(category: str) -> FeeSchedule | None:
    """Return the schedule of a category in the venue's table; None for a category that it does not name."""
    rate = CATEGORY_RATES.get(category.lower())
    return None if rate is None else schedule(enabled=True, rate=rate)
