"""Where a symbol's profit came from: the spread, the moves after our fills, fees, and holding what we held.

A fill at a price earns what the mid was better than that price (spread captured); up to the horizon the mid then moves
for or against it (adverse selection, a markout in money); what the mid does after that is the position's affair
(inventory). With the fees these four add up to cash plus position at the present mid, to the last unit: everything is
an integer of one value unit, so the identity is an equality and not a tolerance.
"""

from math import log10
from typing import Any, NamedTuple

from millrace.core.instrument import Lots, Money
from millrace.strategies.quoting.features.markouts import Markout
from millrace.strategies.quoting.model import SymbolTerms

ATTRIBUTED_MS = (1_000, 5_000, 30_000)
"""Horizons by which adverse selection may be told from inventory."""


class ValueScale(NamedTuple):
    """Factors that bring money, and half ticks times lots, to one integer unit; `quote` is a unit in quote currency."""

    money: int
    product: int
    quote: float

    @classmethod
    def of(cls, terms: SymbolTerms) -> "ValueScale":
        """Return the scale of a symbol; the product of its units is a power of ten, as scales of decimals are."""
        finer = -round(log10(terms.price_unit * terms.lot_unit * terms.cost_unit))
        money = 2 * 10 ** max(finer, 0)
        return cls(money, 10 ** max(-finer, 0), 1.0 / (money * terms.cost_unit))


class PnlParts(NamedTuple):
    """The parts of a profit; integers of a value unit, or quote currency after `in_quote`. Fees paid are negative."""

    spread: float
    adverse: float
    fees: float
    inventory: float

    @property
    def total(self) -> float:
        """What all parts are together."""
        return self.spread + self.adverse + self.fees + self.inventory

    def in_quote(self, scale: ValueScale) -> "PnlParts":
        """Return the parts in quote currency."""
        return PnlParts(*(part * scale.quote for part in self))


class _Settled:
    """Sums over the fills whose horizon has passed: signed lots, and these times the mid then and at the fill."""

    __slots__ = ("at_fill", "at_horizon", "lots")

    def __init__(self) -> None:
        self.lots = 0
        self.at_fill = 0
        self.at_horizon = 0


class Attribution:
    """One symbol's account since it began; mids are in half ticks, `sign` is +1 of a buy."""

    __slots__ = ("_at_fill", "_cash", "_fees", "_settled", "position", "scale", "traded")

    def __init__(self, scale: ValueScale) -> None:
        self.scale = scale
        self.position: Lots = 0
        self.traded = 0  # value units bought and sold
        self._cash = 0  # value units, fees not in it
        self._fees = 0
        self._at_fill = 0  # signed lots times the mid at their fill
        self._settled = {horizon: _Settled() for horizon in ATTRIBUTED_MS}

    def fill(self, sign: int, lots: Lots, cost: Money, fee: Money, mid2: int) -> None:
        """Take a fill: its cost and fee in money of the quote currency, and the mid of that moment."""
        value = cost * self.scale.money
        self.position += sign * lots
        self.traded += value
        self._cash -= sign * value
        self._fees += fee * self.scale.money
        self._at_fill += sign * lots * mid2

    def settle(self, markout: Markout) -> None:
        """Take where the mid stood at a fill's horizon."""
        settled = self._settled.get(markout.horizon_ms)
        if settled is not None:
            lots = markout.sign * markout.lots
            settled.lots += lots
            settled.at_fill += lots * markout.fill_mid2
            settled.at_horizon += lots * markout.mid2

    def total(self, mid2: int) -> int:
        """Return cash plus position at a mid, in value units."""
        return self._cash - self._fees + self.position * mid2 * self.scale.product

    def parts(self, horizon_ms: int, mid2: int) -> PnlParts:
        """Return the parts at a mid, in value units; a fill still before its horizon has had adverse moves only."""
        settled, product = self._settled[horizon_ms], self.scale.product
        waiting = (self.position - settled.lots) * mid2 - (self._at_fill - settled.at_fill)
        return PnlParts(
            spread=self._cash + self._at_fill * product,
            adverse=(settled.at_horizon - settled.at_fill + waiting) * product,
            fees=-self._fees,
            inventory=(settled.lots * mid2 - settled.at_horizon) * product,
        )

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        settled = [[each.lots, each.at_fill, each.at_horizon] for each in self._settled.values()]
        return [self.position, self.traded, self._cash, self._fees, self._at_fill, settled]

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.position, self.traded, self._cash, self._fees, self._at_fill, settled = state
        for each, saved in zip(self._settled.values(), settled, strict=True):
            each.lots, each.at_fill, each.at_horizon = saved
