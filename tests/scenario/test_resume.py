"""A run that is continued from a snapshot decides what it would have decided (issue 2, Shown by; design section 8.5)."""

from typing import Any

import pytest

import grid_runs as grid
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Reply
from millrace.core.events import Event, Operator, OrderRejected, RejectReason
from millrace.world.assemble import build_program
from millrace.world.backtest import Assembled

SMALL = {"slots.count": 6}
OFTEN_FILLED = {"slots.refresh_pct": 0.1, "slots.profit_pct": 0.6, "slots.entry_pct": 0.05}
LEGACY = {
    "slots.sticky_mode_enabled": False,
    "slots.order_size_usd": 12.0,
    "slots.s1_orphan_after_sec": 300.0,
    "slots.s2_orphan_after_sec": 900.0,
    "slots.recovery_evict_books": True,
    "slots.daily_loss_limit_usd": 0.05,
}
SOON_STUCK = {"release.max_stuck_pct": 0.3, "release.panic_stuck_pct": 0.8, "release.recovery_target_pct": 0.5}
PART_FILLS = {
    "venue.participation": 1e-3,
    "venue.request_latency_ms": 1_500,
    "venue.response_latency_ms": 400,
    "slots.refresh_pct": 0.05,
}


def swap_engine(settings: grid.Settings, assembled: Assembled) -> None:
    """Put a fresh engine, restored from the old one's snapshot through the codec, into its place."""
    sequencer = assembled.simulation.sequencer
    saved = encode_state(sequencer.engine.snapshot())
    fresh = build_program(settings).engine
    fresh.restore(decode_state(saved))
    again = encode_state(fresh.snapshot())
    assert again == saved, difference(decode_state(saved), decode_state(again))
    assembled.simulation.engine = sequencer.engine = fresh
    executor = assembled.simulation.executor
    executor._board, executor._unanswered._orders = fresh.board, fresh.orders


def difference(one: Any, other: Any, path: str = "state") -> str:
    """Return where two states part."""
    if isinstance(one, dict) and isinstance(other, dict) and list(one) == list(other):
        parts = [(f"{path}.{key}", one[key], other[key]) for key in one]
    elif isinstance(one, list) and isinstance(other, list) and len(one) == len(other):
        parts = [(f"{path}[{place}]", *pair) for place, pair in enumerate(zip(one, other, strict=True))]
    else:
        return f"{path}: {one!r} became {other!r}" if one != other else ""
    return next((found for name, a, b in parts if (found := difference(a, b, name))), "")


def resumed(settings, columns, requests=(), *, every: int, lazy: bool = True) -> tuple[grid.Outcome, int]:
    """Return the run with the engine swapped before every so-many-th event, and the number of swaps."""
    assembled, commands = grid.prepared(settings, columns, lazy=lazy)
    simulation = assembled.simulation
    sequencer, plain_feed = simulation.sequencer, simulation.sequencer.feed
    fed = 0

    def feed(event: Event) -> int | None:
        nonlocal fed
        fed += 1
        if fed % every == 0:
            swap_engine(settings, assembled)
        return plain_feed(event)

    sequencer.feed = feed
    for request in requests:
        simulation.line.push(request.ts_ns, "event", Operator(request.action, request.args, request.ts_ns))
    simulation.run_until(int(columns.ts_ns[-1]) + grid.AFTER_NS)
    return grid.Outcome(sequencer.engine.command_hash.hex(), commands, assembled), fed // every


@pytest.mark.parametrize(
    ("changes", "every", "hours"),
    [
        (SMALL | OFTEN_FILLED, 1, 6),
        (SMALL | OFTEN_FILLED | grid.ACTING_SIZER, 2, 12),
        (SMALL | LEGACY, 2, 12),
        (SMALL | PART_FILLS | grid.ACTING_SIZER, 11, 8),
        ({"slots.count": 80}, 97, 12),
        (SMALL | OFTEN_FILLED | grid.ADAPTIVE, 2, 12),
        (SMALL | OFTEN_FILLED | grid.REBALANCING, 3, 12),
        (SMALL | OFTEN_FILLED | grid.USD_STICKY | grid.REBALANCING | {"slots.capital_layers": 5}, 3, 12),
        (SMALL | OFTEN_FILLED | grid.MOMENTUM, 2, 12),
        (SMALL | OFTEN_FILLED | grid.STRICT, 3, 12),
        (SMALL | grid.RELEASING | SOON_STUCK, 11, 6),
        (SMALL | grid.RELEASING | SOON_STUCK | {"release.close_mode": "market"}, 11, 6),
    ],
    ids=[
        "every event",
        "sizer acting",
        "slots that time out",
        "part fills",
        "80 slots",
        "adaptive",
        "rebalancing",
        "shared",
        "momentum",
        "strict",
        "releasing",
        "releasing at the market",
    ],
)
def test_from_many_cuts(changes, every, hours):
    settings = grid.settings_for("demo", changes, bar_ns=0)
    columns = grid.generated(seed=4, hours=hours, day=grid.FIRST_DAY + 1, from_hour=20)
    whole = grid.played(settings, columns, lazy=True)
    outcome, swaps = resumed(settings, columns, every=every)
    grid.assert_same(outcome, whole)
    assert swaps >= 20
    assert whole.fills > 10


def test_waking_on_everything_resumes_too():
    settings = grid.settings_for("demo", SMALL | OFTEN_FILLED, bar_ns=0)
    columns = grid.generated(seed=4, hours=1)
    outcome, _ = resumed(settings, columns, every=10, lazy=False)
    grid.assert_same(outcome, grid.played(settings, columns, lazy=True))


def test_the_judgement_of_fill_health_survives_a_snapshot():
    """A snapshot without the windows let the tail of a journal answer `add_slot` otherwise than the run had."""
    settings = grid.settings_for("demo", SMALL | PART_FILLS, bar_ns=0)
    columns = grid.generated(seed=4, hours=12, day=grid.FIRST_DAY + 1, from_hour=20)
    asked_ns = int(columns.ts_ns[-1]) - grid.HOUR_NS
    requests = [grid.Request(asked_ns, "add_slot", {})]
    whole = grid.played(settings, columns, requests, lazy=True)
    told = [
        command.said for _, command in whole.commands if isinstance(command, Reply) and command.action == "add_slot"
    ]
    assert told == ["refused: the capacity band is stop; force=true adds the slot all the same"]
    grid.assert_same(resumed(settings, columns, requests, every=400)[0], whole)


def test_a_level_that_the_grid_posts_has_every_slot_looked_at_in_the_next_loop():
    """Otherwise the moment depends on whether a print in between was shown or skipped."""
    changes = {"slots.max_consecutive_errors": 1, "venue.request_latency_ms": 600_000}
    settings = grid.settings_for("demo", SMALL | changes, bar_ns=0)
    assembled, _ = grid.prepared(settings, grid.generated(seed=4, hours=1), lazy=True)
    simulation, slots = assembled.simulation, assembled.program.grid
    simulation.run_until(simulation.now_ns + 5 * grid.MINUTE_NS)
    assert not slots.grid.dirty
    order = assembled.program.orders.unfinished()[0]
    rejected = OrderRejected(order.client_id, RejectReason.OTHER, "a test", simulation.now_ns)
    assert any("errors" in repr(command) for command in simulation.engine.step(rejected))
    assert slots.grid.dirty == set(slots.grid.slots)
    assert slots.interest().deadline_ns == slots.interest().heartbeat_ns
