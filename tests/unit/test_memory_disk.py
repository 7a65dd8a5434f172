"""A disk that loses what a real one may lose, and a plug that ends the program at any place."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.events import Timer
from millrace.shell.journal import Journal, read_journal
from millrace.sim.memory_disk import IO_ERROR, NO_SPACE, SYNCING, WRITING, MemoryDisk
from millrace.sim.plug import Killed, Plug

PLACE = Path("run/file")


def made(content: bytes = b"") -> MemoryDisk:
    disk = MemoryDisk(Plug())
    file = disk.append(PLACE)
    file.write(content)
    file.sync()
    disk.sync_folder(PLACE.parent)
    return disk


@given(synced=st.binary(max_size=50), tail=st.binary(max_size=50), draw=st.integers(0, 2**64 - 1))
def test_a_power_loss_keeps_what_was_synced_and_a_part_of_the_rest_perhaps_with_zeros(synced, tail, draw) -> None:
    disk = made(synced)
    disk.append(PLACE).write(tail)
    disk.lose_power(draw)
    found = disk.read(PLACE)
    assert found.startswith(synced)
    rest = found[len(synced) :]
    kept = len(rest)
    while not tail.startswith(rest[:kept]):
        kept -= 1
    assert rest[kept:] == bytes(len(rest) - kept)
    assert len(rest) <= len(tail)


def test_a_file_and_a_removal_are_durable_with_their_folder_only() -> None:
    disk = made(b"old")
    disk.append(Path("run/new")).sync()
    disk.remove(PLACE)
    disk.lose_power(0)
    assert disk.names(PLACE.parent) == ["file"]
    disk.remove(PLACE)
    disk.sync_folder(PLACE.parent)
    disk.lose_power(0)
    assert disk.names(PLACE.parent) == []


def test_what_a_failed_sync_dropped_is_gone_though_a_later_sync_succeeds() -> None:
    disk = made(b"safe")
    file = disk.append(PLACE)
    file.write(b"lost")
    disk.fail(SYNCING, IO_ERROR)
    with pytest.raises(OSError, match="Input/output"):
        file.sync()
    disk.fail(frozenset(), NO_SPACE)
    file.write(b"kept")
    file.sync()
    assert disk.read(PLACE) == b"safelostkept", "the system still reads it from memory"
    disk.lose_power(0)
    assert disk.read(PLACE) == b"safe\0\0\0\0kept"


def test_a_full_disk_takes_half_a_write_and_no_new_file() -> None:
    disk = made()
    disk.fail(WRITING, NO_SPACE)
    for refused in (lambda: disk.append(Path("run/b")), lambda: disk.replace(PLACE, b"x")):
        with pytest.raises(OSError, match="No space"):
            refused()
    disk.fail(frozenset(), NO_SPACE)
    file = disk.append(PLACE)
    disk.fail(WRITING, NO_SPACE)
    with pytest.raises(OSError, match="No space"):
        file.write(b"abcd")
    assert disk.read(PLACE) == b"ab"


@given(draw=st.integers(0, 2**64 - 1), cut=st.integers(0, 3))
def test_an_unsynced_truncation_may_be_undone_by_a_power_loss(draw, cut) -> None:
    disk = made(b"abc")
    disk.append(PLACE).truncate(cut)
    disk.lose_power(draw)
    assert disk.read(PLACE) in {b"abc", b"abc"[:cut]}


def test_the_plug_pulls_where_it_is_told_and_what_is_dead_does_nothing_more() -> None:
    plug = Plug()
    disk = MemoryDisk(plug)
    file = disk.append(PLACE)
    plug.arm(1, at_byte=2)
    with pytest.raises(Killed, match="within write, 2 of 4"):
        file.write(b"abcd")
    for dead in (lambda: file.write(b"x"), file.sync, lambda: disk.replace(PLACE, b"x")):
        with pytest.raises(Killed):
            dead()
    assert disk.read(PLACE) == b"ab"
    plug.revive()
    file.write(b"e")
    assert disk.read(PLACE) == b"abe"


def test_a_journal_that_was_opened_again_after_a_failed_sync_survives_the_next_power_loss() -> None:
    """A start while the disk cannot sync, a second one when it can, and the power goes: nothing in between is missing.

    Found by a fault world: the second start read from the system's memory what the first one's sync had dropped.
    """
    disk = MemoryDisk(Plug())
    folder = Path("run")
    journal = Journal(folder, disk)
    journal.append_event(1, Timer(1))
    journal.sync()
    journal.append_event(2, Timer(2))
    journal.flush()
    disk.fail(SYNCING, IO_ERROR)
    with pytest.raises(OSError, match="Input/output"):
        disk.append(journal.path).sync()
    disk.fail(frozenset(), NO_SPACE)
    again = Journal(folder, disk)
    again.append_event(3, Timer(3))
    again.sync()
    disk.lose_power(0)
    assert [step.seq for step in read_journal(folder, disk)] == [1, 2, 3]
