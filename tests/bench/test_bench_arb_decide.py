"""What one decision costs: a candidate of two legs through every gate to its size, and one of six (target 300 us)."""

from msgspec.structs import replace

from arb_desk import NOW_NS, Table
from arb_quotes import KALSHI, SECOND, book, detector, facts, market, rule_set
from arb_rules import bucket
from millrace.strategies.arb.decide import Decider
from millrace.strategies.arb.gates.check import Context
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.settings import ArbSettings


def test_a_pair(benchmark) -> None:
    table = Table()
    decision = benchmark(table.decide)
    assert decision.opened


def test_a_bucket_of_six(benchmark) -> None:
    markets = [market(number, "kalshi") for number in range(6)]
    rules = rule_set(buckets=[bucket([Proposition(one) for one in markets])])
    found = detector(markets, rules, LaneSettings(), fees=KALSHI)
    books = {
        one: book(one, yes_asks=[(12, 400), (13, 400)], yes_bids=[(11, 400)], no_asks=[(95, 400)]) for one in markets
    }
    for one in books.values():
        found.observe(one)
    candidate = next(each for each in found.candidates(2 * SECOND) if len(each.legs) == len(markets))
    candidate = replace(candidate, horizon_ns=NOW_NS + 3_600 * SECOND)
    decider = Decider([facts(one, KALSHI) for one in markets], rules, ArbSettings())
    cash = {"kalshi": 5_000 * 10**9}
    context = Context(NOW_NS, books.get, lambda _: (), cash, cash, 5_000 * 10**9)
    decision = benchmark(decider.decide, candidate, context)
    assert decision.assessment is not None
