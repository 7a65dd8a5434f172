"""Several lines as one, for a loop that has to know only what arrives next and when.

What is taken off the line is at once handed on or asked about, so it is enough to remember whose it was. At equal times
the lines come in their order, which is that of the program's venues.
"""

from collections.abc import Sequence
from typing import Any

from millrace.sim.venue import Delivery
from millrace.world.simulation import Line


class Lines:
    """The lines to a program's venues, the spot venue's first; implements `Line`."""

    def __init__(self, lines: Sequence[Line]) -> None:
        self._lines = tuple(lines)
        self._last = self._lines[0]

    @property
    def next_ns(self) -> int:
        """When the next thing arrives; NEVER_NS when nothing is under way."""
        return min([line.next_ns for line in self._lines])

    def pop(self) -> tuple[int, str, Any]:
        """Take what arrives next: time, kind, payload."""
        self._last = min(self._lines, key=_next_ns)
        return self._last.pop()

    def arrive(self, kind: str, payload: Any, ts_ns: int) -> None:
        """Hand what was taken last to its venue."""
        self._last.arrive(kind, payload, ts_ns)

    def is_current(self, client_id: str, attempt: int) -> bool:
        """Tell whether the order of what was taken last has not been sent again since this attempt."""
        return self._last.is_current(client_id, attempt)

    def ask_time(self, now_ns: int) -> None:
        """Ask every venue for its time."""
        for line in self._lines:
            line.ask_time(now_ns)

    def answer(self, deliveries: list[Delivery]) -> None:
        """Put news of the spot venue that nobody asked for on its way; other feeds know their own lines."""
        self._lines[0].answer(deliveries)

    def reach(self, end_ns: int, due_ns: int) -> int:
        """Wait as the line that reaches least far does."""
        return min([line.reach(end_ns, due_ns) for line in self._lines])


def _next_ns(line: Line) -> int:
    return line.next_ns
