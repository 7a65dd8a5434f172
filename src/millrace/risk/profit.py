"""What trading has won or lost in a scope since it began, in exact dollars: cash that changed hands, coins at a mark.

Only what our own fills moved counts; coins that were there before are nobody's loss. Loss cap and drawdown each keep
such books, so that neither depends on the other. A dollar stablecoin counts as a dollar.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.commands import OrderUpdate
from millrace.core.failure import OperatorError
from millrace.core.guard import GuardView
from millrace.core.instrument import Instrument, Lots, Money, Outcome, Ticks

DOLLAR_DECIMALS: Final = 9
_DOLLARS: Final = frozenset({"USD", "USDC", "USDT", "pUSD"})
Dollars = Money
"""An amount of dollars in units of 1e-9."""


def dollars(usd: float) -> Dollars:
    """Return a setting in USD as an exact amount."""
    return round(usd * 10**DOLLAR_DECIMALS)


def cap_dollars(usd: float) -> Dollars:
    """Return a cap in USD as an exact amount, of at least one unit: losses are told as shares of it."""
    return max(1, dollars(usd))


def usd(amount: Dollars) -> float:
    """Return an amount as USD for people."""
    return amount / 10.0**DOLLAR_DECIMALS


def in_dollars(money: Money, instrument: Instrument) -> Dollars:
    """Return quote money of an instrument as dollars."""
    return money * int(10 ** (DOLLAR_DECIMALS - instrument.quote_decimals))


class Exposure(msgspec.Struct, gc=False):
    """Books of one scope: cash received less cash paid and fees, and the lots that fills left open by instrument."""

    cash: Dollars = 0
    lots: dict[str, Lots] = {}

    def book(self, update: OrderUpdate, instrument: Instrument) -> None:
        """Add what one update of an order executed."""
        sign = update.place.side.sign
        self.cash -= in_dollars(sign * update.d_cost + update.d_fee, instrument)
        name = str(instrument.id)
        after = self.lots.get(name, 0) + sign * update.d_lots
        if after:
            self.lots[name] = after
        else:
            self.lots.pop(name, None)

    def value(self, marks: dict[str, Ticks], instruments: dict[str, Instrument]) -> Dollars | None:
        """Return won less lost with open lots at these marks; None when one of them is missing."""
        total = self.cash
        for name, lots in self.lots.items():
            if name not in marks:
                return None
            worth = instruments[name].cost(marks[name], abs(lots))
            total += in_dollars(worth if lots > 0 else -worth, instruments[name])
        return total

    def marks(
        self, view: GuardView, instruments: dict[str, Instrument], worse_ppm: int, stale_ns: int
    ) -> dict[str, Ticks]:
        """Return what the open lots could be closed at: the bid or ask where there are quotes, else the last price.

        A last price older than `stale_ns` is moved against the position by `worse_ppm` millionths (2.17 rule 3: the
        worst of last and bound); a price that was never seen is missing. An outcome is worth what its book bids, and
        nothing where nobody bids or, with `worse_ppm`, where the book is too old: it has a bound, unlike a coin.
        """
        found = {}
        for name, lots in self.lots.items():
            terms = instruments[name].binary
            if terms is not None:
                found[name] = _bid(view.book(terms.market), terms.outcome, view.now_ns - stale_ns if worse_ppm else 0)
                continue
            market = view.market(instruments[name].id)
            ticks: Ticks = (market.bid_ticks if lots > 0 else market.ask_ticks) or market.last_ticks
            if ticks <= 0:
                continue
            if ticks == market.last_ticks and view.now_ns - market.last_ts_ns > stale_ns:
                move = -(-ticks * worse_ppm // 1_000_000)
                ticks = max(0, ticks - move) if lots > 0 else ticks + move
            found[name] = ticks
        return found


def _bid(book: BinaryQuote | None, outcome: Outcome, since_ns: int) -> Ticks:
    """Return the best bid of an outcome in a book that is no older than this time, 0 without one."""
    if book is None or book.ts_ns < since_ns:
        return 0
    bids = book.yes_bids if outcome is Outcome.YES else book.no_bids
    return bids[0].ticks if bids else 0


def by_name(instruments: Sequence[Instrument]) -> dict[str, Instrument]:
    """Return instruments by the text of their id; raises OperatorError for one whose quote is no dollar."""
    for instrument in instruments:
        if instrument.quote not in _DOLLARS:
            known = ", ".join(sorted(_DOLLARS))
            raise OperatorError(f"{instrument.id}: profit is counted in dollars ({known}), not in {instrument.quote}")
    return {str(instrument.id): instrument for instrument in instruments}
