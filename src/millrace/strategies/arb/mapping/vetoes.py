"""Where two claims cannot be one proposition, whatever their texts have in common (arb 14.1).

Every field must agree exactly when both sides have it; a field that one side does not say vetoes nothing, it only
leaves the pair without that signal. Suffixes of names, parts of games and words that exclude each other are such fields
too: a candidate who runs has not won.
"""

from enum import StrEnum
from typing import NamedTuple

from millrace.strategies.arb.mapping.claims import Claim, Day


class Field(StrEnum):
    """What two claims can disagree on."""

    ENTITY = "entity"
    ACTION = "action"
    OPERATOR = "operator"
    THRESHOLD = "threshold"
    UNIT = "unit"
    DATE = "date"
    YEAR = "year"
    HOUR = "hour"
    SCOPE = "scope"
    NUMBER = "number"
    TIE_RULE = "tie_rule"
    VOID_RULE = "void_rule"
    SOURCE = "source"


class Veto(NamedTuple):
    """A field on which two claims disagree, and what each of them says."""

    field: Field
    left: str
    right: str

    def __str__(self) -> str:
        return f"{self.field}: {self.left} against {self.right}"


_SUFFIXES = frozenset({"jr", "sr", "ii", "iii", "iv"})
_DEEDS = "announce run qualify nominate advance win finish reach leave resign acquire visit sign say lose relegated"
_ACTIONS = frozenset(_DEEDS.split())
_PARTS = frozenset({"set", "map", "half", "quarter", "period", "inning", "innings"})
_CONTRASTS = tuple(
    frozenset(group.split())
    for group in (
        "democratic republican independent",
        "senate house governor president mayor",
        "men women",
        "mens womens",
        "headline core",
        "yoy mom qoq",
        "annual monthly weekly daily",
        "primary general runoff",
        "high low",
        "highest lowest",
        "maximum minimum",
        "bitcoin ethereum solana xrp dogecoin",
        "up down",
        "total spread winner",
        "opening closing",
        "domestic international worldwide",
        "rookie veteran",
        "offensive defensive",
    )
)


def vetoes(left: Claim, right: Claim) -> tuple[Veto, ...]:
    """Return every field on which the claims disagree, in the order of `Field`."""
    found = [*_entity(left, right), *_actions(left, right), *_number(left, right), *_time(left, right)]
    if left.scope != right.scope and (_of_part(left, right) or (left.scope and right.scope)):
        found.append(
            Veto(Field.SCOPE, *(" ".join(scope) if scope else "the whole" for scope in (left.scope, right.scope)))
        )
    pairs = (
        (Field.TIE_RULE, left.tie, right.tie),
        (Field.VOID_RULE, left.void, right.void),
    )
    found += [Veto(field, str(one), str(other)) for field, one, other in pairs if one and other and one != other]
    if left.sources and right.sources and not left.sources & right.sources:
        found.append(Veto(Field.SOURCE, _listed(left.sources), _listed(right.sources)))
    order = list(Field)
    return tuple(sorted(found, key=lambda veto: order.index(veto.field)))


def agreeing(left: Claim, right: Claim) -> frozenset[Field]:
    """Return the structured fields that both sides say and agree on; of claims without a veto."""
    said = {
        Field.OPERATOR: left.operator and right.operator,
        Field.THRESHOLD: left.bounds and right.bounds,
        Field.DATE: left.day and right.day,
        Field.HOUR: left.minute is not None and right.minute is not None,
        Field.ENTITY: left.subject & right.subject,
        Field.SOURCE: left.sources & right.sources,
    }
    return frozenset(field for field, both in said.items() if both) - {veto.field for veto in vetoes(left, right)}


def _of_part(left: Claim, right: Claim) -> bool:
    """Tell whether a side is of a part of a game; here what the other does not say means the whole."""
    return any(claim.scope is not None and claim.scope[0] in _PARTS for claim in (left, right))


def _entity(left: Claim, right: Claim) -> list[Veto]:
    """Return a veto when the subjects differ, or when each side names somebody whom the other does not mention."""
    one, other = left.subject - _SUFFIXES, right.subject - _SUFFIXES
    if one and other and not (one <= other or other <= one):
        return [Veto(Field.ENTITY, _listed(one), _listed(other))]
    if left.words & _SUFFIXES != right.words & _SUFFIXES:
        return [Veto(Field.ENTITY, *(_listed(claim.words & _SUFFIXES) or "no suffix" for claim in (left, right)))]
    one, other = left.names - right.words, right.names - left.words
    if one and other:
        return [Veto(Field.ENTITY, _listed(one), _listed(other))]
    return _contrast(Field.ENTITY, left, right, _CONTRASTS)


def _actions(left: Claim, right: Claim) -> list[Veto]:
    return _contrast(Field.ACTION, left, right, (_ACTIONS,))


def _contrast(field: Field, left: Claim, right: Claim, groups: tuple[frozenset[str], ...]) -> list[Veto]:
    """Return a veto when each side says a word of one group that the other does not."""
    for group in groups:
        one, other = (left.words - right.words) & group, (right.words - left.words) & group
        if one and other:
            return [Veto(field, _listed(one), _listed(other))]
    return []


def _number(left: Claim, right: Claim) -> list[Veto]:
    found = []
    if left.operator and right.operator and left.operator is not right.operator:
        found.append(Veto(Field.OPERATOR, left.operator, right.operator))
    if left.bounds and right.bounds and left.bounds != right.bounds:
        texts = (" to ".join(f"{bound:f}" for bound in claim.bounds) for claim in (left, right))
        found.append(Veto(Field.THRESHOLD, *texts))
    if left.unit and right.unit and left.unit != right.unit:
        found.append(Veto(Field.UNIT, left.unit, right.unit))
    if left.numbers and right.numbers and left.numbers != right.numbers:
        found.append(Veto(Field.NUMBER, _listed(left.numbers), _listed(right.numbers)))
    return found


def _time(left: Claim, right: Claim) -> list[Veto]:
    found = []
    if left.day and right.day and not _same_day(left.day, right.day):
        found.append(Veto(Field.DATE, _said(left.day), _said(right.day)))
    if left.years and right.years:
        same = left.years == right.years
        part = (left.season or right.season) and (left.years <= right.years or right.years <= left.years)
        if not (same or part):
            found.append(Veto(Field.YEAR, _listed(map(str, left.years)), _listed(map(str, right.years))))
    if left.minute is not None and right.minute is not None and left.minute != right.minute:
        found.append(Veto(Field.HOUR, f"{_clock(left.minute)} UTC", f"{_clock(right.minute)} UTC"))
    return found


def _same_day(left: Day, right: Day) -> bool:
    """Tell whether all parts that both sides say are equal."""
    return all(one == other for one, other in zip(left, right, strict=True) if one and other)


def _said(day: Day) -> str:
    return f"{day.year or '????'}-{day.month:02}" + (f"-{day.day:02}" if day.day else "")


def _clock(minute: int) -> str:
    return f"{minute // 60:02}:{minute % 60:02}"


def _listed(found: "frozenset[str] | map[str]") -> str:
    return " ".join(sorted(found))
