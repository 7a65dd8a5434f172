"""A disk in memory that loses what a real one may lose.

What was written is seen by everybody at once and is durable only after a sync; a new file, or its removal, only after
its folder is synced. A power loss keeps of the rest a part, perhaps followed by zeros, as file systems do. After a
failed sync the system counts as written what it could not write: a later sync succeeds and saves none of it. Errors
come while `failing` names the operation. Implements the shell's `Disk`.
"""

from typing import Final

from millrace.sim.plug import Killed, Plug

WRITING: Final = frozenset({"write", "replace", "append"})
"""What a full disk refuses."""
CHANGING: Final = frozenset({"write", "replace", "append", "truncate", "sync", "remove"})
"""What a read-only disk refuses."""
SYNCING: Final = frozenset({"sync"})
ROOMY_BYTES: Final = 2**40
NO_SPACE: Final = (28, "No space left on device")
IO_ERROR: Final = (5, "Input/output error")
READ_ONLY: Final = (30, "Read-only file system")
_ABSENT: Final = (2, "No such file or directory")


class _Node:
    """A file's content: `safe` bytes at its front are on the medium, all but the `lost` stretches of them."""

    __slots__ = ("data", "lost", "old_tail", "safe", "unsafe")

    def __init__(self) -> None:
        self.data = bytearray()
        self.safe = 0
        self.unsafe = 0
        """End of what a failed sync dropped; it begins at `safe`."""
        self.lost: list[tuple[int, int]] = []
        self.old_tail = b""
        """What an unsynced truncation cut from the safe part: a power loss may bring it back."""

    def truncate(self, size: int) -> None:
        if size < self.safe:
            self.old_tail = bytes(self.data[size : self.safe]) + self.old_tail
            self.safe = size
        self.unsafe = min(self.unsafe, size)
        self.lost = [(begin, min(end, size)) for begin, end in self.lost if begin < size]
        del self.data[size:]

    def sync(self) -> None:
        if self.unsafe > self.safe:
            self.lost.append((self.safe, self.unsafe))
        self.safe = self.unsafe = len(self.data)
        self.old_tail = b""

    def after_power_loss(self, draw: int) -> bytearray:
        """Return what is found afterwards: the safe part, and of what follows as much as `draw` says."""
        data = self.data[: self.safe]
        for begin, end in self.lost:
            data[begin:end] = bytes(end - begin)
        tail = bytes(self.data[self.safe :])
        if self.old_tail and draw % 2:
            return data + self.old_tail
        kept = draw // 2 % (len(tail) + 1)
        zeros = len(tail) - kept if draw // 8 % 4 == 0 else 0
        return data + tail[:kept] + bytes(zeros)


