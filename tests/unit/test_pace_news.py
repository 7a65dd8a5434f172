"""Each word of a venue counts for our pace once, and only a word of the venue does (runtime 2.9)."""

import pytest

from millrace.core.events import (
    AmendRefused,
    CancelRefused,
    EndStatus,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    RejectReason,
)
from millrace.core.instrument import InstrumentId
from millrace.shell.pace_news import WITHDRAWN, answer_paces, is_refused, news_paces
from millrace.shell.reconciler import BalancesAnswer, OpenOrdersAnswer
from millrace.shell.unanswered import StatusAnswer

NOW = 1_000
WAIT = 700
PAIR = InstrumentId("kraken", "DOGE/USD")
PROGRESS = OrderProgress("a", 0, 0, 0, NOW)
LIMIT = RejectReason.RATE_LIMIT


class Told:
    """Stands for the call budget and writes down what it is told."""

    def __init__(self) -> None:
        self.words: list[tuple[str, int, int]] = []

    def succeeded(self) -> None:
        self.words.append(("good", 0, 0))

    def rate_limited(self, now_ns: int, retry_after_ns: int = 0) -> None:
        self.words.append(("slow", now_ns, retry_after_ns))


GOOD, SLOW = [("good", 0, 0)], [("slow", NOW, WAIT)]


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (OrderAccepted("a", "V", NOW), GOOD),
        (OrderAmended("a", 1, 5, 5, NOW), GOOD),
        (OrderEnded(PROGRESS, EndStatus.CANCELLED, "asked for"), GOOD),
        (OrderEnded(PROGRESS, EndStatus.CANCELLED, WITHDRAWN), []),
        (PROGRESS, []),
        (OrderRejected("a", LIMIT, "", NOW, WAIT), SLOW),
        (OrderRejected("a", RejectReason.POST_ONLY_WOULD_CROSS, "", NOW), []),
        (AmendRefused("a", 1, LIMIT, NOW, WAIT), SLOW),
        (CancelRefused("a", LIMIT.value, NOW, WAIT), SLOW),
        (CancelRefused("a", "unknown order", NOW), []),
    ],
)
def test_news_of_an_order(event, words) -> None:
    told = Told()
    news_paces(told, event)
    assert told.words == words


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (StatusAnswer("a", None, 1), GOOD),
        (StatusAnswer("a", None, 1, refused=True, retry_after_ns=WAIT), SLOW),
        (OpenOrdersAnswer(PAIR, (), 1), GOOD),
        (OpenOrdersAnswer(PAIR, None, 1), [("slow", NOW, 0)]),
        (BalancesAnswer(None, 1), [("slow", NOW, 0)]),
    ],
)
def test_an_answer_to_a_question(answer, words) -> None:
    told = Told()
    answer_paces(told, answer, NOW)
    assert told.words == words
    assert is_refused(answer) is (words[0][0] == "slow")
