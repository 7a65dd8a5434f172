"""How much of the rules is quoted: counters that a market's first quote or its loss moves, never recounted (arb 18).

A rule whose markets are not all quoted makes fewer baskets than it could, or none, and that is a finding of its own: it
must not look like a market without opportunities. So the missing markets of a rule can be asked for by name (arb 5).
"""

from typing import NamedTuple

import numpy as np

from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.lanes.universe import Index, Universe, flat
from millrace.strategies.arb.model import LANES, Lane, Proposition


class Covered(NamedTuple):
    """Of a lane's rules and of the markets that they name: how many there are, and how many are quoted."""

    rules: int
    rules_covered: int
    markets: int
    markets_seen: int


class Coverage:
    """What is quoted now, by lane."""

    def __init__(self, universe: Universe) -> None:
        self._universe = universe
        rules = universe.rules
        named: list[tuple[Lane, str, tuple[Proposition, ...]]] = [
            *((Lane.BUCKET, rule.group_id, rule.members) for rule in rules.buckets),
            *((Lane.EVENT_TREE, rule.group_id, (rule.parent, *rule.children)) for rule in rules.trees),
            *((Lane.IMPLICATION, rule.group_id, rule.chain) for rule in rules.implications),
            *(
                (Lane.CROSS if rule.mapped else Lane.PARITY, rule.group_id, (rule.left, rule.right))
                for rule in rules.pairs
            ),
        ]
        self._names = [(lane, name) for lane, name, _ in named]
        self._members = [members for _, _, members in named]
        slots = [tuple({universe.outcome_slot(member) >> 1: None for member in members}) for members in self._members]
        known = [tuple(slot for slot in group if slot >= 0) for group in slots]
        self._missing = [len(group) for group in slots]
        keys, starts = flat(known)
        rows = np.repeat(np.arange(len(known)), np.diff(np.append(starts, len(keys)))).astype(np.int64)
        self._rules_of = Index(keys, rows, len(universe.facts))
        self._total = dict.fromkeys(LANES, 0)
        self._covered = dict.fromkeys(LANES, 0)
        self._seen = dict.fromkeys(LANES, 0)
        markets: dict[Lane, set[InstrumentId]] = {lane: set() for lane in LANES}
        for lane, _, members in named:
            self._total[lane] += 1
            markets[lane].update(member.market for member in members)
        self._markets = {lane: len(named) for lane, named in markets.items()}
        self._total[Lane.INTRA] = self._markets[Lane.INTRA] = len(universe.facts)

    def seen(self, slot: int) -> None:
        """Count a market that is quoted now and was not before."""
        self._move(slot, 1)

    def lost(self, slot: int) -> None:
        """Count a market that is no longer quoted."""
        self._move(slot, -1)

    def _move(self, slot: int, sign: int) -> None:
        lanes = {Lane.INTRA}
        self._covered[Lane.INTRA] += sign
        for rule in self._rules_of.of(slot):
            lane = self._names[rule][0]
            lanes.add(lane)
            before = self._missing[rule]
            self._missing[rule] = before - sign
            self._covered[lane] += (before == sign) - (before == 0)
        for lane in lanes:
            self._seen[lane] += sign

    def of(self, lane: Lane) -> Covered:
        """Return a lane's counters."""
        return Covered(self._total[lane], self._covered[lane], self._markets[lane], self._seen[lane])

    def uncovered(self) -> list[str]:
        """Return the names of the rules with a market that is not quoted, in the order of the rules."""
        return [name for (_, name), missing in zip(self._names, self._missing, strict=True) if missing]
