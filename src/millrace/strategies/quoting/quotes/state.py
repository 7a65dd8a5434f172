"""What Emit remembers of a symbol from tick to tick: an immutable record, taken in and handed out.

A slot is one level of one side. Its generation names the order in it, so an order that a slot places anew never has the
name of an earlier one.
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec

from millrace.core.commands import Side
from millrace.strategies.quoting.model import OrderIntent

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


def undone(after: EmitState, before: EmitState, waits: Iterable[OrderIntent]) -> EmitState:
    """Return the state after a tick whose actions in `waits` did not leave.

    Nothing was changed in their slots, so they may be wanted again at once. Names stay spent.
    """
    bids, asks = list(after.bids), list(after.asks)
    for intent in waits:
        slots, was = (bids, before.bids) if intent.side is Side.BUY else (asks, before.asks)
        if intent.level < len(slots):
            old = was[intent.level] if intent.level < len(was) else NEW_SLOT
            slots[intent.level] = old._replace(generation=slots[intent.level].generation)
    return EmitState(tuple(bids), tuple(asks), after.cooldown_until_ms)
