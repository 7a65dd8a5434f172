"""What a grid remembers of the snapshot that it came from: where from, how long it holds still, and what it passes on.

A change of programs must not look like a change of mind: for its first ten loops a grid that was handed over moves and
writes off nothing of its own accord, so that whatever is wrong with the snapshot shows before it costs anything (slots
10, 17, P6). Fills that the other program had seen, its names for slots and what only it understood are kept for the
next snapshot.
"""

from typing import Any, Final

from millrace.strategies.slots.handover.grid_snapshot import GridSnapshot

QUIET_LOOPS: Final = 10


class Handover:
    """Empty in a grid that began by itself; `quiet_until_ns` is 0 then."""

    def __init__(self) -> None:
        self.source = ""
        self.since_ns = 0
        self.quiet_until_ns = 0
        self.seen_fills: list[tuple[str, float]] = []
        self.aliases: dict[str, str] = {}
        self.echo: dict[str, Any] = {}

    def begin(self, source: str, now_ns: int, first_loop_ns: int, loop_ns: int, snapshot: GridSnapshot) -> None:
        """Note where the grid came from; it holds still for the first ten loops from `first_loop_ns` on."""
        self.source, self.since_ns = source, now_ns
        self.quiet_until_ns = first_loop_ns + QUIET_LOOPS * loop_ns
        self.seen_fills = list(snapshot.seen_fills)
        self.aliases = dict(snapshot.aliases)
        self.echo = dict(snapshot.echo)

    def is_quiet(self, now_ns: int) -> bool:
        """Tell whether nothing may be moved yet that would stay where it is without a handover."""
        return now_ns < self.quiet_until_ns

    def status(self) -> dict[str, Any]:
        """Return the `handover` object; times in seconds, null in a grid that began by itself."""
        began = bool(self.source)
        return {
            "source": self.source,
            "since": self.since_ns / 1e9 if began else None,
            "quiet_until": self.quiet_until_ns / 1e9 if began else None,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "source": self.source,
            "since_ns": self.since_ns,
            "quiet_until_ns": self.quiet_until_ns,
            "seen_fills": [list(row) for row in self.seen_fills],
            "aliases": self.aliases,
            "echo": self.echo,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.source, self.since_ns = state["source"], state["since_ns"]
        self.quiet_until_ns = state["quiet_until_ns"]
        self.seen_fills = [(row[0], row[1]) for row in state["seen_fills"]]
        self.aliases, self.echo = dict(state["aliases"]), dict(state["echo"])
