"""What the stops are told by the configuration; `config` fills these records and never a guard itself.

A limit that is None, and a count that is 0, is off. The names are those of the knobs in the section `stops`.
"""

import msgspec


class StopsSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the stops (runtime 2.17); the knobs say what each means. `kill_file` is a path, empty for none."""

    kill_file: str
    daily_loss_cap_usd: float | None
    strategy_loss_cap_usd: float | None
    lane_loss_cap_usd: float | None
    worst_case_share: float
    stale_mark_sec: float
    venue_failures: int
    family_failures: int
    total_failures: int
    probation_after_sec: float
    probation_orders: int
    allocated_capital_usd: float | None
