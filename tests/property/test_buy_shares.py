"""The account's pool in shares (slots 8.3, P25, P26), and layers that the account carries (slots 8.1), whatever is free."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.strategies.slots.entry_size.b_side import payable, split
from millrace.strategies.slots.entry_size.layers import ORDERS_PER_SLOT, carried

MONEY = st.integers(0, 10**18)
CENT = 10**7


@given(pool=MONEY, ready=st.integers(1, 500), cent=st.integers(1, 10**9))
def test_8_3_shares_are_whole_cents_and_the_carry_is_less_than_a_cent_a_slot(pool, ready, cent):
    shares = split(pool, ready, cent)
    assert shares.share % cent == 0
    assert shares.share * ready + shares.carry == pool
    assert 0 <= shares.carry < cent * ready


@given(pool=MONEY, ready=st.integers(1, 60))
def test_8_3_slots_that_take_their_shares_one_after_the_other_never_take_more_than_the_pool(pool, ready):
    left, sizes = pool, []
    for still_ready in range(ready, 0, -1):
        sizes.append(split(left, still_ready, CENT).share)
        left -= sizes[-1]
    assert 0 <= left < CENT * ready
    assert max(sizes) - min(sizes) <= CENT, "the last one gets no less than the first, nor more than a cent above"


@given(pool=MONEY)
def test_8_3_nobody_ready_leaves_the_pool_alone(pool):
    assert split(pool, 0, CENT) == (pool, 0, 0, 0)


@given(free=st.integers(-(10**15), 10**18), buffer=MONEY, fee_ppm=st.integers(0, 50_000))
def test_8_3_what_is_payable_leaves_buffer_and_fee(free, buffer, fee_ppm):
    cost = payable(free, buffer, fee_ppm)
    assert cost >= 0
    if cost:
        assert cost + cost * fee_ppm // 1_000_000 <= free - buffer


@given(
    target=st.integers(0, 100),
    worth=st.floats(0.0, 1e9),
    slots=st.integers(0, 200),
    plain=st.floats(0.0, 1e6),
    units=st.floats(0.0, 1e6),
)
def test_8_1_no_more_layers_count_than_the_account_carries(target, worth, slots, plain, units):
    layers = carried(target, worth, slots, plain, units)
    assert 0 <= layers <= target
    if layers:
        assert ORDERS_PER_SLOT * slots * (plain + layers * units) <= worth * (1.0 + 1e-9) + 1e-6
