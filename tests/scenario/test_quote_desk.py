"""The quote desk joined to the program: it quotes both sides, trades, and is stopped by whatever stops trading."""

from collections import Counter

import pytest

from millrace.core.binary_events import BookLevel
from millrace.core.book_events import BookSnapshot
from millrace.core.commands import AmendOrder, CancelOrder, RecordFill, Refuse, Side, Submit
from millrace.core.events import Operator, Timer
from millrace.core.permission import Level, ReasonCode, Restriction, Scope, ScopeKind
from millrace.strategies.quoting.strategy import DESK_FAILED
from millrace.world.assemble import build_program
from quote_runs import quote_run


@pytest.fixture(scope="module")
def minute():
    run = quote_run()
    run.run(60)
    return run


def test_every_symbol_is_quoted_on_both_sides(minute) -> None:
    placed = {(one.order.order.instrument.symbol, one.order.order.side) for one in minute.commands(Submit)}
    assert placed == {(one.symbol, side) for one in minute.desk.symbols.values() for side in Side}
    assert minute.commands(RecordFill)


def test_the_desk_knows_what_its_venue_knows(minute) -> None:
    bases = {one.instrument.base: one for one in minute.desk.symbols.values()}
    opening = minute.venue.settings.opening
    for asset, pair in minute.venue.balances().items():
        if asset in bases:
            one = bases[asset]
            held = minute.program.orders.position(one.position)
            assert sum(pair) - opening[asset] == one.instrument.base_amount(held)
            assert one.reducer.account.position == held
    resting = {order.client_id for order in minute.venue.open_orders(None)}
    ours = {order.client_id for order in minute.program.orders.unfinished()}
    assert resting <= ours
    desk = {key for one in minute.desk.symbols.values() for key in one.working.orders}
    assert desk == {order.place.key for order in minute.program.orders.unfinished()}


def test_keys_never_return_with_other_content(minute) -> None:
    keys = [one.order.order.key for one in minute.commands(Submit)]
    assert len(keys) == len(set(keys))


def test_latencies_are_those_of_the_way_there_and_back(minute) -> None:
    for one in minute.desk.symbols.values():
        features = one.last.context.features
        assert features.latency_n > 0
        assert 40.0 <= features.latency_p95_ms <= 60.0


def test_a_halt_takes_every_order_back() -> None:
    run = quote_run()
    run.run(20)
    assert run.venue.open_orders(None)
    now_ns = run.simulation.now_ns
    scope = Scope(ScopeKind.STRATEGY, "quoting")
    halt = Restriction("test", scope, Level.HALT, ReasonCode.OPERATOR_HALT, "a test", "test", now_ns)
    run.program.engine.board.post(halt)
    before = len(run.commands(Submit))
    run.run(5)
    assert run.commands(CancelOrder)
    assert not run.venue.open_orders(None)
    assert len(run.commands(Submit)) == before


def test_a_paused_symbol_only_closes_its_position_and_is_quoted_again_when_resumed() -> None:
    run = quote_run()
    run.run(20)
    symbol = next(iter(run.desk.symbols.values()))
    run.simulation.feed_event(Operator("pause_symbol", {"symbol": symbol.symbol}, run.simulation.now_ns))
    run.run(2)
    before = len(run.commands(Submit))
    run.run(20)
    placed = [
        one.order.order for one in run.commands(Submit)[before:] if one.order.order.instrument == symbol.instrument.id
    ]
    assert all(order.reduces for order in placed)
    run.simulation.feed_event(Operator("resume_symbol", {"symbol": symbol.symbol}, run.simulation.now_ns))
    before = len(run.commands(Submit))
    run.run(20)
    opened = [
        one.order.order for one in run.commands(Submit)[before:] if one.order.order.instrument == symbol.instrument.id
    ]
    assert any(not order.reduces for order in opened)


def test_a_feed_that_falls_silent_pulls_every_quote() -> None:
    silent_ns = []
    run = quote_run(fate=lambda row: () if silent_ns and row.ts_ns > silent_ns[0] else (row,))
    run.run(20)
    assert run.venue.open_orders(None)
    silent_ns.append(run.simulation.now_ns)
    run.run(2)
    assert not run.venue.open_orders(None)
    stale = {one.tally.why for one in run.desk.symbols.values()}
    assert stale == {"md_stale"}


