"""How what a person asks for is read and answered, whichever part of the core it is meant for (slots 18).

An action names a record of its arguments. The words that came are read into that record before anything happens, and
by one set of rules, so that no action can be lenient by accident: ids are whole numbers and never booleans, numbers are
finite, switches take the usual words, and an argument that the action does not know is a mistake and not ignored.
"""

from collections.abc import Callable, Mapping
from functools import cache
from math import isfinite
from typing import Annotated, Any, Generic, NamedTuple, Protocol, TypeVar, cast

import msgspec
from msgspec.inspect import BoolType, FloatType, IntType, LiteralType, NoneType, StructType, Type, UnionType, type_info

from millrace.core.commands import OK, REFUSED, Intent, Reply
from millrace.core.events import Operator, Scalar
from millrace.core.failure import OperatorError
from millrace.core.strategy import View

Id = Annotated[int, msgspec.Meta(ge=1)]
"""The id of a slot, an order or a recovery."""
_SWITCHES = {
    **dict.fromkeys(("true", "1", "yes", "on"), True),
    **dict.fromkeys(("false", "0", "no", "off"), False),
}
_MOST = 2**53
"""Beyond it a float does not hold every whole number, and the journal soon holds none (a word of 64 bits)."""
_Record = TypeVar("_Record", bound=msgspec.Struct)


class _Row(Protocol):
    @property
    def arguments(self) -> type[msgspec.Struct]: ...


_AnyRow = TypeVar("_AnyRow", bound=_Row)
_Desk = TypeVar("_Desk")


class NoArguments(msgspec.Struct, frozen=True):
    """What an action takes that takes nothing."""


class DeskAction(NamedTuple, Generic[_Desk]):
    """One row of a desk's table: the record of its arguments, what carries it out, a line that tells of it."""

    arguments: type[msgspec.Struct]
    carry_out: Callable[[_Desk, Operator, Any, View], list[Intent]]
    summary: str


def operate_desk(
    table: Mapping[str, DeskAction[_Desk]], name: str, desk: _Desk, asked: Operator, view: View
) -> list[Intent]:
    """Carry out one request to the desk of that name; requests that are not the desk's are left alone."""
    try:
        found = asked_for(table, name, asked)
    except OperatorError as error:
        return [refused(asked, str(error))]
    return [] if found is None else found[0].carry_out(desk, asked, found[1], view)


def asked_for(table: Mapping[str, _AnyRow], name: str, asked: Operator) -> tuple[_AnyRow, msgspec.Struct] | None:
    """Return the row that a request to the strategy of that name asks for, and its arguments; None for another's.

    Raises OperatorError as `read_arguments` does.
    """
    row = table.get(asked.action)
    given = dict(asked.args)
    if row is None or given.pop("strategy", name) != name:
        return None
    return row, read_arguments(row.arguments, asked.action, given)


def accepted(asked: Operator, message: str, data: dict[str, Any] | None = None, *, final: bool = True) -> Reply:
    """Return the answer that it is done; or, not `final`, that it has begun and another answer follows."""
    return Reply(asked.request, asked.action, OK, message, data or {}, asked.ts_ns, final)


def refused(asked: Operator, message: str, data: dict[str, Any] | None = None) -> Reply:
    """Return the answer that nothing was done, and why."""
    return Reply(asked.request, asked.action, REFUSED, message, data or {}, asked.ts_ns)


def read_arguments(kind: type[_Record], action: str, given: Mapping[str, Scalar]) -> _Record:
    """Return the arguments as a record; one that is None counts as not given.

    Raises OperatorError naming the argument, what it must be and what it was.
    """
    fields = {field.encode_name: field for field in _struct(kind).fields}
    said = {name: value for name, value in given.items() if value is not None}
    strange = [name for name in said if name not in fields]
    if strange:
        known = f"it takes {', '.join(fields)}" if fields else "it takes none"
        raise OperatorError(f"{action} knows no argument {', '.join(strange)}; {known}")
    missing = [name for name, field in fields.items() if field.required and name not in said]
    if missing:
        raise OperatorError(f"{action} needs {', '.join(f'{name}=' for name in missing)}")
    return kind(**{name: _read(name, value, fields[name].type) for name, value in said.items()})


@cache
def _struct(kind: type[msgspec.Struct]) -> StructType:
    return cast("StructType", type_info(kind))


def _read(name: str, value: Scalar, wanted: Type) -> Any:
    if isinstance(wanted, UnionType):
        (wanted,) = (part for part in wanted.types if not isinstance(part, NoneType))
    if isinstance(wanted, BoolType):
        found = _SWITCHES.get(str(value).strip().lower())
        if found is None:
            raise _wrong(name, "true or false (1, yes, on; 0, no, off)", value)
        return found
    if isinstance(wanted, IntType | FloatType):
        return _number(name, value, wanted)
    if isinstance(wanted, LiteralType):
        words = {str(word).upper(): word for word in wanted.values}
        if str(value).strip().upper() not in words:
            raise _wrong(name, " or ".join(words), value)
        return words[str(value).strip().upper()]
    text = str(value).strip()
    if not text:
        raise _wrong(name, "a text", value)
    return text


def _number(name: str, value: Scalar, wanted: IntType | FloatType) -> int | float:
    whole = isinstance(wanted, IntType)
    kind = int if whole else int | float
    fits = isinstance(value, kind) and not isinstance(value, bool) and isfinite(value) and abs(value) < _MOST
    low, high = wanted.ge, wanted.le
    if not fits or (low is not None and value < low) or (high is not None and value > high):  # type: ignore[operator]
        span = "" if low is None else f" of at least {low:g}" if high is None else f" from {low:g} to {high:g}"
        raise _wrong(name, f"a {'whole ' if whole else ''}number{span}", value)
    return value if whole else float(value)  # type: ignore[arg-type, return-value]


def _wrong(name: str, wanted: str, value: Scalar) -> OperatorError:
    return OperatorError(f"{name} must be {wanted}, not {value!r}")
