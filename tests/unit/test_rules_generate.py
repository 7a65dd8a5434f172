"""Proposed rules: what metadata prove, what words speak against, and that nothing becomes active alone (arb 5)."""

import msgspec
import pytest

from command_line import millrace
from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId, Outcome
from millrace.research.arb_data.metadata import read_metadata
from millrace.strategies.arb.mapping.load import parse_map
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.diagnose import TreeDiagnosis, TreeState, diagnose_trees, tree_status
from millrace.strategies.arb.rules.generate import GenerationSettings, Skip, generate, reasons
from millrace.strategies.arb.rules.load import parse_rules
from millrace.strategies.arb.rules.records import TreeBits
from millrace.strategies.arb.rules.strikes import covering, disjoint

NOW = 1_800_000_000 * 10**9


def market(name, event="E", venue="kalshi", **fields) -> MarketFacts:
    label = fields.pop("outcome_label", name.lower())
    full = {"title": f"Will {label} win?", "mutually_exclusive": True, "listed_in_event": 3, "close_ns": 1}
    return MarketFacts(market=InstrumentId(venue, name), event=event, outcome_label=label, **full | fields)


def three(**fields) -> list[MarketFacts]:
    return [market(f"E-{name}", **fields) for name in ("ANN", "BOB", "CAT")]


def strikes(*figures, kind="greater", **fields) -> list[MarketFacts]:
    key = "strike_low" if kind.startswith("greater") else "strike_high"
    title = {"title": "Will it be past the line?", "mutually_exclusive": False}
    return [
        market(f"T-{index}", strike_type=kind, outcome_label=f"{figure}", **{key: figure}, **title | fields)
        for index, figure in enumerate(figures)
    ]


def only(proposals):
    (event,) = proposals.events
    return event


def test_a_flagged_event_is_exclusive_and_not_exhaustive() -> None:
    """The exchange's flag says that one outcome at most wins, not that the list is complete (arb 4.2)."""
    found = generate(three())
    (entry,) = found.document.mutually_exclusive_buckets
    assert (entry.label, entry.exclusivity_source, entry.exhaustiveness_source) == (
        "non_exhaustive",
        "exchange_api",
        "",
    )
    assert (entry.approved_by, entry.approved_at) == ("", "")
    event = only(found)
    assert (event.markets, event.outcomes, event.title_share, event.coverage, event.why_not) == (3, 3, 1.0, 1.0, ())


def test_neg_risk_is_exhaustive_only_when_whole_and_not_augmented() -> None:
    whole = {"venue": "polymarket", "neg_risk": True}
    assert only(generate(three(**whole))).label == "exhaustive"
    assert only(generate(three(**whole, augmented=True))).label == "non_exhaustive"
    assert only(generate(three(**whole, listed_in_event=4))).label == "non_exhaustive"
    assert only(generate(three(**whole, listed_in_event=0))).label == "non_exhaustive", (
        "nobody knows how many there are"
    )
    gone = market("E-DAN", **whole, listed_in_event=4, status="closed", result="no")
    found = generate([*three(**whole, listed_in_event=4), gone])
    assert only(found).label == "exhaustive"
    assert found.document.mutually_exclusive_buckets[0].expected_member_count == 3
    unknown = [*three(**whole, listed_in_event=4), msgspec.structs.replace(gone, result="")]
    assert only(generate(unknown)).label == "non_exhaustive"


def test_without_a_flag_a_group_is_only_proposed_as_unknown() -> None:
    (entry,) = generate(three(mutually_exclusive=None)).document.mutually_exclusive_buckets
    assert (entry.label, entry.exclusivity_source) == ("unknown", "heuristic")


