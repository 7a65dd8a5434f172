"""When a position is looked at and left before it pays (arb 12): the thresholds of the table of exits.

Times are seconds, edges dollars per contract, shares fractions of one. A riskless basket knows only two of them: it
waits for its pay-out unless its capital is worth more elsewhere.
"""

import msgspec


class HoldingSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the exit table; defaults are the contract's.

    `again_sec` and `switching_usd` are ours: how long a repair that gave up rests before it is tried anew, and what
    leaving a whole basket early must gain per contract beyond its discounted floor.
    """

    look_sec: float = 5.0
    max_hold_sec: float = 3600.0
    max_risk_share: float = 0.10
    naked_sec: float = 30.0
    again_sec: float = 300.0
    least_ev: float = -0.02
    decay_ratio: float = 0.25
    decay_close_ratio: float = 0.125
    abandon_share: float = 0.9
    abandon_edge: float = 0.001
    least_edge: float = 0.005
    unlock_share: float = 0.98
    unlock_hours: float = 72.0
    lock_rate_per_year: float = 0.10
    switching_usd: float = 0.002
