"""Rules and worlds for the tests of the desk: random structures, and their meaning written down a second time."""

from itertools import pairwise, product

from hypothesis import strategies as st

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.model import Proposition, Tier
from millrace.strategies.arb.rules.records import (
    BucketRule,
    ImplicationRule,
    Label,
    PairRule,
    Provenance,
    Relation,
    TreeBits,
    TreeRule,
)

YES, NO = Outcome.YES, Outcome.NO


def market(number: int) -> InstrumentId:
    return InstrumentId("sim", f"M{number}")


def bucket(members, label=Label.EXHAUSTIVE, *, exclusive=True, name="bucket") -> BucketRule:
    return BucketRule(group_id=name, label=label, exclusive=exclusive, members=tuple(members))


def tree(parent, children, bits, name="tree") -> TreeRule:
    return TreeRule(group_id=name, label=Label.UNKNOWN, bits=bits, parent=parent, children=tuple(children))


def ladder(chain, name="ladder") -> ImplicationRule:
    return ImplicationRule(group_id=name, chain=tuple(chain), source=Provenance.HUMAN)


def pair(relation, left, right, name="pair", *, mapped=False) -> PairRule:
    return PairRule(
        group_id=name, relation=relation, left=left, right=right, source=Provenance.HUMAN, tier=Tier.STRICT,
        confidence=1.0, mapped=mapped,
    )  # fmt: skip


def holds(rule, true) -> bool:
    """Whether a rule permits a world, read from the contract's words; `true` tells of a proposition whether it is."""
    match rule:
        case BucketRule():
            won = sum(true(member) for member in rule.members)
            return not rule.exclusive or (won == 1 if rule.label is Label.EXHAUSTIVE else won <= 1)
        case TreeRule():
            parent, won = true(rule.parent), [true(child) for child in rule.children]
            covered = not rule.bits.cover or not parent or any(won)
            exclusive = not rule.bits.exclusive or sum(won) <= 1
            nested = not rule.bits.nested or parent or not any(won)
            return covered and exclusive and nested
        case ImplicationRule():
            rungs = [true(rung) for rung in rule.chain]
            return all(weaker or not stronger for stronger, weaker in pairwise(rungs))
        case PairRule():
            same = true(rule.left) == true(rule.right)
            return same if rule.relation is Relation.EQUIVALENT else not same
    raise TypeError(rule)


def worlds(count: int, rules) -> list[tuple[bool, ...]]:
    """Every permitted world of markets 0..count-1, by trying all of them."""
    every = product((False, True), repeat=count)
    return [values for values in every if all(holds(rule, truth(values)) for rule in rules)]


def truth(values):
    def true(taken: Proposition) -> bool:
        return values[int(taken.market.symbol[1:])] == (taken.outcome is YES)

    return true


def paid(values, legs) -> int:
    return sum(truth(values)(leg) for leg in legs)


def proposition(number: int, outcome=YES) -> Proposition:
    return Proposition(market(number), outcome)


outcomes = st.sampled_from(list(Outcome))
tree_bits = st.builds(TreeBits, st.booleans(), st.booleans(), st.booleans())


@st.composite
def systems(draw, most_markets=7, most_rules=5):
    """A number of markets and random rules over them, negated sides included; they may contradict each other."""
    count = draw(st.integers(2, most_markets))
    rules = []
    for index in range(draw(st.integers(0, most_rules))):
        chosen = draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=min(count, 5), unique=True))
        taken = [proposition(number, draw(outcomes)) for number in chosen]
        match draw(st.sampled_from(["bucket", "tree", "ladder", "pair"])):
            case "bucket":
                made = bucket(
                    taken, draw(st.sampled_from(list(Label))), exclusive=draw(st.booleans()), name=f"b{index}"
                )
            case "tree" if len(taken) > 2:
                made = tree(taken[0], taken[1:], draw(tree_bits), name=f"t{index}")
            case "ladder":
                made = ladder(taken, name=f"l{index}")
            case _:
                relation = draw(st.sampled_from([Relation.EQUIVALENT, Relation.COMPLEMENT]))
                made = pair(relation, *taken[:2], name=f"p{index}")
        rules.append(made)
    return count, rules
