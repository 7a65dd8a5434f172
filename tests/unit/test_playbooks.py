"""Playbooks as the guard carries them out: rungs, holds, recovery by measurement, escalation, wrong rows (runtime 2.20)."""

from typing import Any

import pytest

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Alert, Book, Lift, Post, Severity
from millrace.core.events import MarketPhase, MarketStatus, Measured, Operator, Timer
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Recovery, Scope, ScopeKind
from millrace.core.recovery_events import Reconciled, RecoveryBegan
from millrace.core.trouble_events import BreakerMoved, BreakerState, StorageRecovered, StorageTrouble
from millrace.risk.board import RestrictionBoard
from millrace.risk.playbooks import Playbooks
from millrace.risk.playbooks_facts import STORAGE
from millrace.risk.playbooks_row import CARRIED_OUT, Act, Action, Playbook, Rung
from millrace.risk.playbooks_rows import CLOCK_SKEW, COMMIT_P99, FREE_DISK, ROWS

SECOND = 1_000_000_000
MINUTE = 60 * SECOND
DOGE = InstrumentId("kraken", "DOGE/USD")
GIB = float(2**30)
VENUE = Scope(ScopeKind.VENUE, "kraken")
GLOBAL = Scope(ScopeKind.GLOBAL)


class Desk:
    """The guard with a real board, driven by hand; `said` is every verdict in order."""

    def __init__(self, books: tuple[Playbook, ...] = ROWS) -> None:
        self.guard = Playbooks(books)
        self.board = RestrictionBoard()
        self.held: dict[SubPosition, int] = {}
        self.now_ns = MINUTE
        self.said: list[Any] = []

    def restrictions(self):
        return self.board.active()

    def positions(self):
        return self.held

    def unfinished(self):
        return []

    def see(self, event) -> list[Any]:
        self.now_ns = max(self.now_ns, event.ts_ns)
        verdicts = self.guard.observe(event, self)
        for verdict in verdicts:
            if isinstance(verdict, Post):
                self.board.post(verdict.restriction)
            elif isinstance(verdict, Lift):
                self.board.lift(verdict.restriction_id)
        self.said += verdicts
        return verdicts

    def measure(self, figure, subject: str, value: float, at_ns: int) -> list[Any]:
        self.wake(at_ns)
        return self.see(Measured(figure.name, subject, value, at_ns))

    def wake(self, until_ns: int) -> None:
        """Let the deadlines up to here come."""
        while (due_ns := self.guard.interest().deadline_ns) is not None and due_ns <= until_ns:
            self.see(Timer(due_ns))
            assert self.guard.interest().deadline_ns != due_ns, "a deadline that was answered comes again"

    def breaker(self, endpoint: str, state: BreakerState, at_ns: int) -> None:
        self.wake(at_ns)
        self.see(BreakerMoved("kraken", endpoint, state, "t", at_ns))

    def reconciled(self, at_ns: int, orphans: tuple[str, ...] = ()) -> None:
        self.wake(at_ns)
        self.see(Reconciled("kraken", orphans, (), None, at_ns))

    def standing(self) -> set[tuple[Scope, Level, float, ReasonCode, Recovery]]:
        return {(one.scope, one.level, one.multiplier, one.reason, one.recovery) for one in self.board.active()}

    def pages(self) -> int:
        return sum(isinstance(verdict, Alert) and verdict.severity is Severity.PAGE for verdict in self.said)


HALTED = {(GLOBAL, Level.HALT, 1.0, ReasonCode.STORAGE_TROUBLE, Recovery.AUTO)}
OUT = {(VENUE, Level.HALT, 1.0, ReasonCode.VENUE_OUTAGE, Recovery.AUTO)}


def test_rows_use_only_what_is_carried_out() -> None:
    assert set(Act) == {
        *("post_restriction", "set_mode", "set_governor_ceiling", "pause_lanes", "cancel_scope", "resubscribe"),
        *("rotate_endpoint", "snapshot_bundle", "page"),
    }
    acts = {action.act for book in ROWS for step in book.steps for action in step.actions}
    assert acts == CARRIED_OUT
    for act in set(Act) - CARRIED_OUT:
        with pytest.raises(ValueError, match="nothing carries out"):
            Action(act, lambda _: ())
    with pytest.raises(ValueError, match="needs scopes"):
        Action(Act.POST_RESTRICTION, level=Level.HALT)
    with pytest.raises(ValueError, match="with level OPEN"):
        Action(Act.POST_RESTRICTION, lambda _: ())


