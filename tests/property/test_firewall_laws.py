"""Laws of the firewall: passing rows in blocks changes nothing, its counts add up, its words are a closed list (2.2)."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feeds import RAIN, SECOND, book, firewall, seconds
from millrace.core.data_quality import QuoteReason, Verdict
from millrace.core.events import MarketBlock, Print, Quote
from millrace.core.instrument import InstrumentId
from millrace.market import feed_tally, watch
from millrace.market.firewall import Firewall

PAIR = InstrumentId("kraken", "DOGE/USD")
STEPS_SEC = st.sampled_from([0.0, 0.1, 0.3, 1.0, 7.0, 20.0, 61.0, 900.0, -1.0])
MOVES_PCT = st.sampled_from([0.0, 0.1, -0.2, 2.9, 3.0, 3.2, -4.0, 40.0, -100.0])
ROWS = st.lists(st.tuples(STEPS_SEC, MOVES_PCT, st.sampled_from([1, 1, 1, 1, 0, -1])), min_size=1, max_size=120)


def prints(rows):
    at_ns, price, found = seconds(0), 1_000_000, []
    for step, move, lots in rows:
        at_ns += round(step * SECOND)
        moved = round(price * (1 + move / 100))
        found.append((at_ns, moved, lots))
        price = max(moved, 100_000)
    return [np.array(column, np.int64) for column in zip(*found, strict=True)]


def quotes(rows):
    ts_ns, ticks, lots = prints(rows)
    spread = np.array([(-3, 0, 5, 5, 5)[index % 5] if len(rows) % 2 else 5 for index in range(len(rows))])
    return [ts_ns, ticks, ticks + spread, np.full(len(ts_ns), 5), np.where(lots < 0, 0, 5)]


def event_of(columns, row):
    values = [int(column[row]) for column in columns]
    return Print(PAIR, *values) if len(columns) == 3 else Quote(PAIR, *values)


def known():
    wall = Firewall()
    wall._spot.know(PAIR, 1)
    return wall


def one_by_one(wall, columns):
    return [wall.judge(event_of(columns, row)) for row in range(len(columns[0]))]


def in_blocks(wall, columns, cuts):
    """Pass what may be passed in bulk, as a feed does; rows named by `cuts` are woken for in any case."""
    odd = {*wall.odd_rows(PAIR, tuple(columns)).tolist(), *cuts}
    judged, row, count = [], 0, len(columns[0])
    while row < count:
        end = row
        if wall.is_plain(PAIR):
            while end < count and end not in odd:
                end += 1
        if end > row:
            packed = tuple(column[row:end].astype("<i8").tobytes() for column in columns)
            kind = "print" if len(columns) == 3 else "quote"
            assert wall.judge(MarketBlock(PAIR, int(columns[0][end - 1]), kind, packed)) is None
            judged += [None] * (end - row)
            row = end
            continue
        judged.append(wall.judge(event_of(columns, row)))
        row += 1
    return judged


def state_of(wall):
    """The state that can matter later: without the counts of five seconds that are long over."""
    found = wall.snapshot()
    for feed in found["feeds"].values():
        feed["buckets"] = [bucket for bucket in feed["buckets"] if bucket[0] > feed["bucket"] - 6]
    return found


@given(ROWS, st.booleans(), st.sets(st.integers(0, 119), max_size=4))
def test_rows_in_blocks_leave_what_rows_one_by_one_leave(rows, quoted, cuts):
    columns = (quotes if quoted else prints)(rows)
    eager, lazy = known(), known()
    assert in_blocks(lazy, columns, cuts) == one_by_one(eager, columns)
    assert state_of(lazy) == state_of(eager)
    now_ns = int(columns[0].max())
    for later in range(0, 40, 5):
        assert lazy.health("kraken", now_ns + later * SECOND) == eager.health("kraken", now_ns + later * SECOND)


@pytest.mark.parametrize("most_rows", [50, 65_536])
def test_a_long_quiet_block_is_what_its_rows_are(monkeypatch, most_rows):
    for module in (feed_tally, watch):
        monkeypatch.setattr(module, "MOST_ROWS", most_rows)
    rng = np.random.default_rng(5)
    ts_ns = seconds(0) + np.cumsum(rng.integers(0, 90 * SECOND, 3_000))
    ticks = np.rint(1_000_000 * np.exp(np.cumsum(rng.normal(0, 1e-3, 3_000)))).astype(np.int64)
    columns = [ts_ns, ticks, np.ones(3_000, np.int64)]
    eager, lazy = known(), known()
    assert in_blocks(lazy, columns, set(range(0, 3_000, 70))) == one_by_one(eager, columns)
    assert state_of(lazy) == state_of(eager)


CENTS = st.one_of(st.none(), st.integers(-5, 105), st.integers(30, 70))


@settings(max_examples=200)
@given(st.lists(st.tuples(CENTS, CENTS, CENTS, CENTS, st.integers(0, 30), st.floats(0, 5)), max_size=60))
def test_every_observation_has_one_verdict_and_only_accepted_ones_become_the_book(seen):
    wall, at, version = firewall(), 0.0, 0
    last = None
    for yes, no, yes_bid, no_bid, skip, step in seen:
        at, version = at + step, version + skip - 3
        shown = book(yes, no, yes_bid, no_bid, at=at, version=version)
        judged = wall.judge(shown)
        if judged is None or judged.is_accepted:
            last = shown
        else:
            assert judged.reasons, "a verdict other than accept says why"
        assert wall.book(RAIN) == last
        if wall.tradable(RAIN, shown.ts_ns) == ():
            assert wall.leg_verdict(RAIN).verdict is Verdict.ACCEPT
    counts = wall.counts().get("kalshi")
    if counts is not None:
        assert sum(counts.verdicts.values()) == len(seen)


def test_2_2_a3_of_many_random_quotes_the_counts_add_up_and_the_words_stay_few():
    """A million take half a minute; a tenth of them shows the same."""
    rng = np.random.default_rng(17)
    wall, count = firewall(), 100_000
    cents = rng.integers(-2, 103, (count, 4)).tolist()
    versions = np.cumsum(rng.integers(-1, 4, count)).tolist()
    plain = 0
    for index, (sides, version) in enumerate(zip(cents, versions, strict=True)):
        plain += wall.judge(book(*sides, at=0.01 * index, version=version)) is None
    counts = wall.counts()["kalshi"]
    assert sum(counts.verdicts.values()) == count
    assert len(counts.reasons) <= len(QuoteReason)
    assert sum(counts.reasons.values()) >= count - plain
