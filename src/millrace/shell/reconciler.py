"""Compares what we believe with what the venue says: at every start before anything else, then each minute (2.16).

A start asks for the balances and the open orders, and about each order that the list does not explain; until all of it
is answered the venue is halted. The same comparison goes on while the program trades, so a start is no second way of
finding out. What has an explanation becomes ordinary news of an order; what has none is named in `Reconciled`, and the
guard on the core's side decides what may still leave.

Answers can be older than what we know by now. So an order counts as missing only when we knew it to be open before we
asked, a stranger with our tag only when two lists in a row show it (at a start one is enough, because nothing is on its
way), and the totals only when nothing was filled from asking for them until a later list has shown nothing new.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import NamedTuple

import msgspec

from millrace.core.binary_events import MarketResolved, PairsRedeemed
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    CancelRefused,
    Event,
    OpenOrdersReport,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderEvent,
    OrderProgress,
    Started,
)
from millrace.core.instrument import InstrumentId, whole_account
from millrace.core.order_truth import UNCONFIRMED, VenueOrder, compare, differences
from millrace.core.ports import Orders
from millrace.core.recovery_events import Reconciled, RecoveryBegan

_NEVER_NS = 2**63 - 1
_CLASSES: dict[type, str] = {
    OrderAccepted: "adopted",
    OrderProgress: "filled",
    OrderEnded: "ended",
    CancelRefused: "cancel_lost",
    OrderAmended: "amended",
    AmendRefused: "amend_lost",
}
"""What a difference is called by the news that settles it."""
MARGIN_NS = 3_600_000_000_000
"""How much further back than our oldest unfinished order a start looks: clocks differ (runtime 2.16)."""
_SECOND_NS = 1_000_000_000
CYCLE_NS = 60 * _SECOND_NS
ANSWER_NS = 2 * _SECOND_NS
"""How long an answer may take before the question is asked again."""


def _covers(asked: InstrumentId, instrument: InstrumentId) -> bool:
    return asked in {instrument, whole_account(instrument.venue)}


class OpenOrdersQuery(NamedTuple):
    """Which orders are open on an instrument, and, with `since_ns`, which of those placed since then have ended.

    The instrument may be `whole_account`: a venue of thousands of them is asked once for all.
    """

    instrument: InstrumentId
    since_ns: int | None = None


class BalancesQuery(NamedTuple):
    """The question what we own at a venue, and which of its markets ended or turned pairs into cash since a time."""

    venue: str
    since_ns: int = 0


class OpenOrdersAnswer(NamedTuple):
    """The orders that were asked for, ours and others'; None when the venue says that we ask too fast."""

    instrument: InstrumentId
    found: tuple[VenueOrder, ...] | None
    asked_ns: int


class BalancesAnswer(NamedTuple):
    """The statement of a venue about our money; None when it says that we ask too fast.

    `endings` are what it paid without an order since the time that was asked for: news of it may have been lost.
    """

    report: BalanceReport | None
    asked_ns: int
    venue: str = ""
    endings: tuple[MarketResolved | PairsRedeemed, ...] = ()


AccountQuery = OpenOrdersQuery | BalancesQuery
AccountAnswer = OpenOrdersAnswer | BalancesAnswer
"""A question about the account as a whole, and the answer to one."""


class Steps(NamedTuple):
    """What follows: news for the core, calls for the outbox, and orders to be asked about one by one."""

    news: list[Event]
    calls: list[AccountQuery]
    questions: list[str]


class _Question(msgspec.Struct, gc=False):
    """One question of a cycle; `asked_ns` 0 while it waits for its call, `answered` once and for the cycle."""

    query: AccountQuery
    due_ns: int
    asked_ns: int = 0
    answered: bool = False


