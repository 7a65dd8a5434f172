"""The kernel's vocabulary: exact numbers, derived ids, bytes, and the routing of one step."""

import sys
from decimal import Decimal
from typing import Any, get_args, get_origin

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from millrace.core import codec
from millrace.core.binary_events import BookLevel, Levels
from millrace.core.commands import (
    Alert,
    Cancel,
    CancelOrder,
    Command,
    OrderUpdate,
    Place,
    Post,
    Refuse,
    Refused,
    Severity,
    Side,
    Style,
    Submit,
)
from millrace.core.engine import Engine
from millrace.core.events import (
    BalanceReport,
    EndStatus,
    Event,
    Operator,
    OrderAccepted,
    OrderEnded,
    OrderProgress,
    Print,
    Quote,
    Timer,
)
from millrace.core.failure import OperatorError
from millrace.core.ids import PLATFORM_TAG, ClientIds, SubPosition
from millrace.core.instrument import InstrumentId, half_even
from millrace.core.permission import Level, ReasonCode
from millrace.core.strategy import Interest
from millrace.core.trouble_events import StorageRecovered, StorageTrouble
from millrace.market.view import MarketView
from millrace.orders.account import Account
from millrace.orders.table import OrderTable
from millrace.risk.board import RestrictionBoard
from millrace.risk.stops import KillSwitch
from millrace.venues.kraken.facts import instrument_facts

DOGE = instrument_facts("kraken:DOGE/USD")
BTC = instrument_facts("kraken:BTC/USDC")


@given(st.integers(-(10**30), 10**30), st.integers(1, 10**20))
def test_division_rounds_half_to_even_exactly(numerator: int, denominator: int) -> None:
    from fractions import Fraction

    assert half_even(numerator, denominator) == round(Fraction(numerator, denominator))


@given(st.integers(1, 10**9))
def test_ticks_and_prices_are_inverse_and_rounded_as_python_rounds(ticks: int) -> None:
    price = DOGE.price(ticks)
    assert DOGE.ticks(price) == ticks
    assert price == round(price, DOGE.price_decimals) == float(Decimal(ticks).scaleb(-DOGE.price_decimals))


@given(st.integers(1, 10**15))
def test_lots_and_volumes_are_inverse(lots: int) -> None:
    assert DOGE.lots(DOGE.volume(lots)) == lots
    assert DOGE.lots(str(Decimal(lots).scaleb(-DOGE.lot_decimals))) == lots


def test_cost_and_fee_are_exact_at_the_ledgers_scale() -> None:
    lots = DOGE.lots("60")
    cost = DOGE.cost(DOGE.ticks("0.1749999"), lots)
    assert Decimal(cost).scaleb(-9) == Decimal("10.499994")
    assert DOGE.fee(cost, maker=True) == 26_249_985
    assert DOGE.fee(cost, maker=False) == 41_999_976
    assert BTC.cost(BTC.ticks("16500.01"), BTC.lots("0.0005")) == 8_250_005
    assert DOGE.base_amount(lots) == 60 * 10**8


def test_an_instrument_reads_its_text_form_or_says_what_is_missing() -> None:
    assert str(InstrumentId.parse("kraken:DOGE/USD")) == "kraken:DOGE/USD"
    with pytest.raises(OperatorError, match="venue:symbol"):
        InstrumentId.parse("DOGE/USD")


def test_client_ids_are_derived_and_tell_whose_they_are() -> None:
    ids, other = ClientIds("here", ("slots", "arb")), ClientIds("there", ("slots",))
    first = ids.client_id("slots", "s1/A/c1/o1/a1")
    assert first == ClientIds("here", ("slots", "arb")).client_id("slots", "s1/A/c1/o1/a1")
    assert len(first) == 32
    assert first.startswith(PLATFORM_TAG)
    assert int(first, 16) >= 0
    assert first != ids.client_id("arb", "s1/A/c1/o1/a1")
    assert ids.ours(first)
    assert not other.ours(first)
    with pytest.raises(OperatorError, match="at most 16"):
        ClientIds("here", tuple(str(number) for number in range(17)))


_SPECIAL: dict[Any, Any] = {
    int | None: 1,
    bool | None: True,
    Levels: (BookLevel(4_500, 10), BookLevel(4_600, 20)),
    tuple[dict[str, Any], ...]: ({"a": 1},),
}


def _example(kind: Any) -> Any:
    """Return a value of a field's type, for a round trip."""
    if kind in _SPECIAL:
        return _SPECIAL[kind]
    if isinstance(kind, type) and issubclass(kind, msgspec.Struct):
        hints = {field.name: field.type for field in msgspec.structs.fields(kind)}
        return kind(**{name: _example(hint) for name, hint in hints.items()})
    if isinstance(kind, type) and issubclass(kind, tuple):
        return InstrumentId("v", "s") if kind is InstrumentId else SubPosition("x", InstrumentId("v", "s"), "g", "l")
    if isinstance(kind, type) and hasattr(kind, "__members__"):
        return next(iter(kind))
    if kind in {int, str, float, bool, bytes}:
        return kind(1) if kind is not bytes else b"1"
    if get_origin(kind) is tuple and issubclass(get_args(kind)[0], msgspec.Struct):
        return (_example(get_args(kind)[0]),)
    origin = str(kind)
    if origin.startswith("dict"):
        if "str | int" in origin:
            return {"a": 1.5, "b": None, "c": True, "d": "x"}
        if "dict[str, dict" in origin:
            return {"a": {"b": 1.0}}
        return {"a": (1, 2)} if "tuple" in origin else {"a": 1}
    return (b"12345678",) if "bytes" in origin else ("a", "b")


