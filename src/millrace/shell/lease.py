"""One program per run folder, and a second one is told who holds it (design section 5.7).

Two writers would give two histories to one account. The lease is an advisory lock on a small file, which the system
drops when its holder dies, however it dies; the holder's process id stands in the file for the person who must stop it.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from millrace.core.failure import WorldError

LOCK: Final = "lock"
"""Name of the file in the folder."""


class FolderLease:
    """Holds a folder, which is made when it is absent; raises WorldError when another program holds it."""

    def __init__(self, folder: Path) -> None:
        path = folder / LOCK
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise WorldError(f"{path} cannot be opened: {error.strerror or error}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, str(os.getpid()).encode(), 0)
        except BlockingIOError as error:
            holder = os.pread(self._descriptor, 32, 0).decode(errors="replace")
            os.close(self._descriptor)
            raise WorldError(f"{folder} is in use by process {holder}; stop it, or give another folder") from error
        except OSError as error:
            os.close(self._descriptor)
            raise WorldError(f"{path} cannot be locked: {error.strerror or error}") from error

    def close(self) -> None:
        """Let go of the folder; the file stays, because a program that waits for it may have it open."""
        os.close(self._descriptor)
