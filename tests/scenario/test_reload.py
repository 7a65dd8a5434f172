"""Settings of a running program are changed as one event, and every part in use has them (runtime 1.4, 2.24, W4)."""

import gc
from collections.abc import Iterator
from pathlib import Path
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import msgspec
import pytest

from demo_runs import MINUTE, SECOND, as_killed, assert_sound, open_run
from millrace.config.in_flight import in_flight
from millrace.config.knobs import KNOBS
from millrace.config.settings import Settings
from millrace.core.commands import Reply
from millrace.core.events import ConfigApplied
from millrace.core.failure import OperatorError
from millrace.shell.journal import read_journal
from millrace.shell.mailbox import Request
from millrace.sim.lanes import SimulatedLanes
from millrace.strategies.slots.settings import SlotsSettings
from millrace.venues.batch_facts import batch_facts
from millrace.world.afterwards.replay import replay
from millrace.world.folder.run_folder import Run
from millrace.world.in_use import in_use
from millrace.world.quoting.desk import quote_batches
from millrace.world.reload import UNUSABLE, changed_settings, reload

QUOTING = {"quoting.enabled": True, "quoting.symbols": 2}
MAX_SPREAD = "quoting_adaptive_spread.max_spread_bps"


def ask(run: Run, **changes: Any) -> Reply:
    return reload(run, Request("r1", "reload", {key.replace("__", "."): value for key, value in changes.items()}))


def play(run: Run, seconds: float = 15) -> None:
    run.simulation.run_until(run.simulation.now_ns + round(seconds * SECOND))
    assert run.program.engine.fault is None


def configs(folder: Path) -> list[ConfigApplied]:
    return [step.event for step in read_journal(folder) if isinstance(step.event, ConfigApplied)]


@pytest.fixture
def run(tmp_path: Path) -> Iterator[Run]:
    made = open_run(tmp_path / "run", QUOTING)
    play(made)
    yield made
    made.close()


def test_a_change_is_one_event_and_every_tick_from_then_on_names_it(run: Run) -> None:
    """quoting 10: hot reload swaps the whole object between ticks; every TickResult names the config hash."""
    old = run.program.quotes
    assert old is not None
    orders = {order.client_id for order in run.program.orders.unfinished()}
    answer = ask(run, quoting_adaptive_spread__max_spread_bps=1.5)
    assert answer.ok
    assert answer.data["in_use"] == {MAX_SPREAD: 1.5}
    assert answer.data["config"] == run.settings.digest
    new = run.program.quotes
    assert new is not None
    assert new is not old
    assert new in run.program.engine.strategies
    assert old not in run.program.engine.strategies
    assert {order.client_id for order in run.program.orders.unfinished()} == orders, (
        "a change cancels nothing by itself"
    )
    assert {one.config.config_hash for one in new.symbols.values()} == {new.settings.digest}
    assert new.settings.digest != old.settings.digest
    play(run, 10)
    assert max(one.tally.gauges["adaptive_spread_bps"] for one in new.symbols.values()) <= 1.5
    run.close()
    applied = configs(run.folder)
    assert [event.changed for event in applied] == [(), (MAX_SPREAD,)]
    assert applied[-1].request == "r1"
    assert applied[-1].values[MAX_SPREAD] == 1.5
    assert replay(run.folder).divergence is None


def test_the_same_change_again_changes_nothing_and_says_so(run: Run) -> None:
    assert ask(run, quoting_adaptive_spread__max_spread_bps=1.5).ok
    again = ask(run, quoting_adaptive_spread__max_spread_bps=1.5)
    assert again.ok
    assert "nothing to change" in again.message
    assert len(configs(run.folder)) == 2


def test_a_dry_run_shows_the_difference_and_changes_nothing(run: Run) -> None:
    before, parts = run.settings.digest, run.program.engine.strategies
    answer = ask(run, slots__entry_pct=0.3, dry_run=True)
    assert answer.ok
    assert "slots.entry_pct: 0.05 -> 0.3" in answer.message
    assert (run.settings.digest, run.program.engine.strategies) == (before, parts)
    assert len(configs(run.folder)) == 1


def test_all_of_it_or_none_of_it(run: Run) -> None:
    before = run.settings.digest
    answer = ask(run, slots__entry_pct=0.3, firewall__jump_spot_pct=5.0)
    assert not answer.ok
    assert "firewall.jump_spot_pct: 3.0 -> 5.0  REFUSED: holds from a start on" in answer.message
    wrong = ask(run, quoting_adaptive_spread__max_spread_bps=0.1)
    assert wrong.code == UNUSABLE
    assert "min_spread_bps = 0.6 must be <=" in wrong.message
    assert ask(run, slots__order_size_mode="DOGG").code == UNUSABLE
    assert ask(run, slots__entry_pcd=1.0).code == UNUSABLE
    assert run.settings.digest == before
    assert len(configs(run.folder)) == 1


