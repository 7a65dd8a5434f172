"""A toy strategy that keeps changing its mind about orders that rest, on the world of `faulty_line`.

Each order is given new terms half a dozen times, larger and smaller, nearer and further, while quotes of small size
fill parts of it; then it is cancelled or priced to trade at once. Its draws come from a hash of order and step, so
whatever the line does, one seed is one history of wishes.
"""

from hashlib import blake2b
from typing import Any

import numpy as np

from faulty_line import ASK, BID, DOGE, LOTS, TICK_NS
from millrace.core.commands import Amend, Cancel, Intent, OrderState, OrderUpdate, Place, Refused, Side, Style
from millrace.core.events import Event, Timer
from millrace.core.ids import SubPosition
from millrace.core.strategy import Interest, SeriesSpec, View
from millrace.sim.candles import QuoteColumns

STEPS = 6


def drawn(*what: object) -> int:
    return int.from_bytes(blake2b(repr(what).encode(), digest_size=4).digest(), "little")


def nervous_quotes(seconds: int) -> QuoteColumns:
    """Return ten quotes a second whose ask, of small size, now and then dips to where orders rest."""
    rows = np.arange(1, seconds * 10, dtype=np.int64)
    dips = np.array([drawn("dip", int(row)) % 40 if drawn("now", int(row)) % 4 == 0 else 0 for row in rows], np.int64)
    sizes = np.array([drawn("size", int(row)) % 30 + 1 for row in rows], np.int64)
    asks = ASK - dips
    return QuoteColumns(ts_ns=rows * TICK_NS // 5, bid_ticks=asks - 20, ask_ticks=asks, bid_lots=sizes, ask_lots=sizes)


class Amender:
    """Works on `count` orders, `burst` new ones at every half second."""

    name = "buyer"

    def __init__(self, count: int, burst: int = 5) -> None:
        self.count = count
        self.burst = burst
        self.begun = 0
        self.next_ns = TICK_NS
        self.again: list[int] = []  # what the world waits for: nothing here
        self.steps: dict[str, int] = {}
        self.places: dict[str, Place] = {}
        self.busy: set[str] = set()
        self.answers = {"done": 0, "refused": 0, "not ours": 0, "by the board": 0}

    def series(self) -> tuple[SeriesSpec, ...]:
        return ()

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        if isinstance(event, OrderUpdate):
            self._news(event)
        elif isinstance(event, Refused):
            self.answers["by the board"] += 1
            self.busy.discard(event.place.key)
        elif isinstance(event, Timer) and event.ts_ns >= self.next_ns:
            self.next_ns = event.ts_ns + TICK_NS
            wanted = [intent for key in list(self.places) for intent in self._next(key)]
            last = min(self.begun + self.burst, self.count)
            wanted += [self._order(number) for number in range(self.begun, last)]
            self.begun = last
            return wanted
        return []

    def _news(self, update: OrderUpdate) -> None:
        key = update.place.key
        if update.amend is not None:
            said = "refused" if update.amend.reject else "done" if update.amend.revision else "not ours"
            self.answers[said] += 1
            self.busy.discard(key)
        if update.state.is_terminal:
            self.places.pop(key, None)
            self.busy.discard(key)
            return
        self.places[key] = update.place
        if update.state is OrderState.UNKNOWN or update.previous is OrderState.UNKNOWN:
            self.busy.discard(key)

    def _next(self, key: str) -> list[Intent]:
        if key in self.busy:
            return []
        step = self.steps[key] = self.steps.get(key, 0) + 1
        draw = drawn(key, step)
        if step > STEPS and draw % 2:
            return [Cancel(self.name, key, "over")]
        place = self.places[key]
        lots, limit = (LOTS + draw % 50, ASK) if step > STEPS else (LOTS // 2 + draw % LOTS, BID - draw % 37)
        amends: list[Intent] = [self._amend(key, lots, limit)]
        if (lots, limit) != (place.lots, place.limit_ticks):
            self.busy.add(key)  # until it is answered; the same terms again are no amend
        if step <= STEPS and draw % 31 == 0:
            amends.append(self._amend(key, LOTS, BID))  # one too many: refused
            amends.append(Cancel(self.name, key, "superseded"))
        return amends

    def _amend(self, key: str, lots: int, limit_ticks: int) -> Amend:
        return Amend(self.name, key, lots, limit_ticks, "moves")

    def _order(self, number: int) -> Place:
        leg = SubPosition(self.name, DOGE.id, str(number % 7), "B")
        limit = BID - drawn("limit", number) % 40
        return Place(DOGE.id, Side.BUY, LOTS, limit, Style.LIMIT, leg, False, f"{number}/1", "toy")

    def interest(self) -> Interest:
        return Interest(deadline_ns=self.next_ns, heartbeat_ns=self.next_ns)

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None: ...

    def status(self, view: View) -> dict[str, Any]:
        return {}
