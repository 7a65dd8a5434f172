"""The cells of a study, run by one process, by several, or by a cluster, and never twice.

A cell is a pure function of settings, recording and code, so its outcome is kept in a file that is named for these
three; a study that was killed goes on with the cells that are missing. A file appears whole or not at all. Workers
send outcomes back and only the asking process writes, so a cluster needs the recordings and no shared results folder.
"""

from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import msgspec

from millrace.config.load import load_settings
from millrace.core.events import Scalar
from millrace.core.failure import OperatorError, WorldError
from millrace.research.market_files import MarketFile, cut, read_market_file
from millrace.research.study_table import Cell, CellOutcome, Levels, StudyTable, cell_outcome, study_table
from millrace.shell.clock import WallClock
from millrace.shell.code_version import code_version
from millrace.shell.disk import RealDisk
from millrace.world.assemble import traded_instrument
from millrace.world.slots_run import run_market
from millrace.world.studies.plan import Stretch, StudyPlan, months

_KEY_BYTES = 12
_CENTS = 2
Progress = Callable[[float], None]


class CellTask(msgspec.Struct, frozen=True):
    """All that one run needs, as plain values: `digest` is the recording's, `code` the version that asks."""

    profile: str
    settings: dict[str, Scalar]
    data: str
    digest: str
    first_ns: int
    end_ns: int
    code: str


class KeptCell(msgspec.Struct, frozen=True):
    """A finished cell as its file holds it: what was asked, the digest of all settings, the outcome."""

    task: CellTask
    config_digest: str
    outcome: CellOutcome


class StudyResult(msgspec.Struct, frozen=True):
    """The table, the cells behind it, and how many of the distinct runs had to be done."""

    table: StudyTable
    cells: list[Cell]
    runs: int
    fresh: int
    code: str


def run_study(
    plan: StudyPlan,
    data: Path,
    *,
    results: Path | None = None,
    jobs: int = 1,
    cluster: str | None = None,
    progress: Progress = lambda _: None,
) -> StudyResult:
    """Run what is missing of a declared study and return its table.

    With `results` outcomes are kept there and not made again; `cluster` is the address of a Dask scheduler whose
    workers see the recordings under the same path. Raises OperatorError for a recording, setting, folder or cluster
    that cannot be used, and WorldError when a run halted on a bug.
    """
    places: list[tuple[Stretch, Levels, str]] = []
    tasks: dict[str, CellTask] = {}
    digests: dict[str, str] = {}
    variants = plan.variants()
    for stretch, digest, price in _stretches(plan, data):
        sized = {key: round(coins * price, _CENTS) for key, coins in plan.coins_at_opening.items()}
        for levels, chosen in variants:
            task = CellTask(
                plan.profile,
                {**sized, **chosen},
                str((data / stretch.recording.file).resolve()),
                digest,
                stretch.first_ns,
                stretch.end_ns,
                code_version(),
            )
            config = _config_digest(task)
            key = _key(task, config)
            tasks[key], digests[key] = task, config
            places.append((stretch, levels, key))
    outcomes = {} if results is None else _kept(results, tasks)
    todo = {key: task for key, task in tasks.items() if key not in outcomes}
    with closing(_done(todo, jobs, cluster)) as done:
        for key, outcome in done:
            outcomes[key] = outcome
            if results is not None:
                _keep(results / f"{key}.json", KeptCell(tasks[key], digests[key], outcome))
            progress(len(outcomes) / len(tasks))
    cells = [Cell(stretch.name, stretch.recording.sample, levels, outcomes[key]) for stretch, levels, key in places]
    table = study_table(cells, plan.within, block=plan.block_days, resamples=plan.resamples, seed=plan.seed)
    return StudyResult(table, cells, len(tasks), len(todo), code_version())


