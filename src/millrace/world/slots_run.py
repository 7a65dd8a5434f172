"""The slot grid over a recording, from file to report: what `millrace backtest slots` does.

The run itself is `backtest`; here a file becomes its market, and what it recorded becomes the report.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from millrace.config.load import fit_to_instrument
from millrace.config.settings import Settings
from millrace.core.clock import Clock
from millrace.core.failure import OperatorError, WorldError
from millrace.research.market_files import MarketFacts, MarketFile, read_market_file
from millrace.research.slots_report import (
    EquityPoint,
    FillPoint,
    HeadroomPoint,
    RoundTrip,
    RunTotals,
    SlotsRunReport,
)
from millrace.shell.journal import Journal
from millrace.shell.manifest import write_manifest
from millrace.sim.candles import PrintColumns
from millrace.strategies.slots.stages.momentum_shadow import momentum_evidence
from millrace.world.assemble import manifest, traded_instrument, with_bars
from millrace.world.backtest import Assembled, assemble_backtest, start
from millrace.world.run_record import RunRecord

_SECOND_NS = 1_000_000_000
_CURVE_POINTS = 5_000
_SLICES = 200
_NEVER_NS = 2**62
_AFTER_NS = 10 * _SECOND_NS
_BUCKETS = {0: "bearish", 1: "ranging", 2: "bullish"}
Progress = Callable[[float], None]


def run_slots(
    settings: Settings,
    data: Path,
    clock: Clock,
    *,
    out: Path | None = None,
    lazy: bool = True,
    progress: Progress = lambda _: None,
) -> SlotsRunReport:
    """Run the grid over a recording and report it; with `out` the journal goes there, ready for replay.

    Raises OperatorError for a recording that cannot be used or a folder that holds a journal already, and WorldError
    when a bug stopped trading on the way.
    """
    market = read_market_file(data, traded_instrument(settings))
    return run_market(settings, market, clock, out=out, lazy=lazy, progress=progress)


def run_market(
    settings: Settings,
    market: MarketFile,
    clock: Clock,
    *,
    out: Path | None = None,
    lazy: bool = True,
    progress: Progress = lambda _: None,
) -> SlotsRunReport:
    """Run the grid over a recording that is read already, as `run_slots` does and with its errors."""
    instrument = traded_instrument(settings)
    settings = with_bars(fit_to_instrument(settings, instrument), market.facts.bar_ns)
    journal = None if out is None else _new_journal(out, settings)
    began_ns = clock.monotonic_ns()
    assembled = assemble_backtest(settings, market.columns, lazy=lazy, journal=journal)
    record = RunRecord(assembled.program.engine, instrument.id)
    assembled.simulation.sequencer.listen(record.step)
    first_ns, last_ns = int(market.columns.ts_ns[0]), int(market.columns.ts_ns[-1])
    start(settings, assembled, first_ns - 1)
    for part in range(1, _SLICES + 1):
        assembled.simulation.run_until(first_ns + (last_ns - first_ns) * part // _SLICES)
        progress(part / _SLICES)
    assembled.simulation.run_until(last_ns + _AFTER_NS)
    assembled.simulation.sequencer.close()
    fault = assembled.program.engine.fault
    if fault is not None:
        raise WorldError(f"the run halted on a bug, {fault!r}; its result means nothing, report it") from fault
    wall_seconds = (clock.monotonic_ns() - began_ns) / _SECOND_NS
    return slots_report(settings, assembled, market, record, wall_seconds)


def _new_journal(out: Path, settings: Settings) -> Journal:
    if out.is_dir() and any(out.glob("journal-*.mrj")):
        raise OperatorError(f"{out} holds the journal of another run; give a new folder or remove it")
    out.mkdir(parents=True, exist_ok=True)
    write_manifest(out, manifest(settings))
    return Journal(out, segment_ns=_NEVER_NS)


def slots_report(
    settings: Settings, assembled: Assembled, market: MarketFile, record: RunRecord, wall_seconds: float
) -> SlotsRunReport:
    """Return the report of a finished run."""
    program, simulation = assembled.program, assembled.simulation
    instrument, grid = program.instrument, program.grid
    status: dict[str, Any] = grid.status(program.engine)
    facts = market.facts
    return SlotsRunReport(
        instrument=str(instrument.id),
        base=instrument.base,
        quote=instrument.quote,
        data=facts.path,
        profile=settings.profile,
        config_digest=settings.digest,
        first_ns=facts.first_ns,
        last_ns=facts.last_ns,
        opening_base=settings.venue.base_balance,
        opening_quote=settings.venue.quote_balance,
        totals=RunTotals(
            bars=facts.rows,
            events=simulation.events,
            fills=record.orders_filled,
            round_trips=status["totals"]["round_trips"],
            net_profit=status["totals"]["profit_usd"],
            open_profit=status["totals"]["unrealised_usd"],
            fees=instrument.quote_float(sum(fill.fee for fill in record.fills)),
            max_open_orders=record.max_open_orders,
            violations=status["invariant_violations"],
            wall_seconds=wall_seconds,
            command_hash=program.engine.command_hash.hex(),
        ),
        equity=_equity(settings, assembled, market.columns, record),
        fills=_fills(assembled, record),
        round_trips=_round_trips(record),
        headroom=[HeadroomPoint(ts, live, grid.grid.safe_cap - live) for ts, live in record.open_orders],
        sizer_buckets=status["throughput_sizer"]["buckets"],
        capacity_fill_health=status["capacity_fill_health"],
        slot_vintage=status["slot_vintage"],
        momentum_shadow=momentum_evidence(assembled.ledger.bookings()),
        assumptions=assumptions(settings, facts),
        notices=[notice.text for notice in settings.notices],
        config=settings.flat(),
    )


def _equity(settings: Settings, assembled: Assembled, columns: PrintColumns, record: RunRecord) -> list[EquityPoint]:
    """Return quote + base x price over time: what was owned after the fills by then, at the price then."""
    instrument = assembled.program.instrument
    rows = np.unique(np.linspace(0, len(columns) - 1, min(_CURVE_POINTS, len(columns))).astype(np.int64))
    times, prices = columns.ts_ns[rows], columns.ticks[rows] / 10.0**instrument.price_decimals
    signs = np.array([1 if fill.side == "buy" else -1 for fill in record.fills])
    lots = np.array([instrument.volume(fill.lots) for fill in record.fills]) * signs
    paid = np.array([instrument.quote_float(fill.cost) for fill in record.fills]) * signs
    fees = np.array([instrument.quote_float(fill.fee) for fill in record.fills])
    done = np.searchsorted([fill.ts_ns for fill in record.fills], times, side="right")
    base = settings.venue.base_balance + np.concatenate(([0.0], np.cumsum(lots)))[done]
    quote = settings.venue.quote_balance - np.concatenate(([0.0], np.cumsum(paid + fees)))[done]
    equity = quote + base * prices
    points = zip(times.tolist(), equity.tolist(), prices.tolist(), strict=True)
    return [EquityPoint(*point) for point in points]


def _fills(assembled: Assembled, record: RunRecord) -> list[FillPoint]:
    facts = assembled.program.instrument
    return [
        FillPoint(
            ts_ns=fill.ts_ns,
            side=fill.side,
            role="entry" if fill.is_entry else "exit",
            price=facts.quote_float(fill.cost) / facts.volume(fill.lots),
            volume=facts.volume(fill.lots),
            slot=int(fill.group.removeprefix("slot")),
            leg=fill.leg,
        )
        for fill in record.fills
        if fill.lots
    ]


def _round_trips(record: RunRecord) -> list[RoundTrip]:
    trips = []
    for cycle in record.cycles:
        entry_time, exit_time, net = cycle["entry_time"], cycle["exit_time"], cycle["net"]
        if not isinstance(entry_time, float) or not isinstance(exit_time, float) or not isinstance(net, float):
            raise TypeError(f"a booked cycle without times or net: {cycle}")
        regime = cycle["regime"]
        name = _BUCKETS[regime] if isinstance(regime, int) else "unlabelled"
        bucket = f"{name}_{cycle['trade_id']}"
        trips.append(RoundTrip(round(exit_time * _SECOND_NS), net, exit_time - entry_time, bucket))
    return trips


def assumptions(settings: Settings, facts: MarketFacts) -> list[str]:
    """Return what the simulation takes for granted, each as a sentence for the report."""
    venue = settings.venue
    data = (
        "Each bar is played as four prints: open, low, high, close when it closed up, else open, high, low, close."
        if facts.kind == "bars"
        else "Each recorded trade is one print."
    )
    counts = "counts calls against its rate limit, as Kraken does" if venue.rate_limits else "takes any number of calls"
    whose = "a bar's" if facts.kind == "bars" else "a trade's"
    return [
        data,
        "A resting order fills at its limit when a print goes through it by at least one tick.",
        f"Resting orders take at most {venue.participation:.0%} of {whose} volume per side.",
        "An order sent at one print can fill from the next; nobody queues before us, and nobody reacts to us.",
        f"The venue allows 225 open orders a pair and {counts}.",
        (
            f"Travel times: {venue.request_latency_ms} ms there, {venue.response_latency_ms} ms back, up to"
            f" {venue.latency_jitter_ms} ms jitter."
        ),
        "Prices come from the data file; ticks, lots, minimums and fees are those of the instrument named above.",
        "Fees are charged in the quote currency at the maker's rate; a post-only order that would cross is refused.",
        "Equity marks all coins at the last print; nothing is paid for holding them.",
    ]
