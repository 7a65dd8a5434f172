"""What an order's fills are charged, one after the other, and whether statements agree with what we expected.

A venue that keeps balances to the cent charges each fill a rounding fee and gives whole cents back once an order has
overpaid one, so that many small fills end where one large fill would (arb 6, venues 3). That makes the fee of a fill a
matter of the fills before it: the accumulator belongs to the order, never to the fill.
"""

import msgspec

from millrace.core.fee_terms import FeeTerms

_TENTHS = 10
"""ticks x lots count tenths of a nano-dollar."""
MOST_MEAN_ERROR_NANO = 5_000_000
"""Half a cent per order: a larger mean error is a discrepancy (arb 6)."""
MOST_UNDER_PPM = 10_000
"""One per cent of the stated total: a larger under-estimate is a discrepancy (arb 6)."""
_PPM = 1_000_000


class OrderFee(msgspec.Struct, gc=False):
    """The fee of one order so far; `over_tenths` is what roundings took beyond it, in tenths of a nano-dollar."""

    cum_nano: int = 0
    over_tenths: int = 0

    def fill(self, terms: FeeTerms, ticks: int, lots: int) -> int:
        """Take one fill and return its net fee in nano-dollars: trade fee, rounding fee, less a rebate, never below 0.

        Terms without a `fill_quantum_nano` charge each fill by itself.
        """
        if not terms.fill_quantum_nano:
            fee_nano = terms.fee_nano(ticks, lots)
            self.cum_nano += fee_nano
            return fee_nano
        cost = ticks * lots
        due = cost + terms.fill_nano(ticks, lots) * _TENTHS
        quantum = terms.quantum_nano * _TENTHS
        paid = -(-due // quantum) * quantum
        self.over_tenths += paid - due
        rebate = min(self.over_tenths, paid - cost) // quantum * quantum
        self.over_tenths -= rebate
        fee_nano = -(-(paid - cost - rebate) // _TENTHS)
        self.cum_nano += fee_nano
        return fee_nano


class FeeComparison(msgspec.Struct, frozen=True, gc=False):
    """Estimated against stated fees of one venue and style, in nano-dollars; errors are estimate less statement."""

    venue: str
    maker: bool
    orders: int
    estimated_nano: int
    stated_nano: int
    absolute_error_nano: int

    @property
    def mean_error_nano(self) -> float:
        """Mean error of an order."""
        return (self.estimated_nano - self.stated_nano) / self.orders

    @property
    def underestimates(self) -> bool:
        """Tell whether the total was estimated more than one per cent too low, which blocks a promotion to live."""
        return (self.stated_nano - self.estimated_nano) * _PPM > abs(self.stated_nano) * MOST_UNDER_PPM

    @property
    def is_discrepancy(self) -> bool:
        """Tell whether somebody must look: a mean error above half a cent, or a total too low."""
        error_nano = abs(self.estimated_nano - self.stated_nano)
        return error_nano > MOST_MEAN_ERROR_NANO * self.orders or self.underestimates


class FeeStatements(msgspec.Struct):
    """Every order's estimate beside its statement, summed by venue and style."""

    sums: dict[str, tuple[int, int, int, int]] = {}

    def add(self, venue: str, estimated_nano: int, stated_nano: int, *, maker: bool) -> None:
        """Take one order whose fee the venue has stated."""
        name = f"{venue}|{'maker' if maker else 'taker'}"
        orders, estimated, stated, absolute = self.sums.get(name, (0, 0, 0, 0))
        error = abs(estimated_nano - stated_nano)
        self.sums[name] = (orders + 1, estimated + estimated_nano, stated + stated_nano, absolute + error)

    def comparisons(self) -> list[FeeComparison]:
        """Return one comparison per venue and style, in the order of their names."""
        rows = []
        for name in sorted(self.sums):
            venue, _, style = name.rpartition("|")
            rows.append(FeeComparison(venue, style == "maker", *self.sums[name]))
        return rows
