"""How long requests and answers travel, drawn from a hash instead of a generator.

A delay depends on the seed, its purpose and the order's id and on nothing else, so two arms of an A/B test meet the
same luck and no order of calls changes a history (runtime 2.21 rules 3 and 6). One order's delays are constant: its
cancel cannot overtake it.
"""

from hashlib import blake2b

_WORD = 8


class Latency:
    """Travel times of one connection: a base each way plus a share of `jitter_ns` per order."""

    __slots__ = ("_jitter_ns", "_key", "_request_ns", "_response_ns")

    def __init__(self, seed: int, request_ns: int, response_ns: int, jitter_ns: int) -> None:
        self._key = blake2b(str(seed).encode(), digest_size=32).digest()
        self._request_ns = request_ns
        self._response_ns = response_ns
        self._jitter_ns = jitter_ns

    def request_ns(self, client_id: str) -> int:
        """Return the nanoseconds from sending a request to its arrival at the venue."""
        return self._request_ns + self._draw(client_id, b"request")

    def response_ns(self, client_id: str) -> int:
        """Return the nanoseconds from a change at the venue until we learn of it."""
        return self._response_ns + self._draw(client_id, b"response")

    def _draw(self, client_id: str, purpose: bytes) -> int:
        if not self._jitter_ns:
            return 0
        digest = blake2b(client_id.encode(), key=self._key, person=purpose, digest_size=_WORD).digest()
        return int.from_bytes(digest, "little") % (self._jitter_ns + 1)
