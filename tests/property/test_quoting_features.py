"""The reducers of the quote desk against naive recomputation from all events, however often they are asked (quoting 3)."""

import json
from dataclasses import dataclass
from itertools import pairwise
from math import exp2, log, sqrt
from statistics import stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core.commands import Side
from millrace.strategies.quoting.features.flow import OrderFlow
from millrace.strategies.quoting.features.markouts import HORIZONS_MS
from millrace.strategies.quoting.features.reducer import SymbolReducer
from millrace.strategies.quoting.features.samples import LatencyWindow, ProfitWindow
from millrace.strategies.quoting.features.toxicity import Toxicity
from millrace.strategies.quoting.features.volatility import SampledVolatility, TimedVolatility
from millrace.strategies.quoting.features.windows import GridWindow
from quoting_books import LIVE, MONEY_PER_PRODUCT, NS, TERMS, ask_features, book, fill, trade

GAPS_MS = st.one_of(st.integers(0, 40), st.integers(0, 1_500), st.sampled_from([9_990, 10_000, 61_000, 900_000]))


@dataclass
class Best:
    ms: int
    bid: int
    bid_lots: int
    ask: int
    ask_lots: int


@st.composite
def bests(draw, most: int = 40) -> list[Best]:
    ms, found = 1_700_000_000_000, []
    for _ in range(draw(st.integers(1, most))):
        ms += draw(GAPS_MS)
        bid = draw(st.integers(9_990, 10_010))
        found.append(Best(ms, bid, draw(st.integers(1, 50)), bid + draw(st.integers(1, 4)), draw(st.integers(1, 50))))
    return found


