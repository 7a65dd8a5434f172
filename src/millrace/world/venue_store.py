"""The simulated venue's own memory on disk, beside the program's and not part of it.

A real exchange survives our death and our full disk. So the venue writes down every change before anybody is told, its
log is read back when a run continues, and when the disk that both share is full it keeps its records in memory until
they can be written: an exchange does not stop because a customer's disk is full.
"""

from collections import deque
from pathlib import Path

import msgspec

from millrace.core.failure import WorldError
from millrace.core.journal_format import Record, RecordKind
from millrace.shell.disk import Disk
from millrace.shell.journal import Journal, journal_records
from millrace.sim.venue import SimVenue, VenueSettings
from millrace.sim.venue_log import VenueRecord, decode_record, encode_record

_WAITING_LIMIT = 200_000


class VenueStore:
    """The venue as its log left it, or a new one; raises WorldError when the log is damaged."""

    def __init__(self, folder: Path, settings: VenueSettings, disk: Disk | None = None) -> None:
        self._waiting: deque[VenueRecord] = deque()
        self._log = Journal(folder, disk)
        self.notices = tuple(self._log.notices)
        found = (record for record in journal_records(folder, disk) if record.kind is RecordKind.VENUE)
        self.venue = SimVenue.rebuild(settings, (_decoded(folder, record) for record in found), self._write)

    def _write(self, record: VenueRecord) -> None:
        self._waiting.append(record)
        try:
            while self._waiting:
                self._log.append_record(RecordKind.VENUE, encode_record(self._waiting[0]))
                self._waiting.popleft()
            self._log.flush()
        except WorldError:
            if len(self._waiting) > _WAITING_LIMIT:
                raise

    def close(self) -> None:
        """Sync and close the log."""
        self._log.close()


def _decoded(folder: Path, record: Record) -> VenueRecord:
    try:
        return decode_record(record.payload)
    except msgspec.DecodeError as error:
        raise WorldError(f"{folder}: a record is sound but not readable ({error}); another version wrote it") from error
