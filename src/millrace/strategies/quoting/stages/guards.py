"""The third stage: how much of a symbol may be quoted now (quoting 4.3).

This first version knows one thing, that what the portfolio refuses is not quoted. The triggers follow.
"""

from millrace.strategies.quoting.guards.state import GuardState
from millrace.strategies.quoting.model import (
    BlockedSides,
    Features,
    GuardAssessment,
    GuardLevel,
    GuardReason,
    SpreadDecision,
)
from millrace.strategies.quoting.settings import AdverseFlowSettings, RiskGuardSettings

CLEAR = GuardAssessment(GuardLevel.NONE, 1.0, (), False, 0.0, 0.0, BlockedSides.NONE, 0)
_REFUSED = GuardAssessment(
    GuardLevel.HARD, 0.0, (GuardReason("refused", 0.0, 0.0),), True, 0.0, 0.0, BlockedSides.BOTH, 0
)


def guards_stage(
    features: Features, spread: SpreadDecision, state: GuardState, cfg: RiskGuardSettings, flow: AdverseFlowSettings
) -> tuple[GuardAssessment, GuardState]:
    """Return the assessment of this tick and the state for the next."""
    del spread, cfg, flow
    return (_REFUSED if features.portfolio.refused else CLEAR), state
