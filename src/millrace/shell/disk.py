"""The few things that the journal and the snapshots ask of a file system.

Small, so that a test can put a disk in its place that is full, forgets what was not synced, or fails a sync. Every
method either does what it says or raises OSError; the callers say in words what that means.
"""

import os
from pathlib import Path
from typing import Protocol


class AppendFile(Protocol):
    """A file that grows at its end."""

    def write(self, data: bytes) -> None:
        """Append all of `data`; on OSError some of it may have been written."""
        ...

    def sync(self) -> None:
        """Return when everything written is on the medium."""
        ...

    def truncate(self, size_bytes: int) -> None:
        """Cut the file to its first `size_bytes`; the next write goes there."""
        ...

    def close(self) -> None:
        """Release the file."""
        ...


class Disk(Protocol):
    """A file system."""

    def append(self, path: Path) -> AppendFile:
        """Open a file for appending; made when it is absent."""
        ...

    def read(self, path: Path, limit_bytes: int = -1) -> bytes:
        """Return a file's content, or no more than its first `limit_bytes`."""
        ...

    def replace(self, path: Path, data: bytes) -> None:
        """Put `data` in a file's place durably: afterwards, and after a crash, it is the old content or the new."""
        ...

    def remove(self, path: Path) -> None:
        """Delete a file."""
        ...

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in a folder; none when it is absent."""
        ...

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it."""
        ...

    def sync_folder(self, folder: Path) -> None:
        """Return when the folder's entries are on the medium."""
        ...

    def free_bytes(self, folder: Path) -> int:
        """Return what the folder's disk has left for this program."""
        ...


class _RealFile:
    def __init__(self, path: Path, *, syncs: bool = True) -> None:
        self._syncs = syncs
        self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[os.write(self._descriptor, view) :]

    def sync(self) -> None:
        if self._syncs:
            os.fsync(self._descriptor)

    def truncate(self, size_bytes: int) -> None:
        os.ftruncate(self._descriptor, size_bytes)

    def close(self) -> None:
        os.close(self._descriptor)


class RealDisk:
    """Implements `Disk` with the machine's file system; files are readable by their owner only.

    Without `syncs` what is appended is handed to the system and not awaited: it survives the death of the program, not
    of the machine.
    """

    def __init__(self, *, syncs: bool = True) -> None:
        self._syncs = syncs

    def append(self, path: Path) -> AppendFile:
        """Open a file for appending; made when it is absent."""
        return _RealFile(path, syncs=self._syncs)

    def read(self, path: Path, limit_bytes: int = -1) -> bytes:
        """Return a file's content, or no more than its first `limit_bytes`."""
        with path.open("rb") as file:
            return file.read(limit_bytes)

    def replace(self, path: Path, data: bytes) -> None:
        """Put `data` in a file's place durably, through a synced neighbour and a rename."""
        draft = path.with_name(path.name + ".draft")
        draft.unlink(missing_ok=True)
        file = _RealFile(draft)
        try:
            file.write(data)
            file.sync()
        except OSError:
            draft.unlink()  # a full disk has no room for half a file
            raise
        finally:
            file.close()
        draft.replace(path)
        self.sync_folder(path.parent)

    def remove(self, path: Path) -> None:
        """Delete a file."""
        path.unlink()

    def names(self, folder: Path) -> list[str]:
        """Return the sorted names in a folder; none when it is absent."""
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def make_folder(self, folder: Path) -> None:
        """Make a folder and those above it."""
        folder.mkdir(parents=True, exist_ok=True)

    def sync_folder(self, folder: Path) -> None:
        """Return when the folder's entries are on the medium."""
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def free_bytes(self, folder: Path) -> int:
        """Return what the folder's disk has left for a program without special rights."""
        found = os.statvfs(folder)
        return found.f_bavail * found.f_frsize
