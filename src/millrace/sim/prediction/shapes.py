"""The shapes of linked markets that a universe is made of, and which rule each of them supports.

A market asks whether its event's figure ends in [low, high). Buckets cut the line into pieces, ladders nest half-lines,
a tree's children lie in their parent or stick out of it, a pair asks the same twice, and a false pair has the same
title and asks something else. What a shape claims is therefore known, and so is what a careless reader would claim.
"""

import itertools
from enum import StrEnum
from typing import NamedTuple

import numpy as np

from millrace.strategies.arb.rules.records import Label, TreeBits

INF = float("inf")
_HIDDEN_SHARE = 0.8


class Shape(StrEnum):
    """What the markets of one event are to each other."""

    PAIR = "pair"
    INVERTED = "inverted"
    FALSE_STRIKE = "false_strike"
    FALSE_RULE = "false_rule"
    BUCKET = "bucket"
    TWIN_BUCKET = "twin_bucket"
    OPEN_BUCKET = "open_bucket"
    TREE = "tree"
    STRIKES = "strikes"
    DATES = "dates"
    COMPLEMENT = "complement"
    SINGLE = "single"

    @property
    def is_false(self) -> bool:
        """Whether its markets look like a pair and are none."""
        return self in {Shape.FALSE_STRIKE, Shape.FALSE_RULE}


_SHARES = {
    Shape.PAIR: 16,
    Shape.INVERTED: 4,
    Shape.FALSE_STRIKE: 4,
    Shape.FALSE_RULE: 2,
    Shape.BUCKET: 16,
    Shape.TWIN_BUCKET: 4,
    Shape.OPEN_BUCKET: 8,
    Shape.TREE: 16,
    Shape.STRIKES: 10,
    Shape.DATES: 6,
    Shape.COMPLEMENT: 6,
    Shape.SINGLE: 8,
}
"""Events of each shape in a hundred."""


class Asked(NamedTuple):
    """One market of an event: which venue (0 or 1), its bounds, and what it is to the others.

    `role` is `parent`, `child`, `rung`, `member`, `left`, `right` or `alone`; `says_below` when YES means below `high`.
    """

    venue: int
    low: float
    high: float
    role: str

    @property
    def strike_type(self) -> str:
        """The venue's word for the bounds."""
        if self.low == -INF:
            return "less"
        return "greater" if self.high == INF else "between"


class Event(NamedTuple):
    """One event: its shape, markets, and of a tree or bucket the label that is true of it."""

    shape: Shape
    markets: tuple[Asked, ...]
    label: Label = Label.UNKNOWN
    bits: TreeBits = TreeBits()


def deck(rng: np.random.Generator) -> list[Shape]:
    """Return the shapes of a hundred events in a drawn order."""
    cards = [shape for shape, share in _SHARES.items() for _ in range(share)]
    return [cards[int(place)] for place in rng.permutation(len(cards))]


def draw_event(rng: np.random.Generator, shapes: list[Shape], index: int, room: int) -> Event:
    """Return the event of a number, of the shape that is its turn, or a single market where room is short."""
    shape = shapes[index % len(shapes)]
    event = _DRAWN[shape](rng, shape, index)
    return event if len(event.markets) <= room else _single(rng, Shape.SINGLE, index)


def _cut(rng: np.random.Generator) -> float:
    return float(rng.uniform(-0.7, 0.7))


def _pair(rng: np.random.Generator, shape: Shape, index: int) -> Event:  # noqa: ARG001  one signature for all
    cut = _cut(rng)
    left = Asked(0, cut, INF, "left")
    if shape is Shape.INVERTED:
        return Event(shape, (left, Asked(1, -INF, cut, "right")))
    other = cut
    if shape is Shape.FALSE_STRIKE:
        other = cut + float(rng.choice([-1, 1])) * float(rng.uniform(0.3, 0.8))
    elif shape is Shape.FALSE_RULE:
        other = cut + float(rng.choice([-1, 1])) * float(rng.uniform(0.1, 0.3))
    return Event(shape, (left, Asked(1, other, INF, "right")))


def _complement(rng: np.random.Generator, shape: Shape, index: int) -> Event:
    cut, venue = _cut(rng), index % 2
    return Event(shape, (Asked(venue, cut, INF, "left"), Asked(venue, -INF, cut, "right")))


def _single(rng: np.random.Generator, shape: Shape, index: int) -> Event:
    return Event(shape, (Asked(index % 2, _cut(rng), INF, "alone"),))


def _pieces(rng: np.random.Generator, count: int) -> list[tuple[float, float]]:
    """Cut the line into pieces of which none is negligible."""
    inner = np.linspace(-1.1, 1.1, count - 1) + rng.uniform(-0.12, 0.12, count - 1)
    bounds = [-INF, *(float(cut) for cut in inner), INF]
    return list(itertools.pairwise(bounds))


def _bucket(rng: np.random.Generator, shape: Shape, index: int) -> Event:
    pieces = _pieces(rng, int(rng.integers(4, 8)))
    label = Label.EXHAUSTIVE
    if shape is Shape.OPEN_BUCKET:
        del pieces[int(rng.integers(0, len(pieces)))]
        label = Label.NON_EXHAUSTIVE if rng.random() < _HIDDEN_SHARE else Label.UNKNOWN
    venues = (0, 1) if shape is Shape.TWIN_BUCKET else (index % 2,)
    return Event(shape, tuple(Asked(venue, low, high, "member") for venue in venues for low, high in pieces), label)


def _tree(rng: np.random.Generator, shape: Shape, index: int) -> Event:
    """A parent and children of which each bit of the label holds or not, all eight in turn."""
    bits = TreeBits(bool(index & 1), bool(index & 2), bool(index & 4))
    venue, count = int(index // 8 % 2), int(rng.integers(2, 5))
    low, high = -0.9 + float(rng.uniform(-0.1, 0.1)), 0.9 + float(rng.uniform(-0.1, 0.1))
    cuts = [float(cut) for cut in np.linspace(low, high, count + 1)]
    children = list(itertools.pairwise(cuts))
    width = cuts[1] - cuts[0]
    if not bits.nested:
        children[0] = (low - width / 2, children[0][1])
    if not bits.exclusive:
        children[1] = (children[1][0] - width / 3, children[1][1])
    if not bits.cover:
        children[-1] = (children[-1][0], high - width / 2)
    members = (Asked(venue, bottom, top, "child") for bottom, top in children)
    return Event(shape, (Asked(venue, low, high, "parent"), *members), Label.UNKNOWN, bits)


def _ladder(rng: np.random.Generator, shape: Shape, index: int) -> Event:
    """Half-lines, each within the next: from the strongest claim to the weakest."""
    count = int(rng.integers(3, 6))
    cuts = sorted((float(cut) for cut in np.linspace(-0.6, 0.6, count) + rng.uniform(-0.08, 0.08, count)), reverse=True)
    return Event(shape, tuple(Asked(index % 2, cut, INF, "rung") for cut in cuts))


_DRAWN = {
    Shape.PAIR: _pair,
    Shape.INVERTED: _pair,
    Shape.FALSE_STRIKE: _pair,
    Shape.FALSE_RULE: _pair,
    Shape.BUCKET: _bucket,
    Shape.TWIN_BUCKET: _bucket,
    Shape.OPEN_BUCKET: _bucket,
    Shape.TREE: _tree,
    Shape.STRIKES: _ladder,
    Shape.DATES: _ladder,
    Shape.COMPLEMENT: _complement,
    Shape.SINGLE: _single,
}
