"""Every release that is under way, and what all of them came to: the part of the grid's state that release rules own.

A release takes several messages (cancel, its confirmation, perhaps a trade), and the program may be killed between any
two. What is under way is therefore a record of its own beside the slot's, in the same snapshot, and each message
looks it up; an exit whose release failed simply has no such record any more and is handled like any other exit.
"""

from typing import Any

import msgspec

from millrace.strategies.slots.slot import NEVER_NS, NO_HIGH

CONFIRM_NS = 10 * 1_000_000_000
"""How long a release waits for its cancel to be confirmed (slots 11.3)."""
MANUAL = 0


class Checks(msgspec.Struct, frozen=True, gc=False):
    """Which gates passed when the release was asked for."""

    age: bool
    distance: bool
    regime: bool
    recon: bool


class Running(msgspec.Struct, frozen=True, gc=False):
    """One release: the exit (negative id: a recovery), the tier that began it, and until when the cancel may take.

    `closing`: the exit is off the book and an order that takes what is there closes it; `net_usd` was booked before.
    `asked` names the request that waits for its last reply.
    """

    slot_id: int
    local_id: int
    tier: int
    until_ns: int
    checks: Checks
    closing: bool = False
    net_usd: float = 0.0
    asked: tuple[str, str] | None = None


class _Saved(msgspec.Struct):
    running: list[Running]
    totals: dict[str, int]
    loss_usd: float
    last_at: float | None
    tripped: bool
    latched: bool
    booked: int
    loop: int
    begun: int
    told_day: int
    hold_until_ns: int
    again: bool
    outlook: tuple[int, int]


class Releases:
    """Releases under way, counters, the recon trip that waits for a person, and the latch of tier 2.

    `tripped`: a release was followed by a drift that nobody has acknowledged. `latched`: tier 2 drains until its
    target. `loop` and `begun` count the releases that the tiers began in one loop, `again` asks for the next; after one
    of theirs failed they hold until `hold_until_ns`. They need to look when the price reaches `high_ticks` or the time
    `due_ns`.
    """

    def __init__(self) -> None:
        self._running: dict[tuple[int, int], Running] = {}
        self.totals = dict.fromkeys(("manual", "tier1", "tier2", "filled", "failed"), 0)
        self.loss_usd = 0.0
        self.last_at: float | None = None
        self.tripped = False
        self.latched = False
        self.booked = 0
        self.loop = -1
        self.begun = 0
        self.told_day = -1
        self.hold_until_ns = 0
        self.again = False
        self.high_ticks, self.due_ns = NO_HIGH, NEVER_NS

    def __len__(self) -> int:
        return len(self._running)

    def start(self, running: Running) -> None:
        """Note that a release is under way, or goes on under another id."""
        self._running[running.slot_id, running.local_id] = running

    def take(self, slot_id: int, local_id: int) -> Running | None:
        """Return and forget the release of an exit; None when none is under way."""
        return self._running.pop((slot_id, local_id), None) if self._running else None

    def is_closing(self, slot_id: int, local_id: int) -> bool:
        """Tell whether the exit is to be closed at the market."""
        running = self._running.get((slot_id, local_id)) if self._running else None
        return running is not None and running.closing

    def renamed(self, slot_id: int, old_id: int, new_id: int) -> None:
        """Follow an exit that became a recovery."""
        running = self.take(slot_id, old_id)
        if running is not None:
            self.start(msgspec.structs.replace(running, local_id=new_id))

    def forget_slot(self, slot_id: int) -> None:
        """Forget what is under way in a slot that is no more."""
        self._running = {key: running for key, running in self._running.items() if running.slot_id != slot_id}

    def overdue(self, now_ns: int) -> list[Running]:
        """Return, and forget, the releases whose cancel took too long, oldest first."""
        late = [running for running in self._running.values() if running.until_ns <= now_ns]
        for running in late:
            del self._running[running.slot_id, running.local_id]
        return late

    def until_ns(self) -> int:
        """Return when the next cancel has taken too long."""
        return min([running.until_ns for running in self._running.values()], default=NEVER_NS)

    def released(self, tier: int, net_usd: float, now: float) -> None:
        """Count a release that was booked."""
        self.totals["manual" if tier == MANUAL else f"tier{tier}"] += 1
        self.loss_usd += max(0.0, -net_usd)
        self.last_at = now

    @property
    def released_total(self) -> int:
        """Releases booked so far, by whoever."""
        return self.totals["manual"] + self.totals["tier1"] + self.totals["tier2"]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(
            list(self._running.values()), dict(self.totals), self.loss_usd, self.last_at, self.tripped, self.latched,
            self.booked, self.loop, self.begun, self.told_day, self.hold_until_ns, self.again,
            (self.high_ticks, self.due_ns),
        )  # fmt: skip
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._running = {(running.slot_id, running.local_id): running for running in saved.running}
        self.totals, self.loss_usd, self.last_at = saved.totals, saved.loss_usd, saved.last_at
        self.tripped, self.latched, self.booked = saved.tripped, saved.latched, saved.booked
        self.loop, self.begun, self.told_day = saved.loop, saved.begun, saved.told_day
        self.hold_until_ns, self.again = saved.hold_until_ns, saved.again
        self.high_ticks, self.due_ns = saved.outlook
