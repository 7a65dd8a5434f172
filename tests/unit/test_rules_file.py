"""The rules file: each reason code trips, nothing is dropped in silence, and nothing unproved gets a floor (arb 5)."""

import gzip
import json
from collections import Counter

import pytest

from arb_rules import proposition
from millrace.core.commands import Severity
from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.model import MarketFacts, Tier
from millrace.strategies.arb.rules.alerts import rule_alerts
from millrace.strategies.arb.rules.assemble import in_force, joined
from millrace.strategies.arb.rules.file_format import Reason
from millrace.strategies.arb.rules.floors import bucket_bounds, tree_bounds
from millrace.strategies.arb.rules.load import parse_rules
from millrace.strategies.arb.rules.records import Label, Provenance, Relation, TreeBits

NOW = 1_800_000_000 * 10**9
SIGNED = {"approved_by": "ann", "approved_at": "2026-11-01T12:00:00Z"}


def ref(name, side="yes", venue="kalshi"):
    return {"venue": venue, "market_id": name, "side": side}


def refs(*names):
    return [ref(name) for name in names]


def bucket(**fields):
    full = {"label": "exhaustive", "exclusivity_source": "exchange_api", "exhaustiveness_source": "human"}
    return {"group_id": "b", "legs": refs("A", "B", "C"), **full, **SIGNED} | fields


def tree(**fields):
    who = dict.fromkeys(("cover", "exclusive", "nested"), "human")
    bits = {"cover": True, "exclusive": True, "nested": True}
    entry = {"group_id": "t", "parent": ref("P"), "children": refs("A", "B"), "bits": bits, "provenance": who}
    return {**entry, **SIGNED} | fields


def ladder(**fields):
    entry = {"group_id": "l", "chain": refs("H", "L"), "strikes": [100, 90], "operator": "greater", "source": "human"}
    return {**entry, **SIGNED} | fields


def pair(left="A", right="B", relationship="equivalent", **fields):
    entry = {"group_id": "p", "relationship": relationship, "left": ref(left)}
    return {**entry, "right": ref(right, venue="polymarket"), **SIGNED} | fields


def parse(buckets=(), trees=(), ladders=(), pairs=(), facts=None, **top):
    document = {
        "format_version": 2,
        "mutually_exclusive_buckets": list(buckets),
        "event_trees": list(trees),
        "implications": list(ladders),
        "cross_market_parity_checks": list(pairs),
    }
    return parse_rules(json.dumps(document | top).encode(), "rules.json", NOW, facts)


def test_a_whole_file_is_taken() -> None:
    found = parse([bucket()], [tree(children=refs("D", "E"))], [ladder()], [pair("X", "Y")])
    assert not found.rejected
    assert found.buckets[0].label is Label.EXHAUSTIVE
    assert found.buckets[0].exclusive
    assert found.trees[0].bits == TreeBits(cover=True, exclusive=True, nested=True)
    assert found.trees[0].label is Label.EXHAUSTIVE
    assert [rung.market.symbol for rung in found.implications[0].chain] == ["H", "L"]
    assert (found.pairs[0].relation, found.pairs[0].tier) == (Relation.EQUIVALENT, Tier.STRICT)


