"""What the arbitrage desk can be told, as one typed record made of its parts' records.

Each part defines what it reads beside itself; this record only puts them together, so that the desk is built from one
value and `millrace.config` fills one. The desk is off until somebody switches it on: it trades other money than the
slot grid, and nobody should find it running by surprise.
"""

import msgspec

from millrace.risk.exposure import ExposureSettings
from millrace.sizing.stake_settings import StakeSettings
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.discovery.records import DiscoverySettings
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.execution.settings import DeskSettings, ExecutionSettings
from millrace.strategies.arb.gates.settings import GateSettings
from millrace.strategies.arb.holding.settings import HoldingSettings
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.mapping.settings import MappingSettings


class ArbSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the desk (arb 19); those of a part of its own stand in its record."""

    enabled: bool = False
    desk: DeskSettings = DeskSettings()
    execution: ExecutionSettings = ExecutionSettings()
    lanes: LaneSettings = LaneSettings()
    combo: ComboSettings = ComboSettings()
    economics: EconomicsSettings = EconomicsSettings()
    stake: StakeSettings = StakeSettings()
    gates: GateSettings = GateSettings()
    holding: HoldingSettings = HoldingSettings()
    exposure: ExposureSettings = ExposureSettings()
    mapping: MappingSettings = MappingSettings()
    discovery: DiscoverySettings = DiscoverySettings()

    def judged(self) -> "ArbSettings":
        """Return them with the figures that two parts need, so that both hold the same ones."""
        economics = msgspec.structs.replace(
            self.economics,
            aggressiveness_ticks=self.lanes.aggressiveness_ticks,
            maker_timeout_sec=self.execution.maker_timeout_sec,
            maker_attempts=self.execution.maker_attempts,
        )
        execution = msgspec.structs.replace(
            self.execution,
            naked_risk_charge=self.economics.hold_charge,
            aggressiveness_ticks=self.lanes.aggressiveness_ticks,
        )
        holding = msgspec.structs.replace(self.holding, lock_rate_per_year=self.economics.lock_rate_per_year)
        return msgspec.structs.replace(self, economics=economics, execution=execution, holding=holding)

    def believed(self) -> MappingSettings:
        """Return the figures of mappings with those that the gates ask for too, so that both hold the same ones."""
        gates = self.gates
        return msgspec.structs.replace(
            self.mapping,
            strict_confidence=gates.strict_confidence,
            fallback_confidence=gates.fallback_confidence,
            fallback_enabled=gates.fallback,
            sanity_edge=gates.sanity_edge,
        )
