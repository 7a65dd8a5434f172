"""A document that must outlive a crash at any moment: checked, put in place whole, with two older ones beside it.

The snapshot of a grid is written for whoever comes next, so its reader trusts nothing: a file that is damaged, or that
somebody edited, falls back to the generation before it and says so. The old bot's files carry no checksum and may hold
NaN; both are read. What the document means is not this module's business.
"""

import json
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from millrace.core.failure import OperatorError, WorldError
from millrace.shell.disk import Disk, RealDisk

GENERATIONS: Final = 3
"""The file itself, FILE.1 and FILE.2 (slots 17)."""
_CHECK: Final = "checksum"


class GridFile(NamedTuple):
    """A document as it was found; `trusted` when its checksum says that a program of ours wrote every byte of it."""

    document: dict[str, Any]
    trusted: bool
    notices: tuple[str, ...]


def write_grid_file(path: Path, document: dict[str, Any], disk: Disk | None = None) -> None:
    """Put the document in place, durably, and keep the two before it; raises WorldError."""
    disk = RealDisk() if disk is None else disk
    try:
        disk.make_folder(path.parent)
        for number in range(GENERATIONS - 1, 0, -1):
            older, newer = _generation(path, number), _generation(path, number - 1)
            if newer.name in disk.names(path.parent):
                disk.replace(older, disk.read(newer))
        disk.replace(path, encode_document(document))
    except OSError as error:
        raise WorldError(f"{path} cannot be written: {error.strerror or error}; free or repair its disk") from error


def encode_document(document: dict[str, Any]) -> bytes:
    """Return the document's bytes, strict JSON with its checksum; raises ValueError for what is not of strict JSON."""
    told = {name: value for name, value in document.items() if name != _CHECK}
    plain = json.loads(json.dumps(told, allow_nan=False))
    return msgspec.json.format(msgspec.json.encode(plain | {_CHECK: _checksum(plain)})) + b"\n"


def read_grid_file(path: Path, disk: Disk | None = None) -> GridFile:
    """Return the newest generation that is whole; raises OperatorError when there is no file and WorldError for none.

    Names each generation that was passed over, and why.
    """
    disk = RealDisk() if disk is None else disk
    passed: list[str] = []
    try:
        names = disk.names(path.parent)
        for number in range(GENERATIONS):
            file = _generation(path, number)
            if file.name not in names:
                continue
            document, trusted, wrong = _parsed(disk.read(file))
            if document is not None:
                return GridFile(document, trusted, (*passed, *([f"read {file.name} instead"] if passed else [])))
            passed.append(f"{file.name}: {wrong}")
    except OSError as error:
        raise WorldError(f"{path} cannot be read: {error.strerror or error}") from error
    if not passed:
        raise OperatorError(f"there is no snapshot {path}")
    raise WorldError(
        f"{'; '.join(passed)}; no generation of it is whole. Restore the file from a copy; one that was edited by hand"
        f" on purpose is read when its {_CHECK!r} is taken out"
    )


def _parsed(data: bytes) -> tuple[dict[str, Any] | None, bool, str]:
    """Return the document, whether its checksum holds, and why there is none."""
    try:
        document = json.loads(data.decode())
    except (ValueError, RecursionError) as error:
        return None, False, f"damaged, {error}"
    if not isinstance(document, dict):
        return None, False, "damaged, it holds no object"
    if _CHECK not in document:
        return document, False, ""
    told = {name: value for name, value in document.items() if name != _CHECK}
    if document[_CHECK] != _checksum(told):
        return None, False, "damaged or edited, its checksum is wrong"
    return document, True, ""


def _checksum(document: dict[str, Any]) -> str:
    """Return a hash of the values, however a program wrote them down; "" for what no program of ours writes."""
    try:
        return blake2b(msgspec.json.encode(document, order="sorted"), digest_size=16).hexdigest()
    except (OverflowError, UnicodeEncodeError, RecursionError):
        return ""


def _generation(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}") if number else path
