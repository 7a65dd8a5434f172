"""What became of orders that rested: what was expected of each, what filled, and how the price went on (arb 7.3, 7.4).

Trades of others come in here, and the fills of our own resting legs; out of it come what the next decision rests on,
and one row for each resting order. Each is a forecast of its own beside those of baskets: that it would fill whole, and
what its fill would lose.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
from msgspec import structs

from millrace.core.commands import Intent, OrderState, OrderUpdate
from millrace.core.commands import Style as OrderStyle
from millrace.core.events import Print
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Outcome, outcome_of
from millrace.core.strategy import View
from millrace.market.buying import asks_and_turned, bids_of, effective_buy
from millrace.strategies.arb.economics.calibration import CalibrationBook, Forecast
from millrace.strategies.arb.economics.flow import FlowBook
from millrace.strategies.arb.economics.markouts import Mark, MarkoutBook, family_of
from millrace.strategies.arb.execution.basket import Life
from millrace.strategies.arb.model import MarketFacts, Proposition
from millrace.strategies.arb.telemetry.rows import RestRow


class Resting:
    """Watches one desk's resting orders; `flow` and `marks` are what decisions read."""

    def __init__(
        self,
        strategy: str,
        facts: Mapping[InstrumentId, MarketFacts],
        flow: FlowBook,
        marks: MarkoutBook,
        calibration: CalibrationBook,
    ) -> None:
        self._strategy = strategy
        self._facts = facts
        self._flow = flow
        self._marks = marks
        self._calibration = calibration
        self._open: dict[str, RestRow] = {}

    def printed(self, trade: Print, view: View) -> None:
        """Take a trade that the firewall let through."""
        fact = self._facts.get(outcome_of(trade.instrument)[0])
        if fact is not None:
            self._flow.traded(trade, view.book(fact.market), fact.tick)

    def heard(self, update: OrderUpdate, life: Life | None, view: View) -> list[Intent]:
        """Take an order's news; returns the row of one that ended without a fill, or after its fill was seen twice."""
        place = update.place
        if place.style is not OrderStyle.POST_ONLY or life is None or not place.position.leg:
            return []
        row = self._open.get(place.key)
        if row is None:
            if update.state.is_terminal and update.previous.is_terminal:
                return []
            row = self._begun(update, life)
        if update.d_lots and row.forecast is None:
            row = self._filled(row, update, view)
        ended = view.now_ns if update.state.is_terminal else 0
        row = self._open[place.key] = structs.replace(
            row, filled_lots=update.cum_lots, ended_ns=ended, refused=update.state is OrderState.REJECTED
        )
        return self._told(row)

    def _begun(self, update: OrderUpdate, life: Life) -> RestRow:
        place = update.place
        leg = life.legs[int(place.position.leg)]
        return RestRow(
            order=place.key, basket=life.key, lane=life.lane, venue=leg.market.venue, market=leg.market.symbol,
            outcome=leg.outcome.value, category=self._facts[leg.market].category, ticks=place.limit_ticks,
            lots=place.lots, filled_lots=0, refused=False, chance=1 - leg.hardness, placed_ns=update.ts_ns,
            ended_ns=0,
        )  # fmt: skip

    def _filled(self, row: RestRow, update: OrderUpdate, view: View) -> RestRow:
        market = InstrumentId(row.venue, row.market)
        outcome = Outcome(row.outcome)
        touch = _touch(market, outcome, view)
        if touch is None:
            return row
        bid, ask = touch
        family, half = family_of(Proposition(market, outcome), row.category), (ask - bid) / 2
        forecast = self._marks.expected(family, half)
        self._marks.filled(Mark(row.order, family, market, outcome, update.ts_ns, (bid + ask) / 2, half, forecast))
        return structs.replace(row, forecast=forecast)

    def _told(self, row: RestRow) -> list[Intent]:
        """Return the row once nothing more can come of it."""
        if not row.ended_ns or (row.forecast is not None and not row.watched):
            return []
        del self._open[row.order]
        if not row.refused:
            group = f"{row.venue}|{row.lane}|resting leg"
            filled, lost = row.filled_lots >= row.lots, row.late if row.filled_lots else None
            adverse = 0.0 if lost is None else row.forecast or 0.0
            self._calibration.predicted(Forecast(row.order, group, row.chance, adverse, 0.0))
            self._calibration.came(row.order, filled=filled, slippage=lost or 0.0, profit=0.0)
        return [row.book(self._strategy)]

    def due(self, view: View) -> list[Intent]:
        """Look at fills whose time has come."""
        out: list[Intent] = []
        for mark, soon, late in self._marks.due(
            view.now_ns, lambda market, outcome: _middle(_touch(market, outcome, view))
        ):
            row = self._open.get(mark.order)
            if row is not None:
                row = self._open[mark.order] = structs.replace(row, soon=soon, late=late, watched=True)
                out += self._told(row)
        return out

    @property
    def next_ns(self) -> int | None:
        """When `due` must be called next."""
        return self._marks.next_ns

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins; what was measured is kept by the decider."""
        builtins: dict[str, Any] = msgspec.to_builtins(self._open)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self._open = msgspec.convert(state, dict[str, RestRow])


def _touch(market: InstrumentId, outcome: Outcome, view: View) -> tuple[float, float] | None:
    """Return the best bid of an outcome and what it costs at least, in dollars; None where one of them is missing."""
    book = view.book(market)
    if book is None:
        return None
    asks, turned = asks_and_turned(book, outcome)
    ask = effective_buy(asks[0] if asks else None, turned[0] if turned else None)
    bids = bids_of(book, outcome)
    return None if ask is None or not bids else (bids[0].ticks / PAYOUT_TICKS, ask.ticks / PAYOUT_TICKS)


def _middle(touch: tuple[float, float] | None) -> float | None:
    return None if touch is None else (touch[0] + touch[1]) / 2
