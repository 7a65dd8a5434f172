"""Discovery of dependencies: evidence, counter-examples, states, and a person in between (arb 15)."""

import json
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.cli import main
from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.discovery.book import ProposalBook
from millrace.strategies.arb.discovery.find import discover
from millrace.strategies.arb.discovery.moves import common_clock, moves, on_clock
from millrace.strategies.arb.discovery.records import (
    DAY_NS,
    RELATIONS,
    DiscoverySettings,
    Evidence,
    Proposal,
    State,
    World,
    violates,
)
from millrace.strategies.arb.mapping.approvals import Decisions, decisions_text, parse_decisions, with_approvals
from millrace.strategies.arb.mapping.load import parse_map
from millrace.strategies.arb.model import MarketFacts, Proposition
from millrace.strategies.arb.rules.floors import pair_bounds
from millrace.strategies.arb.rules.records import Relation

MINUTE = 60 * 10**9
SETTINGS = DiscoverySettings()
A, B = InstrumentId("k", "A"), InstrumentId("p", "B")
TITLES = ("Will Ann Lee win the Ohio governor race in 2026?", "Ann Lee: winner of the Ohio governor race 2026?")


def market(name: InstrumentId, title: str, event: str = "") -> MarketFacts:
    return MarketFacts(market=name, event=event, title=title)


def walk(seed: int, count: int = 60, start: float = 0.4) -> np.ndarray:
    return start + 0.01 * np.cumsum(np.random.default_rng(seed).choice([-1.0, 1.0], count)) / 10


