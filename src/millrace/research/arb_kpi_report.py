"""The report of a desk's run as one JSON object and as text for a terminal; both say the same (arb 17).

The object holds nano-dollars as integers, so that whoever checks the identities again checks the same numbers; the text
shows dollars. A figure that is not known is null there and a dash here, never a zero.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from millrace.research.arb_facts import ArbFacts
from millrace.research.arb_gates import run_gates
from millrace.research.arb_identities import identities
from millrace.research.arb_kpis import (
    TOTAL,
    Filter,
    Pair,
    aliases,
    by_scope,
    ends,
    filtered,
    pairs_of,
    quality,
    reasons,
    sign_flips,
    sums_of,
)
from millrace.research.arb_legs import legs_of

_COLUMNS: Final = ("detected_nano", "expected_nano", "simulated_nano", "realised_nano")
_NANO: Final = 1e9
_REASONS_SHOWN: Final = 12
Cell = str | int | float | None


def arb_report(facts: ArbFacts) -> dict[str, Any]:
    """Return the whole report; strict JSON. Where `holds` is false an identity is broken, and nothing else counts."""
    pairs = pairs_of(facts)
    found = identities(facts)
    gates = run_gates(facts, pairs, found)
    lanes = _scopes(facts, pairs, lambda pair: pair.decision.lane)
    families = _scopes(facts, pairs, lambda pair: pair.decision.lane_family)
    return {
        "holds": all(one.holds for one in found),
        "paper": facts.paper,
        "identities": [one._asdict() | {"holds": one.holds} for one in found],
        "lanes": lanes,
        "families": {name: scope for name, scope in families.items() if name != TOTAL},
        "legs": legs_of(facts.baskets, facts.rests),
        "rejected": reasons(pairs),
        "aliases": aliases(pairs),
        "gates": [gate._asdict() for gate in gates],
        "may_be_promoted": all(gate.passes for gate in gates),
    }


def _scopes(facts: ArbFacts, pairs: Sequence[Pair], name: Callable[[Pair], str]) -> dict[str, Any]:
    return {
        scope: {
            "sums": {chosen.value: sums_of(filtered(rows, chosen))._asdict() for chosen in Filter},
            "ends": ends(rows),
            "sign_flips": sign_flips(rows),
            **quality(rows, paper=facts.paper),
        }
        for scope, rows in by_scope(pairs, name).items()
    }


def arb_text(report: dict[str, Any]) -> str:
    """Return the report as text."""
    lines = ["the desk's figures, in dollars; what is not known is a dash", ""]
    for chosen in Filter:
        lines += _table(f"{chosen.value.replace('_', ' ')}", _money_rows(report, chosen))
    lines += _table("how baskets ended", _end_rows(report))
    lines += _table("quality", _quality_rows(report))
    lines += _table("legs that rested", _leg_rows(report, "maker", _RESTED))
    lines += _table("legs that took, of baskets that ended", _leg_rows(report, "taker", _TOOK))
    for scope, figures in report["lanes"].items():
        lines += [f"  {scope}: a filter turns the sign of {flip}" for flip in figures["sign_flips"]]
    rejected = list(report["rejected"].items())
    shown = ", ".join(f"{reason} {count}" for reason, count in rejected[:_REASONS_SHOWN]) or "none"
    rest = sum(count for _, count in rejected[_REASONS_SHOWN:])
    lines += [f"rejected by primary reason: {shown}{f', others {rest}' if rest else ''}"]
    lines += [f"further findings of the same baskets: {report['aliases']}", "", "identities"]
    for one in report["identities"]:
        mark = "RED" if not one["holds"] else "wait" if one["skipped"] else "green"
        why = f": {one['skipped']}" if one["skipped"] else ""
        lines += [f"  {mark:<6} ({one['number']}) {one['title']}{why}"]
        lines += [f"           {text}" for text in one["broken"]]
    lines += ["", "run gates"]
    for gate in report["gates"]:
        mark = {True: "green", False: "RED", None: "wait"}[gate["passes"]]
        lines += [f"  {mark:<6} {gate['name']:<34} {_shown(gate['value']):>10}  {gate['rule']}"]
    return "\n".join(lines) + "\n"


def _named(report: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return lanes, families and the total with the names under which they are shown."""
    lanes = [(name, scope) for name, scope in report["lanes"].items() if name != TOTAL]
    families = [(f"family {name}", scope) for name, scope in report["families"].items()]
    return [*lanes, *families, (TOTAL, report["lanes"][TOTAL])]


def _money_rows(report: dict[str, Any], chosen: Filter) -> list[Sequence[Cell]]:
    rows: list[Sequence[Cell]] = [
        ("", "found", "opened", "capital", *(name.removesuffix("_nano") for name in _COLUMNS))
    ]
    for name, scope in _named(report):
        sums = scope["sums"][chosen.value]
        money = [None if sums[column] is None else sums[column] / _NANO for column in ("capital_nano", *_COLUMNS)]
        rows.append((name, sums["detected_rows"], sums["opened"], *money))
    return rows


def _end_rows(report: dict[str, Any]) -> list[Sequence[Cell]]:
    names = list(report["lanes"][TOTAL]["ends"])
    return [("", *names), *((name, *scope["ends"].values()) for name, scope in _named(report))]


_QUALITY: Final = {
    "conversion": "conversion",
    "cash_over_expected": "cash/expected",
    "fill_quality": "filled",
    "slippage_error": "slippage",
    "hedge_sec_median": "hedge s",
    "naked_sec": "naked s",
    "repair_share": "repair",
    "capital_days_per_dollar": "capital days/$",
    "concentration_family": "herfindahl",
}


def _quality_rows(report: dict[str, Any]) -> list[Sequence[Cell]]:
    return [("", *_QUALITY.values()), *((name, *(scope[key] for key in _QUALITY)) for name, scope in _named(report))]


_RESTED: Final = {
    "orders": "orders",
    "refused": "refused",
    "contracts": "contracts",
    "filled": "filled",
    "whole": "whole",
    "chance": "chance",
    "brier": "brier",
    "adverse_expected_usd": "loss expected",
    "adverse_5s_usd": "after 5 s",
    "adverse_60s_usd": "after 60 s",
}
_TOOK: Final = {"legs": "legs", "contracts": "contracts", "filled": "filled"}


def _leg_rows(report: dict[str, Any], style: str, columns: dict[str, str]) -> list[Sequence[Cell]]:
    found = report["legs"][style]
    return [("", *columns.values()), *((venue, *(row[key] for key in columns)) for venue, row in found.items())]


def _table(heading: str, rows: list[Sequence[Cell]]) -> list[str]:
    shown = [[_shown(cell) for cell in row] for row in rows]
    widths = [max(len(row[place]) for row in shown) for place in range(len(shown[0]))]
    drawn = [
        "  " + "  ".join(cell.ljust(widths[at]) if at == 0 else cell.rjust(widths[at]) for at, cell in enumerate(row))
        for row in shown
    ]
    return [heading, *drawn, ""]


def _shown(cell: Cell) -> str:
    if cell is None:
        return "-"
    return f"{cell:,.4f}" if isinstance(cell, float) else str(cell)
