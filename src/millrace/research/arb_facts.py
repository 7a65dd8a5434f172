"""What a report of the desk is made from: its rows, and the cash that moved, read from a run and from nothing else.

The rows say what the desk believes; the cash flows are the ledger's own fills and closings, and the positions and the
venues' balances are kept by others again. That they agree is what the identities of a report show (arb 17). Money is
integer nano-dollars throughout; what is not known is None.
"""

from typing import NamedTuple

from millrace.strategies.arb.telemetry.rows import OPENED, BasketRow, DecisionRow, RestRow

LATE = "/late"
"""Parts a basket's name from the number of a further row, written when a fill was heard of late."""


class CashFlow(NamedTuple):
    """One fill or closing: the basket whose it is, its venue, the cash that came in (+) or went out, and the fee."""

    basket: str
    venue: str
    cash_nano: int
    fee_nano: int
    ts_ns: int


class VenueCash(NamedTuple):
    """What a venue said that we own, free and held together: at the start, and last; `ts_ns` is when it said so."""

    opening_nano: int
    last_nano: int
    ts_ns: int


class ArbFacts(NamedTuple):
    """One run of the desk.

    `carried_nano` is what the ledger's positions of each basket have cost so far, fees included, None where there is no
    ledger. `live_orders` are the orders without an end by venue, `present` the venues that told prices in each cycle.
    `paper`: cash stands in the simulated column. `rests` are the orders that rested.
    """

    decisions: tuple[DecisionRow, ...]
    baskets: tuple[BasketRow, ...]
    flows: tuple[CashFlow, ...]
    carried_nano: dict[str, int] | None
    venue_cash: dict[str, VenueCash]
    live_orders: dict[str, int]
    present: dict[int, frozenset[str]]
    cooldown_ns: int
    paper: bool
    rests: tuple[RestRow, ...] = ()

    @property
    def opened(self) -> list[DecisionRow]:
        """The decisions that were acted on."""
        return [row for row in self.decisions if row.verdict == OPENED]


def basket_of(row: BasketRow) -> str:
    """Return the basket that a row is about, without the number of a further row."""
    return row.basket.partition(LATE)[0]


def money_of(row: BasketRow) -> int | None:
    """Return the cash that moved, whichever column holds it."""
    return row.simulated_nano if row.realised_nano is None else row.realised_nano
