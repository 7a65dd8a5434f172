"""Writes the journal: every event before the core sees it, and what the core decided after (design section 1).

Records are gathered and written in groups; `sync` puts them on the medium and stands before every ledger commit (design
section 5.6). A failed append leaves nothing behind: the file is cut back to its last whole record before anything else
is written. After a failed sync the system may have dropped what it could not write, so all of it is kept here and
written again. Appending goes on where the last run stopped, after the whole journal was checked; a tail that its crash
tore is cut, with a notice.
"""

from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

import msgspec

from millrace.core.codec import decode_commands, decode_event, encode_commands, encode_event
from millrace.core.commands import Command
from millrace.core.events import Event
from millrace.core.failure import WorldError
from millrace.core.journal_format import (
    FIRST_LINK,
    HEADER_BYTES,
    Record,
    RecordKind,
    SegmentHash,
    SegmentHeader,
    TornTail,
    decode_header,
    encode_header,
    encode_record,
    is_stillborn,
    read_segment,
)
from millrace.shell.disk import AppendFile, Disk, RealDisk
from millrace.shell.seals import ChainCheck, Seal, read_seals, segment_name, segment_names, segment_number, write_seals

SEGMENT_BYTES: Final = 256 * 2**20
SEGMENT_NS: Final = 3_600 * 10**9
FLUSH_BYTES: Final = 64 * 2**10
FLUSH_NS: Final = 50 * 10**6
SYNC_BYTES: Final = 4 * 2**20
"""Written bytes that may wait for a sync; bounds what is kept to be written again."""

_T = TypeVar("_T")


class JournalStep(NamedTuple):
    """One event and what the core answered; `commands` is None when none were written for it."""

    seq: int
    event: Event
    commands: list[Command] | None


