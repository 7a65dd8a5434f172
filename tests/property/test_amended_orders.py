"""An order whose terms change: whatever is lost, late, repeated or reordered, its worst case holds (runtime 2.15)."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from faulty_line import DOGE
from millrace.core.amending import judged
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Amend, AmendOrder, Approved, ApprovedAmend, Place, Side, Style, Submit
from millrace.core.events import AmendRefused, OrderAmended, OrderEvent, OrderProgress, RejectReason
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.order_truth import OpenOrder, VenueOrder, differences
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.shell.ledger_memory import MemoryLedger
from millrace.sim.venue import FillRule, SimVenue, VenueSettings

AT = 100_000
LEG = SubPosition("buyer", DOGE.id, "1", "A")
KEY = "k"


class Order(RuleBasedStateMachine):
    """One exit at the simulated venue; of what the venue tells, any piece may come at any time, and again."""

    def __init__(self):
        super().__init__()
        self.table, self.ledger, self.board = (
            OrderTable(ClientIds("here", ("buyer",))),
            MemoryLedger(),
            RestrictionBoard(),
        )
        self.venue = SimVenue(
            VenueSettings("toy", (DOGE,), {"DOGE": 10**18, "USD": 0}, 1, rate=None, fill_rule=FillRule.QUOTES)
        )
        self.now_ns = 10**9
        self.news: list[OrderEvent] = []
        self.told: list[OrderEvent] = []
        self.answers: list[tuple[int, VenueOrder]] = []
        self.travelling: ApprovedAmend | None = None
        self.arrived_ns = self.executed = 0
        self._open_a_position()
        place = Place(DOGE.id, Side.SELL, 20, AT, Style.LIMIT, LEG, True, KEY, "exit")
        approved = self._placed(place)
        self._venue_says(self.venue.place(approved, self._tick()))
        for event in self.news:
            self._tell(event)
        self.news.clear()

    def _open_a_position(self) -> None:
        opening = self._placed(Place(DOGE.id, Side.BUY, 60, AT, Style.LIMIT, LEG, False, "opening", "entry"))
        self._tell(OrderProgress(opening.client_id, 60, 60, 0, self._tick()))

    def _placed(self, place: Place) -> Approved:
        coverable = self.table.coverable(LEG, place.side)
        approved = self.board.permit(place, self.table.client_id("buyer", place.key), coverable, self._tick())
        assert isinstance(approved, Approved)
        self.table.add(approved)
        self.ledger.commit([Submit(approved)])
        return approved

    def _tick(self) -> int:
        self.now_ns += 10**9
        return self.now_ns

    def _venue_says(self, deliveries) -> None:
        self.news += [event for _, event in deliveries if isinstance(event, OrderEvent)]

    def _tell(self, event: OrderEvent) -> None:
        applied = self.table.apply(event)
        if applied is not None:
            assert applied[0].d_lots >= 0
            assert applied[0].cum_lots >= self.executed or applied[0].place.key != KEY
            if applied[0].place.key == KEY:
                self.executed = applied[0].cum_lots
            self.ledger.commit(applied[1])

    @property
    def ours(self) -> OpenOrder | None:
        return self.table.named("buyer", KEY)

    @property
    def theirs(self) -> VenueOrder:
        found = self.venue.order_status(self.table.client_id("buyer", KEY))
        assert found is not None
        return found

    # What we do

    @precondition(lambda self: self.ours is not None)
    @rule(lots=st.integers(1, 70), up=st.integers(-2, 3))
    def amend(self, lots, up):
        before = self.ours
        wanted = Amend("buyer", KEY, lots, AT + up, "moves")
        verdict = judged(wanted, self.table, self.board, lambda _: (), self._tick())
        if not isinstance(verdict, ApprovedAmend):
            assert verdict is None or before.wanted is not None or lots > 60
            return
        assert self.travelling is None
        self.table.amend(verdict)
        assert self.ledger.commit([AmendOrder(verdict)]).new_amends == {verdict.client_id}
        assert not self.ledger.commit([AmendOrder(verdict)]).new_amends
        self.travelling = verdict

    @precondition(lambda self: self.travelling is not None)
    @rule(arrives=st.booleans(), answered=st.booleans())
    def the_amend_travels(self, arrives, answered):
        amend, self.travelling = self.travelling, None
        self.arrived_ns = self._tick()
        if arrives:
            deliveries = self.venue.amend(amend, self._tick())
            lost = (OrderAmended, AmendRefused)
            self._venue_says([one for one in deliveries if answered or not isinstance(one.event, lost)])

    @rule()
    def ask(self):
        self.answers.append((self._tick(), self.theirs))

    @precondition(lambda self: self.answers)
    @rule(which=st.integers(0, 9))
    def the_answer_comes(self, which):
        """Late or twice; old terms count as such when the amend cannot be under way any more."""
        asked_ns, found = self.answers[which % len(self.answers)]
        order = self.ours
        if order is None:
            return
        events = differences(order, found, self._tick(), asked_ns)
        assert not any(isinstance(event, OrderAmended) and event.revision == 0 for event in events)
        undone = order.wanted is not None and found.terms == order.terms and not found.state.is_terminal
        if undone and self.travelling is None and asked_ns > self.arrived_ns:
            events.append(AmendRefused(order.client_id, order.revision, RejectReason.LOST, self.now_ns))
        for event in events:
            if isinstance(event, OrderEvent):
                self._tell(event)

    # What the venue does

    @rule(bid=st.integers(-1, 3), lots=st.integers(1, 15))
    def quote(self, bid, lots):
        self._venue_says(self.venue.on_quote(DOGE.id, self._tick(), AT - 3 + bid, AT + 50, lots, lots))

    @precondition(lambda self: len(self.told) > 3)
    @rule()
    def cancel(self):
        if not self.theirs.state.is_terminal:
            self._venue_says(self.venue.cancel(DOGE.id, self.theirs.client_id, self._tick()))

    @precondition(lambda self: self.news)
    @rule(which=st.integers(0, 9))
    def hear(self, which):
        event = self.news.pop(which % len(self.news))
        self.told.append(event)
        self._tell(event)

    @precondition(lambda self: self.told)
    @rule(which=st.integers(0, 20))
    def hear_again(self, which):
        self._tell(self.told[which % len(self.told)])

    @rule()
    def restart(self):
        again = OrderTable(ClientIds("here", ("buyer",)))
        again.restore(decode_state(encode_state(self.table.snapshot())))
        assert again.snapshot() == self.table.snapshot()
        self.table = again

    # What holds

    @invariant()
    def the_worst_case_is_counted(self):
        order, truth = self.ours, self.theirs
        assert self.executed <= truth.cum_lots
        if order is None:
            assert truth.state.is_terminal
            return
        most = max(order.terms.lots, 0 if order.wanted is None else order.wanted.lots)
        held = 60 - self.executed
        assert self.table.coverable(LEG, Side.SELL) == max(held - max(most - self.executed, 0), 0)
        if not truth.state.is_terminal:
            assert truth.terms in {order.terms, order.wanted}
            assert truth.lots <= most <= 60

    @invariant()
    def the_ledger_agrees(self):
        order, row = self.ours, self.ledger.order(self.table.client_id("buyer", KEY))
        assert row is not None
        assert row.place.lots == 20
        if order is not None:
            assert (row.terms, row.wanted, row.cum_lots) == (order.terms, order.wanted, order.cum_lots)

    def teardown(self):
        """When all is told and asked, core and venue agree."""
        self.travelling = None
        for event in self.news:
            self._tell(event)
        for _ in range(2):
            self.ask()
            self.the_answer_comes(len(self.answers) - 1)
        order, truth = self.ours, self.theirs
        assert self.executed == truth.cum_lots
        assert (order is None) == truth.state.is_terminal
        if order is not None:
            assert (order.wanted, order.terms) == (None, truth.terms)


Order.TestCase.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
TestAmendedOrders = Order.TestCase
