"""The reducer's public form: plain dicts in and out, always copies, with the contract's field names (slots 1, 17).

The same dict is the slot's part of a snapshot. It is strict JSON, and it must load whatever happened to it: a missing
field takes its default, a field of the wrong type too, an order without its essentials is dropped, and each of these
is reported, so that the caller can quarantine the slot instead of trading on half a state.
"""

from dataclasses import MISSING, Field, fields
from math import isfinite
from typing import Any, get_type_hints

import msgspec

from millrace.strategies.slots.reducer.actions import Action
from millrace.strategies.slots.reducer.events import Event
from millrace.strategies.slots.reducer.model import Cycle, Dust, Leg, Order, Recovery, SlotConfig, SlotState
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.reducer.volume import UsdSizes

_RECORDS: dict[str, type] = {
    "orders": Order,
    "cancelling": Order,
    "recovery_orders": Recovery,
    "completed_cycles": Cycle,
}
_HINTS: dict[type, dict[str, Any]] = {
    kind: get_type_hints(kind) for kind in (SlotState, Leg, Dust, Order, Recovery, Cycle)
}


def transition(
    state: dict[str, Any], event: dict[str, Any], cfg: dict[str, Any], sizes: dict[str, Any]
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the slot after an event, and its actions; nothing given is changed.

    Events and actions carry their name in the field `type`. `sizes` is `{"default": usd, "A": usd, "B": usd}`, the legs
    optional. Raises msgspec.ValidationError when the event or the settings are not of their form.
    """
    config = msgspec.convert(cfg, SlotConfig)
    by_trade = {leg: float(usd) for leg, usd in sizes.items() if leg in {"A", "B"} and usd is not None}
    slot = from_dict(state)
    happened: Event = msgspec.convert(event, Event)
    actions: list[Action] = apply(slot, happened, config, UsdSizes(float(sizes["default"]), by_trade, config))
    return to_dict(slot), [msgspec.to_builtins(action) for action in actions]


def to_dict(state: SlotState) -> dict[str, Any]:
    """Return the slot as builtins; the legs' counters are named `cycle_a`, `cycle_b` and so on."""
    row: dict[str, Any] = msgspec.to_builtins(state)
    for suffix in ("a", "b"):
        for name, value in row.pop(suffix).items():
            row[f"{name}_{suffix}"] = value
    return row


def from_dict(row: dict[str, Any]) -> SlotState:
    """Return the slot of a dict, as `load` does, without the report."""
    return load(row)[0]


def load(row: dict[str, Any]) -> tuple[SlotState, list[str]]:
    """Return the slot of a dict and what could not be read, one text per field or record.

    An absent `total_settled_usd` is `total_profit`; an absent `profit_pct_runtime` is 0, which means "as configured".
    """
    problems: list[str] = []
    state = SlotState()
    for suffix in ("a", "b"):
        own = {name: row[key] for name in _HINTS[Leg] if (key := f"{name}_{suffix}") in row}
        _fill_plain(getattr(state, suffix), own, problems, suffix=f"_{suffix}", skip={"dust"})
        if "dust" in own:
            _fill_plain(getattr(state, suffix).dust, own["dust"], problems, suffix=f" of dust_{suffix}")
    _fill_plain(state, row, problems, skip={"a", "b", *_RECORDS})
    if "total_settled_usd" not in row:
        state.total_settled_usd = state.total_profit
    for name, kind in _RECORDS.items():
        setattr(state, name, _records(row.get(name, []), kind, name, problems))
    return state, problems


def _fill_plain(
    record: Any, row: Any, problems: list[str], *, suffix: str = "", skip: frozenset[str] | set[str] = frozenset()
) -> None:
    """Set the record's fields that the row has in the right type."""
    if not isinstance(row, dict):
        problems.append(f"{type(record).__name__}{suffix}: not an object")
        return
    hints = _HINTS[type(record)]
    for name in hints:
        if name in row and name not in skip:
            try:
                setattr(record, name, _read(row[name], hints[name]))
            except msgspec.ValidationError as error:
                problems.append(f"{name}{suffix}: {error}")


def _records(rows: Any, kind: type, name: str, problems: list[str]) -> list[Any]:
    if not isinstance(rows, list):
        problems.append(f"{name}: not a list")
        return []
    found = []
    for index, row in enumerate(rows):
        whole = _whole(row, kind)
        if whole is not None:
            found.append(whole)
            continue
        essentials = {}
        try:
            for field in fields(kind):
                if _is_essential(field):
                    essentials[field.name] = _read(row[field.name], _HINTS[kind][field.name])
        except (KeyError, TypeError, msgspec.ValidationError) as error:
            problems.append(f"{name}[{index}]: dropped, {error!r}")
            continue
        record = kind(**essentials)
        _fill_plain(record, row, problems, suffix=f" of {name}[{index}]")
        found.append(record)
    return found


def _whole(row: Any, kind: type) -> Any:
    """Return the record of a row in which nothing is wrong, at once; None for one to be read field by field."""
    try:
        record: Any = msgspec.convert(row, kind)
    except msgspec.ValidationError:
        return None
    return record if all(isfinite(value) for value in row.values() if isinstance(value, float)) else None


def _is_essential(field: Field[Any]) -> bool:
    return field.default is MISSING and field.default_factory is MISSING


def _read(value: Any, hint: Any) -> Any:
    """Convert one value; numbers must be finite."""
    if isinstance(value, float) and not isfinite(value):
        raise msgspec.ValidationError("not a finite number")
    return msgspec.convert(value, hint)
