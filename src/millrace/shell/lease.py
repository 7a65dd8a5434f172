"""One program per run folder and one per venue account; a second one is told who holds it (design section 5.7).

Two writers would give two histories to one account. A lease is an advisory lock on a small file, which the system
drops when its holder dies, however it dies; who holds it stands in the file for the person who must stop it. The folder
alone is not enough: two folders could trade the same account, so an account has a lease of its own, in a place that all
programs of one user on one machine share.
"""

import fcntl
import os
from collections.abc import Mapping
from hashlib import blake2b
from pathlib import Path
from typing import Final

from millrace.core.failure import WorldError

LOCK: Final = "lock"
"""Name of the file in the folder."""
_TEXT_BYTES: Final = 4096


class _Lease:
    """A locked file that says `holder`; raises WorldError, with `advice` and the present holder, when it is taken."""

    def __init__(self, path: Path, holder: str, what: str, advice: str) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            need = f"{path.parent} must be a folder that can be made and written"
            raise WorldError(f"{path} cannot be opened: {error.strerror or error}; {need}") from error
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, holder.encode(), 0)
        except BlockingIOError as error:
            taken_by = os.pread(self._descriptor, _TEXT_BYTES, 0).decode(errors="replace")
            os.close(self._descriptor)
            raise WorldError(f"{what} is in use by process {taken_by}; {advice}") from error
        except OSError as error:
            os.close(self._descriptor)
            raise WorldError(f"{path} cannot be locked: {error.strerror or error}") from error

    def close(self) -> None:
        """Let go; the file stays, because a program that waits for it may have it open."""
        os.close(self._descriptor)


class FolderLease(_Lease):
    """Holds a folder, which is made when it is absent; raises WorldError when another program holds it."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / LOCK, str(os.getpid()), str(folder), "stop it, or give another folder")


class AccountLease(_Lease):
    """Holds a venue account for the run in `folder`; raises WorldError when another program on this machine does."""

    def __init__(self, state: Path, venue: str, account: str, folder: Path) -> None:
        name = blake2b(f"{venue}\0{account}".encode(), digest_size=16).hexdigest()
        holder = f"{os.getpid()} for {folder.resolve()}"
        what = f"the account {account} at {venue}"
        super().__init__(state / "accounts" / name, holder, what, "an account belongs to one program; stop that one")


def state_folder(environment: Mapping[str, str], home: Path) -> Path:
    """Return where this user's programs keep what they share: MILLRACE_STATE_DIR, or the user's state directory."""
    named = environment.get("MILLRACE_STATE_DIR")
    if named:
        return Path(named)
    return Path(environment.get("XDG_STATE_HOME") or home / ".local" / "state") / "millrace"
