"""What a cycle looks at, and in which order (arb 3, 13).

The same find under several names is decided once: exact duplicates leave the best, and the two directions and aliases
of a pair leave one per family and style, with the lanes that also found it. Then every lane with a candidate gets one
place in rotating order, and the rest follows by value, so that no lane starves and every run has the same order.
"""

from collections.abc import Iterable, Sequence

from msgspec import structs

from millrace.core.commands import Opportunity, OpportunityLeg
from millrace.orders.opportunity import opportunity_id
from millrace.strategies.arb.model import LANES, Basket, Lane

_SECOND_NS = 1_000_000_000


def opportunity_of(basket: Basket, cooldown_ns: int = 0, market_cooldown_ns: int = 0) -> Opportunity:
    """Return what the basket is, by what it is: kind, legs, style, relation and rule; nothing of time or price."""
    legs = tuple(OpportunityLeg(leg.proposition.market, leg.proposition.outcome.value) for leg in basket.legs)
    names = (basket.style, basket.relation, basket.rule)
    return Opportunity(basket.lane.kind, legs, *names, cooldown_ns, market_cooldown_ns)


def collapsed(baskets: Iterable[Basket]) -> list[Basket]:
    """Return one basket per exact opportunity and, of pairs, one per family and style, the most valuable."""
    exact: dict[str, Basket] = {}
    for basket in baskets:
        name = opportunity_id(opportunity_of(basket))
        known = exact.get(name)
        if known is None or basket.net_nano > known.net_nano:
            exact[name] = basket
    kept: dict[tuple[str, str], Basket] = {}
    others: list[Basket] = []
    for basket in exact.values():
        if basket.lane.family != Lane.CROSS.family:
            others.append(basket)
            continue
        at = (basket.family, basket.style)
        known = kept.get(at)
        kept[at] = basket if known is None else _survivor(known, basket)
    return [*others, *kept.values()]


def _survivor(one: Basket, other: Basket) -> Basket:
    """Return the more valuable of two constructions of a pair; ties go to the first direction."""
    best, rest = sorted((one, other), key=lambda basket: (-basket.net_nano, basket.direction))
    lanes = {*best.aliases, *rest.aliases, rest.lane} - {best.lane}
    return structs.replace(best, aliases=tuple(lane for lane in LANES if lane in lanes))


def in_turn(baskets: Sequence[Basket], cycle: int) -> list[Basket]:
    """Return the candidates in the order in which they are decided: a place for each lane, then by value."""
    ranked = sorted(baskets, key=lambda basket: (-basket.net_nano, basket.direction, basket.style))
    turn = cycle % len(LANES)
    first = []
    for lane in (*LANES[turn:], *LANES[:turn]):
        found = next((basket for basket in ranked if basket.lane is lane), None)
        if found is not None:
            first.append(found)
    return [*first, *(basket for basket in ranked if not any(basket is taken for taken in first))]
