"""Random rules, books and fees: nothing above its floor, nothing missed, and one quote finds what a full pass finds."""

from itertools import combinations, pairwise

from hypothesis import given
from hypothesis import strategies as st

from arb_quotes import FREE, KALSHI, SECOND, SHARES, book, facts, rule_set
from arb_rules import NO, YES, market, paid, proposition, systems, worlds
from millrace.core.fee_terms import CONTRACT_LOTS, FeeSchedule, FeeTerms
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.subset import best_subset
from millrace.strategies.arb.lanes.universe import Universe
from millrace.strategies.arb.model import Lane, Style
from millrace.strategies.arb.rules.records import BucketRule, ImplicationRule, PairRule, TreeRule

CAPPED = FeeSchedule(FeeTerms(price_ppm=10_000, flat_nano=2_000_000, min_nano=50_000_000, max_nano=150_000_000))
REBATED = FeeSchedule(FeeTerms(flat_nano=-1_000_000, quantum_nano=10_000, rounds_down=True))
FEES = [FREE, KALSHI, SHARES, CAPPED, REBATED]
NOW = 2 * SECOND
EDGE = 5_000_000
KEEN = LaneSettings(leg_risk_nano=0, min_edge_nano=EDGE)
GREEDY = LaneSettings(leg_risk_nano=0, min_edge_nano=0)

levels = st.lists(st.tuples(st.integers(1, 99), st.integers(1, 5)), max_size=3, unique_by=lambda level: level[0]).map(
    sorted
)
cheap = st.lists(st.tuples(st.integers(1, 60), st.integers(1, 5)), max_size=2, unique_by=lambda level: level[0]).map(
    sorted
)


def rules_of(rules):
    kinds = {"buckets": BucketRule, "trees": TreeRule, "implications": ImplicationRule, "pairs": PairRule}
    return rule_set(**{name: [rule for rule in rules if isinstance(rule, kind)] for name, kind in kinds.items()})


@st.composite
def scenes(draw, fees=tuple(FEES), most_markets=5):
    count, rules = draw(systems(most_markets, 3))
    markets = [facts(market(number), draw(st.sampled_from(fees))) for number in range(count)]
    quotes = [book(market(number), draw(levels), draw(cheap)) for number in range(count)]
    return count, rules, markets, quotes


def baskets_of(rule):
    """Every basket that the contract's table of lanes forms from a rule, by its legs (arb 3)."""
    match rule:
        case BucketRule():
            yield rule.members
            yield from _each([member.negation for member in rule.members], 2)
        case TreeRule():
            yield (rule.parent.negation, *rule.children)
            for chosen in _each([child.negation for child in rule.children], 1):
                yield (rule.parent, *chosen)
                if len(chosen) > 1:
                    yield chosen
        case ImplicationRule():
            yield from ((stronger.negation, weaker) for stronger, weaker in pairwise(rule.chain))
        case PairRule():
            left, right = rule.left, rule.right
            yield from ((left, right), (left, right.negation), (left.negation, right), (left.negation, right.negation))


def _each(members, least):
    for size in range(least, len(members) + 1):
        yield from combinations(members, size)


def floor_of(count, rule, legs):
    return min(paid(values, legs) for values in worlds(count, [rule] if rule else []))


def spent(fact, asks, contracts):
    """Cash that arrives at `contracts` of an outcome costs, walked level by level; None when there are not so many."""
    fills, left = [], contracts * CONTRACT_LOTS
    for level in asks:
        arriving = fact.fees.net_lots(*level)
        taken = min(left, arriving)
        if taken:
            fills.append(
                (level.ticks, fact.fees.gross_lots(level.ticks, taken, lot=fact.lot) if fact.fees.in_shares else taken)
            )
        left -= taken
    if left:
        return None
    cost = sum(ticks * lots for ticks, lots in fills) / 10
    return cost if fact.fees.in_shares else cost + fact.fees.taker.walked_nano(fills)


def best_net(scene, legs, floor, edge_nano):
    """The most that a basket nets at any whole number of contracts at which it keeps the edge; 0 when none."""
    _, _, markets, quotes = scene
    best = 0.0
    for contracts in range(1, 16):
        parts = []
        for leg in legs:
            number = int(leg.market.symbol[1:])
            asks = quotes[number].yes_asks if leg.outcome is YES else quotes[number].no_asks
            parts.append(spent(markets[number], asks, contracts))
        if None in parts:
            break
        net = floor * contracts * 1e9 - sum(parts)
        if net >= edge_nano * floor * contracts:
            best = max(best, net)
    return best


def identity(basket):
    return basket.rule, basket.lane, tuple(leg.proposition for leg in basket.legs)


def filled(scene, lane_settings):
    _, rules, markets, quotes = scene
    subject = Detector(Universe(markets, rules_of(rules), lane_settings))
    for quote in quotes:
        subject.observe(quote)
    return subject


@given(scenes())
def test_no_basket_pays_less_than_its_floor_in_a_permitted_world(scene) -> None:  # arb 21.2
    count, rules, _, _ = scene
    named = {rule.group_id: rule for rule in rules}
    for basket in filled(scene, KEEN).candidates(NOW):
        rule = named.get(basket.rule.split("/")[0])
        legs = [leg.proposition for leg in basket.legs]
        assert len(set(legs)) == len(legs) >= 2
        assert basket.floor <= floor_of(count, rule, legs)
        assert basket.net_nano >= EDGE * basket.floor * basket.lots // CONTRACT_LOTS
        for leg in basket.legs:
            assert leg.depth_lots >= basket.lots
        assert list(basket.legs) == sorted(basket.legs, key=lambda leg: leg.sort_key)


