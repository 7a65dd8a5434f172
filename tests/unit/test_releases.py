"""Slots 11, 24 (Release): each way in which a release goes, on the grid behind the real engine.

The desk's gates are open unless a test closes one: no age, no distance, any trend. Leg B buys at 0.1996, its exit waits
above; with the market at 0.17 the exit is far away and a release books a loss of nearly 2 USD.
"""

from typing import Any

import pytest

from millrace.core.commands import Reply, Style
from millrace.core.events import RejectReason, Timer
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.strategies.slots.release.gates import ReleaseSettings
from millrace.strategies.slots.telemetry.status import grid_status
from slots_desk import RICH, SECOND_NS, Desk, books, cancels, submits

OPEN_GATES = {"min_age_sec": 0.0, "min_distance_pct": 0.0, "adx_threshold": 0.0, "panic_min_age_sec": 0.0}
WARM = 40
"""Bars that make the trend index warm."""


def desk_with(
    count: int = 1, money: tuple[float, float] = RICH, *, warm: bool = True, size: float = 60.0, **release: Any
) -> Desk:
    """Return a desk whose legs wait for entries, with a warm trend index unless not."""
    settings = ReleaseSettings(**(OPEN_GATES | release))
    changes = {"daily_loss_limit_usd": 0.0, "refresh_pct": 90.0, "order_size_doge": size}
    desk = Desk(count, money=money, release=settings, **changes).open()
    if warm:
        for bar in range(WARM):
            desk.wait(300.0)
            desk.print(0.2 + 0.00001 * (bar % 7))
        desk.print(0.2)
        desk.loop()
    return desk


def waiting(desk: Desk, slot: int = 1, leg: str = "B", mark: float = 0.17) -> str:
    """Fill a leg's entry, let its exit stand, and move the market away; returns the exit's client id."""
    desk.fill(desk.one(leg, slot))
    desk.accept()
    desk.print(mark)
    return desk.one(leg, slot)


def asked(desk: Desk, action: str, **args: Any) -> Reply:
    """Return the first reply to a request."""
    made = desk.step_request(action, **args)
    return next(command for command in made if isinstance(command, Reply))


def outcomes(desk: Desk) -> list[str]:
    return [row.values["outcome"] for row in books(desk.commands, "release")]


def final(commands: list[Any]) -> Reply:
    (reply,) = [command for command in commands if isinstance(command, Reply)]
    assert reply.final
    return reply


def exits(desk: Desk, slot: int = 1) -> list[int]:
    return [order.local_id for order in desk.slot(slot).state.orders if order.role == "exit"]


# ---- the path (11.3)


def test_11_3_cancel_confirm_book_leaves_residue_and_a_new_entry():
    desk = desk_with()
    exit_ = waiting(desk)
    (local_id,) = exits(desk)
    reply = asked(desk, "release_slot", slot_id=1)
    assert (reply.ok, reply.final, reply.data["local_id"]) == (True, False, local_id)
    assert [cancel.client_id for cancel in cancels(desk.commands[-3:])] == [exit_]
    assert desk.slot().record(local_id).state == "cancelling"
    assert books(desk.commands) == [], "nothing is booked before the venue has confirmed"
    made = desk.end(exit_)
    (booked,) = books(made)
    assert (booked.values["cause"], booked.values["exit_price"], booked.values["volume"]) == ("release", 0.17, 60.0)
    fees = 60.0 * 0.1996 * 0.0025 + 60.0 * 0.17 * 0.0025
    assert booked.values["net"] == pytest.approx(60.0 * (0.17 - 0.1996) - fees)
    (residue,) = books(made, "residue")
    assert (residue.values["side"], residue.values["volume"], residue.values["mark"]) == ("long", 60.0, 0.17)
    reply = final(made)
    assert (reply.ok, reply.data["outcome"]) == (True, "released")
    assert exits(desk) == []
    desk.wait(60.0)
    desk.loop()
    assert [desk.sent[key].reduces for key in desk.find("B")] == [False], "the leg trades on"
    assert desk.grid.violations == 0
    health = desk.status()["release_health"]
    assert (health["sticky_release_total"], health["manual_total"], health["residue_base"]) == (1, 1, 60.0)
    assert health["released_loss_usd_total"] == pytest.approx(-booked.values["net"])


