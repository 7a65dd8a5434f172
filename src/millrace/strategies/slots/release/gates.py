"""May this exit be released now? Each gate with its value, its threshold and, when an input is missing, why (11.1).

A release books a loss that waiting might have spared, so a gate that cannot be judged is closed. The answer is data,
because the same figures go into a refusal, a preview, the count of eligible exits and the tiers, and must not differ.
"""

from typing import Any, Literal

import msgspec

CloseMode = Literal["synthetic", "market"]


class ReleaseSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of releases (slots 21): ages in seconds, distances and shares of capital in per cent."""

    min_age_sec: float = 604_800.0
    min_distance_pct: float = 10.0
    adx_threshold: float = 30.0
    max_stuck_pct: float = 50.0
    panic_stuck_pct: float = 80.0
    recovery_target_pct: float = 60.0
    panic_min_age_sec: float = 86_400.0
    auto_enabled: bool = False
    recon_hard_gate_enabled: bool = True
    close_mode: CloseMode = "synthetic"
    batch_max: int = 1


class Gate(msgspec.Struct, frozen=True, gc=False):
    """One comparison, inclusive; `value` is None, and `reason` says why, when an input is missing."""

    value: float | None
    threshold: float
    ok: bool
    reason: str = ""


class Gates(msgspec.Struct, frozen=True, gc=False):
    """The gates of one exit: age in seconds, distance from the mark in per cent, trend index in points."""

    age: Gate
    distance: Gate
    regime: Gate

    @property
    def ok(self) -> bool:
        """Whether all three pass."""
        return self.age.ok and self.distance.ok and self.regime.ok

    def as_data(self) -> dict[str, dict[str, Any]]:
        """Return the gates as builtins, for replies; `reason` only where there is one."""
        return {
            name: {key: value for key, value in msgspec.to_builtins(getattr(self, name)).items() if value != ""}
            for name in self.__struct_fields__
        }

    def as_text(self) -> str:
        """Return the gates as one line for a person."""
        parts = []
        for name in self.__struct_fields__:
            gate: Gate = getattr(self, name)
            value = gate.reason if gate.value is None else f"{gate.value:.6g}"
            parts.append(f"{name} {value} >= {gate.threshold:g} {'ok' if gate.ok else 'no'}")
        return ", ".join(parts)


def gates_of(age_sec: float, exit_price: float, mark: float, adx: float | None, settings: ReleaseSettings) -> Gates:
    """Return the three gates of an exit; `mark` is 0 while no price is known, `adx` None until it is warm and fresh."""
    distance_pct = abs(exit_price - mark) / mark * 100.0 if mark > 0.0 else None
    return Gates(
        age=_at_least(age_sec, settings.min_age_sec),
        distance=_at_least(distance_pct, settings.min_distance_pct, "no price"),
        regime=_at_least(adx, settings.adx_threshold, "the trend index is not warm"),
    )


def _at_least(value: float | None, threshold: float, missing: str = "") -> Gate:
    if value is None:
        return Gate(None, threshold, ok=False, reason=missing)
    return Gate(value, threshold, ok=value >= threshold)
