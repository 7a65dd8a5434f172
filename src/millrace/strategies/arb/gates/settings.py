"""What the gates may be told: thresholds, lanes by lane, and the tight profile with which money starts (arb 10).

The start profile trades intra and strictly mapped cross only, and everything else on paper. Time loosens nothing: a
market that resolves far away earns no lower threshold, because its capital is locked the longer (arb 9.13).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from millrace.core.failure import OperatorError
from millrace.strategies.arb.model import LANES, Lane


class LaneGate(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for one lane; None: what holds for all."""

    enabled: bool | None = None
    min_edge: float | None = None
    min_profit_usd: float | None = None
    min_fill: float | None = None
    min_realized_usd: float | None = None
    use_kelly: bool = True
    multiplier: float = 1.0
    cap_usd: float | None = None


_PLAIN = LaneGate()


class GateSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Thresholds of all lanes, and `overrides` lane by lane: `bucket min_edge 0.02 min_fill 0.72; combo enabled no`.

    Edges are dollars per dollar of floor, `min_on_cost` is dollars per dollar spent, `quote_age_sec` is when a leg
    counts as too old whatever the firewall says.
    """

    min_edge: float = 0.01
    min_on_cost: float = 0.0
    min_profit_usd: float = 1.0
    min_fill: float = 0.30
    min_quality: float = -0.5
    min_realized_usd: float = 0.0
    sanity_edge: float = 0.30
    micro_low: float = 0.02
    micro_high: float = 0.98
    micro_contracts: float = 20.0
    moved_ticks: int = 3
    moved_sec: float = 2.0
    quote_age_sec: float = 10.0
    strict_confidence: float = 0.90
    fallback_confidence: float = 0.70
    fallback: bool = False
    bucket_legs: int = 0
    bucket_failures: int = 3
    near_tightens: bool = True
    far_loosens: bool = False
    ranking_seed: int = 0
    overrides: str = "combo enabled no"


def read_overrides(text: str) -> dict[Lane, LaneGate]:
    """Read `lane name value name value; ...`; a lane that is not named keeps what holds for all.

    Raises OperatorError that names the words which cannot be read.
    """
    gates = dict.fromkeys(LANES, _PLAIN)
    for part in filter(None, (part.split() for part in text.split(";"))):
        lane, *words = part
        if lane not in set(LANES) or len(words) % 2:
            known = ", ".join(LANES)
            raise OperatorError(f"arb_gates.overrides: {' '.join(part)!r} is not 'LANE NAME VALUE ...'; lanes: {known}")
        values = {name: _value(name, word) for name, word in zip(words[::2], words[1::2], strict=True)}
        gates[Lane(lane)] = msgspec.structs.replace(gates[Lane(lane)], **values)
    return gates


def _value(name: str, word: str) -> Any:
    if name not in LaneGate.__struct_fields__:
        known = ", ".join(LaneGate.__struct_fields__)
        raise OperatorError(f"arb_gates.overrides: no gate is named {name!r}; there are {known}")
    switch = {"yes": True, "true": True, "no": False, "false": False}
    if name in {"enabled", "use_kelly"}:
        if word.lower() not in switch:
            raise OperatorError(f"arb_gates.overrides: {name} is yes or no, not {word!r}")
        return switch[word.lower()]
    try:
        return float(word)
    except ValueError:
        raise OperatorError(f"arb_gates.overrides: {name} needs a number, not {word!r}") from None


START_PROFILE: Mapping[str, bool | float | int | str] = {
    "arb_stake.trade_usd": 20.0,
    "arb_stake.trade_contracts": 50.0,
    "arb_stake.venue_cash_share": 0.06,
    "arb_economics.depth_share": 0.4,
    "arb_desk.market_cooldown_sec": 1_800.0,
    "arb_desk.opportunity_cooldown_sec": 3_600.0,
    "arb_gates.bucket_legs": 4,
    "arb_gates.overrides": (
        "cross min_edge 0.005 min_fill 0.70; parity enabled no; bucket enabled no min_edge 0.02 min_fill 0.72; "
        "event_tree enabled no; implication enabled no; combo enabled no"
    ),
}
"""The start profile for live trading (arb 10), by knob; canary, daily loss and failure caps are knobs of the stops."""
