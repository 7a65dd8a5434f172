"""Bytes over TCP to one peer on this machine, without ever waiting inside a call.

A program that trades looks at its peer between two steps and must not hang there. What cannot be sent at once waits in
memory, bounded: a peer that reads too slowly is let go rather than waited for. An end of a stream has a reason that a
person can read; what was on its way then is lost, and those who sent it must ask what became of it.
"""

import select
import socket
from collections.abc import Iterable
from typing import Final, Protocol

from millrace.core.failure import WorldError

UNSENT_BYTES: Final = 16 * 2**20
"""What may wait for a peer that does not read."""
_READ_BYTES = 2**16
_HOST = "127.0.0.1"
_MS = 1_000_000


class Waitable(Protocol):
    """Something that `wait` can watch."""

    def fileno(self) -> int:
        """Return the descriptor; -1 when there is nothing to watch."""
        ...

    @property
    def wants_to_write(self) -> bool:
        """Whether it also waits for room to write."""
        ...


class Stream:
    """One connection; `ended` is why it is over, empty while it stands."""

    def __init__(self, connection: socket.socket, *, unsent_bytes: int = UNSENT_BYTES) -> None:
        connection.setblocking(False)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.ended = ""
        self._socket = connection
        self._unsent = bytearray()
        self._unsent_limit = unsent_bytes

    def fileno(self) -> int:
        """Return the descriptor; -1 once it has ended."""
        return self._socket.fileno()

    @property
    def wants_to_write(self) -> bool:
        """Whether something waits to be sent."""
        return bool(self._unsent)

    def send(self, data: bytes) -> None:
        """Send, or keep for later what the peer has no room for; nothing is sent on a stream that has ended."""
        if self.ended:
            return
        self._unsent += data
        self.flush()
        if len(self._unsent) > self._unsent_limit:
            self.end(f"the peer reads too slowly: {len(self._unsent)} bytes wait")

    def flush(self) -> None:
        """Send what waits, as far as there is room."""
        try:
            while self._unsent:
                del self._unsent[: self._socket.send(self._unsent)]
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            self.end(f"connection lost: {error.strerror or error}")

    def receive(self) -> bytes:
        """Return what has come; nothing when nothing has, or when the stream has ended."""
        if self.ended:
            return b""
        found = bytearray()
        try:
            while len(found) < UNSENT_BYTES:
                data = self._socket.recv(_READ_BYTES)
                if not data:
                    self.end("the peer closed the connection")
                    break
                found += data
        except (BlockingIOError, InterruptedError):
            pass
        except OSError as error:
            self.end(f"connection lost: {error.strerror or error}")
        return bytes(found)

    def end(self, reason: str) -> None:
        """Let go of the peer; the first reason stays."""
        if not self.ended:
            self.ended = reason
            self._unsent.clear()
            self._socket.close()


class Listener:
    """Takes connections from this machine on a free port."""

    wants_to_write = False

    def __init__(self) -> None:
        try:
            self._socket = socket.create_server((_HOST, 0))
        except OSError as error:
            raise WorldError(f"cannot listen on {_HOST}: {error.strerror or error}") from error
        self._socket.setblocking(False)
        self.port: int = self._socket.getsockname()[1]

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._socket.fileno()

    def accept(self) -> Stream | None:
        """Return the next peer; None when nobody waits."""
        try:
            connection, _ = self._socket.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return None
        return Stream(connection)

    def close(self) -> None:
        """Take nobody any more."""
        self._socket.close()


def dial(port: int) -> Stream:
    """Connect to a port of this machine; raises WorldError when nobody listens there."""
    try:
        return Stream(socket.create_connection((_HOST, port), timeout=1.0))
    except OSError as error:
        raise WorldError(f"nobody answers on {_HOST}:{port}: {error.strerror or error}") from error


class Leash:
    """The standard input of a process that must not outlive whoever started it."""

    wants_to_write = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def fileno(self) -> int:
        """Return the descriptor."""
        return self._descriptor

    def is_cut(self) -> bool:
        """Tell whether whoever held the other end is gone."""
        poll = select.poll()
        poll.register(self._descriptor, select.POLLIN)
        return bool(poll.poll(0))


def wait(watched: Iterable[Waitable], timeout_ns: int) -> None:
    """Return when one of them has something to read or room to write, or when the time (real, rounded up) is over."""
    poll = select.poll()
    for each in watched:
        if each.fileno() >= 0:
            poll.register(each.fileno(), select.POLLIN | (select.POLLOUT if each.wants_to_write else 0))
    poll.poll(max(0, -(-timeout_ns // _MS)))
