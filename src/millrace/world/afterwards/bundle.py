"""Makes an incident bundle: enough of a run to see again, elsewhere, what it did (runtime 2.21 rule 7).

It only reads, so it works beside a running program and on what a crash left. The stretch of journal begins at the
newest snapshot before the minutes asked for, becomes a journal of its own, and is stepped again before it is packed: a
bundle says of itself whether it replays. Secrets are taken out of every record first (`shell.redaction`).
"""

import platform
import sys
from collections import Counter
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, NamedTuple

import msgspec

from millrace.config.knobs import KNOBS
from millrace.config.toml_file import read_toml
from millrace.core.codec import decode_commands, decode_event
from millrace.core.commands import Alert, Lift, Post
from millrace.core.failure import OperatorError, WorldError
from millrace.core.journal_format import (
    FIRST_LINK,
    Record,
    RecordKind,
    SegmentHeader,
    encode_header,
    encode_record,
    segment_hash,
)
from millrace.shell.bundle_file import INFO, RUN, write_bundle
from millrace.shell.code_version import code_version
from millrace.shell.disk import RealDisk
from millrace.shell.journal import journal_records
from millrace.shell.ledger_extract import ledger_extract
from millrace.shell.manifest import read_manifest, write_manifest
from millrace.shell.redaction import Redactor, environment_secrets, is_secret_name
from millrace.shell.seals import Seal, segment_name, write_seals
from millrace.shell.snapshots import Loaded, Snapshots
from millrace.world.afterwards.replay import Replayed, step_again
from millrace.world.premises import LEDGER

MINUTES: Final = 15.0
_MINUTE_NS: Final = 60 * 10**9
_PACKAGES: Final = ("msgspec", "numpy")
_FORMAT: Final = 1
_WHOLE_EVENTS: Final = 50_000
"""A journal whose first snapshot lies within the minutes asked for is packed from its beginning when that is near."""


class BundleInfo(msgspec.Struct, frozen=True):
    """What a bundle is: which events (the first after its snapshot), of which code, and what its own replay gave."""

    format: int
    file: str
    reason: str
    run: str
    after_seq: int
    window_seq: int
    last_seq: int
    window_ns: int
    last_ns: int
    records: int
    redacted: int
    versions: dict[str, str]
    replay_command: str
    replays: bool
    notices: list[str]


class _Stretch(NamedTuple):
    """A part of a journal: the snapshot before it, and its records without secrets."""

    saved: Loaded
    records: list[Record]
    redacted: int
    last_ns: int
    since_ns: int


def known_secrets(config: Path | None = None) -> list[str]:
    """Return what may stand in no bundle: secrets of the environment, and of a configuration file."""
    found = environment_secrets()
    for entry in read_toml(config) if config else ():
        knob = KNOBS.get(entry.name)
        if (knob is not None and knob.secret) or is_secret_name(entry.name):
            found.append(str(entry.value))
    return found


def make_bundle(
    folder: Path, out: Path | None, secrets: list[str], *, minutes: float = MINUTES, reason: str = "asked for"
) -> BundleInfo:
    """Write a bundle of the last `minutes` of a run's own time; nothing in the folder is changed.

    Raises OperatorError for a folder without a run or a file that exists, WorldError for a damaged journal, a full
    disk, or a secret that cannot be taken out.
    """
    redactor = Redactor(secrets)
    stretch = _stretch(folder, round(minutes * _MINUTE_NS), redactor)
    last_seq = max((record.seq for record in stretch.records), default=stretch.saved.seq)
    path = Path(f"bundle-{folder.resolve().name}-event{last_seq}.zip") if out is None else out
    with TemporaryDirectory(prefix="millrace-bundle-") as name:
        draft = Path(name)
        _write_run(folder, draft, stretch, redactor)
        replayed = step_again(draft)
        run = {f"{RUN}{file.name}": file.read_bytes() for file in sorted(draft.iterdir())}
    window = next((record.seq for record in stretch.records if record.ts_ns >= stretch.since_ns), last_seq)
    info = BundleInfo(
        format=_FORMAT,
        file=path.name,
        reason=reason,
        run=folder.resolve().name,
        after_seq=stretch.saved.seq,
        window_seq=window,
        last_seq=last_seq,
        window_ns=stretch.since_ns,
        last_ns=stretch.last_ns,
        records=len(stretch.records),
        redacted=stretch.redacted,
        versions=_versions(),
        replay_command=f"millrace replay {path.name}",
        replays=replayed.result.divergence is None,
        notices=replayed.result.notices,
    )
    told: dict[str, Any] = {
        INFO: msgspec.to_builtins(info),
        "ledger.json": ledger_extract(folder / LEDGER, stretch.since_ns),
        "board.json": _board(stretch, replayed),
        "status.json": _status(replayed),
        "metrics.json": _metrics(stretch.records),
    }
    members = {"README.txt": redactor.text(_readme(info, replayed)).encode()} | run
    for name, value in told.items():
        members[name] = msgspec.json.format(msgspec.json.encode(redactor.value(value), enc_hook=str)) + b"\n"
    write_bundle(path, members, redactor)
    return msgspec.structs.replace(info, file=str(path))


