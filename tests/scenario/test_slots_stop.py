"""A stop on purpose leaves everything as it is at the venue (slots 4.6; 23, P24 and P2)."""

from demo_runs import MINUTE, open_run, venue_records
from millrace.sim.venue_log import Accepted


def test_p24_and_p2_a_stop_leaves_the_orders_at_the_venue_and_is_no_halt_at_the_next_start(tmp_path):
    run = open_run(tmp_path / "run")
    run.simulation.run_until(run.simulation.now_ns + 30 * MINUTE)
    instrument = run.program.instrument.id
    resting = {order.client_id for order in run.venue.open_orders(instrument)}
    assert len(resting) > 12
    run.close()
    assert {order.client_id for order in run.venue.open_orders(instrument)} == resting
    again = open_run(tmp_path / "run")
    assert {order.client_id for order in again.venue.open_orders(instrument)} == resting
    taken = sum(isinstance(record, Accepted) for record in venue_records(tmp_path / "run"))
    again.simulation.run_until(again.simulation.now_ns + 30 * MINUTE)
    assert again.program.engine.restrictions() == []
    again.close()
    assert sum(isinstance(record, Accepted) for record in venue_records(tmp_path / "run")) > taken, "it trades on"
