"""The simulated venues' own memory on disk, beside the program's and not part of it.

A real exchange survives our death and our full disk. So each venue writes down every change before anybody is told, its
log is read back when a run continues, and when the disk that both share is full it keeps its records in memory until
they can be written: an exchange does not stop because a customer's disk is full.
"""

from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Generic, TypeVar

import msgspec

from millrace.core.failure import WorldError
from millrace.core.journal_format import RecordKind
from millrace.shell.disk import Disk
from millrace.shell.journal import Journal, journal_records
from millrace.sim import venue_log
from millrace.sim.depth import records as depth_records
from millrace.sim.depth.records import DepthRecord
from millrace.sim.depth.settings import DepthVenueSettings
from millrace.sim.depth.venue import DepthVenue
from millrace.sim.prediction import venue_records
from millrace.sim.prediction.settings import PredictionSettings
from millrace.sim.prediction.venue import PredictionVenue
from millrace.sim.prediction.venue_records import PredictionRecord
from millrace.sim.venue import SimVenue, VenueSettings
from millrace.sim.venue_log import VenueRecord

_WAITING_LIMIT = 200_000
_Record = TypeVar("_Record")


class _Log(Generic[_Record]):
    """One venue's log; raises WorldError when it is damaged."""

    def __init__(
        self,
        folder: Path,
        disk: Disk | None,
        encode: Callable[[_Record], bytes],
        decode: Callable[[bytes], _Record],
    ) -> None:
        self._folder, self._disk = folder, disk
        self._encode, self._decode = encode, decode
        self._waiting: deque[_Record] = deque()
        self.journal = Journal(folder, disk)

    def records(self) -> Iterator[_Record]:
        """Yield what was written before."""
        for record in journal_records(self._folder, self._disk):
            if record.kind is RecordKind.VENUE:
                try:
                    yield self._decode(record.payload)
                except msgspec.DecodeError as error:
                    raise WorldError(
                        f"{self._folder}: a record is sound but not readable ({error}); another version wrote it"
                    ) from error

    def write(self, record: _Record) -> None:
        """Write a record, after those that wait."""
        self._waiting.append(record)
        try:
            while self._waiting:
                self.journal.append_record(RecordKind.VENUE, self._encode(self._waiting[0]))
                self._waiting.popleft()
            self.journal.flush()
        except WorldError:
            if len(self._waiting) > _WAITING_LIMIT:
                raise


class VenueStore:
    """The spot venue as its log left it, or a new one; raises WorldError when the log is damaged."""

    def __init__(self, folder: Path, settings: VenueSettings, disk: Disk | None = None) -> None:
        self._log: _Log[VenueRecord] = _Log(folder, disk, venue_log.encode_record, venue_log.decode_record)
        self.notices = tuple(self._log.journal.notices)
        self.venue = SimVenue.rebuild(settings, self._log.records(), self._log.write)

    def close(self) -> None:
        """Sync and close the log."""
        self._log.journal.close()


class PredictionStore:
    """A prediction venue as its log left it, or a new one; raises WorldError when the log is damaged."""

    def __init__(self, folder: Path, settings: PredictionSettings, disk: Disk | None = None) -> None:
        self._log: _Log[PredictionRecord] = _Log(folder, disk, venue_records.encode_record, venue_records.decode_record)
        self.notices = tuple(self._log.journal.notices)
        self.venue = PredictionVenue.rebuild(settings, self._log.records(), self._log.write)

    def close(self) -> None:
        """Sync and close the log."""
        self._log.journal.close()


class DepthStore:
    """A venue of order books as its log left it, or a new one; raises WorldError when the log is damaged."""

    def __init__(self, folder: Path, settings: DepthVenueSettings, disk: Disk | None = None) -> None:
        self._log: _Log[DepthRecord] = _Log(folder, disk, depth_records.encode_record, depth_records.decode_record)
        self.notices = tuple(self._log.journal.notices)
        self.venue = DepthVenue.rebuild(settings, self._log.records(), self._log.write)

    def close(self) -> None:
        """Sync and close the log."""
        self._log.journal.close()
