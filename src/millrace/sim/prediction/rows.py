"""One row of a generated universe's market data, and who is shown it.

It stands apart because quotes and trades are made in modules of their own and joined into one stream.
"""

from typing import NamedTuple

from millrace.core.binary_events import BinaryQuote, MarketResolved, StreamBeat, StreamReset
from millrace.core.events import Print


class Row(NamedTuple):
    """One thing that happens, and who is shown it: the venue's own book, the program, or both."""

    event: BinaryQuote | Print | StreamBeat | StreamReset | MarketResolved
    to_venue: bool
    to_program: bool

    @property
    def ts_ns(self) -> int:
        """When it happens."""
        return self.event.ts_ns
