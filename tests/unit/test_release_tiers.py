"""Slots 11.5, 24: the tiers: what begins them, what they pick, where they stop, and when they look.

Ten slots of 60 units; an account of 600 USD and 1,000 DOGE (800 USD at 0.2), so that each waiting exit is 1.5 % of it.
Leg B's exits wait above a market at 0.17.
"""

from typing import Any

import pytest

from millrace.core.events import BalanceReport
from millrace.strategies.slots.release.gates import ReleaseSettings
from millrace.strategies.slots.slot import NEVER_NS, NO_HIGH
from slots_desk import DAY_NS, LOOP_NS, SECOND_NS, Desk, books, cancels, changed

GATES = {"min_age_sec": 7_200.0, "min_distance_pct": 10.0, "adx_threshold": 0.0, "panic_min_age_sec": 3_600.0}
LEVELS = {"max_stuck_pct": 5.0, "panic_stuck_pct": 12.0, "recovery_target_pct": 8.0}
QUIET_MARK = 0.17


class Account:
    """What the account would hold after the fills that the test made, reported to the desk."""

    def __init__(self, desk: Desk, base: float, quote: float) -> None:
        self.desk, self.base, self.quote = desk, base, quote

    def fill(self, client_id: str) -> None:
        place = self.desk.sent[client_id]
        volume, price = self.desk.volume(client_id), self.desk.limit(client_id)
        sign = place.side.sign
        self.base += sign * volume
        self.quote -= sign * volume * price + volume * price * 0.0025
        self.desk.fill(client_id)
        self.desk.money(self.base, self.quote)


def stuck(exits: int, age_sec: float, *, mark: float = QUIET_MARK, **release: Any) -> Desk:
    """Return a desk on which so many exits have waited so long, with the tiers on."""
    changes = {"daily_loss_limit_usd": 0.0, "refresh_pct": 99.0} | {
        name: release.pop(name) for name in ("daily_loss_limit_usd",) if name in release
    }
    settings = ReleaseSettings(**(GATES | LEVELS | {"auto_enabled": True} | release))
    desk = Desk(10, money=(1_000.0, 600.0), release=settings, **changes).open()
    account = Account(desk, 1_000.0, 600.0)
    for slot in range(1, exits + 1):
        account.fill(desk.one("B", slot))
        desk.accept()
        desk.wait(1.0)
    until_ns = desk.now_ns + round(age_sec * SECOND_NS) - 2 * LOOP_NS
    while desk.now_ns < until_ns:
        desk.wait(300.0)
        desk.print(0.2)
    desk.print(mark)
    desk.commands.clear()
    desk.account_of = account
    return desk


def cancelled(desk: Desk) -> list[str]:
    return [cancel.client_id for cancel in cancels(desk.commands) if cancel.reason == "release"]


def finish(desk: Desk, client_id: str) -> None:
    """Let the venue confirm a cancel."""
    desk.end(client_id)


def confirm_all(desk: Desk) -> None:
    """Confirm the cancel that is out, and those that follow from its booking."""
    while fresh := [client_id for client_id in cancelled(desk) if client_id in desk.sent]:
        (client_id,) = fresh
        finish(desk, client_id)


def drain(desk: Desk, loops: int = 60) -> list[int]:
    """Run loops, confirm each cancel at once, and return the slots released, in order."""
    for _ in range(loops):
        desk.loop()
        confirm_all(desk)
    return [row.values["slot"] for row in books(desk.commands, "release") if row.values["outcome"] == "released"]


def share(desk: Desk) -> float:
    return desk.status()["slot_vintage"]["stuck_capital_pct"]


# ---- tier 1


def test_11_5_tier_1_drains_oldest_first_to_its_own_trigger():
    desk = stuck(6, 7_300.0)
    assert LEVELS["max_stuck_pct"] < share(desk) < LEVELS["panic_stuck_pct"]
    assert desk.status()["release_health"]["tier_active"] == 1
    released = drain(desk)
    assert released == [1, 2, 3, 4][: len(released)]
    assert 0 < len(released) < 6
    assert share(desk) <= LEVELS["max_stuck_pct"]
    health = desk.status()["release_health"]
    assert (health["tier1_total"], health["tier2_total"], health["tier_active"]) == (len(released), 0, 0)
    assert desk.grid.violations == 0


