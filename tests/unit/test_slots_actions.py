"""Every action of the grid with good, bad, missing and wrong arguments (slots 18, 24).

The table of actions is the one that runs, so an action that is added without a line here is noticed.
"""

import json
from typing import Any

import pytest

from millrace.core.commands import OK, REFUSED, Reply
from millrace.strategies.slots.operator.actions import ACTIONS
from slots_desk import Desk

GOOD: dict[str, list[dict[str, Any]]] = {
    "reconcile_drift": [{}, {"confirm": True}],
    "pause": [{}, {"reason": "tea"}],
    "resume": [{}],
    "add_slot": [{}, {"force": "yes"}],
    "remove_slot": [{"slot_id": 2}, {"slot_id": 2, "confirm": "on"}],
    "remove_slots": [{"count": 1}],
    "set_entry_pct": [{"value": 0.05}, {"value": 50}],
    "set_profit_pct": [{"value": 0.6}],
    "release_slot": [
        {"slot_id": 1, "preview": True},
        {"slot_id": 1, "local_id": 3, "preview": 1},
        {"slot_id": 1, "trade_id": "b", "preview": "on"},
    ],
    "release_oldest_eligible": [{"slot_id": 1, "preview": True}],
    "toggle_sticky": [{"slot_id": 1, "sticky": "on"}, {"slot_id": 1, "sticky": False, "confirm": True}],
    "audit_pnl": [{}],
    "add_layer": [{"source": "AUTO"}, {"source": "doge"}],
    "remove_layer": [{"source": "AUTO"}],
    "external_flow": [{"usd": 10.0}, {"base": -5}],
}
LEGACY: dict[str, list[dict[str, Any]]] = {
    "soft_close": [{"slot_id": 1, "recovery_id": 1}],
    "soft_close_next": [{}],
    "cancel_stale_recoveries": [{}, {"min_distance_pct": 3.0, "max_batch": 20}],
}
"""Refused by a sticky grid whatever is asked."""
BAD: dict[str, list[dict[str, Any]]] = {
    "add_slot": [{"force": "perhaps"}],
    "remove_slot": [{}, {"slot_id": 0}, {"slot_id": True}, {"slot_id": 1.5}, {"slot_id": "2"}, {"slot_id": 99}],
    "remove_slots": [{}, {"count": 0}, {"count": True}, {"count": float("nan")}, {"count": 99}],
    "set_entry_pct": [{}, {"value": 0.04}, {"value": 50.1}, {"value": float("inf")}, {"value": True}, {"value": "0.4"}],
    "set_profit_pct": [{}, {"value": 0.59}, {"value": float("nan")}],
    "release_slot": [
        {}, {"slot_id": 99}, {"slot_id": False}, {"slot_id": 1, "trade_id": "C"}, {"slot_id": 1, "local_id": 77},
        {"slot_id": 1, "preview": "maybe"}, {"slot_id": 2},
    ],
    "release_oldest_eligible": [{}, {"slot_id": 99}, {"slot_id": -1}, {"slot_id": 2}],
    "release_ack": [{}],
    "reconcile_drift": [{"confirm": "maybe"}],
    "toggle_sticky": [{}, {"slot_id": 99}, {"slot_id": 1, "sticky": "often"}, {"slot_id": 1, "sticky": 0}],
    "add_layer": [{"source": "EUR"}],
    "remove_layer": [{"source": 1}],
    "external_flow": [{}, {"usd": 0.0}, {"usd": float("inf")}, {"base": True}],
    "soft_close": [{}, {"slot_id": 1}],
    "cancel_stale_recoveries": [{"max_batch": 21}, {"max_batch": 0}, {"min_distance_pct": -1.0}],
}  # fmt: skip
BAD = {action: [*BAD.get(action, []), {"nobody_knows": 1}] for action in (*GOOD, *LEGACY, "release_ack")}
"""Arguments that say nothing, and requests that the grid as it stands cannot mean: nothing has tripped a gate."""


def desk() -> Desk:
    """Two slots with money, the first with an exit of leg B that waits."""
    found = Desk(2, reentry_base_cooldown_sec=0.0).open()
    found.fill(found.one("B", 1))
    found.accept()
    return found


def answer(asked: Desk, action: str, arguments: dict[str, Any]) -> Reply:
    made = asked.step_request(action, **arguments)
    return next(command for command in made if isinstance(command, Reply) and command.action == action)


def cases(table: dict[str, list[dict[str, Any]]]) -> list[Any]:
    return [pytest.param(name, given, id=f"{name} {given}") for name, many in table.items() for given in many]


def test_18_the_table_of_actions_is_the_contracts():
    assert ACTIONS.keys() == BAD.keys()


@pytest.mark.parametrize(("action", "arguments"), cases(GOOD))
def test_24_every_action_takes_what_it_can_mean(action, arguments):
    asked = desk()
    if action == "remove_layer":
        answer(asked, "add_layer", {"source": "AUTO"})
    reply = answer(asked, action, arguments)
    assert reply.code == OK, reply.message
    assert json.loads(json.dumps(reply.data, allow_nan=False)) == reply.data
    assert asked.grid.violations == 0


@pytest.mark.parametrize(("action", "arguments"), cases(BAD))
def test_24_every_action_refuses_what_it_cannot_mean_and_changes_nothing(action, arguments):
    asked = desk()
    before = asked.engine.snapshot()
    made = asked.step_request(action, **arguments)
    (reply,) = (command for command in made if isinstance(command, Reply))
    assert reply.code == REFUSED
    assert reply.message
    after = asked.engine.snapshot()
    assert after["orders"] == before["orders"]
    assert after["board"] == before["board"]
    assert [slot["state"] for slot in _slots(after)] == [slot["state"] for slot in _slots(before)]
    assert [slot["sticky"] for slot in _slots(after)] == [slot["sticky"] for slot in _slots(before)]
    assert (asked.grid.entry_pct, asked.grid.profit_pct) == (0.2, 1.0)


@pytest.mark.parametrize(("action", "arguments"), cases(LEGACY))
def test_10_a_sticky_grid_refuses_what_ends_exits_early(action, arguments):
    assert answer(desk(), action, arguments).code == REFUSED


def _slots(core: dict[str, Any]) -> list[dict[str, Any]]:
    slots: list[dict[str, Any]] = core["strategies"]["slots"]["slots"]
    return slots
