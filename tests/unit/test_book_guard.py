"""What becomes of a market whose book is wrong: quotes off, the book asked for anew, patience that ends (runtime 2.4)."""

import msgspec
import pytest

from book_tape import COIN, MS, SECOND, TruthMarket
from guard_floor import NOON_NS, Floor
from millrace.core.binary_events import BookLevel, StreamReset
from millrace.core.book_events import BookCause, BookDelta, BookState
from millrace.core.commands import Alert, CancelOrder, Lift, Post, ResyncBook
from millrace.core.events import Started, Timer
from millrace.core.instrument import Instrument, InstrumentId
from millrace.core.permission import Level
from millrace.market.view import MarketView
from millrace.risk.book_guard import BookGuard, book_id
from millrace.shell.metrics import Metrics
from millrace.world.book_telemetry import watch_books


def coin(number: int = 0) -> InstrumentId:
    return COIN if not number else InstrumentId("bybit", f"COIN{number}/USDC")


def facts(at: InstrumentId) -> Instrument:
    return Instrument(at, "DOGE", "USDC", 4, 1, 2, 1, 1, 0, 0, 0, 200)


class BookFloor(Floor):
    """Twelve markets that are quoted by their books, all live after a start."""

    def __init__(self, count: int = 12, **kind) -> None:
        self.markets = {coin(n): TruthMarket(n, at=coin(n), first_ns=NOON_NS, **kind) for n in range(count)}
        super().__init__(instruments=tuple(facts(at) for at in self.markets))
        self.step(Started(False, self.now_ns))
        for market in self.markets.values():
            self.step(market.snapshot())

    def _build(self, guards, instruments) -> None:
        super()._build(guards, instruments)
        view = MarketView()
        self.guard = BookGuard(view.books, [one.id for one in instruments])
        traders = tuple(self.traders.values())
        parts = (view, self.orders, self.engine.account, self.board, (self.guard,))
        self.engine = type(self.engine)(instruments, traders, *parts)
        self.books = view.books

    def lose(self, at: InstrumentId = COIN) -> list:
        """Lose one change of a market and deliver the next."""
        market = self.markets[at]
        market.now_ns = max(market.now_ns, self.now_ns)
        market.delta()
        event = market.delta()
        self.now_ns = max(self.now_ns, event.ts_ns)
        return self.step(event)

    def answer(self, at: InstrumentId = COIN, **more) -> list:
        return self.step(self.markets[at].snapshot(self.now_ns, **more))


def resyncs(made) -> list[tuple[InstrumentId, str]]:
    return [(one.instrument, one.cause) for one in made if isinstance(one, ResyncBook) and not one.only_check]


def checks(made) -> list[InstrumentId]:
    return [one.instrument for one in made if isinstance(one, ResyncBook) and one.only_check]


def test_a_gap_pulls_the_markets_quotes_and_asks_for_that_book_alone() -> None:
    """Runtime 2.4 rule 4."""
    floor = BookFloor()
    resting = floor.want(facts=facts(COIN), price=9.0)
    other = floor.want(facts=facts(coin(1)), price=9.0)
    assert isinstance(resting, str)
    assert isinstance(other, str)
    made = floor.lose()
    assert [(one.client_id, one.reason) for one in made if isinstance(one, CancelOrder)] == [(resting, "book_gap")]
    assert resyncs(made) == [(COIN, "gap")]
    assert floor.engine.depth(COIN) is None
    assert floor.engine.depth(coin(1)) is not None
    floor.answer()
    assert floor.engine.depth(COIN) is not None
    assert floor.books.state_of(COIN) is BookState.LIVE


def test_no_order_rests_by_a_book_that_is_not_there() -> None:
    floor = BookFloor()
    floor.lose()
    assert floor.want(facts=facts(COIN), price=9.0) == ("book_unverified",)
    assert isinstance(floor.want(facts=facts(coin(1)), price=9.0), str)


def test_five_seconds_lie_between_two_resyncs_of_a_market() -> None:
    floor = BookFloor()
    assert resyncs(floor.lose()) == [(COIN, "gap")]
    asked_ns = floor.now_ns
    floor.answer()
    assert resyncs(floor.lose()) == []
    made = floor.wait(6)
    assert [(one.ts_ns - asked_ns) for one in made if isinstance(one, ResyncBook)] == [5 * SECOND]


