"""The grid of 80 slots over a month of real minutes, data loaded beforehand, in-memory ledger."""

from pathlib import Path

from millrace.config.load import load_settings
from millrace.research.market_files import read_market_file
from millrace.venues.kraken.facts import instrument_facts
from millrace.world.assemble import with_bars
from millrace.world.backtest import assemble_backtest, start

LIMIT_SEC = 5.0


def test_80_slots_on_the_june_month(benchmark, shared: Path) -> None:
    settings = load_settings(profile="demo")
    market = read_market_file(
        shared / "data/doge_candles/bybit_DOGEUSDT_1m_2025-06.parquet", instrument_facts(settings.run.instrument)
    )
    settings = with_bars(settings, market.facts.bar_ns)
    first_ns, last_ns = market.facts.first_ns, int(market.columns.ts_ns[-1])

    def run() -> int:
        assembled = assemble_backtest(settings, market.columns)
        start(settings, assembled, first_ns - 1)
        assembled.simulation.run_until(last_ns)
        return assembled.ledger.fills()

    benchmark.extra_info |= {"units": market.facts.rows, "unit": "bars", "limit_sec": LIMIT_SEC}
    assert benchmark.pedantic(run, rounds=3, warmup_rounds=1) > 0
