"""Reads a rules file: what can be trusted becomes a rule, everything else a rejection with its reason (arb 5).

A file is a claim about money, so nothing in it counts without somebody who vouches for it. Every entry of version 2
carries who approved it and when; a label says who established each part; a heuristic establishes nothing. Version 1
knows neither labels nor approval: its buckets are `unknown`, its trees keep what venue metadata proves, its pairs may
be looked at and not traded. One bad entry never stops the rest, and none is dropped in silence.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.model import MarketFacts, Proposition, Tier
from millrace.strategies.arb.rules.assemble import market_key, rule_set
from millrace.strategies.arb.rules.file_format import (
    BUCKETS,
    LADDERS,
    OLD_FORMAT,
    PAIRS,
    TREES,
    BitsEntry,
    BucketEntry,
    LadderEntry,
    PairEntry,
    Reason,
    RefEntry,
    TreeEntry,
    entry_of,
    read_document,
)
from millrace.strategies.arb.rules.proofs import denied_exclusive, proved_bits, proved_exclusive
from millrace.strategies.arb.rules.records import (
    BucketRule,
    ImplicationRule,
    Label,
    PairRule,
    Provenance,
    Rejection,
    Relation,
    RuleSet,
    TreeBits,
    TreeRule,
)
from millrace.strategies.arb.utc import time_ns

VOUCHING = {Provenance.EXCHANGE_API, Provenance.CURATED, Provenance.HUMAN}
"""Who can establish a part of a label; what a heuristic found, a person approves under a person's name."""
_LABELLED = {
    Label.EXHAUSTIVE: TreeBits(cover=True, exclusive=True, nested=True),
    Label.NON_EXHAUSTIVE: TreeBits(exclusive=True, nested=True),
}
_UPWARD = {"greater", "greater_or_equal", "above"}
_DOWNWARD = {"less", "less_or_equal", "below", "before", "by_date"}
_FEWEST = 2
Facts = Mapping[InstrumentId, MarketFacts]


class Refusal(NamedTuple):
    """Why an entry is not taken, and what to do about it."""

    reason: Reason
    text: str


def parse_rules(data: bytes, source: str, now_ns: int, facts: Facts | None = None) -> RuleSet:
    """Read a rules file of version 1 or 2.

    `facts`, where given, lend the venues' spelling of market ids and what their metadata prove. Raises OperatorError
    when the file as a whole cannot be read or has an unknown key; a bad entry is a `Rejection` of the result.
    """
    version, sections = read_document(data, source)
    reader = _Reader(version == OLD_FORMAT, now_ns, facts or {})
    rejected: list[Rejection] = []
    taken: dict[str, list[Any]] = {}
    for section, entries in sections.items():
        for index, raw in enumerate(entries):
            found = reader.rule(raw, section)
            if isinstance(found, Refusal):
                rejected.append(Rejection(section, _name(raw, index), found.reason, found.text))
            else:
                taken.setdefault(section, []).append(found)
    return rule_set(
        taken.get(BUCKETS, ()), taken.get(TREES, ()), taken.get(LADDERS, ()), taken.get(PAIRS, ()), rejected
    )


