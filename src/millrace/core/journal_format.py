"""The bytes of a journal segment, and a reader that can tell a torn end from damage.

A segment is a header and records. Every record opens with a fixed mark and ends with a CRC-32 over all of it, so that
any flipped bit shows. After a bad record the reader looks for a whole one behind it: a crash tears the end only, so if
sound records follow, the disk has lost data in the middle, and that stops the start instead of silently shortening
history (runtime 2.16 A4, 2.21 A1). Each header carries the hash of the segment before it, which hashes its own header
in turn: a segment that was exchanged, edited or lost breaks the chain.
"""

from collections.abc import Iterator
from enum import IntEnum
from hashlib import sha256
from struct import Struct
from typing import Final, NamedTuple
from zlib import crc32

from millrace.core.failure import WorldError

FORMAT_VERSION: Final = 2
FIRST_LINK: Final = b"\0" * 16
"""The previous segment's hash in the first segment's header."""

_SEGMENT_MARK: Final = b"MRJSEG\r\n"
_RECORD_MARK: Final = b"\xf5MR\x1a"
_HEADER: Final = Struct("<8sHIQ16s")
_RECORD: Final = Struct("<4sIBQq")
_CRC: Final = Struct("<I")
HEADER_BYTES: Final = _HEADER.size + _CRC.size
RECORD_OVERHEAD_BYTES: Final = _RECORD.size + _CRC.size


class RecordKind(IntEnum):
    """What a record's payload is."""

    EVENT = 1
    COMMANDS = 2
    NOTE = 4
    VENUE = 5


class SegmentHeader(NamedTuple):
    """`first_seq` is the number of the segment's first event."""

    number: int
    first_seq: int
    previous_hash: bytes


class Record(NamedTuple):
    """One record; `seq` is the event that it is, or belongs to, and `ts_ns` that event's time."""

    kind: RecordKind
    seq: int
    ts_ns: int
    payload: bytes


class TornTail(NamedTuple):
    """A crash cut the last segment's last record: its first `offset` bytes are whole, `lost_bytes` follow."""

    segment: str
    offset: int
    lost_bytes: int

    def __str__(self) -> str:
        return f"{self.segment}: record torn at byte {self.offset}, {self.lost_bytes} bytes cut"


def encode_header(header: SegmentHeader) -> bytes:
    """Return the bytes that open a segment."""
    head = _HEADER.pack(_SEGMENT_MARK, FORMAT_VERSION, *header)
    return head + _CRC.pack(crc32(head))


def encode_record(kind: RecordKind, seq: int, ts_ns: int, payload: bytes) -> bytes:
    """Return one record's bytes; raises struct.error for a payload of 4 GiB or more."""
    body = _RECORD.pack(_RECORD_MARK, len(payload), kind, seq, ts_ns) + payload
    return body + _CRC.pack(crc32(body))


class SegmentHash:
    """The running hash of a segment: SHA-256, which processors calculate at a gibibyte a second, cut to 16 bytes."""

    def __init__(self, data: bytes | bytearray | memoryview = b"") -> None:
        self._hash = sha256(data)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Take in what follows."""
        self._hash.update(data)

    def digest(self) -> bytes:
        """Return the hash of everything taken in."""
        return self._hash.digest()[: len(FIRST_LINK)]


def segment_hash(data: bytes | bytearray | memoryview) -> bytes:
    """Return the 16-byte hash of a whole segment, which the next header carries."""
    return SegmentHash(data).digest()


def decode_header(data: bytes, segment: str) -> SegmentHeader | None:
    """Return a segment's header, None when it is torn or damaged; raises WorldError for an unknown format version."""
    if len(data) < HEADER_BYTES or _CRC.unpack_from(data, _HEADER.size)[0] != crc32(data[: _HEADER.size]):
        return None
    mark, version, number, first_seq, previous_hash = _HEADER.unpack_from(data)
    if mark != _SEGMENT_MARK:
        return None
    if version != FORMAT_VERSION:
        raise WorldError(f"{segment}: journal format {version} is not {FORMAT_VERSION}; read it with its own version")
    return SegmentHeader(number, first_seq, previous_hash)


def is_stillborn(data: bytes, segment: str) -> bool:
    """Tell whether a crash came before the segment's header was whole, so that nothing in it counts."""
    return decode_header(data, segment) is None and _next_record(data, 0) is None


def read_segment(data: bytes, segment: str, *, last: bool) -> Iterator[Record | TornTail]:
    """Yield a segment's records in order; a torn tail, allowed in the last segment only, is the final value.

    Raises WorldError, naming segment, offset and remedy, for damage anywhere else.
    """
    if decode_header(data, segment) is None:
        raise damaged(segment, 0, "its header is damaged")
    offset = HEADER_BYTES
    while offset < len(data):
        found = _record_at(data, offset)
        if found is None:
            if not last:
                raise damaged(segment, offset, "a record is damaged in a segment that was closed")
            following = _next_record(data, offset + 1)
            if following is not None:
                raise damaged(segment, offset, f"a record is damaged, and sound ones follow at byte {following}")
            yield TornTail(segment, offset, len(data) - offset)
            return
        kind, seq, ts_ns, end = found
        if kind not in _KINDS:
            raise damaged(segment, offset, f"record kind {kind} is unknown; a newer version may have written it")
        yield Record(_KINDS[kind], seq, ts_ns, data[offset + _RECORD.size : end - _CRC.size])
        offset = end


_KINDS: Final = {kind.value: kind for kind in RecordKind}


def _record_at(data: bytes, offset: int) -> tuple[int, int, int, int] | None:
    """Return kind, seq, time and end of the sound record that starts at `offset`, None when there is none."""
    if len(data) - offset < RECORD_OVERHEAD_BYTES:
        return None
    mark, length, kind, seq, ts_ns = _RECORD.unpack_from(data, offset)
    crc_at = offset + _RECORD.size + length
    if mark != _RECORD_MARK or crc_at + _CRC.size > len(data):
        return None
    if _CRC.unpack_from(data, crc_at)[0] != crc32(data[offset:crc_at]):
        return None
    return kind, seq, ts_ns, crc_at + _CRC.size


def _next_record(data: bytes, offset: int) -> int | None:
    """Return where the next sound record starts at or behind `offset`, None when there is none."""
    at = data.find(_RECORD_MARK, offset)
    while at >= 0 and _record_at(data, at) is None:
        at = data.find(_RECORD_MARK, at + 1)
    return at if at >= 0 else None


def damaged(segment: str, offset: int, what: str) -> WorldError:
    """Return the error of a segment that is not what was written from byte `offset` on."""
    return WorldError(
        f"{segment}: {what} (byte {offset}). Nothing was changed. Check the disk and restore this segment from a copy;"
        " without one, put the run aside with --first-start"
    )
