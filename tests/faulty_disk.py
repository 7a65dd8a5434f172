"""A disk and a ledger that fail when a test says so, for everything that must survive that."""

import errno
import os
from pathlib import Path

from millrace.core.commands import Command
from millrace.core.failure import WorldError
from millrace.core.ledger import CommitResult, LedgerStore
from millrace.shell.disk import AppendFile, RealDisk

FULL = frozenset({"write", "replace"})
READ_ONLY = frozenset({"write", "replace", "append", "truncate", "sync", "remove"})
SYNC = frozenset({"sync"})


class FaultyDisk(RealDisk):
    """The machine's file system, but the operations named in `failing` raise `error`; a full one tears its write.

    `after` lets so many failing operations pass before the first one fails.
    """

    def __init__(self) -> None:
        super().__init__()
        self.failing: frozenset[str] = frozenset()
        self.error = errno.ENOSPC
        self.after = 0
        self.failures = 0

    def fail(self, operations: frozenset[str], error: int = errno.ENOSPC, after: int = 0) -> None:
        self.failing, self.error, self.after = operations, error, after

    def heal(self) -> None:
        self.failing = frozenset()

    def check(self, operation: str) -> None:
        if operation not in self.failing:
            return
        if self.after:
            self.after -= 1
            return
        self.failures += 1
        raise OSError(self.error, os.strerror(self.error))

    def append(self, path: Path) -> AppendFile:
        self.check("append")
        return _FaultyFile(super().append(path), self)

    def replace(self, path: Path, data: bytes) -> None:
        self.check("replace")
        super().replace(path, data)

    def remove(self, path: Path) -> None:
        self.check("remove")
        super().remove(path)


class _FaultyFile:
    def __init__(self, file: AppendFile, disk: FaultyDisk) -> None:
        self.file, self.disk = file, disk

    def write(self, data: bytes) -> None:
        try:
            self.disk.check("write")
        except OSError as error:
            if error.errno == errno.ENOSPC:
                self.file.write(data[: len(data) // 2])
            raise
        self.file.write(data)

    def sync(self) -> None:
        self.disk.check("sync")
        self.file.sync()

    def truncate(self, size_bytes: int) -> None:
        self.disk.check("truncate")
        self.file.truncate(size_bytes)

    def close(self) -> None:
        self.file.close()


class FaultyLedger:
    """A ledger whose commits fail while `broken`; `batches` counts those that were tried."""

    def __init__(self, ledger: LedgerStore) -> None:
        self.ledger = ledger
        self.broken = False
        self.batches = 0

    def commit(self, commands: list[Command]) -> CommitResult:
        self.batches += 1
        if self.broken:
            raise WorldError("ledger cannot be used: database or disk is full")
        return self.ledger.commit(commands)

    def __getattr__(self, name: str) -> object:
        return getattr(self.ledger, name)
