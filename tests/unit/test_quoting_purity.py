"""Stages reach nothing but their inputs, and nothing that they hand on can be changed (quoting 2, 11.1, 11.2)."""

import ast
import math
from collections.abc import Iterator
from enum import Enum
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

import msgspec
import pytest

from millrace.core.commands import Side
from millrace.strategies.quoting import model, settings, settings_growth, tick_result
from millrace.strategies.quoting.guards import state as guard_state
from millrace.strategies.quoting.model import InventoryAdjustment, MarketData, QueueAwareAdjustment, SkewReason
from millrace.strategies.quoting.quotes import state as emit_state
from millrace.strategies.quoting.stages import queue_aware, spread
from quoting_tick import book, features, order, ticked
from source_tree import Module, imports, plant, read_tree

FORBIDDEN = {
    "time",
    "datetime",
    "random",
    "secrets",
    "os",
    "pathlib",
    "socket",
    "asyncio",
    "threading",
    "logging",
    "io",
}
STAGES = "millrace.strategies.quoting"
RECORDS = [
    found
    for module in (model, settings, settings_growth, tick_result, guard_state, emit_state, spread, queue_aware)
    for found in vars(module).values()
    if isinstance(found, type)
    and found.__module__ == module.__name__
    and (issubclass(found, msgspec.Struct) or hasattr(found, "_fields"))
]


def impure(modules: dict[str, Module]) -> Iterator[str]:
    """Yield a line for each module of the desk that could know more than it is told, or say more than it returns."""
    for module in modules.values():
        if not module.name.startswith(STAGES):
            continue
        for found in imports(module, modules):
            if found.name.split(".")[0] in FORBIDDEN:
                yield f"{module.name}:{found.line}: imports {found.name}"
        for node in ast.walk(module.tree):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Name)
                and node.func.id in {"print", "open", "input"}
            ):
                yield f"{module.name}:{node.lineno}: calls {node.func.id}"
            if isinstance(node, ast.Global):
                yield f"{module.name}:{node.lineno}: changes a global"


def test_the_desk_imports_no_clock_chance_file_or_log() -> None:
    assert list(impure(read_tree())) == []


@pytest.mark.parametrize(
    "line", [*(f"import {name}" for name in sorted(FORBIDDEN)), "print(1)", "def f():\n    global x\n    x = 1"]
)
def test_a_planted_impurity_is_found(tmp_path, line) -> None:
    path = "millrace/strategies/quoting/stages/planted.py"
    assert len(list(impure(plant(tmp_path, {path: line})))) == 1


def thawed(hint: Any) -> Iterator[str]:
    """Yield what a type of a field lets in that can be changed."""
    origin = get_origin(hint)
    if origin in {tuple, Union, UnionType}:
        for part in get_args(hint):
            yield from thawed(part)
    elif (
        origin is Literal
        or hint in {int, float, str, bool, type(None), ...}
        or (isinstance(hint, type) and issubclass(hint, Enum))
    ):
        return
    elif isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        if not hint.__struct_config__.frozen:
            yield f"{hint.__name__} is not frozen"
    elif not (isinstance(hint, type) and issubclass(hint, tuple)):
        yield f"{hint} can be changed"


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: record.__name__)
def test_records_hold_only_what_cannot_be_changed(record) -> None:
    if issubclass(record, msgspec.Struct):
        assert record.__struct_config__.frozen
    for name, hint in get_type_hints(record).items():
        assert not list(thawed(hint)), f"{record.__name__}.{name}"


def test_lists_and_dicts_would_be_found() -> None:
    assert list(thawed(list[int]))
    assert list(thawed(dict[str, int]))
    assert list(thawed(tuple[int, list[int]]))
    assert not list(thawed(tuple[int | None, str]))


def parts(value: Any) -> Iterator[Any]:
    """Yield a value and everything in it."""
    yield value
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            yield from parts(getattr(value, name))
    elif isinstance(value, tuple):
        for one in value:
            yield from parts(one)


def test_a_whole_result_is_frozen_to_its_last_part_and_equal_by_value() -> None:
    given = features(live=(order(Side.BUY, 99_900), order(Side.SELL, 100_100)))
    result, again = ticked(given), ticked(given)
    for part in parts(result):
        assert isinstance(part, int | float | str | bool | tuple | msgspec.Struct | None)
        if isinstance(part, msgspec.Struct):
            with pytest.raises(AttributeError):
                setattr(part, part.__struct_fields__[0], None)
    assert result == again
    assert hash(result) == hash(again)


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_records_refuse_numbers_that_are_none(bad) -> None:
    with pytest.raises(ValueError, match=r"Features\.microprice"):
        features(microprice=bad)
    with pytest.raises(ValueError, match=r"Features\.vol_bps_sqrt_sec"):
        features(vol_bps_sqrt_sec=bad)
    with pytest.raises(ValueError, match=r"InventoryAdjustment\.skew_bps"):
        InventoryAdjustment(0.0, 0.0, 0.0, bad, SkewReason.SKEW)
    with pytest.raises(ValueError, match=r"QueueAwareAdjustment\.ask_percentile"):
        QueueAwareAdjustment(0.0, 0.0, 0, 0, 0.0, bad, model.NudgeReason.NONE)
    decision = ticked().context.spread
    with pytest.raises(ValueError, match=r"SpreadDecision\.spread_bps"):
        msgspec.structs.replace(decision, spread_bps=bad)
    guards = ticked().context.guards
    with pytest.raises(ValueError, match="GuardAssessment"):
        msgspec.structs.replace(guards, widen_bid_bps=bad)
    with pytest.raises(ValueError, match="finite"):
        msgspec.structs.replace(book(), mid_price=bad)


@pytest.mark.parametrize(
    "change",
    [
        {"best_bid": 100_002}, {"best_bid": 100_003}, {"best_bid": 0}, {"bid_size": -1}, {"mid_price": 0.0},
        {"mid_price": 0.2},
        {"bids": ((99_999, 1), (100_000, 1))}, {"asks": ((100_002, 0),)}, {"asks": ((100_002, 5), (100_002, 5))},
    ],
)  # fmt: skip
def test_a_book_that_cannot_be_is_refused(change) -> None:
    """Quoting 2: crossed, locked, a middle that is not, levels that are empty or not sorted."""
    from millrace.core.binary_events import BookLevel

    change = {
        name: tuple(BookLevel(*level) for level in value) if isinstance(value, tuple) else value
        for name, value in change.items()
    }
    with pytest.raises(ValueError, match="DOGE/USDT"):
        msgspec.structs.replace(book(), **change)
    assert isinstance(book(), MarketData)
