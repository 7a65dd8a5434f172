"""Both ends of the rehearsal's wire in one process: what is asked is answered, what is lost is said to be unknown."""

import itertools

import msgspec
import pytest

from demo_runs import venue_records
from millrace.config.load import load_settings
from millrace.core.commands import Approved, OrderState, Place, Side, Style
from millrace.core.events import OrderAccepted, OrderEnded, OrderRejected, OrderUnknown, Print, RejectReason
from millrace.core.failure import WorldError
from millrace.core.ids import SubPosition
from millrace.shell.clock import WallClock
from millrace.shell.measures import VenueTime
from millrace.shell.reconciler import BalancesAnswer, BalancesQuery, OpenOrdersAnswer, OpenOrdersQuery
from millrace.shell.stream import dial
from millrace.sim.market_generator import prints_from
from millrace.sim.venue_log import Accepted
from millrace.venues.kraken.facts import instrument_facts
from millrace.venues.rehearsal.frames import FrameReader
from millrace.venues.rehearsal.messages import (
    ADDRESS,
    VERSION,
    Address,
    Farewell,
    Hello,
    OrderQuestion,
    encode,
    from_venue,
)
from millrace.world.assemble import venue_settings
from millrace.world.demo import FIRST_NS
from millrace.world.rehearsing import line as rehearsal_line
from millrace.world.rehearsing.line import RehearsalLine
from millrace.world.rehearsing.venue import RehearsalVenue

DOGE = instrument_facts("kraken:DOGE/USD")
LOTS = 60 * 10**8
FAR_BELOW = 1_000_000
SPEED = 200.0


class Desk:
    """A venue and a line to it; time passes for both when the desk waits."""

    def __init__(self, folder, response_ms=50, **how):
        self.folder = folder
        self.settings = load_settings(profile="demo", overrides={"venue.response_latency_ms": response_ms})
        self.venue = self.open(**how)
        self.line = RehearsalLine(folder / "venue", WallClock(), self.turn)
        self.keys = map(str, itertools.count(1))

    def open(self, **how):
        market = how.pop("market", lambda ts_ns: prints_from(21, ts_ns))
        rules = venue_settings(self.settings, DOGE)
        return RehearsalVenue(self.folder / "venue", rules, market, FIRST_NS, SPEED, WallClock(), **how)

    def turn(self):
        self.venue.turn()
        return False

    def until(self, kind, count=1, turns=1_000):
        """Let time pass until things of a kind have come; returns them."""
        found = []
        for _ in range(turns):
            self.venue.turn()
            now_ns = self.line.reach(self.line.now_ns + 10**9, self.line.now_ns + 10**9)
            while self.line.next_ns <= now_ns:
                ts_ns, what, payload = self.line.pop()
                assert ts_ns >= getattr(payload, "ts_ns", 0)
                payload = payload[0] if what == "refusal" else payload
                found += [payload] if isinstance(payload, kind) else []
            if len(found) >= count:
                return found
        raise AssertionError(f"no {kind}")

    def place(self, lots=LOTS):
        client_id = next(self.keys)
        position = SubPosition("slots", DOGE.id, client_id, "B")
        place = Place(DOGE.id, Side.BUY, lots, FAR_BELOW, Style.POST_ONLY, position, False, client_id, "entry")
        self.line.place(Approved(place, client_id, 1, self.line.now_ns), self.line.now_ns)
        return client_id

    def restart_venue(self, **how):
        self.venue.close()
        self.venue = self.open(same_clock=True, **how)


@pytest.fixture(autouse=True)
def _look_often(monkeypatch):
    """One process plays both sides, so neither wakes the other."""
    monkeypatch.setattr(rehearsal_line, "_LOOK_NS", 1_000_000)


@pytest.fixture
def desk(tmp_path):
    desk = Desk(tmp_path)
    yield desk
    desk.line.close()
    desk.venue.close()


def test_an_order_is_taken_listed_and_cancelled(desk):
    client_id = desk.place()
    assert not desk.line.quiet
    assert desk.until(OrderAccepted)[0].client_id == client_id
    assert desk.line.quiet
    desk.line.ask_open_orders(OpenOrdersQuery(DOGE.id), 7)
    (listed,) = desk.until(OpenOrdersAnswer)
    assert ([order.client_id for order in listed.found], listed.asked_ns) == ([client_id], 7)
    desk.line.ask_balances(BalancesQuery("kraken"), 8)
    (owned,) = desk.until(BalancesAnswer)
    assert owned.report.balances == desk.venue.venue.balances()
    desk.line.ask_time(before_ns := desk.line.now_ns)
    (told,) = desk.until(VenueTime)
    assert (told.venue, told.asked_ns) == ("kraken", before_ns)
    assert before_ns < told.venue_ns < desk.line.now_ns
    desk.line.cancel(DOGE.id, client_id, 9)
    assert desk.until(OrderEnded)[0].client_id == client_id
    desk.line.ask_open_orders(OpenOrdersQuery(DOGE.id, since_ns=FIRST_NS), 10)
    (listed,) = desk.until(OpenOrdersAnswer)
    assert [(order.client_id, order.state) for order in listed.found] == [(client_id, OrderState.CANCELLED)]