@pytest.mark.parametrize("kind", get_args(Event), ids=lambda kind: kind.__name__)
def test_every_event_survives_the_codec(kind: type) -> None:
    event = _example(kind)
    assert codec.decode_event(codec.encode_event(event)) == event


@pytest.mark.parametrize("kind", get_args(Command), ids=lambda kind: kind.__name__)
def test_every_command_survives_the_codec(kind: type) -> None:
    command = _example(kind)
    assert codec.decode_commands(codec.encode_commands([command])) == [command]


def test_the_chain_depends_on_every_link_and_on_order() -> None:
    first, second = codec.chain(codec.EMPTY_HASH, b"a"), codec.chain(codec.EMPTY_HASH, b"b")
    assert len({first, second, codec.chain(first, b"b"), codec.chain(second, b"a")}) == 4
    assert codec.chain(first, b"b") == codec.chain(first, b"b")


class Scripted:
    """A strategy that says what it was told to say and remembers what it was shown."""

    name = "scripted"

    def __init__(self) -> None:
        self.say: list[Any] = []
        self.shown: list[Any] = []

    def series(self) -> tuple[()]:
        return ()

    def decide(self, event: Any, view: Any) -> list[Any]:
        self.shown.append(event)
        said, self.say = self.say, []
        return said

    def interest(self) -> Interest:
        return Interest()

    def snapshot(self) -> dict[str, Any]:
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        pass

    def status(self, view: Any) -> dict[str, Any]:
        return {}


POSITION = SubPosition("scripted", DOGE.id, "slot1", "B")


def place(key: str = "1", *, side: Side = Side.BUY, lots: int = 60 * 10**8, reduces: bool = False) -> Place:
    return Place(DOGE.id, side, lots, 1_700_000, Style.POST_ONLY, POSITION, reduces, key, "entry")


STOPS = (KillSwitch(frozenset()),)


def clear(engine: Engine, restriction_id: str) -> list[Command]:
    return engine.step(Operator("clear", {"id": restriction_id, "operator": "test", "reason": "test"}, 4))


@pytest.fixture
def strategy() -> Scripted:
    return Scripted()


@pytest.fixture
def engine(strategy: Scripted) -> Engine:
    made = Engine(
        (DOGE,),
        (strategy,),
        MarketView(),
        OrderTable(ClientIds("t", ("scripted",))),
        Account(),
        RestrictionBoard(),
        STOPS,
    )
    made.step(BalanceReport("kraken", {"USD": (10**12, 0), "DOGE": (10**12, 0)}, 1))
    return made


def say(engine: Engine, strategy: Scripted, *intents: Any, ts_ns: int = 2) -> list[Command]:
    strategy.say = list(intents)
    return engine.step(Timer(ts_ns))


def test_an_approved_order_leaves_once_and_its_money_is_reserved(engine: Engine, strategy: Scripted) -> None:
    free = engine.free("kraken", "USD")
    (submit,) = say(engine, strategy, place())
    assert isinstance(submit, Submit)
    cost = DOGE.cost(1_700_000, 60 * 10**8)
    assert engine.free("kraken", "USD") == free - cost - DOGE.fee(cost, maker=True)
    assert engine.live_orders(DOGE.id) == 1
    assert say(engine, strategy, place()) == []


def test_a_key_that_comes_back_with_another_payload_halts_everything(engine: Engine, strategy: Scripted) -> None:
    say(engine, strategy, place())
    (post,) = say(engine, strategy, place(lots=70 * 10**8))
    assert isinstance(post, Post)
    assert post.restriction.reason is ReasonCode.INTENT_KEY_REUSE
    assert engine.standing("scripted", DOGE.id).level is Level.HALT
    assert isinstance(strategy.shown[-1], Refused)
    (answer,) = clear(engine, "storage/journal")
    assert answer.code == 400, "a halt is cleared by its own id only"
    clear(engine, post.restriction.id)
    assert engine.standing("scripted", DOGE.id).level is Level.OPEN


def test_a_reducing_order_may_not_exceed_what_is_open(engine: Engine, strategy: Scripted) -> None:
    (submit,) = say(engine, strategy, place())
    engine.step(OrderProgress(submit.order.client_id, 30 * 10**8, 5_100_000_000, 12_750_000, 3))
    assert engine.position(POSITION) == 30 * 10**8
    (refuse,) = say(engine, strategy, place("2", side=Side.SELL, lots=31 * 10**8, reduces=True))
    assert isinstance(refuse, Refuse)
    assert refuse.reasons == (ReasonCode.EXCEEDS_OPEN_POSITION.value,)
    assert isinstance(say(engine, strategy, place("3", side=Side.SELL, lots=30 * 10**8, reduces=True))[0], Submit)
    assert isinstance(say(engine, strategy, place("4", side=Side.SELL, lots=1, reduces=True))[0], Refuse)