def _stretch(folder: Path, length_ns: int, redactor: Redactor) -> _Stretch:
    if read_manifest(folder) is None:
        raise OperatorError(f"{folder} holds no run: there is no manifest.json in it")
    snapshots = Snapshots(folder)
    last = _last_event(folder, snapshots.latest().seq) or _last_event(folder, 0)
    if last is None:
        raise OperatorError(f"{folder} holds a run without an event; there is nothing to bundle yet")
    saved = snapshots.before(last.ts_ns - length_ns, last.seq)
    if saved.state is not None and saved.state["now_ns"] > last.ts_ns - length_ns and saved.seq <= _WHOLE_EVENTS:
        saved = Loaded(0, None, [])
    records, redacted = [], 0
    for record in journal_records(folder, after_seq=saved.seq):
        clean = record
        if record.kind in {RecordKind.EVENT, RecordKind.COMMANDS}:
            clean = record._replace(payload=redactor.packed(record.payload))
        elif record.kind is RecordKind.NOTE:
            clean = record._replace(payload=redactor.text(record.payload.decode(errors="replace")).encode())
        redacted += clean is not record and clean.payload != record.payload
        records.append(clean)
    return _Stretch(saved, records, redacted, last.ts_ns, last.ts_ns - length_ns)


def _last_event(folder: Path, from_seq: int) -> Record | None:
    last = None
    for record in journal_records(folder, after_seq=max(from_seq - 1, 0)):
        if record.kind is RecordKind.EVENT:
            last = record
    return last


def _write_run(folder: Path, draft: Path, stretch: _Stretch, redactor: Redactor) -> None:
    """Write the stretch as a run of its own: manifest, snapshot, one segment with its seal."""
    manifest = read_manifest(folder)
    if manifest is None:
        raise WorldError(f"{folder}/manifest.json went away while the bundle was made")
    clean = msgspec.convert(redactor.value(msgspec.to_builtins(manifest)), type(manifest))
    write_manifest(draft, clean)
    if stretch.saved.state is not None:
        Snapshots(draft).write(stretch.saved.seq, redactor.value(stretch.saved.state))
    first_seq = stretch.saved.seq + 1
    header = encode_header(SegmentHeader(1, first_seq, FIRST_LINK))
    data = header + b"".join(encode_record(*record) for record in stretch.records)
    (draft / segment_name(1)).write_bytes(data)
    last_seq = max((record.seq for record in stretch.records), default=stretch.saved.seq)
    write_seals(draft, [Seal(1, first_seq, last_seq, len(data), segment_hash(data).hex())], RealDisk())


def _board(stretch: _Stretch, replayed: Replayed) -> dict[str, Any]:
    """Return the board's history: what stood at the snapshot, every posting and lifting since, what stands now."""
    state = stretch.saved.state
    moves = [
        {"seq": record.seq, "ts_ns": record.ts_ns, "command": msgspec.to_builtins(command)}
        for record in stretch.records
        if record.kind is RecordKind.COMMANDS
        for command in decode_commands(record.payload)
        if isinstance(command, Post | Lift)
    ]
    return {
        "at_the_snapshot": [] if state is None else state["board"]["posted"],
        "moves": moves,
        "now": msgspec.to_builtins(replayed.program.engine.board.active()),
    }


def _status(replayed: Replayed) -> dict[str, Any]:
    """Return what the program would say of itself; a core that a bug broke may not be able to."""
    engine = replayed.program.engine
    parts: dict[str, Any] = {}
    shown = [(strategy.name, strategy.status) for strategy in engine.strategies]
    for name, status in [*shown, *((guard.name, guard.status) for guard in engine.guards)]:
        try:
            parts[name] = status(engine)
        except Exception as error:  # noqa: BLE001  a broken core must not keep its own evidence back
            parts[name] = {"error": f"{type(error).__name__}: {error}"}
    return parts


def _metrics(records: list[Record]) -> dict[str, Any]:
    """Return counts of what is in the stretch."""
    events, commands, alerts, size_bytes = Counter[str](), Counter[str](), Counter[str](), 0
    for record in records:
        size_bytes += len(record.payload)
        if record.kind is RecordKind.EVENT:
            events[type(decode_event(record.payload)).__name__] += 1
        elif record.kind is RecordKind.COMMANDS:
            for command in decode_commands(record.payload):
                commands[type(command).__name__] += 1
                if isinstance(command, Alert):
                    alerts[f"{command.severity.value}/{command.code}"] += 1
    return {
        "millrace_journal_bytes_total": size_bytes,
        "millrace_journal_events_total": dict(sorted(events.items())),
        "commands": dict(sorted(commands.items())),
        "alerts": dict(sorted(alerts.items())),
    }


def _versions() -> dict[str, str]:
    versions = {"millrace": code_version(), "python": platform.python_version(), "system": sys.platform}
    for package in _PACKAGES:
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = "unknown"
    return versions


def _readme(info: BundleInfo, replayed: Replayed) -> str:
    faults = "".join(f"\n{text}" for text in replayed.result.faults)
    return (
        f"An incident bundle of Millrace, made of the run {info.run!r} because it was {info.reason}.\n\n"
        f"It holds the events {info.after_seq + 1} to {info.last_seq}, from the last snapshot before event"
        f" {info.window_seq} on, and replays with:\n\n    {info.replay_command}\n\n"
        f"The code that ran was {info.versions['millrace']}; replay it with the same. Secrets were taken out;"
        " ledger.json, board.json, status.json and metrics.json say what was owned, restricted, shown and counted.\n"
        f"{'' if info.replays else chr(10) + 'It does not replay to the same commands; see the replay for the place.'}"
        f"{faults}\n"
    )
