"""One flipped bit anywhere in what a stopped program left is found and named, at a start and at a replay (runtime 2.21 A1)."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from millrace.config.load import load_settings
from millrace.core.events import Timer
from millrace.core.failure import WorldError
from millrace.core.journal_format import (
    HEADER_BYTES,
    Record,
    RecordKind,
    decode_header,
    encode_header,
    encode_record,
    read_segment,
)
from millrace.shell.disk import RealDisk
from millrace.shell.journal import Journal, read_journal
from millrace.shell.manifest import MANIFEST, STARTS_KEPT, RunStart, read_manifest, with_start, write_manifest
from millrace.shell.seals import SEALS, read_seals
from millrace.world.assemble import manifest

SEC = 10**9
EVENTS = 30


def write(folder: Path, *, stop: bool) -> None:
    journal = Journal(folder, segment_bytes=400)
    for seq in range(1, EVENTS + 1):
        journal.append_event(seq, Timer(seq * SEC))
        if seq % 7 == 0:
            journal.append_record(RecordKind.NOTE, b"\xf5MR\x1a a note")
    if stop:
        journal.close()
    else:
        journal.sync()


def whole(folder: Path) -> list[int]:
    return [step.seq for step in read_journal(folder)]


def trouble(what: Callable[[Path], object], folder: Path) -> str:
    """Return why a start or a reading was refused, "" when it was not."""
    try:
        what(folder)
    except WorldError as error:
        return str(error)
    return ""


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.fixture(scope="module")
def stopped(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("stopped")
    write(folder, stop=True)
    write_manifest(folder, with_start(manifest(load_settings()), RunStart(0, 5, "code", "digest", "first start")))
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("killed")
    write(folder, stop=False)
    return folder


def flipped(folder: Path, data: st.DataObject) -> tuple[Path, str, bytes]:
    """Return a copy of the folder in which one bit of one file is another, that file's name, and its bytes."""
    copy = folder.with_name("copy")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(folder, copy)
    name = data.draw(st.sampled_from(names(folder)))
    broken = bytearray((copy / name).read_bytes())
    bit = data.draw(st.integers(0, len(broken) * 8 - 1))
    broken[bit // 8] ^= 1 << bit % 8
    (copy / name).write_bytes(broken)
    return copy, name, bytes(broken)


def test_the_journal_has_what_the_tests_need(stopped: Path, killed: Path) -> None:
    assert len(names(stopped)) > 5
    assert {SEALS, MANIFEST} < {*names(stopped)}
    seals = read_seals(stopped, RealDisk())
    assert [(seal.number, seal.size_bytes) for seal in seals] == [
        (place, path.stat().st_size) for place, path in enumerate(sorted(stopped.glob("*.mrj")), 1)
    ]
    assert (seals[0].first_seq, seals[-1].last_seq) == (1, EVENTS)
    assert len(read_seals(killed, RealDisk())) == len(seals) - 1, "what is written now is not sealed"
    assert whole(stopped) == whole(killed) == list(range(1, EVENTS + 1))


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_after_a_stop_any_flipped_bit_stops_the_next_start(stopped: Path, data) -> None:
    folder, name, broken = flipped(stopped, data)
    readers = (read_manifest,) if name == MANIFEST else (Journal, whole)
    for start in readers:
        text = trouble(start, folder)
        assert name in text or (name in {MANIFEST, SEALS} and meaning(folder) == meaning(stopped)), (
            "such as 1E9 for 1e9"
        )
        assert (folder / name).read_bytes() == broken


def meaning(folder: Path) -> object:
    return read_manifest(folder), read_seals(folder, RealDisk())


@settings(max_examples=250, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_after_a_kill_a_flipped_bit_stops_the_next_start_or_is_told_as_a_torn_end(killed: Path, data) -> None:
    folder, name, _ = flipped(killed, data)
    text = trouble(whole, folder)
    if text:
        assert name in text
        assert name in trouble(Journal, folder)
    elif name != SEALS:
        torn = []
        assert name == max(killed.glob("*.mrj")).name
        assert [step.seq for step in read_journal(folder, on_torn=torn.append)] == list(range(1, EVENTS))
        assert Journal(folder).notices == [str(torn[0])]


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_a_segment_that_is_gone_is_named(stopped: Path, data) -> None:
    copy = stopped.with_name("gone")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(stopped, copy)
    lost = data.draw(st.sampled_from(sorted(stopped.glob("*.mrj")))).name
    (copy / lost).unlink()
    for start in (Journal, whole):
        with pytest.raises(WorldError, match=rf"{lost} is missing"):
            start(copy)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(st.data())
def test_an_end_that_is_gone_is_cut_with_a_notice_even_between_two_records(stopped: Path, data) -> None:
    """Runtime 2.16 A4; and the seal that knew more must not accuse what is written in its place."""
    copy = stopped.with_name("short")
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(stopped, copy)
    path = max(copy.glob("*.mrj"))
    size = path.stat().st_size
    cut = data.draw(st.integers(HEADER_BYTES, size - 1))
    path.write_bytes(path.read_bytes()[:cut])
    torn = []
    kept = [step.seq for step in read_journal(copy, on_torn=torn.append)]
    journal = Journal(copy, segment_bytes=10**6)
    assert [str(lost) for lost in torn] == journal.notices
    assert f"{path.name}: record torn at byte" in journal.notices[0]
    assert torn[0].offset + torn[0].lost_bytes == size
    for seq in range(journal.last_seq + 1, EVENTS + 9):
        journal.append_event(seq, Timer(-seq))
    journal.sync()
    assert whole(copy) == [*kept, *range(kept[-1] + 1, EVENTS + 9)]
    assert Journal(copy).last_seq == EVENTS + 8


def test_an_edited_segment_with_sound_checksums_is_not_believed(stopped: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(stopped, copy)
    path = max(copy.glob("*.mrj"))
    data = path.read_bytes()
    header = decode_header(data, path.name)
    records = [found for found in read_segment(data, path.name, last=True) if isinstance(found, Record)]
    records[-1] = records[-1]._replace(ts_ns=1)
    path.write_bytes(encode_header(header) + b"".join(encode_record(*record) for record in records))
    for start in (Journal, whole):
        with pytest.raises(WorldError, match=rf"{path.name} was exchanged or edited"):
            start(copy)


def test_seals_that_cannot_be_written_stop_nothing_and_are_written_with_the_next(tmp_path: Path) -> None:
    class Disk(RealDisk):
        full = True

        def replace(self, path, data):
            if self.full:
                raise OSError(28, "No space left on device")
            super().replace(path, data)

    disk = Disk()
    journal = Journal(tmp_path, disk, segment_bytes=200)
    for seq in range(1, EVENTS + 1):
        journal.append_event(seq, Timer(seq))
    assert not (tmp_path / SEALS).exists()
    disk.full = False
    journal.close()
    assert [seal.number for seal in read_seals(tmp_path, disk)] == list(range(1, len(list(tmp_path.glob("*.mrj"))) + 1))
    assert Journal(tmp_path).last_seq == EVENTS


def test_the_manifest_keeps_the_first_start_and_the_newest() -> None:
    made = manifest(load_settings())
    for number in range(STARTS_KEPT + 5):
        made = with_start(made, RunStart(number, number, "code", "digest", "continued"))
    assert len(made.starts) == STARTS_KEPT
    assert (made.starts[0].after_seq, made.starts[1].after_seq, made.starts[-1].after_seq) == (0, 6, STARTS_KEPT + 4)
