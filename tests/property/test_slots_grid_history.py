"""Whatever venue, market and operator do to the grid, its books and its promises hold (slots 3, 4, 7.6, 24)."""

import json
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from millrace.core.commands import Alert, Refuse, Severity
from millrace.core.events import EndStatus, RejectReason
from millrace.strategies.slots.release.gates import ReleaseSettings
from slots_desk import Desk, books, doge, submits

KINDS = [
    "loop", "loop", "loop", "wait", "accept", "fill", "fill", "part", "end", "reject", "lose", "stale", "pause",
    "resume", "money", "broke", "cancel_refused", "late", "restart", "halt", "clear", "remove", "remove", "add",
    "toggle", "soft_close", "give_up", "confirm", "confirm", "confirm",
]  # fmt: skip
STEPS = st.lists(st.tuples(st.sampled_from(KINDS), st.integers(0, 200)), max_size=60)
REFUSALS = [reason for reason in RejectReason if reason is not RejectReason.DUPLICATE_CLIENT_ID]


class Story:
    """A desk and the steps that a list of numbers makes of it."""

    def __init__(self, desk):
        self.desk = desk

    def play(self, what, number):
        desk = self.desk
        ids = list(desk.sent)
        chosen = ids[number % len(ids)] if ids else None
        if what == "loop":
            desk.loop(round(desk.price * (1.0 + (number - 100) / 4_000.0), 7))
        elif what == "stale":
            desk.wait(70.0)
            desk.loop(fresh=False)
        elif what == "wait":
            desk.wait(number)
            desk.print(desk.price)
        elif what in {"pause", "resume", "halt"}:
            desk.ask(what)
        elif what == "remove":
            desk.ask("remove_slot", slot_id=number % 4 + 1, confirm=number % 3 > 0)
        elif what == "toggle":
            desk.ask("toggle_sticky", slot_id=number % 4 + 1, confirm=number % 3 > 0)
        elif what == "soft_close":
            desk.ask("soft_close_next")
        elif what == "give_up":
            desk.ask("cancel_stale_recoveries", min_distance_pct=number / 100.0)
        elif what == "add":
            desk.ask("add_slot", force=True)
        elif what == "clear":
            desk.clear_halt()
        elif what == "money":
            desk.money(1e6, 1e6)
        elif what == "broke":
            desk.money(number, number / 10.0)
        elif what == "restart":
            self.desk = desk.restarted()
        elif what == "confirm":
            for leaving in [name for name in ids if desk.orders._orders[name].cancel_out][:1]:
                self._order("end", number, leaving)
        elif chosen is not None:
            self._order(what, number, chosen)

    def _order(self, what, number, chosen):
        desk = self.desk
        place = desk.sent[chosen]
        state = desk.orders._orders[chosen].state.value
        done = desk.orders._orders[chosen].cum_lots
        if what == "accept":
            desk.accept(chosen)
        elif what == "fill":
            desk.fill(chosen)
        elif what in {"part", "end"}:
            share = max(done, place.lots * (number % 100) // 100)
            volume = desk.facts.volume(share - share % desk.facts.lot)
            if what == "part" and volume > 0.0:
                desk.fill(chosen, volume)
            elif what == "end":
                status = EndStatus.EXPIRED if number % 2 else EndStatus.CANCELLED
                desk.end(chosen, volume, status)
        elif what == "reject" and state in {"sent", "unknown"} and not done:
            desk.reject(chosen, REFUSALS[number % len(REFUSALS)])
        elif what == "lose" and state != "unknown":
            desk.lose(chosen)
        elif what == "cancel_refused":
            desk.cancels_refused.add(chosen)
            desk.refuse_cancel(chosen, ["rate_limit", "lost", "unknown order"][number % 3])
        elif what == "late" and done:
            desk.step(desk.progress(chosen, desk.facts.volume(done)))


def assert_promises(desk):
    grid = desk.grid
    assert grid.violations == 0, desk.alerts("invariant_violation")
    sent = {}
    for slot in grid.slots.values():
        state = slot.state
        for leg in ("A", "B"):
            orders = [order for order in state.orders if order.trade_id == leg]
            assert len(orders) <= 1
            assert bool(orders) != (leg in slot.wait), "an empty leg says why, a taken one does not"
        sent |= dict.fromkeys(slot.sent.values())
        records = {order.local_id for order in (*state.orders, *state.cancelling)}
        records |= {-row.recovery_id for row in state.recovery_orders}
        for local_id in set(slot.sent) - records:
            order = desk.orders._keys["slots", slot.sent[local_id]]
            leaving = order.cancel_out or order.client_id in desk.cancels_refused or local_id in slot.cancel_again
            assert leaving, "only an evicted recovery on its way off the book is at the venue without a record"
            records.add(local_id)
        for kept in (set(slot.attempts), slot.cancel_again, slot.partial_seen):
            assert kept <= records, "nothing is remembered of what is gone"
        assert not (state.long_only and state.short_only)
    assert set(grid.keys) == set(sent)
    live = {desk.orders._orders[found].place.key for found in desk.sent}
    assert live <= set(grid.keys), "no order of ours goes untracked"
    reserved_twice = [command for command in desk.commands if isinstance(command, Refuse)]
    assert all("exceeds_open_position" not in command.reasons for command in reserved_twice)
    assert not [alert for alert in desk.commands if isinstance(alert, Alert) and alert.severity is Severity.PAGE], (
        "nothing here deserves a page"
    )
    json.dumps(desk.status(), allow_nan=False)


RELEASED = ReleaseSettings(
    auto_enabled=True, max_stuck_pct=0.0, panic_stuck_pct=0.0, recovery_target_pct=0.0, panic_min_age_sec=0.0,
    recon_hard_gate_enabled=False, batch_max=3,
)  # fmt: skip
AT_MARKET = structs.replace(RELEASED, close_mode="market")
"""Tier 2 at any share and age: whatever stands is released as soon as it can be."""
GRIDS = pytest.mark.parametrize(
    ("decimals", "changes"),
    [
        (0, {"order_size_doge": 120.0}),
        (2, {"order_size_doge": 120.0, "reentry_base_cooldown_sec": 0.0}),
        (8, {"order_size_mode": "USD", "order_size_usd": 25.0}),
        (8, {"sticky_mode_enabled": False, "order_size_usd": 25.0, "s1_orphan_after_sec": 60.0,
             "s2_orphan_after_sec": 60.0, "reentry_base_cooldown_sec": 0.0}),
        (2, {"sticky_mode_enabled": False, "order_size_usd": 25.0, "s1_orphan_after_sec": 60.0,
             "s2_orphan_after_sec": 60.0, "recovery_evict_books": True, "max_recovery_slots": 1,
             "reentry_base_cooldown_sec": 0.0, "daily_loss_limit_usd": 0.0}),
        (2, {"order_size_doge": 120.0, "daily_loss_limit_usd": 0.0, "release": RELEASED}),
        (2, {"order_size_doge": 120.0, "daily_loss_limit_usd": 0.0, "release": AT_MARKET}),
    ],
    ids=["whole units", "no cooldown", "USD", "timeouts", "evictions", "releases", "releases at the market"],
)  # fmt: skip


@GRIDS
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_any_history_keeps_the_books_and_the_promises(decimals, changes, steps):
    story = Story(Desk(3, facts=doge(decimals), **changes).open())
    for step in steps:
        story.play(*step)
        assert_promises(story.desk)
    answer = story.desk.audited()
    assert answer.ok, answer.message
    assert_exits_go(story.desk)


@GRIDS
@pytest.mark.parametrize("seed", range(8))
def test_a_long_history_does_too(decimals, changes, seed):
    chance = Random(seed)
    story = Story(Desk(3, facts=doge(decimals), **changes).open())
    for _ in range(200):
        story.play(chance.choice(KINDS), chance.randrange(201))
        assert_promises(story.desk)
    assert_exits_go(story.desk)
    assert len(submits(story.desk.commands)) > 8


@pytest.mark.parametrize(("release", "cause"), [(RELEASED, "release"), (AT_MARKET, "market_release")])
def test_long_histories_do_release(release, cause):
    causes = set()
    for seed in range(6):
        chance = Random(seed)
        facts, changes = doge(2), {"order_size_doge": 120.0, "daily_loss_limit_usd": 0.0, "release": release}
        story = Story(Desk(3, facts=facts, **changes).open())
        for _ in range(200):
            story.play(
                chance.choice([*KINDS, "loop", "accept", "accept", "confirm", "confirm", "fill", "fill"]),
                chance.randrange(201),
            )
        causes |= {row.values["cause"] for row in books(story.desk.commands)}
    assert cause in causes


def assert_exits_go(desk):
    """With money, a price and permission, no exit stays behind."""
    desk.clear_halt()
    desk.money(1e6, 1e6)
    desk.ask("resume")
    while desk.grid.removal.is_active:
        desk.loop()
    desk.loop()
    desk.loop()
    for slot in desk.grid.slots.values():
        exits = [order for order in slot.state.orders if order.role == "exit"]
        exits += slot.state.recovery_orders
        for record in exits:
            local_id = record.local_id if hasattr(record, "local_id") else -record.recovery_id
            assert local_id in slot.sent, "no exit is ever left behind"
