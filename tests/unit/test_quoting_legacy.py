"""The frozen quoter quotes, and the pipeline in its profile wants what it wants (quoting 8, 15 no. 18)."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from millrace.core.commands import Side
from millrace.core.probe import NO_TICK_PROBE
from millrace.strategies.quoting.model import IntentKind, PortfolioSnapshot, TickOutcome
from millrace.strategies.quoting.pipeline import tick
from millrace.strategies.quoting.rollout.desk_ramp import Path
from millrace.strategies.quoting.rollout.legacy import legacy_tick
from millrace.strategies.quoting.rollout.shadow import Mismatch, ShadowReport, compared, wanted_of
from millrace.strategies.quoting.rollout.two_paths import TwoPaths
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.quoting.tick_result import SymbolState, TickResult
from quoting_load import Symbol

COMPAT, LIVE = QuotingSettings.compat(), QuotingSettings.live()
CFG = COMPAT.rollout
TICKS = 3_000


def shadowed(
    pipeline: QuotingSettings, *, wild: bool = False, ticks: int = TICKS
) -> Iterator[tuple[TickResult, TickResult]]:
    """Run both paths on the features of a symbol that follows the frozen quoter's orders."""
    symbol = Symbol(3, "S001/USDT", COMPAT, wild=wild)
    config = pipeline.for_symbol("S001/USDT")
    state = symbol.state
    for _ in range(ticks):
        features = symbol.features()
        theirs = legacy_tick(features, symbol.state, symbol.config)
        ours = tick(features, state, config)
        state = ours.state
        symbol.take(theirs)
        yield ours, theirs


@pytest.mark.parametrize("wild", [False, True])
def test_in_its_profile_the_pipeline_wants_what_the_frozen_quoter_wants(wild: bool) -> None:
    report = ShadowReport()
    for number, (ours, theirs) in enumerate(shadowed(COMPAT, wild=wild)):
        report.take(compared(ours, theirs, CFG), number)
    assert report.compared == TICKS
    assert report.agreement_pct is not None
    assert report.agreement_pct >= CFG.shadow_agreement_pct, report.shown()


def test_the_live_profile_differs_and_every_difference_has_a_name() -> None:
    report = ShadowReport()
    for number, (ours, theirs) in enumerate(shadowed(LIVE)):
        report.take(compared(ours, theirs, CFG), number)
    assert report.agreement_pct is not None
    assert report.agreement_pct < CFG.shadow_agreement_pct
    assert sum(report.mismatches.values()) == report.compared - report.agreed
    assert report.unexplained(()) == sorted(report.mismatches)
    assert report.unexplained(report.mismatches) == []


def test_it_never_has_two_orders_on_a_side_nor_one_that_takes() -> None:
    placed = 0
    for _, theirs in shadowed(COMPAT, wild=True):
        book = theirs.context.features.book
        for one in theirs.intents:
            if one.kind is IntentKind.PLACE:
                placed += 1
                assert book is not None
                live = [order for order in theirs.context.features.live if order.side is one.side]
                assert not live
                assert one.ticks < book.best_ask if one.side is Side.BUY else one.ticks > book.best_bid
        names = [(one.side, one.generation) for one in theirs.intents if one.kind is IntentKind.PLACE]
        assert len(names) == len(set(names))
    assert placed > 20


def test_an_order_that_is_where_it_should_be_stays_there() -> None:
    symbol = Symbol(3, "S001/USDT", COMPAT)
    features = symbol.features()
    symbol.take(legacy_tick(features, symbol.state, symbol.config))
    again = replace(features, tick=2, live=tuple(symbol.live[key] for key in sorted(symbol.live)))
    result = legacy_tick(again, symbol.state, symbol.config)
    assert not result.intents
    assert result.kept == 2


def test_a_refusal_and_a_fault_take_everything_back() -> None:
    symbol = Symbol(3, "S001/USDT", COMPAT)
    symbol.take(legacy_tick(symbol.features(), symbol.state, symbol.config))
    assert len(symbol.live) == 2
    features = symbol.features()
    halted = legacy_tick(
        replace(features, portfolio=PortfolioSnapshot(refused="kill_file")), symbol.state, symbol.config
    )
    assert halted.outcome is TickOutcome.HALTED
    faulted = legacy_tick(replace(features, book=None, md_gap=True), symbol.state, symbol.config)
    assert faulted.outcome is TickOutcome.FAULT
    for result in (halted, faulted):
        assert [one.kind for one in result.intents] == [IntentKind.CANCEL, IntentKind.CANCEL]
        assert not wanted_of(result)


def test_a_halt_of_one_path_alone_has_its_name() -> None:
    symbol = Symbol(3, "S001/USDT", COMPAT)
    features = symbol.features()
    theirs = legacy_tick(features, symbol.state, symbol.config)
    refused = replace(features, portfolio=PortfolioSnapshot(refused="kill_file"))
    ours = tick(refused, symbol.state, symbol.config)
    assert compared(ours, theirs, CFG).mismatch is Mismatch.ONE_HALTED
    gone = tick(replace(features, book=None), symbol.state, symbol.config)
    assert compared(gone, theirs, CFG).mismatch is Mismatch.ONE_FAULTED


def test_a_change_of_hands_ends_no_halt() -> None:
    symbol = Symbol(3, "S001/USDT", LIVE)
    paths = TwoPaths(symbol.config, COMPAT.for_symbol("S001/USDT"), CFG, shadows=False)
    first = symbol.features()
    paths.state = SymbolState(guards=replace(paths.state.guards, halt_until_ms=first.now_ms + 60_000))
    paths.go(Path.LEGACY)
    decided = paths.tick(first, NO_TICK_PROBE, NO_TICK_PROBE).result
    assert decided.outcome is TickOutcome.HALTED
    assert not decided.intents
