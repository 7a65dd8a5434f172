"""Keys of opportunities say what they are, and each is acted on once (runtime 2.15 rules 1 and 4; arb 1, 13)."""

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Opportunity, OpportunityLeg, Place, Plan, Side, Style
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.orders.opportunity import (
    BUCKET_NS,
    Opportunities,
    family_key,
    intent_key,
    opportunity_id,
    opportunity_key,
)

SECOND = 10**9
texts = st.text(st.sampled_from("abAB|/,:%x"), max_size=4)
markets = st.builds(InstrumentId, texts, texts)
legs = st.builds(OpportunityLeg, markets, st.sampled_from(["YES", "NO", "buy"]))
kinds = st.sampled_from(["intra_venue", "cross_venue", "structural_parity", "structural_bucket", "Toy|kind"])
found = st.builds(
    Opportunity,
    kind=kinds,
    legs=st.lists(legs, min_size=1, max_size=4, unique=True).map(tuple),
    style=st.sampled_from(["taker", "maker"]),
    relation=st.sampled_from(["eq", "cmp"]),
    rule=texts,
    cooldown_ns=st.integers(0, 3 * BUCKET_NS),
    market_cooldown_ns=st.integers(0, 3 * BUCKET_NS),
)


def pair(kind="cross_venue", sides=("YES", "NO"), style="taker", **more) -> Opportunity:
    """Return an opportunity on the same two markets, whatever lane found it."""
    first = OpportunityLeg(InstrumentId("kalshi", "RAIN-NYC"), sides[0])
    second = OpportunityLeg(InstrumentId("polymarket", "0xAB"), sides[1])
    return Opportunity(kind, (first, second), style, **more)


def plan(opportunity: Opportunity) -> Plan:
    return Plan(
        opportunity,
        tuple(
            Place(leg.instrument, Side.BUY, 1, 1, Style.LIMIT, SubPosition("arb", leg.instrument, "x", side),
                  reduces=False, key=f"leg{place}", purpose="leg")
            for place, leg in enumerate(opportunity.legs) for side in [leg.side]
        ),
    )  # fmt: skip


def folded(opportunity: Opportunity) -> tuple:
    """Return what an id must tell apart: everything but case, order of legs, cooldowns."""
    rows = sorted(tuple(part.casefold() for part in (*leg.instrument, leg.side)) for leg in opportunity.legs)
    words = (opportunity.kind, opportunity.relation, opportunity.style, opportunity.rule)
    return (*(word.casefold() for word in words), tuple(rows))


@given(found, st.randoms())
def test_the_id_does_not_depend_on_the_order_of_legs_or_on_case(opportunity, rng):
    shuffled = list(opportunity.legs)
    rng.shuffle(shuffled)
    same = structs.replace(opportunity, legs=tuple(shuffled), kind=opportunity.kind.swapcase(), cooldown_ns=7)
    assert opportunity_id(same) == opportunity_id(opportunity)
    assert family_key(same) == family_key(opportunity)


@given(found, found)
def test_two_ids_are_equal_only_where_everything_is(one, other):
    assert (opportunity_id(one) == opportunity_id(other)) == (folded(one) == folded(other))


def test_2_15_rule_1_the_key_is_kind_legs_style_and_a_bucket_of_60_s():
    assert BUCKET_NS == 60 * SECOND
    key = opportunity_key(pair(), 119 * SECOND)
    assert key == "cross_venue|eq|taker||kalshi/rain-nyc/yes,polymarket/0xab/no|1"
    assert opportunity_key(pair(), 120 * SECOND) == key[:-1] + "2"
    assert opportunity_key(pair(style="maker"), 119 * SECOND) != key
    assert intent_key(key, "A") == f"{key}/a/a1"
    assert intent_key(key, "A", 2) == f"{key}/a/a2"


def test_2_15_rule_4_aliases_of_the_same_legs_share_one_family_key():
    keys = {
        family_key(pair(kind, sides, style))
        for kind in ("cross_venue", "structural_parity")
        for sides in (("YES", "NO"), ("NO", "YES"))
        for style in ("taker", "maker")
    }
    assert keys == {"cross_parity|eq|kalshi/rain-nyc|polymarket/0xab"}
    assert family_key(pair(relation="cmp")) == "cross_parity|cmp|kalshi/rain-nyc|polymarket/0xab"


