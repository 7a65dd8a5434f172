"""What one run of the desk over a recording came to, as a record and as text.

Money that was detected, expected and simulated stands apart, and where nothing was traded none of it is shown: a screen
without sizes earns nothing.
"""

import msgspec

from millrace.core.instrument import Money
from millrace.research.arb_survey import Survey, lines

_SHOWN = 20
"""Blocked rules that are printed for a person; --json has them all."""


class TradingCounts(msgspec.Struct, frozen=True, kw_only=True):
    """What the desk did on recorded books; sums in dollars are for people, the ledger has them exactly.

    `cash` is the opening and the last balance of each venue's currency in its ledger units.
    """

    rows: int
    opened: int
    rejected: dict[str, int]
    baskets: dict[str, int]
    orders: int
    fills: int
    detected_usd: float
    expected_usd: float
    simulated_usd: float
    cash: dict[str, tuple[Money, Money]]
    open_contracts: float
    restrictions: dict[str, int]
    alerts: dict[str, int]


class Bound(msgspec.Struct, frozen=True, kw_only=True):
    """What bound the desk: the hash of each file, and the version of all rules together.

    `in_force` is the share of the run, between 0 and 1, in which each mapped or proposed rule could trade; `proposals`
    counts their last states; `blocked` says what was held against rules, rows and proposals in the end.
    """

    files: dict[str, str]
    version: str
    in_force: dict[str, float]
    proposals: dict[str, int]
    blocked: tuple[str, ...]


class ArbRunReport(msgspec.Struct, frozen=True):
    """A recording, what a screen would have shown of it, what trading it came to, and what bound that.

    `trading` and `bound` are None where the depth is not known: nothing is traded there.
    """

    data: str
    recording: str
    rules: str
    survey: Survey
    trading: TradingCounts | None
    wall_seconds: float
    bound: Bound | None = None


def report_text(report: ArbRunReport) -> str:
    """Return the report as text."""
    out = [f"{report.data}: {report.recording}; rules {report.rules}", ""]
    out.append("What a screen shows, and what is left of it:")
    out += [f"  {line}" for line in lines(report.survey)]
    out.append("")
    if report.trading is None:
        return "\n".join([*out, "Not traded: depth unknown, so no profit or loss is claimed."])
    out += [] if report.bound is None else _bound(report.bound)
    return "\n".join([*out, *_trading(report.trading)])


def _bound(bound: Bound) -> list[str]:
    if not bound.files:
        return []
    files = ", ".join(f"{name} {version}" for name, version in bound.files.items())
    shares = ", ".join(f"{name} {share:.0%}" for name, share in bound.in_force.items()) or "none"
    out = [f"Bound by: {files}; rules together {bound.version}", f"  in force, share of the run: {shares}"]
    out += [f"  proposals: {_counts(bound.proposals)}", f"  blocked: {len(bound.blocked)}"]
    out += [f"    {text}" for text in bound.blocked[:_SHOWN]]
    hidden = len(bound.blocked) - _SHOWN
    return [*out, *([f"    ... and {hidden} more; --json lists all"] if hidden > 0 else []), ""]


def _trading(counts: TradingCounts) -> list[str]:
    decided = counts.opened + sum(counts.rejected.values())
    sent = f"{counts.opened} opened, {counts.orders} orders, {counts.fills} fills"
    money = f"detected {counts.detected_usd:.2f}, expected {counts.expected_usd:.2f}"
    return [
        f"Traded: {counts.rows:,} rows, {decided:,} candidates decided, {sent}",
        f"  rejected: {_counts(counts.rejected)}",
        f"  baskets: {_counts(counts.baskets)}",
        f"  {money}, simulated {counts.simulated_usd:.2f} dollars; {counts.open_contracts:g} contracts still held",
        f"  restrictions: {_counts(counts.restrictions)}",
        f"  alerts: {_counts(counts.alerts)}",
    ]


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in found.items()) or "none"