def test_11_3_a_buy_exit_leaves_a_short_residue():
    desk = desk_with()
    exit_ = waiting(desk, leg="A", mark=0.23)
    assert asked(desk, "release_slot", slot_id=1, trade_id="A").ok
    (residue,) = books(desk.end(exit_), "residue")
    assert (residue.values["side"], residue.values["volume"]) == ("short", 60.0)
    assert desk.grid.residue.base == -60.0
    desk.loops(2)
    assert desk.grid.violations == 0


def test_11_3_fill_during_cancel_is_a_normal_fill():
    desk = desk_with()
    exit_ = waiting(desk)
    price = desk.limit(exit_)
    asked(desk, "release_slot", slot_id=1)
    made = desk.fill(exit_)
    (booked,) = books(made)
    assert (booked.values["cause"], booked.values["exit_price"]) == ("exit", price)
    assert final(made).data["outcome"] == "filled"
    assert outcomes(desk) == ["filled"]
    health = desk.status()["release_health"]
    assert (health["sticky_release_total"], health["failed_total"], health["residue_base"]) == (0, 0, 0.0)


def test_11_3_partial_during_cancel_books_the_executed_part_at_real_prices():
    desk = desk_with()
    exit_ = waiting(desk)
    price = desk.limit(exit_)
    asked(desk, "release_slot", slot_id=1)
    made = desk.end(exit_, 25.0)
    rows = [(row.values["cause"], row.values["exit_price"], row.values["volume"]) for row in books(made)]
    assert rows == [("exit", price, 25.0), ("release", 0.17, 35.0)]
    assert desk.grid.residue.base == 35.0
    assert [alert.text.endswith("handled=true") for alert in desk.alerts("partial_cancel")] == [True]
    assert desk.slot().state.total_round_trips == 1
    assert (desk.grid.violations, desk.slot().quarantined) == (0, False)


def test_11_3_a_cancel_without_an_end_within_10_s_fails_and_the_exit_goes_back_later():
    desk = desk_with()
    exit_ = waiting(desk)
    price, began_ns = desk.limit(exit_), desk.now_ns
    asked(desk, "release_slot", slot_id=1)
    interest = desk.strategy.interest()
    assert interest.deadline_ns == interest.heartbeat_ns == began_ns + 10 * SECOND_NS
    desk.now_ns = began_ns + 10 * SECOND_NS
    reply = final(desk.step(Timer(desk.now_ns)))
    assert (reply.ok, reply.data["outcome"]) == (False, "failed")
    (local_id,) = exits(desk)
    assert desk.slot().record(local_id).state == "cancelling"
    assert "on its way off the book" in asked(desk, "release_slot", slot_id=1, local_id=local_id).message
    assert books(desk.commands) == []
    made = desk.end(exit_)
    assert books(made) == []
    (again,) = [place for place in submits(made) if place.reduces]
    assert desk.facts.price(again.limit_ticks) == price
    desk.accept()
    assert desk.status()["release_health"]["failed_total"] == 1
    assert asked(desk, "release_slot", slot_id=1).ok, "the exit is on the book and may be released again"


def test_11_3_a_fill_after_the_patience_is_over_is_a_normal_fill_too():
    desk = desk_with()
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    desk.wait(10.0)
    desk.step(Timer(desk.now_ns))
    assert [row.values["cause"] for row in books(desk.fill(exit_))] == ["exit"]
    assert outcomes(desk) == ["failed"]


def test_11_3_a_refused_cancel_is_sent_again_and_nothing_is_lost():
    desk = desk_with()
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    desk.refuse_cancel(exit_, RejectReason.RATE_LIMIT.value)
    assert [cancel.client_id for cancel in cancels(desk.loop())] == [exit_]
    desk.end(exit_)
    assert len(exits(desk)) == 1
    assert desk.grid.violations == 0


