"""The arbitrage desk as the kernel sees it: quotes and news in, orders and rows out.

A quote goes to the detector at once; what it changed is looked at together a moment later, in a cycle, so that a burst
of quotes is decided once. Each candidate of a cycle leaves exactly one decision row, and what is opened leaves its
orders in the same step. Without candidates nothing is due, and nobody wakes the desk (arb 3, 10, 13).
"""

from collections.abc import Sequence
from typing import Any, ClassVar

from millrace.core.commands import Intent, OrderUpdate, Refused
from millrace.core.events import Event, MarketBlock, Print, Quote
from millrace.core.strategy import Interest, SeriesSpec, View
from millrace.strategies.arb.execution.settings import DeskSettings, ExecutionSettings
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.records import RuleSet


class ArbDesk:
    """One desk over the markets of `facts`, bound by `rules`; implements the kernel's `Strategy`."""

    ignores: ClassVar[tuple[type, ...]] = (Print, Quote, MarketBlock)

    def __init__(
        self,
        name: str,
        facts: Sequence[MarketFacts],
        rules: RuleSet,
        desk: DeskSettings,
        execution: ExecutionSettings,
    ) -> None:
        self.name = name
        self.facts = tuple(facts)
        self.rules = rules
        self.desk = desk
        self.execution = execution

    def series(self) -> tuple[SeriesSpec, ...]:
        """Return no histories: books are kept by the market view."""
        return ()

    def decide(self, event: Event | OrderUpdate | Refused, view: View) -> list[Intent]:
        """Return what the desk wants after this event."""
        del event, view
        return []

    def interest(self) -> Interest:
        """Return the next cycle or the next time at which a basket asks for something."""
        return Interest()

    def snapshot(self) -> dict[str, Any]:
        """Return the desk's whole state as builtins."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""

    def status(self, view: View) -> dict[str, Any]:
        """Return what a person wants to see of the desk; strict JSON."""
        del view
        return {"markets": len(self.facts), "rules": self.rules.version}
