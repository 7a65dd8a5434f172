"""The journal writer and reader over real files and over a disk that fails on purpose."""

from pathlib import Path

import pytest

from millrace.core.commands import CancelOrder
from millrace.core.events import Timer
from millrace.core.failure import WorldError
from millrace.core.instrument import InstrumentId
from millrace.core.journal_format import HEADER_BYTES, RecordKind
from millrace.shell.disk import RealDisk
from millrace.shell.journal import SYNC_BYTES, Journal, journal_records, read_journal
from millrace.shell.manifest import Manifest, read_manifest, write_manifest
from millrace.shell.snapshots import Snapshots
from millrace.venues.kraken.facts import instrument_facts

SEC = 10**9
CANCEL = [CancelOrder(InstrumentId("kraken", "DOGE/USD"), "id", "why")]


class FaultyFile:
    def __init__(self, disk, inner, path):
        self.disk, self.inner, self.path = disk, inner, path

    def write(self, data):
        if self.disk.room is not None:
            part, self.disk.room = data[: self.disk.room], max(self.disk.room - len(data), 0)
            self.inner.write(part)
            if len(part) < len(data):
                raise OSError(28, "No space left on device")
        else:
            self.inner.write(data)

    def sync(self):
        if self.disk.sync_fails:
            raise OSError(5, "Input/output error")
        self.inner.sync()

    def truncate(self, size_bytes):
        if self.disk.truncate_fails:
            raise OSError(5, "Input/output error")
        self.inner.truncate(size_bytes)

    def close(self):
        self.inner.close()


class FaultyDisk(RealDisk):
    """A disk with `room` bytes left (None: plenty) whose syncs and truncations can fail."""

    def __init__(self):
        super().__init__()
        self.room, self.sync_fails, self.truncate_fails = None, False, False

    def append(self, path):
        return FaultyFile(self, super().append(path), path)


def fill(journal: Journal, first: int, last: int, step_ns: int = SEC) -> None:
    for seq in range(first, last + 1):
        journal.append_event(seq, Timer(seq * step_ns))
        if seq % 3 == 0:
            journal.append_commands(seq, CANCEL)


def expected(first: int, last: int, step_ns: int = SEC):
    return [(seq, Timer(seq * step_ns), CANCEL if seq % 3 == 0 else None) for seq in range(first, last + 1)]


def test_events_and_commands_come_back_across_segments_and_restarts(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=600)
    fill(journal, 1, 40)
    journal.append_record(RecordKind.NOTE, b"stopped")
    journal.close()
    again = Journal(tmp_path, segment_bytes=600)
    assert (again.last_seq, again.notices) == (40, [])
    fill(again, 41, 60)
    again.close()
    assert list(read_journal(tmp_path)) == expected(1, 60)
    assert len(list(tmp_path.glob("journal-*.mrj"))) > 3
    assert list(read_journal(tmp_path, after_seq=37)) == expected(38, 60)
    assert [record.payload for record in journal_records(tmp_path) if record.kind is RecordKind.NOTE] == [b"stopped"]


def test_a_segment_is_closed_after_an_hour_of_event_time(tmp_path: Path):
    """Runtime 2.21: segments are rolled at 256 MiB or 1 h."""
    journal = Journal(tmp_path)
    journal.append_event(1, Timer(5 * SEC))
    journal.append_event(2, Timer(5 * SEC + 3_600 * SEC - 1))
    assert journal.path.name == "journal-000001.mrj"
    journal.append_event(3, Timer(5 * SEC + 3_600 * SEC))
    assert journal.path.name == "journal-000002.mrj"
    journal.close()


def test_numbers_must_follow(tmp_path: Path):
    journal = Journal(tmp_path)
    fill(journal, 1, 2)
    with pytest.raises(ValueError, match="does not follow"):
        journal.append_event(2, Timer(1))
    with pytest.raises(ValueError, match="do not belong"):
        journal.append_commands(1, CANCEL)
    journal.close()


@pytest.mark.parametrize("lost", [1, 7, 30])
def test_a_torn_tail_is_cut_with_a_notice(tmp_path: Path, lost: int):
    journal = Journal(tmp_path)
    fill(journal, 1, 10)
    journal.close()
    path = tmp_path / "journal-000001.mrj"
    path.write_bytes(path.read_bytes()[:-lost])
    torn = []
    assert list(read_journal(tmp_path, on_torn=torn.append)) == expected(1, 9)
    again = Journal(tmp_path)
    assert again.last_seq == 9
    assert [str(cut) for cut in torn] == again.notices
    fill(again, 10, 12)
    again.close()
    assert list(read_journal(tmp_path)) == expected(1, 12)