class Reconciler:
    """The comparison with one venue account; `tag` opens the client ids of this installation's orders.

    `at_start` counts what the last start found by class, `differences` what has been found since (runtime 2.16).
    """

    def __init__(
        self,
        orders: Orders,
        venue: str,
        instruments: Sequence[InstrumentId],
        tag: str,
        answer_ns: int = ANSWER_NS,
    ) -> None:
        self.recovering = False
        self.questions_repeated = 0
        self.at_start: dict[str, int] = {}
        self.differences: Counter[str] = Counter()
        self._orders = orders
        self._venue = venue
        self._instruments = tuple(instruments)
        self._tag = tag
        self._answer_ns = answer_ns
        self._restart = False
        self._cycle: list[_Question] = []
        self._next_cycle_ns = _NEVER_NS
        self._totals: BalanceReport | None = None
        self._totals_ns = 0
        self._disturbed = False
        self._to_settle: set[str] = set()
        self._polls: set[int] = set()
        self._expected: dict[InstrumentId, tuple[int, frozenset[str]]] = {}
        self._strangers: dict[InstrumentId, frozenset[str]] = {}
        self._orphans: dict[InstrumentId, tuple[str, ...]] = {}
        self._weak: dict[InstrumentId, tuple[str, ...]] = {}

    @property
    def next_ns(self) -> int:
        """When `due` must be called next."""
        if not self._cycle:
            return self._next_cycle_ns
        return min([question.due_ns for question in self._cycle if not question.answered], default=_NEVER_NS)

    def begin(self, now_ns: int, *, restart: bool) -> Steps:
        """Start: everything of ours is in question until the venue has answered."""
        self.recovering, self._restart = True, restart
        self._new_cycle(now_ns)
        return Steps([RecoveryBegan(self._venue, now_ns)], [], [])

    def due(self, now_ns: int) -> Steps:
        """Return what the passing of time asks for."""
        if not self._cycle and now_ns >= self._next_cycle_ns:
            self._new_cycle(now_ns)
        calls: list[AccountQuery] = []
        for question in self._cycle:
            if not question.answered and question.due_ns <= now_ns:
                self.questions_repeated += question.asked_ns > 0
                question.due_ns = _NEVER_NS
                calls.append(question.query)
        return Steps([], calls, [])

    def _new_cycle(self, now_ns: int) -> None:
        self._totals, self._disturbed = None, False
        since_ns = 0 if self.recovering else max(0, self._totals_ns - MARGIN_NS)  # not of now: this machine may sleep
        self._cycle = [_Question(BalancesQuery(self._venue, since_ns), now_ns)]

    def asked(self, query: AccountQuery, now_ns: int) -> None:
        """Note that a question left, the cycle's or the regular poll's."""
        if isinstance(query, OpenOrdersQuery):
            if self.recovering and all(question.query != query for question in self._cycle):
                # The regular poll's, which names no ended orders: what it lacks the start's own list may explain.
                self._polls.add(now_ns)
                return
            open_ids = [
                order.client_id
                for order in self._orders.unfinished()
                if _covers(query.instrument, order.place.instrument)
                and (self.recovering or (order.state not in UNCONFIRMED and not order.cancel_out))
            ]
            self._expected[query.instrument] = (now_ns, frozenset(open_ids))
        elif self._cycle:
            self._disturbed = False
        for question in self._cycle:
            if question.query == query:
                question.asked_ns = now_ns
                question.due_ns = now_ns + self._answer_ns

    def heard(self, event: OrderEvent) -> None:
        """Take news that the core has seen: a fill makes the totals of this cycle say nothing."""
        if isinstance(event, OrderProgress) or (isinstance(event, OrderEnded) and event.progress.cum_lots):
            self._disturbed = True

    def disturb(self) -> None:
        """Note that money or positions moved without an order: the totals of this cycle say nothing."""
        self._disturbed = True

    def answered(self, answer: AccountAnswer, now_ns: int) -> Steps:
        """Take the answer to a question."""
        steps = Steps([], [], [])
        if isinstance(answer, BalancesAnswer):
            self._balances(answer, now_ns, steps)
        elif answer.found is not None:
            self._open_orders(answer, answer.found, now_ns, steps)
        return steps

    def _balances(self, answer: BalancesAnswer, now_ns: int, steps: Steps) -> None:
        waiting = [question for question in self._cycle if isinstance(question.query, BalancesQuery)]
        if answer.report is None:
            return
        missed = [event for event in answer.endings if not self._orders.knows(event)]
        self.differences["ending_missed"] += len(missed)
        steps.news.extend((*missed, answer.report))
        if not waiting or waiting[0].answered:
            return
        waiting[0].answered = True
        self._totals, self._totals_ns = answer.report, now_ns
        since_ns = self._since_ns() if self.recovering else None
        self._cycle += [_Question(OpenOrdersQuery(instrument, since_ns), now_ns) for instrument in self._instruments]

    def _since_ns(self) -> int | None:
        """Return from when on orders may have ended unheard; None when nothing was under way."""
        made = [order.made_ns for order in self._orders.unfinished()]
        return max(0, min(made) - MARGIN_NS) if made else None

    def _open_orders(self, answer: OpenOrdersAnswer, found: tuple[VenueOrder, ...], now_ns: int, steps: Steps) -> None:
        instrument = answer.instrument
        asked_ns, expected = self._expected.get(instrument, (_NEVER_NS, frozenset()))
        ours = [order for order in self._orders.unfinished() if _covers(instrument, order.place.instrument)]
        compared = compare(ours, found, self._tag)
        for order, theirs in compared.matched:
            told = differences(order, theirs, now_ns, answer.asked_ns, cancel_lost=self.recovering)
            self.differences.update(_CLASSES[type(event)] for event in told)
            steps.news.extend(told)
            if self.recovering and order.wanted not in {None, theirs.terms} and not theirs.state.is_terminal:
                steps.questions.append(order.client_id)  # its amend may be under way still
        if asked_ns == answer.asked_ns:  # an answer to an older question knows less than we do
            steps.questions.extend(order.client_id for order in compared.absent if order.client_id in expected)
        self.differences["not_listed"] += len(steps.questions)
        self._disturbed = self._disturbed or bool(steps.news or steps.questions)
        strangers = frozenset(order.client_id for order in compared.orphans)
        before = strangers if self.recovering else self._strangers.get(instrument, frozenset())
        self._strangers[instrument] = strangers
        self._orphans[instrument] = tuple(sorted(strangers & before))
        self._weak[instrument] = tuple(sorted(order.client_id for order in compared.weak))
        listed = sum(not theirs.state.is_terminal for theirs in found) - compared.foreign
        steps.news.append(OpenOrdersReport(instrument, listed, compared.foreign, now_ns))
        if self.recovering:
            self._to_settle.update(steps.questions)
        polled = answer.asked_ns in self._polls
        for question in self._cycle:
            query = question.query
            if isinstance(query, OpenOrdersQuery) and query.instrument == instrument and not polled:
                question.answered = question.answered or answer.asked_ns >= self._totals_ns

    def found(self) -> dict[str, int]:
        """Return how many differences of each class were found since the start, or by a start that goes on."""
        return {kind: count for kind, count in sorted(self.differences.items()) if count}

    def progress(self, now_ns: int, is_asking: Callable[[str], bool]) -> list[Event]:
        """Return the end of a cycle when all of it is answered, and with the first one that the program has started."""
        lists = [question for question in self._cycle if isinstance(question.query, OpenOrdersQuery)]
        if len(lists) < len(self._instruments) or not all(question.answered for question in self._cycle):
            return []
        if self._to_settle:
            self._to_settle = {client_id for client_id in self._to_settle if is_asking(client_id)}
            if self._to_settle:
                return []
        self._cycle, self._next_cycle_ns = [], now_ns + CYCLE_NS
        report = self._totals
        assert report is not None  # noqa: S101  the lists are asked for after the balances came
        known = not self._disturbed
        totals = {asset: sum(pair) for asset, pair in sorted(report.balances.items())} if known else None
        orphans = tuple(name for instrument in self._instruments for name in self._orphans.get(instrument, ()))
        weak = tuple(name for instrument in self._instruments for name in self._weak.get(instrument, ()))
        news: list[Event] = [Reconciled(self._venue, orphans, weak, totals, now_ns)]
        self.differences["orphan"], self.differences["weak"] = len(orphans), len(weak)
        if self.recovering:
            self.recovering = False
            self._polls.clear()
            self.at_start, self.differences = self.found(), Counter()
            news.append(Started(restart=self._restart, ts_ns=now_ns))
        return news
