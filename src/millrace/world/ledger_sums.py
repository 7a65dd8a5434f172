"""What a run's ledger adds up to, as the event that the grid compares its own sums with (slots 7.3).

The ledger is read here, outside of the core, and by the rules that the grid's own module gives: reading is the
program's business, what a record means is the strategy's.
"""

from millrace.core.events import LedgerSummed
from millrace.core.ledger import LedgerStore
from millrace.strategies.slots.books.pnl_audit import rebuild
from millrace.world.assemble import Program


def ledger_sums(ledger: LedgerStore, program: Program, now_ns: int, request: str = "") -> LedgerSummed:
    """Return the event; the ledger must hold everything that was decided."""
    name = program.grid.name
    records = [record for record in ledger.bookings() if record.strategy == name]
    return LedgerSummed(name, rebuild(records, ledger.fees(name), program.instrument, now_ns), now_ns, request)
