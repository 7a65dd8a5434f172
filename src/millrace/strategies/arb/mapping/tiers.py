"""How far a pair may be trusted, from what was measured of it and who vouches (arb 14.2).

A strict pair has a person behind it and at least two signals that agree with that person; a fallback pair has nobody
and needs all three. What is not known counts against a pair: without both rules texts nothing is strict.
"""

from enum import StrEnum
from typing import NamedTuple

from millrace.strategies.arb.mapping.claims import Claim, claim_of
from millrace.strategies.arb.mapping.records import MappingRow
from millrace.strategies.arb.mapping.settings import SECOND_NS, MappingSettings
from millrace.strategies.arb.mapping.text import market_tokens, rules_hash, similarity
from millrace.strategies.arb.mapping.vetoes import Field, Veto, agreeing, vetoes
from millrace.strategies.arb.model import MarketFacts, Tier


class Signal(StrEnum):
    """What can speak for a pair."""

    TEXT = "text"
    STRUCTURE = "structure"
    TIME = "time"
    PRICE = "price"


class Doubt(StrEnum):
    """Why a pair has no tier, in the order in which they are listed."""

    NOT_APPROVED = "not_approved"
    LOW_CONFIDENCE = "low_confidence"
    REVIEW_REJECTS = "review_rejects"
    NO_RULES_TEXT = "no_rules_text"
    FEW_SIGNALS = "few_signals"
    NOT_VERIFIED = "not_verified"
    FALLBACK_OFF = "fallback_off"
    STRICT_EXISTS = "strict_exists"
    SIGNAL_MISSING = "signal_missing"


class Comparison(NamedTuple):
    """What the facts of two markets say about each other; computed once per change of the facts."""

    similarity: float
    vetoes: tuple[Veto, ...]
    agreeing: frozenset[Field]
    complete: bool
    times_meet: bool | None
    has_rules: bool
    rules_hash: str


class Standing(NamedTuple):
    """A pair's tier, the signals that speak for it and the doubts that keep it from a better one."""

    tier: Tier
    signals: frozenset[Signal]
    doubts: tuple[Doubt, ...]


def compare(left: MarketFacts, right: MarketFacts, settings: MappingSettings) -> Comparison:
    """Compare two markets by words, structured fields, times and rules."""
    one, other = claim_of(left), claim_of(right)
    return Comparison(
        similarity=similarity(market_tokens(left), market_tokens(right)),
        vetoes=vetoes(one, other),
        agreeing=agreeing(one, other),
        complete=_complete(one, other),
        times_meet=times_meet(left, right, settings),
        has_rules=bool(left.rules_text.strip() and right.rules_text.strip()),
        rules_hash=rules_hash(left.rules_text, right.rules_text),
    )


def times_meet(left: MarketFacts, right: MarketFacts, settings: MappingSettings) -> bool | None:
    """Tell whether the markets close within 48 h of each other or overlap by 0.9; None when a time is unknown."""
    if left.close_ns is None or right.close_ns is None:
        return None
    if abs(left.close_ns - right.close_ns) <= settings.close_within_sec * SECOND_NS:
        return True
    if left.open_ns is None or right.open_ns is None:
        return False
    shared = min(left.close_ns, right.close_ns) - max(left.open_ns, right.open_ns)
    whole = max(left.close_ns, right.close_ns) - min(left.open_ns, right.open_ns)
    return shared >= settings.overlap_share * whole


def standing(
    row: MappingRow,
    found: Comparison | None,
    settings: MappingSettings,
    *,
    coherent: bool,
    verified: bool,
    strict_exists: bool,
) -> Standing:
    """Return a pair's tier; `strict_exists` says that an approved row touches one of its markets."""
    if found is None:
        return Standing(Tier.UNVERIFIED, frozenset(), (Doubt.NOT_VERIFIED,))
    signals = _signals(found, settings, coherent=coherent)
    doubts: list[Doubt] = []
    if row.review is not None and row.review < settings.review_confidence:
        doubts.append(Doubt.REVIEW_REJECTS)
    if not verified:
        doubts.append(Doubt.NOT_VERIFIED)
    if row.approved:
        doubts += _strict_doubts(row, found, signals, settings)
        return Standing(Tier.UNVERIFIED if doubts else Tier.STRICT, signals, _in_order(doubts))
    if not settings.fallback_enabled:
        doubts += [Doubt.NOT_APPROVED, Doubt.FALLBACK_OFF]
    if row.confidence < settings.fallback_confidence:
        doubts.append(Doubt.LOW_CONFIDENCE)
    if strict_exists:
        doubts.append(Doubt.STRICT_EXISTS)
    if not {Signal.TEXT, Signal.TIME, Signal.PRICE} <= signals:
        doubts.append(Doubt.SIGNAL_MISSING)
    return Standing(Tier.UNVERIFIED if doubts else Tier.FALLBACK, signals, _in_order(doubts))


def _strict_doubts(
    row: MappingRow, found: Comparison, signals: frozenset[Signal], settings: MappingSettings
) -> list[Doubt]:
    held = (
        (Doubt.LOW_CONFIDENCE, row.confidence >= settings.strict_confidence),
        (Doubt.NO_RULES_TEXT, found.has_rules),
        (Doubt.FEW_SIGNALS, len(signals) >= settings.strict_signals),
    )
    return [doubt for doubt, holds in held if not holds]


def _signals(found: Comparison, settings: MappingSettings, *, coherent: bool) -> frozenset[Signal]:
    said = {
        Signal.TEXT: found.similarity >= settings.text_similarity,
        Signal.STRUCTURE: bool(found.agreeing) and found.complete and not found.vetoes,
        Signal.TIME: bool(found.times_meet),
        Signal.PRICE: coherent,
    }
    return frozenset(signal for signal, holds in said.items() if holds)


def _complete(one: Claim, other: Claim) -> bool:
    """Tell whether no side names a threshold or a day that the other does not."""
    return bool(one.bounds) == bool(other.bounds) and (one.day is None) == (other.day is None)


def _in_order(doubts: list[Doubt]) -> tuple[Doubt, ...]:
    return tuple(doubt for doubt in Doubt if doubt in doubts)
