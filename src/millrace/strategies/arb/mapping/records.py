"""What a mapping claims, and what was found wrong with it.

A row says that markets of several venues carry one proposition. Nobody owes us that it is true: similar titles are
wrong more often than right, so a row is a claim with a vouching person, and every check that speaks against it is a
finding with a closed name, a severity and an effect (arb 14).
"""

from enum import StrEnum
from itertools import combinations
from typing import NamedTuple

import msgspec

from millrace.core.instrument import InstrumentId, Outcome
from millrace.strategies.arb.rules.records import Provenance, Relation


class RefKind(StrEnum):
    """What a ref names; an event trades only when it has exactly one market (arb 14.4)."""

    MARKET = "market"
    EVENT = "event"


class MappingRef(NamedTuple):
    """One side of a row: a market, or an event, of a venue, and the outcome that makes the proposition true."""

    venue: str
    kind: RefKind
    value: str
    outcome: Outcome = Outcome.YES

    @property
    def key(self) -> tuple[str, str, str]:
        """What the ref is compared by: venue, kind and value, whatever their case (arb 1)."""
        return self.venue.strip().lower(), self.kind.value, self.value.strip().lower()

    @property
    def market(self) -> InstrumentId:
        """The market that a market-level ref names."""
        return InstrumentId(self.venue, self.value)

    def __str__(self) -> str:
        return f"{self.venue}:{self.kind}:{self.value}" + (":no" if self.outcome is Outcome.NO else "")


class MappingRow(msgspec.Struct, frozen=True, kw_only=True):
    """One claim over two or more venues.

    `rules_hash` and `similarity` are those at the approval, empty and None when nobody recorded them; `verified_ns` is
    when a venue's own words were last compared. `review` is what a language model or a text heuristic thinks: advice,
    which can take a row away and never makes it strict (arb 14.5). `line` is the line of the file, for messages.
    """

    group_id: str
    refs: tuple[MappingRef, ...]
    relation: Relation = Relation.EQUIVALENT
    confidence: float = 0.0
    provenance: Provenance = Provenance.GENERATED
    approved_by: str = ""
    approved_ns: int | None = None
    rules_hash: str = ""
    similarity: float | None = None
    verified_ns: int | None = None
    review: float | None = None
    line: int = 0

    @property
    def approved(self) -> bool:
        """Whether a named person vouches for it: the ground of the strict tier (arb 14.2)."""
        vouched = self.provenance in {Provenance.HUMAN, Provenance.CURATED}
        return vouched and bool(self.approved_by) and self.approved_ns is not None

    @property
    def pairs(self) -> tuple[tuple[MappingRef, MappingRef], ...]:
        """All pairs of the row's refs, each in the order of venue and value (arb 14.4)."""
        return tuple(combinations(sorted(self.refs, key=lambda ref: ref.key), 2))


class Check(StrEnum):
    """Every check of a mapping (arb 14.3, 14.4, 4.8), in the order in which they are listed."""

    MALFORMED_ROW = "malformed_row"
    EMPTY_REF = "empty_ref"
    CARDINALITY = "cardinality"
    DUPLICATE_GROUP = "duplicate_group_id"
    AMBIGUOUS_REF = "ambiguous_ref"
    STALE_LINK = "stale_link"
    SEMANTIC_DRIFT = "semantic_drift"
    STRUCTURE = "structure"
    TIME_MISMATCH = "time_mismatch"
    PRICE_COHERENCE = "price_coherence"
    PERSISTENT_EDGE = "persistent_edge"
    SANITY_EDGE = "sanity_edge"
    CONTRADICTORY = "contradictory"
    REVOKED = "revoked"


class Severity(StrEnum):
    """How bad a finding is; a command that reviews fails when there is an error."""

    WARNING = "warning"
    ERROR = "error"


class Effect(StrEnum):
    """What a finding does to its row, weakest first."""

    REPORT = "report"
    NOT_TRADABLE = "not_tradable"
    BLOCKED = "blocked"
    DROPPED = "dropped"


class Finding(NamedTuple):
    """One thing that a check found: which row, which ref (empty for the row as a whole), and what to do."""

    check: Check
    severity: Severity
    effect: Effect
    group_id: str
    ref: str
    text: str


class MappingMap(msgspec.Struct, frozen=True, kw_only=True):
    """The rows of one or more files that could be read, what could not, and the names of the files."""

    rows: tuple[MappingRow, ...] = ()
    dropped: tuple[Finding, ...] = ()
    sources: tuple[str, ...] = ()


NO_MAP = MappingMap()


def joined(maps: "tuple[MappingMap, ...]") -> MappingMap:
    """Return several maps as one, so that what contradicts across files is seen."""
    return MappingMap(
        rows=tuple(row for found in maps for row in found.rows),
        dropped=tuple(finding for found in maps for finding in found.dropped),
        sources=tuple(name for found in maps for name in found.sources),
    )
