"""What a journal was made with: code, configuration, instruments, seeds and strategies.

Without them its events cannot be stepped again to the same commands, and two runs cannot be compared. So they stand in
a readable file beside the segments, which is put in place whole.
"""

from pathlib import Path
from typing import Final

import msgspec

from millrace.core.events import Scalar
from millrace.core.failure import WorldError
from millrace.core.instrument import Instrument
from millrace.shell.disk import Disk, RealDisk

_NAME: Final = "manifest.json"


class Manifest(msgspec.Struct, frozen=True):
    """Code, configuration, instruments, seeds and strategies of a run (runtime 2.21)."""

    code_version: str
    config_digest: str
    config: dict[str, Scalar]
    instruments: tuple[Instrument, ...]
    seeds: dict[str, int]
    strategies: tuple[str, ...]


def write_manifest(directory: Path, manifest: Manifest, disk: Disk | None = None) -> None:
    """Put the manifest beside the journal's segments, durably; raises WorldError."""
    disk = RealDisk() if disk is None else disk
    path = directory / _NAME
    try:
        disk.make_folder(directory)
        disk.replace(path, msgspec.json.format(msgspec.json.encode(manifest)) + b"\n")
    except OSError as error:
        raise WorldError(f"{path} cannot be written: {error.strerror or error}; free or repair its disk") from error


def read_manifest(directory: Path, disk: Disk | None = None) -> Manifest | None:
    """Return a journal's manifest, None when it has none; raises WorldError when it is not readable."""
    disk = RealDisk() if disk is None else disk
    path = directory / _NAME
    try:
        if _NAME not in disk.names(directory):
            return None
        return msgspec.json.decode(disk.read(path), type=Manifest)
    except OSError as error:
        raise WorldError(f"{path} cannot be read: {error.strerror or error}") from error
    except msgspec.DecodeError as error:
        raise WorldError(f"{path} is damaged ({error}); restore it from a copy") from error