def test_11_3_without_a_fresh_price_nothing_is_booked():
    desk = desk_with()
    exit_ = waiting(desk)
    desk.wait(55.0)
    asked(desk, "release_slot", slot_id=1)
    desk.wait(6.0)
    made = desk.end(exit_)
    assert books(made) == []
    assert "no fresh price" in final(made).message
    desk.print(0.17)
    desk.loop()
    assert [desk.sent[key].reduces for key in desk.find("B")] == [True]


def test_11_3_an_end_that_is_heard_after_the_patience_books_nothing():
    """A program that was away for an hour hears of the end before its clock has spoken."""
    desk = desk_with()
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    desk.wait(3_600.0)
    desk.print(0.12)
    made = desk.end(exit_)
    assert books(made) == []
    assert "after its 10 s" in final(made).message
    assert [place.reduces for place in submits(made)] == [True], "the exit goes back on the book"


@pytest.mark.parametrize("mode", ["synthetic", "market"])
def test_11_3_a_halt_while_the_cancel_is_on_its_way_books_nothing(mode):
    desk = desk_with(close_mode=mode)
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    scope = Scope(ScopeKind.GLOBAL)
    desk.board.post(Restriction("test", scope, Level.HALT, ReasonCode.OPERATOR_PAUSE, "", "test", desk.now_ns))
    made = desk.end(exit_)
    assert (books(made), submits(made)) == ([], [])
    assert "halted" in final(made).message
    desk.board.lift("test")
    assert [place.reduces for place in submits(desk.loops(2)) if place.position.leg == "B"] == [True]


def test_11_3_a_release_under_way_survives_a_restart():
    desk = desk_with()
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    other = desk.restarted()
    assert other.strategy.interest() == desk.strategy.interest()
    assert [row.values["cause"] for row in books(other.end(exit_))] == ["release"]
    assert outcomes(other) == ["released"]


def test_11_3_every_state_of_a_release_is_plain_data():
    desk = desk_with(close_mode="market")
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    desk.end(exit_, 5.0)
    again = desk.restarted()
    assert again.grid.releases.snapshot() == desk.grid.releases.snapshot()
    assert len(again.grid.releases) == 1


# ---- carve-outs and dust


def test_11_2_a_recovery_carved_out_of_an_entry_is_released_by_its_negative_id():
    for mode, cause in (("synthetic", "release"), ("market", "market_release")):
        desk = desk_with(close_mode=mode, size=120.0)
        desk.fill(desk.one("B"), 60.0)
        desk.end(desk.one("B"), 60.0)
        desk.accept()
        desk.print(0.17)
        (carved,) = desk.slot().state.recovery_orders
        reply = asked(desk, "release_slot", slot_id=1, local_id=-carved.recovery_id)
        assert reply.ok
        (exit_,) = desk.find("B", reduces=True)
        made = desk.end(exit_)
        if mode == "market":
            (closing,) = desk.find("B", reduces=True)
            made = desk.fill(closing, price=0.17)
        (booked,) = books(made)
        assert (booked.values["cause"], booked.values["volume"]) == (cause, 60.0)
        assert desk.slot().state.recovery_orders == []
        assert outcomes(desk) == ["released"]
        assert desk.grid.violations == 0


# ---- at the market


def test_11_3_market_mode_closes_with_a_real_order_and_leaves_no_residue():
    desk = desk_with(close_mode="market")
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    made = desk.end(exit_)
    assert books(made) == []
    (closing,) = [place for place in submits(made) if place.reduces]
    assert closing.style is Style.IOC
    assert desk.facts.price(closing.limit_ticks) == pytest.approx(0.17 * 0.99)
    made = desk.fill(desk.one("B"), price=0.1698)
    (booked,) = books(made)
    assert (booked.values["cause"], booked.values["exit_price"]) == ("market_release", 0.1698)
    assert final(made).data["net_usd"] == pytest.approx(booked.values["net"])
    assert desk.slot().state.completed_cycles[-1].released
    assert (desk.grid.residue.base, desk.slot().residue_base) == (0.0, 0.0)
    assert (outcomes(desk), desk.grid.violations) == (["released"], 0)


