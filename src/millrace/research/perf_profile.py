"""Reads what was measured of the quoting stages, in the one shape of the contract and in those that older tools wrote.

The original had four shapes of file and tools that did not see each other's, so its gate passed on everything. Here
each shape is recognised and named, each number is looked at, and what cannot be used is an error with its place: a
profile that cannot be read must never count as one without regressions (quoting 5.1, 15.17).
"""

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from millrace.capacity.stage_budgets import LEAST_SAMPLES, PER_MILLE, STAGES, TICK_TOTAL
from millrace.core.failure import OperatorError

SCHEMA: Final = "stage-budgets/1"
LOCK_SCHEMA: Final = "stage-budgets-lock/1"
CLOCKS: Final = ("wall", "cpu")
_CLASS_NAMES: Final = {
    "fetchmdstage": "stage_fetch_md",
    "spreadstage": "stage_spread",
    "guardsstage": "stage_guards",
    "inventorystage": "stage_inventory",
    "queueawarestage": "stage_queue_aware",
    "emitstage": "stage_emit",
    "ticktotal": TICK_TOTAL,
}
_SUMMARIES: Final = ("budgets", "stage_percentiles", "stages")
_UNITS_MS: Final = {"ms": 1.0, "us": 1e-3}
_MOST: Final = 1e15
"""No duration, ratio or count of a profile is so large; a whole number beyond what a float can hold is one, too."""


class Percentiles(msgspec.Struct, frozen=True):
    """What one stage took, in ms; None where the file says nothing. `count` is the number of samples."""

    p50: float | None = None
    p95: float | None = None
    p99: float | None = None
    count: int | None = None

    def of(self, metric: str) -> float | None:
        """Return p50, p95 or p99."""
        return {"p50": self.p50, "p95": self.p95, "p99": self.p99}[metric]


class Profile(msgspec.Struct, frozen=True):
    """A file of stage times: how it was written, measured on what, and its numbers by stage in ms.

    "" is a clock, host, commit or source that the file does not state. `unknown` are names that are no stage's.
    """

    name: str
    shape: str
    clock: str
    host: str
    commit: str
    source: str
    stages: dict[str, Percentiles]
    unknown: tuple[str, ...] = ()
    regress_pct: float | None = None
    facts: dict[str, float] = {}
    limits: dict[str, float] = {}


def read_profile(path: Path) -> Profile:
    """Read a profile, a budget file or a lock; raises OperatorError with file and key for anything unusable."""
    return profile_of(read_json(path)[1], str(path))


def read_json(path: Path) -> tuple[bytes, object]:
    """Return a file's bytes and the JSON value in them; raises OperatorError when they are none."""
    try:
        raw = path.read_bytes()
        return raw, json.loads(raw, parse_constant=_no_number, parse_float=_finite)
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}") from error
    except RecursionError as error:
        raise OperatorError(f"{path} is not JSON: too deeply nested") from error
    except ValueError as error:  # of the text, of its encoding, or of a number in it
        raise OperatorError(f"{path} is not JSON: {error}") from error


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")


def _finite(text: str) -> float:
    value = float(text)
    return value if math.isfinite(value) else _no_number(text)


def profile_of(data: object, name: str) -> Profile:
    """Return the profile in a JSON value; `name` is its file in messages. Raises OperatorError as `read_profile`."""
    if not isinstance(data, dict) or not data:
        _refuse(name, "there are no stages in it")
    schema = data.get("schema")
    if schema == LOCK_SCHEMA:
        return _locked(data, name)
    if schema == SCHEMA:
        return _canonical(data, name)
    if schema is not None:
        _refuse(name, f'schema {schema!r} is not known; "{SCHEMA}" is')
    found = [key for key in _SUMMARIES if key in data]
    if len(found) > 1:
        _refuse(name, f"{' and '.join(found)} in one file; one of them can be meant")
    rows, shape = (data[found[0]], found[0]) if found else (data, "stages at the top")
    if not isinstance(rows, dict):
        _refuse(name, f"{shape} is not an object of stages")
    if not found:
        rows = {key: value for key, value in rows.items() if key != "thresholds"}
    in_ms = shape == "stages" or all(isinstance(row, dict) and "p95_ms" in row for row in rows.values())
    stages, unknown = _stages(rows, name, "_ms" if in_ms else "", 1.0)
    return Profile(
        name=name,
        shape=f"{shape}/p95{'_ms' if in_ms else ''}",
        clock="wall",
        host="",
        commit="",
        source="",
        stages=stages,
        unknown=unknown,
        regress_pct=_threshold(data, name),
    )


