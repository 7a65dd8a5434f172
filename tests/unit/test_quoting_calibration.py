"""A made-up recording whose fills, moves and losses are known is read back (`millrace study quoting`)."""

from math import log
from random import Random

import pytest

from millrace.config.knobs_quoting import read_overrides
from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookSnapshot
from millrace.core.events import Print
from millrace.core.failure import WorldError
from millrace.core.instrument import InstrumentId
from millrace.research.quoting_calibration import calibrate, calibration_text

SECOND_NS = 1_000_000_000
AT = InstrumentId("binance", "TESTUSDT")
SECONDS, PER_SIDE, DECAY = 4_000, 0.8, 0.5


def book(ts_ns: int, middle: int) -> BookSnapshot:
    bids, asks = (BookLevel(middle - 50, 10),), (BookLevel(middle + 50, 10),)
    return BookSnapshot(AT, ts_ns, 0, ts_ns, bids, asks)


def recording(*, moves: bool = False):
    """A middle at 1,000,000 ticks (a tick is 0.01 bps), sweeps whose depths are exponential beyond the half width."""
    draw = Random(4)
    middle = 1_000_000
    for second in range(1, SECONDS):
        start = second * SECOND_NS
        if moves:
            middle += draw.choice((-20, 20))
        yield book(start, middle)
        for sells in (True, False):
            if draw.random() >= PER_SIDE:
                continue
            ts_ns = start + (SECOND_NS // 2 if sells else SECOND_NS // 3)
            depth = 50 + round(-log(1.0 - draw.random()) / DECAY * 100)
            for part in (50, depth):
                yield Print(AT, ts_ns, middle - part if sells else middle + part, 1, sells)


def test_a_known_market_is_read_back() -> None:
    found = calibrate(recording(), 50.0)
    assert found.symbol == "TESTUSDT"
    assert found.seconds == SECONDS - 1
    assert found.sweeps == pytest.approx(2 * PER_SIDE * SECONDS, rel=0.05), "parts of one sweep are one"
    assert found.half_width_bps == pytest.approx(0.5)
    assert found.intensity.decay_per_bps == pytest.approx(DECAY, rel=0.05)
    at_half_width = found.intensity.fills_per_sec * 2.718281828 ** (-found.intensity.decay_per_bps * 0.5)
    assert at_half_width == pytest.approx(PER_SIDE, rel=0.05)
    assert found.intensity.r_squared > 0.98


def test_moves_and_volatility_are_read_back() -> None:
    found = calibrate(recording(moves=True), 50.0)
    assert found.vol_bps_sqrt_sec == pytest.approx(0.2, rel=0.02)
    assert found.moves_per_sec == pytest.approx(0.5, rel=0.1), "one of both sides is left behind at each move"
    assert 0.0 <= found.adverse_share < 0.5
    assert found.aversion > 0.0


def test_what_is_printed_is_what_the_configuration_takes() -> None:
    found = calibrate(recording(moves=True), 50.0)
    overrides = read_overrides(found.overrides())
    assert {one.symbol for one in overrides} == {"TESTUSDT"}
    assert len(overrides) == 6
    assert found.overrides() in calibration_text(found)


def test_a_market_without_moves_has_no_aversion_and_an_empty_one_nothing() -> None:
    with pytest.raises(WorldError, match="say nothing"):
        calibrate([book(SECOND_NS, 1_000_000)], 50.0)


def test_a_real_recording_has_fills_that_get_fewer_with_distance(shared) -> None:
    """Six minutes of Bitcoin: what `millrace study quoting` prints of it is sound and explains most of what it saw."""
    from millrace.research.binance_lines import open_recording

    path = shared / "data" / "l2_books" / "binance_spot_btcusdt_20240808.gz"
    found = calibrate(open_recording(path).rows(), 50.0)
    assert found.symbol == "BTCUSDT"
    assert found.intensity.decay_per_bps > 0.0
    assert found.intensity.r_squared > 0.7
    assert 0.0 < found.adverse_share < 1.0
    assert found.aversion > 0.0


def test_sweeps_that_all_end_at_the_touch_say_nothing_of_distance() -> None:
    rows: list = [book(SECOND_NS, 1_000_000)]
    for second in range(2, 7):
        rows += [Print(AT, second * SECOND_NS, 999_950, 1, taker_sells=True), book(second * SECOND_NS + 1, 1_000_000)]
    with pytest.raises(WorldError, match="none of its 5 sweeps went past the touch"):
        calibrate(rows, 10.0)
