"""Every way in which an order can end in parts, told in every order (slots 6; 24, the partial matrix).

Entry, exit and carved-out recovery; cancelled or expired by the venue; the executed part and the rest each tradeable or
dust (the venue takes 50 units); and the same end told by the stream, by a poll and by a replay, in any order of the
three. Whatever the order, the books end alike, hold what the fills say, and lose nothing.
"""

from itertools import permutations
from typing import Any

import pytest

from millrace.core.events import EndStatus, OrderEnded, OrderEvent
from slots_desk import Desk, books

MINIMUM = 50.0
SPLITS = [(120.0, 60.0), (120.0, 100.0), (120.0, 20.0), (60.0, 30.0)]
"""Order size and what of it executed: both parts tradeable, the rest dust, the executed part dust, both dust."""


def ready(role: str, size: float) -> tuple[Desk, str]:
    """Return a desk and the order of leg B that is about to end: its entry, its exit, or a recovery of its entry."""
    desk = Desk(
        1, order_size_doge=2.0 * size if role == "recovery" else size, reentry_base_cooldown_sec=0.0,
        daily_loss_limit_usd=0.0,
    ).open()  # fmt: skip
    entry = desk.one("B")
    if role == "entry":
        return desk, entry
    if role == "exit":
        desk.fill(entry)
        desk.accept()
        return desk, desk.one("B")
    desk.end(entry, size)
    desk.accept()
    (recovery,) = desk.find("B", reduces=True)
    return desk, recovery


def tellings(desk: Desk, client_id: str, executed: float, status: EndStatus) -> list[OrderEvent]:
    """The same end three times: the fill on the stream, the ended row of a poll, that row again in a replay."""
    progress = desk.progress(client_id, executed)
    return [progress, OrderEnded(progress, status, "poll"), OrderEnded(progress, status, "replay")]


def outcome(desk: Desk) -> dict[str, Any]:
    state, grid = desk.slot().state, desk.grid
    return {
        "orders": [(order.trade_id, order.role, order.side, order.volume, order.price) for order in state.orders],
        "recoveries": [(row.side, row.volume, row.price, row.cycle) for row in state.recovery_orders],
        "dust": (state.b.dust.volume, state.b.dust.cost, state.b.dust.fee),
        "cycles": [(row.cycle, row.volume, row.net_profit, row.cause) for row in state.completed_cycles],
        "sums": (state.total_profit, state.total_fees, state.b.cycle, state.total_round_trips),
        "held": {position.leg: lots for position, lots in desk.engine.positions().items()},
        "handled": (grid.partial_cancels_handled, grid.partial_cancels_unhandled),
        "broken": grid.violations,
    }


@pytest.mark.parametrize("role", ["entry", "exit", "recovery"])
@pytest.mark.parametrize("status", list(EndStatus))
@pytest.mark.parametrize(("size", "executed"), SPLITS, ids=["both", "rest is dust", "executed is dust", "both dust"])
def test_24_an_order_that_ends_in_parts_leaves_the_same_whatever_is_told_first(role, status, size, executed):
    found = []
    for order in permutations(range(3)):
        desk, client_id = ready(role, size)
        told = tellings(desk, client_id, executed, status)
        desk.sent.pop(client_id)
        for number in order:
            desk.step(told[number])
        found.append(outcome(desk))
    first = found[0]
    assert found == [first] * len(found)
    assert (first["broken"], first["handled"]) == (0, (2 if role == "recovery" else 1, 0))
    check(role, size, executed, first)


def check(role: str, size: float, executed: float, found: dict[str, Any]) -> None:
    rest = size - executed
    (dust, _, _), orders = found["dust"], [row for row in found["orders"] if row[0] == "B"]
    if role == "entry":
        assert found["held"] == {"B": round(executed * 1e8)}
        assert not found["cycles"]
        waits = sum(row[1] for row in found["recoveries"]) + sum(row[3] for row in orders if row[1] == "exit")
        assert waits == (executed if executed >= MINIMUM else 0.0)
        assert dust == (0.0 if executed >= MINIMUM else executed)
        entries = [row[3] for row in orders if row[1] == "entry"]
        assert entries == ([] if executed >= MINIMUM > rest else [rest if rest >= MINIMUM else size])
        return
    (cycle,) = found["cycles"]
    assert cycle[1] == executed, "what executed is booked, and no more"
    waits = sum(row[1] for row in found["recoveries"]) + sum(row[3] for row in orders if row[1] == "exit")
    assert waits == (rest if rest >= MINIMUM else 0.0)
    assert dust == (0.0 if rest >= MINIMUM else rest)
    assert found["held"] == {"B": round(rest * 1e8)}


def test_24_a_part_is_booked_once_in_the_ledger_too():
    desk, exit_ = ready("exit", 120.0)
    for event in tellings(desk, exit_, 100.0, EndStatus.CANCELLED) * 2:
        desk.step(event)
    (booked,) = books(desk.commands)
    assert booked.values["volume"] == 100.0
    assert len(books(desk.commands, "dust")) == 1