EXHAUSTIVE_OF_FOUR = {"expected_member_count": 4}
REFUSED = [
    (Reason.MISSING_REF, "buckets", bucket(legs=[ref("A"), ref("")])),
    (Reason.MISSING_REF, "trees", tree(parent={})),
    (Reason.BAD_SIDE, "buckets", bucket(legs=[ref("A"), ref("B", "maybe")])),
    (Reason.BAD_SIDE, "pairs", pair(left="A") | {"left": {"venue": "kalshi", "market_id": "A"}}),
    (Reason.TOO_FEW_LEGS, "buckets", bucket(legs=refs("A"))),
    (Reason.TOO_FEW_LEGS, "trees", tree(children=refs("A"))),
    (Reason.TOO_FEW_LEGS, "ladders", ladder(chain=refs("A"), strikes=[1])),
    (Reason.DUPLICATE_LEG, "buckets", bucket(legs=[ref("A"), ref("B"), ref(" a ", "no")])),
    (Reason.DUPLICATE_LEG, "pairs", pair("A") | {"right": ref("A", "no")}),
    (Reason.PARENT_SIDE_NOT_YES, "trees", tree(parent=ref("P", "no"))),
    (Reason.SELF_CHILD, "trees", tree(children=refs("A", "p"))),
    (Reason.UNKNOWN_RELATIONSHIP, "pairs", pair(relationship="similar")),
    (Reason.LABEL_WITHOUT_PROVENANCE, "buckets", bucket(exhaustiveness_source="")),
    (Reason.LABEL_WITHOUT_PROVENANCE, "buckets", bucket(exclusivity_source="heuristic")),
    (Reason.LABEL_WITHOUT_PROVENANCE, "buckets", bucket(label="non_exhaustive", exclusivity_source="generated")),
    (Reason.LABEL_WITHOUT_PROVENANCE, "trees", tree(provenance={"cover": "human", "nested": "human"})),
    (Reason.LABEL_WITHOUT_PROVENANCE, "trees", tree(label="unknown")),
    (Reason.LABEL_WITHOUT_PROVENANCE, "ladders", ladder(source="generated")),
    (Reason.EXPIRED, "buckets", bucket(valid_until="2026-12-31T00:00:00Z")),
    (Reason.NOT_APPROVED, "buckets", bucket(approved_by="")),
    (Reason.NOT_APPROVED, "pairs", pair(approved_at="")),
    (Reason.MEMBERS_MISSING, "buckets", bucket(expected_member_count=4)),
    (Reason.STRIKES_OUT_OF_ORDER, "ladders", ladder(strikes=[90, 100])),
    (Reason.STRIKES_OUT_OF_ORDER, "ladders", ladder(operator="less")),
    (Reason.STRIKES_OUT_OF_ORDER, "ladders", ladder(strikes=[100])),
    (Reason.STRIKES_OUT_OF_ORDER, "ladders", ladder(operator="near")),
    (Reason.BAD_LABEL, "buckets", bucket(label="complete")),
    (Reason.BAD_LABEL, "trees", tree(label="non_exhaustive")),
    (Reason.BAD_ENTRY, "buckets", bucket(legs="A, B")),
    (Reason.BAD_ENTRY, "trees", tree(valid_until="next week")),
    (Reason.BAD_ENTRY, "pairs", "p"),
]


@pytest.mark.parametrize(("reason", "section", "entry"), REFUSED)
def test_each_reason_trips_and_the_rest_is_kept(reason, section, entry) -> None:
    good = {"buckets": [bucket(group_id="good", legs=refs("X", "Y"))]}
    found = parse(**good | {section: [*good.get(section, []), entry]})
    assert [rejection.reason for rejection in found.rejected] == [reason]
    assert found.rejected[0].text
    assert [rule.group_id for rule in found.buckets] == ["good"]


def test_every_reason_is_tripped_by_some_test() -> None:
    across = {Reason.DUPLICATE_SIGNATURE, Reason.TREE_INSIDE_BUCKET, Reason.CONTRADICTORY}
    assert {reason for reason, _, _ in REFUSED} | across == set(Reason)


def test_a_duplicate_is_an_equal_set_of_propositions() -> None:
    found = parse(
        [bucket(), bucket(group_id="again", legs=refs("C", "b", "A")), bucket(group_id="less", legs=refs("A", "B"))],
        pairs=[
            pair("A"),
            pair("A", group_id="turned") | {"left": ref("B", "no", "polymarket"), "right": ref("A", "no")},
        ],
    )
    assert [(made.group_id, made.reason) for made in found.rejected] == [
        ("again", Reason.DUPLICATE_SIGNATURE),
        ("turned", Reason.DUPLICATE_SIGNATURE),
    ]
    assert [rule.group_id for rule in found.buckets] == ["b", "less"]