# Clock skew: > 1 s for 30 s: CAUTION; > 5 s: HALT venue; ends < 0.5 s for 60 s


def test_clock_skew_is_caution_after_30_s_and_ends_after_60_s_below_half_a_second() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 1.0, t - SECOND)
    assert desk.guard.interest().deadline_ns is None, "1 s is not more than 1 s"
    desk.measure(CLOCK_SKEW, "kraken", -1.1, t)
    desk.wake(t + 30 * SECOND - 1)
    assert desk.standing() == set()
    desk.wake(t + 30 * SECOND)
    assert desk.standing() == {(VENUE, Level.CAUTION, 0.5, ReasonCode.CLOCK_SKEW, Recovery.AUTO)}
    assert desk.pages() == 0
    assert desk.guard.figures_wanted() == {(CLOCK_SKEW.name, "kraken")}
    desk.measure(CLOCK_SKEW, "kraken", 0.5, t + 40 * SECOND)
    for second in range(50, 110, 10):
        desk.measure(CLOCK_SKEW, "kraken", 0.49, t + second * SECOND)
        assert desk.standing(), second
        assert desk.guard.figures_wanted()
    desk.measure(CLOCK_SKEW, "kraken", 0.49, t + 109 * SECOND)
    assert desk.standing()
    desk.measure(CLOCK_SKEW, "kraken", 0.49, t + 110 * SECOND)
    assert desk.standing() == set()
    assert desk.guard.figures_wanted() == frozenset()


def test_a_skew_that_goes_away_before_30_s_restricts_nothing() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 2.0, t)
    desk.measure(CLOCK_SKEW, "kraken", 0.9, t + 29 * SECOND)
    desk.measure(CLOCK_SKEW, "kraken", 2.0, t + 31 * SECOND)
    desk.wake(t + 60 * SECOND)
    assert desk.standing() == set()
    assert desk.said == []


def test_more_than_5_s_halts_the_venue_and_pages_at_once() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 5.0, t)
    assert desk.standing() == set()
    desk.measure(CLOCK_SKEW, "kraken", 5.1, t + SECOND)
    assert desk.standing() == {(VENUE, Level.HALT, 1.0, ReasonCode.CLOCK_SKEW, Recovery.AUTO)}
    assert desk.pages() == 1
    desk.measure(CLOCK_SKEW, "kraken", 2.0, t + 40 * SECOND)
    assert {one[1] for one in desk.standing()} == {Level.HALT}, "a level falls only when it is lifted"
    assert len(desk.board.active()) == 1


def test_silence_ends_nothing() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 6.0, t)
    desk.measure(CLOCK_SKEW, "kraken", 0.1, t + SECOND)
    for minute in range(1, 100):
        desk.see(Timer(t + minute * MINUTE))
    assert desk.standing(), "a clock ended it"
    desk.measure(CLOCK_SKEW, "kraken", 0.1, t + 100 * MINUTE)
    assert desk.standing(), "two figures with a gap between them show no 60 s"
    for second in range(10, 61, 10):
        assert desk.standing()
        desk.measure(CLOCK_SKEW, "kraken", 0.1, t + 100 * MINUTE + second * SECOND)
    assert desk.standing() == set()


def test_other_news_does_not_stand_for_a_fresh_figure() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 6.0, t)
    desk.measure(CLOCK_SKEW, "kraken", 0.1, t + SECOND)
    for second in range(10, 300, 10):
        desk.measure(FREE_DISK, STORAGE, 5 * GIB, t + second * SECOND)
    assert desk.standing()


# Ledger or disk trouble


@pytest.mark.parametrize("way", ["slow", "full", "broken"])
def test_ledger_and_disk_trouble_halts_everything_until_commits_are_fast_for_60_s(way: str) -> None:
    desk, t = Desk(), 10 * MINUTE
    if way == "slow":
        desk.measure(COMMIT_P99, STORAGE, 50.0, t - SECOND)
        assert desk.guard.interest().deadline_ns is None, "50 ms is not more than 50 ms"
        desk.measure(COMMIT_P99, STORAGE, 50.1, t - MINUTE)
        desk.now_ns = t - MINUTE
    elif way == "full":
        desk.measure(FREE_DISK, STORAGE, GIB, t - SECOND)
        assert desk.standing() == set()
        desk.measure(FREE_DISK, STORAGE, GIB - 1, t)
    else:
        desk.see(StorageTrouble("ledger", "no space", t))
    desk.wake(t)
    desk.wake(t + MINUTE)
    assert desk.standing() == HALTED
    assert desk.pages() == 1
    start = t + 2 * MINUTE
    for second in range(0, 120, 10):
        desk.measure(COMMIT_P99, STORAGE, 0.3 if way != "slow" else 5.0, start + second * SECOND)
    assert desk.standing() == HALTED, "the trigger holds, or 5 ms is not below 5 ms"
    start += 2 * MINUTE
    if way == "full":
        desk.measure(FREE_DISK, STORAGE, GIB, start)
    elif way == "broken":
        desk.see(StorageRecovered("ledger", start))
    for second in range(0, 60, 10):
        desk.measure(COMMIT_P99, STORAGE, 4.9, start + second * SECOND)
        assert desk.standing() == HALTED, second
    desk.measure(COMMIT_P99, STORAGE, 4.9, start + MINUTE)
    assert desk.standing() == set()