class Journal:
    """The journal of one running program; one writer per folder.

    `last_seq` is the last event's number, `notices` what a person should know about the opening. Every method raises
    WorldError, naming file and reason, when the disk fails; the record of a failed append was not taken and may be
    appended again, records taken before stay taken.
    """

    def __init__(
        self,
        directory: Path,
        disk: Disk | None = None,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        segment_ns: int = SEGMENT_NS,
    ) -> None:
        self.last_seq = 0
        self.notices: list[str] = []
        self._directory = directory
        self._disk: Disk = RealDisk() if disk is None else disk
        self._segment_bytes = segment_bytes
        self._segment_ns = segment_ns
        self._number = 0
        self._file: AppendFile | None = None
        self._hash = SegmentHash()
        self._synced_bytes = 0
        self._pending = bytearray()
        self._written = 0  # how many of the pending bytes are in the file
        self._closed = False
        self._clean = True  # whether nothing but whole records is in the file
        self._commands_seq = 0
        self._ts_ns = 0
        self._opened_ns: int | None = None
        self._flushed_ns = 0
        self._first_seq = 1
        self._seals: list[Seal] = []
        try:
            self._reopen()
        except OSError as error:
            raise self._failed(error) from error

    @property
    def path(self) -> Path:
        """The segment that is written now."""
        return self._directory / segment_name(self._number)

    # Appending

    def append_event(self, seq: int, event: Event) -> None:
        """Take an event; raises ValueError when `seq` does not follow the last one."""
        if seq <= self.last_seq:
            raise ValueError(f"event {seq} does not follow event {self.last_seq}")
        ts_ns = event.ts_ns
        if self._file is None or self._is_full(ts_ns):
            self._roll(seq)
        self._append(RecordKind.EVENT, seq, ts_ns, encode_event(event))
        self.last_seq = seq
        self._ts_ns = ts_ns
        if self._opened_ns is None:
            self._opened_ns = ts_ns

    def append_commands(self, seq: int, commands: list[Command]) -> None:
        """Take what the core answered to the last event; ignored when that was taken before (a repeat after trouble).

        Raises ValueError when `seq` is not the last event's.
        """
        if seq == self._commands_seq:
            return
        if seq != self.last_seq:
            raise ValueError(f"commands of event {seq} do not belong to event {self.last_seq}")
        self._append(RecordKind.COMMANDS, seq, self._ts_ns, encode_commands(commands))
        self._commands_seq = seq

    def append_record(self, kind: RecordKind, payload: bytes) -> None:
        """Take another record (a note, a snapshot's name, a simulated venue's change) beside the last event."""
        if self._file is None or self._is_full(self._ts_ns):
            self._roll(self.last_seq + 1)
        self._append(kind, self.last_seq, self._ts_ns, payload)

    def _append(self, kind: RecordKind, seq: int, ts_ns: int, payload: bytes) -> None:
        record = encode_record(kind, seq, ts_ns, payload)
        self._pending += record
        if len(self._pending) - self._written < FLUSH_BYTES and ts_ns - self._flushed_ns < FLUSH_NS:
            return
        try:
            self.flush()
        except WorldError:
            del self._pending[-len(record) :]
            raise
        self._flushed_ns = ts_ns

    # Writing

    def flush(self) -> None:
        """Hand everything taken to the system; survives the death of the program, not of the machine."""
        self._write_out()
        if self._written >= SYNC_BYTES:
            self.sync()

    def _write_out(self) -> None:
        if self._file is None or (self._clean and self._written == len(self._pending)):
            return
        try:
            self._clean_up(self._file)
            self._clean = False
            self._file.write(bytes(memoryview(self._pending)[self._written :]))
        except OSError as error:
            self._cut_back()
            raise self._failed(error) from error
        self._clean = True
        self._written = len(self._pending)

    def sync(self) -> None:
        """Return when everything taken is on the medium."""
        self._write_out()
        if self._file is None or not self._pending:
            return
        try:
            self._file.sync()
        except OSError as error:
            self._written = 0
            self._clean = False
            self._cut_back()
            raise self._failed(error) from error
        self._hash.update(self._pending)
        self._synced_bytes += len(self._pending)
        self._pending.clear()
        self._written = 0

    def _clean_up(self, file: AppendFile) -> None:
        """Cut the file to its last whole record; raises OSError, and then nothing may be written."""
        if not self._clean:
            file.truncate(self._synced_bytes + self._written)
            self._clean = True

    def _cut_back(self) -> None:
        with suppress(OSError):  # then `_write_out` must succeed at it before it writes
            if self._file is not None:
                self._clean_up(self._file)

    def close(self) -> None:
        """Sync, seal what is written, and release the files."""
        self.sync()
        if self._file is not None and not self._closed:
            self._closed = True
            self._seal()
            self._file.close()

    # Segments

    def _is_full(self, ts_ns: int) -> bool:
        size_bytes = self._synced_bytes + len(self._pending)
        aged = self._opened_ns is not None and ts_ns - self._opened_ns >= self._segment_ns
        return size_bytes >= self._segment_bytes or aged

    def _roll(self, first_seq: int) -> None:
        """Close the segment and open the next; on failure the present one stays in use."""
        self.sync()
        link = FIRST_LINK if self._file is None else self._hash.digest()
        header = encode_header(SegmentHeader(self._number + 1, first_seq, link))
        path = self._directory / segment_name(self._number + 1)
        try:
            file = self._disk.append(path)
            try:
                file.truncate(0)
                file.write(header)
                file.sync()
                self._disk.sync_folder(self._directory)
            except OSError:
                # The present segment may grow still, and a header behind it would then carry a wrong hash.
                with suppress(OSError):
                    self._disk.remove(path)
                    file.close()
                raise
        except OSError as error:
            raise self._failed(error, self._number + 1) from error
        if self._file is not None:
            self._seal()
        old, self._number = self._file, self._number + 1
        self._first_seq = first_seq
        self._take_over(file, header)
        if old is not None:
            with suppress(OSError):  # everything in it is synced
                old.close()

    def _seal(self) -> None:
        """Note what of the segment is durable; where that cannot be written now, the next seal is written with it."""
        seal = Seal(self._number, self._first_seq, self.last_seq, self._synced_bytes, self._hash.digest().hex())
        self._seals = [*(old for old in self._seals if old.number != self._number), seal]
        with suppress(OSError):
            write_seals(self._directory, self._seals, self._disk)

    def _take_over(self, file: AppendFile, data: bytes) -> None:
        self._file = file
        self._hash = SegmentHash(data)
        self._synced_bytes = len(data)
        self._opened_ns = None

    def _reopen(self) -> None:
        """Check every segment and continue the newest, cutting what a crash tore."""
        self._disk.make_folder(self._directory)
        names = segment_names(self._directory, self._disk)
        self._seals = read_seals(self._directory, self._disk)
        if names and _is_stillborn(self._directory, self._disk, names[-1], self._seals):
            self._disk.remove(self._directory / names[-1])
            self.notices.append(f"{names.pop()}: torn before its header was whole, removed")
        chain, data = ChainCheck(self._seals, whole=True), b""
        for name in names:
            data = self._disk.read(self._directory / name)
            chain.take(name, data)
        missing_bytes = chain.end()
        if names:
            self._continue(names[-1], data, missing_bytes)

    def _continue(self, name: str, data: bytes, missing_bytes: int) -> None:
        size_bytes = len(data)
        self._number = segment_number(name)
        header = decode_header(data, name)
        self._first_seq = 1 if header is None else header.first_seq
        self.last_seq = self._first_seq - 1
        for found in _with_end(read_segment(data, name, last=True), name, size_bytes, missing_bytes):
            if isinstance(found, TornTail):
                self.notices.append(str(found))
                size_bytes = found.offset
            elif found.kind is RecordKind.EVENT:
                self.last_seq, self._ts_ns = found.seq, found.ts_ns
                self._opened_ns = found.ts_ns if self._opened_ns is None else self._opened_ns
            elif found.kind is RecordKind.COMMANDS:
                self._commands_seq = found.seq
        opened_ns = self._opened_ns
        if missing_bytes:  # before anything else stands where the seal knows what was lost
            self._seals = [seal for seal in self._seals if seal.number != self._number]
            write_seals(self._directory, self._seals, self._disk)
        # After a failed sync the system takes for written what is in its memory alone, and a program that starts then
        # reads it from there. So all of it is written anew, without what a crash tore.
        self._disk.replace(self._directory / name, data[:size_bytes])
        self._take_over(self._disk.append(self._directory / name), data[:size_bytes])
        self._opened_ns = opened_ns

    def _failed(self, error: OSError, number: int | None = None) -> WorldError:
        path = self._directory / segment_name(self._number if number is None else number)
        return WorldError(f"journal {path} cannot be written: {error.strerror or error}; free or repair its disk")


