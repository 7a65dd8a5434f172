"""Grid, arbitrage desk and quote desk in one program: one history whatever is skipped, in any process, after a kill."""

from collections import Counter
from pathlib import Path

from test_grid_and_desk import lived

from both_run import MINUTE, SMALL, THREE
from demo_runs import as_killed, open_run
from millrace.core.commands import Command
from millrace.core.events import Event
from millrace.core.guard import merged
from millrace.core.strategy import Interest
from millrace.world.afterwards.audit import disagreements
from millrace.world.afterwards.replay import replay


def test_lazy_is_eager_whatever_the_hash_seed():
    lazy, eager = lived("1", "lazy", 8, THREE), lived("4242", "eager", 8, THREE)
    assert lazy == eager
    done = lazy["done"]
    assert done["quoting RecordFill"] > 20
    assert done["slots Submit"] > 5
    assert lazy["held_is_true"]
    assert lazy["fault"] == "None"


def test_what_is_remembered_of_when_to_wake_each_part_is_what_it_says_when_asked_anew(tmp_path: Path):
    run = open_run(tmp_path / "run", SMALL | THREE | {"run.seed": 22})
    engine, seen = run.program.engine, Counter[str]()

    def compare(event: Event, commands: list[Command]) -> None:
        del commands
        anew = [strategy.interest() for strategy in engine.strategies]
        told = engine.interest()
        legs_ns = engine.orders.legs.next_ns
        guards = [guard.interest() for guard in engine.guards] + [Interest(deadline_ns=legs_ns)] * (legs_ns is not None)
        assert told == merged(anew, [one for one in guards if one != Interest()]), event
        seen[type(event).__name__] += 1

    run.simulation.sequencer.listen(compare)
    run.simulation.run_until(run.simulation.now_ns + MINUTE)
    assert min(seen[kind] for kind in ("BookDelta", "BinaryQuote", "Timer", "OrderAccepted")) > 20
    run.close()


def test_killed_and_continued_all_venues_agree_and_the_replay_says_the_same(tmp_path: Path):
    changes = SMALL | THREE | {"run.seed": 21}
    run = open_run(tmp_path / "run", changes)
    run.simulation.run_until(run.simulation.now_ns + 2 * MINUTE)
    run.snapshot()
    run.simulation.run_until(run.simulation.now_ns + MINUTE // 2 + 1)
    resting = {order.client_id for order in run.depth.here.open_orders()}
    assert resting
    again = open_run(as_killed(run, tmp_path / "copy"), changes)
    known = {key for one in again.program.quotes.symbols.values() for key in one.working.orders}
    ours = {
        order.place.key for order in again.program.orders.unfinished() if order.place.position.strategy == "quoting"
    }
    assert known == ours  # orders that survive are the desk's own, from snapshot and journal
    again.simulation.run_until(again.simulation.now_ns + MINUTE)
    venue, desk = again.depth.here, again.program.quotes
    for one in desk.symbols.values():
        facts = one.instrument
        held = sum(venue.balances()[facts.base]) - venue.settings.opening[facts.base]
        assert facts.base_amount(again.program.orders.position(one.position)) == held
        assert one.reducer.account.position == again.program.orders.position(one.position)
    assert again.status()["quoting"]["fills"] > 0
    again.close()
    replayed = replay(tmp_path / "copy")
    assert replayed.divergence is None
    assert not replayed.faults
    last = open_run(tmp_path / "copy", changes, still=True)
    last.simulation.run_until(last.simulation.now_ns + 1)
    last.close()
    assert disagreements(tmp_path / "copy") == []
