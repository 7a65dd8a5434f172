"""Scores and weights in the joined desk: what quotes bring decides sizes, and who is left out is worked down (quoting 6, 7)."""

import json

import pytest
from msgspec.structs import replace

from millrace.core.commands import Reply, Submit
from millrace.core.events import Operator
from millrace.strategies.quoting.allocator.allocator import AllocatorState
from millrace.strategies.quoting.allocator.standing import Phase, Standing
from millrace.strategies.quoting.growth import Growth
from millrace.strategies.quoting.model import EVEN_ALLOCATION
from millrace.strategies.quoting.scoreboard.window import ScoreInputs
from millrace.strategies.quoting.settings import QuotingSettings
from quote_runs import quote_run

NS_IN_MS = 1_000_000


@pytest.fixture(scope="module")
def played():
    run = quote_run(quoting__symbols=4)
    run.run(100)
    return run


def placed(run, symbol, since: int = 0):
    orders = [one.order.order for one in run.commands(Submit)[since:]]
    return [order for order in orders if order.instrument == symbol.instrument.id]


def test_what_quotes_brought_is_scored_and_weighed(played) -> None:
    now_ms = played.simulation.now_ns // NS_IN_MS
    shown = played.desk.growth.shown(now_ms)
    json.dumps(shown)
    rows = shown["symbols"]
    assert shown["rebalances"] == 3
    assert shown["active_symbols"] == 4
    assert any(row["score"] is not None for row in rows.values())
    for row in rows.values():
        assert row["ticks"] == 19
        assert 0 < row["net_samples"] <= row["ticks"]
        assert 0.0 <= row["fill_rate"] <= 1.0
        assert 0.0 <= row["queue_edge"] <= 1.0
        assert -1.0 < row["slippage_bps"] < 3.0
    slippages = [row["slippage_bps"] for row in rows.values()]
    assert len(set(slippages)) == 4, "it tells symbols apart"
    assert sum(slippages) > 0.0, "who trades with us does so before our quotes have moved"
    weights = [row["weight"] for row in rows.values()]
    assert len(set(weights)) > 1
    assert sum(weights) == pytest.approx(4.0, abs=0.2)
    assert [played.desk.growth.allocation(symbol).weight for symbol in rows] == weights
    played.simulation.feed_event(Operator("quoting_status", {}, played.simulation.now_ns))
    status = played.commands(Reply)[-1].data["symbols"]
    assert [row["weight"] for row in status] == weights
    assert [row["score"] for row in status] == [row["score"] for row in rows.values()]


def test_a_growth_goes_through_json(played) -> None:
    growth = played.desk.growth
    state = json.loads(json.dumps(growth.snapshot()))
    again = Growth(played.desk.settings, tuple(one.symbol for one in played.desk.symbols.values()))
    again.restore(state)
    assert again.snapshot() == growth.snapshot()
    now_ms = played.simulation.now_ns // NS_IN_MS
    assert again.shown(now_ms) == growth.shown(now_ms)
    later_ms = now_ms + 300_000
    again.rebalance(later_ms)
    other = Growth(played.desk.settings, tuple(one.symbol for one in played.desk.symbols.values()))
    other.restore(state)
    other.rebalance(later_ms)
    assert again.snapshot() == other.snapshot()


def test_every_fill_and_every_quote_is_counted_once(played) -> None:
    """The account of each symbol is what the venue's balances say, and no order that is gone is still followed."""
    orders = {key for one in played.desk.symbols.values() for key in one.working.orders}
    assert set(played.desk.growth._filled_before) <= orders
    for one in played.desk.symbols.values():
        account = one.reducer.account
        parts = account.parts(1_000, one.reducer.mid2)
        assert parts.total == account.total(one.reducer.mid2)


