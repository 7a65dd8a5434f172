"""The desk's own record of its orders follows the venue's news, whatever order it comes in (quoting 4.6, runtime 2.15)."""

import pytest
from msgspec.structs import replace

from millrace.core.commands import Amend, AmendResult, Cancel, OrderState, OrderUpdate, Place, Refused, Side
from millrace.core.events import RejectReason
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.strategies.quoting.model import IntentKind, OrderIntent
from millrace.strategies.quoting.working import Working

AT = SubPosition("quoting", InstrumentId("bybit", "ETH/USDT"), "quotes", "net")
MS = 1_000_000


def _intent(kind: IntentKind, ticks: int = 100, lots: int = 50, side: Side = Side.SELL) -> OrderIntent:
    return OrderIntent(kind, side, 0, 1, ticks, lots, "test", False)


def _resting(*, held: int = 0, lots: int = 50) -> tuple[Working, Place]:
    working = Working(AT)
    place = working.wanted(_intent(IntentKind.PLACE, lots=lots), MS, held, 200)
    assert isinstance(place, Place)
    working.heard(_news(place, OrderState.OPEN, OrderState.SENT), 2 * MS)
    return working, place


def _news(
    place: Place, state: OrderState, previous: OrderState, *, filled: int = 0, amend: AmendResult | None = None
) -> OrderUpdate:
    return OrderUpdate("id", place, state, previous, 0, 0, 0, filled, 0, 0, None, "", MS, amend)


def test_a_cancel_that_was_lost_while_nobody_knew_the_order_is_sent_again() -> None:
    working, place = _resting()
    working.heard(_news(place, OrderState.UNKNOWN, OrderState.OPEN), 3 * MS)
    assert isinstance(working.wanted(_intent(IntentKind.CANCEL), 4 * MS, 0, 200), Cancel)
    assert working.wanted(_intent(IntentKind.CANCEL), 5 * MS, 0, 200) is None
    working.heard(_news(place, OrderState.OPEN, OrderState.UNKNOWN), 6 * MS)
    assert isinstance(working.wanted(_intent(IntentKind.CANCEL), 7 * MS, 0, 200), Cancel)


def test_an_order_that_closes_never_grows_into_one_that_opens() -> None:
    working, place = _resting(held=60)
    assert place.reduces
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 101, 60), 3 * MS, 60, 200), Amend)
    working, _ = _resting(held=60)
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 101, 61), 3 * MS, 60, 200), Cancel)
    working, _ = _resting(held=60)
    # What was filled already counts on both sides; the board allows the old terms whatever is held.
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 101, 50), 3 * MS, 0, 200), Amend)
    working, place = _resting(held=0)
    assert not place.reduces
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 101, 999), 3 * MS, 0, 200), Amend)


def test_an_amend_that_the_board_refused_becomes_a_cancel() -> None:
    working, place = _resting()
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 99), 3 * MS, 0, 200), Amend)
    working.refused(Refused(place, ("operator_pause",), 3 * MS, is_amend=True))
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 98), 4 * MS, 0, 200), Cancel)


@pytest.mark.parametrize(
    ("reject", "next_is"),
    [
        (None, Amend),
        (RejectReason.LOST, Amend),
        (RejectReason.TOO_OLD, Amend),
        (RejectReason.POST_ONLY_WOULD_CROSS, Amend),
        (RejectReason.INSUFFICIENT_FUNDS, Cancel),
        (RejectReason.OTHER, Cancel),
    ],
)
def test_an_amend_that_the_venue_does_not_want_is_not_asked_for_again(reject, next_is) -> None:
    working, place = _resting()
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 101), 3 * MS, 0, 200), Amend)
    answer = AmendResult(1, 50, 101, reject)
    working.heard(_news(place, OrderState.OPEN, OrderState.OPEN, amend=answer), 4 * MS)
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 102), 5 * MS, 0, 200), next_is)


@pytest.mark.parametrize("reject", [RejectReason.TOO_OLD, RejectReason.BELOW_MINIMUM])
def test_what_never_left_says_nothing_of_how_slow_the_venue_is(reject: RejectReason) -> None:
    """Latency samples are taken around a request (12): waiting here for its turn is none."""
    at_venue = reject is RejectReason.BELOW_MINIMUM
    working = Working(AT)
    place = working.wanted(_intent(IntentKind.PLACE), MS, 0, 200)
    assert isinstance(place, Place)
    heard = working.heard(replace(_news(place, OrderState.REJECTED, OrderState.SENT), reject=reject), 500 * MS)
    assert heard is not None
    assert heard.latency_ms == (499.0 if at_venue else None)
    working, place = _resting()
    assert isinstance(working.wanted(_intent(IntentKind.AMEND, 99), 3 * MS, 0, 200), Amend)
    heard = working.heard(
        _news(place, OrderState.OPEN, OrderState.OPEN, amend=AmendResult(1, 50, 99, reject)), 500 * MS
    )
    assert heard is not None
    assert heard.latency_ms == (497.0 if at_venue else None)
