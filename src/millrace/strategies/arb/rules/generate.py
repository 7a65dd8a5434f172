"""Proposes rules from what venues say about their markets, and says of each event why it proposes nothing (arb 5).

Nothing here becomes active: every proposed entry lacks an approval, and the loader takes none without one. A proposal
claims no more than structured metadata prove. The exchange's flag proves exclusivity and not completeness, so a bucket
is proposed as exhaustive only where the venue's contract makes it so and every listed outcome is a member or has
resolved NO; explicit parent ids prove nesting; structured strikes prove which rung implies which.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import msgspec

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.mapping.records import MappingRow, RefKind
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.file_format import (
    BitsEntry,
    BitSources,
    BucketEntry,
    LadderEntry,
    PairEntry,
    RefEntry,
    RulesDocument,
    TreeEntry,
)
from millrace.strategies.arb.rules.records import Label, Provenance, Relation
from millrace.strategies.arb.rules.strikes import covering, disjoint, ladders
from millrace.strategies.arb.rules.wording import objections, title_share

_EXCHANGE = Provenance.EXCHANGE_API.value
_FEWEST_CHILDREN = 2


class GenerationSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Bounds of a proposed bucket (arb 5): open outcomes, and the share of them under one title."""

    min_size: int = 3
    max_size: int = 60
    title_share: float = 0.8


class EventDiagnosis(NamedTuple):
    """What was seen of one event, and why it is no bucket; `why_not` is empty when one is proposed.

    `coverage` is the share of all listed outcomes that are open or have resolved NO, None when the venue does not say
    how many it listed. `strikes` tells whether structured intervals cover every figure (see `strikes.covering`).
    """

    venue: str
    event: str
    markets: int
    tradable: int
    outcomes: int
    title_share: float
    coverage: float | None
    strikes: str
    label: str
    why_not: tuple[str, ...]


class Skip(NamedTuple):
    """A tree, ladder or pair that is not proposed, and why."""

    kind: str
    name: str
    reason: str


class Proposals(NamedTuple):
    """What is proposed, as a file of version 2 without approvals, and what is not."""

    document: RulesDocument
    events: tuple[EventDiagnosis, ...]
    skipped: tuple[Skip, ...]


def generate(
    facts: Iterable[MarketFacts],
    rows: Iterable[MappingRow] = (),
    blocked: Iterable[str] = (),
    settings: GenerationSettings = GenerationSettings(),  # noqa: B008  frozen
    *,
    generated_at: str = "",
    source_hash: str = "",
) -> Proposals:
    """Propose buckets, trees, ladders and pairs; `blocked` are the mapping's groups that its checks block."""
    events: dict[tuple[str, str], list[MarketFacts]] = {}
    for fact in sorted(facts, key=lambda fact: fact.market):
        events.setdefault((fact.market.venue, fact.event), []).append(fact)
    skipped: list[Skip] = []
    buckets, diagnoses = [], []
    for (venue, event), markets in events.items():
        bucket, diagnosis = _bucket(venue, event, markets, settings)
        diagnoses.append(diagnosis)
        buckets += [bucket] if bucket else []
    document = RulesDocument(
        generated_at=generated_at,
        generator="millrace rules generate",
        source_snapshot_hash=source_hash,
        mutually_exclusive_buckets=tuple(buckets),
        event_trees=tuple(_trees(events, skipped)),
        implications=tuple(_ladders(events, skipped)),
        cross_market_parity_checks=tuple(_pairs(rows, set(blocked), skipped)),
    )
    return Proposals(document, tuple(diagnoses), tuple(skipped))


def _bucket(
    venue: str, event: str, markets: Sequence[MarketFacts], settings: GenerationSettings
) -> tuple[BucketEntry | None, EventDiagnosis]:
    members = [market for market in markets if market.status == "open"]
    share, listed = title_share(members), max((market.listed_in_event for market in markets), default=0)
    resolved_no = sum(market.result == Outcome.NO for market in markets)
    coverage = min((len(members) + resolved_no) / listed, 1.0) if listed else None
    why_not = list(_unfit(markets, members, share, settings))
    exclusive = bool(members) and all(market.mutually_exclusive for market in members)
    complete = coverage == 1.0 and all(market.neg_risk and not market.augmented for market in members)
    label = (Label.EXHAUSTIVE if complete else Label.NON_EXHAUSTIVE) if exclusive else Label.UNKNOWN
    diagnosis = EventDiagnosis(
        venue, event, len(markets), len(members), listed, share, coverage, covering(members) if members else "",
        "" if why_not else label.value, tuple(why_not),
    )  # fmt: skip
    if why_not:
        return None, diagnosis
    entry = BucketEntry(
        group_id=f"{venue}|{event}|bucket",
        label=label.value,
        exclusivity_source=_EXCHANGE if exclusive else Provenance.HEURISTIC.value,
        exhaustiveness_source=_EXCHANGE if label is Label.EXHAUSTIVE else "",
        legs=tuple(_ref(market.market) for market in members),
        expected_member_count=listed - resolved_no if listed else None,
    )
    return entry, diagnosis


