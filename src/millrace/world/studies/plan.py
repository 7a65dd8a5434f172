"""A study as a file declares it: which recordings, which axes with which settings, which combinations.

The grid of a study is written down before it is run, because choosing combinations after seeing results is how a table
comes to say what its author hoped. A recording is cut into UTC months; each month is a run of its own that begins
with the opening balances, so that no variant lives on the luck of an earlier one.
"""

import tomllib
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Annotated

import msgspec

from millrace.core.events import Scalar
from millrace.core.failure import OperatorError
from millrace.research.study_table import Levels, Sample

_DAY_NS = 86_400 * 10**9
_LATE = date(9999, 1, 1)


class Recording(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file in the data folder, the days of it that count (UTC, `until` excluded), and what they are used for."""

    file: str
    sample: Sample
    since: date = date(1970, 1, 1)
    until: date = _LATE


class StudyPlan(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A declared study; the first level of an axis is its baseline.

    Variants are compared where the levels of the `within` axes are equal. `part` lists combinations: an axis that a
    part does not name takes all its levels; without parts every combination is run. A month with fewer than
    `least_days` days of the recording is left out. `coins_at_opening` names settings in quote money by what they are
    in base coins at a month's first price, so that an order is worth as many coins in a cheap year as in a dear one.
    """

    axis: dict[str, dict[str, dict[str, Scalar]]]
    recording: list[Recording]
    part: list[dict[str, list[str]]] = []
    profile: str = "demo"
    settings: dict[str, Scalar] = {}
    coins_at_opening: dict[str, float] = {}
    within: list[str] = []
    block_days: Annotated[int, msgspec.Meta(ge=1)] = 5
    resamples: Annotated[int, msgspec.Meta(ge=100)] = 10_000
    seed: Annotated[int, msgspec.Meta(ge=0)] = 1
    least_days: float = 5.0

    def variants(self) -> list[tuple[Levels, dict[str, Scalar]]]:
        """Return every combination once, in declared order, with the settings that make it."""
        found: list[tuple[Levels, dict[str, Scalar]]] = []
        for part in self.part or [{}]:
            for names in product(*(part.get(axis, levels) for axis, levels in self.axis.items())):
                levels = dict(zip(self.axis, names, strict=True))
                if not any(levels == known for known, _ in found):
                    chosen = dict(self.settings)
                    for axis, level in levels.items():
                        chosen |= self.axis[axis][level]
                    found.append((levels, chosen))
        return found


class Stretch(msgspec.Struct, frozen=True):
    """One month of a recording, from `first_ns` until before `end_ns`."""

    name: str
    recording: Recording
    first_ns: int
    end_ns: int


def read_plan(path: Path) -> StudyPlan:
    """Return a declared study; raises OperatorError naming the file and what is wrong in it."""
    try:
        plan = msgspec.convert(tomllib.loads(path.read_text(encoding="utf-8")), StudyPlan)
    except (OSError, UnicodeDecodeError) as error:
        raise OperatorError(f"{path}: cannot be read: {error}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise OperatorError(f"{path}: not a study: {error}") from error
    if not plan.recording or not plan.axis or not all(plan.axis.values()):
        raise OperatorError(f"{path}: a study needs a [[recording]] and an [axis.NAME] with levels")
    _refuse_unknown(path, plan.axis, {"within": plan.within}, "axis")
    for part in plan.part:
        _refuse_unknown(path, plan.axis, {"part": list(part)}, "axis")
        for axis, levels in part.items():
            _refuse_unknown(path, plan.axis[axis], {f"part, axis {axis}": levels}, "level")
    return plan


def _refuse_unknown(path: Path, known: Mapping[str, object], asked: Mapping[str, Sequence[str]], what: str) -> None:
    for place, names in asked.items():
        for name in names:
            if name not in known:
                raise OperatorError(f"{path}: {place}: no {what} {name!r}; known are {', '.join(known)}")


def months(recording: Recording, first_ns: int, last_ns: int, least_days: float) -> list[Stretch]:
    """Return the months of a recording that holds rows from `first_ns` to `last_ns`, where enough days are covered."""
    month = _date(first_ns).replace(day=1)
    found = []
    while month <= _date(last_ns):
        after = (month + timedelta(days=32)).replace(day=1)
        begin = max(_ns(max(month, recording.since)), first_ns)
        end = min(_ns(min(after, recording.until)), last_ns + 1)
        if end - begin >= least_days * _DAY_NS:
            stem = recording.file.partition(".")[0]
            found.append(Stretch(f"{stem} {month:%Y-%m}", recording, begin, end))
        month = after
    return found


def _date(ts_ns: int) -> date:
    return datetime.fromtimestamp(ts_ns / 10**9, tz=UTC).date()


def _ns(day: date) -> int:
    return (day - date(1970, 1, 1)).days * _DAY_NS