def test_an_operators_list_holds_from_the_first_tick() -> None:
    run = quote_run(quoting_dynamic_allocator__blacklist="ETH/USDT")
    run.run(40)
    eth = next(one for one in run.desk.symbols.values() if one.symbol == "ETH/USDT")
    others = [one for one in run.desk.symbols.values() if one is not eth]
    assert not placed(run, eth)
    assert all(placed(run, one) for one in others)
    row = run.desk.growth.shown(run.simulation.now_ns // NS_IN_MS)["symbols"]["ETH/USDT"]
    assert (row["active"], row["weight"], row["why"]) == (False, 0.0, "blacklisted")


def test_a_banned_symbol_is_worked_down_until_an_operator_ends_it() -> None:
    """Leaving: only what reduces is quoted. The operator's word brings it back at the weight of one reinstated."""
    run = quote_run()
    run.run(25)
    growth = run.desk.growth
    now_ms = run.simulation.now_ns // NS_IN_MS
    symbol = max(run.desk.symbols.values(), key=lambda one: abs(one.reducer.account.position))
    held = abs(symbol.reducer.account.position)
    assert held
    banned = Standing(phase=Phase.BANNED, until_ms=now_ms + 3_600_000, bans=1)
    growth._state = AllocatorState(symbols={symbol.symbol: banned}, rebalances=1)
    growth.rebalance(now_ms)
    run.run(2)
    before = len(run.commands(Submit))
    run.run(60)
    assert all(order.reduces for order in placed(run, symbol, before))
    assert abs(symbol.reducer.account.position) < held
    assert growth.why(symbol.symbol, now_ms).startswith("banned for 60 min")
    ask = Operator("clear_ban", {"symbol": symbol.symbol}, run.simulation.now_ns)
    run.simulation.feed_event(ask)
    assert growth.allocation(symbol.symbol).weight == 0.3
    before = len(run.commands(Submit))
    run.run(20)
    assert any(not order.reduces for order in placed(run, symbol, before))
    run.simulation.feed_event(Operator("clear_ban", {"symbol": symbol.symbol}, run.simulation.now_ns))
    assert [reply.code for reply in run.commands(Reply)] == [200, 400]


def test_the_ramp_may_switch_the_allocator_off_and_on(played) -> None:
    growth = Growth(played.desk.settings, ("A", "B"))
    growth._state = AllocatorState(symbols={"A": Standing(weight=2.0), "B": Standing(weight=0.5)}, rebalances=1)
    growth.rebalance(60_000)
    assert growth.allocation("A").weight != 1.0
    assert growth.next_ns == 90_000 * NS_IN_MS
    growth.switch(allocates=False, ramping=False, now_ms=61_000)
    assert {growth.allocation(symbol).weight for symbol in "AB"} == {1.0}
    assert growth.next_ns > 10**18
    growth.switch(allocates=True, ramping=True, now_ms=61_000)
    assert growth.next_ns == 120_000 * NS_IN_MS


def test_a_list_that_is_new_at_a_restart_holds_at_once() -> None:
    """Also against weights that an earlier run left; and without the allocator nobody is weighed any more."""
    settings = QuotingSettings.live()
    growth = Growth(settings, ("A", "B"))
    growth._state = AllocatorState(symbols={"A": Standing(weight=2.0), "B": Standing(weight=0.5)}, rebalances=1)
    growth.rebalance(60_000)
    state = json.loads(json.dumps(growth.snapshot()))
    listed = Growth(replace(settings, dynamic_allocator=replace(settings.dynamic_allocator, blacklist="B")), ("A", "B"))
    listed.restore(state)
    assert listed.allocation("A") == growth.allocation("A")
    assert not listed.allocation("B").active
    off = Growth(replace(settings, dynamic_allocator=replace(settings.dynamic_allocator, enabled=False)), ("A", "B"))
    off.restore(state)
    assert off.allocation("A") == EVEN_ALLOCATION


def test_a_person_hears_of_bans_of_the_last_symbol_and_of_what_is_unfair() -> None:
    growth = Growth(QuotingSettings.live(), ("A", "B"))
    heard = []
    for window in range(2 * 6 * 35):
        now_ms = (window + 1) * 5_000
        for symbol, net_bps in (("A", -9.0), ("B", -7.0)):
            growth._board.observe(symbol, ScoreInputs(net_bps=net_bps), now_ms)
        if now_ms % 30_000 == 0:
            heard += growth.rebalance(now_ms)
    assert [(alert.severity.value, alert.code) for alert in heard] == [
        ("warn", "symbol_banned"),
        ("warn", "last_symbol"),
        ("warn", "allocator_unfair"),
    ]
    assert heard[0].text == "A brings -9.0 bps of what it trades and is drained for 60 min"
    assert heard[1].text.startswith("B ")
    assert "statement 7" in heard[2].text
    growth.clear("A", now_ms)
    assert growth.allocation("A").active
