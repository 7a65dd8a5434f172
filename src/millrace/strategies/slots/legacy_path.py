"""The one door to the legacy path: the grid asks here, and goes on without it when it is not there (slots 20.2 P5).

Nothing else in the program imports the folder `legacy`; it is loaded when it is first asked, because its parts stand on
the reducer and the grid, which in turn ask it. With the folder deleted exits wait for ever, as sticky ones do.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from millrace.strategies.slots.grid import Grid
    from millrace.strategies.slots.operator.action import OperatorAction
    from millrace.strategies.slots.reducer.actions import Action
    from millrace.strategies.slots.reducer.model import Recovery, SlotConfig, SlotState
    from millrace.strategies.slots.reducer.volume import Sizes
    from millrace.strategies.slots.slot import Slot
    from millrace.strategies.slots.turn import Turn

_FOLDER = "millrace.strategies.slots.legacy"
_NEVER_NS = 2**63 - 1


class _Parts(NamedTuple):
    time_out_exits: "Callable[[SlotState, SlotConfig, Sizes], list[Action]]"
    time_out_due_ns: "Callable[[Grid, Turn, Slot], int]"
    takes_over: "Callable[[Grid, Turn, Slot, Recovery], bool]"
    actions: "dict[str, Any]"


@cache
def _parts() -> _Parts | None:
    try:
        from millrace.strategies.slots.legacy import closing, due, time_outs  # noqa: PLC0415  they import the askers
    except ModuleNotFoundError as error:
        if error.name != _FOLDER:
            raise
        return None
    return _Parts(time_outs.time_out_exits, due.time_out_due_ns, closing.takes_over, closing.ACTIONS)


def is_there() -> bool:
    """Tell whether this build has the legacy path."""
    return _parts() is not None


def time_out_exits(state: "SlotState", cfg: "SlotConfig", sizes: "Sizes") -> "list[Action]":
    """Return what the non-sticky timer asks for (slots 2.4)."""
    parts = _parts()
    return [] if parts is None else parts.time_out_exits(state, cfg, sizes)


def time_out_due_ns(grid: "Grid", turn: "Turn", slot: "Slot") -> int:
    """Return when an exit of a non-sticky slot may time out."""
    parts = _parts()
    return _NEVER_NS if parts is None else parts.time_out_due_ns(grid, turn, slot)


def takes_over(grid: "Grid", turn: "Turn", slot: "Slot", recovery: "Recovery") -> bool:
    """Tell whether a recovery that is to be placed was given up instead."""
    parts = _parts()
    return parts is not None and parts.takes_over(grid, turn, slot, recovery)


def actions() -> "dict[str, OperatorAction]":
    """Return the operator's actions of the legacy path."""
    parts = _parts()
    return {} if parts is None else parts.actions
