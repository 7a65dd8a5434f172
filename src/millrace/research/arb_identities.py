"""The identities that every report of the desk must satisfy exactly; one that does not hold makes the report red.

Sums by lane, by family and in all are the same sums; every candidate ends in exactly one place; every dollar that a
basket is said to have made moved as cash, and the venue has it (arb 17, identities 1 to 5). Nothing is rounded: a
difference of a billionth of a dollar is a difference.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from millrace.research.arb_facts import ArbFacts, CashFlow, basket_of, money_of
from millrace.strategies.arb.model import Lane
from millrace.strategies.arb.telemetry.rows import OPENED, REJECTED, BasketRow, DecisionRow, Outcome

_SHOWN = 3
_FAMILY_OF = {lane.value: lane.family for lane in Lane}
_COUNTED: dict[str, Callable[[DecisionRow], int]] = {
    "count": lambda _: 1,
    "capital": lambda row: row.cost_nano + row.fee_nano,
    "detected": lambda row: row.detected_nano,
    "expected": lambda row: row.expected_nano or 0,
}
_BASKET_SUMS: dict[str, Callable[[BasketRow], int]] = {
    "capital used": lambda row: row.capital_nano,
    "simulated": lambda row: row.simulated_nano or 0,
    "realised": lambda row: row.realised_nano or 0,
}


class Identity(NamedTuple):
    """One identity: its number in the contract, what it says, and where it fails; `skipped`: why it is not known."""

    number: int
    title: str
    broken: tuple[str, ...]
    skipped: str = ""

    @property
    def holds(self) -> bool:
        """Whether nothing contradicts it."""
        return not self.broken


def identities(facts: ArbFacts) -> tuple[Identity, ...]:
    """Return all of them, judged."""
    cash_known, venue_cash = _venue_cash(facts)
    return (
        Identity(1, "lanes, families and total have the same sums", _first(_sums(facts))),
        Identity(2, "each opened row has one family and one lane", _first(_families(facts))),
        Identity(3, "detected = opened + rejected, opened = ended + open", _first(_ends(facts))),
        Identity(4, "a basket's money is the cash that moved", _first(_money(facts))),
        Identity(4, "the venues' cash is what the ledger says", _first(venue_cash), cash_known),
        Identity(5, "no family was opened twice within its cooldown", _first(_cooldowns(facts))),
    )


def _first(found: Iterable[str]) -> tuple[str, ...]:
    every = list(found)
    more = len(every) - _SHOWN
    return (*every[:_SHOWN], f"and {more} more") if more > 0 else tuple(every)


def _sums(facts: ArbFacts) -> Iterator[str]:
    for name, figure in _COUNTED.items():
        yield from _compared(name, [(row.lane, row.lane_family, figure(row)) for row in facts.decisions])
    for name, of_basket in _BASKET_SUMS.items():
        yield from _compared(name, [(row.lane, row.lane_family, of_basket(row)) for row in facts.baskets])


def _compared(name: str, rows: list[tuple[str, str, int]]) -> Iterator[str]:
    """Compare the sum over lanes, that over their families by the contract, and that by the rows' own families."""
    lanes: Counter[str] = Counter()
    told: Counter[str] = Counter()
    for lane, family, value in rows:
        lanes[lane] += value
        told[family] += value
    derived: Counter[str] = Counter()
    for lane, value in lanes.items():
        derived[_FAMILY_OF.get(lane, "?")] += value
    total = sum(value for _, _, value in rows)
    if sum(lanes.values()) != total or sum(told.values()) != total:
        yield f"{name}: lanes {sum(lanes.values())}, families {sum(told.values())}, total {total}"
    for family in sorted({*told, *derived}):
        if told[family] != derived[family]:
            yield f"{name}: family {family} is {told[family]}, its lanes are {derived[family]}"