# Reading


def journal_records(
    directory: Path,
    disk: Disk | None = None,
    *,
    after_seq: int = 0,
    on_torn: Callable[[TornTail], None] = lambda _: None,
) -> Iterator[Record]:
    """Yield every record that belongs to an event after `after_seq`, checking all segments from there on.

    Raises WorldError for damage, a missing segment, or a broken chain of hashes, and changes nothing. A torn tail is
    handed to `on_torn`. Records that precede the first event (seq 0) are yielded when `after_seq` is 0.
    """
    disk = RealDisk() if disk is None else disk
    names, seals = _from(directory, disk, after_seq)
    chain = ChainCheck(seals, whole=after_seq == 0)
    for name in names:
        data, last = _read(disk, directory / name), name == names[-1]
        chain.take(name, data)
        missing_bytes = chain.end() if last else 0
        for found in _with_end(read_segment(data, name, last=last), name, len(data), missing_bytes):
            if isinstance(found, TornTail):
                on_torn(found)
            elif found.seq > after_seq or after_seq == 0:
                yield found


def _with_end(
    found: Iterator[Record | TornTail], name: str, size_bytes: int, missing_bytes: int
) -> Iterator[Record | TornTail]:
    """Yield what is in a segment, and at its end what is missing there since it was sealed."""
    for one in found:
        if isinstance(one, TornTail):
            yield one._replace(lost_bytes=one.lost_bytes + missing_bytes)
            return
        yield one
    if missing_bytes:
        yield TornTail(name, size_bytes, missing_bytes)


def read_journal(
    directory: Path,
    disk: Disk | None = None,
    *,
    after_seq: int = 0,
    on_torn: Callable[[TornTail], None] = lambda _: None,
) -> Iterator[JournalStep]:
    """Yield each event after `after_seq` with its commands; see `journal_records` for checks and errors."""
    step: JournalStep | None = None
    for record in journal_records(directory, disk, after_seq=after_seq, on_torn=on_torn):
        if record.kind is RecordKind.EVENT:
            if step is not None:
                yield step
                if record.seq <= step.seq:
                    raise WorldError(f"{directory}: event {record.seq} follows event {step.seq} in the journal")
            step = JournalStep(record.seq, _decoded(directory, record, decode_event), None)
        elif record.kind is RecordKind.COMMANDS:
            if step is None or step.seq != record.seq:
                raise WorldError(f"{directory}: commands of event {record.seq} stand beside another event")
            step = JournalStep(step.seq, step.event, _decoded(directory, record, decode_commands))
    if step is not None:
        yield step


def _decoded(directory: Path, record: Record, decode: Callable[[bytes], _T]) -> _T:
    try:
        return decode(record.payload)
    except msgspec.DecodeError as error:
        raise WorldError(
            f"{directory}: record of event {record.seq} is sound but not readable ({error}); "
            "read it with the version named in its manifest"
        ) from error


def has_segments(directory: Path, disk: Disk | None = None) -> bool:
    """Tell whether there is a journal in the folder; raises WorldError when that cannot be told."""
    try:
        return bool(segment_names(directory, RealDisk() if disk is None else disk))
    except OSError as error:
        raise WorldError(f"journal {directory} cannot be read: {error.strerror or error}") from error


def _from(directory: Path, disk: Disk, after_seq: int) -> tuple[list[str], list[Seal]]:
    """Return the segments to read, from that of the event after `after_seq`, and the seals; none is stillborn."""
    try:
        names, seals = segment_names(directory, disk), read_seals(directory, disk)
        if names and _is_stillborn(directory, disk, names[-1], seals):
            names.pop()
    except OSError as error:
        raise WorldError(f"journal {directory} cannot be read: {error.strerror or error}") from error
    first = 0
    if after_seq:
        for place, name in enumerate(names):
            header = decode_header(_read(disk, directory / name, HEADER_BYTES), name)
            if header is not None and header.first_seq <= after_seq + 1:
                first = place
    return names[first:], seals


def _read(disk: Disk, path: Path, limit_bytes: int = -1) -> bytes:
    try:
        return disk.read(path, limit_bytes)
    except OSError as error:
        raise WorldError(f"journal {path} cannot be read: {error.strerror or error}") from error


def _is_stillborn(directory: Path, disk: Disk, name: str, seals: list[Seal]) -> bool:
    """Tell whether nothing in a segment counts; reads all of it only when its header is damaged."""
    if decode_header(disk.read(directory / name, HEADER_BYTES), name) is not None:
        return False
    sealed = any(seal.number == segment_number(name) for seal in seals)
    return not sealed and is_stillborn(disk.read(directory / name), name)