AGAINST = {
    "denied_by_exchange": three(mutually_exclusive=False),
    "already_decided": [*three()[:2], market("E-CAT", result="yes", status="closed"), market("E-DAN")],
    "nothing_open": three(status="closed"),
    "no_event": three(event=""),
    "too_few_outcomes": three()[:2],
    "too_many_outcomes": [market(f"E-{index}X", outcome_label=f"team{index}x") for index in range(61)],
    "titles_differ": [*three(), market("E-DAN", title="Who loses?"), market("E-EVE", title="Is there a draw?")],
    "temporal_ids": [market(f"E-{name}") for name in ("26MAR", "26JUN", "X")],
    "numeric_uneven": [market(f"E-{n}", title="How many?", outcome_label=n) for n in ("10", "20", "50")],
    "threshold_words": [market(f"E-{n}X", title="Price?", outcome_label=f"above {n}") for n in (10, 20, 30)],
    "date_words": [market(f"E-{n}X", title="When?", outcome_label=f"before {n} 2027") for n in ("June", "July", "May")],
    "asks_which_of_many": three(event_title="Which countries will join?"),
}


@pytest.mark.parametrize("reason", AGAINST)
def test_each_objection_trips(reason) -> None:
    found = generate(AGAINST[reason])
    assert not found.document.mutually_exclusive_buckets
    assert reason in only(found).why_not
    assert reasons(found)[reason] == 1


def test_even_numbers_are_outcomes() -> None:
    evenly = [market(f"E-{n}", title="How many?", outcome_label=str(n)) for n in (0, 1, 2)]
    assert only(generate(evenly)).why_not == ()


def test_the_bounds_are_those_of_the_contract() -> None:
    defaults = GenerationSettings()
    assert (defaults.min_size, defaults.max_size, defaults.title_share) == (3, 60, 0.8)
    assert only(generate(three()[:2], settings=GenerationSettings(min_size=2))).why_not == ()


def temperatures() -> list[MarketFacts]:
    bounds = [("less", None, 32.0), ("between", 32.0, 33.0), ("between", 34.0, 35.0), ("greater", 35.0, None)]
    return [
        market(f"E-T{n}", strike_type=kind, strike_low=low, strike_high=high, outcome_label=f"{n} or below")
        for n, (kind, low, high) in enumerate(bounds)
    ]


def test_structured_strikes_prove_what_words_would_deny() -> None:
    found = generate(temperatures())
    event = only(found)
    assert (event.label, event.why_not, event.strikes) == ("non_exhaustive", (), "whole_numbers")
    overlapping = temperatures()
    overlapping[0] = msgspec.structs.replace(overlapping[0], strike_high=33.0)
    assert "threshold_words" in only(generate(overlapping)).why_not
    assert not disjoint(overlapping)
    assert covering(temperatures()[1:]) == ""
    touching = [msgspec.structs.replace(temperatures()[0], strike_high=35.0), temperatures()[3]]
    assert covering(touching) == "", "35 itself lies in neither"
    touching[0] = msgspec.structs.replace(touching[0], strike_type="less_or_equal")
    assert covering(touching) == "everywhere"


@pytest.mark.parametrize(
    ("kind", "strongest"), [("greater", 110.0), ("greater_or_equal", 110.0), ("less", 90.0), ("by_date", 90.0)]
)
def test_ladders_run_from_the_strongest_rung(kind, strongest) -> None:
    found = generate(strikes(100.0, 90.0, 110.0, kind=kind))
    (entry,) = found.document.implications
    assert entry.strikes[0] == strongest
    assert sorted(entry.strikes) in (list(entry.strikes), list(entry.strikes)[::-1])
    assert len(entry.chain) == 3


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (strikes(100.0), "one_rung"),
        (strikes(100.0, None), "strike_missing"),
        (strikes(100.0, 100.0), "strike_repeated"),
        ([*strikes(100.0), *strikes(90.0, 80.0, close_ns=2)[1:]], "deadlines_differ"),
        ([*strikes(100.0), *strikes(90.0, 80.0, rules_text="on another index")[1:]], "wording_differs"),
    ],
)
def test_what_is_no_ladder_is_said_so(facts, reason) -> None:
    found = generate(facts)
    assert not found.document.implications
    assert [skip.reason for skip in found.skipped] == [reason]


