"""What the desk counts of itself, as plain numbers: each event once, and gauges of what holds now.

Metrics are made of these at scrape time, so nothing is added up twice and the desk knows nothing of their format
(quoting 9). Counts survive a restart with the rest of the desk's state.
"""

from bisect import bisect_left
from collections import Counter
from typing import Any, Final

from millrace.core.commands import Side
from millrace.strategies.quoting.features.markouts import HORIZONS_MS, Markout
from millrace.strategies.quoting.model import GuardLevel, OrderIntent
from millrace.strategies.quoting.quotes.wanted import room_of
from millrace.strategies.quoting.stages.emit import why_off
from millrace.strategies.quoting.tick_result import TickResult

_MOST_REASONS = 64
"""Reasons are words of closed sets; no table of them grows beyond this."""

AGE_BOUNDS_MS: Final = (1, 2, 5, 10, 20, 35, 60, 100, 200, 300)
NUDGE_BOUNDS_BPS: Final = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0)
GAP_BOUNDS_MS: Final = (10, 50, 100, 300, 1_000, 2_000, 5_000, 30_000)
_NS_IN_MS: Final = 1e6


class SymbolTally:
    """The counts of one symbol; `gauges` are those of its last tick."""

    def __init__(self) -> None:
        self.ticks: Counter[str] = Counter()
        self.faults: Counter[str] = Counter()
        self.intents: Counter[str] = Counter()
        self.guard_trips: Counter[str] = Counter()
        self.guard_reasons: Counter[str] = Counter()
        self.refusals: Counter[str] = Counter()
        self.kept = self.fills = self.takers = self.rejects = self.throttled = 0
        self.nudges = [0, 0]
        self.nudge_bps = [[0.0] * (len(NUDGE_BOUNDS_BPS) + 2) for _ in range(2)]
        self.md_ages = [0] * (len(AGE_BOUNDS_MS) + 2)
        self.md_stale = 0
        self.level_ms = [0, 0, 0]
        self.markouts: dict[int, list[float]] = {horizon: [0.0, 0] for horizon in HORIZONS_MS}
        self.gauges: dict[str, float] = {}
        self.why = ""
        self._level = GuardLevel.NONE
        self._since_ms = 0

    def ticked(self, result: TickResult, now_ms: int) -> None:
        """Count a tick and what it decided."""
        self.ticks[result.outcome.value] += 1
        self.kept += result.kept
        if result.fault is not None:
            self._reason(self.faults, f"{result.fault.stage} {result.fault.code}")
        freshness = result.context.freshness
        if freshness is not None:
            self.md_ages[bisect_left(AGE_BOUNDS_MS, freshness.age_ms)] += 1
            self.md_ages[-1] += freshness.age_ms
            self.md_stale += freshness.used_stale
        self._guards(result, now_ms)
        self.why = result.fault.code if result.fault is not None else result.state.halted or _unquoted(result)

    def left(self, intent: OrderIntent) -> None:
        """Count an action that leaves; one that the pace holds back is decided again at the next tick."""
        self._reason(self.intents, f"{intent.kind.value} {intent.reason}")

    def _guards(self, result: TickResult, now_ms: int) -> None:
        context = result.context
        guards = context.guards
        if guards is None:
            return
        if self._since_ms:
            self.level_ms[self._level] += now_ms - self._since_ms
        if guards.level > self._level:
            for reason in guards.reasons:
                if reason.level is guards.level:
                    self._reason(self.guard_trips, f"{reason.key} {guards.level.name}")
        for reason in guards.reasons:
            self._reason(self.guard_reasons, reason.key)
        self._level, self._since_ms = guards.level, now_ms
        gauges = self.gauges
        gauges["guard_level"] = guards.level
        if context.spread is not None:
            spread = context.spread
            gauges["adaptive_spread_bps"] = spread.spread_bps
            gauges["score_vol"], gauges["score_liq"] = spread.vol_score, spread.liquidity_score
            gauges["score_lat"], gauges["score_pnl"] = spread.latency_score, spread.pnl_score
            gauges["spread_floor_binding"] = spread.floor_binding
        if context.inventory is not None:
            gauges["inventory_pct"] = context.inventory.inventory_pct
            gauges["inventory_skew_bps"] = context.inventory.skew_bps
        queue = context.queue
        if queue is not None:
            gauges["queue_ahead_bid"], gauges["queue_ahead_ask"] = queue.bid_ahead, queue.ask_ahead
            gauges["queue_percentile_bid"], gauges["queue_percentile_ask"] = queue.bid_percentile, queue.ask_percentile
            self._nudged(0, abs(queue.bid_nudge_bps))
            self._nudged(1, abs(queue.ask_nudge_bps))

    def _nudged(self, side: int, bps: float) -> None:
        if bps:
            row = self.nudge_bps[side]
            self.nudges[side] += 1
            row[bisect_left(NUDGE_BOUNDS_BPS, bps)] += 1
            row[-1] += bps

    def _reason(self, table: Counter[str], name: str) -> None:
        if name in table or len(table) < _MOST_REASONS:
            table[name] += 1

    def refused(self, reasons: tuple[str, ...]) -> None:
        """Count an order that the board let not leave."""
        for reason in reasons:
            self._reason(self.refusals, reason)

    def measured(self, markouts: tuple[Markout, ...]) -> None:
        """Count markouts that were measured in time."""
        for markout in markouts:
            if not markout.late:
                row = self.markouts[markout.horizon_ms]
                row[0] += markout.bps
                row[1] += 1

    def shown(self) -> dict[str, Any]:
        """Return the counts as builtins; strict JSON."""
        return {
            "ticks": dict(self.ticks),
            "faults": dict(self.faults),
            "intents": dict(self.intents),
            "kept": self.kept,
            "fills": self.fills,
            "takers": self.takers,
            "rejects": self.rejects,
            "throttled": self.throttled,
            "refusals": dict(self.refusals),
            "guard_trips": dict(self.guard_trips),
            "guard_reasons": dict(self.guard_reasons),
            "level_ms": list(self.level_ms),
            "nudges": list(self.nudges),
            "nudge_bps": [list(row) for row in self.nudge_bps],
            "md_ages": list(self.md_ages),
            "md_stale": self.md_stale,
            "markouts": {str(horizon): list(row) for horizon, row in self.markouts.items()},
            "gauges": dict(self.gauges),
            "why": self.why,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return self.shown() | {"level": int(self._level), "since_ms": self._since_ms}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for name in ("ticks", "faults", "intents", "guard_trips", "guard_reasons", "refusals"):
            setattr(self, name, Counter(state[name]))
        for name in ("kept", "fills", "takers", "rejects", "throttled", "why", "md_stale"):
            setattr(self, name, state[name])
        self.nudges, self.level_ms = list(state["nudges"]), list(state["level_ms"])
        self.nudge_bps, self.md_ages = [list(row) for row in state["nudge_bps"]], list(state["md_ages"])
        self.markouts = {int(horizon): list(row) for horizon, row in state["markouts"].items()}
        self.gauges = dict(state["gauges"])
        self._level, self._since_ms = GuardLevel(state["level"]), state["since_ms"]


def _unquoted(result: TickResult) -> str:
    """Return why neither side of a symbol is wanted, "" where one is: without a word it would look like trading."""
    context = result.context
    guards = context.guards
    if guards is None or any(quote.bid_lots or quote.ask_lots for quote in context.quotes):
        return ""
    room = room_of(context.features, guards)
    bid, ask = (why_off(context.features, guards, side, lots).value for side, lots in zip(Side, room, strict=True))
    return bid if bid == ask else f"bid {bid}, ask {ask}"


class StreamTally:
    """What the venue's stream did: silences between its messages in ms, and how often it was connected anew."""

    def __init__(self) -> None:
        self.reconnects = 0
        self._gaps = [0.0] * (len(GAP_BOUNDS_MS) + 2)

    def silent(self, gap_ns: int) -> None:
        """Count the time between two messages."""
        gap_ms = gap_ns / _NS_IN_MS
        self._gaps[bisect_left(GAP_BOUNDS_MS, gap_ms)] += 1
        self._gaps[-1] += gap_ms

    def shown(self) -> dict[str, Any]:
        """Return the counts as builtins; strict JSON."""
        return {"reconnects": self.reconnects, "gaps": list(self._gaps)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take what `shown` gave."""
        self.reconnects, self._gaps = state["reconnects"], list(state["gaps"])
