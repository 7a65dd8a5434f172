"""May a run of the desk be promoted: the run gates of arb 17, judged from the same rows as its report.

A gate that nothing was measured for is not passed and not failed: it waits, and a run with a waiting gate is not
promoted. What a person must supply, a hand-read sample of what was found, waits until it was.
"""

from typing import NamedTuple

from millrace.research.arb_facts import ArbFacts
from millrace.research.arb_identities import Identity
from millrace.research.arb_kpis import BAND, BAND_TRADES, Pair, by_scope, ratio_of, sign_flips
from millrace.strategies.arb.model import Lane
from millrace.strategies.arb.telemetry.rows import OPENED

_ACCEPTED = "accept"
_TOGETHER = 0.5
_PARITY = {Lane.PARITY.value}
_MAPPED = {Lane.CROSS.value}


class RunGate(NamedTuple):
    """One gate: the value, the rule that it must satisfy, and whether it does; None where nothing was measured."""

    name: str
    value: float | None
    rule: str
    passes: bool | None


def run_gates(facts: ArbFacts, pairs: list[Pair], found: tuple[Identity, ...]) -> tuple[RunGate, ...]:
    """Return the gates of a run."""
    cycles = {row.cycle for row in facts.decisions}
    everywhere = set(facts.venue_cash)
    together = sum(everywhere <= facts.present.get(cycle, frozenset()) for cycle in cycles)
    share = together / len(cycles) if cycles and len(everywhere) > 1 else None
    lanes = {name: rows for name, rows in by_scope(pairs, lambda pair: pair.decision.lane).items() if name in set(Lane)}
    busy = [rows for rows in lanes.values() if len(rows) >= 40]  # noqa: PLR2004  arb 17: lanes with >= 40 detections
    active = sum(sum(pair.decision.verdict == OPENED for pair in rows) >= 3 for rows in busy)  # noqa: PLR2004
    rubbish = sum(leg.data != _ACCEPTED for row in facts.opened for leg in row.legs)
    flips = len(sign_flips(pairs))
    unknown = sum(bool(one.skipped) for one in found)
    return (
        _least("cycles", len(cycles), 10),
        _least("decision_rows", len(facts.decisions), 200),
        RunGate("cycles_with_all_venues", share, f">= {_TOGETHER}", None if share is None else share >= _TOGETHER),
        _least("mapped_pairs_covered", _rules(pairs, _MAPPED), 20),
        _least("parity_rules_covered", _rules(pairs, _PARITY), 4),
        _least("lanes_that_opened", active, 2),
        RunGate("quote_refresh_timeouts_per_cycle", None, "<= 0.75", None),
        RunGate("identities_broken", sum(not one.holds for one in found), "= 0", all(one.holds for one in found)),
        RunGate("identities_not_known", unknown, "= 0", unknown == 0),
        RunGate("opened_on_rejected_quotes", rubbish, "= 0", rubbish == 0),
        *_bands(facts, lanes),
        RunGate("signs_that_a_filter_turns", flips, "= 0", flips == 0),
        RunGate("false_positives_of_a_read_sample", None, "<= 0.02, 50 a lane, 3 sessions", None),
    )


def _least(name: str, value: int, least: int) -> RunGate:
    return RunGate(name, value, f">= {least}", value >= least)


def _rules(pairs: list[Pair], lanes: set[str]) -> int:
    return len({pair.decision.rule for pair in pairs if pair.decision.lane in lanes})


def _bands(facts: ArbFacts, lanes: dict[str, list[Pair]]) -> list[RunGate]:
    """Return one gate for each lane with enough trades; without any the gate waits."""
    low, high = BAND
    rule = f"{low} to {high} from {BAND_TRADES} trades on"
    found = []
    for name, rows in lanes.items():
        ratio = ratio_of(rows, paper=facts.paper)
        if ratio is not None and sum(bool(pair.ended) for pair in rows) >= BAND_TRADES:
            found.append(RunGate(f"cash_over_expected_{name}", ratio, rule, low <= ratio <= high))
    return found or [RunGate("cash_over_expected", None, rule, None)]
