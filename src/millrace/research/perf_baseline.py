"""Keeps the baseline that the performance gate holds code against: updated from real ticks, then locked (quoting 5.2).

A baseline that anybody can edit, that comes from made-up ticks or that silently became slower guards nothing. So an
update names where its ticks came from and refuses a slower one without a reason, and a lock carries a seal over all
that it holds: numbers, host class, commit, counts, the hash of the profile, limits.
"""

import hashlib
from pathlib import Path
from typing import Any, Final

import msgspec

from millrace.capacity.stage_budgets import STAGES
from millrace.core.failure import OperatorError
from millrace.research.perf_gate import DEFAULT_PCT, exceeds
from millrace.research.perf_profile import LOCK_SCHEMA, SCHEMA, Profile, profile_of, read_json, seal_of

REAL_SOURCES: Final = ("replay", "shadow")
LEAST_TICKS: Final = 10_000
LEAST_MINUTES: Final = 60.0
"""A baseline rests on so many ticks per symbol, or on ticks of so many minutes (quoting 5.2)."""
LOCK_LIMITS: Final = {
    "regress_pct": DEFAULT_PCT,
    "cache_hit_ratio_min": 0.60,
    "deadline_miss_pct_max": 2.0,
    "fetch_p95_ms_max": 35.0,
}


class StageChange(msgspec.Struct, frozen=True):
    """A stage's p95 in ms before and after an update; None before the first."""

    stage: str
    old_ms: float | None
    new_ms: float
    change_pct: float | None


class Update(msgspec.Struct, frozen=True):
    """What an update would write, what it changes, and why it was accepted although slower ("" when it is not)."""

    document: dict[str, Any]
    changes: tuple[StageChange, ...]
    accepted: str


def update(profile_path: Path, baseline_path: Path, *, reason: str = "") -> Update:
    """Return the new baseline made of a measured profile; nothing is written.

    Raises OperatorError for a profile that is not of the contract's schema, of made-up ticks, of too few, or slower
    than the baseline by more than 3 % in any p95 without `reason`.
    """
    raw, data = _load(profile_path)
    profile = profile_of(data, str(profile_path))
    _usable(profile)
    old = profile_of(_load(baseline_path)[1], str(baseline_path)) if baseline_path.exists() else None
    if old is not None and old.shape == LOCK_SCHEMA:
        raise OperatorError(f"{baseline_path} is locked; write the update to another file and lock that")
    changes = tuple(_change(stage, old, profile) for stage in STAGES)
    slower = [row for row in changes if row.old_ms and exceeds(row.old_ms, row.new_ms, DEFAULT_PCT)]
    if old is not None and (old.clock, old.host or profile.host) != (profile.clock, profile.host):
        raise OperatorError(f"{baseline_path} is of another clock or host class than {profile_path}; begin a new file")
    if slower and not reason.strip():
        names = ", ".join(f"{row.stage} {row.change_pct:+.1f} %" for row in slower)
        raise OperatorError(f"slower by more than {DEFAULT_PCT:g} %: {names}; say why with --accept-regression REASON")
    document = dict(data)
    document["state"] = "shadow-measured"
    document["profile_sha256"] = hashlib.sha256(raw).hexdigest()
    if slower:
        document["accepted_regression"] = reason.strip()
    return Update(document, changes, reason.strip() if slower else "")


def lock(baseline_path: Path) -> dict[str, Any]:
    """Return the locked form of an updated baseline; raises OperatorError for one that no update wrote."""
    _, data = _load(baseline_path)
    if data.get("schema") == LOCK_SCHEMA:
        raise OperatorError(f"{baseline_path} is locked already")
    _usable(profile_of(data, str(baseline_path)))
    if data.get("state") != "shadow-measured" or not data.get("profile_sha256"):
        raise OperatorError(f"{baseline_path}: only what `millrace baseline update` wrote can be locked")
    limits = dict(LOCK_LIMITS)
    return {"schema": LOCK_SCHEMA, "baseline": data, "limits": limits, "seal": seal_of(data, limits)}


def _usable(profile: Profile) -> None:
    name = profile.name
    if profile.shape != SCHEMA:
        raise OperatorError(f"{name} has the shape {profile.shape}; a baseline is made of {SCHEMA}")
    if profile.source.partition(":")[0] not in REAL_SOURCES:
        raise OperatorError(
            f"{name}: its ticks come from {profile.source or 'nowhere stated'}; a baseline needs real ones"
            f" ({' or '.join(REAL_SOURCES)})"
        )
    for key, text in (("host", profile.host), ("commit", profile.commit)):
        if not text:
            raise OperatorError(f"{name} does not state its {key}")
    for stage in STAGES:
        row = profile.stages.get(stage)
        if row is None or row.p50 is None or row.p95 is None or row.p99 is None:
            raise OperatorError(f"{name}: {stage} is missing, or one of its percentiles")
        per_symbol = (row.count or 0) / max(1.0, profile.facts.get("symbols", 1.0))
        if per_symbol < LEAST_TICKS and profile.facts.get("span_minutes", 0.0) < LEAST_MINUTES:
            raise OperatorError(
                f"{name}: {stage} has {per_symbol:.0f} samples per symbol; a baseline rests on {LEAST_TICKS:,} of them,"
                f" or on {LEAST_MINUTES:.0f} minutes of ticks"
            )


def _change(stage: str, old: Profile | None, new: Profile) -> StageChange:
    now = new.stages[stage].p95 or 0.0
    row = old.stages.get(stage) if old else None
    before = row.p95 if row else None
    return StageChange(stage, before, now, None if before is None else (now - before) / before * 100.0)


def _load(path: Path) -> tuple[bytes, dict[str, Any]]:
    raw, data = read_json(path)
    if not isinstance(data, dict):
        raise OperatorError(f"{path} holds no object")
    return raw, data