def test_11_5_tier_1_stops_at_its_threshold_and_not_below_it():
    desk = stuck(6, 7_300.0)
    drain(desk)
    one = 60.0 * QUIET_MARK / (1_000.0 * QUIET_MARK + 600.0) * 100.0
    assert share(desk) + one > LEVELS["max_stuck_pct"]


@pytest.mark.parametrize(
    "closed",
    [{"min_age_sec": 99_999.0}, {"min_distance_pct": 60.0}, {"adx_threshold": 100.0}],
    ids=lambda row: next(iter(row)),
)
def test_11_5_tier_1_wants_every_gate(closed):
    desk = stuck(6, 7_300.0, **closed)
    assert drain(desk, 5) == []
    assert cancelled(desk) == []


def test_11_5_at_the_threshold_itself_nothing_begins():
    desk = stuck(6, 7_300.0)
    at = share(desk)
    desk = stuck(6, 7_300.0, max_stuck_pct=at)
    assert share(desk) == at
    assert drain(desk, 5) == []


# ---- tier 2


def test_11_5_tier_2_asks_for_age_alone_and_drains_to_its_target():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0, adx_threshold=100.0)
    assert share(desk) > LEVELS["panic_stuck_pct"]
    released = drain(desk)
    assert released == list(range(1, len(released) + 1))
    one = 60.0 * QUIET_MARK / (1_000.0 * QUIET_MARK + 600.0) * 100.0
    assert share(desk) <= LEVELS["recovery_target_pct"] < share(desk) + one
    assert desk.status()["release_health"]["tier2_total"] == len(released)


def test_11_5_tier_2_does_not_take_what_is_too_young():
    desk = stuck(10, 3_000.0)
    assert drain(desk, 5) == []
    assert not desk.grid.releases.latched


def test_11_5_tier_2_is_latched_between_its_trigger_and_its_target_over_loops_and_restarts():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    drain(desk, 1)
    assert LEVELS["recovery_target_pct"] < share(desk)
    for _ in range(3):
        drain(desk, 1)
    assert desk.grid.releases.latched
    assert LEVELS["recovery_target_pct"] < share(desk) <= LEVELS["panic_stuck_pct"]
    assert desk.status()["release_health"]["tier_active"] == 2
    other = desk.restarted()
    assert other.grid.releases.latched
    other.commands = []
    before = share(other)
    drain(other, 1)
    assert share(other) < before, "it goes on below its trigger"


def test_11_5_tier_2_unlatches_when_no_exit_is_old_enough():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0, recovery_target_pct=0.0)
    released = drain(desk, 80)
    assert len(released) == 10
    assert not desk.grid.releases.latched


# ---- how many, and what stops them


def test_11_5_one_release_per_loop_or_a_batch_one_after_the_other():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    assert len(drain(desk, 1)) == 1
    desk = stuck(10, 3_700.0, min_distance_pct=90.0, batch_max=3)
    desk.loop()
    assert len(cancelled(desk)) == 1, "the next waits until this one is booked and the gate was looked at"
    confirm_all(desk)
    assert [row.values["slot"] for row in books(desk.commands, "release")] == [1, 2, 3]


def test_11_5_a_release_that_is_not_confirmed_holds_the_others_back():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0, batch_max=5)
    desk.loops(4)
    assert len(cancelled(desk)) == 1


def test_11_4_the_tiers_stop_at_once_when_a_release_is_followed_by_a_drift_until_acknowledged():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0, batch_max=5)
    desk.loop()
    (first,) = cancelled(desk)
    desk.money(desk.account_of.base * 0.95, desk.account_of.quote * 0.95)
    finish(desk, first)
    assert desk.grid.releases.tripped
    desk.money(desk.account_of.base, desk.account_of.quote)
    desk.loops(20)
    assert cancelled(desk) == [first], "the drift is gone, and nobody has acknowledged it"
    assert desk.ask("release_ack").startswith("ok")
    desk.loop()
    assert len(cancelled(desk)) == 2


def test_11_4_drift_and_unknown_balances_keep_the_tiers_off():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    desk.money(desk.account_of.base * 0.95, desk.account_of.quote * 0.95)
    assert drain(desk, 5) == []
    desk.money(desk.account_of.base, desk.account_of.quote)
    assert len(drain(desk, 1)) == 1
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    desk.grid.balances.baseline = None
    desk.step(BalanceReport("kraken", {}, desk.now_ns))
    assert drain(desk, 5) == []


