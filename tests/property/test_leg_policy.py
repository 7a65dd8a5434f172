"""Plans of any shape against venues that do anything: they end, in time, and what is open is what is booked (2.14)."""

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from millrace.core.commands import (
    Alert,
    Book,
    Cancel,
    Finish,
    Intent,
    LegPolicy,
    OrderState,
    OrderUpdate,
    Place,
    Refused,
    Side,
    Style,
)
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.orders.leg_policy import UNWINDS, Legging

SECOND = 1_000_000_000
CLEAN = ("complete", "part", "flat", "hedged", "unwound")


@st.composite
def plans(draw: st.DrawFn) -> tuple[list[Place], LegPolicy]:
    count = draw(st.integers(2, 4))
    legs = []
    for number in range(count):
        instrument = InstrumentId(draw(st.sampled_from("xyz")), f"M{number}")
        position = SubPosition("s", instrument, "cross/F/b", str(number))
        side = draw(st.sampled_from(Side))
        lots = draw(st.integers(1, 50))
        legs.append(Place(instrument, side, lots, 100, Style.LIMIT, position, False, f"k{number}", "leg"))
    hardness = tuple(draw(st.lists(st.floats(0, 9), min_size=count, max_size=count)))
    finish = draw(st.sampled_from([Finish.HEDGE, Finish.UNWIND, Finish.HOLD]))
    return legs, LegPolicy(finish, hardness, (90,) * count, (80,) * count)


class World:
    """Answers each order with what hypothesis draws: refused by the board, part filled, filled, ended, or silent."""

    def __init__(self, legs: list[Place], policy: LegPolicy, draw: st.DataObject) -> None:
        self.legging = Legging()
        self.draw = draw
        self.legs = {leg.key: leg for leg in legs}
        self.now_ns = SECOND
        self.open: dict[str, tuple[Place, int]] = {}
        self.sent: list[tuple[int, Place]] = []
        self.traded = {leg.position: 0 for leg in legs}
        self.first_fill_ns = 0
        self.books: list[Book] = []
        self.alerts: list[Alert] = []
        now = self.legging.begin("s", "plan", legs, policy, self.now_ns)
        for leg in legs:
            if leg.key in now:
                self.take(leg)

    def take(self, place: Place) -> None:
        assert place.key not in {sent.key for _, sent in self.sent}, "an intent key is used once"
        assert place.lots > 0
        for leg in self.legs if place.key in self.legs else ():
            before = self.legs[leg]
            if before.instrument.venue != place.instrument.venue and any(leg == sent.key for _, sent in self.sent):
                matched = Fraction(abs(self.traded[before.position]), before.lots) * self.legs[place.key].lots
                assert place.lots <= matched, "no more than what the legs before it traded"
        self.sent.append((self.now_ns, place))
        self.open[place.key] = (place, 0)

    def do(self, intents: list[Intent]) -> None:
        for intent in intents:
            if isinstance(intent, Place):
                if self.draw.draw(st.integers(0, 9)) == 0:
                    self.do(self.legging.refused(Refused(intent, ("halt",), self.now_ns)))
                else:
                    self.take(intent)
            elif isinstance(intent, Cancel):
                if self.draw.draw(st.booleans()) and intent.key in self.open:
                    self.news(intent.key, 0, OrderState.CANCELLED)
            elif isinstance(intent, Book):
                self.books.append(intent)
            elif isinstance(intent, Alert):
                self.alerts.append(intent)

    def news(self, key: str, lots: int, state: OrderState) -> None:
        place, before = self.open[key]
        cum = before + lots
        state = OrderState.FILLED if cum == place.lots else state
        if state.is_terminal:
            del self.open[key]
        else:
            self.open[key] = (place, cum)
        self.traded[place.position] += place.side.sign * lots
        self.first_fill_ns = self.first_fill_ns or (self.now_ns if lots else 0)
        update = OrderUpdate(key, place, state, OrderState.OPEN, lots, lots, 0, cum, cum, 0, None, "", self.now_ns)
        self.do(self.legging.heard(update))

    def go_on(self) -> None:
        """Let one thing happen: news of an order, or time."""
        due_ns = self.legging.next_ns
        if self.open and self.draw.draw(st.booleans()):
            key = self.draw.draw(st.sampled_from(sorted(self.open)))
            place, cum = self.open[key]
            ended = self.draw.draw(st.booleans())
            lots = self.draw.draw(st.integers(0, place.lots - cum))
            state = OrderState.CANCELLED if ended else OrderState.PARTIAL if cum + lots else OrderState.OPEN
            self.now_ns += self.draw.draw(st.integers(0, SECOND))
            if due_ns is not None and due_ns < self.now_ns:
                self.now_ns = due_ns
            self.news(key, lots, state)
        elif due_ns is not None:
            self.now_ns = max(self.now_ns, due_ns)
        for _, intents in self.legging.due(self.now_ns):
            self.do(intents)
        due_ns = self.legging.next_ns
        assert due_ns is None or due_ns > self.now_ns, "what time asked for was done"
        saved = self.legging.snapshot()
        self.legging.restore(saved)
        assert self.legging.snapshot() == saved


