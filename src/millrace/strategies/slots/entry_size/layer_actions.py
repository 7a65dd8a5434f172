"""The operator's words for capital layers: `add_layer` and `remove_layer` (slots 18).

A layer is added only when the balance that its source names has the money free now; what it comes to later, when the
account shrinks or slots are added, shows as `effective` beside `target`. Sizes change for entries placed from then on.
"""

from collections.abc import Mapping

import msgspec

from millrace.core.commands import Reply
from millrace.core.events import Operator
from millrace.core.requests import accepted, refused
from millrace.strategies.slots.entry_size.layers import Source
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.operator.action import OperatorAction
from millrace.strategies.slots.turn import Turn

MOST_LAYERS = 100
"""The knob's own limit; more would be another order size, not a layer."""


class Layer(msgspec.Struct, frozen=True):
    """Which balance pays for it: the base coin (DOGE), the quote money (USD), or both together (AUTO)."""

    source: Source = "AUTO"


def _add(grid: Grid, turn: Turn, asked: Operator, wanted: Layer) -> Reply:
    layers, need = grid.layers, grid.layers.need(len(grid.slots))
    if layers.target >= MOST_LAYERS:
        return refused(asked, f"{MOST_LAYERS} layers are the most; raise the order size instead")
    if need <= 0.0:
        return refused(asked, "a layer adds nothing while slots.capital_layer_doge_per_order is 0 or there is no slot")
    free = _free_units(turn, wanted.source)
    if free is None:
        return refused(asked, "price or balances are not known yet; ask again when they are")
    figures = {"source": wanted.source, "need_units": need, "free_units": free}
    if free < need:
        text = f"a layer takes {need:g} {grid.instrument.base} for both orders of {len(grid.slots)} slots;"
        return refused(asked, f"{text} {wanted.source} has the worth of {free:g} free", figures)
    layers.sources.append(wanted.source)
    return _changed(grid, turn, asked, f"layer {layers.target} from {wanted.source}", figures)


def _remove(grid: Grid, turn: Turn, asked: Operator, wanted: Layer) -> Reply:
    removed = grid.layers.remove(wanted.source)
    if removed is None:
        return refused(asked, f"there is no {'' if wanted.source == 'AUTO' else wanted.source + ' '}layer to remove")
    return _changed(grid, turn, asked, f"a layer from {removed} removed", {"source": removed})


def _changed(grid: Grid, turn: Turn, asked: Operator, text: str, figures: Mapping[str, object]) -> Reply:
    grid.size_answers.clear()
    grid.wake_all()
    layers, slots = grid.layers, len(grid.slots)
    effective, added = layers.effective(turn, slots), layers.units(turn, slots)
    counts = {"target": layers.target, "effective": effective, "added_units_per_order": added}
    said = f"{text}; {effective} of {layers.target} are effective, entries grow by {added:g} {grid.instrument.base}"
    return accepted(asked, said, {**figures, **counts})


def _free_units(turn: Turn, source: Source) -> float | None:
    """Return what is free in the balance of a source, in base units at the mark."""
    base, quote, facts = turn.free_base(), turn.free_quote(), turn.instrument
    if base is None or quote is None or turn.price <= 0.0:
        return None
    coins, money = facts.base_float(base), facts.quote_float(quote) / turn.price
    return {"DOGE": coins, "USD": money, "AUTO": coins + money}[source]


ACTIONS: Mapping[str, OperatorAction] = {
    "add_layer": OperatorAction(Layer, _add, "make every order larger by one capital layer (source AUTO, DOGE or USD)"),
    "remove_layer": OperatorAction(Layer, _remove, "take the newest capital layer of the source away (AUTO: of any)"),
}
