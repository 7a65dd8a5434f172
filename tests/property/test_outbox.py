"""Who leaves first, over arbitrary arrivals and withdrawals (runtime 2.14, slots 4.4)."""

from hypothesis import given
from hypothesis import strategies as st

from millrace.core.commands import Approved, CancelOrder, Place, Side, Style
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.risk.board import RestrictionBoard
from millrace.shell.outbox import OUTBOX_LIMIT, Call, Outbox, Rank
from millrace.shell.unanswered import Query

DOGE = InstrumentId("toy", "DOGE/USD")
BOARD = RestrictionBoard()


def call(rank: Rank, number: int) -> Call:
    name = f"{rank.name}{number}"
    if rank is Rank.CANCEL:
        return CancelOrder(DOGE, name, "test")
    if rank is Rank.QUESTION:
        return Query(DOGE, name)
    leg = SubPosition("toy", DOGE, "1", "A")
    place = Place(DOGE, Side.BUY, 1, 1, Style.LIMIT, leg, rank is Rank.EXIT, name, "test")
    approved = BOARD.permit(place, name, 1, 0)
    assert isinstance(approved, Approved)
    return approved


@given(st.lists(st.sampled_from(list(Rank)), max_size=60), st.sets(st.integers(0, 59)))
def test_ranks_leave_in_order_and_each_rank_first_come_first_served(ranks: list[Rank], withdrawn: set[int]) -> None:
    outbox = Outbox(OUTBOX_LIMIT)
    for number, rank in enumerate(ranks):
        outbox.push(call(rank, number), number)
    orders = {number for number in withdrawn if number < len(ranks) and ranks[number] in {Rank.EXIT, Rank.ENTRY}}
    for number in range(len(ranks)):
        if number in withdrawn:
            taken = outbox.withdraw(f"{ranks[number].name}{number}")
            assert (taken is not None) == (number in orders)
            assert taken is None or taken.client_id == f"{ranks[number].name}{number}"
    left = sorted((rank, number) for number, rank in enumerate(ranks) if number not in orders)
    assert [getattr(one, "client_id", "") for one in outbox] == [f"{rank.name}{number}" for rank, number in left]
    assert outbox.is_full == (len(left) >= OUTBOX_LIMIT == 32)
    for rank, number in left:
        assert outbox.highest is rank
        head = outbox.head(rank)
        assert head is not None
        assert head.queued_ns == number
        outbox.pop(rank)
    assert outbox.highest is None
    assert len(outbox) == 0
