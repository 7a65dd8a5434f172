"""What one run of the desk over a recording came to, as a record and as text.

Money that was detected, expected and simulated stands apart, and where nothing was traded none of it is shown: a screen
without sizes earns nothing.
"""

import msgspec

from millrace.core.instrument import Money
from millrace.research.arb_survey import Survey, lines


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


class ArbRunReport(msgspec.Struct, frozen=True):
    """A recording, what a screen would have shown of it, and what trading it came to, if its depth was known."""

    data: str
    recording: str
    rules: str
    survey: Survey
    trading: TradingCounts | None
    wall_seconds: float


def report_text(report: ArbRunReport) -> str:
    """Return the report as text."""
    out = [f"{report.data}: {report.recording}; rules {report.rules}", ""]
    out.append("What a screen shows, and what is left of it:")
    out += [f"  {line}" for line in lines(report.survey)]
    out.append("")
    if report.trading is None:
        return "\n".join([*out, "Not traded: depth unknown, so no profit or loss is claimed."])
    return "\n".join([*out, *_trading(report.trading)])


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
