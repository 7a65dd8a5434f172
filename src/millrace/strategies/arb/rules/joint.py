"""What a basket pays under all rules that bind its markets together, and which rules contradict each other (arb 4.6).

More rules can only raise a floor, so leaving some out is safe and trusting a wrong one is not: pairs that only a
fallback vouches for take part in the search for contradictions and in no floor but their own. Where a component has
more worlds than may be enumerated, the answer is the floor of the basket's own rule, never the payout that it claims.
Nothing outlives its rules: a reload makes a new `Joint`, with the worlds of the new labels (arb 20, W-13).
"""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Sequence
from hashlib import sha256
from typing import NamedTuple, TypeVar

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.model import Proposition, Tier
from millrace.strategies.arb.rules.constraints import Count, Rule, counts_of, propositions_of, rules_of
from millrace.strategies.arb.rules.floors import Bounds
from millrace.strategies.arb.rules.records import PairRule, RuleSet
from millrace.strategies.arb.rules.worlds import ENUMERATED_PROPOSITIONS, MOST_WORLDS, Worlds, permitted

MOST_KEPT = 4_096
"""Components and baskets whose answers are kept; the oldest are forgotten and found again when needed."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")
_TRUSTED = {Tier.NONE, Tier.STRICT}
_BLOCKED_DIGITS = 8
_MOST_SHRUNK = 64
"""A contradiction of more rules than this is shown whole, not narrowed down."""
_CELLS, _FEWEST_WORLDS = 1_000_000, 64
"""A large component's worlds may take so many entries, one for each market and count, before they are too many."""


class Component(NamedTuple):
    """Markets that rules bind together; `floors` are the counts that may carry a floor, `claims` all that are made."""

    markets: tuple[InstrumentId, ...]
    rules: tuple[Rule, ...]
    floors: tuple[Count, ...]
    claims: tuple[Count, ...]


class JointBounds(NamedTuple):
    """A basket's floor and ceiling with the proof in words: the rules enumerated, or why only its own rule counts."""

    floor: int
    ceiling: int
    proof: str


class Contradiction(NamedTuple):
    """Rules that no world satisfies together: none of their component's markets may be traded."""

    groups: tuple[str, ...]
    markets: tuple[InstrumentId, ...]

    @property
    def text(self) -> str:
        """What is wrong and what to do, for a person."""
        return f"rules {', '.join(self.groups)} cannot all be true; their {len(self.markets)} markets are blocked"


