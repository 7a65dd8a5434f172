"""What people decided about mapping rows and proposals, kept in one file beside the files that it is about.

An approval names the refs, the rules and the likeness that were approved. A row that was edited since, or whose venue
changed its words, has lost it: the approval was of something else (arb 14.3).
"""

import re
from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from millrace.core.failure import OperatorError
from millrace.strategies.arb.discovery.records import Proposal, State
from millrace.strategies.arb.mapping.records import MappingMap, MappingRow
from millrace.strategies.arb.rules.records import Provenance

FORMAT_VERSION = 1
_Entry = TypeVar("_Entry")


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
_AT_BYTE = re.compile(r"\(byte (\d+)\)")
_WRITTEN_BY = "the file is written by millrace rules review and discover"


class _Document(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    format_version: int = FORMAT_VERSION
    proposals: tuple[msgspec.Raw, ...] = ()
    mappings: dict[str, msgspec.Raw] = msgspec.field(default_factory=dict)


def parse_decisions(data: bytes, source: str) -> Decisions:
    """Read a file of decisions; raises OperatorError that names the file, the line and what is wrong."""
    try:
        found = msgspec.json.decode(data, type=_Document)
    except msgspec.DecodeError as error:
        at_byte = _AT_BYTE.search(str(error))
        line = _line(data, int(at_byte[1]) if at_byte else len(data.rstrip()))
        where = source if isinstance(error, msgspec.ValidationError) else f"{source}:{line}"
        raise OperatorError(f"{where}: {error}; {_WRITTEN_BY}") from error
    if found.format_version != FORMAT_VERSION:
        raise OperatorError(f"{source}: format_version {found.format_version}, this program reads {FORMAT_VERSION}")
    proposals: dict[str, Proposal] = {}
    for raw in found.proposals:
        where = f"{source}:{_line(data, data.find(bytes(raw)))}"
        each = _entry(raw, Proposal, where)
        if each.proposal_id in proposals:
            raise OperatorError(f"{where}: proposal {each.proposal_id} stands here a second time; keep one of the two")
        _check_word(each, where)
        proposals[each.proposal_id] = each
    return Decisions(
        proposals=tuple(proposals.values()),
        mappings={
            name: _entry(raw, Approval, f"{source}:{_line(data, data.find(bytes(raw)))}")
            for name, raw in found.mappings.items()
        },
    )


def _line(data: bytes, place: int) -> int:
    return data.count(b"\n", 0, place) + 1


def _entry(raw: msgspec.Raw, kind: type[_Entry], where: str) -> _Entry:
    try:
        return msgspec.json.decode(raw, type=kind)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{where}: {error}; {_WRITTEN_BY}") from error


def _check_word(each: Proposal, where: str) -> None:
    """Raise OperatorError where a rule would bind without a person's word, or trade without its time on paper."""
    if each.state not in {State.APPROVED, State.ACTIVE}:
        return
    said = each.by.strip() and each.note.strip() and each.changed_ns > 0
    if not said or (each.state is State.ACTIVE and not each.observations):
        lacks = "a name, a note and a time" if not said else "looks on paper"
        text = f"proposal {each.proposal_id} is {each.state} without {lacks}"
        raise OperatorError(f"{where}: {text}; set it to proposed and approve it with millrace rules review")


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
