"""What goes wrong with the messages of a book on their way, drawn from a hash like all faults of a world.

A change is lost, told twice, told after the one that follows it, or told with a wrong digit; an answer about a book is
lost; the whole stream is cut and connected anew. Each draw depends on the seed and on which message it is for, so one
seed is one history whatever else happens (runtime 2.4 A2 and A3, 2.21 rule 6).
"""

from collections import Counter
from enum import StrEnum
from typing import Final

import msgspec

from millrace.core.binary_events import BookLevel, StreamReset
from millrace.core.book_events import BookDelta, BookSnapshot
from millrace.core.events import Print
from millrace.core.instrument import InstrumentId
from millrace.sim.dice import Dice

Told = BookSnapshot | BookDelta | Print | StreamReset
"""What can be said to the program."""


class BookFault(StrEnum):
    """What happens to one message of a book."""

    LOST = "lost"
    TWICE = "twice"
    SWAPPED = "swapped"
    CORRUPT = "corrupt"
    RESET = "reset"


BOOK_FAULTS: Final = tuple(BookFault)
_ANSWERS_LOST_PPM: Final = 300_000


class BookFaultMenu(msgspec.Struct, frozen=True, gc=False):
    """How often a change meets a fault, from when until when, and which; each is as likely as the others."""

    seed: int
    share_ppm: int = 2_000
    from_ns: int = 0
    until_ns: int = 2**63 - 1
    faults: tuple[BookFault, ...] = BOOK_FAULTS


class BookFaults:
    """The fates of one feed's messages; `met` counts them."""

    def __init__(self, *menus: BookFaultMenu) -> None:
        self.met: Counter[BookFault] = Counter()
        self._menus = [(menu, Dice(menu.seed, "books")) for menu in menus]
        self._held: dict[InstrumentId, BookDelta] = {}

    def fate(self, row: BookSnapshot | BookDelta | Print) -> tuple[Told, ...]:
        """Return what the program is told instead of a message; its times are those of the message."""
        found = self._menu(row.ts_ns)
        if isinstance(row, Print):
            return (row,)
        held = self._held.pop(row.instrument, None)
        late: tuple[Told, ...] = () if held is None else (msgspec.structs.replace(held, ts_ns=row.ts_ns),)
        if found is None:
            return (row, *late)
        menu, dice = found
        what = (str(row.instrument), row.venue_ts_ns, row.seq)
        if isinstance(row, BookSnapshot):
            is_lost = row.requested_ns > 0 and dice.often(_ANSWERS_LOST_PPM, "answer", *what)
            self.met[BookFault.LOST] += is_lost
            return late if is_lost else (row, *late)
        if not dice.often(menu.share_ppm, "fault", *what):
            return (row, *late)
        fault = menu.faults[dice.draw("which", *what) % len(menu.faults)]
        self.met[fault] += 1
        if fault is BookFault.LOST:
            return late
        if fault is BookFault.TWICE:
            return (row, row, *late)
        if fault is BookFault.CORRUPT:
            return (corrupted(row), *late)
        if fault is BookFault.RESET:
            self._held.clear()
            return (StreamReset(row.instrument.venue, row.ts_ns),)
        self._held[row.instrument] = row
        return late

    def _menu(self, ts_ns: int) -> tuple[BookFaultMenu, Dice] | None:
        return next((found for found in self._menus if found[0].from_ns <= ts_ns < found[0].until_ns), None)


def corrupted(row: BookDelta) -> BookDelta:
    """Return a change with one digit wrong: of a size where a checksum shows it, of its number where only that can."""
    if row.checksum is None or not (row.bids or row.asks):
        return msgspec.structs.replace(row, first_seq=row.first_seq + 1)
    side = "bids" if row.bids else "asks"
    (ticks, lots), *others = getattr(row, side)
    return msgspec.structs.replace(row, **{side: (BookLevel(ticks, lots + 1), *others)})