def test_two_teams_of_one_event_are_two_ladders() -> None:
    """ "Ann by 5" says nothing of "Bob by 3", though both strikes lie in one event."""
    both = [*strikes(1.5, 2.5, subject="ann"), *strikes(1.5, 2.5, 3.5, subject="bob")]
    named = [msgspec.structs.replace(fact, market=InstrumentId("kalshi", f"S-{n}")) for n, fact in enumerate(both)]
    assert [len(entry.chain) for entry in generate(named).document.implications] == [2, 3]


def test_no_ladder_comes_from_a_title() -> None:
    titled = [market(f"T-{n}X", title=f"Above {n}?", strike_type="custom") for n in (90, 100)]
    assert not generate(titled).document.implications


def test_trees_come_from_parent_ids_and_claim_what_these_prove() -> None:
    children = three(parent="P")
    found = generate([*children, market("P", event="F")])
    (entry,) = found.document.event_trees
    assert (entry.bits.cover, entry.bits.exclusive, entry.bits.nested) == (False, True, True)
    (loose,) = generate([*three(parent="P", mutually_exclusive=None), market("P", event="F")]).document.event_trees
    assert not loose.bits.exclusive
    for facts, reason in [
        (children, "parent_unknown"),
        ([*children, market("P", event="F", status="closed")], "parent_closed"),
        ([children[0], market("P", event="F")], "too_few_children"),
    ]:
        assert generate(facts).skipped == (Skip("event_tree", "kalshi:P", reason),)


def test_a_family_without_baskets_says_what_it_lacks() -> None:
    facts = [*three(parent="P"), market("P", event="F"), market("Q-A", parent="Q"), market("Q-B", parent="Q")]
    document = msgspec.json.encode(generate(facts).document)
    signed = document.replace(b'"approved_by":"","approved_at":""', b'"approved_by":"ann","approved_at":"2026-11-01"')
    rules = parse_rules(signed, "rules.json", NOW)
    (tree,) = rules.trees
    parent, other = tree.parent.market, InstrumentId("kalshi", "Q")
    missing = TreeDiagnosis(other, TreeState.RULE_MISSING)
    unseen = (tree.children[1].market,)
    assert diagnose_trees(facts, rules, lambda named: named not in unseen) == (
        TreeDiagnosis(parent, TreeState.QUOTE_MISSING, unseen),
        missing,
    )
    assert diagnose_trees(facts, rules, lambda _: True) == (TreeDiagnosis(parent, TreeState.READY), missing)
    paused = diagnose_trees(facts, rules, lambda _: True, lambda rule: f"{rule.group_id} is paused")
    assert paused[0] == TreeDiagnosis(parent, TreeState.GATED, reason="kalshi|P|tree is paused")
    assert tree_status(paused) == {
        "states": {"gated": 1, "rule_missing": 1},
        "lacking": [
            {"parent": "kalshi:P", "state": "gated", "missing": [], "reason": "kalshi|P|tree is paused"},
            {"parent": "kalshi:Q", "state": "rule_missing", "missing": [], "reason": ""},
        ],
    }
    bare = msgspec.structs.replace(rules, trees=(msgspec.structs.replace(tree, bits=TreeBits()),))
    assert diagnose_trees((), bare, lambda _: True)[0].reason == "no_bit_is_known"


def test_pairs_come_from_mapping_rows_with_markets() -> None:
    text = (
        "group_id,refs,relation\n"
        "same,kalshi:market:A polymarket:market:0xa,equivalent\n"
        "again,kalshi:market:a polymarket:market:0xA,equivalent\n"
        "other,kalshi:market:B polymarket:market:0xb:no,complement\n"
        "event,kalshi:event:C polymarket:market:0xc,equivalent\n"
        "bad,kalshi:market:D polymarket:market:0xd,equivalent\n"
    )
    found = generate([], parse_map(text, "map.csv").rows, {"bad"})
    pairs = found.document.cross_market_parity_checks
    assert [(pair.mapping_id, pair.relationship, pair.right.side) for pair in pairs] == [
        ("same", "equivalent", "yes"),
        ("other", "complement", "no"),
    ]
    assert {skip.reason for skip in found.skipped} == {"duplicate_pair", "event_level_ref", "blocked_by_checks"}


