"""What venue metadata prove about a group of markets, and nothing beyond it (arb 4.2, 4.3).

An exchange that says "only one of these can resolve yes" proves exclusivity; a market that names its parent proves that
it is nested. Neither proves that the list is complete.
"""

from collections.abc import Mapping, Sequence

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.model import MarketFacts, Proposition
from millrace.strategies.arb.rules.records import TreeBits


def proved_exclusive(members: Sequence[Proposition], facts: Mapping[InstrumentId, MarketFacts]) -> bool:
    """Tell whether the venue says of one event with all these YES outcomes that only one can resolve yes."""
    known = [facts.get(member.market) for member in members]
    if any(member.outcome is not Outcome.YES for member in members):
        return False
    events = {(fact.market.venue, fact.event) for fact in known if fact is not None and fact.mutually_exclusive}
    return len(events) == 1 and all(fact is not None and fact.event and fact.mutually_exclusive for fact in known)


def denied_exclusive(members: Sequence[Proposition], facts: Mapping[InstrumentId, MarketFacts]) -> bool:
    """Tell whether the venue says of a member's event that several of its outcomes can resolve yes."""
    known = (facts.get(member.market) for member in members)
    return any(fact is not None and fact.mutually_exclusive is False for fact in known)


def proved_bits(
    parent: Proposition, children: Sequence[Proposition], facts: Mapping[InstrumentId, MarketFacts]
) -> TreeBits:
    """Return the bits that explicit parent links and the exchange's exclusivity flag prove."""
    nested = all(
        child.outcome is Outcome.YES
        and child.market.venue == parent.market.venue
        and (fact := facts.get(child.market)) is not None
        and fact.parent == parent.market.symbol
        for child in children
    )
    return TreeBits(exclusive=proved_exclusive(children, facts), nested=nested)
