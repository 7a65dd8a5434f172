"""What was once durable in each journal segment, kept beside the segments, and the check of a whole journal against it.

A header carries the hash of the segment before it, so a chain alone cannot tell that its newest segments were lost, nor
a last record that went bad from one that a crash tore. A seal can: it says that a segment's first bytes have this hash,
which stays true for ever because a journal only grows. Seals are written when a segment is closed and when the program
stops in order; one that is missing weakens the check and stops nothing.
"""

import re
from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

import msgspec

from millrace.core.failure import WorldError
from millrace.core.journal_format import (
    FIRST_LINK,
    TornTail,
    damaged,
    decode_header,
    read_segment,
    segment_hash,
)
from millrace.shell.disk import Disk

SEALS: Final = "segments.json"
_PREFIX: Final = "journal-"
_SUFFIX: Final = ".mrj"
_NAME: Final = re.compile(r"journal-\d+\.mrj")
_RESTORE: Final = "Nothing was changed. Restore the segment from a copy"


class Seal(msgspec.Struct, frozen=True):
    """The first `size_bytes` of a segment, which hold the events up to `last_seq`, have this hash (32 hex digits)."""

    number: int
    first_seq: int
    last_seq: int
    size_bytes: int
    hash: str


class _File(msgspec.Struct):
    check: str
    segments: tuple[Seal, ...]


def segment_name(number: int) -> str:
    """Return the file name of a segment."""
    return f"{_PREFIX}{number:06}{_SUFFIX}"


def segment_number(name: str) -> int:
    """Return the number in a segment's file name."""
    return int(name.removeprefix(_PREFIX).removesuffix(_SUFFIX))


def segment_names(directory: Path, disk: Disk) -> list[str]:
    """Return the segments of a folder in order; raises OSError."""
    return [name for name in disk.names(directory) if _NAME.fullmatch(name)]


def write_seals(directory: Path, seals: Sequence[Seal], disk: Disk) -> None:
    """Put the seals in place whole; raises OSError."""
    file = _File(_check(seals), tuple(seals))
    disk.replace(directory / SEALS, msgspec.json.format(msgspec.json.encode(file)) + b"\n")


def read_seals(directory: Path, disk: Disk) -> list[Seal]:
    """Return the seals by segment, none when there is no file; raises OSError, and WorldError for a damaged file."""
    if SEALS not in disk.names(directory):
        return []
    try:
        file = msgspec.json.decode(disk.read(directory / SEALS), type=_File)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _seals_damaged(directory, str(error)) from error
    if file.check != _check(file.segments):
        raise _seals_damaged(directory, "its checksum is wrong")
    return sorted(file.segments, key=lambda seal: seal.number)


def _check(seals: Sequence[Seal]) -> str:
    return blake2b(msgspec.json.encode(tuple(seals)), digest_size=16).hexdigest()


def _seals_damaged(directory: Path, what: str) -> WorldError:
    return WorldError(
        f"{directory / SEALS} is damaged ({what}). Nothing was changed. Check the disk, then restore the file from a"
        " copy, or move it aside: the segments carry checksums of their own"
    )


class ChainCheck:
    """Takes a journal's segments in order; raises WorldError, naming segment and byte, for one that is not its own.

    A segment is hashed and not parsed: equal hashes mean equal bytes, and only a bad one is walked for the place. What
    the newest segment says behind its seal is left to its reader. With `whole` the first must be the journal's first.
    """

    def __init__(self, seals: Sequence[Seal], *, whole: bool) -> None:
        self._seals = {seal.number: seal for seal in seals}
        self._whole = whole
        self._before: tuple[str, bytes, bytes] | None = None

    def take(self, name: str, data: bytes) -> None:
        """Check the segment's place in the chain, with it the one before, and its first bytes against its seal."""
        header = decode_header(data, name)
        if header is None:
            _walk(name, data)
        elif self._before is not None:
            before, its_data, its_hash = self._before
            if (header.number, segment_number(name)) != (segment_number(before) + 1,) * 2:
                raise _missing(segment_number(before) + 1, f"{name} follows {before}")
            if header.previous_hash != (its_hash or segment_hash(its_data)):
                _walk(before, its_data)
        elif self._whole and (header.number, segment_number(name), header.previous_hash) != (1, 1, FIRST_LINK):
            raise _missing(1, f"the journal begins with {name}")
        self._before = name, data, self._against_seal(name, data)

    def _against_seal(self, name: str, data: bytes) -> bytes:
        """Return the segment's hash when the seal asked for all of it, b"" when nobody had to calculate it."""
        seal = self._seals.get(segment_number(name))
        if seal is None or len(data) < seal.size_bytes:
            return b""
        sealed = memoryview(data)[: seal.size_bytes]
        found = segment_hash(sealed)
        if found.hex() != seal.hash:
            _walk(name, bytes(sealed))
        return found if seal.size_bytes == len(data) else b""

    def end(self) -> int:
        """Check that no sealed segment is missing behind the last; return how many bytes the last one is too short.

        A segment that lost its end is cut like one that a crash tore, and the loss is told.
        """
        number, size_bytes = (0, 0) if self._before is None else (segment_number(self._before[0]), len(self._before[1]))
        for seal in self._seals.values():
            if seal.number > number:
                raise _missing(seal.number, f"it holds the events {seal.first_seq} to {seal.last_seq}")
        last = self._seals.get(number)
        return 0 if last is None else max(last.size_bytes - size_bytes, 0)


def _missing(number: int, why: str) -> WorldError:
    return WorldError(f"{segment_name(number)} is missing: {why}. {_RESTORE}")


def _walk(name: str, data: bytes) -> None:
    """Raise WorldError for bytes that are not what was written, naming the first bad record."""
    for found in read_segment(data, name, last=True):
        if isinstance(found, TornTail):
            raise damaged(name, found.offset, "its last record is damaged")
    raise WorldError(f"{name} was exchanged or edited: its records are whole, its hash is another. {_RESTORE}")
