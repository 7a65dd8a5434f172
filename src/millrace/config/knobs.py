"""All knobs by every name they have, and the nearest name to one that is not known.

A misspelt key must never be a silent default, so every lookup goes through here.
"""

from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from millrace.config.knob import Knob
from millrace.config.knobs_arb import ARB_KNOBS
from millrace.config.knobs_arb_decide import DECIDE_KNOBS
from millrace.config.knobs_arb_desk import DESK_KNOBS
from millrace.config.knobs_arb_lanes import LANE_KNOBS
from millrace.config.knobs_arb_mapping import MAPPING_KNOBS
from millrace.config.knobs_firewall import FIREWALL_KNOBS
from millrace.config.knobs_later import LATER_KNOBS
from millrace.config.knobs_quoting import QUOTING_KNOBS
from millrace.config.knobs_rebalance import REBALANCE_KNOBS
from millrace.config.knobs_regime import REGIME_KNOBS
from millrace.config.knobs_release import RELEASE_KNOBS
from millrace.config.knobs_run import RUN_KNOBS
from millrace.config.knobs_slo import SLO_KNOBS
from millrace.config.knobs_slots import SLOTS_KNOBS
from millrace.config.knobs_stops import STOPS_KNOBS
from millrace.core.failure import OperatorError

KNOBS: Mapping[str, Knob] = {
    knob.key: knob
    for knob in (
        *RUN_KNOBS,
        *SLOTS_KNOBS,
        *RELEASE_KNOBS,
        *REGIME_KNOBS,
        *REBALANCE_KNOBS,
        *STOPS_KNOBS,
        *SLO_KNOBS,
        *FIREWALL_KNOBS,
        *ARB_KNOBS,
        *DECIDE_KNOBS,
        *DESK_KNOBS,
        *MAPPING_KNOBS,
        *LANE_KNOBS,
        *QUOTING_KNOBS,
        *LATER_KNOBS,
    )
}
"""Every knob under its key."""

LEGACY: Mapping[str, Knob] = {name: knob for knob in KNOBS.values() for name in knob.legacy}
"""Every knob that has one under its legacy name."""

SWITCHES: Mapping[str, tuple[str, str, str]] = {"ENTRY_FLOOR_ENABLED": ("slots.entry_floor_mode", "always", "off")}
"""Legacy switches that became a choice: key, value for on, value for off (slots 21)."""

IGNORED_PREFIXES = ("KELLY_",)
"""Legacy names that are accepted, ignored and noticed once (slots 21)."""

_NEAR = 0.5


def nearest(name: str, known: Iterable[str]) -> str:
    """Return ` (did you mean X?)` for the known name most like `name`, or nothing when none is like it.

    A right name in a wrong section is nearer than any wrong name.
    """
    by_folded = {candidate.lower(): candidate for candidate in known}
    bare = name.lower().rpartition(".")[2]
    elsewhere = [candidate for folded, candidate in by_folded.items() if folded.rpartition(".")[2] == bare]
    if elsewhere:
        return f" (did you mean {elsewhere[0]}?)"
    found = get_close_matches(name.lower(), by_folded, n=1, cutoff=_NEAR)
    return f" (did you mean {by_folded[found[0]]}?)" if found else ""


def find_knob(name: str) -> Knob:
    """Return the knob of a key or legacy name; raises OperatorError naming the nearest one."""
    knob = KNOBS.get(name) or LEGACY.get(name)
    if knob is None and name in SWITCHES:
        knob = KNOBS[SWITCHES[name][0]]
    if knob is None:
        raise OperatorError(f"unknown configuration key {name}{nearest(name, (*KNOBS, *LEGACY, *SWITCHES))}")
    return knob