def test_commits_must_be_slow_for_60_s() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(COMMIT_P99, STORAGE, 51.0, t)
    desk.wake(t + MINUTE - 1)
    assert desk.standing() == set()
    desk.measure(COMMIT_P99, STORAGE, 50.0, t + MINUTE - 1)
    desk.wake(t + 5 * MINUTE)
    assert desk.standing() == set()


# Venue outage


def test_a_venue_that_answers_nothing_is_halted_at_once_and_until_probes_and_a_comparison_agree() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.see(RecoveryBegan("kraken", t - SECOND))
    desk.breaker("orders", BreakerState.OPEN, t)
    assert desk.standing() == set()
    desk.breaker("queries", BreakerState.OPEN, t + SECOND)
    assert desk.standing() == OUT
    desk.breaker("queries", BreakerState.HALF_OPEN, t + 30 * SECOND)
    desk.breaker("queries", BreakerState.CLOSED, t + 40 * SECOND)
    desk.reconciled(t + 41 * SECOND)
    assert desk.standing() == OUT, "orders do not go through"
    desk.breaker("orders", BreakerState.HALF_OPEN, t + 45 * SECOND)
    desk.breaker("orders", BreakerState.CLOSED, t + 50 * SECOND)
    assert desk.standing() == OUT, "nobody compared since"
    desk.reconciled(t + 60 * SECOND, orphans=("x",))
    assert desk.standing() == OUT, "the comparison left something unexplained"
    desk.reconciled(t + 70 * SECOND)
    assert desk.standing() == set()


def test_a_program_that_never_compares_waits_for_probes_alone() -> None:
    desk, t = Desk(), 10 * MINUTE
    for endpoint in ("orders", "queries"):
        desk.breaker(endpoint, BreakerState.OPEN, t)
    assert desk.standing() == OUT
    for endpoint in ("orders", "queries"):
        desk.breaker(endpoint, BreakerState.CLOSED, t + MINUTE)
    assert desk.standing() == set()


def test_orders_that_do_not_go_through_for_60_s_are_an_outage_probing_included() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.breaker("orders", BreakerState.OPEN, t)
    desk.breaker("orders", BreakerState.HALF_OPEN, t + 25 * SECOND)
    desk.breaker("orders", BreakerState.OPEN, t + 26 * SECOND)
    desk.wake(t + MINUTE - 1)
    assert desk.standing() == set()
    desk.wake(t + MINUTE)
    assert desk.standing() == OUT


@pytest.mark.parametrize("exposed", [False, True])
def test_an_outage_pages_after_10_minutes_with_exposure(exposed: bool) -> None:
    desk, t = Desk(), 10 * MINUTE
    leg = SubPosition("slots", DOGE, "slot1", "A")
    desk.held = {leg: 5} if exposed else {leg._replace(instrument=InstrumentId("kalshi", "X")): 5}
    desk.breaker("orders", BreakerState.OPEN, t)
    desk.breaker("queries", BreakerState.OPEN, t)
    desk.wake(t + 10 * MINUTE - 1)
    assert desk.pages() == 0
    desk.wake(t + 10 * MINUTE)
    assert desk.pages() == exposed
    desk.wake(t + 20 * MINUTE)
    assert desk.pages() == exposed, "once"
    if not exposed:
        desk.held = {leg: 5}
        desk.see(Timer(t + 20 * MINUTE + SECOND))
        assert desk.pages() == 0, "looked at on its own beat, whoever else is woken"
        desk.wake(t + 20 * MINUTE + 10 * SECOND)
        assert desk.pages() == 1


# Resolution or settlement anomaly


