"""What may be asked of a running program, from the tables of those who answer, so that no list can fall behind.

The command line prints it and refuses what is not in it; the program itself answers an unknown action the same way.
"""

from millrace.risk import reconciliation, stops
from millrace.shell.mailbox import RELOAD, RESTRICTIONS, STATUS
from millrace.strategies.arb.operator import actions as desk
from millrace.strategies.quoting import operator as quotes
from millrace.strategies.slots.operator import actions as operate


def actions() -> dict[str, str]:
    """Return a line for each action by its name: the grid's, the desks', the guards' and the program's own."""
    return {
        **{name: action.summary for name, action in operate.ACTIONS.items()},
        **{name: action.summary for name, action in desk.ACTIONS.items()},
        **{name: action.summary for name, action in quotes.ACTIONS.items()},
        **stops.ACTIONS,
        **reconciliation.ACTIONS,
        RELOAD: "change settings while the program runs: SECTION.KEY=VALUE ..., dry_run=true",
        RESTRICTIONS: "list what restricts trading",
        STATUS: "show the whole status of grid and desks and of what is around them",
    }