def _canonical(data: Mapping[str, Any], name: str) -> Profile:
    unit, clock = data.get("unit"), data.get("clock")
    if not isinstance(unit, str) or unit not in _UNITS_MS:
        _refuse(name, f"unit {unit!r} is neither ms nor us")
    if clock not in CLOCKS:
        _refuse(name, f"clock {clock!r} is neither wall nor cpu")
    rows = data.get("stages")
    if not isinstance(rows, dict):
        _refuse(name, "stages is not an object of stages")
    texts = {key: data.get(key, "") for key in ("host", "commit", "source")}
    for key, text in texts.items():
        if not isinstance(text, str):
            _refuse(name, f"{key} is no text")
    stages, unknown = _stages(rows, name, "", _UNITS_MS[unit])
    for stage, row in stages.items():
        if row.count is None:
            _refuse(name, f"{stage} has no count")
    facts = data.get("facts", {})
    if not isinstance(facts, dict):
        _refuse(name, "facts is not an object of numbers")
    return Profile(
        name=name,
        shape=SCHEMA,
        clock=clock,
        stages=stages,
        unknown=unknown,
        regress_pct=_threshold(data, name),
        facts={key: _number(value, name, f"facts.{key}", least=0.0) for key, value in facts.items()},
        **texts,
    )


def _locked(data: Mapping[str, Any], name: str) -> Profile:
    baseline, limits = data.get("baseline"), data.get("limits")
    if not isinstance(baseline, dict) or baseline.get("schema") != SCHEMA or not isinstance(limits, dict):
        _refuse(name, "a lock holds a baseline of the contract's schema and its limits")
    if data.get("seal") != seal_of(baseline, limits):
        _refuse(name, "it was changed after it was locked; lock the baseline again")
    found = {key: _number(value, name, f"limits.{key}", least=0.0) for key, value in limits.items()}
    profile = _canonical(baseline, name)
    return msgspec.structs.replace(
        profile, shape=LOCK_SCHEMA, limits=found, regress_pct=found.get("regress_pct", profile.regress_pct)
    )


def seal_of(baseline: Mapping[str, Any], limits: Mapping[str, Any]) -> str:
    """Return the hash over all that a lock holds."""
    text = json.dumps([baseline, limits], sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def _stages(
    rows: Mapping[str, Any], name: str, suffix: str, scale: float
) -> tuple[dict[str, Percentiles], tuple[str, ...]]:
    found: dict[str, Percentiles] = {}
    unknown = []
    for key, row in rows.items():
        stage = _CLASS_NAMES.get(key.lower().replace("_", ""), key)
        if stage not in STAGES:
            unknown.append(key)
            continue
        if stage in found:
            _refuse(name, f"{stage} is there twice, under another name as well")
        if not isinstance(row, dict):
            _refuse(name, f"{key} is not an object with p95{suffix}")
        found[stage] = _row(row, name, key, suffix, scale)
    return {stage: found[stage] for stage in STAGES if stage in found}, tuple(sorted(unknown))


def _row(row: Mapping[str, Any], name: str, key: str, suffix: str, scale: float) -> Percentiles:
    values = {
        metric: _number(row[f"{metric}{suffix}"], name, f"{key}.{metric}{suffix}") * scale
        for metric in PER_MILLE
        if f"{metric}{suffix}" in row
    }
    if not values:
        _refuse(name, f"{key} has no p50{suffix}, p95{suffix} or p99{suffix}")
    steps = list(values.values())
    if steps != sorted(steps):
        _refuse(name, f"{key}: a higher percentile is smaller than a lower one")
    count = row.get("count")
    is_count = isinstance(count, int) and not isinstance(count, bool) and LEAST_SAMPLES <= count < _MOST
    if count is not None and not is_count:
        _refuse(name, f"{key}.count is {count!r}; below {LEAST_SAMPLES} samples percentiles say nothing")
    return Percentiles(**values, count=count)


def _threshold(data: Mapping[str, Any], name: str) -> float | None:
    thresholds = data.get("thresholds")
    if thresholds is None:
        return None
    if not isinstance(thresholds, dict):
        _refuse(name, "thresholds is not an object")
    if "regress_pct" not in thresholds:
        return None
    return _number(thresholds["regress_pct"], name, "thresholds.regress_pct", least=0.0)


def _number(value: object, name: str, key: str, least: float | None = None) -> float:
    """Return a finite number above 0, or from `least` on."""
    good = isinstance(value, int | float) and not isinstance(value, bool) and -_MOST < value < _MOST
    if not good or not isinstance(value, int | float) or (value <= 0.0 if least is None else value < least):
        bound = "above 0" if least is None else f"of {least:g} or more"
        _refuse(name, f"{key} is {value!r}, not a finite number {bound}")
    return float(value)


def _refuse(name: str, what: str) -> NoReturn:
    raise OperatorError(f"{name}: {what}")
