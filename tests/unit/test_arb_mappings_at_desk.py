"""Mappings and proposals as the desk holds them: indexed once, blocked while it runs (arb 12 exit 1, 14, 15)."""

import msgspec
import pytest

from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.discovery.records import DiscoverySettings, Evidence, Proposal, State
from millrace.strategies.arb.mapping.approvals import Decisions
from millrace.strategies.arb.mapping.at_desk import MappingsAtDesk
from millrace.strategies.arb.mapping.load import parse_map
from millrace.strategies.arb.mapping.settings import HOUR_NS, MINUTE_NS, MappingSettings
from millrace.strategies.arb.model import MarketFacts, Proposition, Tier
from millrace.strategies.arb.rules.records import NO_RULES, PairRule, Provenance, Relation, RuleSet

NOW = 1_000 * HOUR_NS
K, P, Q = InstrumentId("k", "A"), InstrumentId("p", "B"), InstrumentId("p", "C")
MAP = "group_id,refs,confidence,provenance,approved_by,approved_at\ng,k:market:A p:market:B,0.95,human,ann,2026-01-01\n"
FACTS = tuple(
    MarketFacts(
        market=market, event="", title="Rain in Denver on May 5?", rules_text="By the office.", close_ns=NOW * 2
    )
    for market in (K, P, Q)
)


def found(relation: Relation = Relation.EQUIVALENT, state: State = State.APPROVED, **other: object) -> Proposal:
    evidence = Evidence(0.5, 0.8, 40, 0.65)
    return Proposal(
        relation=relation,
        left=Proposition(P),
        right=Proposition(Q),
        evidence=evidence,
        titles=("", ""),
        state=state,
        **other,
    )


def desk(*proposals: Proposal, base: RuleSet = NO_RULES, text: str = MAP) -> MappingsAtDesk:
    decisions = Decisions(proposals=proposals)
    return MappingsAtDesk(base, parse_map(text, "m"), decisions, FACTS, MappingSettings(), DiscoverySettings())


def quote(market: InstrumentId, ts_ns: int, mid: int) -> BinaryQuote:
    def level(ticks: int) -> tuple[BookLevel, ...]:
        return (BookLevel(ticks, 1_000_000),)

    return BinaryQuote(
        market,
        ts_ns,
        0,
        1,
        QuoteSource.STREAM,
        level(mid + 50),
        level(10_050 - mid),
        level(mid - 50),
        level(9_950 - mid),
    )


def test_what_is_mapped_is_blocked_until_it_was_judged_and_then_not() -> None:
    made = desk()
    assert [rule.group_id for rule in made.rules.pairs] == ["g"]
    assert made.blocked == {"g"}
    assert made.cycle(NOW)
    assert (made.blocked, made.lost) == (frozenset(), frozenset())
    assert not made.cycle(NOW + 1)
    assert made.next_ns == NOW + MINUTE_NS


def test_a_lost_mapping_is_lost_for_baskets_and_for_rules_that_lean_on_it() -> None:
    parity = PairRule(
        group_id="parity", relation=Relation.EQUIVALENT, left=Proposition(K), right=Proposition(P),
        source=Provenance.HUMAN, tier=Tier.STRICT, confidence=0.9, mapping_id="g",
    )  # fmt: skip
    made = desk(base=RuleSet(version="", pairs=(parity,)))
    made.cycle(NOW)
    made.note_edges([("g", 0.2), ("other", 0.9)], NOW)
    assert not made.cycle(NOW)
    made.note_edges([("g", 0.4)], NOW)
    assert made.cycle(NOW)
    assert made.blocked == {"g", "parity"}
    assert made.lost == {"g", "parity"}


def test_the_venues_words_are_compared_again_before_the_hour_is_over() -> None:
    made = desk()
    for minute in range(0, 240, 5):
        made.cycle(NOW + minute * MINUTE_NS)
        assert made.blocked == frozenset()


def test_what_is_found_wrong_is_told_once_also_where_the_pair_was_blocked_already() -> None:
    made = desk()
    made.cycle(NOW)
    assert made.news() == ""
    made.resolved(P, 10_000, NOW)
    made.cycle(NOW)
    assert made.news() == ""
    made.note_edges([("g", 0.4)], NOW)
    assert made.cycle(NOW)
    assert made.news().startswith("1 mapped or proposed pairs were found wrong and do not trade: g: ")
    assert made.news() == ""


def test_a_resolved_market_blocks_its_pair() -> None:
    made = desk()
    made.cycle(NOW)
    made.resolved(P, 10_000, NOW)
    assert made.cycle(NOW)
    assert made.blocked == {"g"}
    assert made.lost == frozenset(), "a basket on it waits for its other leg"