def naive_flow(rows: list[Best], now: int, window_ms: int) -> float:
    """Cont, Kukanov and Stoikov's sum over the cells of 10 ms that the window holds, in mean queues of 10 s."""
    flow = 0
    for before, after in pairwise(rows):
        if after.ms // 10 > now // 10 - window_ms // 10:
            flow += (after.bid >= before.bid) * after.bid_lots - (after.bid <= before.bid) * before.bid_lots
            flow += (after.ask >= before.ask) * before.ask_lots - (after.ask <= before.ask) * after.ask_lots
    sizes = [row.bid_lots + row.ask_lots for row in rows if row.ms // 10 > now // 10 - 1_000]
    return flow / (sum(sizes) / len(sizes) / 2) if sizes else 0.0


@given(bests(), st.integers(0, 12_000))
def test_order_flow(rows, later) -> None:
    flow = OrderFlow()
    for row in rows:
        flow.observe(row.ms, row.bid, row.bid_lots, row.ask, row.ask_lots)
    now = rows[-1].ms + later
    assert flow.short(now) == pytest.approx(naive_flow(rows, now, 1_000), abs=1e-12)
    assert flow.long(now) == pytest.approx(naive_flow(rows, now, 10_000), abs=1e-12)


def test_order_flow_by_hand() -> None:
    """More on the bid is buying, a bid that falls took its queue along, and so for the ask with the other sign."""
    flow = OrderFlow()
    flow.observe(0, 100, 10, 101, 10)
    flow.observe(100, 100, 14, 101, 10)
    assert flow.short(100) == 4 / 11
    flow.observe(200, 99, 5, 101, 10)
    assert flow.short(200) == pytest.approx((4 - 14) / ((20 + 24 + 15) / 6))
    flow.observe(300, 99, 5, 100, 3)
    assert flow.short(300) == pytest.approx((4 - 14 - 3) / ((20 + 24 + 15 + 8) / 8))
    flow.lose_book()
    flow.observe(400, 50, 1_000, 51, 1_000)
    assert flow.short(400) < 0.0
    assert flow.short(1_500) == 0.0


def test_a_flow_is_unusual_by_what_is_usual_here() -> None:
    """Quoting 4.3, addition 6: |z| > 3 of a burst in a symbol whose queues hardly change, none before 30 s."""
    flow = OrderFlow()
    ms = 0
    for second in range(120):
        for tenth in range(10):
            ms = second * 1_000 + tenth * 100
            flow.observe(ms, 100, 50 + tenth % 2, 101, 50)
        assert (flow.long_z(ms) is None) == (second < 30)
    assert abs(flow.long_z(ms)) < 0.2
    for step in range(8):
        ms += 100
        flow.observe(ms, 100, 51 + 20 * (step + 1), 101, 50)
    assert flow.long_z(ms) > 3.0
    assert flow.long_z(ms + 12_000) == 0.0


@given(bests(), st.integers(0, 90_000))
def test_timed_volatility(rows, later) -> None:
    """Each return gets 1 - 2^(-dt / half-life), and the whole is divided by the weight that was given."""
    volatility = TimedVolatility(60)
    for row in rows:
        volatility.observe(row.ms, row.bid + row.ask)
    last = {row.ms: row.bid + row.ask for row in rows}  # the last mid of a millisecond counts
    mids = list(last.items())
    variance = 0.0
    for (before, old), (after, new) in pairwise(mids):
        weight = 1 - exp2(-(after - before) / 60_000)
        variance += weight * (log(new / old) ** 2 / ((after - before) / 1_000) - variance)
    now = rows[-1].ms + later
    seen = now - rows[0].ms
    found = volatility.bps_sqrt_sec(now)
    if seen < 5_000:
        assert found is None
    else:
        variance *= exp2(-(now - rows[-1].ms) / 60_000) / (1 - exp2(-seen / 60_000))
        assert found == pytest.approx(1e4 * sqrt(variance), rel=1e-9, abs=1e-12)


def test_timed_volatility_does_not_depend_on_how_often_a_book_says_nothing_new() -> None:
    quiet, busy = TimedVolatility(60), TimedVolatility(60)
    for second in range(600):
        quiet.observe(second * 1_000, 20_000 + second % 2)
        for part in range(0, 1_000, 10):
            busy.observe(second * 1_000 + part, 20_000 + second % 2)
    # one half tick of 10 000 up and down each second
    assert quiet.bps_sqrt_sec(600_000) == pytest.approx(1e4 * log(20_001 / 20_000), rel=0.01)
    assert busy.bps_sqrt_sec(600_000) == pytest.approx(quiet.bps_sqrt_sec(600_000), rel=0.01)


@given(bests())
def test_sampled_volatility(rows) -> None:
    """The reference: alpha 2 / 61 per sample from 0, and the sample deviation of the last 20 mids' log returns."""
    volatility, ema = SampledVolatility(60, 20), 0.0
    mids = [(row.bid + row.ask) / 2 for row in rows]
    for index, mid in enumerate(mids):
        volatility.observe(mid)
        if index:
            move = abs(mid - mids[index - 1]) / mids[index - 1] * 1e4
            ema = 2 / 61 * move + (1 - 2 / 61) * ema
        returns = [log(b / a) for a, b in pairwise(mids[: index + 1][-20:])]
        expected = stdev(returns) * 1e4 if index >= 2 else 0.0
        assert volatility.stdev_bps() == pytest.approx(expected, abs=1e-9)
    assert volatility.abs_ema_bps == pytest.approx(ema, abs=1e-9)


@given(st.lists(st.tuples(GAPS_MS, st.floats(0.1, 900.0)), max_size=130), st.integers(0, 70_000), st.booleans())
def test_latencies(samples, later, expires) -> None:
    window, ms, seen = LatencyWindow(100, 60_000 if expires else 0), 0, []
    for gap, latency in samples:
        ms += gap
        window.observe(ms, latency)
        seen.append((ms, latency))
    now = ms + later
    kept = sorted(value for at, value in seen[-100:] if not expires or at > now - 60_000)
    expected = kept[int(0.95 * len(kept))] if len(kept) >= 5 else None
    assert window.p95_ms(now) == (expected, len(kept))


@given(st.lists(st.tuples(GAPS_MS, st.integers(-(10**12), 10**12)), max_size=90))
def test_profits(changes) -> None:
    window, ms, seen = ProfitWindow(60, 60), 0, []
    for gap, change in changes:
        ms += gap
        window.observe(ms, change)
        seen.append((ms, change))
    last = [change for _, change in seen[-60:]]
    assert window.mean() == (sum(last) / len(last) if len(last) >= 10 else None)
    within = [change for at, change in seen if at // 10_000 > ms // 10_000 - 360]
    if len(within) < 10:
        assert window.z(ms) is None
    elif len(set(within)) == 1:
        assert window.z(ms) == 0.0
    else:
        mean = sum(within) / len(within)
        assert window.z(ms) == pytest.approx(mean / (stdev(within) / sqrt(len(within))), rel=1e-6, abs=1e-9)


@given(st.lists(st.tuples(GAPS_MS, st.integers(-9, 9), st.integers(0, 9)), max_size=60), st.integers(0, 3_000))
def test_windows_of_time(events, later) -> None:
    window, ms, seen = GridWindow(100, 2_000), 0, []
    for gap, a, b in events:
        ms += gap
        window.add(ms, a, b)
        seen.append((ms, a, b))
        assert len(window.snapshot()) <= 20
    window.expire(ms + later)
    within = [(a, b) for at, a, b in seen if at // 100 > (ms + later) // 100 - 20]
    assert (window.n, window.a, window.b) == (len(within), sum(a for a, _ in within), sum(b for _, b in within))
    assert len(window.snapshot()) <= 20


@st.composite
def histories(draw) -> list[tuple]:
    """Everything that can happen to a symbol, with a question thrown in now and then."""
    ms, found = 1_700_000_000_000, []
    for _ in range(draw(st.integers(1, 50))):
        ms += draw(GAPS_MS)
        kind = draw(st.sampled_from(["book", "book", "book", "lost", "one_sided", "trade", "fill", "latency", "pnl"]))
        size = draw(st.integers(1, 30))
        found.append((kind, ms, draw(st.integers(9_990, 10_010)), size, draw(st.booleans())))
    return found


def play(reducer: SymbolReducer, history: list[tuple], depth=None, *, asked: bool = False):
    for kind, ms, ticks, size, flag in history:
        if kind == "book":
            depth = book(ticks, size, ticks + 1 + flag, 31 - size, ms)
            reducer.on_book(depth, ms * NS)
        elif kind == "lost":
            depth = None
            reducer.on_book(None, ms * NS)
        elif kind == "one_sided":
            depth = book(ticks, size, ticks + 1, size, ms)
            for level in depth.asks():
                depth.ask_side.set(level.ticks, 0)
            reducer.on_book(depth, ms * NS)
            depth = None
        elif kind == "trade":
            reducer.on_trade(trade(ms, size, flag))
        elif kind == "fill":
            fill(reducer, ms, Side.BUY if flag else Side.SELL, size, ticks, fee=size * 100, taker=size % 3 == 0)
        elif kind == "latency":
            reducer.on_latency(ms * NS, float(size))
        else:
            reducer.on_pnl(ms * NS, ticks - 10_000)
        if asked:
            ask_features(reducer, ms)
    return depth


@given(histories(), st.integers(0, 50), st.integers(0, 20_000))
def test_what_is_known_depends_on_events_alone(history, cut, later) -> None:
    """Asking often changes nothing, and neither does a restart in the middle, through JSON."""
    now = history[-1][1] + later
    quiet, asked, restored = SymbolReducer(TERMS, LIVE), SymbolReducer(TERMS, LIVE), SymbolReducer(TERMS, LIVE)
    play(quiet, history)
    play(asked, history, asked=True)
    first = SymbolReducer(TERMS, LIVE)
    depth = play(first, history[:cut])
    restored.restore(json.loads(json.dumps(first.snapshot())))
    assert restored.snapshot() == first.snapshot()
    restored.attach(depth)
    play(restored, history[cut:], depth)
    expected = ask_features(quiet, now)
    assert ask_features(asked, now) == expected
    assert ask_features(restored, now) == expected
    quiet_again = quiet.snapshot()
    ask_features(quiet, now)
    assert quiet.snapshot() == quiet_again


@given(histories())
def test_markouts_are_measured_at_the_first_book_at_or_after_their_horizon(history) -> None:
    reducer, found = SymbolReducer(TERMS, LIVE), []
    fills, mids, mid = [], [], None
    for row in history:
        kind, ms, ticks, size, flag = row
        if kind == "book":
            depth = book(ticks, size, ticks + 1 + flag, 31 - size, ms)
            found += reducer.on_book(depth, ms * NS)
            mid = 2 * ticks + 1 + flag
            mids.append((ms, mid))
        elif kind == "fill":
            mid = mid or 2 * ticks
            sign = 1 if flag else -1
            fill(reducer, ms, Side.BUY if flag else Side.SELL, size, ticks)
            fills.append((ms, sign, size, mid, len(mids)))
    expected = []
    for ms, sign, size, mid, books in fills:
        for horizon in HORIZONS_MS:
            later = [(at, value) for at, value in mids[books:] if at >= ms + horizon]
            if later:
                at, value = later[0]
                expected.append((horizon, sign, size, ms, mid, value, at > ms + horizon + 60_000))
    assert sorted(map(tuple, found)) == sorted(expected)


@given(histories(), st.sampled_from([1_000, 5_000, 30_000]))
def test_parts_of_a_profit_add_up_exactly(history, horizon) -> None:
    """Spread + adverse + fees + inventory = cash + position at the mid, as integers; the parts as they are defined."""
    reducer, fills, mids, mid2 = SymbolReducer(TERMS, LIVE), [], [], 0
    for kind, ms, ticks, size, flag in history:
        if kind == "book":
            reducer.on_book(book(ticks, size, ticks + 1 + flag, 31 - size, ms), ms * NS)
            mid2 = 2 * ticks + 1 + flag
            mids.append((ms, mid2))
        elif kind == "fill":
            mid2 = mid2 or 2 * ticks
            fill(reducer, ms, Side.BUY if flag else Side.SELL, size, ticks, fee=size * 100)
            fills.append((ms, 1 if flag else -1, size, ticks, mid2, len(mids)))
    spread = adverse = inventory = fees = total = 0
    unit = MONEY_PER_PRODUCT  # value units of half a tick times a lot: money counts twice
    for ms, sign, size, ticks, at_fill, books in fills:
        then = next((value for at, value in mids[books:] if at >= ms + horizon), mid2)
        spread += sign * size * (at_fill - 2 * ticks) * unit
        adverse += sign * size * (then - at_fill) * unit
        inventory += sign * size * (mid2 - then) * unit
        fees -= 2 * size * 100
        total += sign * size * (mid2 - 2 * ticks) * unit - 2 * size * 100
    parts = reducer.account.parts(horizon, mid2)
    assert parts == (spread, adverse, fees, inventory)
    assert parts.total == reducer.account.total(mid2) == total


def naive_vpin(trades: list[tuple[int, int, int]]) -> float | None:
    """Lot by lot: each trade is dealt into buckets whose sizes are a fiftieth of the hour's volume at their opening."""
    full, size, bought, sold = [], 0, 0, 0
    start = trades[0][0]
    for number, (ms, lots, sells) in enumerate(trades):
        if ms - start < 60_000:
            continue
        hour = sum(each[1] for each in trades[: number + 1] if each[0] // 10_000 > ms // 10_000 - 360)
        next_size = max(1, hour * 3_600_000 // (min(max(ms - start, 60_000), 3_600_000) * 50))
        size = size or next_size
        left_bought, left_sold = lots - sells, sells
        while left_bought + left_sold >= size - bought - sold:
            room = size - bought - sold
            part = left_sold * room // (left_bought + left_sold)
            full.append((bought + room - part, sold + part))
            left_bought, left_sold, bought, sold, size = left_bought - room + part, left_sold - part, 0, 0, next_size
        bought, sold = bought + left_bought, sold + left_sold
    last = full[-50:]
    if len(last) < 50:
        return None
    return sum(abs(one - other) for one, other in last) / sum(one + other for one, other in last)


@given(st.lists(st.tuples(st.integers(0, 120_000), st.integers(1, 4_000), st.integers(0, 2)), min_size=1, max_size=60))
def test_toxicity(rows) -> None:
    toxicity, ms, trades = Toxicity(), 1_700_000_000_000, []
    for gap, lots, side in rows:
        ms += gap
        sold = lots * side // 2
        toxicity.observe(ms, lots, sold)
        trades.append((ms, lots, sold))
    assert toxicity.vpin() == naive_vpin(trades)
    again = Toxicity()
    again.restore(json.loads(json.dumps(toxicity.snapshot())))
    assert again.snapshot() == toxicity.snapshot()
    assert again.vpin() == toxicity.vpin()


def test_toxicity_of_one_way_and_of_balance() -> None:
    one_way, balanced = Toxicity(), Toxicity()
    for second in range(4_000):
        one_way.observe(second * 1_000 + 1, 100, 100)
        balanced.observe(second * 1_000 + 1, 100, 100 * (second % 2))
    assert one_way.vpin() == 1.0
    assert balanced.vpin() < 0.05


def test_what_is_kept_of_a_symbol_does_not_grow_with_its_events() -> None:
    """A book each 5 ms, a trade and a fill now and then: after 44 s as much is kept as after 88."""
    reducer, sizes = SymbolReducer(TERMS, LIVE), []
    for ms in range(5, 88_001, 5):
        reducer.on_book(book(10_000 + ms // 7 % 3, 5 + ms % 9, 10_004, 9, ms), ms * NS)
        if ms % 50 == 0:
            reducer.on_trade(trade(ms, 3, taker_sells=ms % 100 == 0))
            reducer.on_latency(ms * NS, 20.0)
        if ms % 400 == 0:
            fill(reducer, ms, Side.BUY if ms % 800 else Side.SELL, 3, 10_000, taker=True)
        if ms % 44_000 == 0:
            kept = reducer.snapshot()
            flow, markouts = kept["flow"], kept["markouts"]
            sizes.append([len(flow[1]), len(flow[2]), len(kept["latency"]), sum(map(len, markouts))])
            assert len(kept["toxicity"][2]) <= 50
    assert sizes[0] == sizes[1]
