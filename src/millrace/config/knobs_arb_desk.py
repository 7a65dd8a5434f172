"""Knobs of how the desk works: its cycle, its patience with legs, what a repair may cost, when a position is left.

What holding is charged and what locked capital costs stand with the economics (`knobs_arb_decide`), which reckon with
them before a basket is bought, so that no figure has two names.
"""

from millrace.config.knob import ArbRow, Knob, arb_knobs
from millrace.strategies.arb.execution.settings import DeskSettings, ExecutionSettings
from millrace.strategies.arb.holding.settings import HoldingSettings

_DESK: tuple[ArbRow, ...] = (
    ("cycle_ms", "ms", "time from the first change to the cycle that looks at it", "3", 1, 60_000),
    ("market_cooldown_sec", "s", "a market that was acted on rests for so long", "13", 0, None),
    ("opportunity_cooldown_sec", "s", "a family that was acted on rests for so long, a minute at least", "13", 0, None),
)
_EXECUTION: tuple[ArbRow, ...] = (
    ("drift", "USD", "how much worse than planned a next leg's price may be", "11.2", 0, 1),
    ("window_sec", "s", "time between the first fill and a next leg", "11.2", 0, 3_600),
    ("poll_timeout_sec", "s", "an order without an end is cancelled after so long", "11.6", 1, 3_600),
    ("maker_timeout_sec", "s", "a resting leg is cancelled after so long", "7.5", 0.1, 3_600),
    ("maker_more_sec", "s", "and after a part fill it gets so much more", "7.5", 0, 3_600),
    ("maker_attempts", "tries", "how often a resting leg is posted", "7.5", 1, 10),
    ("tolerance_share", "", "share of a basket by which legs may differ", "11.5", 0, 1),
    ("tolerance_contracts", "contracts", "and no more contracts than this", "11.5", 0, None),
    ("max_repair_loss", "", "what a repair may lose of the surplus' cost", "11.5", 0, 1),
    ("repair_tries", "tries", "repairs before a person is called", "11.5", 1, 20),
    ("repair_window_sec", "s", "time over which they are spread", "11.5", 1, 3_600),
    ("parallel_naked_usd", "USD", "cost up to which legs of one venue leave together", "11.2", 0, None),
)
_HOLDING: tuple[ArbRow, ...] = (
    ("look_sec", "s", "how often a position is looked at", "12", 1, 3_600),
    ("max_hold_sec", "s", "time stop of what is naked or uneven", "12", 1, None),
    ("max_risk_share", "", "risk stop: share of the bankroll in one exposed position", "12", 0, 1),
    ("naked_sec", "s", "naked time stop", "12", 1, None),
    ("again_sec", "s", "a repair that gave up is tried again after so long", "12", 1, None),
    ("least_ev", "USD", "EV stop per contract", "12", -1, 1),
    ("decay_ratio", "", "share of the edge at entry below which an exposed basket is hedged", "12", 0, 1),
    ("decay_close_ratio", "", "and below which it is closed", "12", 0, 1),
    ("abandon_share", "", "share of the time stop from which a small edge is left to resolve", "12", 0, 1),
    ("abandon_edge", "USD", "what counts as small then", "12", 0, 1),
    ("least_edge", "USD", "an exposed basket with less edge is closed", "12", 0, 1),
    ("unlock_share", "", "profit unlock: share of the floor that an exit must bring", "12", 0, 1),
    ("unlock_hours", "h", "if the pay-out is further away than this", "12", 0, None),
    ("switching_usd", "USD", "what leaving a whole basket early must gain per contract", "12", 0, 1),
)
DESK_KNOBS: tuple[Knob, ...] = (
    *arb_knobs("arb_desk", DeskSettings(), _DESK),
    *arb_knobs("arb_execution", ExecutionSettings(), _EXECUTION),
    *arb_knobs("arb_holding", HoldingSettings(), _HOLDING),
)