def test_a_pair_that_is_both_the_same_and_opposite_blocks_both() -> None:
    same, other = pair("A"), pair("A", group_id="q") | {"left": ref("A", "no")}
    found = parse(pairs=[same, other, pair("C", "D", group_id="r")])
    assert [(made.group_id, made.reason) for made in found.rejected] == [
        ("p", Reason.CONTRADICTORY),
        ("q", Reason.CONTRADICTORY),
    ]
    assert Reason.CONTRADICTORY.severe
    assert [rule.group_id for rule in found.pairs] == ["r"]
    across = joined(parse(pairs=[same]), parse(pairs=[other]))
    assert not across.pairs
    assert len(across.rejected) == 2


def test_a_tree_inside_an_exclusive_bucket_is_refused() -> None:
    inside = tree(parent=ref("C"))
    assert [made.reason for made in parse([bucket()], [inside]).rejected] == [Reason.TREE_INSIDE_BUCKET]
    assert not parse([bucket(label="unknown", exclusivity_source="heuristic")], [inside]).rejected
    assert not parse([bucket()], [tree()]).rejected, "the parent is the union of members, and no member"


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"buckets": []}, "unknown key 'buckets'"),
        ({"mutually_exclusive_buckets": [bucket(lable="x")]}, r"mutually_exclusive_buckets\[0\]: .*'lable'.*'label'"),
        ({"event_trees": [tree(bits={"covers": True})]}, r"event_trees\[0\]: bits: .*'covers'.*'cover'"),
        ({"implications": [ladder(chain=[ref("A") | {"sides": 1}])]}, r"chain: .*'sides'.*'side'"),
        ({"mutually_exclusive_buckets": {}}, "no list"),
        ({"format_version": 3}, "format_version 3 is not known"),
    ],
)
def test_unknown_keys_stop_the_file_and_name_the_nearest(document, words) -> None:
    with pytest.raises(OperatorError, match=words) as caught:
        parse_rules(json.dumps({"format_version": 2} | document).encode(), "my.json", NOW)
    assert str(caught.value).startswith("my.json: ")


@pytest.mark.parametrize("data", [b"{", b"[]", b""])
def test_what_is_no_rules_file_is_said_so(data) -> None:
    with pytest.raises(OperatorError, match=r"my\.json: is no JSON"):
        parse_rules(data, "my.json", NOW)


def old(**sections):
    return parse_rules(json.dumps(sections).encode(), "old.json", NOW)


def test_version_1_claims_nothing() -> None:
    """Every bucket is unknown, every tree without bits, every pair for looking only (arb 5)."""
    claim = {"group_id": "b", "payout_per_contract": 1.0, "legs": refs("A", "B", "C")}
    found = old(
        mutually_exclusive_buckets=[claim, claim | {"legs": refs("D", "E"), "exclusivity_source": "exchange_api"}],
        event_trees=[{"group_id": "t", "parent": ref("P"), "children": refs("F", "G")}],
        cross_market_parity_checks=[
            {"group_id": "p", "relationship": "complement", "left": ref("A"), "right": ref("Z")}
        ],
    )
    assert not found.rejected
    unsure, proved = found.buckets
    assert [bucket_bounds(unsure, 3, side).floor for side in Outcome] == [0, 0]
    assert [bucket_bounds(proved, 2, side).floor for side in Outcome] == [0, 1]
    assert {rule.label for rule in found.buckets} == {Label.UNKNOWN}
    assert [tree_bounds(found.trees[0], 2, side).floor for side in Outcome] == [0, 0]
    assert (found.pairs[0].tier, found.pairs[0].source) == (Tier.UNVERIFIED, Provenance.GENERATED)
    with pytest.raises(OperatorError, match="'label'"):
        old(mutually_exclusive_buckets=[claim | {"label": "exhaustive"}])


