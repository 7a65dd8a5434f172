"""What a knob is, what it is set to, and who set it: `millrace config explain KEY`.

An operator who wonders about a value asks here first, so every answer names the layer and place that gave it.
"""

from collections.abc import Iterable

import msgspec

from millrace.config.in_flight import in_flight_text
from millrace.config.knobs import KNOBS, find_knob
from millrace.config.profiles import PROFILES
from millrace.config.settings import Settings
from millrace.core.events import Scalar


class Explanation(msgspec.Struct, frozen=True):
    """One knob in full; the value of a secret is `set` or `unset`, never the secret."""

    key: str
    value: Scalar
    default: Scalar
    layer: str
    where: str
    kind: str
    unit: str
    bounds: str
    legacy: tuple[str, ...]
    meaning: str
    spec: str
    available: bool
    from_environment: bool
    in_flight: str


def explain(settings: Settings, name: str) -> Explanation:
    """Return the explanation of a key or legacy name; raises OperatorError naming the nearest known one."""
    knob = find_knob(name)
    setting = settings.values[knob.key]
    return Explanation(
        key=knob.key,
        value=("set" if setting.value else "unset") if knob.secret else setting.value,
        default="unset" if knob.secret else knob.default,
        layer=setting.layer,
        where=setting.where,
        kind=knob.kind,
        unit=knob.unit,
        bounds=knob.bounds,
        legacy=knob.legacy,
        meaning=knob.meaning,
        spec=knob.spec,
        available=knob.available,
        from_environment=knob.env,
        in_flight=in_flight_text(knob.key),
    )


def explain_all(settings: Settings) -> list[Explanation]:
    """Return the explanation of every knob in key order."""
    return [explain(settings, key) for key in sorted(KNOBS)]


def explain_text(explanation: Explanation) -> str:
    """Return an explanation as lines for a terminal."""
    unit = f" {explanation.unit}" if explanation.unit else ""
    same = explanation.where.startswith(explanation.layer)
    origin = explanation.where if same else f"{explanation.layer} {explanation.where}".strip()
    others = [
        f"{name} {values[explanation.key]}{unit}" for name, values in PROFILES.items() if explanation.key in values
    ]
    rows = (
        ("value", f"{explanation.value}{unit}"),
        ("layer", origin),
        ("default", f"{explanation.default}{unit}"),
        ("in profiles", ", ".join(others) or "the default"),
        ("type", explanation.kind),
        ("bounds", explanation.bounds or "none"),
        ("legacy name", ", ".join(explanation.legacy) or "none"),
        ("meaning", explanation.meaning),
        ("contract", explanation.spec),
        ("available", "yes" if explanation.available else "not available yet"),
        ("environment", "may set it" if explanation.from_environment else "may not set it"),
        ("in flight", explanation.in_flight),
    )
    return _aligned(explanation.key, rows)


def explain_lines(explanations: Iterable[Explanation]) -> str:
    """Return many explanations, a line each: key, value, unit, who set it, meaning."""
    rows = [
        (
            found.key,
            str(found.value),
            found.unit,
            found.layer if found.available else "not available yet",
            found.meaning,
        )
        for found in explanations
    ]
    widths = [max((len(row[place]) for row in rows), default=0) for place in range(4)]
    return "\n".join(
        "  ".join([*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[-1]]) for row in rows
    )


def _aligned(title: str, rows: Iterable[tuple[str, str]]) -> str:
    return "\n".join([title, *(f"  {name:<12} {text}" for name, text in rows)])
