"""One value from text or from TOML to the type of its knob (slots 21).

Text from the environment is read leniently and a file strictly, because a file is written with care and can be mended.
Numbers that nobody means (a whole number that no journal can hold, a wait of thirty years) are refused here, before
a part multiplies them by a billion nanoseconds and fails.
"""

from math import isfinite
from typing import Any, Final

from millrace.config.knob import Knob
from millrace.core.events import Scalar

_ON = frozenset({"true", "1", "yes", "on"})
_OFF = frozenset({"false", "0", "no", "off"})
_SECONDS: Final = {"ns": 1e-9, "ms": 1e-3, "s": 1.0, "min": 60.0, "h": 3_600.0, "d": 86_400.0}
_LONGEST_SEC: Final = 1e9
"""Thirty years: times of the program are ns in 64 bits, and this can still be added to them."""
_MOST: Final = 1e15
"""No figure of a unit that is not time is so large; in nano-units it can still be counted."""
_MOST_INT: Final = 2**63 - 1
WANTED = {
    "bool": "true or false",
    "int": "a whole number",
    "float": "a finite number",
    "enum": "one of",
    "text": "a text",
}


class UnusableError(ValueError):
    """The value is not of the knob's type; the text says what is wanted."""


class TooLargeError(UnusableError):
    """The number is of the right type and beyond anything that can be meant; the text says the limit."""


class UnknownChoiceError(UnusableError):
    """The text is none of the knob's choices."""


def wanted(knob: Knob) -> str:
    """Return what a value of this knob must be, in words."""
    return f"{WANTED[knob.kind]} {', '.join(knob.choices)}" if knob.choices else WANTED[knob.kind]


def from_text(knob: Knob, text: str) -> Scalar:
    """Return the value that a text (environment, command line) means; raises UnusableError."""
    trimmed = text.strip()
    if knob.kind == "bool":
        return from_switch(trimmed)
    if knob.kind in {"int", "float"}:
        try:
            value = int(trimmed) if knob.kind == "int" else float(trimmed)
        except ValueError:
            raise UnusableError(wanted(knob)) from None
        return _number(knob, value)
    return _chosen(knob, trimmed)


def from_switch(text: str) -> bool:
    """Return what true/1/yes/on and false/0/no/off in any case mean; raises UnusableError for anything else."""
    folded = text.strip().lower()
    if folded not in _ON | _OFF:
        raise UnusableError(WANTED["bool"])
    return folded in _ON


def from_typed(knob: Knob, value: Any) -> Scalar:
    """Return the value of a typed source (TOML, a caller); raises UnusableError when the type is another."""
    if knob.kind == "bool":
        if isinstance(value, bool):
            return value
    elif knob.kind in {"int", "float"}:
        if isinstance(value, int | float) and not isinstance(value, bool):
            return _number(knob, value)
    elif isinstance(value, str):
        return _chosen(knob, value.strip())
    raise UnusableError(wanted(knob))


def _number(knob: Knob, value: float) -> Scalar:
    if isinstance(value, int) and abs(value) > _MOST_INT:
        raise TooLargeError("a number of at most 64 bits")
    if not isfinite(value) or (knob.kind == "int" and not isinstance(value, int)):
        raise UnusableError(wanted(knob))
    if knob.unit in _SECONDS and abs(value) * _SECONDS[knob.unit] > _LONGEST_SEC:
        raise TooLargeError(f"at most thirty years, in {knob.unit}")
    if knob.kind == "float" and abs(value) > _MOST:
        raise TooLargeError(f"at most {_MOST:g}")
    return value if knob.kind == "int" else float(value)


def _chosen(knob: Knob, text: str) -> str:
    if not knob.choices:
        return text
    for choice in knob.choices:
        if choice.lower() == text.lower():
            return choice
    raise UnknownChoiceError(wanted(knob))
