"""Reads mapping files; what cannot be read is listed by file and line, and the rest is kept.

Two forms are taken. Version 2 has a `refs` column that names any number of venues. Older files have a column per venue
(`kalshi_market_id`, `polymarket_market_id`, ...) or, for whole series, `forecastex_symbol` and `kalshi_series_ticker`;
they say nothing about approval, so no row of theirs can be strict (arb 14.2).
"""

import csv
import re

from millrace.core.failure import OperatorError
from millrace.core.instrument import Outcome
from millrace.strategies.arb.mapping.records import (
    Check,
    Effect,
    Finding,
    MappingMap,
    MappingRef,
    MappingRow,
    RefKind,
    Severity,
)
from millrace.strategies.arb.rules.records import Provenance, Relation
from millrace.strategies.arb.utc import time_ns

_V2 = {
    "group_id", "refs", "relation", "confidence", "provenance", "approved_by", "approved_at", "rules_hash",
    "similarity", "verified_at", "review", "note",
}  # fmt: skip
_MARKET_COLUMN = re.compile(r"(?P<venue>\w+?)_market_id")
_EVENT_COLUMN = re.compile(r"(?P<venue>\w+?)_(symbol|series_ticker|event_id|event_ticker|slug)")
_OLD_EXTRAS = {"category", "confidence", "comparability", "notes"}
_PARTS_OF_REF = 3
_RELATIONS = {Relation.EQUIVALENT, Relation.COMPLEMENT}


def parse_map(text: str, source: str) -> MappingMap:
    """Read a mapping as CSV; lines that open with # are comments.

    Raises OperatorError when the file as a whole makes no sense: no header, or a column that nobody knows.
    """
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip() and line[0] != "#"]
    if not lines:
        raise OperatorError(f"{source}: no header; write group_id,refs,... on the first line")
    reader = csv.reader([line for _, line in lines])
    header = [name.strip() for name in next(reader)]
    if len(reader_lines := list(reader)) != len(lines) - 1:
        raise OperatorError(f"{source}: a quoted field spans lines; keep each row on one line")
    venues = _venue_columns(header, source)
    rows: list[MappingRow] = []
    dropped: list[Finding] = []
    for (number, _), fields in zip(lines[1:], reader_lines, strict=True):
        found = _row(dict(zip(header, fields, strict=False)), venues, source, number)
        if len(fields) != len(header):
            found = _malformed("", source, number, f"has {len(fields)} fields under {len(header)} columns")
        if isinstance(found, MappingRow):
            rows.append(found)
        else:
            dropped.append(found)
    return MappingMap(rows=tuple(rows), dropped=tuple(dropped), sources=(source,))


def parse_ref(text: str) -> MappingRef | None:
    """Read `venue:market:ID`, `venue:event:ID`, with `:no` behind it for the negation; None when it is none."""
    outcome = Outcome.NO if text.endswith(":no") else Outcome.YES
    parts = text.removesuffix(":no").removesuffix(":yes").split(":", _PARTS_OF_REF - 1)
    if len(parts) != _PARTS_OF_REF or not all(part.strip() for part in parts) or parts[1] not in set(RefKind):
        return None
    return MappingRef(parts[0].strip().lower(), RefKind(parts[1]), parts[2].strip(), outcome)


def _venue_columns(header: list[str], source: str) -> dict[str, tuple[str, RefKind]]:
    """Return the venue and kind of each older column; empty for version 2."""
    if "group_id" not in header:
        raise OperatorError(f"{source}: the first line has no column group_id")
    if "refs" in header:
        unknown = sorted(set(header) - _V2)
        if unknown:
            raise OperatorError(f"{source}: unknown column {unknown[0]!r}; there are {', '.join(sorted(_V2))}")
        return {}
    venues: dict[str, tuple[str, RefKind]] = {}
    for name in header:
        if found := _MARKET_COLUMN.fullmatch(name):
            venues[name] = (found["venue"], RefKind.MARKET)
        elif found := _EVENT_COLUMN.fullmatch(name):
            venues[name] = (found["venue"], RefKind.EVENT)
        elif name != "group_id" and name not in _OLD_EXTRAS and not name.endswith("_description"):
            raise OperatorError(f"{source}: unknown column {name!r}; name markets in a column refs")
    return venues


