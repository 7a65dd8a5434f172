"""The words in which every guard speaks: restriction levels, scopes, and the board that the kernel asks.

One board answers "may this order leave?" (runtime 2.1). The board admits or refuses and never resizes; strategies read
the level and the multiplier before they size (design section 5.1).
"""

from enum import IntEnum, StrEnum

import msgspec

from millrace.core.ids import SubPosition


class Level(IntEnum):
    """How much is still allowed; a higher level allows less."""

    OPEN = 0
    CAUTION = 1
    REDUCE_ONLY = 2
    HALT = 3


class ScopeKind(StrEnum):
    """What a restriction covers."""

    GLOBAL = "global"
    VENUE = "venue"
    STRATEGY = "strategy"
    LANE = "lane"
    MARKET = "market"
    FAMILY = "family"


class Scope(msgspec.Struct, frozen=True, gc=False):
    """A kind and the name within it; the name of a global scope is empty."""

    kind: ScopeKind
    name: str = ""

    def __str__(self) -> str:
        return f"{self.kind.value}:{self.name}" if self.name else self.kind.value


def scopes_of(position: SubPosition) -> tuple[Scope, ...]:
    """Return every scope that covers orders of a sub-position (runtime 2.1 rule 1)."""
    return (
        Scope(ScopeKind.GLOBAL),
        Scope(ScopeKind.VENUE, position.instrument.venue),
        Scope(ScopeKind.STRATEGY, position.strategy),
        Scope(ScopeKind.LANE, position.lane),
        Scope(ScopeKind.MARKET, str(position.instrument)),
        Scope(ScopeKind.FAMILY, position.family),
    )


class Recovery(StrEnum):
    """Who may lift a restriction (runtime 2.1 rule 3)."""

    AUTO = "auto"
    PROBATION = "probation"
    OPERATOR = "operator"


class ReasonCode(StrEnum):
    """The closed list of reasons for which an order is blocked."""

    OPERATOR_PAUSE = "operator_pause"
    OPERATOR_HALT = "operator_halt"
    KILL_SWITCH = "kill_switch"
    DAILY_LOSS_CAP = "daily_loss_cap"
    WORST_CASE_EXCEEDS_LOSS_CAP = "worst_case_exceeds_loss_cap"
    EXECUTION_FAILURES = "execution_failures"
    PROBATION = "probation"
    DRAWDOWN = "drawdown"
    EXPOSURE_LIMIT = "exposure_limit"
    DAILY_LOSS_LOCK = "daily_loss_lock"
    STORAGE_TROUBLE = "storage_trouble"
    INTENT_KEY_REUSE = "intent_key_reuse"
    CORE_EXCEPTION = "core_exception"
    GUARD_FAILURE = "guard_failure"
    INVARIANT_VIOLATION = "invariant_violation"
    CONSECUTIVE_ERRORS = "consecutive_errors"
    UNKNOWN_ORDER = "unknown_order"
    BREAKER_OPEN = "breaker_open"
    EXECUTOR_FAILURE = "executor_failure"
    VENUE_OUTAGE = "venue_outage"
    CLOCK_SKEW = "clock_skew"
    MARKET_ANOMALY = "market_anomaly"
    DIRTY_FEED = "dirty_feed"
    QUOTE_STATE = "quote_state"
    BOOK_UNVERIFIED = "book_unverified"
    LATENCY_SLO = "latency_slo"
    RECOVERY_INCOMPLETE = "recovery_incomplete"
    STRANGE_ORDER = "strange_order"
    BALANCE_DRIFT = "balance_drift"
    BOARD_FAILURE = "board_failure"
    EXCEEDS_OPEN_POSITION = "exceeds_open_position"
    NOT_AMENDABLE = "not_amendable"
    LEG_EXPOSURE = "leg_exposure"
    DUPLICATE = "duplicate"


class Restriction(msgspec.Struct, frozen=True, gc=False):
    """One guard's posting. `multiplier` is in (0, 1] and matters at CAUTION only; posting the same id refreshes it."""

    id: str
    scope: Scope
    level: Level
    reason: ReasonCode
    text: str
    posted_by: str
    posted_ns: int
    multiplier: float = 1.0
    hold_until_ns: int = 0
    recovery: Recovery = Recovery.OPERATOR


class Standing(msgspec.Struct, frozen=True, gc=False):
    """The effective level and multiplier for an order, with the restrictions that make them."""

    level: Level
    multiplier: float
    reasons: tuple[str, ...]