@pytest.mark.parametrize("phase", [MarketPhase.PAUSED, MarketPhase.DELISTED, MarketPhase.RESOLVED_AGAINST_MAPPING])
def test_a_market_out_of_order_is_halted_with_its_families_until_an_operator_lifts_it(phase: MarketPhase) -> None:
    desk, t = Desk(), 10 * MINUTE
    leg, other = SubPosition("slots", DOGE, "cross/EVENT/b1", "A"), SubPosition("slots", DOGE, "slot2", "B")
    elsewhere = SubPosition("slots", InstrumentId("kraken", "BTC/USD"), "cross/OTHER/b2", "A")
    desk.held = {leg: 7, other: -3, elsewhere: 1}
    said = desk.see(MarketStatus(DOGE, phase, "halted by the venue", t))
    halts = [Scope(ScopeKind.MARKET, "kraken:DOGE/USD"), Scope(ScopeKind.FAMILY, "DOGE/USD")]
    halts.append(Scope(ScopeKind.FAMILY, "EVENT"))
    assert desk.standing() == {
        (scope, Level.HALT, 1.0, ReasonCode.MARKET_ANOMALY, Recovery.OPERATOR) for scope in halts
    }
    pending = [verdict for verdict in said if isinstance(verdict, Book)]
    assert [(book.kind, book.values["lots"]) for book in pending] == [
        ("settlement_pending", 7),
        ("settlement_pending", -3),
    ]
    assert len({book.key for book in pending}) == 2
    assert desk.pages() == 1
    desk.see(MarketStatus(DOGE, MarketPhase.OPEN, "open", t + MINUTE))
    desk.see(Timer(t + 10 * MINUTE))
    assert len(desk.standing()) == 3, "only a person ends it"
    first, *rest = [one.id for one in desk.board.active()]
    desk.board.lift(first)
    desk.see(Operator("clear", {}, t + 11 * MINUTE))
    assert len(desk.standing()) == 2, "what the operator lifted stays lifted"
    for restriction_id in rest:
        desk.board.lift(restriction_id)
    desk.see(Operator("clear", {}, t + 12 * MINUTE))
    assert desk.standing() == set()
    assert desk.guard.status(desk)["market_anomaly"]["millrace_playbook_runs_total"] == {"operator": 1}
    desk.see(Timer(t + 13 * MINUTE))
    assert desk.standing() == set()
    desk.see(MarketStatus(DOGE, phase, "again", t + 14 * MINUTE))
    assert len(desk.standing()) == 3
    assert desk.pages() == 2


def test_a_venues_next_word_about_the_market_posts_what_was_lifted_and_pages_again() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.see(MarketStatus(DOGE, MarketPhase.PAUSED, "paused", t))
    desk.board.lift(desk.board.active()[0].id)
    desk.see(MarketStatus(DOGE, MarketPhase.DELISTED, "delisted", t + MINUTE))
    assert len(desk.standing()) == 2
    assert desk.pages() == 2
    assert desk.guard.status(desk)["market_anomaly"]["millrace_playbook_runs_total"] == {"repeated": 1}


# The guard


def test_what_somebody_lifts_while_a_book_stands_is_posted_again() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.see(StorageTrouble("journal", "no space", t))
    desk.board.lift(desk.board.active()[0].id)
    desk.see(Operator("clear", {}, t + SECOND))
    assert desk.standing() == HALTED


def test_two_books_at_once_do_not_wait_for_each_other() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 2.0, t)
    desk.wake(t + 30 * SECOND)
    desk.see(StorageTrouble("ledger", "no space", t + 40 * SECOND))
    assert {one[1] for one in desk.standing()} == {Level.CAUTION, Level.HALT}
    assert desk.board.standing("slots", DOGE).level is Level.HALT, "the board takes the stricter"
    for second in range(50, 111, 10):
        desk.measure(CLOCK_SKEW, "kraken", 0.1, t + second * SECOND)
    assert desk.standing() == HALTED, "the milder one ended without the graver one"


def wrong(severity: int, *, recovers: bool = False, scopes: Any = lambda _: (VENUE,)) -> Playbook:
    def cannot_tell(case) -> bool:
        if case.facts.broken:
            raise KeyError("no such figure")
        return False

    act = Action(Act.POST_RESTRICTION, scopes, Level.CAUTION, 0.5)
    rung = Rung("a wrong row", cannot_tell, (act,), for_ns=MINUTE)
    return Playbook(
        "wrong", severity, ReasonCode.VENUE_OUTAGE, lambda _: ("kraken",), (rung,), recovered=lambda _: recovers
    )