def test_caps_are_tightened_in_flight_and_loosened_at_a_start(run: Run) -> None:
    """design 5.8."""
    assert ask(run, stops__daily_loss_cap_usd=500.0).ok
    assert not ask(run, stops__daily_loss_cap_usd=600.0).ok
    assert ask(run, stops__daily_loss_cap_usd=400.0, slots__daily_loss_limit_usd=2.5).ok
    assert not ask(run, slots__daily_loss_limit_usd=3.0).ok
    assert not ask(run, stops__total_failures=0).ok, "0 is no limit"
    assert ask(run, stops__total_failures=4, stops__allocated_capital_usd=5_000.0).ok
    play(run)
    drawdown = run.status()["guards"]["drawdown"]
    assert drawdown, "capital that was allocated in flight is watched from then on, with the fills before it"
    assert all(abs(row["drawdown_ratio"]) < 0.05 for row in drawdown.values())
    run.close()
    assert replay(run.folder).divergence is None


def test_the_grid_takes_a_distance_that_no_hand_had_set(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    play(run)
    slots = {order.client_id for order in run.program.orders.unfinished()}
    answer = ask(run, slots__entry_pct=0.3, sizer__enabled=True, run__entry_valid_for_sec=12.0)
    assert answer.ok
    assert run.program.grid.grid.entry_pct == 0.3
    assert run.program.grid.grid.sizer.config.enabled is True
    spot = run.executors.by_venue[run.program.spot_venue]
    assert spot._valid_for_ns == 12 * SECOND
    assert {order.client_id for order in run.program.orders.unfinished()} == slots
    run.simulation.run_until(run.simulation.now_ns + 3 * MINUTE)
    folder = run.folder
    run.close()
    assert replay(folder).divergence is None


# What a start does with it


CHANGED = {"slots.entry_pct": 0.3}


def changed_and_killed(tmp_path: Path) -> Path:
    run = open_run(tmp_path / "run")
    play(run)
    assert ask(run, slots__entry_pct=0.3).ok
    folder = as_killed(run, tmp_path / "killed")
    run.close()
    return folder


def test_a_change_survives_the_death_that_follows_it(tmp_path: Path) -> None:
    folder = changed_and_killed(tmp_path)
    again = open_run(folder)
    assert again.settings.slots.entry_pct == again.program.grid.grid.entry_pct == 0.3
    (notice,) = [text for text in again.notices if "slots.entry_pct" in text]
    assert "set while the program ran and stays; this start says 0.05" in notice
    play(again)
    again.close()
    assert len(configs(folder)) == 2, "nothing is new, so there is no event"
    third = open_run(folder)
    assert third.settings.slots.entry_pct == 0.3
    third.close()
    assert_sound(folder)


def test_a_start_that_says_something_new_has_the_last_word(tmp_path: Path) -> None:
    folder = changed_and_killed(tmp_path)
    other = open_run(folder, {"slots.entry_pct": 0.4})
    assert other.settings.slots.entry_pct == 0.4
    other.close()
    back = open_run(folder)
    assert back.settings.slots.entry_pct == 0.05, "what was overruled is forgotten once a start has spoken"
    back.close()
    assert replay(folder).divergence is None


def test_a_start_that_caught_up_says_nothing_more(tmp_path: Path) -> None:
    folder = changed_and_killed(tmp_path)
    caught_up = open_run(folder, CHANGED)
    assert not [text for text in caught_up.notices if "slots.entry_pct" in text]
    caught_up.close()
    assert [event.overruled for event in configs(folder)] == [{}, {"slots.entry_pct": 0.05}, {}]
    older = open_run(folder)
    assert older.settings.slots.entry_pct == 0.05, "a file set back on purpose is news"
    older.close()
    assert replay(folder).divergence is None


def test_changed_back_in_flight_nothing_is_overruled(tmp_path: Path) -> None:
    run = open_run(tmp_path / "run")
    assert ask(run, slots__entry_pct=0.3).ok
    assert ask(run, slots__entry_pct=0.05).ok
    assert run.program.engine.overruled == {}
    run.close()


# No copy left (W4)


SAID = {
    "quoting.overrides": "BTC/USDT:adaptive_spread.max_spread_bps=2.2",
    "quoting_dynamic_allocator.whitelist": "BTC/USDT",
    "quoting_dynamic_allocator.blacklist": "ETH/USDT",
    "quoting_rollout.steps_pct": "0 20 60 100",
    "quoting_rollout.salt": "another",
    "quoting_rollout.pinned_in": "BTC/USDT",
    "quoting_rollout.pinned_out": "ETH/USDT",
    "quoting_rollout.waived_mismatches": "price",
    "rebalance.target_idle_pct_mtm": 0.3,
    "arb_gates.overrides": "combo enabled no; bucket min_edge 0.03",
}
"""Words for knobs that take free text."""


def other_value(key: str, settings: Settings) -> Any:
    """Return another value of a knob that can hold; None where none is found."""
    knob, now = KNOBS[key], settings.flat()[key]
    tries: list[Any] = []
    if key in SAID:
        tries = [SAID[key]]
    elif isinstance(now, bool):
        tries = [not now]
    elif knob.choices:
        tries = [word for word in knob.choices if word != now]
    elif isinstance(now, int):
        tries = [now + 1, now - 1, now * 2]
    elif isinstance(now, float):
        tries = [now * 1.01 + 0.001, now * 0.99, now + 0.5, now + 1.0]
    for value in tries:
        try:
            found = changed_settings(settings, {key: value}).flat()[key]
        except OperatorError:
            continue
        if found == value and found != now:
            return value
    return None


def records(settings: Any) -> Iterator[msgspec.Struct]:
    for name in settings.__struct_fields__:
        part = getattr(settings, name)
        if isinstance(part, msgspec.Struct):
            yield part
            yield from records(part)


_LEAVES = (str, bytes, int, float, type, ModuleType, BuiltinFunctionType, SimulatedLanes)


def reachable(*roots: Any) -> Iterator[Any]:
    """Yield what these objects refer to, functions by what they closed over and not by their module.

    What the last scan was prepared from is left out: it lies under the very settings that it was prepared with.
    """
    seen: dict[int, Any] = {}
    queue = list(roots)
    while queue:
        one = queue.pop()
        if id(one) in seen or isinstance(one, _LEAVES):
            continue
        seen[id(one)] = one
        yield one
        if isinstance(one, FunctionType):
            queue += [one.__defaults__, *(one.__closure__ or ())]
        else:
            queue += gc.get_referents(one)


ARB = {"arb.enabled": True, "prediction.markets": 60, "slots.count": 2}


@pytest.mark.parametrize(
    ("begun", "of_arb", "seconds"),
    [({**QUOTING, "slots.sticky_mode_enabled": False}, False, 5.0), (ARB, True, 0.5)],
    ids=["grid and quotes", "arb while flat"],
)
def test_every_knob_that_may_change_is_changed_in_all_that_runs(
    tmp_path: Path, begun: dict[str, Any], of_arb: bool, seconds: float
) -> None:
    run = open_run(tmp_path / "run", begun)
    play(run, seconds)
    sections: dict[str, dict[str, Any]] = {}
    for key in KNOBS:
        if in_flight(key) in {"always", "when_flat"} and key.startswith("arb_") is of_arb:
            sections.setdefault(key.partition(".")[0], {})[key] = None
    unchanged: list[str] = []
    for keys in sections.values():
        before, wanted = run.settings, dict[str, Any]()
        settings = before
        for key in (*keys, *keys):  # some can change only after others
            value = None if key in wanted else other_value(key, settings)
            if value is not None:
                wanted[key] = value
                settings = changed_settings(settings, {key: value})
        unchanged += keys.keys() - wanted.keys()
        answer = reload(run, Request("r", "reload", wanted))
        assert answer.ok, answer.message
        if "quoting_async_batch.max_batch_size" in wanted:
            quoting = run.executors.by_venue[run.program.venues[-1]]
            assert quoting._valid_for_ns == wanted["quoting_async_batch.tick_deadline_ms"] * 1_000_000
            assert quoting._joiner.rules == quote_batches(run.settings, batch_facts(run.program.venues[-1]))
        held = in_use(run.program)
        for key, value in wanted.items():
            if key not in {"run.entry_valid_for_sec", "quoting.overrides"}:
                assert held[key] == value, key
        now = list(records(run.settings))
        gone = [record for record in records(before) if not any(record == one for one in now)]
        assert gone
        kinds = tuple({type(record) for record in gone})
        left = [one for one in reachable(run) if isinstance(one, kinds) and any(one == record for record in gone)]
        assert not left, [type(one).__name__ for one in left]
        play(run, 0.1 if of_arb else 0.5)
    assert not unchanged, unchanged
    run.close()
    assert replay(run.folder).divergence is None
    assert SlotsSettings in {type(record) for record in records(run.settings)}