class _Reader:
    """Turns entries into rules, one at a time."""

    def __init__(self, old: bool, now_ns: int, facts: Facts) -> None:
        self._old = old
        self._now_ns = now_ns
        self._facts = facts
        self._spelling = {market_key(market): market for market in facts}

    def rule(self, raw: Any, section: str) -> "BucketRule | TreeRule | ImplicationRule | PairRule | Refusal":
        """Return an entry's rule, or why it has none."""
        entry = entry_of(raw, section)
        if isinstance(entry, str):
            return Refusal(Reason.BAD_ENTRY, f"cannot be read: {entry}")
        try:
            until_ns = time_ns(entry.valid_until)
            approved = entry.approved_by and time_ns(entry.approved_at)
        except ValueError as error:
            return Refusal(Reason.BAD_ENTRY, f"valid_until or approved_at: {error}")
        if not (self._old or approved):
            return Refusal(Reason.NOT_APPROVED, "nobody approved it; fill in approved_by and approved_at")
        if until_ns is not None and until_ns <= self._now_ns:
            return Refusal(Reason.EXPIRED, f"was valid until {entry.valid_until}; approve it anew or delete it")
        match entry:
            case BucketEntry():
                return self._bucket(entry, until_ns)
            case TreeEntry():
                return self._tree(entry, until_ns)
            case LadderEntry():
                return self._ladder(entry, until_ns)
            case PairEntry():
                return self._pair(entry, until_ns)

    def _bucket(self, entry: BucketEntry, until_ns: int | None) -> BucketRule | Refusal:
        members = self._propositions(entry.legs)
        if isinstance(members, Refusal):
            return members
        exclusivity, exhaustiveness = _source(entry.exclusivity_source), _source(entry.exhaustiveness_source)
        if entry.label not in set(Label):
            return _bad_label(entry.label)
        label = Label(entry.label)
        for part, source, needed in (
            ("exclusivity_source", exclusivity, label is not Label.UNKNOWN),
            ("exhaustiveness_source", exhaustiveness, label is Label.EXHAUSTIVE),
        ):
            if needed and source not in VOUCHING:
                return _unvouched(f"label {label} needs {part}")
        expected = entry.expected_member_count
        if label is Label.EXHAUSTIVE and expected not in {None, len(members)}:
            text = f"has {len(members)} of {expected} outcomes; label it {Label.NON_EXHAUSTIVE} or add the others"
            return Refusal(Reason.MEMBERS_MISSING, text)
        says_so = exclusivity is Provenance.EXCHANGE_API
        if says_so and denied_exclusive(members, self._facts):
            return Refusal(Reason.LABEL_WITHOUT_PROVENANCE, "the exchange itself denies that only one can resolve yes")
        proved = says_so or proved_exclusive(members, self._facts)
        return BucketRule(
            group_id=entry.group_id,
            label=label,
            exclusive=proved if label is Label.UNKNOWN else True,
            members=members,
            exclusivity_source=exclusivity,
            exhaustiveness_source=exhaustiveness,
            valid_until_ns=until_ns,
        )

    def _tree(self, entry: TreeEntry, until_ns: int | None) -> TreeRule | Refusal:
        parent, children = self._proposition(entry.parent), self._propositions(entry.children)
        if isinstance(parent, Refusal):
            return parent
        if parent.outcome is not Outcome.YES:
            return Refusal(Reason.PARENT_SIDE_NOT_YES, "the parent's side must be yes")
        if isinstance(children, Refusal):
            return children
        if market_key(parent.market) in {market_key(child.market) for child in children}:
            return Refusal(Reason.SELF_CHILD, f"{parent.market} is its own child")
        bits = self._bits(entry, parent, children)
        if isinstance(bits, Refusal):
            return bits
        label = next((label for label, whole in _LABELLED.items() if bits == whole), Label.UNKNOWN)
        return TreeRule(
            group_id=entry.group_id, label=label, bits=bits, parent=parent, children=children, valid_until_ns=until_ns
        )

    def _bits(self, entry: TreeEntry, parent: Proposition, children: tuple[Proposition, ...]) -> TreeBits | Refusal:
        """Return the bits that are claimed and vouched for, and those that the venue's metadata prove."""
        if entry.label and entry.label not in set(Label):
            return _bad_label(entry.label)
        labelled = _LABELLED.get(Label(entry.label)) if entry.label else None
        given = TreeBits(*_values(entry.bits)) if entry.bits else None
        if labelled and given and labelled != given:
            return Refusal(Reason.BAD_LABEL, f"label {entry.label} and bits {given._asdict()} differ; give one of them")
        claimed = labelled or given or TreeBits()
        needed = {Provenance.EXCHANGE_API} if entry.label == Label.UNKNOWN else VOUCHING
        for name, claim in claimed._asdict().items():
            if claim and _source(getattr(entry.provenance, name)) not in needed:
                return _unvouched(f"bit {name} needs provenance.{name}")
        proved = proved_bits(parent, children, self._facts)
        return TreeBits(*(a or b for a, b in zip(claimed, proved, strict=True)))

    def _ladder(self, entry: LadderEntry, until_ns: int | None) -> ImplicationRule | Refusal:
        chain = self._propositions(entry.chain)
        if isinstance(chain, Refusal):
            return chain
        source = _source(entry.source)
        if source not in VOUCHING:
            return _unvouched("a ladder needs source")
        if entry.strikes or entry.operator:
            ordered = sorted(set(entry.strikes), reverse=entry.operator in _UPWARD)
            if (
                entry.operator not in _UPWARD | _DOWNWARD
                or list(entry.strikes) != ordered
                or len(ordered) != len(chain)
            ):
                text = (
                    f"operator {entry.operator!r} and strikes {list(entry.strikes)} do not run from the strongest rung"
                )
                return Refusal(Reason.STRIKES_OUT_OF_ORDER, text)
        return ImplicationRule(group_id=entry.group_id, chain=chain, source=source, valid_until_ns=until_ns)

    def _pair(self, entry: PairEntry, until_ns: int | None) -> PairRule | Refusal:
        if entry.relationship not in {Relation.EQUIVALENT, Relation.COMPLEMENT}:
            text = f"relationship {entry.relationship!r} is neither {Relation.EQUIVALENT} nor {Relation.COMPLEMENT}"
            return Refusal(Reason.UNKNOWN_RELATIONSHIP, text)
        sides = self._propositions((entry.left, entry.right))
        if isinstance(sides, Refusal):
            return sides
        left, right = sides
        same_venue = left.market.venue == right.market.venue
        trusted = Tier.NONE if same_venue else Tier.STRICT
        return PairRule(
            group_id=entry.group_id,
            relation=Relation(entry.relationship),
            left=left,
            right=right,
            source=Provenance.GENERATED if self._old else Provenance.HUMAN,
            tier=Tier.UNVERIFIED if self._old else trusted,
            confidence=0.0 if self._old else 1.0,
            mapping_id=entry.mapping_id,
            valid_until_ns=until_ns,
        )

    def _propositions(self, refs: Iterable[RefEntry]) -> tuple[Proposition, ...] | Refusal:
        """Return two or more propositions of different markets."""
        found: dict[tuple[str, str], Proposition] = {}
        for ref in refs:
            taken = self._proposition(ref)
            if isinstance(taken, Refusal):
                return taken
            if market_key(taken.market) in found:
                return Refusal(Reason.DUPLICATE_LEG, f"names {taken.market} twice")
            found[market_key(taken.market)] = taken
        if len(found) < _FEWEST:
            return Refusal(Reason.TOO_FEW_LEGS, f"has {len(found)} markets; a rule binds at least {_FEWEST}")
        return tuple(found.values())

    def _proposition(self, ref: RefEntry) -> Proposition | Refusal:
        venue, symbol = ref.venue.strip().lower(), ref.market_id.strip()
        if not venue or not symbol:
            return Refusal(Reason.MISSING_REF, "a ref has no venue or no market_id")
        side = ref.side.strip().lower()
        if side not in set(Outcome):
            return Refusal(Reason.BAD_SIDE, f"{venue}:{symbol} has side {ref.side!r}; write yes or no")
        named = InstrumentId(venue, symbol)
        return Proposition(self._spelling.get(market_key(named), named), Outcome(side))


def _values(bits: BitsEntry) -> Iterator[bool]:
    return (getattr(bits, name) for name in TreeBits._fields)


def _source(word: str) -> Provenance | None:
    return Provenance(word) if word in set(Provenance) else None


def _unvouched(what: str) -> Refusal:
    words = ", ".join(source for source in Provenance if source in VOUCHING)
    return Refusal(Reason.LABEL_WITHOUT_PROVENANCE, f"{what}: one of {words}")


def _bad_label(word: str) -> Refusal:
    return Refusal(Reason.BAD_LABEL, f"label {word!r} is none of {', '.join(Label)}")


def _name(raw: Any, index: int) -> str:
    name = raw.get("group_id") if isinstance(raw, dict) else None
    return name if isinstance(name, str) and name else f"[{index}]"