def _families(facts: ArbFacts) -> Iterator[str]:
    baskets: Counter[str] = Counter()
    for row in facts.opened:
        baskets[row.basket] += 1
        if not (row.family and row.basket):
            yield f"{row.decision_id} was opened without a family or a basket"
        elif _FAMILY_OF.get(row.lane) != row.lane_family:
            yield f"{row.decision_id}: lane {row.lane} does not belong to family {row.lane_family}"
        elif row.lane in row.aliases.split(","):
            yield f"{row.decision_id}: its own lane {row.lane} stands among its aliases"
    yield from (f"basket {basket} was opened {count} times" for basket, count in baskets.items() if count > 1)


def _ends(facts: ArbFacts) -> Iterator[str]:
    for row in facts.decisions:
        if row.verdict not in {OPENED, REJECTED}:
            yield f"{row.decision_id} is {row.verdict}"
        elif (row.verdict == REJECTED) != bool(row.reason):
            yield f"{row.decision_id} is {row.verdict} with reason {row.reason!r}"
    opened = {row.basket: row.decision_id for row in facts.opened}
    ended: Counter[str] = Counter(row.basket for row in facts.baskets)
    known = {outcome.value for outcome in Outcome}
    for one in facts.baskets:
        if opened.get(basket_of(one)) != one.decision_id:
            yield f"basket {one.basket} ended and {one.decision_id} did not open it"
        if one.outcome not in known:
            yield f"basket {one.basket} ended as {one.outcome}"
        if ended[one.basket] > 1:
            yield f"basket {one.basket} ended {ended[one.basket]} times"


def _money(facts: ArbFacts) -> Iterator[str]:
    flows: defaultdict[str, int] = defaultdict(int)
    for flow in facts.flows:
        flows[flow.basket] += flow.cash_nano - flow.fee_nano
    told: defaultdict[str, int] = defaultdict(int)
    for row in facts.baskets:
        money = money_of(row)
        if money is None or (row.simulated_nano is not None and row.realised_nano is not None):
            yield f"basket {row.basket} has cash in none, or in both, of its columns"
            continue
        if money != row.proceeds_nano - row.bought_nano - row.fee_nano:
            yield f"basket {row.basket}: {money} is not {row.proceeds_nano} - {row.bought_nano} - {row.fee_nano}"
        told[basket_of(row)] += money
    for basket, money in told.items():
        if money != flows[basket]:
            yield f"basket {basket} says {money}, its cash flows are {flows[basket]}"
    known = {row.basket for row in facts.opened}
    yield from (f"cash moved for {basket}, which nobody opened" for basket in flows if basket not in known)
    for basket, carried in (facts.carried_nano or {}).items():
        if flows[basket] != -carried:
            yield f"basket {basket}: positions carry {carried}, its cash flows are {flows[basket]}"


def _venue_cash(facts: ArbFacts) -> tuple[str, list[str]]:
    """Return why it cannot be judged, and what is wrong: change of cash = what all fills and closings brought."""
    if not facts.venue_cash:
        return "the run holds no statement of a venue", []
    by_venue: defaultdict[str, list[CashFlow]] = defaultdict(list)
    for flow in facts.flows:
        by_venue[flow.venue].append(flow)
    skipped, found = [], []
    for venue, cash in sorted(facts.venue_cash.items()):
        flows = by_venue[venue]
        if facts.live_orders.get(venue) or any(flow.ts_ns > cash.ts_ns for flow in flows):
            skipped.append(f"{venue} has not said what it holds since the last news")
            continue
        moved = sum(flow.cash_nano - flow.fee_nano for flow in flows)
        if cash.last_nano - cash.opening_nano != moved:
            found.append(f"{venue}: cash changed by {cash.last_nano - cash.opening_nano}, the ledger says {moved}")
    return "; ".join(skipped), found


def _cooldowns(facts: ArbFacts) -> Iterator[str]:
    last: dict[str, DecisionRow] = {}
    for row in sorted(facts.opened, key=lambda row: (row.ts_ns, row.decision_id)):
        before = last.get(row.family)
        if before is not None and row.ts_ns - before.ts_ns < facts.cooldown_ns:
            yield f"{row.family} was opened by {before.decision_id} and again by {row.decision_id}"
        last[row.family] = row
