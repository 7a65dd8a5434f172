"""Kill orders: how a person or a machine says "stop", wherever it is written (runtime 2.17 rules 1 and 2).

A file and the environment say it in the same few words, and what cannot be understood means everything: a stop that
asks back is none. Each line is `[SCOPE] [flatten]`, where SCOPE is `global` or `kind:name` (`venue:kraken`,
`strategy:slots`, `lane:slots`, `market:kraken:DOGE/USD`, `family:DOGE/USD`); no line at all is a global kill, so that
an empty file is enough.
"""

from typing import Protocol

import msgspec

from millrace.core.ids import SubPosition
from millrace.core.permission import Scope, ScopeKind, scopes_of
from millrace.core.trouble_events import KillSource

GLOBAL = Scope(ScopeKind.GLOBAL)
KILL_ID = "kill/"
"""Opens the ids of restrictions that a kill posts."""
_FLATTEN = "flatten"


class KillOrder(msgspec.Struct, frozen=True, gc=False):
    """A wish to stop a scope; with `flatten` its orders also leave the book. `text` says where it is written."""

    source: KillSource
    scope: Scope
    flatten: bool
    text: str

    @property
    def restriction_id(self) -> str:
        """Id of the restriction that stands for it."""
        return kill_id(self.source, self.scope)


class KillFile(Protocol):
    """Where kills stand outside the program; asked before every send, so it must be cheap and may not raise."""

    def standing(self) -> tuple[KillOrder, ...]:
        """Return the kills that stand now; what cannot be read is a global one."""
        ...


class HeldKills:
    """A kill file in memory: for simulations, and where nobody can write one."""

    def __init__(self, *orders: KillOrder) -> None:
        self.orders = orders

    def standing(self) -> tuple[KillOrder, ...]:
        """Return what it was given."""
        return self.orders


def kill_id(source: KillSource, scope: Scope) -> str:
    """Return the id of a kill's restriction: one for each source and scope, so that repeating it changes nothing."""
    return f"{KILL_ID}{source.value}/{scope}"


def kill_over(orders: tuple[KillOrder, ...], position: SubPosition) -> KillOrder | None:
    """Return the first kill that covers orders of a sub-position; None when none does."""
    if not orders:
        return None
    scopes = scopes_of(position)
    return next((order for order in orders if order.scope in scopes), None)


def read_scope(text: str) -> Scope | None:
    """Return the scope of `global` or `kind:name`; None for anything else."""
    kind, colon, name = text.partition(":")
    if text == ScopeKind.GLOBAL.value:
        return GLOBAL
    kinds = {member.value for member in ScopeKind} - {ScopeKind.GLOBAL.value}
    return Scope(ScopeKind(kind), name) if kind in kinds and colon and name else None


def read_kills(text: str, source: KillSource, where: str) -> tuple[KillOrder, ...]:
    """Return the kills of a text; lines end at a newline or `;`, and `#` begins a comment."""
    found = []
    for line in text.replace(";", "\n").splitlines():
        words = line.partition("#")[0].split()
        if not words:
            continue
        flatten = words[-1] == _FLATTEN
        scope_words = words[:-1] if flatten else words
        scope = read_scope(scope_words[0]) if len(scope_words) == 1 else GLOBAL if not scope_words else None
        if scope is None:
            found.append(KillOrder(source, GLOBAL, flatten, f"{where} says {line.strip()!r}, which names no scope"))
        else:
            found.append(KillOrder(source, scope, flatten, where))
    return tuple(found) or (KillOrder(source, GLOBAL, False, where),)


def unreadable(source: KillSource, where: str, why: str) -> tuple[KillOrder, ...]:
    """Return the global kill that stands for one that cannot be read."""
    return (KillOrder(source, GLOBAL, False, f"{where} cannot be read: {why}"),)