class MemoryDisk:
    """One machine's disk; `plug` may end the program before, within and after everything that it does.

    `room_bytes` is what it says is left; that it is full is said by `failing`.
    """

    def __init__(self, plug: Plug) -> None:
        self.failing: frozenset[str] = frozenset()
        self.error = NO_SPACE
        self.failures = 0
        self.room_bytes = ROOMY_BYTES
        self._plug = plug
        self._files: dict[str, _Node] = {}
        self._entered: dict[str, _Node] = {}

    def fail(self, operations: frozenset[str], error: tuple[int, str]) -> None:
        """Let these operations fail from now on; none: the disk is well again."""
        self.failing, self.error = operations, error

    def lose_power(self, draw: int) -> None:
        """Forget what was not durable; `draw` chooses what a real disk leaves to chance."""
        self._files = dict(self._entered)
        for number, node in enumerate(self._files.values()):
            node.data = node.after_power_loss(draw >> number % 16)
            node.safe, node.unsafe, node.lost, node.old_tail = len(node.data), 0, [], b""

    def content(self) -> dict[str, bytes]:
        """Return every file as it reads now."""
        return {name: bytes(node.data) for name, node in self._files.items()}

    def unsafe_bytes(self, folder: object) -> int:
        """Return how many bytes of the folder's files a power loss could take."""
        inside = f"{folder}/"
        return sum(len(node.data) - node.safe for name, node in self._files.items() if name.startswith(inside))

    def durable(self, folder: object) -> list[bytes]:
        """Return of each of the folder's files what no power loss can take."""
        inside = f"{folder}/"
        return [bytes(node.data[: node.safe]) for name, node in self._files.items() if name.startswith(inside)]

    def begin(self, operation: str) -> None:
        """Pass the place before an operation, or raise what makes it fail."""
        self._plug.at(f"before {operation}")
        if operation in self.failing:
            self.failures += 1
            raise OSError(*self.error)

    # The shell's Disk

    def append(self, path: object) -> "MemoryFile":
        """Open a file for appending; made when it is absent."""
        self.begin("append")
        return MemoryFile(self._files.setdefault(str(path), _Node()), self, self._plug)

    def read(self, path: object, limit_bytes: int = -1) -> bytes:
        """Return a file's content, or no more than its first `limit_bytes`."""
        node = self._files.get(str(path))
        if node is None:
            raise FileNotFoundError(*_ABSENT)
        return bytes(node.data if limit_bytes < 0 else node.data[:limit_bytes])

    def replace(self, path: object, data: bytes) -> None:
        """Put `data` in a file's place durably: afterwards, and after a crash, it is the old content or the new."""
        self.begin("replace")
        if "sync" in self.failing:
            raise OSError(*self.error)
        node = _Node()
        node.data += data
        node.sync()
        self._files[str(path)] = node
        self._enter(str(path).rpartition("/")[0])
        self._plug.at("after replace")

    def remove(self, path: object) -> None:
        """Delete a file."""
        self.begin("remove")
        if self._files.pop(str(path), None) is None:
            raise FileNotFoundError(*_ABSENT)
        self._plug.at("after remove")

    def names(self, folder: object) -> list[str]:
        """Return the sorted names in a folder; none when it is absent."""
        inside = f"{folder}/"
        found = [name.removeprefix(inside) for name in self._files if name.startswith(inside)]
        return sorted(name for name in found if "/" not in name)

    def make_folder(self, folder: object) -> None:
        """Make a folder: here a folder is the front of its files' names."""

    def sync_folder(self, folder: object) -> None:
        """Return when the folder's entries are on the medium."""
        self.begin("sync_folder")
        self._enter(str(folder))
        self._plug.at("after sync_folder")

    def free_bytes(self, folder: object) -> int:  # noqa: ARG002  there is one disk
        """Return what the disk has left."""
        return self.room_bytes

    def _enter(self, folder: str) -> None:
        """Make the folder's list of files durable as it is now: what was removed is gone for good."""
        inside = f"{folder}/"
        self._entered = {name: node for name, node in self._entered.items() if not name.startswith(inside)}
        self._entered |= {name: node for name, node in self._files.items() if name.startswith(inside)}


class MemoryFile:
    """An open file; implements the shell's `AppendFile`."""

    def __init__(self, node: _Node, disk: MemoryDisk, plug: Plug) -> None:
        self._node = node
        self._disk = disk
        self._plug = plug

    def write(self, data: bytes) -> None:
        """Append all of `data`; a full disk takes half of it before it says so."""
        try:
            self._disk.begin("write")
        except OSError as error:
            if error.errno == NO_SPACE[0]:
                self._node.data += data[: len(data) // 2]
            raise
        cut = self._plug.within(data)
        self._node.data += data if cut is None else data[:cut]
        if cut is not None:
            raise Killed(f"within write, {cut} of {len(data)} bytes")
        self._plug.at("after write")

    def sync(self) -> None:
        """Make everything written durable; when that fails the system believes that it did."""
        try:
            self._disk.begin("sync")
        except OSError:
            self._node.unsafe = len(self._node.data)
            raise
        self._node.sync()
        self._plug.at("after sync")

    def truncate(self, size_bytes: int) -> None:
        """Cut the file to its first `size_bytes`; the next write goes there."""
        self._disk.begin("truncate")
        self._node.truncate(size_bytes)
        self._plug.at("after truncate")

    def close(self) -> None:
        """Release the file."""
