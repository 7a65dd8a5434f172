"""A venue's clock that is off: the desk pauses beyond its limit and comes back, and late is not what is only skewed."""

from typing import Any

import pytest

from millrace.core.clock_skew import FIGURE
from millrace.core.commands import Submit
from millrace.core.events import Measured, Started
from millrace.shell.measures import Measures
from millrace.sim.venue_clock import TRUE_CLOCK, VenueClock
from millrace.world.assemble import build_measures
from quote_runs import QuoteRun, quote_run

MS = 1_000_000
SECOND = 1_000 * MS
QUICK = {"quoting_market_guard__resume_sec": 20, "quoting_market_guard__check_sec": 5}


def timed_run(**given: Any) -> tuple[QuoteRun, Measures]:
    """Return a run whose venue is asked for its time every five seconds."""
    run = quote_run(**given)
    measures = build_measures(run.program, run.ledger, lambda: 2**40)
    run.simulation.measures = measures
    return run, measures


def told(run: QuoteRun) -> list[float]:
    return [event.value for event, _ in run.steps if isinstance(event, Measured) and event.name == FIGURE]


def market_bits(run: QuoteRun) -> list[str]:
    return run.desk.status(run.program.engine)["figures"]["market"]


def skew_ms(run: QuoteRun) -> int:
    return run.desk.status(run.program.engine)["figures"]["clock_skew_ms"]


def quoting(run: QuoteRun) -> int:
    return len(run.venue.open_orders(None))


@pytest.mark.parametrize("ahead_ms", [-1_500, 1_500])
def test_a_skew_beyond_the_limit_pauses_the_desk_and_it_comes_back(ahead_ms: int) -> None:
    """Quoting 4.3 addition 5: two bad checks pause, a good one after the least time resumes."""
    run, measures = timed_run(**QUICK)
    run.run(20)
    assert quoting(run)
    assert told(run) == [], "clocks that agree are no news"
    run.simulation.line.clock = VenueClock(ahead_ms * MS)
    run.run(20)
    assert abs(skew_ms(run) - ahead_ms) <= 50, "certain to half the round trip"
    assert market_bits(run) == ["feed_lag"]
    assert not quoting(run)
    before = len(run.commands(Submit))
    run.run(30)
    assert len(run.commands(Submit)) == before, "paused as long as it lasts"
    run.simulation.line.clock = TRUE_CLOCK
    run.run(40)
    assert told(run)[-1] == 0.0
    assert market_bits(run) == []
    assert quoting(run)
    ((low_ns, high_ns),) = measures.leads.values()
    assert low_ns <= 0 <= high_ns


@pytest.mark.parametrize("ahead_ms", [-800, 800])
def test_a_skew_within_the_limit_changes_nothing_and_its_messages_are_not_late(ahead_ms: int) -> None:
    """Without the correction a venue 0.8 s behind would look like a feed that lags by it, and nothing new would leave."""
    run, _ = timed_run(**QUICK)
    run.run(10)
    run.simulation.line.clock = VenueClock(ahead_ms * MS)
    run.run(10)
    before = len(run.commands(Submit))
    run.run(40)
    figures = run.desk.status(run.program.engine)["figures"]
    assert abs(figures["clock_skew_ms"] - ahead_ms) <= 50
    assert (figures["market"], figures["backs_off"]) == ([], False)
    assert quoting(run)
    assert len(run.commands(Submit)) > before


def test_a_clock_that_drifts_is_told_step_by_step_and_pauses_the_desk_when_it_is_off_by_the_limit() -> None:
    run, _ = timed_run(**QUICK, quoting_market_guard__clock_skew_ms=300)
    run.run(5)
    run.simulation.line.clock = VenueClock(0, 10_000, run.simulation.now_ns)  # 10 ms in a second
    run.run(25)
    assert market_bits(run) == []
    run.run(30)
    assert market_bits(run) == ["feed_lag"]
    values = told(run)
    assert 6 <= len(values) <= 12
    assert values == sorted(values)


def test_messages_from_the_future_prove_a_skew_that_no_answer_told() -> None:
    run = quote_run(**QUICK)
    run.run(10)
    run.simulation.line.clock = VenueClock(3 * SECOND)
    run.run(20)
    assert told(run) == []
    assert 2_800 <= skew_ms(run) <= 3_000
    assert market_bits(run) == ["feed_lag"]


def test_a_start_forgets_the_skew_and_what_holds_is_told_again() -> None:
    run, measures = timed_run(**QUICK)
    run.simulation.line.clock = VenueClock(-400 * MS)
    run.run(10)
    assert skew_ms(run) < -300
    before = len(told(run))
    run.simulation.feed_event(Started(restart=True, ts_ns=run.simulation.now_ns))
    run.desk.tick(next(iter(run.desk.symbols.values())), run.program.engine)
    assert run.desk.snapshot()["lead_ns"] == 0
    run.simulation.measures = build_measures(run.program, run.ledger, lambda: 2**40)
    del measures
    run.run(10)
    assert len(told(run)) > before
    assert skew_ms(run) < -300
