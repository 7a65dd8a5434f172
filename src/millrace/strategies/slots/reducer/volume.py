"""How many units an order gets, and whether a volume may be an order at all (slots 2.2, 6.1, 8.5).

The venue's minimums are checked here on the numbers that will leave, never on unrounded ones.
"""

from collections.abc import Mapping
from math import ceil, floor, isfinite
from typing import Protocol

from millrace.strategies.slots.reducer.model import SlotConfig, TradeId

LOT_SLACK = 1e-6
"""Part of a lot that counts as float noise, not as volume."""
_RELATIVE_NOISE = 1e-15


class Sizes(Protocol):
    """How the reducer asks for the volume of an entry."""

    def volume(self, trade_id: TradeId, price: float) -> float | None:
        """Return base units for an entry of the leg at its limit price; None means wait."""
        ...


class UsdSizes:
    """Entry sizes in USD: a default and optional ones per leg (slots 2.2)."""

    def __init__(self, default_usd: float, by_trade: Mapping[str, float] | None, cfg: SlotConfig) -> None:
        self._default_usd = default_usd
        self._by_trade = dict(by_trade or {})
        self._cfg = cfg

    def volume(self, trade_id: TradeId, price: float) -> float | None:
        """Return size / price rounded to the lot, None when the size or the result is below a minimum."""
        return usd_volume(self._by_trade.get(trade_id, self._default_usd), price, self._cfg)


def usd_volume(size_usd: float, price: float, cfg: SlotConfig) -> float | None:
    """Return the units that `size_usd` buys at `price`; None means wait. Never raised to a minimum (slots 2.2)."""
    if not (isfinite(price) and isfinite(size_usd)) or price <= 0.0 or size_usd <= 0.0:
        return None
    if size_usd < cfg.min_cost_usd:
        return None
    volume = round(size_usd / price, cfg.volume_decimals)
    if volume < cfg.min_volume or volume <= 0.0 or volume * price < cfg.min_cost_usd:
        return None
    return volume


def noise(volume: float, cfg: SlotConfig) -> float:
    """Return how many units count as float noise beside a volume of this magnitude."""
    return max(cfg.lot * LOT_SLACK, volume * _RELATIVE_NOISE)


def whole_lots(volume: float, cfg: SlotConfig) -> float:
    """Return the volume cut down to whole lots; what is not there cannot be sold, so it never rounds up."""
    return round(floor((volume + noise(volume, cfg)) * 10.0**cfg.volume_decimals) * cfg.lot, cfg.volume_decimals)


def lots_up(volume: float, cfg: SlotConfig) -> float:
    """Return the smallest whole number of lots that is not below `volume`."""
    return round(ceil((volume - noise(volume, cfg)) * 10.0**cfg.volume_decimals) * cfg.lot, cfg.volume_decimals)


def tradeable(volume: float, price: float, cfg: SlotConfig) -> bool:
    """Tell whether an order of this volume at this limit price meets the venue's minimums (slots 6.1)."""
    lots = whole_lots(volume, cfg)
    return lots > 0.0 and lots >= cfg.min_volume and lots * price >= cfg.min_cost_usd