def test_a_ladder_is_blocked_and_lost_with_the_steps_that_baskets_name() -> None:
    made = desk(found(Relation.IMPLIES), text=MAP.splitlines()[0] + "\n")
    name = f"found_{found(Relation.IMPLIES).proposal_id}"
    (ladder,) = made.rules.implications
    assert made.blocked == {name, ladder.step_id(0)}
    looks(made, 50, 4_000, 4_000)
    assert made.blocked == frozenset()
    made.resolved(P, 10_000, NOW)
    made.resolved(Q, 0, NOW + 1)
    made.cycle(NOW + 60 * MINUTE_NS)
    assert made.lost == made.blocked == {name, ladder.step_id(0)}
    assert made.news().startswith("1 mapped or proposed pairs were found wrong")


def looks(made: MappingsAtDesk, count: int, left: int, right: int, start: int = 0) -> None:
    for minute in range(start, start + count):
        at_ns = NOW + minute * MINUTE_NS
        made.quoted(quote(P, at_ns, left))
        made.quoted(quote(Q, at_ns, right))
        made.cycle(at_ns)


def test_an_approved_proposal_trades_after_fifty_looks_on_paper() -> None:
    """15."""
    made = desk(found(), text=MAP.splitlines()[0] + "\n")
    name = f"found_{found().proposal_id}"
    assert [rule.group_id for rule in made.rules.pairs] == [name]
    looks(made, 49, 4_000, 4_100)
    assert made.blocked == {name}
    looks(made, 1, 4_000, 4_100, start=49)
    assert made.blocked == frozenset()


@pytest.mark.parametrize(
    ("relation", "left", "right", "counts"),
    [
        (Relation.EQUIVALENT, 4_000, 4_600, False),
        (Relation.COMPLEMENT, 4_000, 6_100, True),
        (Relation.COMPLEMENT, 4_000, 4_100, False),
        (Relation.IMPLIES, 3_000, 8_000, True),
        (Relation.IMPLIES, 8_000, 3_000, False),
        (Relation.EXCLUSIVE, 3_000, 3_000, True),
        (Relation.EXCLUSIVE, 6_000, 6_000, False),
    ],
)
def test_a_look_whose_prices_lie_against_the_relation_does_not_count(relation, left, right, counts) -> None:
    made = desk(found(relation))
    looks(made, 3, left, right)
    (each,) = made.proposals
    assert each.observations == (3 if counts else 0)


def test_a_look_needs_both_prices_and_fresh_ones() -> None:
    made = desk(found())
    made.quoted(quote(P, NOW, 4_000))
    made.cycle(NOW)
    made.quoted(quote(Q, NOW + MINUTE_NS, 4_000))
    made.cycle(NOW + 30 * MINUTE_NS)
    (each,) = made.proposals
    assert each.observations == 0


@pytest.mark.parametrize(
    ("right", "state"), [(10_000, State.ACTIVE), (0, State.REVOKED), (None, State.ACTIVE), (5_000, State.ACTIVE)]
)
def test_a_resolution_against_the_relation_takes_an_active_rule_away(right, state) -> None:
    made = desk(found(state=State.ACTIVE))
    made.cycle(NOW)
    made.resolved(P, 10_000, NOW)
    made.resolved(Q, right, NOW + 1)
    (each,) = made.proposals
    assert each.state is state
    made.cycle(NOW + 2)
    assert (f"found_{each.proposal_id}" in made.lost) is (state is State.REVOKED)


def test_it_comes_back_as_it_was_and_a_persons_later_word_counts() -> None:
    first = desk(found(changed_ns=5))
    looks(first, 20, 4_000, 4_000)
    state = msgspec.json.decode(msgspec.json.encode(first.snapshot()))
    second = desk(found(changed_ns=5))
    second.restore(state)
    assert second.snapshot() == first.snapshot()
    for made in (first, second):
        looks(made, 30, 4_000, 4_000, start=20)
    assert second.snapshot() == first.snapshot()
    assert second.blocked == frozenset()
    revoked = desk(found(state=State.REVOKED, changed_ns=NOW * 3))
    revoked.restore(first.snapshot())
    assert revoked.cycle(NOW + 50 * MINUTE_NS)
    assert f"found_{found().proposal_id}" in revoked.lost


def test_without_mappings_nothing_is_ever_due() -> None:
    made = desk(text=MAP.splitlines()[0] + "\n")
    assert made.next_ns is None
    assert made.blocked == frozenset()
    assert made.status()["mapped"] == 0


def test_the_status_counts_and_shows_what_is_wrong() -> None:
    made = desk(found())
    made.cycle(NOW)
    made.watch.quarantine("g", "ann", "look")
    made.cycle(NOW)
    told = made.status()
    assert (told["mapped"], told["in_force"], told["proposals"]["approved"]) == (1, 0, 1)
    assert told["findings"] == ["g: revoked by ann: look"]
