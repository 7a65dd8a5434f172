"""The audit of profit and loss: asked of the grid, answered when the ledger has been added up (slots 7.3, 18).

The grid cannot read the ledger, and a state that is compared with itself always agrees. So the request is answered
twice: that it has begun, and, when the program has put the ledger's sums to the grid, what the comparison found.
"""

from typing import Final

import msgspec

from millrace.core.commands import OK, REFUSED, Reply
from millrace.core.events import LedgerSummed, Operator
from millrace.core.requests import NoArguments, accepted
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.operator.action import OperatorAction
from millrace.strategies.slots.turn import Turn

AUDIT: Final = "audit_pnl"


def _ask(_grid: Grid, _turn: Turn, asked: Operator, _arguments: NoArguments) -> Reply:
    return accepted(asked, "the ledger is being added up", final=False)


def audited(grid: Grid, turn: Turn, event: LedgerSummed) -> None:
    """Compare, and tell whoever asked."""
    if event.strategy != grid.name:
        return
    audit = grid.audit
    states = {slot.slot_id: slot.state for slot in grid.slots.values()}
    audit.compare(states, grid.retired, grid.lock.loss_usd(turn.now_ns), event.sums, turn.now_ns)
    if audit.ok:
        code, text = OK, f"{audit.compared} sums agree with the ledger, the worst to {audit.worst:.3g}"
    else:
        first = audit.differences[0]
        code = REFUSED
        text = (
            f"{len(audit.differences)} of {audit.compared} sums differ from the ledger, the first: {first['subject']}"
            f" {first['name']} is {first['state']:.9f}, the ledger says {first['ledger']:.9f}"
        )
    turn.out.append(Reply(event.request, AUDIT, code, text, msgspec.to_builtins(audit.status()), turn.now_ns))


ACTIONS: Final = {AUDIT: OperatorAction(NoArguments, _ask, "compare every running sum with the ledger's records")}
