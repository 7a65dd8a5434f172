"""What people decided about mapping rows and proposals, kept in one file beside the files that it is about.

An approval names the refs, the rules and the likeness that were approved. A row that was edited since, or whose venue
changed its words, has lost it: the approval was of something else (arb 14.3).
"""

from collections.abc import Mapping
from typing import Any

import msgspec

from millrace.core.failure import OperatorError
from millrace.strategies.arb.discovery.records import Proposal
from millrace.strategies.arb.mapping.records import MappingMap, MappingRow
from millrace.strategies.arb.rules.records import Provenance

FORMAT_VERSION = 1


class Approval(msgspec.Struct, frozen=True, kw_only=True):
    """A person's word on one mapping row; `approved` False takes it away."""

    approved: bool
    by: str
    note: str
    at_ns: int
    refs: tuple[str, ...]
    rules_hash: str = ""
    similarity: float | None = None


class Decisions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file's content: proposals with their states, and approvals by group id."""

    format_version: int = FORMAT_VERSION
    proposals: tuple[Proposal, ...] = ()
    mappings: dict[str, Approval] = msgspec.field(default_factory=dict)


NO_DECISIONS = Decisions()


def parse_decisions(data: bytes, source: str) -> Decisions:
    """Read a file of decisions; raises OperatorError that names the file and what is wrong."""
    try:
        found = msgspec.json.decode(data, type=Decisions)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{source}: {error}; the file is written by millrace rules review and discover") from error
    if found.format_version != FORMAT_VERSION:
        raise OperatorError(f"{source}: format_version {found.format_version}, this program reads {FORMAT_VERSION}")
    return found


def decisions_text(found: Decisions) -> bytes:
    """Return the file's content, indented, for people and for comparisons."""
    return msgspec.json.format(msgspec.json.encode(found), indent=2) + b"\n"


def refs_of(row: MappingRow) -> tuple[str, ...]:
    """Return a row's refs as they are approved."""
    return tuple(sorted(str(ref) for ref in row.refs))


def with_approvals(mapping: MappingMap, approvals: Mapping[str, Approval]) -> MappingMap:
    """Return the mapping with what people decided: approved rows are theirs, rows taken back are nobody's."""
    return MappingMap(
        rows=tuple(_decided(row, approvals.get(row.group_id)) for row in mapping.rows),
        dropped=mapping.dropped,
        sources=mapping.sources,
    )


def _decided(row: MappingRow, word: Approval | None) -> MappingRow:
    if word is None:
        return row
    changed: dict[str, Any] = {"approved_by": "", "approved_ns": None}
    if word.approved and word.refs == refs_of(row):
        changed = {
            "approved_by": word.by,
            "approved_ns": word.at_ns,
            "provenance": Provenance.HUMAN,
            "rules_hash": word.rules_hash,
            "similarity": word.similarity,
        }
    return msgspec.structs.replace(row, **changed)
