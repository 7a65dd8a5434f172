"""An operator of a running program releases an exit, and clears the venue's book of what nobody knows (slots 11, 18)."""

from msgspec import structs

from demo_runs import MINUTE, assert_sound, open_run
from millrace.core.commands import Approved, Reply
from millrace.core.events import Operator
from millrace.world.folder.run_folder import Run

WIDE = {
    "run.seed": 2,
    "release.min_age_sec": 0.0,
    "release.min_distance_pct": 0.0,
    "release.adx_threshold": 0.0,
    "regime.adx_period": 2,
    "slots.profit_pct": 3.0,
    "slots.volatility_auto_profit": False,
}


def asked(run: Run, action: str, **args: object) -> list[Reply]:
    """Ask, let a minute pass, and return all replies."""
    replies: list[Reply] = []
    run.simulation.sequencer.listen(
        lambda _, commands: replies.extend(command for command in commands if isinstance(command, Reply))
    )
    now_ns = run.simulation.now_ns
    run.simulation.feed_event(Operator(action, dict(args), now_ns, "q1"))
    run.simulation.run_until(now_ns + MINUTE)
    return replies


def slot_with_exit(run: Run) -> int:
    slots = run.program.grid.grid.slots.values()
    return next(
        slot.slot_id
        for slot in slots
        for order in slot.state.orders
        if order.role == "exit" and order.state == "live" and order.local_id in slot.sent
    )


def test_a_release_by_hand_in_both_modes_leaves_a_sound_folder(tmp_path):
    for mode in ("synthetic", "market"):
        changes = WIDE | {"release.close_mode": mode}
        run = open_run(tmp_path / mode, changes)
        run.simulation.run_until(run.simulation.now_ns + 90 * MINUTE)
        slot_id = slot_with_exit(run)
        (shown,) = asked(run, "release_slot", slot_id=slot_id, preview=True)
        assert shown.data["eligible"], shown.message
        begun, done = asked(run, "release_slot", slot_id=slot_id)
        assert (begun.final, done.final, done.data["outcome"]) == (False, True, "released")
        assert {begun.request, done.request} == {"q1"}
        (record,) = run.ledger.bookings("release")
        assert record.values["outcome"] == "released"
        causes = [row.values["cause"] for row in run.ledger.bookings("cycle") if row.values["released"]]
        assert causes == [{"synthetic": "release", "market": "market_release"}[mode]]
        assert len(run.ledger.bookings("residue")) == (mode == "synthetic")
        run.close()
        assert_sound(tmp_path / mode, changes)


def test_an_order_with_our_tag_that_nobody_knows_is_listed_and_on_a_persons_word_cancelled(tmp_path):
    run = open_run(tmp_path / "run", WIDE)
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    known = run.program.orders.unfinished()[0]
    name = known.client_id[:-4] + "ffff"
    stranger = Approved(structs.replace(known.place, key="stranger"), name, 0, run.simulation.now_ns)
    run.venue.place(stranger, run.simulation.now_ns)
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    listed = asked(run, "reconcile_drift")
    assert [reply.data.get("orders") for reply in listed] == [{"kraken": [name]}, None]
    assert "gate of releases: clear" in listed[-1].message
    assert run.venue.order_status(name).state == "open", "listing touches nothing"
    assert asked(run, "reconcile_drift", confirm=True)[0].data["cancelling"] == 1
    assert run.venue.order_status(name).state == "cancelled"
    run.simulation.run_until(run.simulation.now_ns + 10 * MINUTE)
    assert asked(run, "reconcile_drift")[0].data["orders"] == {}
    assert [posted.id for posted in run.program.engine.restrictions()] == []
    run.close()