@pytest.mark.parametrize("severity", [1, 2, 3])
def test_a_predicate_that_raises_counts_as_triggered_for_severity_3_and_alerts_otherwise(severity: int) -> None:
    desk, t = Desk((wrong(severity, recovers=True),)), 10 * MINUTE
    desk.see(StorageTrouble("x", "y", t))
    assert bool(desk.standing()) is (severity == 3)
    told = [verdict.code for verdict in desk.said if isinstance(verdict, Alert)]
    assert told.count("playbook_predicate_failed") == 1
    desk.see(StorageTrouble("x", "z", t + MINUTE))
    assert bool(desk.standing()) is (severity == 3), "recovery does not count while the trigger cannot be judged"
    told = [verdict.code for verdict in desk.said if isinstance(verdict, Alert)]
    assert told.count("playbook_predicate_failed") == (1 if severity == 3 else 2), "told once per run"
    desk.see(StorageRecovered("x", t + 2 * MINUTE))
    assert desk.standing() == set()


def test_a_recovery_that_raises_ends_nothing() -> None:
    def cannot_tell(case) -> bool:
        raise ZeroDivisionError

    rung = Rung("always", lambda case: bool(case.facts.broken), (Action(Act.PAGE),))
    book = Playbook("b", 3, ReasonCode.VENUE_OUTAGE, lambda _: ("kraken",), (rung,), recovered=cannot_tell)
    desk = Desk((book,))
    desk.see(StorageTrouble("x", "y", 10 * MINUTE))
    desk.see(StorageRecovered("x", 11 * MINUTE))
    assert desk.guard.status(desk)["b"]["millrace_playbook_active"] == 1


def test_an_action_that_fails_is_followed_by_the_next_stronger_one_and_both_are_told() -> None:
    def no_scopes(case):
        raise LookupError("which venue?")

    desk = Desk((wrong(3, scopes=no_scopes),))
    desk.see(StorageTrouble("x", "y", 10 * MINUTE))
    assert {one[:2] for one in desk.standing()} == {(GLOBAL, Level.HALT)}
    status = desk.guard.status(desk)["wrong"]
    assert status["last_actions"] == [
        "post_restriction CAUTION: failed",
        "post_restriction HALT: failed",
        "post_restriction HALT",
    ]
    assert sum(isinstance(one, Alert) and one.code == "playbook_action_failed" for one in desk.said) == 2


def test_a_new_program_measures_anew_and_keeps_what_stands() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 6.0, t)
    for second in range(10, 60, 10):
        desk.measure(CLOCK_SKEW, "kraken", 0.1, t + second * SECOND)
    desk.measure(CLOCK_SKEW, "kalshi", 2.0, t + 50 * SECOND)
    again = Desk()
    again.guard.restore(decode_state(encode_state(desk.guard.snapshot())))
    again.board.restore(desk.board.snapshot())
    assert again.guard.snapshot() == desk.guard.snapshot()
    again.see(RecoveryBegan("kraken", t + MINUTE))
    again.wake(t + 2 * MINUTE)
    assert {one[0] for one in again.standing()} == {VENUE}, "what had not begun is forgotten"
    for second in range(0, 60, 10):
        again.measure(CLOCK_SKEW, "kraken", 0.1, t + 2 * MINUTE + second * SECOND)
        assert again.standing()
    again.measure(CLOCK_SKEW, "kraken", 0.1, t + 3 * MINUTE)
    assert again.standing() == set()


def test_an_outage_goes_on_over_a_restart_and_the_new_programs_breakers_end_it() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.breaker("orders", BreakerState.OPEN, t)
    desk.breaker("queries", BreakerState.OPEN, t)
    desk.see(RecoveryBegan("kraken", t + MINUTE))
    desk.reconciled(t + 2 * MINUTE)
    assert desk.standing() == OUT, "orders are still probed"
    desk.breaker("orders", BreakerState.CLOSED, t + 3 * MINUTE)
    desk.reconciled(t + 4 * MINUTE)
    assert desk.standing() == set()


def test_status_counts_and_measures() -> None:
    desk, t = Desk(), 10 * MINUTE
    desk.measure(CLOCK_SKEW, "kraken", 6.0, t)
    desk.now_ns = t + 5 * SECOND
    status = desk.guard.status(desk)
    assert set(status) == {"venue_outage", "clock_skew", "ledger_trouble", "market_anomaly"}
    assert status["clock_skew"]["millrace_playbook_active"] == 1
    assert status["clock_skew"]["millrace_playbook_seconds"] == 5.0
    assert status["clock_skew"]["active_since_ns"] == {"kraken": t}
    assert status["clock_skew"]["last_actions"] == ["post_restriction HALT", "page"]
    assert status["venue_outage"]["millrace_playbook_active"] == 0
