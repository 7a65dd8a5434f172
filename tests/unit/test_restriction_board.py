"""The restriction board admits exactly what runtime 2.1, as amended by design section 5, says."""

import itertools

import msgspec
import pytest

from millrace.core.codec import decode_state, encode_state
from millrace.core.commands import Approved, Cancel, CancelOrder, Place, Refuse, Refused, Side, Style, Submit
from millrace.core.engine import Engine
from millrace.core.events import Operator, OrderAccepted, OrderProgress, Timer
from millrace.core.ids import ClientIds, SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind, Standing
from millrace.core.strategy import Interest
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.stops import KillSwitch
from millrace.venues.kraken.facts import instrument_facts

DOGE, BTC = InstrumentId("kraken", "DOGE/USD"), InstrumentId("bybit", "BTCUSDC")
COVERING = [
    Scope(ScopeKind.GLOBAL),
    Scope(ScopeKind.VENUE, "kraken"),
    Scope(ScopeKind.STRATEGY, "grid"),
    Scope(ScopeKind.MARKET, "kraken:DOGE/USD"),
    Scope(ScopeKind.LANE, "grid"),
    Scope(ScopeKind.FAMILY, "DOGE/USD"),
]
NOT_COVERING = [
    Scope(ScopeKind.VENUE, "bybit"),
    Scope(ScopeKind.STRATEGY, "quote"),
    Scope(ScopeKind.MARKET, "kraken:BTC/USD"),
    Scope(ScopeKind.LANE, "quote"),
    Scope(ScopeKind.FAMILY, "grid"),
]


def place(*, reduces: bool = False, instrument: InstrumentId = DOGE, lots: int = 10, strategy: str = "grid") -> Place:
    leg = SubPosition(strategy, instrument, "7", "A")
    return Place(
        instrument, Side.SELL, lots, 100, Style.LIMIT, leg, reduces, f"k{lots}", "exit" if reduces else "entry"
    )


def restriction(level: Level, scope: Scope = COVERING[0], *, name: str = "r", **other) -> Restriction:
    reason = other.pop("reason", ReasonCode.OPERATOR_HALT)
    return Restriction(name, scope, level, reason, "text", "test", other.pop("posted_ns", 1), **other)


@pytest.mark.parametrize("level", Level)
@pytest.mark.parametrize("reduces", [False, True])
@pytest.mark.parametrize("scope", COVERING + NOT_COVERING, ids=str)
def test_a1_levels_by_direction_by_scope(level: Level, reduces: bool, scope: Scope):
    board = RestrictionBoard()
    board.post(restriction(level, scope))
    verdict = board.permit(place(reduces=reduces), "id", 10, 5)
    effective = level if scope in COVERING else Level.OPEN
    admitted = {Level.OPEN: True, Level.CAUTION: True, Level.REDUCE_ONLY: reduces, Level.HALT: False}[effective]
    if admitted:
        assert verdict == Approved(place(reduces=reduces), "id", 1, 5)
    else:
        assert verdict == Refused(place(reduces=reduces), ("operator_halt",), 5)


@pytest.mark.parametrize("level", [None, Level.OPEN, Level.CAUTION, Level.REDUCE_ONLY])
def test_a_reducing_order_may_never_exceed_what_is_open(level):
    board = RestrictionBoard()
    if level is not None:
        board.post(restriction(level))
    assert isinstance(board.permit(place(reduces=True), "id", 10, 5), Approved)
    assert board.permit(place(reduces=True), "id", 9, 5) == Refused(place(reduces=True), ("exceeds_open_position",), 5)


def test_a2_the_smallest_multiplier_is_read_and_not_applied():
    """Runtime 2.1 A2 as design section 5.1 amends it: the standing tells, the order keeps its size."""
    board = RestrictionBoard()
    board.post(restriction(Level.CAUTION, name="half", multiplier=0.5))
    board.post(restriction(Level.CAUTION, name="quarter", multiplier=0.25, reason=ReasonCode.OPERATOR_PAUSE))
    board.post(
        restriction(Level.REDUCE_ONLY, Scope(ScopeKind.VENUE, "bybit"), name="b", reason=ReasonCode.UNKNOWN_ORDER)
    )
    assert board.standing("grid", DOGE) == Standing(Level.CAUTION, 0.25, ("operator_halt", "operator_pause"))
    assert board.standing("grid", BTC) == Standing(Level.REDUCE_ONLY, 0.25, ("unknown_order",))
    assert board.permit(place(), "id", 0, 5).order.lots == 10
    assert isinstance(board.permit(place(instrument=BTC), "id", 0, 5), Refused)
    assert isinstance(board.permit(place(instrument=BTC, reduces=True), "id", 10, 5), Approved)


def test_a_standing_follows_every_change():
    board = RestrictionBoard()
    assert board.standing("grid", DOGE) == Standing(Level.OPEN, 1.0, ())
    for level in (Level.HALT, Level.CAUTION):
        board.post(restriction(level))
        assert board.standing("grid", DOGE).level is level
        assert board.lift("r")
        assert not board.lift("r")
        assert board.standing("grid", DOGE).level is Level.OPEN


def test_levels_only_rise_until_lifted():
    board = RestrictionBoard()
    assert board.post(restriction(Level.REDUCE_ONLY, multiplier=0.5, recovery=Recovery.PROBATION, hold_until_ns=9))
    assert not board.post(restriction(Level.REDUCE_ONLY, multiplier=0.5, recovery=Recovery.AUTO, posted_ns=99))
    assert not board.post(restriction(Level.CAUTION, multiplier=0.75, recovery=Recovery.AUTO))
    assert board.version == 1
    assert board.post(restriction(Level.HALT, multiplier=0.75, posted_ns=7, recovery=Recovery.AUTO))
    assert board.active() == [
        restriction(Level.HALT, multiplier=0.5, posted_ns=7, recovery=Recovery.PROBATION, hold_until_ns=9)
    ]


