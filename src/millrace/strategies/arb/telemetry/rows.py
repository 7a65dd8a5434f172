"""The rows from which every figure of the desk is made: one for each candidate decided, one for each basket that ended.

A row is a booking of the ledger, so it stands in the same transaction as the orders that follow from it, and reports
read rows and nothing else (arb 17). Money that was detected, expected, simulated and realised stands in columns of its
own; what is not known is null, and none of them ever fills in for another (arb 0.10).
"""

from enum import StrEnum
from typing import Any, TypeVar

import msgspec

from millrace.core.commands import Book
from millrace.core.events import Scalar
from millrace.core.instrument import Lots, Ticks
from millrace.strategies.arb.model import NanoUsd

DECISION, BASKET, STATE, DIVERGENCE = "arb_decision", "arb_basket", "arb_state", "arb_divergence"
REST = "arb_rest"
"""The kinds under which the desk's bookings stand in the ledger."""
OPENED, REJECTED = "opened", "rejected"
_Row = TypeVar("_Row", bound=msgspec.Struct)


class Outcome(StrEnum):
    """How a basket ended (arb 17): whole, put right, given back, open on one side, or with nothing traded."""

    COMPLETED = "completed"
    REPAIRED = "repaired"
    UNWOUND = "unwound"
    NAKED = "naked"
    ABANDONED = "abandoned"


class LegRow(msgspec.Struct, frozen=True, kw_only=True):
    """One leg as it was decided: what was wanted, at which price, and which verified quote said so.

    `ticks` is the worst price in 1/10000 dollar, `lots` and `depth_lots` count millionths of a contract.
    """

    venue: str
    market: str
    outcome: str
    style: str
    ticks: Ticks
    lots: Lots
    depth_lots: Lots
    cost_nano: NanoUsd
    fee_nano: NanoUsd
    version: int
    quote_ts_ns: int
    data: str


class DecisionRow(msgspec.Struct, frozen=True, kw_only=True):
    """One candidate and what was decided (arb 10, 13, 17); `decision_id` is the opportunity's id and the cycle.

    `detected_nano` is the net edge at detection times the feasible size; `expected_nano` the expected realized value at
    the size decided, null when it was never reckoned. `aliases` are lanes that found the same, joined by commas, and
    `reasons` all gates that object, the first in the fixed order being `reason`. `basket` names the intent of an opened
    row. `on_cost` is the net edge per dollar spent, `on_cost_per_year` the same for a year of locked capital, null
    where nobody knows when the last leg pays. `micro_ok` is the micro-price filter of reports: no leg outside 0.02 to
    0.98 or below 20 contracts.
    """

    decision_id: str
    cycle: int
    opportunity: str
    family: str
    direction: str
    lane: str
    lane_family: str
    aliases: str
    style: str
    rule: str
    label: str
    relation: str
    tier: str
    cluster: str
    legs: tuple[LegRow, ...]
    floor: int
    lots: Lots
    cost_nano: NanoUsd
    fee_nano: NanoUsd
    detected_nano: NanoUsd
    expected_nano: NanoUsd | None
    verdict: str
    reason: str
    reasons: str
    micro_ok: bool
    basket: str
    horizon_ns: int | None
    config: str
    rules: str
    ts_ns: int
    on_cost: float | None = None
    on_cost_per_year: float | None = None

    def book(self, strategy: str) -> Book:
        """Return the row as the ledger keeps it, unique by its decision."""
        return Book(strategy, DECISION, self.decision_id, _values(self, "decision_id"), self.ts_ns)

    @classmethod
    def read(cls, book: Book) -> "DecisionRow":
        """Read a booking of that kind; raises msgspec.ValidationError when it is none."""
        return _read(cls, book, "decision_id")


class BasketRow(msgspec.Struct, frozen=True, kw_only=True):
    """One basket from its intent to the last cash of its last leg.

    Exactly one of `simulated_nano` (paper, replay) and `realised_nano` (a live run) holds the cash that moved, fees
    included; the other is null. `bought_nano` was paid for contracts, `proceeds_nano` received for them, by sale or
    pay-out; both without `fee_nano`. `capital_ns` is capital times time, in nano-dollar seconds. `hedge_ns` is how long
    it took from the first fill until the legs matched, null when they never did; `naked_ns` how long they did not.
    `repair_nano` is what was paid beyond the plan to complete, or lost by giving back. `diverged`: a leg paid otherwise
    than the rule allows.
    """

    basket: str
    decision_id: str
    opportunity: str
    family: str
    lane: str
    lane_family: str
    style: str
    rule: str
    label: str
    tier: str
    cluster: str
    legs: tuple[LegRow, ...]
    floor: int
    lots: Lots
    matched_lots: Lots
    outcome: str
    detected_nano: NanoUsd
    expected_nano: NanoUsd | None
    simulated_nano: NanoUsd | None
    realised_nano: NanoUsd | None
    bought_nano: NanoUsd
    proceeds_nano: NanoUsd
    fee_nano: NanoUsd
    planned_nano: NanoUsd
    repair_nano: NanoUsd
    slippage_nano: NanoUsd
    capital_nano: NanoUsd
    capital_ns: int
    hedge_ns: int | None
    naked_ns: int
    diverged: bool
    opened_ns: int
    ended_ns: int

    def book(self, strategy: str) -> Book:
        """Return the row as the ledger keeps it, unique by the basket."""
        return Book(strategy, BASKET, self.basket, _values(self, "basket"), self.ended_ns)

    @classmethod
    def read(cls, book: Book) -> "BasketRow":
        """Read a booking of that kind; raises msgspec.ValidationError when it is none."""
        return _read(cls, book, "basket")


class RestRow(msgspec.Struct, frozen=True, kw_only=True):
    """One order that rested, what was expected of it, and what became of it (arb 7.3, 7.4, 8.7).

    `chance` is the chance with which it was to fill whole in its time, `forecast` the dollars per contract that its
    fill was expected to lose, null when nothing filled or no book said where the middle was. `soon` and `late` are what
    the middle moved against it 5 s and 60 s after its first fill, null where no book told; `watched` once both times
    have passed. `refused`: the venue would not let it rest.
    """

    order: str
    basket: str
    lane: str
    venue: str
    market: str
    outcome: str
    category: str
    ticks: Ticks
    lots: Lots
    filled_lots: Lots
    refused: bool
    chance: float
    placed_ns: int
    ended_ns: int
    forecast: float | None = None
    soon: float | None = None
    late: float | None = None
    watched: bool = False

    def book(self, strategy: str) -> Book:
        """Return the row as the ledger keeps it, unique by the order."""
        values: dict[str, Scalar] = {name: getattr(self, name) for name in self.__struct_fields__ if name != "order"}
        return Book(strategy, REST, self.order, values, self.ended_ns)

    @classmethod
    def read(cls, book: Book) -> "RestRow":
        """Read a booking of that kind; raises msgspec.ValidationError when it is none."""
        return msgspec.convert({**book.values, "order": book.key}, cls)


def _values(row: msgspec.Struct, key: str) -> dict[str, Scalar]:
    """Return a row's fields without its key, the legs as a JSON text."""
    values: dict[str, Scalar] = {name: getattr(row, name) for name in row.__struct_fields__ if name != key}
    values["legs"] = msgspec.json.encode(values["legs"]).decode()
    return values


def _read(kind: type[_Row], book: Book, key: str) -> _Row:
    values: dict[str, Any] = {**book.values, key: book.key}
    return msgspec.convert({**values, "legs": msgspec.json.decode(values["legs"])}, kind)
