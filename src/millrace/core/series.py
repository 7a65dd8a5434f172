"""Figures as whoever looks from outside wants them: families of series, each of one type, with their labels.

Strategies and the shell count; the exposition writes text. Neither needs to know the other, so what passes between
them is these records and nothing more (runtime 2.24).
"""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

Kind = Literal["counter", "gauge", "histogram"]


class Buckets(NamedTuple):
    """A histogram: upper bounds, how many values lie in each bucket and, last, beyond all; and their sum."""

    bounds: Sequence[float]
    counts: Sequence[int]
    total: float


class Series(NamedTuple):
    """One series: its labels by name, and its value."""

    labels: Mapping[str, str]
    value: float | Buckets


class Family(NamedTuple):
    """All series of one name. A counter's name ends with `_total`; `labels` are the names that every series has."""

    name: str
    kind: Kind
    meaning: str
    labels: tuple[str, ...]
    rows: Sequence[Series]
