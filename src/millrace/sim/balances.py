"""The simulated account's money: free and on hold per asset, in integer ledger units.

Totals change only by executions; placing and ending orders moves money between free and hold. Every movement is written
once here so that conservation can be read off one page.
"""

from collections.abc import Mapping

from millrace.core.commands import Side
from millrace.core.instrument import Instrument, Lots, Money, Ticks


def buying_need(instrument: Instrument, limit_ticks: Ticks, lots: Lots) -> Money:
    """Return the quote money that a resting buy needs in all: cost and maker fee at its limit."""
    cost = instrument.cost(limit_ticks, lots)
    return cost + instrument.fee(cost, maker=True)


def need(instrument: Instrument, side: Side, limit_ticks: Ticks, lots: Lots) -> tuple[str, Money]:
    """Return the asset and amount that an order of this size holds while nothing of it is filled."""
    if side is Side.BUY:
        return instrument.quote, buying_need(instrument, limit_ticks, lots)
    return instrument.base, instrument.base_amount(lots)


class Balances:
    """Free and held money per asset."""

    __slots__ = ("free", "hold")

    def __init__(self, opening: Mapping[str, Money], assets: list[str]) -> None:
        self.free: dict[str, Money] = {asset: opening.get(asset, 0) for asset in [*opening, *assets]}
        self.hold: dict[str, Money] = dict.fromkeys(self.free, 0)

    def pairs(self) -> dict[str, tuple[Money, Money]]:
        """Return asset -> (free, hold)."""
        return {asset: (free, self.hold[asset]) for asset, free in self.free.items()}

    def place(self, asset: str, amount: Money) -> None:
        """Hold money for an order."""
        self.free[asset] -= amount
        self.hold[asset] += amount

    def release(self, asset: str, amount: Money) -> None:
        """Give held money back."""
        self.place(asset, -amount)

    def bought(self, instrument: Instrument, lots: Lots, paid: Money, released: Money) -> None:
        """Book a buy: `paid` is cost and fee, `released` what the hold shrinks by (more after a better price)."""
        self.hold[instrument.quote] -= released
        self.free[instrument.quote] += released - paid
        self.free[instrument.base] += instrument.base_amount(lots)

    def sold(self, instrument: Instrument, lots: Lots, received: Money) -> None:
        """Book a sell: `received` is cost less fee; the base leaves from the hold."""
        self.hold[instrument.base] -= instrument.base_amount(lots)
        self.free[instrument.quote] += received
