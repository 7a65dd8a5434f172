"""The checks of a mapping that need nothing but the rows and the list of markets (arb 14.3, 14.4).

They run when a file is loaded and again on every change of the list. A market that stands in two rows makes all of
them suspect, because at most one can be right and nothing says which: a map of 743 rows onto 18 contracts is blocked
row by row. What prices say is in `watch`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.mapping.records import (
    Check,
    Effect,
    Finding,
    MappingMap,
    MappingRef,
    MappingRow,
    RefKind,
    Severity,
)
from millrace.strategies.arb.model import MarketFacts


def check_rows(found: MappingMap) -> tuple[Finding, ...]:
    """Return what the rows alone show: dropped entries, ids that stand in several rows, group ids used twice."""
    return (*found.dropped, *_cardinality(found.rows), *_duplicate_groups(found.rows))


def blocked_groups(findings: Iterable[Finding]) -> set[str]:
    """Return the rows that must not trade because of these findings."""
    return {finding.group_id for finding in findings if finding.effect is not Effect.REPORT}


def _cardinality(rows: Sequence[MappingRow]) -> Iterable[Finding]:
    """Yield a finding for every row and ref whose id stands in several rows for the same two venues."""
    users: dict[tuple[str, str, tuple[str, str, str]], list[MappingRow]] = defaultdict(list)
    for row in rows:
        for left, right in row.pairs:
            for own in (left, right):
                users[left.key[0], right.key[0], own.key].append(row)
    blocked: set[tuple[int, str]] = set()
    for row in rows:
        for left, right in row.pairs:
            for own in (left, right):
                sharers = users[left.key[0], right.key[0], own.key]
                if len(sharers) > 1 and (id(row), str(own)) not in blocked:
                    blocked.add((id(row), str(own)))
                    other = next((user for user in sharers if user is not row), row)
                    text = (
                        f"{row.group_id}: {own} stands in {len(sharers)} rows, {other.group_id} is another; "
                        "keep the one that is right"
                    )
                    yield Finding(Check.CARDINALITY, Severity.ERROR, Effect.BLOCKED, row.group_id, str(own), text)


def _duplicate_groups(rows: Sequence[MappingRow]) -> Iterable[Finding]:
    counts = Counter(row.group_id for row in rows)
    for group, count in counts.items():
        if count > 1:
            text = f"{group}: {count} rows have this group id; give each its own"
            yield Finding(Check.DUPLICATE_GROUP, Severity.WARNING, Effect.REPORT, group, "", text)


class MarketIndex:
    """The listed markets by venue and ref: a market by its id, an event by the markets that it has (arb 14.4)."""

    def __init__(self, facts: Iterable[MarketFacts]) -> None:
        self.by_market: dict[tuple[str, str], MarketFacts] = {}
        self._by_event: dict[tuple[str, str], list[MarketFacts]] = defaultdict(list)
        for market in facts:
            venue, symbol = (part.strip().lower() for part in market.market)
            self.by_market[venue, symbol] = market
            self._by_event[venue, market.event.strip().lower()].append(market)

    def facts(self, market: InstrumentId) -> MarketFacts | None:
        """Return what is known of a market, None when it is not listed."""
        return self.by_market.get((market.venue.strip().lower(), market.symbol.strip().lower()))

    def resolve(self, ref: MappingRef, group_id: str) -> MarketFacts | Finding:
        """Return the one market that a ref means; never the first of several."""
        venue, kind, value = ref.key
        if kind == RefKind.MARKET:
            market = self.by_market.get((venue, value))
            if market is not None:
                return market
            text = f"{group_id}: {ref} is not among the venue's markets; delete the row when it is gone for good"
            return Finding(Check.STALE_LINK, Severity.WARNING, Effect.NOT_TRADABLE, group_id, str(ref), text)
        listed = self._by_event.get((venue, value), [])
        if len(listed) == 1:
            return listed[0]
        text = f"{group_id}: {ref} has {len(listed) or 'no'} markets; name the market itself"
        return Finding(Check.AMBIGUOUS_REF, Severity.ERROR, Effect.NOT_TRADABLE, group_id, str(ref), text)