def test_11_5_only_while_running():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    desk.ask("pause")
    assert drain(desk, 5) == []
    desk.ask("resume")
    assert len(drain(desk, 2)) >= 1


def test_11_5_only_sticky_slots():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    for slot in (1, 2, 3):
        desk.grid.slots[slot].sticky = False
    assert drain(desk, 1) == [4]


def test_3_slots_in_quarantine_are_passed_over():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    desk.grid.slots[1].quarantined = True
    assert drain(desk, 1) == [2]


def test_11_5_a_booking_that_would_hit_the_daily_loss_limit_is_skipped_and_told_once_a_day():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0, daily_loss_limit_usd=1.0)
    assert drain(desk, 10) == []
    (alert,) = desk.alerts("release_daily_loss")
    assert "daily loss limit" in alert.text
    desk.now_ns = (desk.now_ns // DAY_NS + 1) * DAY_NS
    drain(desk, 3)
    assert len(desk.alerts("release_daily_loss")) == 2
    assert not desk.grid.lock.locked


def test_11_5_the_loss_is_judged_again_at_the_booking():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0, daily_loss_limit_usd=2.5)
    desk.loop()
    (first,) = cancelled(desk)
    desk.print(0.15)
    finish(desk, first)
    (row,) = books(desk.commands, "release")
    assert row.values["outcome"] == "failed"
    assert books(desk.commands) == []
    desk.loop()
    assert any(desk.sent[key].reduces for key in desk.find("B", 1)), "the exit is back on the book"


def test_11_3_after_a_failed_release_the_tiers_leave_the_book_alone_for_a_while():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    desk.loop()
    (first,) = cancelled(desk)
    desk.loops(2)
    finish(desk, first)
    desk.accept()
    began_ns = desk.now_ns
    for _ in range(20):
        if len(cancelled(desk)) == 1:
            desk.loop()
    assert 240 * SECOND_NS <= desk.now_ns - began_ns <= 330 * SECOND_NS


def test_11_5_off_by_default():
    desk = stuck(10, 3_700.0, auto_enabled=False)
    assert drain(desk, 5) == []
    assert desk.status()["release_health"]["tier_active"] == 0


# ---- when the tiers look (exact skipping)


def test_the_tiers_wake_when_the_oldest_exit_comes_of_age_and_then_by_price():
    desk = stuck(2, 1_000.0, mark=0.2)
    releases = desk.grid.releases
    oldest = min(
        order.entry_filled_at
        for slot in desk.grid.slots.values()
        for order in slot.state.orders
        if order.role == "exit"
    )
    desk.loop()
    due_ns = releases.due_ns
    assert due_ns == desk.grid.loop_at_ns(round((oldest + 3_600.0) * SECOND_NS))
    while desk.now_ns < due_ns:
        desk.wait(600.0)
        desk.loop()
    desk.loop()
    assert releases.due_ns == NEVER_NS, "2 of 10: not stuck at this price"
    assert releases.high_ticks < NO_HIGH
    at = desk.facts.price(releases.high_ticks)
    desk.print(at - 1e-7)
    assert share(desk) <= LEVELS["max_stuck_pct"]
    desk.print(at + 2e-7)
    assert share(desk) > LEVELS["max_stuck_pct"]
    assert desk.grid.loop_wanted


def test_tiers_that_a_start_switched_off_forget_when_they_wanted_to_look():
    desk = stuck(10, 3_700.0, min_distance_pct=90.0)
    drain(desk, 1)
    assert desk.grid.releases.latched
    desk.grid.settings = changed(desk.grid.settings, release=ReleaseSettings())
    other = desk.restarted()
    other.commands = []
    assert drain(other, 3) == []
    releases = other.grid.releases
    assert (releases.latched, releases.high_ticks, releases.due_ns) == (False, NO_HIGH, NEVER_NS)


def test_switched_off_the_tiers_never_wake_anybody():
    desk = stuck(10, 3_700.0, auto_enabled=False)
    desk.loop()
    assert (desk.grid.releases.high_ticks, desk.grid.releases.due_ns) == (NO_HIGH, NEVER_NS)
