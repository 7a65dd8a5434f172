"""What the grid watches over itself: balances (slots 7.7), unrealised profit (7.4), open orders (4.7), sides (P4)."""

import pytest

from millrace.core.events import OpenOrdersReport
from millrace.strategies.slots.books.balance_recon import Baseline, Holdings, balance_recon
from slots_desk import DAY_NS, LOOP_NS, Desk, books

PLAIN = {"volatility_auto_profit": False, "reentry_base_cooldown_sec": 0.0}
BASE, USD = 10_000.0, 2_000.0


def recon(desk):
    return desk.status()["balance_recon"]


# ---- 7.7 balance reconciliation


def test_7_7_the_formula_by_hand():
    baseline = Baseline(usd=2_000.0, base=10_000.0, price=0.25, ts_ns=1)
    found = balance_recon(baseline, Holdings(2_150.0, 10_100.0), 0.2, 100.0, 2.0)
    assert found.baseline_eq == 10_000.0 + 2_000.0 / 0.2
    assert found.current_eq == 10_100.0 + 2_150.0 / 0.2
    assert found.growth == pytest.approx(100.0 + 150.0 / 0.2)
    assert found.bot_pnl == 100.0 / 0.2
    assert found.drift == pytest.approx(850.0 - 500.0)
    assert found.drift_pct == pytest.approx(350.0 / 20_000.0 * 100.0)
    assert found.drift_usd == pytest.approx(350.0 * 0.25), "at the baseline's price"


@pytest.mark.parametrize(("usd", "status"), [(2_040.0, "OK"), (1_960.0, "OK"), (2_040.1, "DRIFT"), (1_959.9, "DRIFT")])
def test_7_7_the_threshold_is_inclusive_on_both_sides(usd, status):
    baseline = Baseline(usd=2_000.0, base=0.0, price=1.0, ts_ns=1)
    assert balance_recon(baseline, Holdings(usd, 0.0), 1.0, 0.0, 2.0).status == status


def test_7_7_null_without_baseline_no_price_and_no_balance():
    baseline = Baseline(usd=2_000.0, base=0.0, price=1.0, ts_ns=1)
    assert balance_recon(None, Holdings(1.0, 1.0), 1.0, 0.0, 2.0).status is None
    assert balance_recon(baseline, Holdings(1.0, 1.0), 0.0, 0.0, 2.0).status == "NO_PRICE"
    assert balance_recon(baseline, Holdings(None, None), 1.0, 0.0, 2.0).status == "NO_BALANCE"
    assert balance_recon(Baseline(0.0, 0.0, 1.0, 1), Holdings(1.0, 1.0), 1.0, 0.0, 2.0).status == "NO_BALANCE"


def test_7_7_the_baseline_is_the_first_good_balance_and_stays():
    desk = Desk(money=None)
    desk.loop()
    assert recon(desk)["status"] is None
    desk.money(BASE, USD)
    assert (recon(desk)["baseline_base"], recon(desk)["baseline_usd"], recon(desk)["baseline_price"]) == (
        BASE,
        USD,
        0.2,
    )
    desk.money(BASE + 5.0, USD)
    desk.loop(0.3)
    assert (recon(desk)["baseline_base"], recon(desk)["baseline_price"]) == (BASE, 0.2)
    assert desk.restarted().status()["balance_recon"] == recon(desk)


def test_7_7_balances_that_were_there_before_the_first_price_are_taken_by_the_first_loop():
    desk = Desk(money=(BASE, USD))
    assert recon(desk)["status"] is None
    desk.loop()
    assert recon(desk)["status"] == "OK"


def trade(desk, base, usd, *legs):
    """Fill orders and report the balances that a venue would have after each; returns them."""
    for leg in legs:
        client_id = desk.one(leg)
        place = desk.sent[client_id]
        lots, cost = place.lots, desk.facts.cost(place.limit_ticks, place.lots)
        fee = desk.facts.quote_float(desk.facts.fee(cost, maker=True))
        base += place.side.sign * desk.facts.volume(lots)
        usd -= place.side.sign * desk.facts.quote_float(cost) + fee
        desk.fill(client_id)
        desk.accept()
        desk.money(base, usd)
    return base, usd


