"""How large an entry is: base size, layers, multipliers, floor guard, minimums (slots 8.1, 8.2, 8.4, 8.5).

The volume is computed once, at the limit price that the order will really have, so the volume in the state is the
volume at the venue. The floor guard lifts what a multiplier shrank below the venue's minimum; without it a slow bucket
would shrink orders until they are refused, which makes exits older and the multiplier smaller (P1).
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import floor
from typing import Literal, NamedTuple

from millrace.sizing.throughput import ThroughputSizer
from millrace.strategies.slots.entry_size.b_side import BuySize
from millrace.strategies.slots.entry_size.rebalancer import favoured_multiplier
from millrace.strategies.slots.reducer.model import SlotConfig, TradeId
from millrace.strategies.slots.reducer.volume import LOT_SLACK, lots_up, tradeable, usd_volume, whole_lots

_FLOOR_MARGIN = 1.01

SizeMode = Literal["USD", "DOGE"]
FloorMode = Literal["multiplier_only", "always", "off"]


@dataclass(slots=True)
class FloorCount:
    """How often the floor guard lifted an entry: per loop, per side, and in all."""

    this_loop: int = 0
    by_leg: dict[str, int] = field(default_factory=lambda: {"A": 0, "B": 0})
    total: int = 0

    def lifted(self, trade_id: TradeId) -> None:
        """Count one."""
        self.this_loop += 1
        self.total += 1
        self.by_leg[trade_id] += 1

    def begin_loop(self) -> None:
        """Start a loop's count."""
        self.this_loop = 0
        self.by_leg = {"A": 0, "B": 0}


class Favour(NamedTuple):
    """The leg whose fresh entries are made larger, by how much at most, and the money they may spend.

    `free` is what is free on that leg's side, in base units for A and in USD before the fee for B.
    """

    leg: TradeId
    multiplier: float
    free: float


@dataclass(slots=True)
class EntrySizes:
    """Sizes of one slot's entries now; implements the reducer's `Sizes`.

    `base_usd` is the order size in USD mode, `base_units` in DOGE mode; `sizer` is None while the throughput sizer is
    off; `regime` is the direction label (0, 1, 2) of the sizer's bucket; `caution` the restriction board's multiplier,
    which is read before sizing because the board itself never resizes (design section 5.1); `favour` is the
    rebalancer's word, None for entries that it does not touch. `layer_units` is what capital layers add to each order,
    worth `mark` USD each; `buy` tells leg B's share of the account, None while it takes the size of leg A.
    """

    cfg: SlotConfig
    mode: SizeMode
    floor_mode: FloorMode
    base_usd: float
    base_units: float
    sizer: ThroughputSizer | None
    regime: int | None
    floors: FloorCount
    caution: float = 1.0
    favour: Favour | None = None
    layer_units: float = 0.0
    mark: float = 0.0
    buy: Callable[[], BuySize] | None = None
    _bought: BuySize | None = field(default=None, init=False)

    def volume(self, trade_id: TradeId, price: float) -> float | None:
        """Return base units for an entry at this limit price; None means wait."""
        if price <= 0.0:
            return None
        multiplier = self.multiplier(trade_id)
        if self.favour is not None and self.favour.leg == trade_id:
            multiplier *= self._favoured(self.favour, multiplier, price)
        volume = self._sized(trade_id, multiplier, price)
        if self.floor_mode == "off":
            return volume
        floor = self._floor(price)
        if volume is not None and volume >= floor:
            return volume
        if self.floor_mode == "multiplier_only" and (multiplier >= 1.0 or self._sized(trade_id, 1.0, price) is None):
            return volume
        self.floors.lifted(trade_id)
        return floor

    def multiplier(self, trade_id: TradeId) -> float:
        """Return the product of all multipliers but the rebalancer's; the sizer's is 1 while it is off or shadows."""
        if self.sizer is None:
            return self.caution
        return self.sizer.size_for_slot(1.0, self.regime, trade_id)[0] * self.caution

    def _favoured(self, favour: Favour, multiplier: float, price: float) -> float:
        """Return how many times its size the entry may be, so that one more of that size can still be paid."""
        need = self.base(favour.leg, multiplier)
        if self.mode == "USD" and favour.leg == "A":
            need /= price
        elif self.mode == "DOGE" and favour.leg == "B":
            need *= price
        return favoured_multiplier(favour.multiplier, need, favour.free)

    def base(self, trade_id: TradeId, multiplier: float = 1.0) -> float:
        """Return the size before rounding, layers included, in USD or base units as the mode says.

        A buy that is a share of the account stays within its slot's even part of the pool, whatever multiplies it.
        """
        if self.mode == "DOGE":
            return (self.base_units + self.layer_units) * multiplier
        buy = self._buy_size(trade_id)
        plain_usd = self.base_usd if buy is None else buy.usd
        usd = (plain_usd + self.layer_units * self.mark) * multiplier
        return usd if buy is None else min(usd, buy.even_usd)

    def is_short(self, trade_id: TradeId) -> bool:
        """Tell whether more free money would make the leg's size larger, so that it waits for money, not a price."""
        buy = self._buy_size(trade_id)
        return buy is not None and not buy.is_capped

    def _buy_size(self, trade_id: TradeId) -> BuySize | None:
        if trade_id != "B" or self.buy is None or self.mode != "USD":
            return None
        if self._bought is None:
            self._bought = self.buy()
        return self._bought

    def _sized(self, trade_id: TradeId, multiplier: float, price: float) -> float | None:
        """Return the base size times a multiplier in whole lots, None below a minimum."""
        if self.mode == "USD":
            return usd_volume(self.base(trade_id, multiplier), price, self.cfg)
        volume = whole_lots(self.base(trade_id, multiplier), self.cfg)
        return volume if tradeable(volume, price, self.cfg) else None

    def _floor(self, price: float) -> float:
        """Return the smallest volume that the guard accepts at this price: minimums, the volume's with a margin."""
        cfg = self.cfg
        volume = lots_up(max(cfg.min_volume * _FLOOR_MARGIN, cfg.min_cost_usd / price), cfg)
        return volume if tradeable(volume, price, cfg) else whole_lots(volume + cfg.lot, cfg)


def base_usd(order_size_usd: float, total_profit_usd: float, compounding: str) -> float:
    """Return the base order size in USD: `legacy_profit` adds a slot's realised profit, never subtracts (slots 8.1)."""
    if compounding == "fixed":
        return order_size_usd
    return max(order_size_usd, order_size_usd + total_profit_usd)


def compound_units(net_usd: float, exit_price: float) -> float:
    """Return the units that a booking adds to the DOGE-mode base under compounding, fixed at booking (slots 8.2)."""
    return net_usd / exit_price if exit_price > 0.0 else 0.0


def whole_units(units: float) -> float:
    """Return the whole units that compounding adds, floored after summing; losses take nothing off the base."""
    return float(max(0, floor(units + LOT_SLACK)))