def test_a_fourth_resync_within_a_minute_is_a_quarantine_that_a_verified_book_ends() -> None:
    """Runtime 2.4 rule 4: > 3 in 60 s => quarantine; a relapse lasts twice as long."""
    floor = BookFloor()
    holds = []
    for _ in range(2):
        for _ in range(3):
            floor.lose()
            floor.wait(6)
            floor.answer()
        made = floor.lose()
        began_ns = floor.now_ns
        assert resyncs(made) == []
        assert floor.board.standing("grid", COIN).level is Level.HALT
        assert floor.board.standing("grid", coin(1)).level is Level.OPEN
        made = []
        while not resyncs(made):
            made = floor.wait(1)
        holds.append(floor.now_ns - began_ns)
        assert any(isinstance(one, Lift) for one in floor.answer())
        assert floor.board.standing("grid", COIN).level is Level.OPEN
    assert holds[0] == pytest.approx(60 * SECOND, abs=SECOND)
    assert holds[1] == pytest.approx(120 * SECOND, abs=SECOND)


def test_a_book_that_comes_by_itself_during_a_quarantine_does_not_end_it() -> None:
    floor = BookFloor()
    for _ in range(3):
        floor.lose()
        floor.wait(6)
        floor.answer()
    floor.lose()
    floor.wait(10)
    assert not any(isinstance(one, Lift) for one in floor.answer())
    assert floor.board.standing("grid", COIN).level is Level.HALT


def test_more_than_ten_markets_in_a_minute_mean_the_connection() -> None:
    """Runtime 2.4 rule 4: > 10 markets/min on a connection => reconnect the connection."""
    floor = BookFloor()
    for number in range(10):
        assert len(resyncs(floor.lose(coin(number)))) == 1
    made = floor.lose(coin(10))
    assert any(isinstance(one, Alert) and one.code == "book_reconnect" for one in made)
    assert {at for at, cause in resyncs(made) if cause == "reconnect"} == set(floor.markets)
    assert all(floor.engine.depth(at) is None for at in floor.markets)
    for at in floor.markets:
        floor.answer(at)
    assert all(floor.engine.depth(at) is not None for at in floor.markets)


def test_an_answer_that_does_not_come_is_asked_for_thrice_and_then_the_market_is_not_quotable() -> None:
    """Runtime 2.4, on failure: no snapshot within 5 s => retry with backoff; after 3 => market unquotable."""
    floor = BookFloor()
    made = floor.lose()
    began_ns = floor.now_ns
    made += floor.wait(34)
    assert [round((one.ts_ns - began_ns) / SECOND) for one in made if isinstance(one, ResyncBook) and not one.only_check] == [
        0, 5, 15
    ]  # fmt: skip
    assert floor.board.standing("grid", COIN).level is Level.OPEN
    made = floor.wait(2)
    assert any(isinstance(one, Post) and one.restriction.id == book_id(COIN) for one in made)
    assert resyncs(floor.wait(60)) == [(COIN, "gap")]
    assert any(isinstance(one, Lift) for one in floor.answer())
    assert floor.board.standing("grid", COIN).level is Level.OPEN


def test_a_new_connection_brings_its_snapshots_itself_and_is_asked_when_it_does_not() -> None:
    floor = BookFloor()
    resting = floor.want(facts=facts(COIN), price=9.0)
    made = floor.step(StreamReset("bybit", floor.now_ns))
    assert [one.client_id for one in made if isinstance(one, CancelOrder)] == [resting]
    assert resyncs(made) == []
    assert all(floor.engine.depth(at) is None for at in floor.markets)
    for number in range(11):
        floor.answer(coin(number))
    assert resyncs(floor.wait(6)) == [(coin(11), "reset")]


def test_a_restart_believes_no_book_until_it_is_told_anew() -> None:
    floor = BookFloor()
    floor.restarted(instruments=tuple(facts(at) for at in floor.markets))
    assert floor.engine.depth(COIN) is not None
    made = floor.step(Started(True, floor.now_ns))
    assert floor.engine.depth(COIN) is None
    assert resyncs(made) == [(at, "restart") for at in floor.markets]
    assert not any(isinstance(one, Post) for one in made)
    floor.answer()
    assert floor.engine.depth(COIN) is not None


def test_a_subscription_without_a_snapshot_is_asked_for() -> None:
    floor = BookFloor(0)
    floor.markets = {COIN: TruthMarket(first_ns=NOON_NS)}
    floor.restarted(instruments=(facts(COIN),))
    floor.step(Started(False, floor.now_ns))
    assert resyncs(floor.wait(4)) == []
    assert resyncs(floor.wait(2)) == [(COIN, "no_snapshot")]


def test_markets_with_money_at_stake_and_one_in_a_hundred_others_are_compared_each_minute() -> None:
    """Runtime 2.4 rule 5."""
    floor = BookFloor()
    floor.want(facts=facts(coin(3)), price=9.0)
    seen = [checks(floor.wait(60)) for _ in range(12)]
    assert all(coin(3) in one for one in seen)
    assert all(len(one) <= 2 for one in seen)
    assert {at for one in seen for at in one} == set(floor.markets)


