"""A stream of bytes as frames: four bytes of length, big-endian, and that many bytes of payload.

A peer that announces an empty frame or one above the limit does not speak this protocol, and nothing behind such a
length can be told apart any more. So it is an error that ends the connection, and no length makes us hold more than the
limit.
"""

from collections.abc import Iterator
from typing import Final

from millrace.core.failure import WorldError

MAX_FRAME_BYTES: Final = 2**20
"""A venue's answer with all 225 open orders of a pair takes a twentieth of it."""
_LENGTH_BYTES = 4


def frame(payload: bytes) -> bytes:
    """Return the payload as a frame; raises ValueError for one that no peer would take."""
    if not 0 < len(payload) <= MAX_FRAME_BYTES:
        raise ValueError(f"a frame of {len(payload)} bytes; 1 to {MAX_FRAME_BYTES} can be sent")
    return len(payload).to_bytes(_LENGTH_BYTES, "big") + payload


class FrameReader:
    """Takes bytes as they come and gives whole payloads."""

    def __init__(self) -> None:
        self._bytes = bytearray()

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the payloads that are whole now; raises WorldError for a length that cannot be."""
        self._bytes += data
        while len(self._bytes) >= _LENGTH_BYTES:
            length = int.from_bytes(self._bytes[:_LENGTH_BYTES], "big")
            if not 0 < length <= MAX_FRAME_BYTES:
                raise WorldError(f"malformed frame: a length of {length} bytes, where 1 to {MAX_FRAME_BYTES} can be")
            end = _LENGTH_BYTES + length
            if len(self._bytes) < end:
                return
            payload = bytes(self._bytes[_LENGTH_BYTES:end])
            del self._bytes[:end]
            yield payload