def test_7_7_trading_is_no_drift_whatever_the_price_does():
    desk = Desk(money=(BASE, USD), daily_loss_limit_usd=0.0, **PLAIN).open()
    trade(desk, BASE, USD, "A", "B", "A", "B", "A")
    for price in (0.2, 0.3, 0.1):
        desk.loop(price)
        assert recon(desk)["status"] == "OK"
        open_fees = sum(order["volume"] for order in desk.status()["slots"][0]["orders"]) * 0.2 * 0.003
        assert abs(recon(desk)["drift"]) * price <= open_fees
    assert recon(desk)["growth"] != 0.0


def test_7_7_a_drift_is_told_once_when_two_looks_find_it_and_once_when_it_is_gone():
    desk = Desk(money=(BASE, USD)).open()
    desk.money(BASE + 1_000.0, USD)
    assert recon(desk)["status"] == "DRIFT"
    assert desk.alerts("balance_drift") == [], "fills and balances do not come at one moment"
    for _ in range(12):
        desk.wait(100.0)
        desk.print(0.2)
        desk.money(BASE + 1_000.0, USD)
    assert len(desk.alerts("balance_drift")) == 1
    for _ in range(4):
        desk.wait(100.0)
        desk.print(0.2)
        desk.money(BASE, USD)
    assert len(desk.alerts("balance_drift")) == 1
    assert len(desk.alerts("balance_drift_gone")) == 1


def test_7_7_a_deposit_that_is_told_moves_the_baseline_and_is_a_record():
    desk = Desk(money=(BASE, USD)).open()
    desk.money(BASE + 1_000.0, USD - 50.0)
    assert recon(desk)["status"] == "DRIFT"
    assert desk.ask("external_flow", base=1_000.0, usd=-50.0).startswith("ok: -50 USD and +1000 DOGE")
    assert (recon(desk)["status"], recon(desk)["drift"]) == ("OK", pytest.approx(0.0))
    (flow,) = books(desk.commands, "external_flow")
    assert flow.values == {"usd": -50.0, "base": 1_000.0}
    desk = desk.restarted()
    assert recon(desk)["status"] == "OK"
    desk.ask("external_flow", usd=1.0)
    assert len({row.key for row in books(desk.commands, "external_flow")}) == 2


@pytest.mark.parametrize("args", [{}, {"usd": "many"}, {"base": True}, {"usd": float("nan")}, {"usd": 0.0}])
def test_7_7_a_flow_that_is_none_is_refused(args):
    desk = Desk(money=(BASE, USD)).open()
    assert desk.ask("external_flow", **args).startswith("refused")
    assert books(desk.commands, "external_flow") == []


# ---- 7.4 unrealised profit


@pytest.mark.parametrize(("leg", "sign"), [("A", -1.0), ("B", 1.0)])
def test_7_4_part_fills_of_entries_and_exits_count_at_the_mark(leg, sign):
    desk = Desk(order_size_doge=120.0, **PLAIN).open()
    entry = desk.one(leg)
    price = desk.limit(entry)
    desk.fill(entry, 30.0)
    desk.print(0.25)
    unrealised = lambda: desk.status()["totals"]["unrealised_usd"]  # noqa: E731
    assert unrealised() == pytest.approx(sign * 30.0 * (0.25 - price))
    desk.fill(entry)
    assert unrealised() == pytest.approx(sign * 120.0 * (0.25 - price))
    desk.accept()
    exit_ = desk.one(leg)
    out = desk.limit(exit_)
    desk.fill(exit_, 50.0)
    assert unrealised() == pytest.approx(sign * (70.0 * (0.25 - price) + 50.0 * (out - price)))


# ---- 4.7 open-order drift


def count(desk, orders):
    """Report the venue's open orders a second later."""
    desk.wait(1.0)
    return desk.step(OpenOrdersReport(desk.facts.id, desk.orders.live(desk.facts.id), orders, desk.now_ns))