def _row(
    fields: dict[str, str], venues: dict[str, tuple[str, RefKind]], source: str, number: int
) -> MappingRow | Finding:
    group = fields.get("group_id", "").strip()
    if not group:
        return _malformed("", source, number, "has no group_id")
    refs = _refs(fields, venues)
    if isinstance(refs, str):
        return _malformed(group, source, number, f"names {refs!r}; write venue:market:ID or venue:event:ID")
    if len(refs) < 2 or any(not ref.value for ref in refs):  # noqa: PLR2004  a mapping joins at least two
        text = f"{source}:{number}: {group} names fewer than two markets; fill in the empty one or delete the row"
        return Finding(Check.EMPTY_REF, Severity.ERROR, Effect.DROPPED, group, "", text)
    if len({ref.venue for ref in refs}) != len(refs):
        return _malformed(group, source, number, "names a venue twice; rules within one venue are parity rules")
    try:
        return _claim(group, refs, fields, number) if not venues else MappingRow(
            group_id=group, refs=refs, line=number
        )  # fmt: skip
    except ValueError as error:
        return _malformed(group, source, number, f"cannot be read: {error}")


def _refs(fields: dict[str, str], venues: dict[str, tuple[str, RefKind]]) -> tuple[MappingRef, ...] | str:
    """Return a row's refs, or the first word that is none; of older files, a third venue may stay empty."""
    if venues:
        given = [(venue, kind, fields.get(name, "").strip()) for name, (venue, kind) in venues.items()]
        return tuple(MappingRef(*ref) for ref in given if ref[2] or len(given) == 2)  # noqa: PLR2004
    refs: list[MappingRef] = []
    for word in fields.get("refs", "").split():
        ref = parse_ref(word)
        if ref is None:
            return word
        refs.append(ref)
    return tuple(refs)


def _claim(group: str, refs: tuple[MappingRef, ...], fields: dict[str, str], number: int) -> MappingRow:
    """Return a version 2 row; raises ValueError for a value that is none."""
    value = {name: text.strip() for name, text in fields.items()}
    relation = Relation(value.get("relation") or Relation.EQUIVALENT)
    if relation not in _RELATIONS or (relation is Relation.COMPLEMENT and len(refs) > 2):  # noqa: PLR2004
        raise ValueError(f"relation {relation} over {len(refs)} venues; a mapping is equivalent, or complement of two")
    confidence = float(value.get("confidence") or 0.0)
    similarity, review = (float(value[name]) if value.get(name) else None for name in ("similarity", "review"))
    for name, share in (("confidence", confidence), ("similarity", similarity), ("review", review)):
        if share is not None and not 0.0 <= share <= 1.0:
            raise ValueError(f"{name} {share:g} is not between 0 and 1")
    return MappingRow(
        group_id=group,
        refs=refs,
        relation=relation,
        confidence=confidence,
        provenance=Provenance(value.get("provenance") or Provenance.GENERATED),
        approved_by=value.get("approved_by", ""),
        approved_ns=time_ns(value.get("approved_at", "")),
        rules_hash=value.get("rules_hash", ""),
        similarity=similarity,
        verified_ns=time_ns(value.get("verified_at", "")),
        review=review,
        line=number,
    )


def _malformed(group: str, source: str, number: int, what: str) -> Finding:
    text = f"{source}:{number}: {group or 'the row'} {what}"
    return Finding(Check.MALFORMED_ROW, Severity.ERROR, Effect.DROPPED, group, "", text)
