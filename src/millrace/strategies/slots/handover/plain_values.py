"""Values out of a file that anybody may have written: what cannot be a number, a name or a time is passed over.

A snapshot must load with any field missing, of the wrong type or unknown, and a field error never discards the rest
(slots 17). So every value is first made strict (finite numbers of a sane size, whole text), and every reading has a
value to fall back to and says what it passed over.
"""

from math import isfinite
from typing import Any, Final

MOST: Final = 1e15
"""No price, volume, amount or time of a grid is larger; what is, is no number of ours."""
_DEEPEST: Final = 40
_DAYS_OF_400_YEARS: Final = 146_097
_EPOCH_DAY: Final = 719_468


def strict(value: object, depth: int = 0) -> Any:
    """Return the value as strict JSON would hold it; what has no such form becomes None."""
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, float | int):
        return value if isfinite(value) and abs(value) <= MOST else None
    if isinstance(value, str):
        return _text(value)
    if depth >= _DEEPEST:
        return None
    if isinstance(value, dict):
        return {_text(str(name)): strict(item, depth + 1) for name, item in value.items()}
    return [strict(item, depth + 1) for item in value] if isinstance(value, list | tuple) else None


def _text(value: str) -> str:
    """Return the text as UTF-8 can hold it."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


class Fields:
    """The fields of one object, read by any of several names; `notices` collects what could not be read."""

    def __init__(self, row: object, notices: list[str], where: str = "") -> None:
        self.row: dict[str, Any] = row if isinstance(row, dict) else {}
        self._notices = notices
        self._where = where

    def _found(self, names: tuple[str, ...]) -> tuple[str, Any]:
        for name in names:
            if self.row.get(name) is not None:
                return name, self.row[name]
        return names[0], None

    def _wrong(self, name: str, value: object, wanted: str) -> None:
        self._notices.append(f"{self._where}{name}: {value!r:.60} is no {wanted}; passed over")

    def number(self, *names: str) -> float | None:
        """Return a finite number, also from text; None for none."""
        name, value = self._found(names)
        if value is None:
            return None
        number = as_number(value)
        if number is None:
            self._wrong(name, value, "number")
        return number

    def count(self, *names: str, least: int = 0) -> int | None:
        """Return a whole number that is not below `least`; None for none."""
        name, value = self._found(names)
        number = None if value is None else as_number(value)
        if number is not None and number == int(number) and number >= least:
            return int(number)
        if value is not None:
            self._wrong(name, value, f"whole number from {least} on")
        return None

    def text(self, *names: str) -> str:
        """Return a text, "" for none."""
        name, value = self._found(names)
        if value is None or isinstance(value, str):
            return value or ""
        self._wrong(name, value, "text")
        return ""

    def flag(self, *names: str) -> bool | None:
        """Return a truth value; None for none."""
        name, value = self._found(names)
        if value is None or isinstance(value, bool):
            return value
        self._wrong(name, value, "truth value")
        return None

    def object(self, *names: str) -> dict[str, Any]:
        """Return an object, empty for none."""
        name, value = self._found(names)
        if value is None or isinstance(value, dict):
            return value or {}
        self._wrong(name, value, "object")
        return {}


def as_number(value: object) -> float | None:
    """Return a finite number of a sane size, also from text; None for anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if isfinite(number) and abs(number) <= MOST else None


def as_day(value: object) -> int | None:
    """Return a UTC day, days since 1970, of a count or of text like 2026-11-21; None for anything else."""
    number = as_number(value)
    if number is not None:
        return int(number) if number == int(number) else None
    parts = value.strip().split("-") if isinstance(value, str) else []
    if len(parts) != len(("year", "month", "day")) or not all(part.isascii() and part.isdigit() for part in parts):
        return None
    year, month, day = (int(part[:9]) for part in parts)
    if not (1 <= month <= 12 and 1 <= day <= 31):  # noqa: PLR2004  of a calendar
        return None
    # Years begin in March, so that the leap day is a year's last (Hinnant's days_from_civil).
    year -= month <= 2  # noqa: PLR2004  January and February
    era, of_era = divmod(year, 400)
    of_year = (153 * ((month + 9) % 12) + 2) // 5 + day - 1
    return era * _DAYS_OF_400_YEARS + of_era * 365 + of_era // 4 - of_era // 100 + of_year - _EPOCH_DAY
