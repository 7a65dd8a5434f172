"""Runs two versions of the code in turn on the same ticks, each in a process of its own (quoting 5.1).

The baseline is taken out of git as it was committed, so nothing of it is what lies in the folder now. Which version
goes first changes from pair to pair. Both must have made the same ticks; where the code that makes them changed, the
comparison would say nothing and is refused.
"""

import json
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from millrace.core.failure import OperatorError
from millrace.research.perf_profile import Profile, profile_of

_TIMEOUT_SEC: Final = 300
_SOURCE: Final = Path(__file__).resolve().parents[3]
"""The folder that this very package is imported from."""


def paired(
    revision: str, pairs: int, arguments: Sequence[str], told: Callable[[float], None]
) -> list[tuple[Profile, Profile]]:
    """Return the profiles of so many pairs, the baseline's first; `arguments` are those of `baseline measure`.

    `told` hears the share that is done. Raises OperatorError when the revision, or one of its runs, is unusable.
    """
    with tempfile.TemporaryDirectory() as folder:
        before = _taken_out(revision, Path(folder))
        commit = _git("rev-parse", "--short=12", f"{revision}^{{commit}}").strip()
        here, found = commit_here(), list[tuple[Profile, Profile]]()
        for number in range(pairs):
            sides = [(before, commit), (_SOURCE, here)]
            order = (0, 1) if number % 2 == 0 else (1, 0)
            done = {place: _run(*sides[place], Path(folder), arguments) for place in order}
            _same_ticks(done[0], done[1], revision)
            found.append((_profile(done[0], commit), _profile(done[1], here)))
            told((number + 1) / pairs)
    return found


def commit_here() -> str:
    """Return the commit that this code is, marked when files of it were changed; "unknown" outside of git."""
    try:
        commit = _git("rev-parse", "--short=12", "HEAD").strip()
        return f"{commit}+changes" if _git("status", "--porcelain", "--", ".").strip() else commit
    except OperatorError:
        return "unknown"


def _git(*words: str, at: Path = _SOURCE) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(at), *words],  # noqa: S607
            capture_output=True,
            text=True,
            check=False,
            timeout=_TIMEOUT_SEC,
        )
    except OSError as error:
        raise OperatorError(f"git cannot be run: {error.strerror}") from error
    if done.returncode:
        raise OperatorError(f"git {' '.join(words[:2])}: {done.stderr.strip() or 'failed'}")
    return done.stdout


def _taken_out(revision: str, folder: Path) -> Path:
    """Put a revision's package into a folder; returns where it can be imported from."""
    top = Path(_git("rev-parse", "--show-toplevel").strip())
    inside = _SOURCE.relative_to(top.resolve())
    archive = folder / "baseline.tar"
    package = (inside / "millrace").as_posix()
    _git("archive", "--format=tar", f"--output={archive}", f"{revision}^{{commit}}", package, at=top)
    place = folder / "baseline"
    place.mkdir()
    with tarfile.open(archive) as packed:
        packed.extractall(place, filter="data")
    return place / inside


def _run(source: Path, name: str, folder: Path, arguments: Sequence[str]) -> dict[str, Any]:
    output = folder / "profile.json"
    output.unlink(missing_ok=True)
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "MILLRACE"))}
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "millrace.cli", "baseline", "measure", *arguments, "--output", str(output)],
        capture_output=True,
        text=True,
        check=False,
        timeout=_TIMEOUT_SEC,
        cwd=Path.cwd(),
        env={**environment, "PYTHONPATH": str(source), "PYTHONHASHSEED": "0"},
    )
    if done.returncode or not output.exists():
        said = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
        raise OperatorError(f"measuring {name} failed: {said}")
    found: dict[str, Any] = json.loads(output.read_bytes())
    return found


def _same_ticks(before: dict[str, Any], now: dict[str, Any], revision: str) -> None:
    if before.get("workload") != now.get("workload"):
        raise OperatorError(
            f"{revision} makes other ticks than the code here, so their times cannot be compared; name a revision since"
            " the features last changed"
        )


def _profile(document: dict[str, Any], commit: str) -> Profile:
    return profile_of({**document, "commit": commit}, commit)
