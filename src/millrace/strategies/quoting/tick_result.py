"""What goes into a tick of one symbol and what comes out of it, whole.

A result holds everything that was read and decided, and names the configuration that decided it, so that a result alone
says why. What a symbol must remember is in `SymbolState` and nowhere else: two symbols cannot influence each other.
"""

import msgspec

from millrace.strategies.quoting.guards.state import GuardState
from millrace.strategies.quoting.model import (
    Features,
    Freshness,
    GuardAssessment,
    InventoryAdjustment,
    OrderIntent,
    QueueAwareAdjustment,
    Quote,
    SpreadDecision,
    StageFault,
    TickOutcome,
)
from millrace.strategies.quoting.quotes.state import EmitState
from millrace.strategies.quoting.stages.queue_aware import QueueState
from millrace.strategies.quoting.stages.spread import SpreadState


class SymbolState(msgspec.Struct, frozen=True, gc=False):
    """All that one symbol remembers from tick to tick, a field for each part; `halted` says why nothing is quoted."""

    spread: SpreadState = SpreadState()
    guards: GuardState = GuardState()
    queue: QueueState = QueueState()
    emit: EmitState = EmitState()
    halted: str = ""


class QuoteContext(msgspec.Struct, frozen=True, gc=False):
    """What was read, and what each stage made of it; None from the first stage on that did not run.

    `trace_id` is symbol and number of the tick, `config_hash` the digest of the settings that decided.
    """

    trace_id: str
    config_hash: str
    features: Features
    state_in: SymbolState
    freshness: Freshness | None = None
    spread: SpreadDecision | None = None
    guards: GuardAssessment | None = None
    inventory: InventoryAdjustment | None = None
    queue: QueueAwareAdjustment | None = None
    quotes: tuple[Quote, ...] = ()


class TickResult(msgspec.Struct, frozen=True, gc=False):
    """What one tick decided: the state for the next one, and actions in the order in which they leave.

    `kept` counts orders that stay as they are.
    """

    context: QuoteContext
    state: SymbolState
    intents: tuple[OrderIntent, ...]
    kept: int
    outcome: TickOutcome
    fault: StageFault | None = None
