"""The memory of one stream of observations of one market, and the verdict that follows from it (runtime 2.2).

Spot and outcomes differ in what can be wrong with a single observation; what then happens is the same and stands here.
What is wrong is rejected, what is unlikely waits, what comes too often puts the market into quarantine, and only what
is accepted becomes the baseline of the next. An unlikely state that was confirmed stays believed while it lasts.
"""

from typing import Any, NamedTuple

import numpy as np

from millrace.core.data_quality import QuoteReason, Verdict
from millrace.market.firewall_settings import FirewallSettings, ns
from millrace.market.jump_scale import JumpScale, memory_begins_ns
from millrace.market.quarantine import Quarantine
from millrace.market.suspicion import Belief, Measure, Suspicion, read_measures, saved_measures
from millrace.market.waiting_rows import MOST_ROWS, WaitingRows

_QUARANTINED = (QuoteReason.QUARANTINED,)


class Opinion(NamedTuple):
    """A verdict with its reasons and what was measured; an accepted one with reasons is a level shift, confirmed."""

    verdict: Verdict
    reasons: tuple[QuoteReason, ...]
    measures: tuple[Measure, ...] = ()


LATE = Opinion(Verdict.REJECT, (QuoteReason.OUT_OF_ORDER,))
TWICE = Opinion(Verdict.REJECT, (QuoteReason.DUPLICATE,))


class Watch:
    """One stream. `middle` is twice the last accepted middle price in ticks, None when there is no baseline."""

    __slots__ = (
        "_max_age_ns",
        "_scale",
        "_share",
        "believed",
        "is_plain",
        "middle",
        "middle_ns",
        "quarantine",
        "suspicion",
        "waiting",
    )

    def __init__(self, settings: FirewallSettings) -> None:
        self.suspicion = Suspicion(settings)
        self.quarantine = Quarantine(settings)
        self.waiting = WaitingRows()
        self._scale = JumpScale()
        self._max_age_ns = ns(settings.baseline_max_age_sec)
        self.middle: int | None = None
        self.middle_ns = 0
        self.is_plain = False
        self.believed: tuple[Measure, ...] = ()
        self._share = settings.confirm_share

    def forget(self) -> None:
        """Forget the baseline and what is suspected: the stream began anew."""
        self._count()
        self.suspicion.clear()
        self.believed = ()
        self.middle = None
        self.is_plain = False

    def accept(self, middle: int | None, ts_ns: int) -> None:
        """Take a plainly acceptable observation."""
        if middle is not None:
            if self.waiting.count:
                self.waiting.add(ts_ns, middle)
            elif self.middle is not None:
                self._scale.add(ts_ns, abs(middle - self.middle))
            self.middle, self.middle_ns = middle, ts_ns
        self.is_plain = True

    def accept_block(self, times: bytes, one: bytes, other: bytes, middle: int, ts_ns: int) -> None:
        """Take a block of ordinary rows, its times and the two prices whose sum is the middle as bytes.

        `middle` and `ts_ns` are the last row's.
        """
        if not self.waiting.count and self.middle is not None:
            self.waiting.begin(self.middle_ns, self.middle)
        self.waiting.add_block(times, one, other)
        self.middle, self.middle_ns = middle, ts_ns
        self.is_plain = True
        if self.waiting.count > MOST_ROWS:
            self._count()

    def usual_move(self, now_ns: int) -> float:
        """Return how far the middle usually moves from one observation to the next, doubled as it is."""
        self._count()
        return self._scale.mean(now_ns)

    def _count(self) -> None:
        """Count the moves of the rows that wait and still count; one from a baseline that was too old is none."""
        if not self.waiting.count:
            return
        ts_ns, middle = self.waiting.take(memory_begins_ns(self.middle_ns))
        moves, times = np.abs(middle[1:] - middle[:-1]), ts_ns[1:]
        near = times - ts_ns[:-1] <= self._max_age_ns
        if near.any():
            self._scale.add_many(times[near], moves[near])

    def reject(self, reasons: tuple[QuoteReason, ...], ts_ns: int) -> Opinion:
        """Take one that is wrong."""
        self.is_plain = False
        self.quarantine.strike(ts_ns)
        return Opinion(Verdict.REJECT, reasons)

    def settle(
        self, measures: tuple[Measure, ...], version: int, middle: int | None, ts_ns: int, *, snapshot: bool
    ) -> Opinion | None:
        """Take one that is well formed; `measures` say why it may not be true, none that it is ordinary.

        `snapshot`: it was asked for and shows the whole market. Suspect ones that agree are one bad observation, not
        many. Returns None for one that is plainly accepted.
        """
        self._count()
        suspicion = self.suspicion
        known = tuple(old for old in self.believed if any(self._is_still(old, seen) for seen in measures))
        measures = tuple(seen for seen in measures if not any(self._is_still(old, seen) for old in known))
        reasons = tuple(measure.reason for measure in measures)
        if measures:
            belief = suspicion.weigh(measures, version, ts_ns, snapshot=snapshot)
            if belief is not Belief.TRUE:
                self.is_plain = False
                if belief is Belief.NEW:
                    self.quarantine.strike(ts_ns)
                return Opinion(Verdict.SUSPECT, reasons, measures)
        suspicion.clear()
        self.believed = (*known, *(seen for seen in measures if seen.reason is not QuoteReason.PRICE_JUMP))
        held = not self.quarantine.admits(ts_ns, verified=snapshot)
        if measures or held:  # neither a level shift nor a market in quarantine says how far prices usually move
            if middle is not None:
                self.middle, self.middle_ns = middle, ts_ns
            self.is_plain = not held
        else:
            self.accept(middle, ts_ns)
        if held:
            return Opinion(Verdict.REJECT, _QUARANTINED)
        return Opinion(Verdict.ACCEPT, reasons, measures) if measures else None

    def _is_still(self, old: Measure, seen: Measure) -> bool:
        """Tell whether what is seen is the unlikely state that was confirmed and has lasted since."""
        return old.reason is seen.reason and seen.is_near(old, self._share)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        self._count()
        return {
            "suspicion": self.suspicion.snapshot() if self.suspicion.since_ns else None,
            "believed": saved_measures(self.believed),
            "quarantine": self.quarantine.snapshot(),
            "scale": self._scale.snapshot(self.middle_ns),
            "middle": [self.middle, self.middle_ns],
            "is_plain": self.is_plain,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        if state["suspicion"] is not None:
            self.suspicion.restore(state["suspicion"])
        self.believed = read_measures(state["believed"])
        self.quarantine.restore(state["quarantine"])
        self._scale.restore(state["scale"])
        self.middle, self.middle_ns = state["middle"]
        self.is_plain = state["is_plain"]
