"""The account never shows more free money than a venue would grant, however its news and reports are mixed."""

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from millrace.core.amending import judged
from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Amend, Approved, ApprovedAmend, Place, Side, Style
from millrace.core.events import (
    AmendRefused,
    BalanceReport,
    EndStatus,
    OrderAccepted,
    OrderAmended,
    OrderEnded,
    OrderProgress,
    OrderRejected,
    OrderUnknown,
    RejectReason,
)
from millrace.core.ids import ClientIds, SubPosition
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.venues.kraken.facts import instrument_facts

FACTS = instrument_facts("kraken:DOGE/USD")
LOT = 10**8
CENT_TICKS = 10**5


class VenueOrder:
    def __init__(self, approved: Approved):
        self.approved, self.place = approved, approved.order
        self.total, self.limit = self.place.lots, self.place.limit_ticks
        self.before = (0, 0, 0)  # lots, cost and fee when its price last changed
        self.asset = FACTS.quote if self.place.side is Side.BUY else FACTS.base
        self.need = self.held = self._need(self.place.lots, self.limit)
        self.lots = self.cost = self.fee = 0

    def _need(self, lots: int, limit: int) -> int:
        cost = FACTS.cost(limit, lots)
        return cost + FACTS.fee(cost, maker=True) if self.place.side is Side.BUY else FACTS.base_amount(lots)

    def hold_for(self, amend: ApprovedAmend) -> int:
        """What it would have to hold with these terms."""
        if amend.limit_ticks != self.limit:
            return self._need(amend.lots - self.lots, amend.limit_ticks)
        lots, cost, fee = self.before
        whole = self._need(amend.lots - lots, self.limit)
        spent = self.cost - cost + self.fee - fee
        return whole - (spent if self.place.side is Side.BUY else FACTS.base_amount(self.lots - lots))

    def take(self, amend: ApprovedAmend) -> None:
        self.held = self.hold_for(amend)
        if amend.limit_ticks != self.limit:
            self.before = (self.lots, self.cost, self.fee)
        self.total, self.limit = amend.lots, amend.limit_ticks

    def progress(self, ts_ns: int) -> OrderProgress:
        return OrderProgress(self.approved.client_id, self.lots, self.cost, self.fee, ts_ns)


