"""Words of titles, and how alike two titles are.

Similarity only proposes: of 10,653 pairs that a text matcher of the field proposed, none settles on the same number at
the same moment. What two titles must agree on is in `claims`.
"""

import re
from collections.abc import Iterable
from hashlib import blake2b

from millrace.strategies.arb.model import MarketFacts

JACCARD_SHARE, CONTAINMENT_SHARE = 0.7, 0.3
"""How the two measures are mixed (arb 14.1)."""
_WORD = re.compile(r"[a-z0-9]+(?:[.,'][a-z0-9]+)*")
_EMPTY_WORDS = (
    "a an and are as at be by do does for from has have how in is it its of on or than that the their there this to "
    "what when which who whom will with would yes no market resolve"
)
STOP_WORDS = frozenset(_EMPTY_WORDS.split())
_SAME = {
    "btc": "bitcoin", "eth": "ethereum", "sol": "solana", "doge": "dogecoin", "dem": "democratic",
    "democrat": "democratic",
    "democrats": "democratic", "gop": "republican", "republicans": "republican", "wins": "win", "winner": "win",
    "winning": "win", "won": "win", "elected": "win", "runs": "run", "running": "run", "nominee": "nominate",
    "nominees": "nominate", "nomination": "nominate", "nominated": "nominate", "nominates": "nominate",
    "announces": "announce", "announced": "announce", "presidency": "president", "presidential": "president",
    "governorship": "governor", "gubernatorial": "governor", "mayoral": "mayor", "qualifies": "qualify",
    "qualified": "qualify", "reaches": "reach", "hits": "hit", "finishes": "finish", "resigns": "resign",
    "leaves": "leave", "acquires": "acquire", "vs": "v", "versus": "v", "u.s": "us", "usa": "us",
    "january": "jan", "february": "feb", "march": "mar", "april": "apr", "june": "jun", "july": "jul", "august": "aug",
    "september": "sep", "sept": "sep", "october": "oct", "november": "nov", "december": "dec",
}  # fmt: skip
"""Words that venues use for one another; only ones that never change what is claimed."""
_HASH_BYTES = 8


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, in one spelling each, numbers without thousands marks."""
    found = []
    for word in _WORD.findall(text.lower()):
        plain = word.replace(",", "").removesuffix("'s")
        found.append(_SAME.get(plain, plain))
    return found


def tokens(text: str) -> frozenset[str]:
    """Return the words that carry meaning."""
    return frozenset(words(text)) - STOP_WORDS


def market_tokens(facts: MarketFacts) -> frozenset[str]:
    """Return the words by which a market is compared: of its title, and of its outcome where that is a name."""
    return tokens(f"{facts.title or facts.event_title} {facts.outcome_label}")


def similarity(left: Iterable[str], right: Iterable[str]) -> float:
    """Return 0.7 x Jaccard + 0.3 x containment of two sets of words, 0 when one is empty (arb 14.1)."""
    first, second = frozenset(left), frozenset(right)
    if not (first and second):
        return 0.0
    shared = len(first & second)
    return JACCARD_SHARE * shared / len(first | second) + CONTAINMENT_SHARE * shared / min(len(first), len(second))


def rules_hash(*texts: str) -> str:
    """Return a short hash of rules texts, whatever their order, spacing and case; empty when one of them is missing."""
    plain = sorted(" ".join(text.lower().split()) for text in texts)
    if not all(plain):
        return ""
    return blake2b("\x00".join(plain).encode(), digest_size=_HASH_BYTES).hexdigest()