def test_11_3_market_mode_books_the_parts_and_puts_back_what_nobody_took():
    desk = desk_with(close_mode="market")
    desk.fill(desk.one("B"))
    desk.accept()
    desk.print(0.17)
    exit_ = desk.one("B")
    price = desk.limit(exit_)
    asked(desk, "release_slot", slot_id=1)
    desk.end(exit_)
    closing = desk.one("B")
    made = desk.end(closing, 5.0)
    assert [(row.values["cause"], row.values["volume"]) for row in books(made)] == [("market_release", 5.0)]
    (again,) = [place for place in submits(made) if place.reduces]
    assert (again.style, desk.facts.volume(again.lots)) == (Style.POST_ONLY, 55.0)
    assert desk.facts.price(again.limit_ticks) == price
    assert desk.alerts("partial_cancel") == [], "a closing order is meant to end"
    assert (outcomes(desk), desk.grid.violations, desk.grid.residue.base) == (["released"], 0, 0.0)


def test_11_3_a_closing_order_that_finds_nobody_or_is_refused_gives_the_exit_back():
    for end in (lambda desk: desk.end(desk.one("B")), lambda desk: desk.reject(desk.one("B"), RejectReason.OTHER)):
        desk = desk_with(close_mode="market")
        exit_ = waiting(desk)
        price = desk.limit(exit_)
        asked(desk, "release_slot", slot_id=1)
        desk.end(exit_)
        reply = final(end(desk))
        assert (reply.ok, reply.data["outcome"]) == (False, "failed")
        desk.loop()
        again = desk.sent[desk.one("B")]
        assert (again.style, desk.facts.price(again.limit_ticks)) == (Style.POST_ONLY, price)
        desk.accept()
        assert asked(desk, "release_slot", slot_id=1).ok
        assert desk.grid.violations == 0


def test_11_3_market_mode_counts_the_part_that_filled_before_the_cancel():
    desk = desk_with(close_mode="market")
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    parts = [row.values["net"] for row in books(desk.end(exit_, 5.0))]
    made = desk.fill(desk.one("B"), price=0.17)
    parts += [row.values["net"] for row in books(made)]
    assert final(made).data["net_usd"] == pytest.approx(sum(parts))


# ---- refusals and previews


@pytest.mark.parametrize(
    ("settings", "failing"),
    [
        ({"min_age_sec": 3_600.0}, "age"),
        ({"min_distance_pct": 99.0}, "distance"),
        ({"adx_threshold": 100.0}, "regime"),
    ],
)
def test_11_2_each_gate_alone_refuses_with_figures(settings, failing):
    desk = desk_with(**settings)
    exit_ = waiting(desk)
    reply = asked(desk, "release_slot", slot_id=1)
    assert (reply.ok, reply.code) == (False, 400)
    gates = reply.data["gates"]
    assert [name for name, gate in gates.items() if not gate["ok"]] == [failing]
    assert gates[failing]["value"] < gates[failing]["threshold"]
    assert failing in reply.message
    assert exit_ in desk.sent
    assert cancels(desk.commands) == []
    (row,) = books(desk.commands, "release")
    assert (row.values["outcome"], row.values["tier"], row.values[f"gate_{failing}_ok"]) == ("refused", 0, False)


def test_11_1_a_cold_index_and_a_stale_price_close_their_gates():
    desk = desk_with(warm=False)
    waiting(desk)
    gates = asked(desk, "release_slot", slot_id=1).data["gates"]
    assert (gates["regime"]["ok"], gates["regime"]["reason"]) == (False, "the trend index is not warm")
    desk.now_ns += 61 * SECOND_NS
    gates = asked(desk, "release_slot", slot_id=1).data["gates"]
    assert (gates["distance"]["ok"], gates["distance"]["reason"]) == (False, "no price")