def test_arb_1_the_other_families():
    yes = OpportunityLeg(InstrumentId("kalshi", "RAIN"), "YES")
    no = OpportunityLeg(InstrumentId("kalshi", "RAIN"), "NO")
    assert family_key(Opportunity("intra_venue", (yes, no), "taker")) == "intra|kalshi/rain"
    assert family_key(Opportunity("structural_bucket", (yes,), "taker", rule="R1")) == "bucket|r1"
    assert family_key(Opportunity("structural_event_tree", (yes,), "taker", rule="R1")) == "event_tree|r1"
    assert family_key(Opportunity("structural_implication", (yes,), "taker", rule="R1")) == "event_tree|r1"


# ---- acting once


def closed(memory: Opportunities, opportunity: Opportunity, ts_ns: int) -> bool:
    return memory.admit(plan(opportunity), ts_ns).duplicate


def test_only_one_of_the_aliases_may_execute_and_the_bucket_counts_from_the_act():
    memory, at_ns = Opportunities(), 59_900_000_000
    assert not closed(memory, pair(), at_ns)
    assert not closed(memory, pair("structural_parity"), at_ns), "a plan that did not leave closes nothing"
    memory.acted(pair(), at_ns)
    for later_ns in (at_ns, 60_100_000_000, at_ns + BUCKET_NS - 1):
        assert closed(memory, pair("structural_parity", ("NO", "YES"), "maker"), later_ns)
    assert not closed(memory, pair(), at_ns + BUCKET_NS)
    assert memory.dropped == 3


def test_2_15_rule_4_the_cooldowns_of_opportunity_and_market():
    memory = Opportunities()
    memory.acted(pair(cooldown_ns=300 * SECOND, market_cooldown_ns=900 * SECOND), 0)
    other = Opportunity("intra_venue", (OpportunityLeg(InstrumentId("Kalshi", "rain-nyc"), "YES"),), "taker")
    assert closed(memory, other, 899 * SECOND), "another family on one of its markets"
    assert closed(memory, pair(), 899 * SECOND)
    assert not closed(memory, other, 900 * SECOND)
    memory.acted(pair(cooldown_ns=300 * SECOND), 1_000 * SECOND)
    assert closed(memory, pair(), 1_299 * SECOND)
    assert not closed(memory, other, 1_001 * SECOND), "without a market cooldown its markets stay open"
    assert not closed(memory, pair(), 1_300 * SECOND)


@given(st.lists(st.tuples(found, st.integers(0, BUCKET_NS)), max_size=12), st.integers(0, 12))
def test_no_two_acts_share_a_family_within_its_time_over_any_history_and_a_restart(history, saved_at):
    memory, now_ns, acts = Opportunities(), 0, []
    for number, (opportunity, wait_ns) in enumerate(history):
        now_ns += wait_ns
        if number == saved_at:
            other = Opportunities()
            other.restore(decode_state(encode_state(memory.snapshot())))
            memory = other
        if closed(memory, opportunity, now_ns):
            continue
        for earlier, at_ns in acts:
            if family_key(earlier) == family_key(opportunity):
                assert now_ns - at_ns >= max(BUCKET_NS, earlier.cooldown_ns)
        memory.acted(opportunity, now_ns)
        acts.append((opportunity, now_ns))


def one_market(number: int) -> Opportunity:
    return Opportunity("toy", (OpportunityLeg(InstrumentId("v", f"m{number}"), "buy"),), "taker")


def test_memory_is_bounded_time_ends_what_is_remembered_and_forgetting_early_is_counted():
    memory = Opportunities(remembered=10)
    for number in range(10):
        assert memory.acted(one_market(number), number) == 0
    assert memory.acted(one_market(10), BUCKET_NS + 4) == 0, "five had expired"
    assert memory.evicted == 0
    assert [memory.acted(one_market(number), BUCKET_NS + 4) for number in range(11, 17)] == [0, 0, 0, 0, 1, 1]
    assert memory.evicted == 2
    assert not closed(memory, one_market(5), BUCKET_NS + 4), "the one that would have expired first"
    assert closed(memory, one_market(7), BUCKET_NS + 4)
