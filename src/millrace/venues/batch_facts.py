"""Which venues take several orders in one call, and on what terms (venues 1.4 and 1.5, 2, 3 and 4).

Each venue charges every item of a batch, so a batch saves requests and no pace; where an item is cheaper in a batch
than alone that is said, and where the documents leave it open the dearer reading stands. Every venue answers item by
item, and an item that fails hurts no other.
"""

from typing import Final

from millrace.capacity.batch_rules import SINGLE_CALLS, BatchRules, OpBatch

_FACTS: Final = {
    # Add 2 to 15 orders of one pair for half of their cost, by a table that was cut off; cancels cost their sum.
    "kraken": BatchRules(OpBatch(15), SINGLE_CALLS.amend, OpBatch(15), one_market=True),
    # Up to 10 of one category, each charged like a call of its own.
    "bybit": BatchRules(OpBatch(10), OpBatch(10), OpBatch(10)),
    # The sum of the items; a cancel in a batch costs 2 tokens where a call costs 10. No batch of amends is known, and
    # no largest one: ten orders are a second of the lowest tier.
    "kalshi": BatchRules(OpBatch(10), SINGLE_CALLS.amend, OpBatch(10, per_call=5)),
    # Up to 15 orders; nothing is amended there; buckets per signer charge each item.
    "polymarket": BatchRules(OpBatch(15), SINGLE_CALLS.amend, OpBatch(15)),
}


def batch_facts(venue: str) -> BatchRules:
    """Return what a venue takes together; one of which nothing is known takes one thing at a time."""
    return _FACTS.get(venue, SINGLE_CALLS)
