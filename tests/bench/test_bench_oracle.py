"""Quotes per second of the whole engine on the grid oracle (golden D), data loaded beforehand."""

import grid_oracle

LEAST_QUOTES_PER_SEC = 3_000_000


def test_grid_oracle(benchmark):
    columns = grid_oracle.quotes()
    benchmark.extra_info |= {
        "units": grid_oracle.QUOTES,
        "unit": "quotes",
        "limit_sec": grid_oracle.QUOTES / LEAST_QUOTES_PER_SEC,
    }
    strategy, *_ = benchmark.pedantic(grid_oracle.run, args=(columns,), rounds=5, warmup_rounds=1)
    assert strategy.fills == 1_498