def test_a_segment_without_a_whole_header_is_removed(tmp_path: Path):
    journal = Journal(tmp_path)
    fill(journal, 1, 4)
    journal.close()
    (tmp_path / "journal-000002.mrj").write_bytes(b"MRJSEG")
    assert list(read_journal(tmp_path)) == expected(1, 4)
    again = Journal(tmp_path)
    assert "000002" in again.notices[0]
    fill(again, 5, 6)
    again.close()
    assert list(read_journal(tmp_path)) == expected(1, 6)


def test_damage_in_the_middle_stops_and_changes_nothing(tmp_path: Path):
    journal = Journal(tmp_path)
    fill(journal, 1, 10)
    journal.close()
    path = tmp_path / "journal-000001.mrj"
    broken = bytearray(path.read_bytes())
    broken[HEADER_BYTES + 40] ^= 4
    path.write_bytes(broken)
    with pytest.raises(WorldError, match=r"journal-000001\.mrj.*byte.*[Rr]estore"):
        list(read_journal(tmp_path))
    with pytest.raises(WorldError, match="sound ones follow"):
        Journal(tmp_path)
    assert path.read_bytes() == broken


def test_a_lost_or_edited_segment_breaks_the_chain(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=300)
    fill(journal, 1, 30)
    journal.close()
    names = sorted(tmp_path.glob("*.mrj"))
    other = tmp_path / "other"
    stranger = Journal(other, segment_bytes=300)
    fill(stranger, 1, 30, step_ns=2 * SEC)
    stranger.close()
    kept = names[1].read_bytes()
    names[1].write_bytes((other / names[1].name).read_bytes())
    with pytest.raises(WorldError, match="exchanged"):
        list(read_journal(tmp_path))
    names[1].write_bytes(kept)
    assert len(list(read_journal(tmp_path))) == 30
    names[1].unlink()
    with pytest.raises(WorldError, match="missing"):
        list(read_journal(tmp_path))


@pytest.mark.parametrize("truncate_fails", [False, True])
@pytest.mark.parametrize("room", [0, 1, 20, 55])
def test_a_full_disk_keeps_nothing_of_the_failed_append(tmp_path: Path, room: int, truncate_fails: bool):
    disk = FaultyDisk()
    journal = Journal(tmp_path, disk)
    fill(journal, 1, 5)
    disk.room, disk.truncate_fails = room, truncate_fails
    for _ in range(3):
        with pytest.raises(WorldError, match=r"journal-000001\.mrj cannot be written"):
            fill(journal, journal.last_seq + 1, 9)
    taken = journal.last_seq
    disk.room, disk.truncate_fails = None, False
    fill(journal, taken + 1, 9)
    journal.close()
    assert list(read_journal(tmp_path)) == expected(1, 9)


def test_a_failed_commands_record_can_be_appended_again(tmp_path: Path):
    disk = FaultyDisk()
    journal = Journal(tmp_path, disk)
    journal.append_event(1, Timer(SEC))
    disk.sync_fails = True
    journal.append_commands(1, CANCEL)
    with pytest.raises(WorldError, match="Input/output"):
        journal.sync()
    disk.sync_fails = False
    journal.append_commands(1, CANCEL)
    journal.append_event(2, Timer(2 * SEC))
    journal.close()
    assert list(read_journal(tmp_path)) == [(1, Timer(SEC), CANCEL), (2, Timer(2 * SEC), None)]


def test_after_a_failed_sync_everything_since_the_last_is_written_again(tmp_path: Path):
    disk = FaultyDisk()
    journal = Journal(tmp_path, disk)
    fill(journal, 1, 3)
    journal.sync()
    durable = journal.path.stat().st_size
    fill(journal, 4, 8)
    journal.flush()
    assert journal.path.stat().st_size > durable
    disk.sync_fails = True
    with pytest.raises(WorldError):
        journal.sync()
    assert journal.path.stat().st_size == durable
    disk.sync_fails = False
    journal.close()
    assert list(read_journal(tmp_path)) == expected(1, 8)


