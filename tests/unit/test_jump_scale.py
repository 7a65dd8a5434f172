"""The usual move: an average with a half-life of a minute, the same however its moves come; and odd rows in bulk."""

import numpy as np
import pytest

from millrace.core.events import Print, Quote
from millrace.core.instrument import InstrumentId
from millrace.market import spot_checks
from millrace.market.firewall import Firewall
from millrace.market.firewall_settings import FirewallSettings
from millrace.market.jump_scale import BUCKET_NS, LEAST_COUNT, MEMORY, JumpScale

PAIR = InstrumentId("kraken", "DOGE/USD")
SECOND = 1_000_000_000


def test_2_2_a_minutes_moves_count_half_when_it_is_over():
    scale = JumpScale()
    for second in range(60):
        scale.add(10 * BUCKET_NS + second * SECOND, 600)
    assert scale.mean(10 * BUCKET_NS) == 600
    for second in range(60):
        scale.add(11 * BUCKET_NS + second * SECOND, 0)
    assert scale.mean(11 * BUCKET_NS) == pytest.approx(600 / 3)
    assert scale.mean(13 * BUCKET_NS) == pytest.approx(600 / 3)


def test_what_is_forgotten_weighed_less_than_a_fifty_thousandth():
    first = 600.0
    scale = JumpScale()
    for _ in range(1_000):
        scale.add(0, int(first))
    assert scale.mean((MEMORY - 1) * BUCKET_NS) == first * 1_000 / 2 ** (MEMORY - 1) / LEAST_COUNT
    assert scale.mean(MEMORY * BUCKET_NS) == 0
    assert 2**-MEMORY < 1 / 50_000


@pytest.mark.parametrize("gap_minutes", [0.01, 0.4, 3.0, 40.0])
def test_moves_as_columns_are_the_moves_one_by_one(gap_minutes):
    rng = np.random.default_rng(7)
    ts_ns = np.cumsum(rng.exponential(gap_minutes * BUCKET_NS, 400)).astype(np.int64)
    moves = rng.integers(0, 10**12, 400)
    for cut in (0, 1, 57, 399):
        single, bulk, resumed = JumpScale(), JumpScale(), JumpScale()
        for at, move in zip(ts_ns.tolist(), moves.tolist(), strict=True):
            single.add(at, move)
        if cut:
            bulk.add_many(ts_ns[:cut], moves[:cut])
        resumed.restore(bulk.snapshot(int(ts_ns[max(cut - 1, 0)])))
        for other in (bulk, resumed):
            other.add_many(ts_ns[cut:], moves[cut:])
            for later in (0, BUCKET_NS, 20 * BUCKET_NS):
                now_ns = int(ts_ns[-1]) + later
                assert other.mean(now_ns) == single.mean(now_ns)
                assert other.snapshot(now_ns) == single.snapshot(now_ns)


@pytest.mark.parametrize("quoted", [False, True])
@pytest.mark.parametrize("rows_at_once", [1, 7, 64, 10_000])
@pytest.mark.parametrize("tick", [1, 5])
def test_odd_rows_are_those_that_a_plain_market_does_not_plainly_accept(monkeypatch, quoted, rows_at_once, tick):
    """Each row is judged after the row before it alone; the search in bulk may name more, never fewer."""
    monkeypatch.setattr(spot_checks, "_ROWS_AT_ONCE", rows_at_once)
    rng = np.random.default_rng(rows_at_once)
    columns = _columns(rng, 400, quoted=quoted)
    found = spot_checks.odd_rows(columns, tick, FirewallSettings())
    assert found[0] == 0
    assert (np.diff(found) > 0).all()
    odd = set(found.tolist())
    events = [(Quote if quoted else Print)(PAIR, *row) for row in np.column_stack(columns).tolist()]
    refused = 0
    for row in range(1, len(events)):
        wall = Firewall()
        wall._spot.know(PAIR, tick)
        if wall.judge(events[row - 1]) is None and wall.judge(events[row]) is not None:
            refused += 1
            assert row in odd
    assert refused > 5
    monkeypatch.setattr(spot_checks, "_ROWS_AT_ONCE", 10**6)
    assert found.tolist() == spot_checks.odd_rows(columns, tick, FirewallSettings()).tolist()
    assert len(odd) < 300


def _columns(rng, count, *, quoted):
    ts_ns = 10**18 + np.cumsum(rng.choice([1, 5, 30, 90, -1], count, p=[0.5, 0.3, 0.1, 0.08, 0.02])) * SECOND
    ticks = np.rint(100_000 * np.exp(np.cumsum(rng.normal(0, 1e-3, count)))).astype(np.int64) // 5 * 5
    leaps = rng.random(count) < 0.03
    ticks[leaps] = ticks[leaps] * rng.choice([2, 0, -1, 1], leaps.sum()) + 3
    lots = np.where(rng.random(count) < 0.02, -1, 3)
    if not quoted:
        return ts_ns, ticks, lots
    return ts_ns, ticks, ticks + rng.choice([5, 10, 0, -5], count, p=[0.5, 0.46, 0.02, 0.02]), lots, np.abs(lots)
