"""What Emit remembers of a symbol from tick to tick: an immutable record, taken in and handed out.

A slot is one level of one side. Its generation names the order in it, so an order that a slot places anew never has the
name of an earlier one.
"""

from typing import NamedTuple

import msgspec

NEVER_MS = -1


class SlotMemory(NamedTuple):
    """The generation that the slot placed last (0: none), and when it was last changed without need.

    `replacing` is set between a cancel and the place that belongs to it: together they are one change.
    """

    generation: int = 0
    changed_ms: int = NEVER_MS
    replacing: bool = False


NEW_SLOT = SlotMemory()


class EmitState(msgspec.Struct, frozen=True, gc=False):
    """The slots of both sides by level, and until when nothing is placed or nudged after a spike."""

    bids: tuple[SlotMemory, ...] = ()
    asks: tuple[SlotMemory, ...] = ()
    cooldown_until_ms: int = 0