@pytest.mark.parametrize("trouble", [{"room": 10}, {"sync_fails": True}])
def test_a_segment_that_cannot_be_opened_leaves_the_present_one_in_use(tmp_path: Path, trouble: dict):
    disk = FaultyDisk()
    journal = Journal(tmp_path, disk, segment_ns=10 * SEC)
    fill(journal, 1, 10)
    journal.sync()
    vars(disk).update(trouble)
    with pytest.raises(WorldError, match="journal-000002"):
        fill(journal, 11, 11)
    assert [path.name for path in tmp_path.iterdir()] == ["journal-000001.mrj"]
    vars(disk).update(room=None, sync_fails=False)
    journal.append_record(RecordKind.NOTE, b"still here")
    fill(journal, 11, 14)
    assert journal.path.name == "journal-000002.mrj"
    journal.close()
    assert list(read_journal(tmp_path)) == expected(1, 14)


@pytest.mark.parametrize("flush_each", [False, True])
def test_unsynced_bytes_are_bounded(tmp_path: Path, flush_each: bool):
    journal = Journal(tmp_path)
    for _ in range(100):
        journal.append_record(RecordKind.VENUE, b"x" * 100_000)
        if flush_each:
            journal.flush()
        assert len(journal._pending) < SYNC_BYTES + 200_000
    journal.close()


def test_records_without_events_roll_and_come_back(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=500)
    for number in range(40):
        journal.append_record(RecordKind.VENUE, str(number).encode())
        if number == 20:
            journal.close()
            journal = Journal(tmp_path, segment_bytes=500)
    journal.close()
    assert len(list(tmp_path.glob("*.mrj"))) == 3
    assert [int(record.payload) for record in journal_records(tmp_path)] == list(range(40))


def test_a_note_may_roll_between_an_event_and_its_commands(tmp_path: Path):
    journal = Journal(tmp_path, segment_bytes=150)
    fill(journal, 1, 2)
    journal.append_event(3, Timer(3 * SEC))
    while journal.path.name == "journal-000001.mrj":
        journal.append_record(RecordKind.NOTE, b"x" * 50)
    journal.append_commands(3, CANCEL)
    journal.close()
    again = Journal(tmp_path)
    assert again.last_seq == 3
    fill(again, 4, 5)
    again.close()
    for after_seq in range(5):
        assert list(read_journal(tmp_path, after_seq=after_seq)) == expected(after_seq + 1, 5)


def test_the_manifest_comes_back(tmp_path: Path):
    assert read_manifest(tmp_path) is None
    manifest = Manifest(
        "0.1.0", "abc", {"slots": 80, "mode": "DOGE"}, (instrument_facts("kraken:DOGE/USD"),), {"venue": 7}, ("grid",)
    )
    write_manifest(tmp_path, manifest)
    assert read_manifest(tmp_path) == manifest
    (tmp_path / "manifest.json").write_text("{")
    with pytest.raises(WorldError, match="damaged"):
        read_manifest(tmp_path)


def test_snapshots_keep_three_and_fall_back_over_damaged_ones(tmp_path: Path):
    snapshots = Snapshots(tmp_path)
    assert snapshots.latest() == (0, None, [])
    for seq in (5, 10, 15, 20):
        snapshots.write(seq, {"seq": seq, "hash": b"\0\1", "now_ns": seq * 900 * SEC})
    names = sorted(path.name for path in tmp_path.iterdir())
    assert [int(name[9:25]) for name in names] == [10, 15, 20]
    assert snapshots.latest() == (20, {"seq": 20, "hash": b"\0\1", "now_ns": 18_000 * SEC}, [])
    newest = tmp_path / names[-1]
    broken = bytearray(newest.read_bytes())
    broken[-1] ^= 1
    newest.write_bytes(broken)
    (tmp_path / names[-2]).write_bytes(b"")
    loaded = snapshots.latest()
    assert loaded.seq == 10
    assert [notice[:25] for notice in loaded.notices] == [names[2][:25], names[1][:25]]


def test_snapshots_reach_back_a_quarter_of_an_hour_and_stay_few(tmp_path: Path):
    """Runtime 2.21 rule 7: a bundle begins at the snapshot nearest before its last 15 minutes."""
    snapshots, minute = Snapshots(tmp_path), 60 * SEC
    most = 0
    for number in range(200):
        now_ns = number * minute
        snapshots.write(number + 1, {"now_ns": now_ns})
        most = max(most, len(list(tmp_path.iterdir())))
        found = snapshots.before(now_ns - 15 * minute, number + 1)
        assert found.state is not None
        if number >= 20:
            assert 15 * minute <= now_ns - found.state["now_ns"] <= 20 * minute
    assert most <= 9
    assert snapshots.before(-1, 200).seq == min(int(path.name[9:25]) for path in tmp_path.iterdir()), "else the oldest"
