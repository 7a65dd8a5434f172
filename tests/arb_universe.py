"""A linked universe of any size with the mix of rules that real files have (arb 18), for benches and plain checks.

Prices are fair but for a spread, so that few baskets are worth an exact look; a share of the quotes is off by some cents.
"""

from itertools import count
from random import Random

from arb_quotes import KALSHI, SECOND, facts, rule_set
from arb_rules import bucket, pair, tree
from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.fee_terms import CONTRACT_LOTS, FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.model import MarketFacts, Proposition
from millrace.strategies.arb.rules.records import Label, Relation, RuleSet, TreeBits

BUCKETS, TREES, PARITY, MAPPED = 3_623, 357, 2_114, 2_114
"""Rules per 50,000 markets (arb 18)."""
LEGS_PER_BUCKET = 12.4
LARGEST = 60
POLY = FeeSchedule(FeeTerms(quadratic_ppm=40_000, quantum_nano=10_000, rounds_down=True), in_shares=True)
PARTITION = TreeBits(cover=True, exclusive=True, nested=True)


class LinkedUniverse:
    """Facts, rules and a fair price for each market; `quote` makes a book around it."""

    def __init__(self, markets: int, seed: int = 7, off_share: float = 0.002) -> None:
        self.random = Random(seed)
        self.off_share = off_share
        self.fair = [self.random.uniform(0.05, 0.95) for _ in range(markets)]
        self.ids = [InstrumentId("kalshi" if i % 2 else "poly", f"MKT-{i:06d}") for i in range(markets)]
        self.facts: list[MarketFacts] = [
            facts(market, KALSHI if market.venue == "kalshi" else POLY, mirrored=True, lot=10_000)
            for market in self.ids
        ]
        self.rules = self._rules(markets)
        self.version = count(1)

    def _rules(self, markets: int) -> RuleSet:
        share, fresh = markets / 50_000, iter(range(markets))
        sizes = [LARGEST, *(self.random.choice((3, 5, 8, 12, 16, 31)) for _ in range(round(BUCKETS * share) - 1))]
        buckets = []
        for number, size in enumerate(sizes):
            members = [self.ids[i] for i in self._partition(fresh, size)]
            label = Label.EXHAUSTIVE if number % 3 else Label.NON_EXHAUSTIVE
            if len(members) > 1:
                buckets.append(bucket(map(Proposition, members), label, name=f"b{number}"))
        trees, every = [], iter(range(0, markets, 5))
        for number in range(round(TREES * share)):
            parent, *children = (next(every) for _ in range(5))
            for child, part in zip(children, (0.4, 0.3, 0.2, 0.1), strict=True):
                self.fair[child] = self.fair[parent] * part
            trees.append(
                tree(
                    Proposition(self.ids[parent]), [Proposition(self.ids[i]) for i in children], PARTITION, f"t{number}"
                )
            )
        pairs = []
        for number in range(round((PARITY + MAPPED) * share)):
            left = self.random.randrange(0, markets - 1)
            right = left + 1
            self.fair[right] = self.fair[left]
            sides = Proposition(self.ids[left]), Proposition(self.ids[right])
            pairs.append(pair(Relation.EQUIVALENT, *sides, f"p{number}", mapped=bool(number % 2)))
        return rule_set(buckets=buckets, trees=trees, pairs=pairs)

    def _partition(self, fresh, size):
        taken = [i for _, i in zip(range(size), fresh, strict=False)]
        weights = [self.random.random() + 0.05 for _ in taken]
        for i, weight in zip(taken, weights, strict=True):
            self.fair[i] = min(max(weight / sum(weights), 0.01), 0.97)
        return taken

    def quote(self, index: int, ts_ns: int = SECOND) -> BinaryQuote:
        """A book of three levels per side, a cent or two of spread around the fair price, both views filled in."""
        random = self.random
        middle = self.fair[index] + random.choice((-0.005, 0.0, 0.005))
        if random.random() < self.off_share:
            middle += random.choice((-0.06, 0.06))
        ask = min(max(round(middle * 100) + 1, 1), 97) * 100
        bid = max(ask - random.choice((100, 200)), 0)
        size = CONTRACT_LOTS
        asks = tuple(BookLevel(ask + 100 * step, random.randint(5, 300) * size) for step in range(3))
        bids = tuple(
            BookLevel(bid - 100 * step, random.randint(5, 300) * size) for step in range(3) if bid > 100 * step
        )
        turned_bids = tuple(BookLevel(10_000 - level.ticks, level.lots) for level in bids)
        turned_asks = tuple(BookLevel(10_000 - level.ticks, level.lots) for level in asks)
        version = next(self.version)
        return BinaryQuote(
            self.ids[index], ts_ns, ts_ns, version, QuoteSource.STREAM, asks, turned_bids, bids, turned_asks
        )  # fmt: skip
