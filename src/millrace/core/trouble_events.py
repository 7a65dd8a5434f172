"""What stops the program or holds it back: a disk, a ledger, an endpoint that fails, and whoever wants a stop.

They are events like those of `core.events`, which joins them into the one union; they stand apart because guards and
the kernel answer them, and hardly a strategy. Each names the part or the venue that it is about.
"""

from enum import StrEnum
from typing import ClassVar

import msgspec

from millrace.core.permission import Scope


class StorageTrouble(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="storage_trouble"):
    """Journal or ledger cannot be written: nothing new may leave, cancels may."""

    part: str
    text: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class StorageRecovered(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="storage_recovered"):
    """The part can be written again and has caught up."""

    part: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class IntentKeyReused(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="key_reused"):
    """The ledger holds these keys with another payload: what came under them was not sent (design section 5.6)."""

    keys: tuple[str, ...]
    ts_ns: int
    is_market: ClassVar[bool] = False


class KillSource(StrEnum):
    """Where the wish to stop comes from (runtime 2.17 rule 1)."""

    FILE = "file"
    ENVIRONMENT = "environment"
    CONTROL = "control"
    AUTOMATIC = "automatic"


class KillRequested(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="kill"):
    """Somebody or something wants a scope to stop; `flatten_orders` also takes its orders off the book."""

    source: KillSource
    scope: Scope
    text: str
    flatten_orders: bool
    ts_ns: int
    is_market: ClassVar[bool] = False


class BreakerState(StrEnum):
    """Whether calls of one class may leave: all, none, or one probe at a time (runtime 2.18)."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"


class BreakerMoved(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="breaker"):
    """The breaker of a venue's endpoint class changed its state (runtime 2.18)."""

    venue: str
    endpoint: str
    state: BreakerState
    text: str
    ts_ns: int
    is_market: ClassVar[bool] = False


class ExecutorFailed(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="executor_failed"):
    """Carrying a command out raised; `again`: for the second time in a minute, so nothing more may leave there."""

    venue: str
    text: str
    again: bool
    ts_ns: int
    is_market: ClassVar[bool] = False


class CallWaited(msgspec.Struct, frozen=True, gc=False, tag_field="k", tag="call_waited"):
    """The call about an order leaves now and had to wait for our own pace before: that time is not the venue's."""

    strategy: str
    key: str
    waited_ns: int
    ts_ns: int
    is_market: ClassVar[bool] = False


TroubleEvent = (
    StorageTrouble | StorageRecovered | IntentKeyReused | KillRequested | BreakerMoved | ExecutorFailed | CallWaited
)
