"""Silences of the stream and connections made anew are counted once, and survive a restart (quoting 9)."""

from millrace.core.binary_events import StreamReset
from millrace.strategies.quoting.tally import GAP_BOUNDS_MS, StreamTally
from quote_runs import quote_run

MS = 1_000_000


def test_a_silence_falls_into_the_bucket_that_it_does_not_exceed() -> None:
    tally = StreamTally()
    for gap_ms in (10, 11, 40_000):
        tally.silent(gap_ms * MS)
    gaps = tally.shown()["gaps"]
    assert gaps[0] == gaps[1] == gaps[len(GAP_BOUNDS_MS)] == 1
    assert sum(gaps[:-1]) == 3
    assert gaps[-1] == 40_021


def test_the_desk_counts_its_own_stream_and_goes_on_after_a_restart() -> None:
    run = quote_run(quoting__symbols=2)
    run.run(5)
    shown = run.desk.telemetry()["stream"]
    assert shown["reconnects"] == 0
    assert 0 < shown["gaps"][-1] <= 5_000, "all silences together are no longer than the run"
    for venue in (*run.desk.venues, "elsewhere"):
        run.simulation.feed_event(StreamReset(venue, run.simulation.now_ns))
    shown = run.desk.telemetry()["stream"]
    assert shown["reconnects"] == 1
    fresh = quote_run(quoting__symbols=2)
    fresh.desk.restore(run.desk.snapshot())
    assert fresh.desk.telemetry()["stream"] == shown