HOSTILE = {
    "id": ["", None, 3],
    "scope": [None, "global", Scope(ScopeKind.GLOBAL, "x"), Scope(ScopeKind.VENUE), Scope("venue", "kraken")],
    "level": [None, 3, -1, 2.5, "HALT"],
    "reason": ["operator_halt", None, "because"],
    "multiplier": [float("nan"), float("inf"), 0.0, -0.5, 1.0001, None, "0.5", True],
    "posted_ns": [None, 1.5, float("nan")],
    "hold_until_ns": [None, "later"],
    "recovery": [None, "operator"],
    "text": [None],
    "posted_by": [7],
}


@pytest.mark.parametrize(("field", "value"), [(field, value) for field in HOSTILE for value in HOSTILE[field]])
def test_a_malformed_restriction_is_turned_away_before_anything_changes(field, value):
    board = RestrictionBoard()
    board.post(restriction(Level.REDUCE_ONLY))
    before = (board.version, board.active(), board.standing("grid", DOGE))
    for name in ("r", "new"):
        hostile = msgspec.structs.replace(restriction(Level.HALT, name=name), **{field: value})
        with pytest.raises(ValueError, match="restriction"):
            board.post(hostile)
    assert (board.version, board.active(), board.standing("grid", DOGE)) == before


def test_an_id_keeps_its_scope():
    board = RestrictionBoard()
    board.post(restriction(Level.HALT, COVERING[0]))
    with pytest.raises(ValueError, match="covers global"):
        board.post(restriction(Level.HALT, COVERING[1]))


@pytest.mark.parametrize("lots", [0, -1, float("nan"), 10.0, None, True])
def test_an_order_that_cannot_be_judged_does_not_leave(lots):
    board = RestrictionBoard()
    for reduces in (False, True):
        order = msgspec.structs.replace(place(reduces=reduces), lots=lots)
        assert board.permit(order, "id", 10, 5).reasons == ("board_failure",)
    assert board.permit(place(reduces=True), "id", float("nan"), 5).reasons == ("board_failure",)
    elsewhere = msgspec.structs.replace(place(reduces=True), position=SubPosition("grid", BTC, "7", "A"))
    assert board.permit(elsewhere, "id", 10, 5).reasons == ("board_failure",)


def test_the_board_survives_the_codec():
    board, again = RestrictionBoard(), RestrictionBoard()
    for place_, scope in enumerate(COVERING + NOT_COVERING):
        board.post(restriction(Level(place_ % 4), scope, name=f"r{place_}", multiplier=0.5, recovery=Recovery.AUTO))
    state = decode_state(encode_state(board.snapshot()))
    again.standing("grid", DOGE)
    again.restore(state)
    assert (again.active(), again.version) == (board.active(), board.version)
    for strategy, instrument in itertools.product(("grid", "quote"), (DOGE, BTC)):
        assert again.standing(strategy, instrument) == board.standing(strategy, instrument)


@pytest.mark.parametrize("damage", [{"posted": 3}, {"version": None}, {"posted": [{"id": "x"}]}])
def test_an_unreadable_snapshot_changes_nothing(damage):
    board = RestrictionBoard()
    board.post(restriction(Level.HALT))
    with pytest.raises(ValueError):  # noqa: PT011  msgspec words it
        board.restore(board.snapshot() | damage)
    assert board.standing("grid", DOGE).level is Level.HALT


class Scripted:
    """A strategy that wants what it is told to want at the next timer."""

    name = "grid"

    def __init__(self):
        self.wants, self.seen = [], []

    def series(self):
        return ()

    def interest(self):
        return Interest()

    def decide(self, event, view):
        self.seen.append(event)
        if isinstance(event, Timer):
            wants, self.wants = self.wants, []
            return wants
        return []


def test_under_halt_cancels_leave_and_exits_wait():
    """Runtime 2.1 rule 2 and A1: cancels are admitted at every level."""
    facts = instrument_facts(DOGE)
    strategy, table = Scripted(), OrderTable(ClientIds("here", ("grid",)))
    engine = Engine([facts], [strategy], MarketView(), table, Account(), RestrictionBoard(), (KillSwitch(frozenset()),))
    leg = SubPosition("grid", DOGE, "7", "A")
    entry = Place(DOGE, Side.BUY, 10, 100, Style.LIMIT, leg, False, "entry", "entry")
    exit_ = Place(DOGE, Side.SELL, 4, 110, Style.LIMIT, leg, True, "exit", "exit")
    strategy.wants = [entry]
    [submit] = engine.step(Timer(1))
    assert isinstance(submit, Submit)
    client_id = submit.order.client_id
    engine.step(OrderAccepted(client_id, "V1", 2))
    engine.step(OrderProgress(client_id, 4, 400, 1, 3))
    engine.step(Operator("halt", {}, 4))
    strategy.wants = [exit_, Cancel("grid", "entry", "stop")]
    refused, cancel = engine.step(Timer(5))
    assert refused == Refuse("exit", ("operator_halt",))
    assert cancel == CancelOrder(DOGE, client_id, "stop")
    engine.step(Operator("clear", {"id": "kill/control/global", "operator": "t", "reason": "t"}, 6))
    strategy.wants = [exit_]
    assert isinstance(engine.step(Timer(7))[0], Submit)
    wrong_way = Place(DOGE, Side.BUY, 1, 90, Style.LIMIT, leg, True, "wrong", "exit")
    strategy.wants = [wrong_way]
    assert engine.step(Timer(8)) == [Refuse("wrong", ("exceeds_open_position",))]
