"""What write-offs left in the account: coins that no slot's records stand for any more (slots 11.3, 2.5).

A synthetic release, or an eviction that books, closes a position in the books without a trade: the coins (or the short
of them) stay, at the mark at which they were booked. From then on their price moves the balances and no slot's profit,
and the fee that was estimated was never paid. This ledger holds both, so that reconciliation can tell what they explain
from what nobody can. Every move is an append-only booking; the sums here are a cache of those.
"""

from typing import Any, NamedTuple

from millrace.core.events import Scalar


class Move(NamedTuple):
    """One change: base units (long +, short -), the price at which they came or went, and the fee in USD."""

    base: float
    price: float
    fee_usd: float


class InventoryResidue:
    """Signed sums of all moves, in base units and USD; `moves` numbers the bookings."""

    def __init__(self) -> None:
        self.base = 0.0
        self.cost_usd = 0.0
        self.fees_unpaid_usd = 0.0
        self.moves = 0

    def written_off(self, move: Move) -> None:
        """Take in what a booking without a trade left behind; its estimated fee was charged to nobody."""
        self.moves += 1
        self.base += move.base
        self.cost_usd += move.base * move.price
        self.fees_unpaid_usd += move.fee_usd

    def traded(self, move: Move) -> None:
        """Take in a real trade of residue (a sale is negative); its fee was paid."""
        self.moves += 1
        self.base += move.base
        self.cost_usd += move.base * move.price
        self.fees_unpaid_usd -= move.fee_usd

    def unrealised_usd(self, price: float) -> float:
        """Return what the residue has won since it was booked, at a price; 0 without one."""
        return self.base * price - self.cost_usd if price > 0.0 else 0.0

    def explained_usd(self, price: float) -> float:
        """Return by how much the account may exceed what the slots say they earned."""
        return self.unrealised_usd(price) + self.fees_unpaid_usd

    def record(self, slot_id: int, cause: str, move: Move) -> dict[str, Scalar]:
        """Return the values of the booking of a move that was just taken in, with the sums after it."""
        return {
            "slot": slot_id,
            "cause": cause,
            "side": "long" if move.base > 0.0 else "short",
            "volume": abs(move.base),
            "mark": move.price,
            "fee": move.fee_usd,
            "residue_base": self.base,
            "residue_cost_usd": self.cost_usd,
            "fees_unpaid_usd": self.fees_unpaid_usd,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return dict(vars(self))

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.base, self.cost_usd = state["base"], state["cost_usd"]
        self.fees_unpaid_usd, self.moves = state["fees_unpaid_usd"], state["moves"]
