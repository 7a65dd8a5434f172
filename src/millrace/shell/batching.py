"""Joins calls that leave at one moment into as few requests as the venue's rules allow (quoting 4.6, 12).

Nothing waits for a batch. The executor takes what the budget lets go now, call by call and in the order of its ranks,
with every look that a single call gets; only then is what belongs together put into one request. A lone call stays one.
What an item of a batch becomes is told item by item and handled as if it had left alone. Nobody but the line and the
figures here knows that there was a batch, and the breaker, to whom it is one call.
"""

from collections import Counter, deque
from typing import Final

from msgspec import Struct

from millrace.capacity.batch_rules import BatchRules
from millrace.core.commands import Approved, ApprovedAmend, CancelOrder
from millrace.core.instrument import InstrumentId
from millrace.risk.breakers import Outcome
from millrace.shell.venue_port import Order, VenuePort

OPS: Final = ("place", "amend", "cancel")
WINDOW: Final = 500
"""Batches over which the share of failures is taken, the newest ones."""
LEAST: Final = 100
"""Batches that a share is taken of at least: fewer count as so many, or the first accident would be a large share."""
_Key = tuple[str, str]


def op_of(call: Order) -> str:
    """Return what a call does: "place", "amend" or "cancel"."""
    if isinstance(call, CancelOrder):
        return "cancel"
    return "place" if isinstance(call, Approved) else "amend"


class _Batch(Struct, gc=False):
    """A batch under way: what it does, the items without an answer, whether one failed, and what of a call it was."""

    op: str
    left: int
    failed: bool = False
    became: Outcome = Outcome.FAILED


class BatchTally:
    """What batches saved, and how many of them failed in part (quoting 8, 9)."""

    def __init__(self) -> None:
        self.saved: Counter[str] = Counter()
        self._is_over = False
        self._under_way: dict[_Key, _Batch] = {}
        self._failed: dict[str, deque[bool]] = {op: deque(maxlen=WINDOW) for op in OPS}

    def sent(self, frame: list[Order]) -> None:
        """Note that several items leave in one call."""
        op = op_of(frame[0])
        self.saved[op] += len(frame) - 1
        if self._is_over:
            return
        batch = _Batch(op, len(frame))
        for call in frame:
            key = op, call.client_id
            self.ended(key, Outcome.FAILED, failed=True)  # what is sent again has had no answer
            self._under_way[key] = batch

    def ended(self, key: _Key, outcome: Outcome, *, failed: bool) -> Outcome | None:
        """Note what became of a call, which may have been an item of a batch, and return what the call became.

        A batch is one call: it ends with its last item, and nobody answered it, or it was refused for its pace if an
        item was, or it was answered. None before that.
        """
        batch = self._under_way.pop(key, None)
        if batch is None:
            return outcome
        batch.left -= 1
        batch.failed |= failed
        if outcome is Outcome.TOO_FAST or batch.became is Outcome.FAILED:
            batch.became = outcome
        if batch.left:
            return None
        self._failed[batch.op].append(batch.failed)
        return batch.became

    def give_up(self) -> None:
        """Judge no batch from now on, because nobody tells any more what becomes of calls."""
        self._is_over = True
        self._under_way.clear()

    def fail_rate(self, op: str) -> float:
        """Return the share of the newest batches of which at least one item failed; 0 without any."""
        judged = self._failed[op]
        return sum(judged) / max(len(judged), LEAST)


class Joiner:
    """The calls of one rank that leave at this moment; `tally` None where nobody counts them."""

    def __init__(self, port: VenuePort, rules: BatchRules, tally: BatchTally | None) -> None:
        self._port = port
        self.rules = rules
        self._tally = tally
        self._frames: list[list[Order]] = []
        self._open: dict[tuple[str, InstrumentId | None], list[Order]] = {}

    def is_paid(self, call: Order) -> bool:
        """Tell whether a call costs nothing, because it rides with one that was paid for."""
        op, instrument = op_of(call), _instrument(call)
        rule = self.rules.of(op)
        frame = self._open.get(self.rules.group(op, instrument), ())
        return len(frame) < rule.most and len(frame) % rule.per_call > 0

    def add(self, call: Order) -> None:
        """Take a call that leaves now."""
        op = op_of(call)
        group = self.rules.group(op, _instrument(call))
        frame = self._open.get(group)
        if frame is None or len(frame) >= self.rules.of(op).most:
            frame = self._open[group] = []
            self._frames.append(frame)
        frame.append(call)

    def take(self) -> list[list[Order]]:
        """Return, once, what was joined, in the order of the first calls."""
        frames, self._frames = self._frames, []
        self._open.clear()
        return frames

    def send(self, frame: list[Order], now_ns: int) -> None:
        """Send calls that were joined."""
        call = frame[0]
        if len(frame) > 1:
            if self._tally is not None:
                self._tally.sent(frame)
            self._port.send_batch(tuple(frame), now_ns)
        elif isinstance(call, CancelOrder):
            self._port.cancel(call.instrument, call.client_id, now_ns)
        elif isinstance(call, Approved):
            self._port.place(call, now_ns)
        else:
            self._port.amend(call, now_ns)


def _instrument(call: Order) -> InstrumentId:
    return call.order.instrument if isinstance(call, Approved | ApprovedAmend) else call.instrument
