"""What runs of the quote desk over recordings came to, as records and as text.

Profit is split into what was captured of the spread, what was lost to those who knew better, fees, and what the
inventory did, each with its interval; and everything that the simulation assumes is named beside it, because a maker's
profit in a backtest is mostly made of such assumptions.
"""

import msgspec

from millrace.research.quoting_profit import PartOfProfit


class RecordedRun(msgspec.Struct, frozen=True, kw_only=True):
    """One recording under one profile. Sums are in quote currency, positions in coins, latencies in ms.

    `parts` are by markout horizon in ms: it parts adverse selection from what the inventory did, their sum is the same.
    `gaps` are how often the recording lost the book, and `dark_seconds` how long it had none that could be shown.
    `clock_shift_ms` are the least and the greatest by which receive times were moved.
    """

    data: str
    instrument: str
    profile: str
    seconds: float
    rows: int
    gaps: int
    dark_seconds: float
    clock_shift_ms: tuple[float, float]
    latency_ms: tuple[float, float]
    assumptions: dict[str, str]
    placed: int
    amended: int
    cancelled: int
    fills: int
    takers: int
    turnover: float
    position: float
    most_held: float
    ticks: dict[str, int]
    faults: dict[str, int]
    refusals: dict[str, int]
    guard_reasons: dict[str, int]
    resyncs: int
    parts: dict[str, list[PartOfProfit]]


class QuotingRunReport(msgspec.Struct, frozen=True):
    """All runs of one call."""

    runs: tuple[RecordedRun, ...]
    wall_seconds: float


def report_text(report: QuotingRunReport) -> str:
    """Return the report as text."""
    out: list[str] = []
    for run in report.runs:
        out += _run(run)
    return "\n".join([*out, f"{len(report.runs)} runs in {report.wall_seconds:.1f} s"])


def _run(run: RecordedRun) -> list[str]:
    shift = " to ".join(f"{value:+.0f}" for value in run.clock_shift_ms)
    middle, high = run.latency_ms
    out = [
        f"{run.instrument}, profile {run.profile}: {run.data}",
        (
            f"  {run.rows:,} rows in {run.seconds:,.0f} s; receive times moved by {shift} ms,"
            f" then the median message took {middle:.1f} ms and the 95th percentile {high:.1f} ms"
        ),
        f"  {run.gaps} gaps in the recording, {run.dark_seconds:,.1f} s of it without a book",
        f"  assumed: {', '.join(f'{name} {value}' for name, value in run.assumptions.items())}",
        (
            f"  {run.placed:,} placed, {run.amended:,} amended, {run.cancelled:,} cancelled; {run.fills:,} fills,"
            f" {run.takers} of them as taker; turnover {run.turnover:,.2f}"
        ),
        f"  held at the end {run.position:g}, at most {run.most_held:g}",
        f"  ticks: {_counts(run.ticks)}",
    ]
    named = {"faults": run.faults, "refused": run.refusals, "guards": run.guard_reasons}
    out += [f"  {name}: {_counts(found)}" for name, found in named.items() if found]
    for horizon, parts in run.parts.items():
        out.append(f"  profit, adverse selection by the move after {int(horizon) / 1000:g} s:")
        out += [f"    {_part(part)}" for part in parts]
    return [*out, ""]


def _part(part: PartOfProfit) -> str:
    text = f"{part.part:<9} {part.total:>12,.4f}  [{part.low:,.4f}, {part.high:,.4f}]"
    return text if part.bps is None else f"{text}  {part.bps:+.2f} bps [{part.bps_low:+.2f}, {part.bps_high:+.2f}]"


def _counts(found: dict[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in found.items()) or "none"
