"""Keys of opportunities, and which of them have been acted on already (runtime 2.15 rules 1 and 4; arb 1 and 13).

The same opportunity is found again in every cycle, and by several lanes under several names; money may follow it once.
Its key is made of what it is, so every process finds the same, and its family key of the markets alone, so that aliases
share it. A family that was acted on is closed for a time bucket, counted from the act and not from the clock's edges:
two looks 0.2 s apart may lie in two buckets.
"""

from typing import Any, NamedTuple

import msgspec
from msgspec import structs

from millrace.core.commands import Opportunity, OpportunityLeg, Place, Plan
from millrace.core.instrument import InstrumentId

BUCKET_NS = 60 * 1_000_000_000
"""Time bucket of an opportunity key (runtime 2.15 rule 1)."""
REMEMBERED = 10_000
"""Families and markets kept at most (arb 13); time ends them long before."""
_FAMILIES = {
    "intra_venue": "intra",
    "cross_venue": "cross_parity",
    "structural_parity": "cross_parity",
    "structural_bucket": "bucket",
    "structural_event_tree": "event_tree",
    "structural_implication": "event_tree",
}
"""Kinds whose names differ from their family's (arb 1); any other kind is a family of its own."""
_DELIMITERS = "%|/,:"


class Admission(NamedTuple):
    """What becomes of a plan: its opportunity's key, its legs under their derived keys, and whether it comes again."""

    key: str
    legs: tuple[Place, ...]
    duplicate: bool


def opportunity_id(opportunity: Opportunity) -> str:
    """Return kind, relation, style, rule and sorted legs as one text; it holds no time and no order of discovery."""
    legs = sorted(_leg(leg) for leg in opportunity.legs)
    parts = (opportunity.kind, opportunity.relation, opportunity.style, opportunity.rule)
    return "|".join([*map(_plain, parts), ",".join(legs)])


def opportunity_key(opportunity: Opportunity, ts_ns: int, bucket_ns: int = BUCKET_NS) -> str:
    """Return the id with its time bucket."""
    return f"{opportunity_id(opportunity)}|{ts_ns // bucket_ns}"


def intent_key(key: str, leg: str, attempt: int = 1) -> str:
    """Return the intent key of one leg of an opportunity; a new attempt group is a new intent."""
    return f"{key}/{_plain(leg)}/a{attempt}"


def family_key(opportunity: Opportunity) -> str:
    """Return the key that all aliases share: by rule where one names the markets, else by the sorted markets."""
    kind = _plain(opportunity.kind)
    family = _FAMILIES.get(kind, kind)
    if opportunity.rule and family in {"bucket", "event_tree"}:
        return f"{family}|{_plain(opportunity.rule)}"
    markets = sorted({_market(leg.instrument) for leg in opportunity.legs})
    relation = [_plain(opportunity.relation)] if family == "cross_parity" else []
    return "|".join([family, *relation, *markets])


class _Saved(msgspec.Struct):
    until_ns: list[tuple[str, int]]
    dropped: int
    evicted: int


class Opportunities:
    """What has been acted on, and until when it is closed; `dropped` counts the duplicates, `evicted` memory's end."""

    def __init__(self, bucket_ns: int = BUCKET_NS, remembered: int = REMEMBERED) -> None:
        self.dropped = 0
        self.evicted = 0
        self._bucket_ns = bucket_ns
        self._remembered = remembered
        self._until_ns: dict[str, int] = {}

    def admit(self, plan: Plan, ts_ns: int) -> Admission:
        """Return the plan's legs under their keys, and whether its family or a market of it is closed.

        Raises ValueError for a plan or an opportunity without legs.
        """
        wanted = plan.opportunity
        if not (plan.legs and wanted.legs):
            raise ValueError(f"a plan of kind {wanted.kind!r} has no legs")
        key = plan.intent or opportunity_key(wanted, ts_ns, self._bucket_ns)
        legs = tuple(structs.replace(leg, key=intent_key(key, leg.key)) for leg in plan.legs)
        duplicate = self.closed(wanted, ts_ns)
        self.dropped += duplicate
        return Admission(key, legs, duplicate)

    def closed(self, opportunity: Opportunity, ts_ns: int) -> bool:
        """Tell whether its family or a market of it was acted on and is not open again."""
        return any(ts_ns < self._until_ns.get(name, ts_ns) for name in self._names(opportunity))

    def acted(self, opportunity: Opportunity, ts_ns: int) -> int:
        """Close what was acted on; returns how many others had to be forgotten before their time."""
        for name in self._names(opportunity):
            span_ns = opportunity.market_cooldown_ns
            if name.startswith("family|"):
                span_ns = max(self._bucket_ns, opportunity.cooldown_ns)
            if span_ns > 0:
                self._until_ns[name] = max(self._until_ns.get(name, 0), ts_ns + span_ns)
        return self._forget(ts_ns)

    def _forget(self, ts_ns: int) -> int:
        if len(self._until_ns) <= self._remembered:
            return 0
        self._until_ns = {name: until_ns for name, until_ns in self._until_ns.items() if until_ns > ts_ns}
        surplus = max(len(self._until_ns) - self._remembered, 0)
        for name in sorted(self._until_ns, key=lambda name: (self._until_ns[name], name))[:surplus]:
            del self._until_ns[name]
        self.evicted += surplus
        return surplus

    @staticmethod
    def _names(opportunity: Opportunity) -> list[str]:
        markets = sorted({_market(leg.instrument) for leg in opportunity.legs})
        return [f"family|{family_key(opportunity)}", *(f"market|{market}" for market in markets)]

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(list(self._until_ns.items()), self.dropped, self.evicted))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with nothing changed, when it is none."""
        saved = msgspec.convert(state, _Saved)
        self._until_ns = dict(saved.until_ns)
        self.dropped, self.evicted = saved.dropped, saved.evicted


def _leg(leg: OpportunityLeg) -> str:
    return f"{_market(leg.instrument)}/{_plain(leg.side)}"


def _market(instrument: InstrumentId) -> str:
    return f"{_plain(instrument.venue)}/{_plain(instrument.symbol)}"


def _plain(text: str) -> str:
    """Fold case and escape what separates the parts, so that two texts never read as one (arb 13)."""
    return "".join(f"%{ord(sign):02x}" if sign in _DELIMITERS else sign for sign in text.casefold())