@given(plans(), st.data())
def test_any_plan_ends_even_or_told(made: tuple[list[Place], LegPolicy], data: st.DataObject) -> None:
    legs, policy = made
    world = World(legs, policy, data)
    for _ in range(60):
        if world.books:
            break
        world.go_on()
    while not world.books:  # from here on every order ends at once
        for key in sorted(world.open):
            if key in world.open:
                world.news(key, 0, OrderState.CANCELLED)
        world.go_on()
    (book,) = world.books
    booked = {leg.position: leg.side.sign * int(book.values[leg.key] or 0) for leg in legs}
    assert booked == world.traded
    shares = [Fraction(abs(world.traded[leg.position]), leg.lots) for leg in legs]
    surplus = [abs(world.traded[leg.position]) - min(shares) * leg.lots for leg in legs]
    if book.values["outcome"] == "exposure":
        assert any(lots > 0 for lots in surplus)
        assert [alert.code for alert in world.alerts][-1] == "leg_exposure"
    else:
        assert book.values["outcome"] in CLEAN
        assert all(lots < 1 for lots in surplus), "legs match to the lot"
    assert world.legging.next_ns is None
    assert_order_and_time(world, legs, policy)


def assert_order_and_time(world: World, legs: list[Place], policy: LegPolicy) -> None:
    hardest = {
        venue: max(h for leg, h in zip(legs, policy.hardness, strict=True) if leg.instrument.venue == venue)
        for venue in {leg.instrument.venue for leg in legs}
    }
    wanted = {leg.key: leg.lots for leg in legs}
    first = [(ts_ns, place) for ts_ns, place in world.sent if place.key in wanted]
    ranks = [hardest[place.instrument.venue] for _, place in first]
    assert ranks == sorted(ranks, reverse=True), "hardest to fill first"
    assert all(place.lots <= wanted[place.key] for _, place in first)
    for venue in hardest:
        assert len({ts_ns for ts_ns, place in first if place.instrument.venue == venue}) <= 1, (
            "one venue's legs together"
        )
    later = [ts_ns for ts_ns, place in first if place.instrument.venue != first[0][1].instrument.venue]
    if later and world.first_fill_ns:
        assert later[0] - world.first_fill_ns <= 3 * SECOND
    for leg in legs:
        assert sum(place.key.startswith(f"{leg.key}/unwind") for _, place in world.sent) <= UNWINDS


def test_an_order_that_is_known_again_is_cancelled_again() -> None:
    """While it was unknown its cancel may have come to nothing, and no news tells that."""
    legs = [
        Place(at, side, 5, 100, Style.LIMIT, SubPosition("s", at, "cross/F/b", str(number)), False, f"k{number}", "leg")
        for number, (at, side) in enumerate(((InstrumentId("x", "A"), Side.BUY), (InstrumentId("y", "B"), Side.SELL)))
    ]
    legging, now_ns = Legging(), SECOND
    first = sorted(legging.begin("s", "plan", legs, LegPolicy(Finish.HOLD, (2.0, 1.0), (90,) * 2, (80,) * 2), now_ns))

    def cancelled() -> list[str]:
        return [one.key for _, found in legging.due(legging.next_ns or 0) for one in found if isinstance(one, Cancel)]

    assert cancelled() == first == ["k0"]
    for previous, state in ((OrderState.OPEN, OrderState.UNKNOWN), (OrderState.UNKNOWN, OrderState.OPEN)):
        now_ns = (legging.next_ns or now_ns) + 1
        legging.heard(OrderUpdate("k0", legs[0], state, previous, 0, 0, 0, 0, 0, 0, None, "", now_ns))
        assert cancelled() == first
