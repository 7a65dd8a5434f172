"""What is known of one knob, so that loading, clamping and explaining read the same row.

A fact about a knob that stood in two places would sooner or later be two facts.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

from millrace.core.events import Scalar

Kind = Literal["bool", "int", "float", "enum", "text"]


class Knob(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the table of knobs (slots 21).

    `key` is section and name. `low` and `high` are inclusive limits that clamp; `above` is an exclusive one, which a
    clamp cannot meet, so a value at or under it falls back. `available` is false while nothing reads the knob; `env` is
    false for what must not come from the environment (design section 5.8); a `secret` is never printed. Without
    `clamps` a value outside the limits is not moved, but refused by the part that reads it.
    """

    key: str
    legacy: tuple[str, ...]
    default: Scalar
    unit: str
    meaning: str
    low: float | None = None
    high: float | None = None
    above: float | None = None
    choices: tuple[str, ...] = ()
    spec: str = "slots 21"
    available: bool = True
    env: bool = True
    secret: bool = False
    clamps: bool = True

    @property
    def section(self) -> str:
        """Table of the configuration file that the knob stands in."""
        return self.key.partition(".")[0]

    @property
    def name(self) -> str:
        """Name within the section; the field of the settings record."""
        return self.key.partition(".")[2]

    @property
    def kind(self) -> Kind:
        """Type of the value; a knob whose default is null is a number that may be left out."""
        if self.choices:
            return "enum"
        if isinstance(self.default, bool):
            return "bool"
        if isinstance(self.default, int):
            return "int"
        return "text" if isinstance(self.default, str) else "float"

    @property
    def bounds(self) -> str:
        """The limits in words; empty when there are none."""
        parts = [] if self.above is None else [f"> {self.above:g}"]
        parts += [] if self.low is None else [f">= {self.low:g}"]
        parts += [] if self.high is None else [f"<= {self.high:g}"]
        return " | ".join(self.choices) or " and ".join(parts)


def knob(
    key: str,
    legacy: str,
    default: Scalar,
    unit: str,
    meaning: str,
    *,
    low: float | None = None,
    high: float | None = None,
    above: float | None = None,
    choices: tuple[str, ...] = (),
    spec: str = "slots 21",
    env: bool = True,
) -> Knob:
    """Return a row; `legacy` names are separated by blanks, the contract's own first."""
    return Knob(
        key=key,
        legacy=tuple(legacy.split()),
        default=default,
        unit=unit,
        meaning=meaning,
        low=low,
        high=high,
        above=above,
        choices=choices,
        spec=spec,
        env=env,
    )


ArbRow = tuple[str, str, str, str, float | None, float | None]
"""Name, unit, meaning, section of the desk's contract, lowest and highest value."""


def arb_knobs(section: str, record: msgspec.Struct, rows: Iterable[ArbRow]) -> Iterable[Knob]:
    """Yield the knobs of one part of the desk; a default is that of the record which reads it."""
    for name, unit, meaning, spec, low, high in rows:
        yield knob(
            f"{section}.{name}", "", getattr(record, name), unit, meaning, low=low, high=high, spec=f"arb {spec}"
        )