def test_nothing_generated_is_taken_before_somebody_approves() -> None:
    document = generate([*three(), *strikes(1.0, 2.0, event="L")]).document
    found = parse_rules(msgspec.json.encode(document), "new.json", NOW)
    assert {rejection.reason for rejection in found.rejected} == {"not_approved"}
    assert (found.buckets, found.implications) == ((), ())
    signed = msgspec.json.encode(document).replace(
        b'"approved_by":"","approved_at":""', b'"approved_by":"ann","approved_at":"2026-11-01"'
    )
    found = parse_rules(signed, "new.json", NOW)
    assert not found.rejected
    assert found.buckets[0].exclusive
    assert len(found.implications[0].chain) == 2


def test_recorded_spread_events_have_ladders_for_each_team(shared) -> None:
    folder = shared / "data/prediction/metadata"
    found = generate(read_metadata([folder / "kalshi_spread_events_with_markets_2026-05.json.gz"]).facts)
    assert len(found.document.implications) == 347
    assert sum(len(entry.chain) - 1 for entry in found.document.implications) == 545
    assert not found.document.mutually_exclusive_buckets, "the exchange denies each"
    assert reasons(found)["denied_by_exchange"] == 240


def test_recorded_gamma_ladder_has_no_structured_strikes(shared) -> None:
    read = read_metadata([shared / "data/prediction/metadata/polymarket_gamma_markets_btc_2026-01-20.jsonl.gz"])
    assert len(read.facts) == 12
    assert {fact.result for fact in read.facts} == {Outcome.YES, Outcome.NO}
    assert all(fact.strike_low is None for fact in read.facts)
    assert not generate(read.facts).document.implications


def test_a_file_of_no_known_form_is_refused(tmp_path) -> None:
    for name, text, words in [
        ("a.json", '[{"x": 1}]', "neither"),
        ("b.json", "[1]", "no list"),
        ("c.json", "{", "JSON"),
    ]:
        path = tmp_path / name
        path.write_text(text)
        with pytest.raises(OperatorError, match=words):
            read_metadata([path])


def test_the_commands(shared, tmp_path) -> None:
    folder = shared / "data/prediction/metadata"
    out = tmp_path / "rules.json"
    data = folder / "kalshi_spread_events_with_markets_2026-05.json.gz"
    proposed = millrace("rules", "generate", "--data", str(data), "--out", str(out), "--json")
    assert proposed.code == 0
    assert proposed.object["proposed"]["ladders"] == 347
    again = millrace("rules", "generate", "--data", str(data), "--out", str(out))
    assert again.code == 2
    assert "is there already" in again.err
    loaded = millrace("rules", "load", str(out), "--json")
    assert loaded.code == 1
    assert loaded.object["rejected"] == {"not_approved": 347}


def test_how_many_recorded_buckets_a_label_supports(shared) -> None:
    """Of 1,183 shipped buckets none supports its YES basket; the exchange proves 294 exclusive and denies 158."""
    folder = shared / "data/prediction/metadata"
    file = folder / "structural_groups_kalshi_polymarket_2026-02.json.gz"
    said = millrace("rules", "load", str(file), "--data", str(folder / "kalshi_events_2026-05.json.gz"), "--json")
    assert said.code == 0
    found = said.object
    assert found["buckets"] == {"unknown": 1_183}
    floors = found["baskets_with_a_floor"]
    assert (floors["bucket_all_yes"], floors["bucket_all_no"]) == (0, 294)
    assert found["buckets_denied_by_exchange"] == 158
