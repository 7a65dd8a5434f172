"""Capital layers: so many more base units in every order, added one at a time by the operator (slots 8.1, 18).

A layer that the account cannot carry would leave legs without money, so only those count that it can: the whole
account at the mark must be worth both orders of every slot at their size with the layer. The whole is the measure
because money moves between the two sides with every fill, while its sum stays. Which balance the operator named for a
layer decided whether it could be added, and is remembered to take it away again.
"""

from math import floor
from typing import Any, Literal

from millrace.strategies.slots.settings import SlotsSettings
from millrace.strategies.slots.turn import Turn

Source = Literal["AUTO", "DOGE", "USD"]
"""Which balance must have the money of a new layer free; AUTO: both together, at the mark."""
SOURCES: tuple[Source, ...] = ("AUTO", "DOGE", "USD")
ORDERS_PER_SLOT = 2


def account_worth(turn: Turn) -> float | None:
    """Return all that the account holds, free and held, in base units at the mark; None while that is not known."""
    facts = turn.instrument
    base = turn.view.total(facts.id.venue, facts.base)
    quote = turn.view.total(facts.id.venue, facts.quote)
    if base is None or quote is None or turn.price <= 0.0:
        return None
    return facts.base_float(base) + facts.quote_float(quote) / turn.price


def carried(target: int, worth: float, slots: int, plain_units: float, units_per_order: float) -> int:
    """Return how many layers, at most `target`, both orders of every slot can carry when they are worth `worth`.

    All in base units; `plain_units` is an order without layers. 0 when the plain orders alone are more than that.
    """
    if slots < 1 or units_per_order <= 0.0:
        return 0
    spare = worth / (ORDERS_PER_SLOT * slots) - plain_units
    return floor(min(target, max(0.0, spare / units_per_order)))


class CapitalLayers:
    """The layers that the operator asked for, by source in the order of adding; a fresh grid starts with some."""

    def __init__(self, settings: SlotsSettings) -> None:
        self._settings = settings
        self.units_per_order = settings.capital_layer_doge_per_order
        self.sources: list[Source] = []
        self.begin()

    def begin(self) -> None:
        """Start with as many layers as the settings say, whatever the operator added or took away."""
        self.sources = ["AUTO"] * self._settings.capital_layers

    @property
    def target(self) -> int:
        """How many layers were asked for."""
        return len(self.sources)

    def need(self, slots: int) -> float:
        """Return the base units that one layer takes when both orders of every slot carry it."""
        return ORDERS_PER_SLOT * slots * self.units_per_order

    def remove(self, source: Source) -> Source | None:
        """Take the newest layer of the source away, of any for AUTO; None when there is no such layer."""
        for place in range(len(self.sources) - 1, -1, -1):
            if source in ("AUTO", self.sources[place]):
                return self.sources.pop(place)
        return None

    def units(self, turn: Turn, slots: int) -> float:
        """Return the base units that the effective layers add to every order."""
        return self.effective(turn, slots) * self.units_per_order if self.sources else 0.0

    def effective(self, turn: Turn, slots: int) -> int:
        """Return how many of the layers asked for the account carries now; 0 while it or the price is not known."""
        chosen, worth = self._settings, account_worth(turn)
        if not self.sources or worth is None:
            return 0
        in_units = chosen.order_size_mode == "DOGE" and chosen.sticky_mode_enabled
        plain = chosen.order_size_doge if in_units else chosen.order_size_usd / turn.price
        return carried(self.target, worth, slots, plain, self.units_per_order)

    def status(self, turn: Turn, slots: int) -> dict[str, Any]:
        """Return the `capital_layers` object; units are base units, `layer_units` what one layer takes in all."""
        return {
            "target": self.target,
            "effective": self.effective(turn, slots),
            "by_source": {source: self.sources.count(source) for source in SOURCES},
            "units_per_order": self.units_per_order,
            "added_units_per_order": self.units(turn, slots),
            "layer_units": self.need(slots),
        }

    def snapshot(self) -> list[Source]:
        """Return the state as builtins."""
        return list(self.sources)

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.sources = list(state)
