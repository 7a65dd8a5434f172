"""Whatever is posted and lifted, a refusal names a reason and the strictest restriction holds (runtime 2.1 A4)."""

from hypothesis import given, settings
from hypothesis import strategies as st

from millrace.core.commands import Approved, Place, Side, Style
from millrace.core.ids import SubPosition
from millrace.core.instrument import InstrumentId
from millrace.core.permission import Level, ReasonCode, Recovery, Restriction, Scope, ScopeKind
from millrace.risk.board import RestrictionBoard

MARKETS = [InstrumentId("kraken", "DOGE/USD"), InstrumentId("kraken", "BTC/USDC"), InstrumentId("bybit", "BTCUSDC")]
CLOSED_LIST = {reason.value for reason in ReasonCode}
scopes = st.sampled_from(
    [
        Scope(ScopeKind.GLOBAL),
        *(Scope(ScopeKind.VENUE, name) for name in ("kraken", "bybit")),
        *(Scope(ScopeKind.STRATEGY, name) for name in ("grid", "quote")),
        *(Scope(ScopeKind.MARKET, str(market)) for market in MARKETS),
        *(Scope(ScopeKind.LANE, name) for name in ("grid", "maker")),
        *(Scope(ScopeKind.FAMILY, name) for name in ("f", "DOGE/USD")),
    ]
)
posts = st.builds(
    lambda number, scope, *rest: Restriction(f"{scope}/{number}", scope, *rest),
    st.integers(0, 1),
    scopes,
    st.sampled_from(Level),
    st.sampled_from(ReasonCode),
    st.just("t"),
    st.just("test"),
    st.integers(0, 9),
    st.floats(0, 1, exclude_min=True),
    st.integers(0, 9),
    st.sampled_from(Recovery),
)
lifts = st.builds(lambda number, scope: f"{scope}/{number}", st.integers(0, 1), scopes)
orders = st.builds(
    lambda market, group, strategy, lots, reduces: Place(
        market, Side.BUY, lots, 1, Style.LIMIT, SubPosition(strategy, market, group, "l"), reduces, "k", "p"
    ),
    st.sampled_from(MARKETS),
    st.sampled_from(["g", "maker/g", "maker/f/g"]),
    st.sampled_from(["grid", "quote"]),
    st.integers(1, 4),
    st.booleans(),
)


def covers(restriction: Restriction, order: Place) -> bool:
    scope = restriction.scope
    return {
        ScopeKind.GLOBAL: True,
        ScopeKind.VENUE: scope.name == order.instrument.venue,
        ScopeKind.STRATEGY: scope.name == order.position.strategy,
        ScopeKind.MARKET: scope.name == str(order.instrument),
        ScopeKind.LANE: scope.name == order.position.lane,
        ScopeKind.FAMILY: scope.name == order.position.family,
    }[scope.kind]


@settings(max_examples=150)
@given(st.lists(posts | lifts, max_size=12), orders, st.integers(0, 4))
def test_a4_refusals_name_reasons_and_the_strictest_holds(history, order, coverable):
    board = RestrictionBoard()
    strictest: dict[str, Level] = {}
    for change in history:
        version = board.version
        if isinstance(change, str):
            strictest.pop(change, None)
            changed = board.lift(change)
        else:
            strictest[change.id] = max(strictest.get(change.id, Level.OPEN), change.level)
            changed = board.post(change)
        assert changed == (board.version != version)
        board.standing_of(order.position)
    assert {found.id: found.level for found in board.active()} == strictest
    covering = [found for found in board.active() if covers(found, order)]
    level = max((found.level for found in covering), default=Level.OPEN)
    standing = board.standing_of(order.position)
    assert standing.level is level
    assert standing.multiplier == min((found.multiplier for found in covering), default=1.0)
    verdict = board.permit(order, "id", coverable, 1)
    fits = not order.reduces or order.lots <= coverable
    allowed = level < Level.REDUCE_ONLY or (level is Level.REDUCE_ONLY and order.reduces)
    assert isinstance(verdict, Approved) == (fits and allowed)
    if isinstance(verdict, Approved):
        assert verdict.order is order
    else:
        assert verdict.reasons
        assert set(verdict.reasons) <= CLOSED_LIST
