"""One tick from features to orders: every stage on, through the door that the desk uses (quoting 1, 4.7, 11)."""

import pytest

from millrace.core.commands import Side
from millrace.core.probe import QuoteStage
from millrace.strategies.quoting.canonical import ResultChain, canonical_json
from millrace.strategies.quoting.model import FaultCode, IntentKind, PortfolioSnapshot, TickOutcome
from millrace.strategies.quoting.pipeline import tick, tick_many
from millrace.strategies.quoting.tick_result import SymbolState
from quoting_tick import COMPAT, LIVE, NOW_MS, book, features, order, ticked


class Laps:
    """A probe that writes down what it is told."""

    def __init__(self) -> None:
        self.told: list[object] = []

    def begin(self, symbol: str, number: int) -> None:
        self.told.append((symbol, number))

    def lap(self, stage: QuoteStage) -> None:
        self.told.append(stage)

    def end(self) -> None:
        self.told.append("end")


@pytest.mark.parametrize("config", [LIVE, COMPAT], ids=["live", "compat"])
def test_a_quiet_tick_places_one_order_on_each_side(config) -> None:
    result = ticked(config=config)
    assert result.outcome is TickOutcome.QUOTED
    assert result.fault is None
    assert [(one.kind, one.side) for one in result.intents] == [
        (IntentKind.PLACE, Side.BUY),
        (IntentKind.PLACE, Side.SELL),
    ]
    bid, ask = (one.ticks for one in result.intents)
    assert bid < 100_002
    assert ask > 100_000
    assert bid < ask
    assert result.context.trace_id == "DOGE/USDT:1"
    assert result.context.config_hash == config.config_hash


def test_every_stage_is_timed_in_its_order() -> None:
    probe = Laps()
    tick(features(), SymbolState(), LIVE, probe)
    assert probe.told == [("DOGE/USDT", 1), *list(QuoteStage)[:6], "end"]


@pytest.mark.parametrize(
    ("given", "code"),
    [
        (features(book(age_ms=301)), FaultCode.MD_STALE),
        (features(book(age_ms=-301)), FaultCode.MD_STALE),
        (features(md_gap=True), FaultCode.MD_GAP),
        (features(book=None, book_fault="one_sided"), FaultCode.MD_BAD),
        (features(microprice=0.0, max_position=0, book=None), FaultCode.MD_BAD),
    ],
)
def test_without_a_book_to_trust_everything_is_taken_back(given, code) -> None:
    import msgspec

    resting = (order(Side.BUY, 99_990), order(Side.SELL, 100_010))
    result = ticked(msgspec.structs.replace(given, live=resting))
    assert result.outcome is TickOutcome.FAULT
    assert result.fault is not None
    assert (result.fault.stage, result.fault.code) == ("stage_fetch_md", code)
    assert [one.kind for one in result.intents] == [IntentKind.CANCEL] * 2
    assert all(one.defensive for one in result.intents)
    assert result.state.halted == code


def test_a_refusal_is_a_normal_result_that_cancels() -> None:
    given = features(portfolio=PortfolioSnapshot(refused="kill switch"), live=(order(Side.BUY, 99_990),))
    result = ticked(given)
    assert result.outcome is TickOutcome.HALTED
    assert [one.kind for one in result.intents] == [IntentKind.CANCEL]
    assert result.state.halted


def test_a_stage_that_cannot_calculate_is_a_fault_and_no_exception() -> None:
    """A microprice of zero has no distance in bps: the value rule would divide by it."""
    import msgspec

    queue = msgspec.structs.replace(LIVE.queue_aware, moves_per_sec=1.0, join_threshold_pct=0.0)
    config = msgspec.structs.replace(LIVE, queue_aware=queue)
    given = features(microprice=0.0, live=(order(Side.BUY, 99_000),))
    result = ticked(given, config=config)
    assert result.fault is not None
    assert (result.fault.stage, result.fault.code) == ("stage_queue_aware", FaultCode.BAD_NUMBER)
    assert [one.kind for one in result.intents] == [IntentKind.CANCEL]


def test_an_old_book_keeps_what_rests_and_places_nothing() -> None:
    """Quoting 4.1: up to 60 ms fresh, up to 100 ms priced wider, up to 300 ms kept."""
    fresh, stale, kept = (ticked(features(book(age_ms=age))) for age in (60, 61, 101))
    assert fresh.context.spread.spread_bps + 0.5 == stale.context.spread.spread_bps
    assert stale.context.freshness.used_stale
    assert len(stale.intents) == 2
    assert kept.intents == ()
    resting = (order(Side.BUY, 99_990), order(Side.SELL, 100_010))
    assert ticked(features(book(age_ms=300), live=resting)).intents == ()


def test_a_batch_is_one_result_for_each_input_in_their_order() -> None:
    many = [(features(tick=number), SymbolState(), LIVE) for number in range(7)]
    assert [one.context.features.tick for one in tick_many(many)] == list(range(7))
    assert tick_many(many)[3] == tick(*many[3])


def test_canonical_bytes_are_equal_for_equal_results_only() -> None:
    first, again, other = ticked(), ticked(), ticked(features(tick=2))
    assert canonical_json(first) == canonical_json(again)
    assert canonical_json(first) != canonical_json(other)
    assert canonical_json(first).startswith(b'{"context":{"config_hash":"')
    assert NOW_MS == 1_700_000_000_000


def test_a_chain_of_results_knows_its_past_and_its_order() -> None:
    results = [ticked(features(tick=number)) for number in range(1, 9)]
    one, other, third = (ResultChain(2) for _ in range(3))
    for result in results:
        one.add(result)
    for result in results[1::2]:
        other.add(result)
    for result in reversed(results):
        third.add(result)
    assert one.digest == other.digest != third.digest
    assert len(one.digest) == 64
