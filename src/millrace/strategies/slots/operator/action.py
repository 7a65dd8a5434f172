"""What an operator's action is: the record of its arguments, the function that carries it out, a line that tells of it.

Each part of the grid that can be asked for something offers its own actions; `operate` joins them into the one table
that the program, its command line and its tests read (slots 18).
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import msgspec

from millrace.core.commands import Reply
from millrace.core.events import Operator
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.turn import Turn


class OperatorAction(NamedTuple):
    """One row of the table: `carry_out(grid, turn, asked, arguments)` acts and returns the reply.

    A reply that is not `final` is followed by another one with the same `request`, which the part keeps until then.
    """

    arguments: type[msgspec.Struct]
    carry_out: Callable[[Grid, Turn, Operator, Any], Reply]
    summary: str