def test_a_desk_that_fails_leaves_no_quote_behind_and_goes_on_when_the_halt_is_lifted(monkeypatch) -> None:
    """A bug halts everything, but a halt alone cancels nothing: quotes without a desk would be run over."""
    run = quote_run()
    run.run(20)
    assert run.venue.open_orders(None)
    symbol = next(iter(run.desk.symbols.values()))
    with monkeypatch.context() as broken:
        broken.setattr(symbol, "tick", lambda *_: 1 // 0)
        run.simulation.run_until(run.simulation.now_ns + 3_000_000_000)
        assert isinstance(run.program.engine.fault, ZeroDivisionError)
        assert DESK_FAILED in {one.reason for one in run.commands(CancelOrder)}
        assert not run.venue.open_orders(None)
        assert not any(one.working.orders for one in run.desk.symbols.values())
        again = build_program(run.settings)
        again.engine.restore(run.program.engine.snapshot())
        assert again.engine.snapshot() == run.program.engine.snapshot()
    halt = run.program.engine.board.active()[0].id
    args = {"id": halt, "operator": "test", "reason": "mended"}
    run.simulation.feed_event(Operator("clear", args, run.simulation.now_ns))
    before = len(run.commands(Submit))
    run.simulation.run_until(run.simulation.now_ns + 30_000_000_000)
    assert {one.order.order.instrument for one in run.commands(Submit)[before:]} == set(run.desk.symbols)


def test_a_price_of_nothing_is_a_book_that_is_wrong_and_no_bug() -> None:
    run = quote_run()
    run.run(20)
    symbol = next(iter(run.desk.symbols.values()))
    at, now_ns = symbol.instrument.id, run.simulation.now_ns
    book = run.program.engine.depth(at)
    assert book is not None
    levels = ((BookLevel(0, 5),), (BookLevel(10, 5),))
    run.simulation.feed_event(BookSnapshot(at, now_ns, now_ns, book.seq + 1_000, *levels))
    assert run.program.engine.depth(at) is None
    run.run(1)
    assert run.program.engine.depth(at) is not None


def test_a_snapshot_gives_the_same_desk_and_the_same_commands() -> None:
    run, other = quote_run(), quote_run()
    run.run(30)
    other.run(30)
    state = run.program.engine.snapshot()
    other.program.engine.restore(state)
    assert other.program.engine.snapshot() == state
    assert other.desk.interest() == run.desk.interest()
    run.run(30)
    other.run(30)
    assert other.program.engine.command_hash == run.program.engine.command_hash


def test_waking_on_deadlines_alone_gives_the_same_commands() -> None:
    eager, lazy = quote_run(lazy=False), quote_run(lazy=True)
    eager.run(30)
    lazy.run(30)
    assert eager.program.engine.command_hash == lazy.program.engine.command_hash
    assert sum(isinstance(event, Timer) for event, _ in lazy.steps)


def test_a_position_that_changes_its_sign_is_counted_alike_by_everybody() -> None:
    run = quote_run(quoting__symbols=6)
    run.run(120)
    signs: dict[str, set[bool]] = {}
    sums: dict[str, int] = {}
    for fill in run.commands(RecordFill):
        name = fill.position.instrument.symbol
        sums[name] = sums.get(name, 0) + fill.side.sign * fill.lots
        signs.setdefault(name, set()).add(sums[name] > 0)
    assert any(len(seen) == 2 for seen in signs.values())
    engine = run.program.engine
    ledger = {row.position.instrument.symbol: row.lots for row in run.ledger.positions()}
    table = {position.instrument.symbol: lots for position, lots in engine.positions().items()}
    assert ledger == table == {name: lots for name, lots in sums.items() if lots}
    guards = {guard.name: guard for guard in engine.guards}
    exposure = guards["loss_cap"]._scopes
    books = next(
        day.books for scope, day in exposure.items() if scope.name == "quoting" and scope.kind.value == "strategy"
    )
    assert {name.partition(":")[2]: lots for name, lots in books.lots.items()} == table
    marks = books.marks(engine, {str(one.instrument.id): one.instrument for one in run.desk.symbols.values()}, 0, 1)
    for one in run.desk.symbols.values():
        name = str(one.instrument.id)
        if name in marks:
            depth = engine.depth(one.instrument.id)
            assert marks[name] == (depth.best_bid() if books.lots[name] > 0 else depth.best_ask())[0]


def test_a_loss_cap_of_the_desk_is_never_passed() -> None:
    dear = {"quoting__maker_fee_bps": 50.0, "quoting_adaptive_spread__fee_floor": False}  # each fill loses its fee
    run = quote_run(quoting__symbols=6, stops__strategy_loss_cap_usd=12.0, **dear)
    run.run(150)
    told = {reason for refusal in run.commands(Refuse) for reason in refusal.reasons}
    assert ReasonCode.WORST_CASE_EXCEEDS_LOSS_CAP.value in told
    guards = {guard.name: guard for guard in run.program.engine.guards}
    assert -12.0 < guards["loss_cap"].status(run.program.engine)["strategy:quoting"]["day_pnl_usd"] < -5.0


def test_every_action_is_counted_once_and_only_when_it_left() -> None:
    """Quoting 9, counters count each event once: what the pace holds back is decided again and not counted again."""
    run = quote_run(quoting__symbols=4, quoting_throttle__amends_per_sec=1, quoting_throttle__places_per_sec=1)
    run.run(120)
    tallies = [one.tally for one in run.desk.symbols.values()]
    counted: Counter[str] = Counter()
    for tally in tallies:
        for words, count in tally.intents.items():
            counted[words.split(" ")[0]] += count
    assert sum(tally.throttled for tally in tallies) > 20
    assert counted["place"] == len(run.commands(Submit)) > 20
    refused = counted["amend"] - len(run.commands(AmendOrder))
    assert 0 <= refused <= 2, "now and then an order has no terms left to change by then"
    others = len(run.commands(CancelOrder)) - counted["cancel"]
    assert 0 <= others <= 2, "a guard takes orders back without a tick"
    assert sum(tally.fills for tally in tallies) == len(run.commands(RecordFill))
