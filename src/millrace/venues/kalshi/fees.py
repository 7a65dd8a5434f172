"""What Kalshi charges, per series and date, as exact schedules.

The venue names a fee kind and a multiplier on each series and announces changes; those are to be read, and what this
page holds is only what the kinds mean (arb 6, venues 3). Fees are 0.07, or 0.0175 for makers, of contracts x p x (1-p):
every fill is rounded up to a hundredth of a cent, and an order to the member's balance precision.
"""

from decimal import Decimal

from millrace.core.fee_terms import PPM, FeeSchedule, FeeTerms, in_force

VENUE = "kalshi"
CENT_NANO = 10_000_000
FILL_NANO = 100_000
TAKER = Decimal("0.07")
MAKER = Decimal("0.0175")
MAKER_FEES_FROM_NS = 1_751_328_000 * 10**9
"""2025-07-01: the maker fee became a share of the taker's; before, listed series charged a flat quarter of a cent."""
MAKER_FLAT_BEFORE_NANO = 2_500_000
_HALF_PRICED = ("INX", "NASDAQ100", "KXINX", "KXNASDAQ100")
"""Index families with half the taker coefficient, as published earlier (arb 6: medium certainty, read per series)."""
_SOURCE = "Kalshi fee schedule and API documentation (fee rounding), read 2026"


def schedule(kind: str, *, multiplier: str = "1", from_ns: int = 0, direct_member: bool = False) -> FeeSchedule | None:
    """Return the schedule of a series' `fee_type` and `fee_multiplier`; None for a kind that is not known.

    A market without a schedule is not tradable as taker, so an unknown kind stops trading and never guesses.
    """
    if kind not in {"quadratic", "quadratic_with_maker_fees"}:
        return None
    quantum_nano = FILL_NANO if direct_member else CENT_NANO

    def terms(coefficient: Decimal) -> FeeTerms:
        ppm = int(coefficient * Decimal(multiplier) * PPM)
        return FeeTerms(quadratic_ppm=ppm, quantum_nano=quantum_nano, fill_quantum_nano=FILL_NANO)

    maker = FeeTerms()
    if kind == "quadratic_with_maker_fees":
        maker = terms(MAKER)
        if from_ns < MAKER_FEES_FROM_NS:
            maker = FeeTerms(flat_nano=MAKER_FLAT_BEFORE_NANO, quantum_nano=quantum_nano, fill_quantum_nano=FILL_NANO)
    return FeeSchedule(taker=terms(TAKER), maker=maker, from_ns=from_ns, source=_SOURCE)


def published(series: str, *, maker_fees: bool = False, now_ns: int = MAKER_FEES_FROM_NS) -> FeeSchedule:
    """Return the schedule published for a time, for recordings that carry no fee fields; live markets say their own.

    Every series of the venue is priced by one of the two published coefficients.
    """
    kind = "quadratic_with_maker_fees" if maker_fees else "quadratic"
    multiplier = "0.5" if series.upper().startswith(_HALF_PRICED) else "1"
    dated = [schedule(kind, multiplier=multiplier, from_ns=from_ns) for from_ns in (0, MAKER_FEES_FROM_NS)]
    found = in_force((one for one in dated if one is not None), now_ns)
    assert found is not None  # noqa: S101  the first holds from the beginning
    return found
