"""How much trades at the best price of each outcome, measured from the trades that its venue tells of (arb 7.3).

Whoever sells an outcome, or buys the other one, would have met a bid of ours at its best price, so these trades are
what a resting order waits for. Old ones fade, and until enough were seen nobody knows: a desk then takes. How large
trades are matters as much as how many: one of a hundred contracts fills an order of fifty, and fifty of two may not.
"""

from math import exp, expm1, log
from typing import Any, NamedTuple

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.events import Print
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Ticks, outcome_of
from millrace.market.buying import bids_of
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.model import Proposition

_LN2 = log(2)
_SECOND_NS = 1_000_000_000


class Flow(NamedTuple):
    """Contracts that trade at or through the best bid in a minute, and the size of the trade that a contract is in.

    `burst` is the mean of squared sizes over the mean size: 1 when contracts come one by one.
    """

    per_min: float
    burst: float


class _Side(NamedTuple):
    """Faded sums of one outcome's trades at the bid, as of `ts_ns`: their number, contracts, and squares of these."""

    ts_ns: int
    trades: float
    contracts: float
    squares: float


class _Saved(msgspec.Struct):
    since_ns: dict[str, int]
    sides: dict[str, _Side]


class FlowBook:
    """Every outcome's trades; a venue is watched from its first one on. Bounded by the number of outcomes."""

    def __init__(self, settings: EconomicsSettings) -> None:
        self._settings = settings
        self._fades_ns = settings.arrival_half_life_sec * _SECOND_NS / _LN2
        self._since_ns: dict[str, int] = {}
        self._sides: dict[InstrumentId, _Side] = {}

    def traded(self, trade: Print, book: BinaryQuote | None, tick: Ticks) -> None:
        """Take a trade; one whose taker is not known, or that happened inside the spread, says nothing of the bid."""
        market, outcome = outcome_of(trade.instrument)
        self._since_ns.setdefault(market.venue, trade.ts_ns)
        if book is None or trade.taker_sells is None:
            return
        met, ticks = (outcome, trade.ticks) if trade.taker_sells else (outcome.opposite, PAYOUT_TICKS - trade.ticks)
        bids = bids_of(book, met)
        if not bids or ticks > bids[0].ticks + tick:
            return
        name, contracts = Proposition(market, met).instrument, trade.lots / CONTRACT_LOTS
        old = self._faded(name, trade.ts_ns) or _Side(trade.ts_ns, 0.0, 0.0, 0.0)
        self._sides[name] = _Side(
            trade.ts_ns, old.trades + 1.0, old.contracts + contracts, old.squares + contracts * contracts
        )

    def _faded(self, name: InstrumentId, now_ns: int) -> "_Side | None":
        """Return an outcome's sums as of now; nothing is kept, so that looking changes nothing."""
        side = self._sides.get(name)
        if side is None:
            return None
        left = exp(-(now_ns - side.ts_ns) / self._fades_ns)
        return _Side(now_ns, side.trades * left, side.contracts * left, side.squares * left)

    def of(self, proposition: Proposition, now_ns: int) -> Flow | None:
        """Return what trades at an outcome's best bid; None while too few trades, or too short a time, were seen."""
        since_ns = self._since_ns.get(proposition.market.venue, now_ns)
        if now_ns - since_ns < self._settings.arrival_least_sec * _SECOND_NS:
            return None
        side = self._faded(proposition.instrument, now_ns)
        if side is None or side.trades < self._settings.arrival_least_trades:
            return None
        seen_ns = -self._fades_ns * expm1(-(now_ns - since_ns) / self._fades_ns)
        return Flow(side.contracts * 60 * _SECOND_NS / seen_ns, max(side.squares / side.contracts, 1.0))

    def known(self, now_ns: int) -> int:
        """Return of how many outcomes the flow is known."""
        return sum(self.of(Proposition(*outcome_of(name)), now_ns) is not None for name in self._sides)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        saved = _Saved(self._since_ns, {str(name): side for name, side in self._sides.items()})
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._since_ns = saved.since_ns
        self._sides = {InstrumentId.parse(text): side for text, side in saved.sides.items()}
