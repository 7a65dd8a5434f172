"""What a venue's answers and news say about our pace: it was asked too fast, or not.

The call budget halves on the one and grows on the other (runtime 2.9), so each answer is counted once, by the executor
that heard it. What ended here without ever having left is no answer of the venue.
"""

from millrace.capacity.call_budget import CallBudget
from millrace.core.events import (
    AmendRefused,
    CancelRefused,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderEvent,
    OrderRejected,
    RejectReason,
)
from millrace.shell.reconciler import AccountAnswer, OpenOrdersAnswer
from millrace.shell.unanswered import StatusAnswer

WITHDRAWN = "withdrawn before it was sent"
"""Why an order ended that was taken back while it waited here."""


def is_refused(answer: StatusAnswer | AccountAnswer) -> bool:
    """Tell whether the venue did not answer a question because it was asked too fast."""
    if isinstance(answer, StatusAnswer):
        return answer.refused
    return (answer.found if isinstance(answer, OpenOrdersAnswer) else answer.report) is None


def answer_paces(budget: CallBudget, answer: StatusAnswer | AccountAnswer, now_ns: int) -> None:
    """Let the budget take what an answer to a question says."""
    if is_refused(answer):
        budget.rate_limited(now_ns, answer.retry_after_ns if isinstance(answer, StatusAnswer) else 0)
    else:
        budget.succeeded()


def news_paces(budget: CallBudget, event: OrderEvent) -> None:
    """Let the budget take what news of an order says."""
    if isinstance(event, OrderAccepted | OrderAmended) or (isinstance(event, OrderEnded) and event.reason != WITHDRAWN):
        budget.succeeded()
    elif (isinstance(event, OrderRejected | AmendRefused) and event.reason is RejectReason.RATE_LIMIT) or (
        isinstance(event, CancelRefused) and event.reason == RejectReason.RATE_LIMIT.value
    ):
        budget.rate_limited(event.ts_ns, event.retry_after_ns)
