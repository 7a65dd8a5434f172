"""What the arbitrage desk can be told, as one typed record made of its parts' records.

Each part defines what it reads beside itself; this record only puts them together, so that the desk is built from one
value and `millrace.config` fills one. The desk is off until somebody switches it on: it trades other money than the
slot grid, and nobody should find it running by surprise.
"""

import msgspec

from millrace.strategies.arb.execution.settings import DeskSettings, ExecutionSettings
from millrace.strategies.arb.lanes.settings import LaneSettings


class ArbSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the desk (arb 19); those of a part of its own stand in its record."""

    enabled: bool = False
    desk: DeskSettings = DeskSettings()
    execution: ExecutionSettings = ExecutionSettings()
    lanes: LaneSettings = LaneSettings()
