"""The daily realised-loss lock (slots 7.5)."""

import pytest

from millrace.core.codec import decode_state, encode_state
from millrace.risk.loss_lock import DAY_NS, LossLock, LossLockChange

NOON = 20_000 * DAY_NS + DAY_NS // 2


def locked(limit_usd: float = 10.0) -> LossLock:
    lock = LossLock(limit_usd)
    lock.book(-10.0, NOON)
    assert lock.check(NOON) is LossLockChange.LOCKED
    return lock


@pytest.mark.parametrize(("loss", "hit"), [(9.99, False), (10.0 - 2e-12, False), (10.0 - 1e-12, True), (10.0, True)])
def test_the_comparison_is_inclusive_within_1e_12(loss: float, hit: bool):
    lock = LossLock(10.0)
    lock.book(-loss, NOON)
    assert lock.check(NOON) is (LossLockChange.LOCKED if hit else None)
    assert lock.locked is hit
    assert lock.check(NOON) is None


def test_profits_buy_no_losses_and_other_days_do_not_count():
    lock = LossLock(10.0)
    lock.book(50.0, NOON)
    lock.book(-6.0, NOON)
    lock.book(-6.0, NOON - DAY_NS)
    lock.book(-6.0, NOON + DAY_NS)
    assert lock.check(NOON) is None
    assert lock.loss_usd(NOON) == 6.0
    lock.book(-4.0, NOON)
    assert lock.check(NOON) is LossLockChange.LOCKED


def test_it_clears_at_the_utc_rollover():
    lock = locked()
    last = (NOON // DAY_NS + 1) * DAY_NS - 1
    assert lock.check(last) is None
    assert lock.locked
    assert lock.check(last + 1) is LossLockChange.ROLLED_OVER
    assert not lock.locked


@pytest.mark.parametrize("limit", [10.5, 0.0, -1.0])
def test_it_clears_at_once_when_the_limit_allows(limit: float):
    lock = locked()
    lock.set_limit(limit)
    assert lock.check(NOON + 1) is LossLockChange.LIMIT_RAISED
    assert not lock.locked


def test_a_limit_raised_to_the_loss_does_not_clear():
    lock = locked()
    lock.set_limit(10.0)
    assert lock.check(NOON) is None
    assert lock.locked


def test_zero_switches_it_off():
    lock = LossLock(0.0)
    lock.book(-1e9, NOON)
    assert lock.check(NOON) is None


def test_it_survives_a_restart():
    lock, again = locked(), LossLock(0.0)
    again.restore(decode_state(encode_state(lock.snapshot())))
    assert again.locked
    assert again.check(NOON) is None
    assert again.snapshot() == lock.snapshot()
    assert again.check(NOON + DAY_NS) is LossLockChange.ROLLED_OVER


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_what_is_no_amount_is_turned_away(value: float):
    lock = LossLock(10.0)
    for act in (lambda: lock.book(value, NOON), lambda: lock.set_limit(value), lambda: LossLock(value)):
        with pytest.raises(ValueError, match="not an amount"):
            act()
