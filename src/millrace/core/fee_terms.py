"""What a venue charges for one trade, exactly: the terms of a schedule, and the fee of one order under them.

Venues of binary outcomes charge by p(1-p), per contract or per dollar, round to a cent or a hundredth of one, and some
take the fee out of the contracts bought. All of it is integer arithmetic in nano-dollars: a ceiling on binary floats is
a cent too high in hundreds of cells (arb 6). Terms belong to one market and one span of time, never to a venue as such.
"""

from collections.abc import Iterable

import msgspec

PPM = 1_000_000
PAYOUT_TICKS = 10_000
"""The price of a certain outcome: binary prices count 1/10000 dollar."""
UNKNOWN_SOURCE = "unknown"
"""The source of a schedule that stands where nobody knows the fees: its market's books are not believed."""
CONTRACT_LOTS = 1_000_000
"""One contract: binary quantities count millionths of one, because fees taken in shares leave fractions."""
_CENT_TICKS = PAYOUT_TICKS // 100
_LOT_TICKS_PER_NANO = 10
"""lots x ticks count 1e-10 dollars."""
_UNITS_PER_NANO = 100_000_000_000
"""The three parts of a fee are added over one denominator, 1e20 to the dollar, and rounded once."""
_UNITS_PER_FLAT = _UNITS_PER_NANO // CONTRACT_LOTS


class FeeTerms(msgspec.Struct, frozen=True, gc=False):
    """The fee of one style. `quadratic_ppm` is the coefficient of contracts x p x (1-p), `price_ppm` that of the cost.

    `flat_nano` is charged per contract and may be negative (a rebate). The sum is rounded up to a multiple of
    `quantum_nano` (1: to the nano-dollar above), or down with `rounds_down`, and kept within `min_nano` and `max_nano`
    per order. With `fill_quantum_nano` each fill is rounded up to that first, and what the order's rounding took too
    much comes back over its fills (`orders.fees`).
    """

    quadratic_ppm: int = 0
    price_ppm: int = 0
    flat_nano: int = 0
    quantum_nano: int = 1
    min_nano: int | None = None
    max_nano: int | None = None
    rounds_down: bool = False
    fill_quantum_nano: int = 0

    def fee_nano(self, ticks: int, lots: int) -> int:
        """Return the fee of one order, filled at one price at once, in nano-dollars.

        `ticks` count 1/10000 dollar, `lots` millionths of a contract.
        """
        units = self._units(ticks, lots)
        return self._rounded_order(self._rounded_fill(units) if self.fill_quantum_nano else units)

    def walked_nano(self, fills: Iterable[tuple[int, int]]) -> int:
        """Return the fee of one order that trades at several prices: (ticks, lots) each."""
        units = 0
        for ticks, lots in fills:
            each = self._units(ticks, lots)
            units += self._rounded_fill(each) if self.fill_quantum_nano else each
        return self._rounded_order(units)

    def _rounded_order(self, units: int) -> int:
        quantum = self.quantum_nano * _UNITS_PER_NANO
        nano = (units // quantum if self.rounds_down else -(-units // quantum)) * self.quantum_nano
        if self.min_nano is not None and units:
            nano = max(nano, self.min_nano)
        return nano if self.max_nano is None else min(nano, self.max_nano)

    def most_nano(self, ticks: int, lots: int) -> int:
        """Return the most that one order can be charged at this price, however many fills it comes in.

        A fill is of a whole contract or more, but for one. At a price between two cents each may cost a whole rounding.
        """
        if not self.fill_quantum_nano:
            return self.fee_nano(ticks, lots)
        fills = -(-lots // CONTRACT_LOTS)
        per_fill_nano = self.quantum_nano if ticks % _CENT_TICKS else 0
        units = self._units(ticks, lots) + fills * (self.fill_quantum_nano + per_fill_nano) * _UNITS_PER_NANO
        quantum = self.quantum_nano * _UNITS_PER_NANO
        return -(-units // quantum) * self.quantum_nano

    def fill_nano(self, ticks: int, lots: int) -> int:
        """Return what one fill is charged before the order's own rounding; only with a `fill_quantum_nano`."""
        return self._rounded_fill(self._units(ticks, lots)) // _UNITS_PER_NANO

    def _units(self, ticks: int, lots: int) -> int:
        by_price = self.quadratic_ppm * (PAYOUT_TICKS - ticks) + self.price_ppm * PAYOUT_TICKS
        return (by_price * ticks + self.flat_nano * _UNITS_PER_FLAT) * lots

    def _rounded_fill(self, units: int) -> int:
        quantum = self.fill_quantum_nano * _UNITS_PER_NANO
        return -(-units // quantum) * quantum if quantum else units


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

    def net_lots(self, ticks: int, lots: int, *, maker: bool = False) -> int:
        """Return how many of `lots` bought at one price arrive; fewer only where the fee is taken in shares."""
        if not self.in_shares:
            return lots
        fee_nano = (self.maker if maker else self.taker).fee_nano(ticks, lots)
        return lots + -fee_nano * _LOT_TICKS_PER_NANO // ticks

    def gross_lots(self, ticks: int, net_lots: int, *, lot: int = 1, maker: bool = False) -> int:
        """Return how many to buy at one price, a multiple of `lot`, so that at least `net_lots` arrive."""
        gross = -(-net_lots // lot) * lot
        if not self.in_shares:
            return gross
        fee_nano = (self.maker if maker else self.taker).fee_nano
        while (missing := net_lots - gross - -fee_nano(ticks, gross) * _LOT_TICKS_PER_NANO // ticks) > 0:
            gross += -(-missing // lot) * lot
        return gross


def in_force(schedules: Iterable[FeeSchedule], now_ns: int) -> FeeSchedule | None:
    """Return the schedule that holds at a time: the latest that has begun; None when none has, so nothing is known."""
    begun = [schedule for schedule in schedules if schedule.from_ns <= now_ns]
    return max(begun, key=lambda schedule: schedule.from_ns, default=None)
