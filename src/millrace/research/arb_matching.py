"""How often the desk's matcher is wrong, measured on pairs with known truth, each figure with its interval.

Recorded false pairs come in thousands and recorded true ones in dozens, so true pairs are made as well. A table row is
one question: of so many pairs, how many true and how many false ones passed. Rows of one market repeat, so distinct
pairs are counted beside rows; the interval of the rows alone would promise too much.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec
from scipy.stats import binomtest

from millrace.core.instrument import InstrumentId
from millrace.research.arb_data.recorded_pairs import RecordedPair, game_pairs, text_pairs
from millrace.sim.prediction.paraphrases import made_pairs
from millrace.strategies.arb.mapping.candidates import propose
from millrace.strategies.arb.mapping.claims import claim_of
from millrace.strategies.arb.mapping.records import MappingRef, MappingRow, RefKind
from millrace.strategies.arb.mapping.settings import MappingSettings
from millrace.strategies.arb.mapping.text import market_tokens, similarity
from millrace.strategies.arb.mapping.tiers import compare, standing
from millrace.strategies.arb.mapping.vetoes import vetoes
from millrace.strategies.arb.model import MarketFacts, Tier
from millrace.strategies.arb.rules.records import Provenance

TEXT_PAIRS = "prediction/polymarket_kalshi_crypto_2026-06/cross_candidates.parquet"
GAME_PAIRS = "prediction/metadata/crossmap_polymarketus_kalshi_2026-05.json"
SEEDS, PAIRS_PER_SEED = (1, 2, 3, 4, 5), 2_000
CONFIDENCE = 0.95
_NOON_RULES = "Settles by the price at noon ET."


class Share(NamedTuple):
    """A share with its exact 95 % interval (Clopper and Pearson); None where there was nothing to count."""

    hits: int
    of: int
    low: float | None
    high: float | None

    @classmethod
    def counted(cls, hits: int, of: int) -> "Share":
        """Return the share of `hits` in `of`."""
        if not of:
            return cls(hits, of, None, None)
        low, high = binomtest(hits, of).proportion_ci(CONFIDENCE, method="exact")
        return cls(hits, of, float(low), float(high))

    def __str__(self) -> str:
        if self.low is None or self.high is None:
            return "-"
        return f"{self.hits:,} of {self.of:,} ({100 * self.low:.3g} to {100 * self.high:.3g} %)"


class Measured(NamedTuple):
    """One question's answer: false pairs that passed, and true pairs that did."""

    what: str
    false_passed: Share
    true_passed: Share


class Judged(NamedTuple):
    """A pair, whether it is true, and whether the question let it pass."""

    markets: tuple[InstrumentId, InstrumentId]
    true: bool
    passed: bool


def measure(data: Path) -> tuple[Measured, ...]:
    """Return every question's answer on the recordings under `data` and on made pairs."""
    return (
        *text_questions(text_pairs(data / TEXT_PAIRS)),
        *game_questions(game_pairs(data / GAME_PAIRS)),
        *made_questions(),
    )


def text_questions(pairs: Sequence[RecordedPair]) -> tuple[Measured, ...]:
    """Return what becomes of the crypto pairs that a text matcher proposed."""
    recorded = [_judged(pair, pair.left, pair.right) for pair in pairs]
    rounded = [_judged(pair, pair.left, _rounded(pair.right)) for pair in pairs]
    told = [_judged(pair, _with_rules(pair.left), _rounded(pair.right)) for pair in pairs]
    approved = [_approved(pair) for pair in pairs]
    words = [
        Judged(_markets(pair), pair.true, similarity(market_tokens(pair.left), market_tokens(pair.right)) >= 0.62)  # noqa: PLR2004
        for pair in pairs
    ]
    return (
        *_counted("crypto, words alone", words),
        *_counted("crypto, structured fields alone", recorded),
        _proposed("crypto, the whole matcher over all markets", pairs),
        *_counted("crypto, approved by a careless person: strict tier", approved),
        *_counted("crypto, fields alone, strikes rounded to a dollar", rounded),
        *_counted("crypto, strikes rounded, Polymarket's hour known", told),
    )


