"""What the engine itself says to the restriction board: which trouble, and which bug, stops what.

A guard judges trading; these are the platform's own faults: storage that cannot be written, a venue that cannot say
what became of an order, an intent key with two payloads, code that raised. Each becomes one restriction whose id says
what it is about, so that it can be lifted by what ends it, or by an operator where nothing else may end it.

None of them says more than a replay would: an error's own text may hold addresses or the order of a set.
"""

from millrace.core.commands import Lift, Post
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.core.recovery_events import QueryAnswered, QueryFailed
from millrace.core.trouble_events import IntentKeyReused, StorageRecovered, StorageTrouble

STORAGE_ID = "storage/"
"""Opens the ids of restrictions that stand while a part of the storage cannot be written."""
UNKNOWN_ID = "unknown/"
"""Opens the ids of restrictions that stand while a venue cannot say what became of an order."""
KEY_ID = "key/"
"""Opens the ids of restrictions that stand because an intent key came back with another payload."""
EXCEPTION_ID = "core/exception"
"""Id of the restriction that stands after a step raised."""
GUARD_ID = "guard/"
"""Opens the ids of restrictions that stand because a guard raised."""
TROUBLES = (StorageTrouble, StorageRecovered, QueryFailed, QueryAnswered, IntentKeyReused)
"""The events that `said_of` answers."""
Trouble = StorageTrouble | StorageRecovered | QueryFailed | QueryAnswered | IntentKeyReused
_GLOBAL = Scope(ScopeKind.GLOBAL)


def said_of(event: Trouble, now_ns: int) -> list[Post | Lift]:
    """Return what a failing part or venue makes unsafe, or what may go on because it works again."""
    if isinstance(event, StorageTrouble):
        restriction_id = f"{STORAGE_ID}{event.part}"
        return [_halt(restriction_id, ReasonCode.STORAGE_TROUBLE, event.text, now_ns, Recovery.AUTO)]
    if isinstance(event, StorageRecovered):
        return [Lift(f"{STORAGE_ID}{event.part}", "written again", event.ts_ns)]
    if isinstance(event, QueryFailed):
        return [_venue_halt(event, now_ns)]
    if isinstance(event, QueryAnswered):
        return [Lift(f"{UNKNOWN_ID}{event.client_id}", "the venue answered", event.ts_ns)]
    return [key_halt(key, now_ns) for key in event.keys]


def key_halt(key: str, now_ns: int) -> Post:
    """Return the halt over an intent key that came back with another payload (design section 5.6)."""
    return _halt(f"{KEY_ID}{key}", ReasonCode.INTENT_KEY_REUSE, f"{key} came back with another payload", now_ns)


def bug_halt(restriction_id: str, reason: ReasonCode, culprit: str, error: Exception, now_ns: int) -> Post:
    """Return the halt over code that raised; only an operator lifts it."""
    text = f"{culprit}: {type(error).__name__}{_raised_in(error)}"
    return _halt(restriction_id, reason, text, now_ns)


def _halt(
    restriction_id: str, reason: ReasonCode, text: str, now_ns: int, recovery: Recovery = Recovery.OPERATOR
) -> Post:
    return Post(Restriction(restriction_id, _GLOBAL, Level.HALT, reason, text, "engine", now_ns, recovery=recovery))


def _venue_halt(event: QueryFailed, now_ns: int) -> Post:
    return Post(
        Restriction(
            f"{UNKNOWN_ID}{event.client_id}",
            Scope(ScopeKind.VENUE, event.venue),
            Level.HALT,
            ReasonCode.UNKNOWN_ORDER,
            event.text,
            "engine",
            now_ns,
            recovery=Recovery.AUTO,
        )
    )


def _raised_in(error: Exception) -> str:
    """Return the innermost function that raised, without lines or paths: equal wherever this code runs."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return "" if trace is None else f" in {trace.tb_frame.f_code.co_qualname}"
