"""What a venue charges for one trade, exactly: the terms of a schedule, and the fee of one order under them.

Venues of binary outcomes charge by p(1-p), per contract or per dollar, round to a cent or a hundredth of one, and some
take the fee out of the contracts bought. All of it is integer arithmetic in nano-dollars: a ceiling on binary floats is
a cent too high in hundreds of cells (arb 6). Terms belong to one market and one span of time, never to a venue as such.
"""

import msgspec

PPM = 1_000_000
PAYOUT_TICKS = 10_000
"""The price of a certain outcome: binary prices count 1/10000 dollar."""
CONTRACT_LOTS = 1_000_000
"""One contract: binary quantities count millionths of one, because fees taken in shares leave fractions."""
_UNITS_PER_NANO = 100_000_000_000
"""The three parts of a fee are added over one denominator, 1e20 to the dollar, and rounded once."""


class FeeTerms(msgspec.Struct, frozen=True, gc=False):
    """The fee of one style. `quadratic_ppm` is the coefficient of contracts x p x (1-p), `price_ppm` that of the cost.

    `flat_nano` is charged per contract and may be negative (a rebate). The sum is rounded up to a multiple of
    `quantum_nano` (1: to the nano-dollar above) and kept within `min_nano` and `max_nano` per order.
    """

    quadratic_ppm: int = 0
    price_ppm: int = 0
    flat_nano: int = 0
    quantum_nano: int = 1
    min_nano: int | None = None
    max_nano: int | None = None

    def fee_nano(self, ticks: int, lots: int) -> int:
        """Return the fee of one order in nano-dollars.

        `ticks` count 1/10000 dollar, `lots` millionths of a contract.
        """
        quadratic = self.quadratic_ppm * lots * ticks * (PAYOUT_TICKS - ticks)
        by_price = self.price_ppm * lots * ticks * PAYOUT_TICKS
        flat = self.flat_nano * lots * (_UNITS_PER_NANO // CONTRACT_LOTS)
        quantum = self.quantum_nano * _UNITS_PER_NANO
        nano = -(-(quadratic + by_price + flat) // quantum) * self.quantum_nano
        if self.min_nano is not None and lots:
            nano = max(nano, self.min_nano)
        return nano if self.max_nano is None else min(nano, self.max_nano)


class FeeSchedule(msgspec.Struct, frozen=True, gc=False):
    """What one market charges takers, makers and winners, from when on, and whether buyers pay in shares."""

    taker: FeeTerms
    maker: FeeTerms = FeeTerms()
    settlement_flat_nano: int = 0
    in_shares: bool = False
    from_ns: int = 0
    source: str = ""

    def fee_nano(self, ticks: int, lots: int, *, maker: bool) -> int:
        """Return the trade fee of one order in nano-dollars."""
        return (self.maker if maker else self.taker).fee_nano(ticks, lots)