def game_questions(pairs: Sequence[RecordedPair]) -> tuple[Measured, ...]:
    """Return what becomes of the mapped games, and of the maps and sets that were mapped as games."""
    return (
        _total("games, structured fields alone", [_judged(pair, pair.left, pair.right) for pair in pairs]),
        _proposed("games, the whole matcher over all markets", pairs),
    )


def made_questions() -> tuple[Measured, ...]:
    """Return what becomes of made pairs: by fields alone, and by fields and words."""
    settings = MappingSettings()
    by_fields: list[Judged] = []
    by_both: list[Judged] = []
    for seed in SEEDS:
        for pair in made_pairs(seed, PAIRS_PER_SEED):
            found = compare(pair.left, pair.right, settings)
            markets = pair.left.market, pair.right.market
            by_fields.append(Judged(markets, pair.true, not found.vetoes))
            alike = found.similarity >= settings.text_similarity
            by_both.append(Judged(markets, pair.true, alike and not found.vetoes))
    return _total("made pairs, structured fields alone", by_fields), _total("made pairs, fields and words", by_both)


def _judged(pair: RecordedPair, left: MarketFacts, right: MarketFacts) -> Judged:
    return Judged(_markets(pair), pair.true, not vetoes(claim_of(left), claim_of(right)))


def _approved(pair: RecordedPair) -> Judged:
    """Judge a pair as if somebody had approved it without looking, freshly verified and with coherent prices."""
    refs = tuple(MappingRef(market.venue, RefKind.MARKET, market.symbol) for market in _markets(pair))
    row = MappingRow(
        group_id="g", refs=refs, confidence=1.0, provenance=Provenance.HUMAN, approved_by="somebody", approved_ns=0
    )
    settings = MappingSettings()
    found = compare(pair.left, pair.right, settings)
    tier = standing(row, found, settings, coherent=True, verified=True, strict_exists=False).tier
    return Judged(_markets(pair), pair.true, tier is Tier.STRICT and not found.vetoes)


def _proposed(what: str, pairs: Sequence[RecordedPair]) -> Measured:
    """Judge what the matcher proposes when it sees all markets at once and no pairs."""
    left, right = (
        {facts.market: facts for facts in side} for side in ([p.left for p in pairs], [p.right for p in pairs])
    )
    true = {_markets(pair) for pair in pairs if pair.true}
    found = propose(list(left.values()), list(right.values()), MappingSettings())
    chosen = {(each.left.market, each.right.market) for each in found if each.refused is None}
    return Measured(
        what,
        Share.counted(len(chosen - true), len(left) * len(right) - len(true)),
        Share.counted(len(chosen & true), len(true)),
    )


def _counted(what: str, found: Sequence[Judged]) -> tuple[Measured, Measured]:
    """Count rows, and distinct pairs."""
    distinct = {judged.markets: judged for judged in found}
    return _total(f"{what}: rows", found), _total(f"{what}: distinct pairs", distinct.values())


def _total(what: str, found: Iterable[Judged]) -> Measured:
    sides: dict[bool, list[bool]] = {True: [], False: []}
    for judged in found:
        sides[judged.true].append(judged.passed)
    return Measured(what, *(Share.counted(sum(sides[true]), len(sides[true])) for true in (False, True)))


def _markets(pair: RecordedPair) -> tuple[InstrumentId, InstrumentId]:
    return pair.left.market, pair.right.market


def _rounded(facts: MarketFacts) -> MarketFacts:
    """Return a market with its strike rounded to a dollar, as whoever proposed the pairs did."""
    return msgspec.structs.replace(facts, strike_low=float(round(facts.strike_low or 0.0)))


def _with_rules(facts: MarketFacts) -> MarketFacts:
    """Return a market with the hour that its series' rules name."""
    return msgspec.structs.replace(facts, rules_text=_NOON_RULES)


def table(found: Iterable[Measured]) -> str:
    """Return the answers as a Markdown table."""
    rows = [f"| {each.what} | {each.false_passed} | {each.true_passed} |" for each in found]
    return "\n".join(["| pairs | false ones that pass | true ones that pass |", "|---|---|---|", *rows])
