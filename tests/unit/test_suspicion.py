"""What makes a suspect observation true, what keeps it suspect, and that it is not suspected for ever (runtime 2.2)."""

import pytest

from millrace.core.data_quality import QuoteReason
from millrace.market.firewall_settings import FirewallSettings
from millrace.market.suspicion import Belief, Measure, Suspicion

MS = 1_000_000
BEGIN = 1_000_000 * MS
JUMPED, OTHER = list(QuoteReason)[:2]
STEP = 2


def jump(value: int, reason: QuoteReason = JUMPED) -> tuple[Measure, ...]:
    """A price 100 off, that would be believed of another one within a quarter of that."""
    return (Measure(reason, value, 100, STEP),)


def begun() -> Suspicion:
    suspicion = Suspicion(FirewallSettings())
    assert suspicion.weigh(jump(1_000), 7, BEGIN, snapshot=False) is Belief.NEW
    return suspicion


def later(suspicion: Suspicion, value: int, ms: int, *, snapshot: bool = False) -> Belief:
    return suspicion.weigh(jump(value), 8, BEGIN + ms * MS, snapshot=snapshot)


def test_two_later_observations_that_agree_make_it_true() -> None:
    suspicion = begun()
    assert later(suspicion, 1_025, 250) is Belief.SAME
    assert later(suspicion, 975, 500) is Belief.TRUE


def test_observations_less_than_250_ms_apart_count_once() -> None:
    suspicion = begun()
    assert [later(suspicion, 1_000, ms) for ms in (249, 250, 499, 500)] == [Belief.SAME] * 3 + [Belief.TRUE]


@pytest.mark.parametrize("value", [974, 1_026])
def test_one_further_off_than_a_quarter_of_the_jump_is_a_suspicion_of_its_own(value: int) -> None:
    suspicion = begun()
    assert later(suspicion, value, 250) is Belief.NEW
    assert later(suspicion, value, 500) is Belief.SAME
    assert later(suspicion, value, 750) is Belief.TRUE


def test_another_reason_agrees_with_nothing() -> None:
    suspicion = begun()
    assert suspicion.weigh(jump(1_000, OTHER), 8, BEGIN + 250 * MS, snapshot=False) is Belief.NEW


@pytest.mark.parametrize(("value", "belief"), [(1_000 + STEP, Belief.TRUE), (1_000 + STEP + 1, Belief.SAME)])
def test_one_snapshot_within_a_step_makes_it_true_at_once(value: int, belief: Belief) -> None:
    assert later(begun(), value, 1, snapshot=True) is belief


@pytest.mark.parametrize(("ms", "belief"), [(30_000, Belief.NEW), (30_001, Belief.TRUE)])
def test_after_half_a_minute_a_snapshot_decides_whatever_it_says(ms: int, belief: Belief) -> None:
    suspicion = begun()
    assert suspicion.is_overdue(BEGIN + ms * MS) is (belief is Belief.TRUE)
    assert later(suspicion, 5_000, ms, snapshot=True) is belief


def test_a_change_of_mind_does_not_make_the_suspicion_younger() -> None:
    suspicion = begun()
    for number in range(1, 60):
        later(suspicion, 1_000 + 500 * number, 500 * number)
    assert suspicion.since_ns == BEGIN
    assert suspicion.is_overdue(BEGIN + 30_001 * MS)


def test_an_ordinary_observation_ends_it() -> None:
    suspicion = begun()
    suspicion.clear()
    assert (suspicion.since_ns, suspicion.version) == (0, -1)
    assert not suspicion.is_overdue(BEGIN + 60_000 * MS)
    assert later(suspicion, 1_000, 250) is Belief.NEW


def test_a_restored_suspicion_goes_on() -> None:
    suspicion, other = begun(), Suspicion(FirewallSettings())
    later(suspicion, 1_000, 250)
    other.restore(suspicion.snapshot())
    assert other.snapshot() == suspicion.snapshot()
    assert later(other, 1_000, 500) is Belief.TRUE