def test_a_refusal_is_shown_within_the_step_and_may_be_answered(engine: Engine, strategy: Scripted) -> None:
    engine.step(Operator("halt", {"reason": "test"}, 2))

    def answer(event: Any, view: Any) -> list[Any]:
        if isinstance(event, Timer):
            return [place()]
        return [Alert(Severity.INFO, "seen", "", 1)] if isinstance(event, Refused) else []

    strategy.decide = answer  # type: ignore[method-assign]
    assert [type(command).__name__ for command in engine.step(Timer(3))] == ["Refuse", "Alert"]
    clear(engine, "kill/control/global")
    assert isinstance(engine.step(Timer(5))[0], Submit)


def test_cancels_leave_at_every_level_and_only_once(engine: Engine, strategy: Scripted) -> None:
    (submit,) = say(engine, strategy, place())
    client_id = submit.order.client_id
    engine.step(OrderAccepted(client_id, "OABC", 3))
    engine.step(Operator("halt", {}, 4))
    assert say(engine, strategy, Cancel("scripted", "1", "x")) == [CancelOrder(DOGE.id, client_id, "x")]
    assert say(engine, strategy, Cancel("scripted", "1", "x")) == []
    engine.step(OrderEnded(OrderProgress(client_id, 0, 0, 0, 6), EndStatus.CANCELLED, "user"))
    assert engine.live_orders(DOGE.id) == 0
    update = strategy.shown[-1]
    assert isinstance(update, OrderUpdate)
    assert update.state.value == "cancelled"


def test_storage_trouble_halts_and_recovery_lifts(engine: Engine) -> None:
    engine.step(StorageTrouble("journal", "disk full", 2))
    assert engine.standing("scripted", DOGE.id) == (engine.board.standing("other", DOGE.id))
    assert engine.standing("scripted", DOGE.id).level is Level.HALT
    engine.step(StorageRecovered("journal", 3))
    assert engine.standing("scripted", DOGE.id).level is Level.OPEN


def test_impossible_prices_and_fills_are_refused_and_counted(engine: Engine, strategy: Scripted) -> None:
    engine.step(Print(DOGE.id, 2, 1_700_000, 1))
    for ticks in (0, -5):
        engine.step(Print(DOGE.id, 3, ticks, 1))
    engine.step(Quote(DOGE.id, 4, 0, 1_700_000, 1, 1))
    assert (engine.market(DOGE.id).last_ticks, engine._market.firewall.health(DOGE.id.venue, engine.now_ns)) == (
        1_700_000,
        (4, 3),
    )
    (submit,) = say(engine, strategy, place(), ts_ns=5)
    (alert,) = engine.step(OrderProgress(submit.order.client_id, 60 * 10**8, 0, 0, 6))
    assert isinstance(alert, Alert)
    assert alert.code == "unusable_fill"
    assert engine.position(POSITION) == 0
    engine.step(OrderProgress(submit.order.client_id, 60 * 10**8, 10_200_000_000, 25_500_000, 7))
    assert engine.position(POSITION) == 60 * 10**8


def test_time_never_goes_back(engine: Engine) -> None:
    engine.step(Timer(100))
    engine.step(Timer(50))
    assert engine.now_ns == 100


def test_a_snapshot_carries_the_whole_core(engine: Engine, strategy: Scripted) -> None:
    (submit,) = say(engine, strategy, place())
    engine.step(OrderAccepted(submit.order.client_id, "OABC", 3))
    engine.step(Operator("halt", {}, 4))
    saved = codec.decode_state(codec.encode_state(engine.snapshot()))
    other = Engine(
        (DOGE,),
        (Scripted(),),
        MarketView(),
        OrderTable(ClientIds("t", ("scripted",))),
        Account(),
        RestrictionBoard(),
        STOPS,
    )
    other.restore(saved)
    assert other.snapshot() == engine.snapshot()
    progress = OrderProgress(submit.order.client_id, 60 * 10**8, 10_200_000_000, 25_500_000, 5)
    assert other.step(progress) == engine.step(progress)
    assert other.command_hash == engine.command_hash


def test_an_endless_answer_to_refusals_is_a_fault_not_a_hang(engine: Engine, strategy: Scripted) -> None:
    engine.step(Operator("halt", {}, 2))
    strategy.decide = lambda event, view: [place(str(sys.maxsize))]  # type: ignore[method-assign]
    *refusals, post, alert = engine.step(Timer(3))
    assert {type(command) for command in refusals} == {Refuse}
    assert post.restriction.reason is ReasonCode.CORE_EXCEPTION
    assert alert == Alert(Severity.PAGE, "core_exception", "Timer: AssertionError in Engine._route", 3)
    assert "without end" in str(engine.fault)
