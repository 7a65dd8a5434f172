"""Runtime 2.10: cycles, turns, misses that halve a depth, errors that halt a lane, and one merged list."""

from collections import Counter
from random import Random

import pytest

from millrace.capacity.lane_policy import LaneBudgets, LaneNews, LanePolicy, merged
from millrace.core.binary_events import LaneScanned, LaneStatus

SECOND = 1_000_000_000
DONE, LATE, FAILED = LaneStatus.DONE, LaneStatus.LATE, LaneStatus.FAILED


def answer(lane, scan, status=DONE, ts_ns=0):
    return LaneScanned("arb", lane, scan, status, (), "", ts_ns)


def one_lane():
    return LanePolicy(["combo"], LaneBudgets(slots=1))


def ask(policy, status, ts_ns):
    ((lane, scan),) = policy.due(ts_ns)
    return policy.heard(answer(lane, scan, status, ts_ns))


def test_defaults_are_those_of_the_contract() -> None:
    budgets = LaneBudgets()
    assert (budgets.soft_ns, budgets.hard_ns, budgets.cycle_ns) == (150_000_000, 400_000_000, SECOND)
    assert (budgets.misses, budgets.least_depth, budgets.recover_ppm) == (3, 10, 100_000)
    assert (budgets.errors, budgets.errors_ns, budgets.clean_ns) == (5, 60 * SECOND, 60 * SECOND)


def test_one_scan_per_lane_and_cycle_and_none_while_one_is_out() -> None:
    policy = one_lane()
    assert policy.due(0) == [("combo", 1)]
    assert policy.due(SECOND) == []
    policy.heard(answer("combo", 1))
    assert policy.due(2 * SECOND - 1) == []
    assert policy.due(2 * SECOND) == [("combo", 2)]


def test_an_answer_that_was_not_asked_for_changes_nothing() -> None:
    policy = one_lane()
    policy.due(0)
    before = policy.snapshot()
    for event in (answer("combo", 9, FAILED), answer("other", 1, FAILED)):
        assert policy.heard(event) == LaneNews(asked=False)
    assert policy.snapshot() == before
    policy.forget_asked()
    assert policy.due(SECOND) == [("combo", 2)]
    assert policy.heard(answer("combo", 1, FAILED)) == LaneNews(asked=False)


def test_five_lanes_on_two_slots_all_run_in_turn() -> None:  # A3
    names = [f"lane{number}" for number in range(5)]
    policy = LanePolicy(names, LaneBudgets(slots=2))
    ran = Counter()
    for cycle in range(50):
        due = policy.due(cycle * SECOND)
        assert len(due) == 2
        for lane, scan in due:
            ran[lane] += 1
            policy.heard(answer(lane, scan))
        if cycle == 2:
            assert set(ran) == set(names)
    assert set(ran.values()) == {20}


def test_a_lane_that_comes_late_takes_fewer_turns_but_never_none() -> None:
    names = [f"lane{number}" for number in range(5)]
    policy = LanePolicy(names, LaneBudgets(slots=2))
    ran = Counter()
    for cycle in range(300):
        for lane, scan in policy.due(cycle * SECOND):
            ran[lane] += 1
            policy.heard(answer(lane, scan, LATE if lane == "lane0" else DONE, cycle * SECOND))
    assert 0 < ran["lane0"] < min(ran[name] for name in names[1:])


def test_a_lane_without_an_answer_does_not_hold_the_others() -> None:
    policy = LanePolicy(["stuck", "a", "b"], LaneBudgets(slots=2))
    ran = Counter()
    for cycle in range(30):
        for lane, scan in policy.due(cycle * SECOND):
            ran[lane] += 1
            if lane != "stuck":
                policy.heard(answer(lane, scan))
    assert ran["stuck"] == 1
    assert min(ran["a"], ran["b"]) >= 14


def test_three_misses_in_a_row_halve_the_depth_down_to_ten() -> None:
    policy = one_lane()
    depths = []
    for number in range(24):
        news = ask(policy, LATE, number * SECOND)
        assert news.shallower is (number % 3 == 2 and number < 18)
        depths.append(policy.depth("combo", number * SECOND))
    assert depths[1:24:3][:3] == [640, 320, 160]
    assert depths[-1] == 10


def test_a_scan_in_time_ends_the_row_of_misses() -> None:
    policy = one_lane()
    for number, status in enumerate([LATE, LATE, DONE] * 5):
        assert ask(policy, status, number * SECOND) == LaneNews()
    assert policy.depth("combo", 15 * SECOND) == 640


def test_each_clean_minute_gives_a_tenth_of_the_depth_back() -> None:
    policy = one_lane()
    for number in range(6):
        ask(policy, LATE, number * SECOND)
    assert policy.depth("combo", 5 * SECOND) == 160
    for minute, depth in enumerate((160, 224, 288, 352)):
        assert policy.depth("combo", (5 + 60 * minute) * SECOND) == depth
    assert policy.depth("combo", 65 * 60 * SECOND) == 640


@pytest.mark.parametrize(("gap", "halts"), [(14, True), (16, False)])
def test_five_errors_within_a_minute_halt_the_lane(gap, halts) -> None:
    policy = one_lane()
    news = [ask(policy, FAILED, number * gap * SECOND) for number in range(5)]
    assert [each.halt for each in news] == [False] * 4 + [halts]
    assert policy.halted("combo") is halts
    assert bool(policy.due(1_000 * SECOND)) is not halts
    if halts:
        policy.resume("combo")
        assert policy.due(1_001 * SECOND)


def test_the_merged_list_does_not_depend_on_who_answers_first() -> None:  # A2
    random, rank = Random(3), ["intra", "cross", "bucket", "combo"]
    items = [(lane, random.choice((1.0, 2.0)), f"key{number}") for number, lane in enumerate(rank * 20)]
    wanted = sorted(items, key=lambda item: (rank.index(item[0]), -item[1], item[2]))
    for _ in range(1_000):
        random.shuffle(items)
        found = {}
        for item in items:
            found.setdefault(item[0], []).append(item)
        assert merged(found, rank, lambda item: item[1], lambda item: item[2]) == wanted


def test_snapshots_carry_everything() -> None:
    policy = LanePolicy(["a", "b", "c"], LaneBudgets(slots=2))
    for cycle in range(10):
        for lane, scan in policy.due(cycle * SECOND):
            policy.heard(answer(lane, scan, (DONE, LATE, FAILED)[cycle % 3], cycle * SECOND))
    policy.due(10 * SECOND)
    other = LanePolicy(["a", "b", "c"], LaneBudgets(slots=2))
    other.restore(policy.snapshot())
    assert other.snapshot() == policy.snapshot()
    assert other.due(11 * SECOND) == policy.due(11 * SECOND)
