"""How the desk works: its cycle, its patience with legs, what a repair may cost, and when a basket is left (arb 11-13).

Defaults are the contract's. Prices are dollars per contract, times seconds, shares fractions of one.
"""

import msgspec

SECOND_NS = 1_000_000_000


class DeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the cycle and of dedupe (arb 3, 13).

    `cycle_ms` is the time from the first change to the cycle that looks at it.
    """

    cycle_ms: int = 250
    market_cooldown_sec: float = 900.0
    opportunity_cooldown_sec: float = 300.0


class ExecutionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of legging and repair (arb 7.5, 11).

    `drift` is how far a price may have moved against the plan before the next leg; `window_sec` what may lie between
    the first fill and a next leg; `poll_timeout_sec` when an order without an end is cancelled. A surplus within
    `tolerance_share` of the basket, or within `tolerance_contracts`, is no reason to trade. `max_repair_loss` is a
    share of the surplus' cost; `parallel_naked_usd` the cost that legs of one venue may have under way together.
    Where a resting leg is posted again is known by detection, and stands here for it (`ArbSettings.judged`).
    """

    drift: float = 0.03
    window_sec: float = 10.0
    poll_timeout_sec: float = 15.0
    maker_timeout_sec: float = 5.0
    maker_more_sec: float = 3.0
    maker_attempts: int = 2
    aggressiveness_ticks: int = 2
    tolerance_share: float = 0.02
    tolerance_contracts: float = 1.0
    max_repair_loss: float = 0.03
    repair_tries: int = 3
    repair_window_sec: float = 30.0
    naked_risk_charge: float = 0.05
    parallel_naked_usd: float = 40.0
