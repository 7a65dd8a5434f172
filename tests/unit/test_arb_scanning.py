"""The combination lane through its whole way: asked for, answered by an event, proved on the books of now (runtime 2.10)."""

import pytest

from arb_quotes import SECOND, book, detector, market, rule_set, yes
from arb_rules import pair
from millrace.core.binary_events import LaneScanned, LaneStatus
from millrace.core.commands import Alert, Book, Post
from millrace.core.permission import Level, Scope, ScopeKind
from millrace.shell.lane_worker import named
from millrace.sim.lanes import SimulatedLanes, SimulatedLanesSettings
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.rules.joint import Joint
from millrace.strategies.arb.rules.records import Relation
from millrace.strategies.arb.scanning import COMBO, JOBS, LaneScans, budgets_of

MINUTE = 60 * SECOND
PAIRS = 6
RULES = rule_set(
    pairs=[pair(Relation.EQUIVALENT, yes(2 * number), yes(2 * number + 1), f"p{number}") for number in range(PAIRS)]
)


class Desk:
    """What the desk has of it: detector, joint rules, scans; and the simulated runner beside it."""

    def __init__(self, late_ppm=0, depth=2):
        self.finder = detector([market(number) for number in range(2 * PAIRS)], RULES)
        self.joint = Joint(RULES)
        self.scans = LaneScans("arb", ComboSettings(components=depth))
        jobs = {lane: named(job) for lane, job in JOBS.items()}
        self.lanes = SimulatedLanes(jobs, 1, SimulatedLanesSettings(late_ppm=late_ppm))
        for number in range(PAIRS):  # one pair in three is cheap together
            cheap = 40 if number % 3 == 0 else 60
            self.finder.observe(book(market(2 * number), yes_asks=cheap, ts_ns=SECOND))
            self.finder.observe(book(market(2 * number + 1), no_asks=50, ts_ns=SECOND))

    def scan(self, now_ns):
        (asked,) = self.scans.due(self.joint, now_ns)
        setup, books = (part(self.finder, self.joint) for part in (self.scans.setup, self.scans.books))
        return self.lanes.answer(asked, setup, books).event

    def heard(self, event):
        return self.scans.heard(event, self.finder, self.joint)


def test_every_component_has_its_turn_and_finds_become_rows() -> None:
    desk, rows = Desk(), []
    for minute in range(3):
        rows += desk.heard(desk.scan(minute * MINUTE))
    assert {type(row) for row in rows} == {Book}
    assert [row.kind for row in rows] == ["arb_combo"] * 2
    assert {row.values["net_nano"] for row in rows} == {100 * 100_000_000}
    assert len({row.key for row in rows}) == 2
    assert desk.scans.status(0) == {"depth": 2, "halted": False, "proved": 2, "void": 0}


def test_a_find_that_no_longer_holds_is_void() -> None:
    desk = Desk(depth=6)
    event = desk.scan(0)
    assert len(event.found) == 2
    desk.finder.observe(book(market(0), yes_asks=60, ts_ns=2 * SECOND))
    assert len(desk.heard(event)) == 1
    assert (desk.scans.proved, desk.scans.void) == (1, 1)


def test_an_answer_to_a_life_before_is_not_heard() -> None:
    desk = Desk(depth=6)
    event = desk.scan(0)
    desk.scans.started()
    assert desk.heard(event) == []
    assert desk.scan(MINUTE).found


def test_a_late_scan_brings_nothing_and_three_halve_the_depth() -> None:
    desk, said = Desk(late_ppm=1_000_000, depth=40), []
    for minute in range(3):
        said += desk.heard(desk.scan(minute * MINUTE))
    (alert,) = said
    assert (type(alert), alert.code) == (Alert, "lane_shallower")
    assert desk.scans.status(2 * MINUTE)["depth"] == 20


def test_scans_and_errors_come_as_often_as_the_settings_say() -> None:
    budgets = budgets_of(ComboSettings(every_sec=60.0, components=16))
    assert (budgets.cycle_ns, budgets.depth, budgets.least_depth) == (MINUTE, 16, 10)
    assert (budgets.errors, budgets.errors_ns) == (5, 10 * MINUTE)
    assert budgets_of(ComboSettings(every_sec=1.0, components=4)).errors_ns == 60 * SECOND


def test_five_errors_halt_the_lane_until_it_is_resumed() -> None:
    desk, said = Desk(), []
    for minute in range(5):
        (asked,) = desk.scans.due(desk.joint, minute * MINUTE)
        failed = LaneScanned("arb", COMBO, asked.scan, LaneStatus.FAILED, (), "its process died", minute * MINUTE)
        said += desk.heard(failed)
    assert [one.code for one in said if isinstance(one, Alert)] == ["lane_error"] * 5
    (post,) = [one for one in said if isinstance(one, Post)]
    assert (post.restriction.scope, post.restriction.level) == (Scope(ScopeKind.LANE, "combo"), Level.HALT)
    assert desk.scans.next_ns(desk.joint) is None
    assert desk.scans.due(desk.joint, 60 * MINUTE) == []
    desk.scans.resume()
    assert desk.scans.due(desk.joint, 61 * MINUTE)


@pytest.mark.parametrize(("reporting", "rules"), [(False, RULES), (True, rule_set())])
def test_nothing_is_asked_for_where_there_is_nothing_to_search(reporting, rules) -> None:
    scans = LaneScans("arb", ComboSettings(reporting=reporting))
    assert scans.next_ns(Joint(rules)) is None
    assert scans.due(Joint(rules), MINUTE) == []


def test_snapshots_carry_the_turn() -> None:
    desk = Desk()
    desk.heard(desk.scan(0))
    other = LaneScans("arb", ComboSettings(components=2))
    other.restore(desk.scans.snapshot())
    assert other.snapshot() == desk.scans.snapshot()
