"""What a journal was made with: code, configuration, instruments, seeds and strategies.

Without them its events cannot be stepped again to the same commands, and two runs cannot be compared. So they stand in
a readable file beside the segments, which is put in place whole, with a checksum: a seed that lost a bit would give
another run without a word. Each start of the program is added, so that a journal tells which code wrote which events.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from millrace.core.events import Scalar
from millrace.core.failure import WorldError
from millrace.core.instrument import Instrument
from millrace.shell.disk import Disk, RealDisk

MANIFEST: Final = "manifest.json"
STARTS_KEPT: Final = 1_000


class RunStart(msgspec.Struct, frozen=True, omit_defaults=True):
    """One start of the program on this journal: after which event, when by the machine's clock, with what, and how.

    The last three come when it is over: the run's time then, the orders it had to account for, and what it took in all
    (slots 16). A start that the program did not live to end, or that is older than these figures, has none.
    """

    after_seq: int
    at_ns: int
    code_version: str
    config_digest: str
    how: str
    began_ns: int | None = None
    tracked_orders: int | None = None
    total_ms: float | None = None


class Manifest(msgspec.Struct, frozen=True):
    """Code, configuration, instruments, seeds and strategies of a run, and its starts (runtime 2.21).

    The code and configuration are those that the journal was begun with; `check` is the file's checksum, empty in a
    record that is not in a file.
    """

    code_version: str
    config_digest: str
    config: dict[str, Scalar]
    instruments: tuple[Instrument, ...]
    seeds: dict[str, int]
    strategies: tuple[str, ...]
    starts: tuple[RunStart, ...] = ()
    check: str = ""


def write_manifest(directory: Path, manifest: Manifest, disk: Disk | None = None) -> None:
    """Put the manifest beside the journal's segments, durably; raises WorldError."""
    disk = RealDisk() if disk is None else disk
    path = directory / MANIFEST
    sealed = msgspec.structs.replace(manifest, check=_check(manifest))
    try:
        disk.make_folder(directory)
        disk.replace(path, msgspec.json.format(msgspec.json.encode(sealed)) + b"\n")
    except OSError as error:
        raise WorldError(f"{path} cannot be written: {error.strerror or error}; free or repair its disk") from error


def read_manifest(directory: Path, disk: Disk | None = None) -> Manifest | None:
    """Return a journal's manifest, None when it has none; raises WorldError when it is damaged or not readable."""
    disk = RealDisk() if disk is None else disk
    path = directory / MANIFEST
    try:
        if MANIFEST not in disk.names(directory):
            return None
        sealed = msgspec.json.decode(disk.read(path), type=Manifest)
    except OSError as error:
        raise WorldError(f"{path} cannot be read: {error.strerror or error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise WorldError(f"{path} is damaged ({error}); restore it from a copy") from error
    manifest = msgspec.structs.replace(sealed, check="")
    if sealed.check != _check(manifest):
        raise WorldError(f"{path} is damaged or was edited: its checksum is wrong; restore it from a copy")
    return manifest


def with_start(manifest: Manifest, start: RunStart) -> Manifest:
    """Return the manifest with one more start; of very many the first and the newest are kept."""
    starts = (*manifest.starts, start)
    if len(starts) > STARTS_KEPT:
        starts = (starts[0], *starts[1 - STARTS_KEPT :])
    return msgspec.structs.replace(manifest, starts=starts)


def with_startup(manifest: Manifest, began_ns: int, tracked_orders: int, total_ms: float) -> Manifest:
    """Return the manifest with what its newest start took."""
    *before, start = manifest.starts
    done = msgspec.structs.replace(start, began_ns=began_ns, tracked_orders=tracked_orders, total_ms=total_ms)
    return msgspec.structs.replace(manifest, starts=(*before, done))


def _check(manifest: Manifest) -> str:
    return blake2b(msgspec.json.encode(msgspec.structs.replace(manifest, check="")), digest_size=16).hexdigest()