def test_4_7_a_drift_of_10_for_600_s_is_told_again_after_1800_s_and_its_end_once():
    desk = Desk(5).open()
    began_ns = desk.now_ns
    told_after = []
    while desk.now_ns < began_ns + 5_000 * 10**9:
        desk.wait(59.0)
        count(desk, 10)
        if len(desk.alerts("open_order_drift")) > len(told_after):
            told_after.append((desk.now_ns - began_ns) // 10**9)
    assert told_after == [660, 2_460, 4_260], "the first report was at 60 s"
    assert "open_order_drift_persistent" in desk.status()["capacity_fill_health"]["blocked_risk_hint"]
    count(desk, 9)
    count(desk, 9)
    assert len(desk.alerts("open_order_drift_gone")) == 1
    assert "open_order_drift_persistent" not in desk.status()["capacity_fill_health"]["blocked_risk_hint"]


def test_4_7_nine_orders_or_a_short_difference_are_not_told():
    desk = Desk(5).open()
    for foreign in [9] * 100 + [10] * 9 + [0] + [10] * 9 + [0]:
        desk.wait(59.0)
        count(desk, foreign)
    assert desk.alerts("open_order_drift") == desk.alerts("open_order_drift_gone") == []


def test_4_7_a_drift_outlives_a_restart():
    desk = Desk(5).open()
    for _ in range(11):
        desk.wait(59.0)
        count(desk, 10)
    assert len(desk.alerts("open_order_drift")) == 1
    desk = desk.restarted()
    count(desk, 10)
    assert len(desk.alerts("open_order_drift")) == 1
    count(desk, 0)
    assert len(desk.alerts("open_order_drift_gone")) == 1


# ---- P4 one side starved


def test_p4_a_side_that_is_starved_for_an_hour_is_told_once_and_shown():
    desk = Desk(3, money=(BASE, 0.0))
    desk.loop()
    desk.accept()
    since_ns = desk.now_ns
    assert desk.find("B") == []
    desk.loops(119)
    assert desk.alerts("one_sided_for_sec") == []
    assert desk.status()["one_sided_for_sec"] == 119 * LOOP_NS / 1e9
    desk.loops(10)
    (alert,) = desk.alerts("one_sided_for_sec")
    assert alert.ts_ns == since_ns + 3_600 * 10**9
    assert "no buy entry for 3600 s" in alert.text
    desk = desk.restarted()
    assert desk.status()["one_sided_for_sec"] == 129 * LOOP_NS / 1e9
    desk.money(BASE, USD)
    desk.loops(2)
    assert desk.find("B")
    assert desk.status()["one_sided_for_sec"] == 0.0


def test_p4_the_hour_is_kept_without_any_other_reason_to_wake():
    desk = Desk(2, money=(BASE, 0.0))
    desk.loop()
    desk.accept()
    for slot in desk.grid.slots.values():
        slot.due_ns = desk.now_ns + DAY_NS
    desk.grid.rescheduled()
    deadline_ns = desk.strategy.interest().deadline_ns
    assert deadline_ns == desk.now_ns + 3_600 * 10**9


def test_p4_a_paused_grid_is_not_starved_and_the_hour_starts_when_it_may_trade_again():
    desk = Desk(2, money=(BASE, 0.0))
    desk.loop()
    desk.accept()
    desk.ask("pause")
    desk.loops(130)
    assert desk.status()["one_sided_for_sec"] == 0.0
    desk.ask("resume")
    desk.loop()
    resumed_ns = desk.now_ns
    desk.loops(120)
    (alert,) = desk.alerts("one_sided_for_sec")
    assert alert.ts_ns == resumed_ns + 3_600 * 10**9


def test_p4_exits_that_wait_are_no_starved_side():
    desk = Desk(2).open()
    for slot_id in (1, 2):
        desk.fill(desk.one("B", slot_id))
    desk.accept()
    desk.loops(130)
    assert desk.status()["one_sided_for_sec"] == 0.0
