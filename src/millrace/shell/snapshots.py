"""Snapshots of the core, so that a restart replays minutes and not months (runtime 1.4).

A file per snapshot, named by the number of the last event in it, put in place whole, and checked before it is believed.
Three generations are kept: when the newest is damaged the one before serves, and replays a longer tail to the same end.
Of the last quarter of an hour of the run's time one in five minutes is kept as well, and one from before it, for an
incident bundle to begin at.
"""

from hashlib import blake2b
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from millrace.core.codec import decode_state, encode_state
from millrace.core.failure import WorldError
from millrace.shell.disk import Disk, RealDisk

_KEPT: Final = 3
_WINDOW_NS: Final = 900 * 10**9
_RUNG_NS: Final = 300 * 10**9
_MARK: Final = b"MRSNAP02"
_CHECK_BYTES: Final = 16
_HEAD_BYTES: Final = len(_MARK) + _CHECK_BYTES + 16
"""Mark, checksum, number of the last event, the core's time."""
_PREFIX: Final = "snapshot-"
_SUFFIX: Final = ".mrs"


class Loaded(NamedTuple):
    """The newest sound snapshot; `seq` is the last event in it, `notices` name those that were damaged."""

    seq: int
    state: dict[str, Any] | None
    notices: list[str]


class Snapshots:
    """The snapshots of one folder; raises WorldError, naming file and reason, when the disk fails."""

    def __init__(self, directory: Path, disk: Disk | None = None) -> None:
        self._directory = directory
        self._disk: Disk = RealDisk() if disk is None else disk

    def write(self, seq: int, state: dict[str, Any]) -> str:
        """Write the state after event `seq`, delete those that nobody needs any more, and return the file's name.

        The core's time is taken from the state's `now_ns`.
        """
        name = f"{_PREFIX}{seq:016}{_SUFFIX}"
        ts_ns = int(state.get("now_ns", 0))
        body = seq.to_bytes(8, "little") + ts_ns.to_bytes(8, "little", signed=True) + encode_state(state)
        try:
            self._disk.make_folder(self._directory)
            self._disk.replace(self._directory / name, _MARK + _check(body) + body)
            for old in self._unneeded(ts_ns):
                self._disk.remove(self._directory / old)
        except OSError as error:
            text = f"snapshot {self._directory / name} cannot be written: {error.strerror or error}"
            raise WorldError(f"{text}; free or repair its disk") from error
        return name

    def _unneeded(self, now_ns: int) -> list[str]:
        """Return all but the newest three, the first of each five minutes of the window, and the last before it."""
        names = self._names()
        times = {name: _ts_ns(self._disk.read(self._directory / name, _HEAD_BYTES)) for name in names}
        rungs = {times[name] // _RUNG_NS: name for name in reversed(names)}
        kept = {name for rung, name in rungs.items() if (rung + 1) * _RUNG_NS > now_ns - _WINDOW_NS}
        kept.update(names[-_KEPT:])
        kept.update([name for name in names if times[name] <= now_ns - _WINDOW_NS][-1:])
        return [name for name in names if name not in kept]

    def latest(self, up_to_seq: int | None = None) -> Loaded:
        """Return the newest sound snapshot of an event up to this one; seq 0 and no state when there is none.

        A snapshot from behind the journal's end is of no use: events that follow it would leave a gap in the journal.
        """
        notices: list[str] = []
        try:
            for name in reversed(self._names()):
                data = self._disk.read(self._directory / name)
                state = _state(data)
                if state is None:
                    notices.append(f"{name}: damaged, the snapshot before it is used")
                elif up_to_seq is not None and _seq(data) > up_to_seq:
                    notices.append(f"{name}: the journal ends at event {up_to_seq}, the snapshot before it is used")
                else:
                    return Loaded(_seq(data), state, notices)
        except OSError as error:
            raise WorldError(f"snapshots {self._directory} cannot be read: {error.strerror or error}") from error
        return Loaded(0, None, notices)

    def before(self, ts_ns: int, up_to_seq: int) -> Loaded:
        """Return the newest sound snapshot whose core time is no later than this, else the oldest; seq 0 for none."""
        loaded = self.latest(up_to_seq)
        while loaded.state is not None and loaded.state.get("now_ns", 0) > ts_ns:
            older = self.latest(loaded.seq - 1)
            if older.state is None:
                break
            loaded = older
        return loaded

    def _names(self) -> list[str]:
        names = self._disk.names(self._directory)
        return [name for name in names if name.startswith(_PREFIX) and name.endswith(_SUFFIX)]


def _check(body: bytes) -> bytes:
    return blake2b(body, digest_size=_CHECK_BYTES).digest()


def _seq(data: bytes) -> int:
    return int.from_bytes(data[_HEAD_BYTES - 16 : _HEAD_BYTES - 8], "little")


def _ts_ns(data: bytes) -> int:
    return int.from_bytes(data[_HEAD_BYTES - 8 : _HEAD_BYTES], "little", signed=True)


def _state(data: bytes) -> dict[str, Any] | None:
    """Return the state of a sound snapshot, None for a damaged one."""
    head, body = data[: len(_MARK) + _CHECK_BYTES], data[len(_MARK) + _CHECK_BYTES :]
    if head != _MARK + _check(body):
        return None
    try:
        return decode_state(body[16:])
    except msgspec.DecodeError:
        return None