def test_11_2_a_preview_returns_gates_and_booking_and_does_nothing():
    desk = desk_with()
    exit_ = waiting(desk)
    before = desk.engine.snapshot()["strategies"]["slots"]["releases"]
    reply = asked(desk, "release_slot", slot_id=1, preview="true")
    assert (reply.ok, reply.final, reply.data["eligible"]) == (True, True, True)
    shown = reply.data["projected"]
    assert (shown["mark"], shown["volume"]) == (0.17, 60.0)
    assert desk.engine.snapshot()["strategies"]["slots"]["releases"] == before
    assert (cancels(desk.commands), books(desk.commands, "release")) == ([], [])
    asked(desk, "release_slot", slot_id=1)
    (booked,) = books(desk.end(exit_))
    assert shown["net"] == pytest.approx(booked.values["net"])
    assert shown["fees"] == pytest.approx(booked.values["fees"])


def test_11_2_a_preview_of_what_may_not_be_released_says_so():
    desk = desk_with(min_age_sec=3_600.0)
    waiting(desk)
    reply = asked(desk, "release_slot", slot_id=1, preview=True)
    assert (reply.ok, reply.data["eligible"]) == (True, False)
    assert "may not be released" in reply.message


def test_11_2_local_id_wins_then_the_legs_oldest_then_the_oldest():
    desk = desk_with()
    waiting(desk, leg="A", mark=0.2)
    desk.wait(5.0)
    waiting(desk, leg="B", mark=0.2)
    first, second = exits(desk)
    preview = {"slot_id": 1, "preview": True}
    assert asked(desk, "release_slot", **preview).data["local_id"] == first
    assert asked(desk, "release_slot", trade_id="b", **preview).data["local_id"] == second
    assert asked(desk, "release_slot", local_id=second, trade_id="A", **preview).data["local_id"] == second
    assert asked(desk, "release_slot", exit_local_id=second, **preview).data["local_id"] == second


def test_11_2_the_oldest_that_passes_is_chosen_and_a_slot_without_any_is_refused():
    desk = desk_with(min_distance_pct=5.0)
    waiting(desk, leg="A", mark=0.2)
    desk.wait(5.0)
    waiting(desk, leg="B", mark=0.2)
    near, far = exits(desk)
    sell_exit = desk.slot().record(far).price
    desk.print(sell_exit / 1.051)
    reply = asked(desk, "release_oldest_eligible", slot_id=1, preview=True)
    assert (reply.data["local_id"], reply.data["eligible"]) == (far, True), "the older one stands too near"
    desk.print(0.2)
    reply = asked(desk, "release_oldest_eligible", slot_id=1)
    assert (reply.ok, reply.data["local_id"]) == (False, near), "the refusal shows the oldest"
    assert not asked(desk, "release_oldest_eligible", slot_id=2).ok
    assert "no exit" in asked(desk_with(), "release_oldest_eligible", slot_id=1).message


@pytest.mark.parametrize(
    "args",
    [{}, {"slot_id": True}, {"slot_id": 1.5}, {"slot_id": "one"}, {"slot_id": 7}, {"slot_id": 1, "local_id": 99},
     {"slot_id": 1, "trade_id": "C"}, {"slot_id": 1, "preview": "maybe"}, {"slot_id": 1, "force": True}],
)  # fmt: skip
def test_18_bad_arguments_are_refused(args):
    desk = desk_with()
    waiting(desk)
    reply = asked(desk, "release_slot", **args)
    assert (reply.ok, reply.code) == (False, 400)
    assert cancels(desk.commands) == []


def drifting(desk: Desk) -> None:
    """Take three per cent of the account away without a word."""
    desk.money(RICH[0] * 0.97, RICH[1] * 0.97)