class Joint:
    """Floors under all active rules together, found when they are asked for and kept, within bounds.

    A rule named in `blocked` (a mapping in quarantine, a proposal revoked) proves nothing, of no basket.
    """

    def __init__(self, rules: RuleSet, blocked: Collection[str] = (), *, most_worlds: int = MOST_WORLDS) -> None:
        self.blocked = frozenset(blocked)
        self.version = _version(rules.version, self.blocked)
        self.components = tuple(_components(rule for rule in rules_of(rules) if rule.group_id not in self.blocked))
        self._of_market = {market: found for found in self.components for market in found.markets}
        self._most_worlds = most_worlds
        self._worlds: OrderedDict[InstrumentId, Worlds | None] = OrderedDict()
        self._bounds: OrderedDict[tuple[tuple[Proposition, ...], Bounds], JointBounds | None] = OrderedDict()

    def component(self, market: InstrumentId) -> Component | None:
        """Return the component of a market; None when no rule binds it."""
        return self._of_market.get(market)

    def bounds(self, legs: Sequence[Proposition], own: Bounds) -> JointBounds | None:
        """Return what one contract of each leg pays; None when rules contradict each other and nothing is sure.

        `own` are the bounds that the basket's own rule proves: the answer is never worse.
        """
        key = tuple(legs), own
        if key in self._bounds:
            return self._bounds[key]
        return _keep(self._bounds, key, self._joint(key[0], own))

    def worlds(self, market: InstrumentId) -> Worlds | None:
        """Return the worlds of a market's component, `whole` false when too many; None when it contradicts itself."""
        component = self._of_market.get(market)
        if component is None:
            return permitted((market,), ())
        first = component.markets[0]
        if first in self._worlds:
            return self._worlds[first]
        return _keep(self._worlds, first, self._permitted(component))

    def contradictions(self) -> tuple[Contradiction, ...]:
        """Return every component without a world, each with the smallest set of rules found that clash.

        A component of too many worlds is free of contradictions when one of those tried satisfies it; otherwise it is
        not known to be contradictory, and only own-rule floors are used in it.
        """
        clashing = (
            found for found in self.components if len(found.rules) > 1 and self.worlds(found.markets[0]) is None
        )
        return tuple(Contradiction(self._smallest(found), found.markets) for found in clashing)

    def _permitted(self, component: Component) -> Worlds | None:
        worlds = permitted(component.markets, component.claims, self._most(component))
        if worlds.contradictory:
            return None
        if component.floors != component.claims:
            worlds = permitted(component.markets, component.floors, self._most(component))
        return worlds

    def _most(self, component: Component) -> int:
        """Return how many worlds may be held: all of 14 propositions, fewer where each takes more room."""
        if len(component.markets) <= ENUMERATED_PROPOSITIONS:
            return self._most_worlds
        return min(self._most_worlds, max(_FEWEST_WORLDS, _CELLS // (len(component.markets) + len(component.claims))))

    def _joint(self, legs: tuple[Proposition, ...], own: Bounds) -> JointBounds | None:
        floor, ceiling, groups, whole = 0, 0, 0, True
        for part in self._apart(legs):
            worlds = self.worlds(part[0].market)
            if worlds is None:
                return None
            if not worlds.whole:
                whole = False
                continue
            found = worlds.bounds(part)
            floor, ceiling, groups = floor + found.floor, ceiling + found.ceiling, groups + 1
        if not whole:
            return JointBounds(*own, "own rule: too many worlds together")
        if floor <= own.floor:
            return JointBounds(own.floor, min(ceiling, own.ceiling), "own rule")
        return JointBounds(floor, min(ceiling, own.ceiling), "all rules together")

    def _apart(self, legs: tuple[Proposition, ...]) -> Iterator[list[Proposition]]:
        """Yield the legs by component: what is not bound together pays independently, and floors add up."""
        parts: dict[InstrumentId, list[Proposition]] = {}
        for leg in legs:
            component = self._of_market.get(leg.market)
            parts.setdefault(component.markets[0] if component else leg.market, []).append(leg)
        yield from parts.values()

    def _smallest(self, component: Component) -> tuple[str, ...]:
        rules = list(component.rules)
        for rule in component.rules if len(rules) <= _MOST_SHRUNK else ():
            rest = [other for other in rules if other is not rule]
            counts = [count for other in rest for count in counts_of(other)]
            if permitted(component.markets, counts, self._most(component)).contradictory:
                rules = rest
        return tuple(rule.group_id for rule in rules)


def _version(rules: str, blocked: frozenset[str]) -> str:
    """Return the name of these rules without the blocked ones."""
    out = sha256("\n".join(sorted(blocked)).encode()).hexdigest()[:_BLOCKED_DIGITS]
    return f"{rules}-{out}" if blocked else rules


def _components(rules: Iterable[Rule]) -> Iterator[Component]:
    """Yield what hangs together, in the order of the rules; what nobody vouches for binds nothing."""
    claims = [(rule, counts_of(rule)) for rule in rules if not _unverified(rule)]
    claims = [claim for claim in claims if claim[1]]
    root: dict[InstrumentId, InstrumentId] = {}
    for rule, _ in claims:
        markets = [taken.market for taken in propositions_of(rule)]
        for market in markets:
            root.setdefault(market, market)
            root[_root(root, market)] = _root(root, markets[0])
    together: dict[InstrumentId, list[tuple[Rule, tuple[Count, ...]]]] = {}
    for rule, counts in claims:
        together.setdefault(_root(root, propositions_of(rule)[0].market), []).append((rule, counts))
    for found in together.values():
        spoken = dict.fromkeys(taken.market for rule, _ in found for taken in propositions_of(rule))
        yield Component(
            markets=tuple(spoken),
            rules=tuple(rule for rule, _ in found),
            floors=tuple(count for rule, counts in found if _trusted(rule) for count in counts),
            claims=tuple(count for _, counts in found for count in counts),
        )


def _root(root: dict[InstrumentId, InstrumentId], market: InstrumentId) -> InstrumentId:
    while root[market] != market:
        root[market] = root[root[market]]
        market = root[market]
    return market


def _unverified(rule: Rule) -> bool:
    return isinstance(rule, PairRule) and rule.tier is Tier.UNVERIFIED


def _trusted(rule: Rule) -> bool:
    return not isinstance(rule, PairRule) or rule.tier in _TRUSTED


def _keep(kept: OrderedDict[_Key, _Value], key: _Key, value: _Value) -> _Value:
    kept[key] = value
    if len(kept) > MOST_KEPT:
        kept.popitem(last=False)
    return value