@given(scenes())
def test_the_screen_rejects_nothing_that_is_good(scene) -> None:  # arb 18
    subject = filled(scene, KEEN)
    every = [
        subject._basket(number, subject.universe.form(number), Style.TAKER) for number in range(subject.universe.forms)
    ]
    directions = sorted(identity(basket) for basket in every if basket is not None)
    found = subject.candidates(NOW)
    assert sorted(identity(basket) for basket in found) == directions


@given(scenes(fees=(FREE,)))
def test_every_basket_of_the_contract_is_found_at_its_best(scene) -> None:  # arb 3, brute force
    count, rules, _, _ = scene
    subject = filled(scene, GREEDY)
    found = {}
    for basket in subject.candidates(NOW):
        name = basket.rule.split("/")[0] if basket.lane is not Lane.INTRA else basket.family
        found[name] = max(found.get(name, 0.0), float(basket.net_nano))
    known = {rule for pair in subject.universe.pairs for rule in [pair.rule.group_id]}
    for rule in rules:
        if isinstance(rule, PairRule) and rule.group_id not in known:
            continue
        wanted = 0.0
        for legs in baskets_of(rule):
            wanted = max(wanted, best_net(scene, legs, floor_of(count, rule, legs), 0))
        assert found.get(rule.group_id, 0.0) == wanted
    for number in range(count):
        legs = (proposition(number), proposition(number, NO))
        assert found.get(f"intra|sim/m{number}", 0.0) == best_net(scene, legs, 1, 0)


@given(scenes(fees=(KALSHI, CAPPED, SHARES)))
def test_rounding_never_hides_a_good_basket(scene) -> None:
    count, rules, _, _ = scene
    subject = filled(scene, KEEN)
    found = {
        (basket.rule.split("/")[0], frozenset(leg.proposition for leg in basket.legs))
        for basket in subject.candidates(NOW)
    }
    known = {rule for pair in subject.universe.pairs for rule in [pair.rule.group_id]}
    for rule in rules:
        if not isinstance(rule, PairRule | ImplicationRule) or (
            isinstance(rule, PairRule) and rule.group_id not in known
        ):
            continue
        for legs in baskets_of(rule):
            floor = floor_of(count, rule, legs)
            if floor and best_net(scene, legs, floor, EDGE):
                assert (rule.group_id, frozenset(legs)) in found


@given(scenes(), st.data())
def test_one_quote_after_the_other_finds_what_a_full_pass_finds(scene, data) -> None:
    count, _, _, _ = scene
    subject = filled(scene, KEEN)
    seen = {}
    for step in range(data.draw(st.integers(1, 12))):
        number = data.draw(st.integers(0, count - 1))
        if data.draw(st.integers(0, 5)) == 0:
            subject.forget(market(number))
        else:
            subject.observe(book(market(number), data.draw(levels), data.draw(cheap)))
        changed = subject.candidates(NOW + step)
        full = subject.scan(NOW + step)
        before = seen
        seen = {identity(basket): basket for basket in full}
        told = {identity(basket): basket for basket in changed}
        assert told.items() <= seen.items()
        assert all(told[key] == basket for key, basket in seen.items() if before.get(key) != basket and before)
    again = Detector(subject.universe)
    again.restore(subject.snapshot())
    assert again.scan(NOW) == subject.scan(NOW)


@given(st.lists(st.integers(1, 1_200), min_size=2, max_size=10), st.integers(0, 30))
def test_the_greedy_subset_is_the_best_of_all(mils, risk) -> None:  # arb 3: brute force n <= 10
    costs = [cost + risk for cost in mils]
    chosen = best_subset([[(cost * 1_000_000, CONTRACT_LOTS)] for cost in mils], risk_nano=risk * 1_000_000)
    edges = [
        len(taken) * 1_000 - sum(taken) - 1_000
        for size in range(2, len(costs) + 1)
        for taken in combinations(costs, size)
    ]
    assert sum(1_000 - costs[index] for index in chosen) - 1_000 == max(edges)


@given(
    st.lists(
        st.lists(st.tuples(st.integers(1, 1_100), st.integers(1, 6)), min_size=1, max_size=3).map(sorted),
        min_size=2,
        max_size=5,
    ),
    st.none() | st.lists(st.tuples(st.integers(1, 999), st.integers(1, 6)), min_size=1, max_size=2).map(sorted),
)
def test_the_subset_is_the_best_at_any_depth(books, anchor) -> None:
    def cost(rungs, contracts):
        each = [mils for mils, size in rungs for _ in range(size)]
        return sum(each[:contracts]) if contracts <= len(each) else None

    def value(chosen, contracts):
        base = 1_000 * contracts if anchor is None else cost(anchor, contracts)
        costs = [cost(books[index], contracts) for index in chosen]
        return None if base is None or None in costs else sum(1_000 * contracts - one for one in costs) - base

    def best(chosen):
        values = [one for contracts in range(1, 19) if (one := value(chosen, contracts)) is not None]
        return max(values, default=-(10**9))

    least = 2 if anchor is None else 1
    wanted = max(
        best(chosen) for size in range(least, len(books) + 1) for chosen in combinations(range(len(books)), size)
    )
    rungs = [[(mils * 1_000_000, size * CONTRACT_LOTS) for mils, size in one] for one in books]
    chosen = best_subset(rungs, anchor and [(mils * 1_000_000, size * CONTRACT_LOTS) for mils, size in anchor])
    if wanted > 0:
        assert best(chosen) == wanted