def test_metadata_prove_exclusivity_and_nesting_and_lend_their_spelling() -> None:
    listed = [
        MarketFacts(market=InstrumentId("kalshi", name), event="E", mutually_exclusive=True, parent="P")
        for name in ("A", "B")
    ]
    parent = MarketFacts(market=InstrumentId("kalshi", "P"), event="F")
    facts = {fact.market: fact for fact in (*listed, parent)}
    document = {
        "mutually_exclusive_buckets": [{"group_id": "b", "legs": refs("a", " B")}],
        "event_trees": [{"group_id": "t", "parent": ref("p"), "children": refs("a", "b")}],
    }
    found = parse_rules(json.dumps(document).encode(), "old.json", NOW, facts)
    assert found.buckets[0].exclusive
    assert found.buckets[0].members == tuple(proposition(0)._replace(market=fact.market) for fact in listed)
    assert found.trees[0].bits == TreeBits(exclusive=True, nested=True)
    assert found.trees[0].label is Label.NON_EXHAUSTIVE
    loose = {market: MarketFacts(market=market, event=market.symbol) for market in facts}
    found = parse_rules(json.dumps(document).encode(), "old.json", NOW, loose)
    assert not found.buckets[0].exclusive
    assert found.trees[0].bits == TreeBits()


def test_the_exchange_is_not_quoted_against_itself() -> None:
    denied = {
        InstrumentId("kalshi", name): MarketFacts(
            market=InstrumentId("kalshi", name), event="E", mutually_exclusive=False
        )
        for name in ("A", "B", "C")
    }
    found = parse([bucket(label="non_exhaustive")], facts=denied)
    assert [made.reason for made in found.rejected] == [Reason.LABEL_WITHOUT_PROVENANCE]
    assert "denies" in found.rejected[0].text
    assert parse([bucket(label="non_exhaustive", exclusivity_source="human")], facts=denied).buckets[0].exclusive


def test_the_version_is_the_content() -> None:
    one, two = bucket(), bucket(group_id="c", legs=refs("X", "Y"))
    assert parse([one, two]).version == parse([two, one], generated_at="later").version
    assert parse([one]).version != parse([one | {"label": "non_exhaustive"}]).version
    assert parse([one, bucket(legs=[])]).version == parse([one]).version


def test_a_rule_leaves_when_its_validity_ends() -> None:
    found = parse([bucket(valid_until="2028-01-01"), bucket(group_id="c", legs=refs("X", "Y"))])
    assert in_force(found, NOW) is found
    later = in_force(found, NOW * 2)
    assert [rule.group_id for rule in later.buckets] == ["c"]
    assert [made.reason for made in later.rejected] == [Reason.EXPIRED]
    assert later.version != found.version


def test_the_recorded_file_of_version_1(shared) -> None:
    """1,183 buckets, not one with a label: no basket of them is worth anything for sure (arb 20, W-39)."""
    path = shared / "data/prediction/metadata/structural_groups_kalshi_polymarket_2026-02.json.gz"
    found = parse_rules(gzip.decompress(path.read_bytes()), path.name, NOW)
    kept = len(found.buckets) + len(found.pairs)
    assert kept + len(found.rejected) == 1_183 + 1_690
    assert not any(rule.exclusive or rule.label is not Label.UNKNOWN for rule in found.buckets)
    assert set(Counter(made.reason for made in found.rejected)) <= {Reason.DUPLICATE_SIGNATURE}


def test_what_contradicts_is_a_page_at_the_start() -> None:
    same = [pair("A"), pair("A", group_id="q") | {"left": ref("A", "no")}]
    rules = parse([bucket(approved_by="")], pairs=same)
    told = rule_alerts(rules, NOW)
    assert [(alert.severity, alert.code) for alert in told] == [
        (Severity.PAGE, "rules_contradict"),
        (Severity.PAGE, "rules_contradict"),
        (Severity.WARN, "rules_rejected"),
    ]
    assert told[-1].text.startswith("1 entries of the rules are not used: 1 not_approved")
    assert rule_alerts(parse([bucket()]), NOW) == []
    impossible = parse(
        [bucket(group_id="two", legs=refs("X", "Y"))],
        pairs=[pair("X", "P"), pair("Y", "P", group_id="q")],
    )
    (page,) = rule_alerts(impossible, NOW)
    assert "cannot all be true" in page.text
    assert all(name in page.text for name in ("two", "p", "q"))