class Venue(RuleBasedStateMachine):
    """A venue whose order news arrives in order and whose reports may overtake it or lag behind it."""

    def __init__(self):
        super().__init__()
        self.account, self.table = Account(), OrderTable(ClientIds("here", ("grid",)))
        self.free = {"USD": 100 * 10**9, "DOGE": 500 * 10**8}
        self.hold = {"USD": 0, "DOGE": 0}
        self.now, self.numbered = 1, 0
        self.travelling: list[VenueOrder] = []
        self.open: list[VenueOrder] = []
        self.amends: list[tuple[VenueOrder, ApprovedAmend]] = []
        self.news, self.reports = [], []
        self.report()
        self.account.report(self.reports.pop())

    @rule(side=st.sampled_from(Side), lots=st.integers(50, 90), cents=st.integers(8, 12), style=st.sampled_from(Style))
    def send(self, side, lots, cents, style):
        self.numbered += 1
        leg = SubPosition("grid", FACTS.id, str(self.numbered), "A")
        place = Place(FACTS.id, side, lots * LOT, cents * CENT_TICKS, style, leg, False, f"k{self.numbered}", "p")
        approved = Approved(place, self.table.client_id("grid", place.key), 0, self.now)
        self.table.add(approved)
        self.account.reserve(approved, FACTS)
        self.travelling.append(VenueOrder(approved))

    @precondition(lambda self: self.travelling)
    @rule(refuse=st.sampled_from([False, False, False, True]), at_once=st.booleans())
    def arrive(self, refuse, at_once):
        self.now += 1
        order = self.travelling.pop(0)
        client_id = order.approved.client_id
        if refuse or self.free[order.asset] < 2 * order.need:
            self.news.append(OrderRejected(client_id, RejectReason.OTHER, "", self.now))
            return
        self.free[order.asset] -= order.need
        self.hold[order.asset] += order.need
        self.open.append(order)
        self.news.append(OrderAccepted(client_id, "", self.now))
        if at_once and order.place.style is not Style.POST_ONLY:
            self.trade(order, order.place.lots, maker=False)

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9), lots=st.integers(20, 120), cents=st.integers(8, 12))
    def amend(self, which, lots, cents):
        order = self.open[which % len(self.open)]
        wanted = Amend("grid", order.place.key, lots * LOT, cents * CENT_TICKS, "moves")
        approved = judged(wanted, self.table, RestrictionBoard(), lambda _: (), self.now)
        if isinstance(approved, ApprovedAmend):
            self.table.amend(approved)
            self.account.amend(approved, FACTS)
            self.amends.append((order, approved))

    @precondition(lambda self: self.amends)
    @rule(refuse=st.sampled_from([False, False, False, True]), at_once=st.booleans())
    def amend_arrives(self, refuse, at_once):
        self.now += 1
        order, amend = self.amends.pop(0)
        client_id = amend.client_id
        gone = order not in self.open
        more = order.hold_for(amend) - order.held
        if gone or refuse or amend.lots <= order.lots or self.free[order.asset] < 2 * max(more, 0):
            reason = RejectReason.UNKNOWN_ORDER if gone else RejectReason.OTHER
            self.news.append(AmendRefused(client_id, amend.revision, reason, self.now))
            return
        sooner = order.place.side.sign * (amend.limit_ticks - order.limit) > 0
        order.take(amend)
        self.free[order.asset] -= more
        self.hold[order.asset] += more
        self.news.append(OrderAmended(client_id, amend.revision, amend.lots, amend.limit_ticks, self.now))
        if at_once and sooner and order.place.style is not Style.POST_ONLY:
            self.trade(order, order.total - order.lots, maker=False)

    @precondition(lambda self: self.travelling)
    @rule()
    def time_out(self):
        self.news.append(OrderUnknown(self.travelling[-1].approved.client_id, "", self.now))

    def trade(self, order: VenueOrder, lots: int, *, maker: bool) -> None:
        before_lots, before_cost, before_fee = order.before
        since = FACTS.cost(order.limit, order.lots + lots - before_lots)
        cost = before_cost + since - order.cost
        fee = before_fee + FACTS.fee(since, maker=maker) - order.fee
        order.lots, order.cost, order.fee = order.lots + lots, order.cost + cost, order.fee + fee
        filled = order.lots == order.total
        bought = order.place.side is Side.BUY
        paid = cost + fee if bought else FACTS.base_amount(lots)
        released = order.held if filled else paid
        order.held -= released
        self.hold[order.asset] -= released
        self.free[order.asset] += released - paid
        self.free["DOGE" if bought else "USD"] += FACTS.base_amount(lots) if bought else cost - fee
        if filled:
            self.open.remove(order)
        self.news.append(order.progress(self.now))

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9), share=st.integers(1, 3))
    def fill(self, which, share):
        self.now += 1
        order = self.open[which % len(self.open)]
        rest = order.total - order.lots
        self.trade(order, max(rest // share, 1), maker=True)

    @precondition(lambda self: self.open)
    @rule(which=st.integers(0, 9))
    def cancel(self, which):
        self.now += 1
        order = self.open.pop(which % len(self.open))
        self.free[order.asset] += order.held
        self.hold[order.asset] -= order.held
        self.news.append(OrderEnded(order.progress(self.now), EndStatus.CANCELLED, ""))

    @rule()
    def report(self):
        balances = {asset: (self.free[asset], self.hold[asset]) for asset in self.free}
        self.reports.append(BalanceReport("kraken", balances, self.now))
        self.news.append(self.reports[-1])

    @precondition(lambda self: self.news)
    @rule(count=st.integers(1, 6))
    def hear(self, count):
        for event in self.news[:count]:
            if isinstance(event, BalanceReport):
                self.account.report(event)
            elif (applied := self.table.apply(event)) is not None:
                self.account.update(applied[0])
            self.never_overstates()
        del self.news[:count]

    @precondition(lambda self: self.reports)
    @rule(which=st.integers(0, 9))
    def hear_a_report_early_late_or_again(self, which):
        self.account.report(self.reports[which % len(self.reports)])

    @rule()
    def restart(self):
        again = Account()
        again.restore(decode_state(encode_state(self.account.snapshot())))
        assert again.snapshot() == self.account.snapshot()
        self.account = again

    @invariant()
    def never_overstates(self):
        for asset in self.free:
            travelling = sum(order.need for order in self.travelling if order.asset == asset)
            travelling += sum(
                max(order.hold_for(amend) - order.held, 0)
                for order, amend in self.amends
                if order.asset == asset and order in self.open
            )
            assert self.account.free("kraken", asset) <= self.free[asset] - travelling

    def teardown(self):
        """When all is told and a last report is in, the account is exact again."""
        while self.travelling:
            self.arrive(refuse=True, at_once=False)
        while self.amends:
            self.amend_arrives(refuse=True, at_once=False)
        while self.open:
            self.cancel(0)
        self.now += 1
        self.report()
        self.hear(len(self.news))
        for asset in self.free:
            assert self.account.free("kraken", asset) == self.free[asset]
            assert self.account.total("kraken", asset) == self.free[asset] + self.hold[asset]


Venue.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestAccountNeverOverstates = Venue.TestCase