def _stretches(plan: StudyPlan, data: Path) -> Iterator[tuple[Stretch, str, float]]:
    """Yield the months of every recording in declared order, with the digest of the file and the opening price."""
    instrument = traded_instrument(load_settings(None, plan.settings, {}, profile=plan.profile))
    for recording in plan.recording:
        columns, facts = _market(str(data / recording.file), plan.profile, _instrument_of(plan.settings))
        found = months(recording, facts.first_ns, facts.last_ns, plan.least_days)
        if not found:
            raise OperatorError(
                f"{recording.file}: no month of it has {plan.least_days:g} days in what the study asks for"
            )
        for stretch in found:
            yield stretch, facts.digest, instrument.price(int(columns.since(stretch.first_ns).ticks[0]))


def _config_digest(task: CellTask) -> str:
    return load_settings(None, task.settings, {}, profile=task.profile).digest


def _key(task: CellTask, config_digest: str) -> str:
    """Return the name of a run: equal settings on equal rows by equal code are one run."""
    parts = (config_digest, task.digest, task.first_ns, task.end_ns, task.code)
    return blake2b(msgspec.json.encode(parts), digest_size=_KEY_BYTES).hexdigest()


def run_cell(task: CellTask) -> CellOutcome:
    """Run one cell, in whatever process; raises WorldError where code or recording are not those of the study."""
    if task.code != code_version():
        raise WorldError(f"this worker runs {code_version()} and the study {task.code}; start it from the same source")
    market = _market(task.data, task.profile, _instrument_of(task.settings))
    if market.facts.digest != task.digest:
        raise WorldError(f"{task.data}: this worker's copy is not the recording that the study asks for")
    settings = load_settings(None, task.settings, {}, profile=task.profile)
    return cell_outcome(run_market(settings, cut(market, task.first_ns, task.end_ns), WallClock()))


def _instrument_of(settings: dict[str, Scalar]) -> tuple[tuple[str, Scalar], ...]:
    """Return the settings that decide whose ticks a recording is read in."""
    return tuple((key, value) for key, value in settings.items() if key == "run.instrument")


def _market(path: str, profile: str, settings: tuple[tuple[str, Scalar], ...]) -> MarketFile:
    """Return a recording, read once while its file stays as it is: a worker of a cluster may live for weeks."""
    found = Path(path).stat() if Path(path).exists() else None
    return _read(path, profile, settings, None if found is None else (found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=2)
def _read(
    path: str, profile: str, settings: tuple[tuple[str, Scalar], ...], _state: tuple[int, int] | None
) -> MarketFile:
    return read_market_file(Path(path), traded_instrument(load_settings(None, dict(settings), {}, profile=profile)))


def _kept(folder: Path, tasks: Iterable[str]) -> dict[str, CellOutcome]:
    """Return the outcomes that the folder holds; raises OperatorError for a file that no study wrote."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for key in tasks:
        path = folder / f"{key}.json"
        if path.exists():
            try:
                found[key] = msgspec.json.decode(path.read_bytes(), type=KeptCell).outcome
            except msgspec.MsgspecError as error:
                raise OperatorError(
                    f"{path}: not the outcome of a cell ({error}); remove it to have it made again"
                ) from error
    return found


def _keep(path: Path, cell: KeptCell) -> None:
    RealDisk().replace(path, msgspec.json.format(msgspec.json.encode(cell)) + b"\n")


def _done(tasks: dict[str, CellTask], jobs: int, cluster: str | None) -> Generator[tuple[str, CellOutcome]]:
    """Yield outcomes as they come, in any order."""
    if not tasks:
        return
    if cluster is None and jobs == 1:
        for key, task in tasks.items():
            yield key, run_cell(task)
        return
    try:
        from millrace.world.studies.workers import spread  # noqa: PLC0415  joblib and Dask are optional
    except ImportError as error:
        raise OperatorError("--jobs and --cluster need joblib and Dask: install millrace[study]") from error
    yield from spread(run_named, list(tasks.items()), jobs, cluster)


def run_named(named: tuple[str, CellTask]) -> tuple[str, CellOutcome]:
    """Run a cell and say which it was."""
    key, task = named
    return key, run_cell(task)
