"""Which slots an operator wants out of the grid, and how far that has come (slots 18).

One request at a time and one slot of it at a time: a request for many stops at the first slot that cannot go, so each
must be gone before the next is begun. The record survives a restart, and the answer still bears the request's name.
"""

from typing import Any

import msgspec

from millrace.core.commands import Reply
from millrace.core.events import Operator


class _Saved(msgspec.Struct):
    queue: list[int]
    removed: list[int]
    confirm: bool
    request: str
    action: str
    ends_ns: int


class Removal:
    """`queue` holds the slots to go, the one in hand first; until `ends_ns` the venue may confirm its cancels."""

    def __init__(self) -> None:
        self.queue: list[int] = []
        self.removed: list[int] = []
        self.confirm = False
        self.request = ""
        self.action = ""
        self.ends_ns = 0

    @property
    def is_active(self) -> bool:
        """Whether a slot is on its way out."""
        return bool(self.queue)

    @property
    def slot_id(self) -> int | None:
        """The slot that is on its way out."""
        return self.queue[0] if self.queue else None

    def keeps_off(self, slot_id: int, *, exits: bool) -> bool:
        """Tell whether the slot may place nothing, or (`exits`) not even an exit: it goes with its position."""
        return slot_id == self.slot_id and (self.confirm or not exits)

    def begin(self, asked: Operator, slot_ids: list[int], *, confirm: bool) -> None:
        """Take a request."""
        self.queue, self.removed, self.confirm = list(slot_ids), [], confirm
        self.request, self.action = asked.request, asked.action

    def end(self, code: int, text: str, data: dict[str, Any], now_ns: int) -> Reply:
        """Return the final answer; nothing is being removed any more."""
        self.queue = []
        return Reply(self.request, self.action, code, text, data, now_ns)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return dict(vars(self)) | {"queue": list(self.queue), "removed": list(self.removed)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        vars(self).update(msgspec.structs.asdict(msgspec.convert(state, _Saved)))
