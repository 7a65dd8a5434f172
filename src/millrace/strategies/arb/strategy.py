"""The arbitrage desk as the kernel sees it: quotes and news in, orders and rows out.

A quote goes to the detector at once; what it changed is looked at together a moment later, in a cycle, so that a burst
of quotes is decided once. Each candidate of a cycle leaves exactly one decision row, and what is opened leaves its row
and its first orders in the same step, or neither. Without anything to look at nothing is due, and nobody wakes the desk
(arb 3, 10, 13).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from millrace.core.binary_events import BinaryQuote, LaneScanned, MarketResolved, StreamBeat, StreamReset
from millrace.core.book_events import BOOK_EVENTS
from millrace.core.commands import Alert, Intent, OrderUpdate, Refused, Severity
from millrace.core.events import ConfigApplied, Event, MarketBlock, Operator, Print, Quote, Started, Timer
from millrace.core.instrument import InstrumentId
from millrace.core.strategy import Interest, SeriesSpec, View
from millrace.core.trouble_events import CallWaited
from millrace.strategies.arb.decide import Decider
from millrace.strategies.arb.execution.basket import EXPOSED
from millrace.strategies.arb.execution.baskets import Baskets
from millrace.strategies.arb.execution.prices import Prices
from millrace.strategies.arb.gates.settings import read_overrides
from millrace.strategies.arb.holding.holder import Holder
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.mapping.approvals import NO_DECISIONS, Decisions
from millrace.strategies.arb.mapping.at_desk import MappingsAtDesk
from millrace.strategies.arb.mapping.records import NO_MAP, MappingMap
from millrace.strategies.arb.model import Lane, MarketFacts
from millrace.strategies.arb.operator.actions import operate
from millrace.strategies.arb.outcomes import Outcomes
from millrace.strategies.arb.resting import Resting
from millrace.strategies.arb.rules.alerts import rule_alerts
from millrace.strategies.arb.rules.diagnose import diagnose_trees, tree_status
from millrace.strategies.arb.rules.records import RuleSet, TreeRule
from millrace.strategies.arb.scanning import LaneScans
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.trading import Trading

_MS = 1_000_000


class _Saved(msgspec.Struct):
    due_ns: int
    rules: str
    finder: dict[str, Any]
    judge: dict[str, Any]
    trading: dict[str, Any]
    baskets: list[Any]
    outcomes: dict[str, Any]
    resting: dict[str, Any]
    holder: dict[str, Any]
    mappings: dict[str, Any]
    scans: dict[str, Any]


class ArbDesk:
    """One desk over the markets of `facts`, bound by `rules`; implements the kernel's `Strategy`."""

    ignores: ClassVar[tuple[type, ...]] = (Quote, MarketBlock, CallWaited, *BOOK_EVENTS)

    def __init__(
        self,
        name: str,
        facts: Sequence[MarketFacts],
        rules: RuleSet,
        settings: ArbSettings,
        mapping: MappingMap = NO_MAP,
        decisions: Decisions = NO_DECISIONS,
        *,
        live: bool = False,
    ) -> None:
        self.name = name
        self.live = live
        self.facts = tuple(facts)
        self.venues = frozenset(fact.market.venue for fact in self.facts)
        settings = self.settings = settings.judged()
        believed = settings.believed()
        self.mappings = MappingsAtDesk(rules, mapping, decisions, self.facts, believed, settings.discovery)
        rules = self.rules = self.mappings.rules
        prices = Prices({fact.market: fact for fact in self.facts})
        self.finder = Detector(Universe(self.facts, rules, settings.lanes))
        self.judge = Decider(self.facts, rules, settings)
        self.outcomes = Outcomes(name, self.judge, live=live)
        told = (self.outcomes.escalated, self.outcomes.ended, self.outcomes.filled)
        self.baskets = Baskets(name, prices, settings.execution, *told)
        self.trading = Trading(name, rules, settings, self.finder, self.judge, self.baskets, self.outcomes)
        self.resting = Resting(name, prices.facts, self.judge.flow, self.judge.marks, self.judge.calibration)
        self.holder = Holder(self.baskets, settings.holding)
        self.scans = LaneScans(name, settings.combo)
        self._bind()
        self._due_ns = 0
        self._now_ns = 0

    def series(self) -> tuple[SeriesSpec, ...]:
        """Return no histories: books are kept by the market view."""
        return ()

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        """Return what the desk wants after this event; a strategy is shown accepted quotes alone."""
        self._now_ns = view.now_ns
        if isinstance(event, BinaryQuote):
            return self._quoted(event, view)
        if isinstance(event, OrderUpdate):
            life = self.baskets.of_group(event.place.position.group)
            return self.resting.heard(event, life, view) + self.baskets.heard(event, view)
        if isinstance(event, Print):
            self.resting.printed(event, view)
            return []
        if isinstance(event, Timer):
            return self._timer(view)
        if isinstance(event, StreamBeat):
            self.finder.heard(event.venue, event.ts_ns)
            return []
        return self._other(event, view)

    def _other(self, event: Event | Refused, view: View) -> list[Intent]:
        if isinstance(event, Refused):
            return self.trading.refused(event) or self.baskets.refused(event, view)
        if isinstance(event, StreamReset):
            self.finder.reset(event.venue)
        elif isinstance(event, MarketResolved):
            self.finder.forget(event.market)
            self.mappings.resolved(event.market, event.yes_ticks, view.now_ns)
            return self.baskets.resolved(event, view)
        elif isinstance(event, Operator):
            return operate(self, event, view)
        elif isinstance(event, ConfigApplied):
            self.trading.config = event.digest
        elif isinstance(event, LaneScanned):
            return self.scans.heard(event, self.finder, self.trading.joint)
        elif isinstance(event, Started):
            self.scans.started()
            told = rule_alerts(self.rules, view.now_ns)
            return [*told, *(self.outcomes.restarted(self.baskets, view) if event.restart else ())]
        return []

    def _quoted(self, quote: BinaryQuote, view: View) -> list[Intent]:
        self.finder.observe(quote)
        self.judge.observe(quote)
        self.mappings.quoted(quote)
        first = not (self.mappings.begun or self.mappings.idle)
        told = self.judge_mappings(view.now_ns) if first else []
        if not self._due_ns and self.finder.is_marked:
            self._due_ns = view.now_ns + self.settings.desk.cycle_ms * _MS
        return told + self.baskets.quoted(quote.market, view)

    def judge_mappings(self, now_ns: int) -> list[Intent]:
        """Look at mappings and proposals; what is not in force any more is neither shown nor proved with."""
        if not self.mappings.cycle(now_ns):
            return []
        self._bind()
        lost = self.mappings.lost
        for life in self.baskets.lives.values():
            life.downgraded = life.downgraded or life.rule in lost
        text = self.mappings.news()
        return [Alert(Severity.WARN, "mapping_blocked", text, now_ns)] if text else []

    def _bind(self) -> None:
        self.finder.block(self.mappings.blocked)
        self.trading.bound_without(self.mappings.blocked)

    def _timer(self, view: View) -> list[Intent]:
        due = self.mappings.next_ns is not None and self.mappings.next_ns <= view.now_ns
        out = self.judge_mappings(view.now_ns) if due else []
        out += self.baskets.due(view)
        out += self.resting.due(view)
        out += self.holder.due(view, self.trading.equity_nano(view))
        out += self.scans.due(self.trading.joint, view.now_ns)
        if 0 < self._due_ns <= view.now_ns:
            self._due_ns = 0
            out += self.trading.cycle(view, self.mappings.note_edges)
            out += self.judge_mappings(view.now_ns)
        return out

    def interest(self) -> Interest:
        """Return the next cycle, or the next time at which a basket or a holding asks for something."""
        scan_ns = self.scans.next_ns(self.trading.joint) if self._now_ns else None
        waits = (self.baskets.next_ns, self.resting.next_ns, self.holder.next_ns, self.mappings.next_ns, scan_ns)
        wanted = (self._due_ns or None, *waits)
        due_ns = min((at_ns for at_ns in wanted if at_ns is not None), default=None)
        due_ns = None if due_ns is None else max(due_ns, self._now_ns)
        return Interest(deadline_ns=due_ns, heartbeat_ns=due_ns)

    def scan_of(self) -> tuple[bytes, bytes]:
        """Return what a lane that is scanned outside prepares from, and the books of this moment."""
        return self.scans.setup(self.finder, self.trading.joint), self.scans.books(self.finder, self.trading.joint)

    def snapshot(self) -> dict[str, Any]:
        """Return the desk's whole state as builtins."""
        saved = _Saved(
            self._due_ns,
            self.rules.version,
            self.finder.snapshot(),
            self.judge.snapshot(),
            self.trading.snapshot(),
            self.baskets.snapshot(),
            self.outcomes.snapshot(),
            self.resting.snapshot(),
            self.holder.snapshot(),
            self.mappings.snapshot(),
            self.scans.snapshot(),
        )
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins | {"now_ns": self._now_ns}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._due_ns, self._now_ns = saved.due_ns, state["now_ns"]
        self.finder.restore(saved.finder)
        self.judge.restore(saved.judge)
        self.trading.restore(saved.trading)
        self.baskets.restore(saved.baskets)
        self.outcomes.restore(saved.outcomes)
        self.resting.restore(saved.resting)
        self.holder.restore(saved.holder)
        self.mappings.restore(saved.mappings)
        self.scans.restore(saved.scans)
        self._bind()

    def status(self, view: View) -> dict[str, Any]:
        """Return what a person wants to see of the desk; strict JSON."""
        lives, cash_usd = self.baskets.lives.values(), self.outcomes.cash_nano / 1e9
        return {
            "markets": len(self.facts),
            "rules": self.rules.version,
            "mappings": self.mappings.status(),
            "trees": tree_status(diagnose_trees(self.facts, self.rules, self._is_quoted, self._tree_gate)),
            "equity_usd": self.trading.equity_nano(view) / 1e9,
            "found": self.trading.opened + self.trading.rejected,
            "cycles": self.trading.cycles,
            "opened": self.trading.opened,
            "rejected": self.trading.rejected,
            "reasons": dict(sorted(self.trading.reasons.items())),
            "open_baskets": len(lives),
            "naked_usd": sum(life.spent_nano for life in lives if life.state in EXPOSED) / 1e9,
            "expected_usd": self.trading.expected_nano / 1e9,
            "simulated_usd": 0.0 if self.live else cash_usd,
            "realised_usd": cash_usd if self.live else 0.0,
            "ended": dict(self.outcomes.counts),
            "judge": self.judge.status(self._now_ns),
            "combo": self.scans.status(self._now_ns),
            "frozen": [list(pair) for pair in self.outcomes.frozen],
            "baskets": [
                {"key": life.key, "lane": life.lane, "state": life.state.value, "matched": life.matched / 1e6,
                 "full": life.full / 1e6, "capital_usd": life.spent_nano / 1e9, "closing": life.closing}
                for life in lives
            ],
        }  # fmt: skip

    def _is_quoted(self, market: InstrumentId) -> bool:
        return self.finder.quote(market) is not None

    def _tree_gate(self, rule: TreeRule) -> str:
        """Return what forbids a tree's baskets, whatever its prices; empty when nothing does."""
        if read_overrides(self.settings.gates.overrides)[Lane.EVENT_TREE].enabled is False:
            return "lane_off"
        return "blocked" if rule.group_id in self.mappings.blocked else ""