def test_11_4_drift_blocks_a_release_by_hand():
    desk = desk_with()
    waiting(desk)
    drifting(desk)
    reply = asked(desk, "release_slot", slot_id=1)
    assert not reply.ok
    assert (reply.data["recon"]["ok"], reply.data["recon"]["status"]) == (False, "DRIFT")
    assert "recon: balances drift" in reply.message
    health = desk.status()["release_health"]
    assert (health["recon_hard_gate_blocked"], desk.status()["slot_vintage"]["release_recon_gate_blocked"]) == (
        True,
        True,
    )
    desk.money(*RICH)
    assert asked(desk, "release_slot", slot_id=1).ok, "it clears by itself: no release had tripped it"


def test_11_4_with_the_gate_switched_off_drift_does_not_block():
    desk = desk_with(recon_hard_gate_enabled=False)
    waiting(desk)
    drifting(desk)
    assert asked(desk, "release_slot", slot_id=1).ok


def test_11_3_the_gate_is_looked_at_again_after_the_release_and_its_word_is_appended():
    desk = desk_with()
    exit_ = waiting(desk)
    asked(desk, "release_slot", slot_id=1)
    drifting(desk)
    reply = final(desk.end(exit_))
    assert reply.data["outcome"] == "released"
    assert "balances drift" in reply.message
    assert "release_ack" in reply.message
    assert desk.grid.releases.tripped
    desk.money(*RICH)
    assert desk.status()["release_health"]["recon_hard_gate_blocked"], "cleared, and not acknowledged"
    assert asked(desk, "release_ack").ok
    assert not desk.status()["release_health"]["recon_hard_gate_blocked"]
    assert not asked(desk, "release_ack").ok


def test_11_4_unknown_balances_warn_a_person():
    desk = Desk(1, money=None, release=ReleaseSettings(**OPEN_GATES))
    gate = grid_status(desk.grid, desk_turn(desk))["release_health"]
    assert (gate["recon_hard_gate_enabled"], gate["recon_hard_gate_blocked"]) == (True, False)


def desk_turn(desk: Desk):
    from millrace.strategies.slots.turn import Turn

    return Turn(desk.engine, "slots", desk.facts, desk.grid.stale_ns)


def test_11_3_halted_trading_refuses_and_paused_trading_does_not():
    desk = desk_with()
    waiting(desk)
    desk.ask("pause")
    assert asked(desk, "release_slot", slot_id=1, preview=True).data["eligible"]
    desk.ask("halt")
    assert "halted" in asked(desk, "release_slot", slot_id=1).message


def test_3_what_a_slot_in_quarantine_holds_is_not_released():
    desk = desk_with()
    waiting(desk)
    desk.slot().quarantined = True
    reply = asked(desk, "release_slot", slot_id=1)
    assert (reply.ok, "quarantine" in reply.message) == (False, True)
    assert cancels(desk.commands) == []


def test_7_5_the_daily_lock_is_told_in_advance_and_counts_a_release():
    desk = desk_with()
    desk.grid.lock.set_limit(1.0)
    exit_ = waiting(desk)
    reply = asked(desk, "release_slot", slot_id=1, preview=True)
    assert "the booking hits the daily loss limit and pauses trading" in reply.data["warnings"]
    asked(desk, "release_slot", slot_id=1)
    desk.end(exit_)
    assert desk.status()["daily_loss_locked"]


def test_7_7_a_released_position_is_no_drift_whatever_the_price_does_then():
    desk = desk_with(money=(1_000.0, 1_000.0))
    start_quote, start_base = 1_000.0, 1_000.0
    exit_ = waiting(desk)
    cost = 60.0 * 0.1996
    bought = (start_base + 60.0, start_quote - cost * 1.0025)
    desk.money(*bought)
    asked(desk, "release_slot", slot_id=1)
    desk.end(exit_)
    for price in (0.12, 0.3, 0.5):
        desk.print(price)
        found = desk.status()["balance_recon"]
        assert found["status"] == "OK"
        assert found["unexplained_pct"] == pytest.approx(0.0, abs=1e-6)
    assert abs(found["drift_pct"]) > 1.0, "what the contract's formula alone would call a drift"