def test_comparisons_are_spread_over_the_minute_and_none_is_left_out_by_a_pause() -> None:
    """Runtime 2.4 rule 5: under the governor, so never all in one moment."""
    floor = BookFloor(60)
    for number in range(60):
        floor.want(facts=facts(coin(number)), price=9.0)
    floor.wait(60)
    began_ns = floor.now_ns
    seconds = [checks(floor.wait(1)) for _ in range(60)]
    assert sorted(at for one in seconds for at in one) == sorted(floor.markets)
    assert max(map(len, seconds)) <= 5
    assert sum(map(bool, seconds)) >= 30
    again = [checks(floor.wait(1)) for _ in range(60)]
    assert again == seconds
    assert floor.now_ns == began_ns + 120 * SECOND
    # The program slept for half a minute: whose second went by meanwhile is compared at once, nobody twice.
    floor.now_ns += 30 * SECOND
    slept = checks(floor.step(Timer(floor.now_ns)))
    rest = [at for _ in range(30) for at in checks(floor.wait(1))]
    assert sorted(slept + rest) == sorted(floor.markets)


def test_two_comparisons_that_disagree_end_a_book_though_a_snapshot_came_between() -> None:
    """Runtime 2.4 rule 5: twice, at least 2 s apart; the counter survives snapshot refreshes (W11)."""
    floor = BookFloor(1)
    market = floor.markets[COIN]
    assert checks(floor.wait(60)) == [COIN]
    drifted = floor.markets[COIN].snapshot(floor.now_ns, polled=True, requested_ns=floor.now_ns)
    drifted = msgspec.structs.replace(drifted, bids=(BookLevel(99_000, 5),), seq=market.seq)
    assert resyncs(floor.step(drifted)) == []
    assert floor.engine.depth(COIN) is not None
    market.seq += 1
    floor.answer()
    assert checks(floor.wait(3)) == [COIN]
    again = msgspec.structs.replace(drifted, ts_ns=floor.now_ns, requested_ns=floor.now_ns)
    again = msgspec.structs.replace(again, venue_ts_ns=market.now_ns, seq=market.seq)
    assert resyncs(floor.step(again)) == [(COIN, "diverged")]
    assert floor.engine.depth(COIN) is None
    assert floor.guard.status(floor.engine)["bybit"]["divergences"] == 2


def test_the_firewall_judges_the_top_and_a_jump_is_not_served_until_it_is_confirmed() -> None:
    """Runtime 2.2 by way of 2.4: the top passes the spot firewall as a quote does."""
    floor = BookFloor(1)
    market = floor.markets[COIN]
    floor.step(market.delta())
    bids, asks = market.sides()
    gone = tuple(BookLevel(level.ticks, 0) for level in asks)
    far = BookLevel(asks[0].ticks * 2, 50)
    floor.now_ns = market.now_ns = market.now_ns + 100 * MS
    seq = market.seq
    for step in range(1, 4):
        event = BookDelta(
            COIN, floor.now_ns, floor.now_ns, seq + step, seq + step, (), (*gone, far) if step == 1 else ()
        )
        floor.step(event)
        is_served = floor.engine.depth(COIN) is not None
        assert is_served == (step == 3), step
        floor.now_ns += 300 * MS
    assert floor.books.state_of(COIN) is BookState.LIVE
    assert bids[0] == floor.engine.depth(COIN).best_bid()


def test_the_guard_says_what_it_did_in_the_status() -> None:
    floor = BookFloor(2)
    floor.lose()
    floor.now_ns += SECOND
    floor.answer()
    status = floor.guard.status(floor.engine)["bybit"]
    assert status["books"] == {"empty": 0, "syncing": 0, "live": 2, "invalid": 0}
    assert status["resyncs"] == {BookCause.GAP.value: 1}
    assert list(floor.guard.durations_ns["bybit"]) == [SECOND]


def test_the_metrics_are_those_of_the_contract() -> None:
    """Runtime 2.4, telemetry."""
    floor = BookFloor(2)
    floor.lose()
    floor.now_ns += SECOND
    floor.answer()
    metrics = Metrics()
    watch_books(metrics, floor.guard, lambda: floor.now_ns + 2 * SECOND)
    found = {
        (name, tuple(sorted(row["labels"].items()))): row["value"]
        for name, rows in metrics.snapshot().items()
        for row in rows
    }
    venue = ("venue", "bybit")
    assert found["millrace_book_state", (("state", "live"), venue)] == 2
    assert found["millrace_book_state", (("state", "invalid"), venue)] == 0
    assert found["millrace_book_resyncs_total", (("cause", "gap"), venue)] == 1
    assert found["millrace_book_checksum_failures_total", (venue,)] == 0
    assert found["millrace_book_divergence_total", (venue,)] == 0
    assert found["millrace_book_resync_seconds", (("quantile", "p99"), venue)] == 1.0
    assert found["millrace_book_verified_age_seconds", (("quantile", "p50"), venue)] == 2.0