def test_a_refusal_names_its_order_and_prints_come_unasked(desk):
    client_id = desk.place(lots=1)
    (refused,) = desk.until(OrderRejected)
    assert (refused.client_id, refused.reason) == (client_id, RejectReason.BELOW_MINIMUM)
    assert desk.line.quiet
    times = [print_.ts_ns for print_ in desk.until(Print, 3)]
    assert times == sorted(times)


def test_an_order_without_an_answer_becomes_unknown_and_the_venue_says_later_what_became_of_it(tmp_path):
    desk = Desk(tmp_path, response_ms=60_000)
    first, second = desk.place(), desk.place()
    while not any(isinstance(record, Accepted) for record in venue_records(desk.folder)):
        desk.venue.turn()  # the orders arrive, and their answers are never read
    desk.venue._seats[0].stream.end("the cable was cut")
    unknown = desk.until(OrderUnknown, 2)
    assert [event.client_id for event in unknown] == [first, second]
    assert "no answer before the end" in unknown[0].reason
    assert desk.line.take_losses() == ["the peer closed the connection"]
    desk.until(Print)
    accepted = {record.client_id for record in venue_records(desk.folder) if isinstance(record, Accepted)}
    desk.line.ask_open_orders(OpenOrdersQuery(DOGE.id), 1)
    (listed,) = desk.until(OpenOrdersAnswer)
    assert {order.client_id for order in listed.found} == accepted >= {first}
    desk.line.close()
    desk.venue.close()


def test_a_restarted_venue_has_its_orders_and_its_clock(desk):
    client_id = desk.place()
    desk.until(OrderAccepted)
    before_ns = desk.line.now_ns
    desk.restart_venue()
    assert desk.venue.clock.now_ns() > before_ns
    desk.until(Print)
    assert [reason.partition(":")[0] for reason in desk.line.take_losses()] == ["the venue hung up"]
    desk.line.ask_open_orders(OpenOrdersQuery(DOGE.id), 2)
    assert [order.client_id for order in desk.until(OpenOrdersAnswer)[0].found] == [client_id]


def test_a_closed_market_tells_no_prices_and_answers_calls(tmp_path):
    desk = Desk(tmp_path, closed=True)
    desk.line.ask_balances(BalancesQuery("kraken"), 8)
    desk.until(BalancesAnswer)
    with pytest.raises(AssertionError, match="no <class"):
        desk.until(Print, turns=20)
    desk.line.close()
    desk.venue.close()


def test_what_is_sent_without_a_connection_is_lost_and_changes_nothing(desk):
    desk.venue._seats[0].stream.end("the cable was cut")
    for _ in range(2):
        desk.line.reach(desk.line.now_ns + 1, 0)
    assert desk.line.take_losses()
    desk.place()
    assert not desk.line._in_flight
    desk.until(Print)
    assert not any(isinstance(record, Accepted) for record in venue_records(desk.folder))


def port_of(desk):
    return msgspec.json.decode((desk.folder / "venue" / ADDRESS).read_bytes(), type=Address).port


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "malformed frame: a length of"),
        (b"\0\0\0\3abc", "malformed frame"),
        (encode(OrderQuestion("id", 1)), "malformed frame: a call before the greeting"),
        (encode(Hello(99)), f"this venue speaks version {VERSION}, not 99"),
    ],
)
def test_whoever_speaks_otherwise_is_told_why_and_let_go(desk, said, reason):
    stranger, reader, heard = dial(port_of(desk)), FrameReader(), []
    stranger.send(said)
    while not stranger.ended:
        desk.venue.turn()
        heard += [from_venue(payload) for payload in reader.feed(stranger.receive())]
    assert isinstance(heard[-1], Farewell)
    assert reason in heard[-1].reason
    desk.until(Print)


def test_a_second_venue_on_the_folder_is_refused(desk):
    with pytest.raises(WorldError, match="is in use by process"):
        desk.open()


def test_a_line_that_is_not_answered_ends_with_the_wish_to_stop(tmp_path):
    with pytest.raises(WorldError, match=r"stopped before the venue of .* answered"):
        RehearsalLine(tmp_path, WallClock(), iter([False, True]).__next__)
