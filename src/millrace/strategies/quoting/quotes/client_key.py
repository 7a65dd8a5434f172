"""The name of an order: derived from what it is, so that an order sent twice is one order and a replay names it alike.

The core makes the venue's client id of it as of every intent key (design section 5.4).
"""

from hashlib import sha256

from millrace.core.commands import Side

_LENGTH = 20


def client_key(session: str, symbol: str, side: Side, level: int, generation: int) -> str:
    """Return the first 20 hex digits of a SHA-256 over session, symbol, side, level and generation (quoting 4.6).

    A session must never come back with generations that start anew.
    """
    named = f"{session}|{symbol}|{side.value}|{level}|{generation}"
    return sha256(named.encode()).hexdigest()[:_LENGTH]