def _unfit(
    markets: Sequence[MarketFacts], members: Sequence[MarketFacts], share: float, settings: GenerationSettings
) -> Iterator[str]:
    """Yield why an event is no bucket; the exchange's denial is final and comes first."""
    if any(market.mutually_exclusive is False for market in markets):
        yield "denied_by_exchange"
    if any(market.result == Outcome.YES for market in markets):
        yield "already_decided"
    if not members or not members[0].event:
        yield "no_event" if members else "nothing_open"
        return
    if len(members) < settings.min_size:
        yield "too_few_outcomes"
    if len(members) > settings.max_size:
        yield "too_many_outcomes"
    if all(market.mutually_exclusive for market in members) and disjoint(members):
        return
    if share < settings.title_share:
        yield "titles_differ"
    yield from objections(members)


def _trees(events: dict[tuple[str, str], list[MarketFacts]], skipped: list[Skip]) -> Iterator[TreeEntry]:
    """Yield the trees of explicit parent ids: nested, exclusive where the exchange says so, never known to cover."""
    known = {market.market: market for markets in events.values() for market in markets}
    families: dict[InstrumentId, list[MarketFacts]] = {}
    for market in known.values():
        if market.parent:
            families.setdefault(InstrumentId(market.market.venue, market.parent), []).append(market)
    for parent, children in families.items():
        members = [child for child in children if child.status == "open" and child.market != parent]
        above = known.get(parent)
        if above is None or above.status != "open":
            skipped.append(Skip("event_tree", str(parent), "parent_unknown" if above is None else "parent_closed"))
        elif len(members) < _FEWEST_CHILDREN:
            skipped.append(Skip("event_tree", str(parent), "too_few_children"))
        else:
            one_event = len({child.event for child in members}) == 1
            exclusive = one_event and all(child.mutually_exclusive for child in members)
            yield TreeEntry(
                group_id=f"{parent.venue}|{parent.symbol}|tree",
                parent=_ref(parent),
                children=tuple(_ref(child.market) for child in members),
                label=Label.UNKNOWN.value,
                bits=BitsEntry(exclusive=exclusive, nested=True),
                provenance=BitSources(exclusive=_EXCHANGE if exclusive else "", nested=_EXCHANGE),
            )


def _ladders(events: dict[tuple[str, str], list[MarketFacts]], skipped: list[Skip]) -> Iterator[LadderEntry]:
    for (venue, event), markets in events.items():
        for ladder in ladders(event, [market for market in markets if market.status == "open"]):
            name = "|".join(part for part in (venue, event, ladder.subject, ladder.operator) if part)
            if ladder.why_not:
                skipped.append(Skip("implication", name, ladder.why_not))
                continue
            yield LadderEntry(
                group_id=f"{name}|ladder",
                chain=tuple(_ref(rung.market) for rung in ladder.rungs),
                strikes=tuple(rung.strike for rung in ladder.rungs),
                operator=ladder.operator,
                source=_EXCHANGE,
            )


def _pairs(rows: Iterable[MappingRow], blocked: set[str], skipped: list[Skip]) -> Iterator[PairEntry]:
    """Yield one pair for each two markets that a mapping row names directly."""
    seen: set[frozenset[tuple[str, str, str]]] = set()
    for row in rows:
        if row.group_id in blocked:
            skipped.append(Skip("parity", row.group_id, "blocked_by_checks"))
            continue
        for left, right in row.pairs:
            both = frozenset((left.key, right.key))
            if RefKind.EVENT in {left.kind, right.kind}:
                skipped.append(Skip("parity", f"{left} {right}", "event_level_ref"))
            elif both in seen:
                skipped.append(Skip("parity", f"{left} {right}", "duplicate_pair"))
            else:
                seen.add(both)
                relation = row.relation if row.relation is Relation.COMPLEMENT else Relation.EQUIVALENT
                yield PairEntry(
                    group_id=f"{row.group_id}|{left.venue}-{right.venue}",
                    relationship=relation.value,
                    left=_ref(left.market, left.outcome),
                    right=_ref(right.market, right.outcome),
                    mapping_id=row.group_id,
                )


def _ref(market: InstrumentId, outcome: Outcome = Outcome.YES) -> RefEntry:
    return RefEntry(venue=market.venue, market_id=market.symbol, side=outcome.value)


def reasons(proposals: Proposals) -> Counter[str]:
    """Return how often each reason speaks against a bucket."""
    return Counter(reason for event in proposals.events for reason in event.why_not)
