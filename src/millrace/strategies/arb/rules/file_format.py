"""What stands in a rules file, key by key; everything else in one is an error (arb 5).

The records are the format: their fields are the keys, their order the order in which a generated file writes them. A
key that nobody knows stops the whole file, because a misspelt label would otherwise be read as no label at all.
"""

from collections.abc import Iterator
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

import msgspec

from millrace.core.failure import OperatorError

OLD_FORMAT, FORMAT = 1, 2


class Reason(StrEnum):
    """Why an entry was not taken (arb 5); the last six are ours, for what the contract's list cannot say."""

    MISSING_REF = "missing_ref"
    BAD_SIDE = "bad_side"
    TOO_FEW_LEGS = "too_few_legs"
    DUPLICATE_LEG = "duplicate_leg"
    DUPLICATE_SIGNATURE = "duplicate_signature"
    PARENT_SIDE_NOT_YES = "parent_side_not_yes"
    SELF_CHILD = "self_child"
    UNKNOWN_RELATIONSHIP = "unknown_relationship"
    LABEL_WITHOUT_PROVENANCE = "label_without_provenance"
    EXPIRED = "expired"
    TREE_INSIDE_BUCKET = "tree_inside_bucket"
    CONTRADICTORY = "contradictory"
    NOT_APPROVED = "not_approved"
    MEMBERS_MISSING = "members_missing"
    STRIKES_OUT_OF_ORDER = "strikes_out_of_order"
    BAD_LABEL = "bad_label"
    BAD_ENTRY = "bad_entry"

    @property
    def severe(self) -> bool:
        """Whether rules deny each other, so that somebody should look at once."""
        return self in {Reason.CONTRADICTORY, Reason.TREE_INSIDE_BUCKET}


class RefEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A proposition: the market, and the side that makes it true."""

    venue: str = ""
    market_id: str = ""
    side: str = ""


class BitsEntry(msgspec.Struct, frozen=True):
    """A tree's label bits."""

    cover: bool = False
    exclusive: bool = False
    nested: bool = False


class BitSources(msgspec.Struct, frozen=True, omit_defaults=True):
    """Who vouches for each bit of a tree."""

    cover: str = ""
    exclusive: str = ""
    nested: str = ""


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    group_id: str
    approved_by: str = ""
    approved_at: str = ""
    valid_until: str = ""


class BucketEntry(_Entry, frozen=True, kw_only=True):
    """A group of exclusive outcomes."""

    label: str = "unknown"
    exclusivity_source: str = ""
    exhaustiveness_source: str = ""
    legs: tuple[RefEntry, ...] = ()
    expected_member_count: int | None = None


class TreeEntry(_Entry, frozen=True, kw_only=True):
    """A parent and its children, with the bits that hold or a label that stands for them."""

    parent: RefEntry = RefEntry()
    children: tuple[RefEntry, ...] = ()
    label: str = ""
    bits: BitsEntry | None = None
    provenance: BitSources = BitSources()


class LadderEntry(_Entry, frozen=True, kw_only=True):
    """A ladder from its strongest rung to its weakest; strikes and operator, where given, must agree with that."""

    chain: tuple[RefEntry, ...] = ()
    strikes: tuple[float, ...] = ()
    operator: str = ""
    source: str = ""


class PairEntry(_Entry, frozen=True, kw_only=True):
    """Two propositions that are the same, or each other's negation."""

    relationship: str = ""
    left: RefEntry = RefEntry()
    right: RefEntry = RefEntry()
    mapping_id: str = ""


class RulesDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A whole file of version 2."""

    format_version: int = FORMAT
    generated_at: str = ""
    generator: str = ""
    source_snapshot_hash: str = ""
    mutually_exclusive_buckets: tuple[BucketEntry, ...] = ()
    event_trees: tuple[TreeEntry, ...] = ()
    implications: tuple[LadderEntry, ...] = ()
    cross_market_parity_checks: tuple[PairEntry, ...] = ()


BUCKETS, TREES = "mutually_exclusive_buckets", "event_trees"
LADDERS, PAIRS = "implications", "cross_market_parity_checks"
Entry = BucketEntry | TreeEntry | LadderEntry | PairEntry
_SECTIONS: dict[str, Any] = {BUCKETS: BucketEntry, TREES: TreeEntry, LADDERS: LadderEntry, PAIRS: PairEntry}
_INSIDE: dict[str, type[msgspec.Struct]] = {
    **dict.fromkeys(("legs", "children", "chain", "parent", "left", "right"), RefEntry),
    "bits": BitsEntry,
    "provenance": BitSources,
}
_OLD_KEYS = {
    BUCKETS: {"group_id", "payout_per_contract", "exclusivity_source", "legs"},
    TREES: {"group_id", "parent", "children"},
    PAIRS: {"group_id", "relationship", "left", "right"},
}
"""Keys of version 1. Its payouts are claims that nobody proved, and they are not read."""
_OLD_TOP = {"format_version", "generated_at", *_OLD_KEYS}
Sections = dict[str, list[Any]]


def read_document(data: bytes, source: str) -> tuple[int, Sections]:
    """Return a file's version and its raw entries by section.

    Raises OperatorError when it is no rules file, or when it has a key that the version does not know.
    """
    try:
        document = msgspec.json.decode(data)
    except msgspec.DecodeError as error:
        raise OperatorError(f"{source}: is no JSON ({error})") from error
    if not isinstance(document, dict):
        raise OperatorError(f"{source}: is no JSON object with sections such as {BUCKETS}")
    version = document.get("format_version", OLD_FORMAT)
    if version not in {OLD_FORMAT, FORMAT}:
        raise OperatorError(f"{source}: format_version {version!r} is not known; there are {OLD_FORMAT} and {FORMAT}")
    for where, key, known in _strangers(document, version):
        near = get_close_matches(key, sorted(known), n=1, cutoff=0.0)
        raise OperatorError(f"{source}: {where}unknown key {key!r}; the nearest known key is {near[0]!r}")
    sections: Sections = {}
    for name in _SECTIONS:
        entries = document.get(name, [])
        if not isinstance(entries, list):
            raise OperatorError(f"{source}: {name} is no list of entries")
        sections[name] = entries
    return version, sections


def entry_of(raw: Any, section: str) -> Entry | str:
    """Return an entry as its record, or what is wrong with it in words."""
    try:
        found: Entry = msgspec.convert(raw, _SECTIONS[section])
    except msgspec.ValidationError as error:
        return str(error)
    return found


def _strangers(document: dict[str, Any], version: int) -> Iterator[tuple[str, str, set[str]]]:
    """Yield place, key, and the keys known there, of each key that is not known."""
    top = _OLD_TOP if version == OLD_FORMAT else set(RulesDocument.__struct_fields__)
    yield from (("", key, top) for key in document if key not in top)
    for name, record in _SECTIONS.items():
        known = _OLD_KEYS.get(name, set()) if version == OLD_FORMAT else set(record.__struct_fields__)
        entries = document.get(name)
        for index, entry in enumerate(entries if isinstance(entries, list) else ()):
            if isinstance(entry, dict):
                yield from _strangers_in(entry, known, f"{name}[{index}]: ")


def _strangers_in(entry: dict[str, Any], known: set[str], where: str) -> Iterator[tuple[str, str, set[str]]]:
    for key, value in entry.items():
        if key not in known:
            yield where, key, known
            continue
        for item in value if isinstance(value, list) else (value,):
            if key in _INSIDE and isinstance(item, dict):
                inside = set(_INSIDE[key].__struct_fields__)
                yield from ((f"{where}{key}: ", word, inside) for word in item if word not in inside)
