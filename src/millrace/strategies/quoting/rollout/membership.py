"""Which symbols a step of the ramp takes in: always the same ones, in any process, and a larger step holds the smaller.

Their order is that of a hash of salt and name, so nobody chooses the easy symbols first, and a symbol that is added or
leaves moves no other one by more than a place (quoting 8).
"""

from collections.abc import Iterable
from hashlib import sha256

_FULL_PCT = 100


def ramp_order(symbols: Iterable[str], salt: str) -> list[str]:
    """Return the symbols in the order in which they join."""
    return sorted(set(symbols), key=lambda symbol: (sha256(f"{salt}:{symbol}".encode()).digest(), symbol))


def members(
    symbols: Iterable[str], pct: int, salt: str, pinned_in: Iterable[str] = (), pinned_out: Iterable[str] = ()
) -> frozenset[str]:
    """Return the symbols on the pipeline at a step of `pct` percent: the first ceil(pct x n / 100) by hash.

    Pins override the hash at every step above 0, where nobody is in; out beats in.
    """
    known = set(symbols)
    if pct <= 0:
        return frozenset()
    count = -(-min(pct, _FULL_PCT) * len(known) // _FULL_PCT)
    chosen = set(ramp_order(known, salt)[:count]) | (known & set(pinned_in))
    return frozenset(chosen - set(pinned_out))