def series(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return np.arange(len(values), dtype=np.int64) * MINUTE, np.asarray(values)


def found(
    left: str, right: str, one: np.ndarray | None = None, other: np.ndarray | None = None, **known
) -> list[Proposal]:
    prices = {} if one is None else {A: series(one), B: series(other)}
    return list(discover([market(A, left), market(B, right)], prices, known, SETTINGS))


# ---- the common clock


def test_prices_are_read_at_the_same_instants_and_old_ones_are_none() -> None:
    """W-34."""
    times = np.array([0, 100, 250], dtype=np.int64)
    clock = np.arange(0, 1000, 100, dtype=np.int64)
    got = on_clock(times, np.array([1.0, 2.0, 3.0]), clock)
    assert got[:6].tolist() == [1.0, 2.0, 2.0, 3.0, 3.0, 3.0]
    assert np.isnan(got[6:]).all()
    assert np.isnan(on_clock(times + 500, np.array([1.0, 2.0, 3.0]), clock)[:5]).all()
    assert common_clock({A: (times, times * 1.0)}, 100).tolist() == [0, 100, 200, 300]


def test_series_that_are_joined_by_position_would_correlate_and_by_time_do_not() -> None:
    """W-34: one market is quoted each minute, the other at irregular times."""
    values = walk(1, 200)
    irregular = np.sort(np.random.default_rng(2).choice(2_000, 200, replace=False)) * MINUTE
    clock = common_clock({A: series(values), B: (irregular, values)}, MINUTE)
    assert np.corrcoef(np.diff(values), np.diff(values))[0, 1] == pytest.approx(1.0)
    found = moves(on_clock(*series(values), clock), on_clock(irregular, values, clock))
    assert abs(found.correlation) < 0.5


def test_a_price_that_never_moved_has_no_correlation() -> None:
    assert moves(np.full(50, 0.5), walk(1, 50)).correlation == 0.0


# ---- what is proposed


def test_alike_words_and_common_movement_are_half_the_score_each() -> None:
    path = walk(3)
    (each,) = found(*TITLES, path, path + 0.001)
    assert each.relation is Relation.EQUIVALENT
    assert each.evidence.points == 59
    assert each.evidence.correlation == pytest.approx(1.0)
    assert each.evidence.combined == pytest.approx(0.5 * each.evidence.text + 0.5)


def evidence_of(correlated: float, points: int) -> list[Proposal]:
    one, noise = walk(5, points + 1), walk(6, points + 1)
    other = correlated * one + (1 - correlated) * noise
    return found("Alpha cup final date", "Alpha tour dinner menu", one, other)


def test_movement_needs_thirty_points_and_a_correlation_of_0_70() -> None:
    assert evidence_of(1.0, 29) == []
    assert len(evidence_of(1.0, 30)) == 1
    assert evidence_of(0.2, 60) == []


def test_words_need_a_jaccard_of_0_40_and_the_sum_0_30() -> None:
    """0.5 x 0.60 passes alone, 0.5 x 0.50 does not."""
    assert len(found("Bitcoin above 5 alpha beta", "Bitcoin above 6 alpha beta")) == 1
    assert found("Bitcoin above 5 alpha beta gamma", "Bitcoin above 6 delta beta gamma") == []


def test_two_prices_that_jumped_once_together_prove_nothing() -> None:
    one = np.where(np.arange(60) < 30, 0.001, 0.002)
    assert found("Alpha cup final date", "Alpha tour dinner menu", one, one) == []


@pytest.mark.parametrize(
    ("left", "right", "relation", "swapped"),
    [
        (
            "Will Bitcoin be above $60,000 on July 4?",
            "Will Bitcoin be above $50,000 on July 4?",
            Relation.IMPLIES,
            False,
        ),
        (
            "Will Bitcoin be above $50,000 on July 4?",
            "Will Bitcoin be above $60,000 on July 4?",
            Relation.IMPLIES,
            True,
        ),
        (
            "Will Bitcoin be below $50,000 on July 4?",
            "Will Bitcoin be below $60,000 on July 4?",
            Relation.IMPLIES,
            False,
        ),
        (
            "Will Bitcoin be above $50,000 on July 4?",
            "Will Bitcoin be at most $50,000 on July 4?",
            Relation.COMPLEMENT,
            False,
        ),
        ("Snow between 1 and 2 in Denver?", "Snow between 2 and 3 in Denver?", Relation.EXCLUSIVE, False),
        (
            "Will Ann Lee win the Ohio governor race in 2026?",
            "Will Bob Lee win the Ohio governor race in 2026?",
            Relation.EXCLUSIVE,
            False,
        ),
    ],
)
def test_the_relation_follows_from_what_the_titles_say(left, right, relation, swapped) -> None:
    (each,) = found(left, right)
    assert each.relation is relation
    assert (each.left.market == B) is swapped


def test_prices_that_lie_against_the_words_win() -> None:
    """Above 60,000 costs more than above 50,000 all the time: then it is not the ladder that it reads like."""
    path = walk(8)
    titles = ("Will Bitcoin be above $60,000 on July 4?", "Will Bitcoin be above $50,000 on July 4?")
    assert [each.left.market for each in found(*titles, path, path + 0.2)] == [A]
    assert [each.left.market for each in found(*titles, path + 0.2, path)] == [B], "by its prices the other way round"
    assert found(*titles, path + 0.2, walk(9)) == []


@pytest.mark.parametrize(
    ("turn", "relation"),
    [
        (lambda path: path, Relation.EQUIVALENT),
        (lambda path: path + 0.3, Relation.IMPLIES),
        (lambda path: 1.0 - path, Relation.COMPLEMENT),
        (lambda path: 0.9 - path - 0.2, Relation.EXCLUSIVE),
    ],
)
def test_where_words_say_nothing_the_prices_do(turn, relation) -> None:
    path = walk(10)
    (each,) = found("Alpha cup final date", "Alpha tour dinner menu", path, turn(path))
    assert each.relation is relation


def test_a_resolution_that_the_relation_forbids_kills_the_guess() -> None:
    titles = [
        market(A, "Will Bitcoin be above $60,000 on July 4?"),
        market(B, "Will Bitcoin be above $50,000 on July 4?"),
    ]
    for world, count in ((World(True, True), 1), (World(False, True), 1), (World(True, False), 0)):
        outcomes = dict(zip((A, B), world, strict=True))
        assert len(discover(titles, {}, outcomes, SETTINGS)) == count


def test_at_most_fifty_are_proposed_and_only_markets_that_share_something_are_compared() -> None:
    many = [market(InstrumentId("k", f"M{n}"), f"Will Bitcoin be above ${n},000 on July 4?") for n in range(1, 30)]
    assert len(discover(many, {}, {}, SETTINGS)) == 50
    assert discover(many, {}, {}, msgspec.structs.replace(SETTINGS, rare_word=5)) == ()


def test_of_one_event_markets_are_compared_without_a_word_in_common() -> None:
    path = walk(11)
    pair = [market(A, "Red", "E"), market(InstrumentId("k", "B"), "Blue", "E")]
    prices = {facts.market: series(values) for facts, values in zip(pair, (path, 1.0 - path), strict=True)}
    (each,) = discover(pair, prices, {}, SETTINGS)
    assert each.relation is Relation.COMPLEMENT
    assert discover([market(A, "Red"), market(B, "Blue")], {A: series(path), B: series(path)}, {}, SETTINGS) == ()


# ---- the expected floor


@given(st.sampled_from(RELATIONS))
def test_the_expected_floor_is_the_best_that_the_relation_proves(relation: Relation) -> None:
    each = proposal(relation)
    assert each.expected_floor == 1 == pair_bounds(relation, *each.basket).floor
    for taken in World(False, False), World(False, True), World(True, False), World(True, True):
        won = [value is (side is Outcome.YES) for value, side in zip(taken, each.basket, strict=True)]
        assert sum(won) >= 1 or violates(relation, taken)


# ---- states


def proposal(relation: Relation = Relation.EQUIVALENT, **other: object) -> Proposal:
    evidence = Evidence(0.5, 0.8, 40, 0.65)
    return Proposal(
        relation=relation, left=Proposition(A), right=Proposition(B), evidence=evidence, titles=("a", "b"), **other
    )


def book() -> tuple[ProposalBook, str]:
    made = ProposalBook()
    assert made.take([proposal()], now_ns=1) == 1
    return made, proposal().proposal_id


def test_no_way_leads_into_approved_but_a_persons_word() -> None:
    made, name = book()
    for _ in range(200):
        made.observe(name, 2)
    made.resolve(name, World(True, True), 3)
    assert made.get(name).state is State.PROPOSED
    assert made.rules().pairs == ()
    for by, note in (("", "fine"), ("ann", " ")):
        with pytest.raises(OperatorError, match="a name and a note"):
            made.decide(name, State.APPROVED, by, note, 4)
    with pytest.raises(OperatorError, match="a person"):
        made.decide(name, State.ACTIVE, "ann", "fine", 4)
    each = made.decide(name, State.APPROVED, " ann", "read both rules", 4)
    assert (each.state, each.by, each.note, each.changed_ns) == (State.APPROVED, "ann", "read both rules", 4)


def test_an_approved_proposal_is_on_paper_for_fifty_looks() -> None:
    """15: N = 50; the looks before the approval do not count."""
    made, name = book()
    made.decide(name, State.APPROVED, "ann", "ok", 4)
    for _ in range(49):
        made.observe(name, 5)
    assert made.not_trading() == {f"found_{name}"}
    assert made.observe(name, 6).state is State.ACTIVE
    assert (made.not_trading(), [rule.group_id for rule in made.rules().pairs]) == (frozenset(), [f"found_{name}"])


def test_looks_before_the_approval_do_not_count() -> None:
    made, name = book()
    for _ in range(60):
        made.observe(name, 2)
    made.decide(name, State.APPROVED, "ann", "ok", 4)
    assert made.observe(name, 5).state is State.APPROVED


@pytest.mark.parametrize(("relation", "kind"), [(Relation.IMPLIES, "implications"), (Relation.EXCLUSIVE, "buckets")])
def test_other_relations_become_rules_of_their_kind_and_wait_on_paper_too(relation, kind) -> None:
    made = ProposalBook([proposal(relation, state=State.APPROVED, observations=49)])
    (rule,) = getattr(made.rules(), kind)
    assert made.not_trading() == {rule.group_id}
    made.observe(proposal(relation).proposal_id, 9)
    assert made.not_trading() == frozenset()


def test_a_rejected_pair_is_proposed_again_after_thirty_days() -> None:
    made, name = book()
    made.decide(name, State.REJECTED, "ann", "another source", 10)
    assert made.take([proposal()], 10 + 30 * DAY_NS - 1) == 0
    assert made.take([proposal(Relation.COMPLEMENT)], 10 + 30 * DAY_NS - 1) == 0
    assert made.take([proposal()], 10 + 30 * DAY_NS) == 1
    assert made.get(name).state is State.PROPOSED


@pytest.mark.parametrize(
    ("state", "after"),
    [(State.PROPOSED, State.REJECTED), (State.APPROVED, State.REVOKED), (State.ACTIVE, State.REVOKED)],
)
def test_a_contradicting_resolution_ends_a_proposal_in_any_state(state, after) -> None:
    made = ProposalBook([proposal(state=state)])
    name = proposal().proposal_id
    assert made.resolve(name, World(True, True), 1).state is state
    ended = made.resolve(name, World(True, False), 2)
    assert (ended.state, ended.by) == (after, "resolution")
    assert made.rules().pairs == ()


ILLEGAL = [
    (State.PROPOSED, State.REVOKED),
    (State.ACTIVE, State.APPROVED),
    (State.REVOKED, State.APPROVED),
    (State.REJECTED, State.APPROVED),
]


@pytest.mark.parametrize(("state", "wanted"), ILLEGAL)
def test_what_is_no_way_is_refused_by_name(state, wanted) -> None:
    made = ProposalBook([proposal(state=state)])
    with pytest.raises(OperatorError, match=f"is {state} and cannot become {wanted}"):
        made.decide(proposal().proposal_id, wanted, "ann", "x", 1)
    with pytest.raises(OperatorError, match="no proposal has this id"):
        made.decide("none", State.APPROVED, "ann", "x", 1)


# ---- the file and the command


def test_decisions_read_back_as_they_are_written_and_nothing_else_is_read() -> None:
    decisions = Decisions(proposals=(proposal(worlds=(World(True, True),)),))
    assert parse_decisions(decisions_text(decisions), "f") == decisions
    for data in (b"{", b'{"colour": 1}', b'{"format_version": 2}'):
        with pytest.raises(OperatorError, match=r"^f(:1)?: "):
            parse_decisions(data, "f")


@pytest.mark.parametrize(
    ("words", "why"),
    [
        ({"state": State.APPROVED}, r"^f:4: .* is approved without a name, a note and a time"),
        ({"state": State.ACTIVE, "by": "ann", "note": "x", "changed_ns": 1}, r"^f:4: .* is active without looks"),
    ],
)
def test_15_a_file_cannot_put_a_rule_in_force_without_a_persons_word(words, why) -> None:
    data = decisions_text(Decisions(proposals=(proposal(**words),)))
    with pytest.raises(OperatorError, match=why):
        parse_decisions(data, "f")


def test_a_proposal_that_stands_twice_in_a_file_is_refused() -> None:
    data = decisions_text(Decisions(proposals=(proposal(), proposal(state=State.REJECTED))))
    with pytest.raises(OperatorError, match=r"^f:\d+: proposal \w+ stands here a second time"):
        parse_decisions(data, "f")


MAP = "group_id,refs,confidence\ng,k:market:A p:market:B,0.95\n"


def run(*words: str) -> int:
    return main(["rules", "review", *words])


def test_a_person_approves_a_row_and_an_edited_row_loses_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path, file = tmp_path / "map.csv", tmp_path / "decisions.json"
    path.write_text(MAP)
    words = ["--map", str(path), "--proposals", str(file)]
    assert run(*words) == 0
    assert not file.exists(), "looking writes nothing"
    assert run(*words, "--approve", "g", "--by", "ann", "--note", "read both") == 0
    assert "1 pairs, 1 pass, 1 of them approved" in capsys.readouterr().out
    decided = parse_decisions(file.read_bytes(), "f").mappings
    assert (decided["g"].by, decided["g"].note, decided["g"].refs) == ("ann", "read both", ("k:market:A", "p:market:B"))
    (row,) = with_approvals(parse_map(MAP, "m"), decided).rows
    assert row.approved
    (edited,) = with_approvals(parse_map(MAP.replace("p:market:B", "p:market:C"), "m"), decided).rows
    assert not edited.approved
    assert run(*words, "--revoke", "g", "--by", "bob", "--note", "rules changed") == 0
    assert "0 of them approved" in capsys.readouterr().out


def test_a_person_decides_on_a_proposal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "decisions.json"
    file.write_bytes(decisions_text(Decisions(proposals=(proposal(),))))
    name, words = proposal().proposal_id, ["--proposals", str(file), "--json"]
    assert run(*words, "--approve", name, "--by", "ann", "--note", "same rules") == 0
    told = json.loads(capsys.readouterr().out)["proposals"][0]
    assert (told["id"], told["expected_floor"], told["proposal"]["state"]) == (name, 1, "approved")
    assert told["proposal"]["changed_ns"] > 10**18
    assert run(*words, "--approve", name, "--by", "ann", "--note", "again") == 2
    assert run(*words, "--reject", name, "--by", "ann", "--note", "on second thought") == 0


@pytest.mark.parametrize(
    "words",
    [
        ("--approve", "g"),
        ("--approve", "g", "--by", "ann"),
        ("--approve", "g", "--reject", "g", "--by", "ann", "--note", "x"),
        ("--approve", "nobody", "--by", "ann", "--note", "x"),
    ],
)
def test_a_decision_that_cannot_be_meant_is_refused_and_writes_nothing(tmp_path: Path, words: tuple[str, ...]) -> None:
    file = tmp_path / "decisions.json"
    assert run("--proposals", str(file), *words) == 2
    assert not file.exists()


def test_discovery_on_the_recorded_prices_proposes_and_activates_nothing(
    shared: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "decisions.json"
    recorded = shared / "data/prediction/polymarket_gamma_snapshots_2026-06.parquet"
    words = ["rules", "discover", "--prices", str(recorded), "--proposals", str(file), "--minutes", "15"]
    assert main(words) == 0
    assert "100 markets, 50 new proposals" in capsys.readouterr().out
    kept = parse_decisions(file.read_bytes(), "f").proposals
    assert {each.state for each in kept} == {State.PROPOSED}
    assert {each.relation for each in kept} == {Relation.EXCLUSIVE}
    assert ProposalBook(kept).rules().buckets == ()
    assert main(words) == 0
    again = parse_decisions(file.read_bytes(), "f").proposals
    assert again[:50] == kept
    assert len({each.proposal_id for each in again}) == len(again)
