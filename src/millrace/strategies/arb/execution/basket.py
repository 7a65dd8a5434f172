"""A basket's life from its intent to the last cash of its last leg, as plain figures (arb 11.4).

What a leg holds is counted from what it traded, never from what was asked for: bought, sold, and bought of the other
outcome, which on a venue without sales is how a leg is given back. A pay-out changes none of these, so whether legs
match does not depend on which of them has been paid.
"""

from enum import StrEnum

import msgspec
from msgspec import structs

from millrace.core.instrument import InstrumentId, Lots, Outcome, Ticks
from millrace.strategies.arb.model import NanoUsd, Proposition, Style


class State(StrEnum):
    """Where a basket is (arb 11.4); the transitions are those of `NEXT` and no others."""

    PLANNED = "planned"
    WORKING = "working"
    HEDGED = "hedged"
    REPAIRING = "repairing"
    COMPLETED = "completed"
    UNWOUND = "unwound"
    HELD_NAKED = "held_naked"
    ABANDONED = "abandoned"


NEXT: dict[State, frozenset[State]] = {
    State.PLANNED: frozenset({State.WORKING}),
    State.WORKING: frozenset({State.HEDGED, State.REPAIRING, State.ABANDONED}),
    State.HEDGED: frozenset({State.REPAIRING, State.COMPLETED, State.UNWOUND}),
    State.REPAIRING: frozenset({State.HEDGED, State.UNWOUND, State.HELD_NAKED}),
    State.HELD_NAKED: frozenset({State.REPAIRING, State.HEDGED, State.UNWOUND}),
    State.COMPLETED: frozenset({State.REPAIRING, State.HEDGED}),
    State.UNWOUND: frozenset({State.REPAIRING, State.HEDGED}),
    State.ABANDONED: frozenset({State.REPAIRING, State.HEDGED}),
}
"""`planned` becomes `working` in the very step whose transaction persists it, so there is no state between them.

An ending without positions is left again when a fill is heard of late: nothing that filled is ever forgotten.
"""
EXPOSED = frozenset({State.WORKING, State.REPAIRING, State.HELD_NAKED})


class Role(StrEnum):
    """What an order of a basket is for."""

    LEG = "leg"
    COMPLETE = "complete"
    UNWIND = "unwind"
    EXIT = "exit"


class WorkingOrder(msgspec.Struct):
    """An order that has not ended: its leg, what it is for, which outcome it trades and what may still come of it."""

    leg: int
    role: Role
    other: bool
    buys: bool
    rest: Lots


class LegLife(msgspec.Struct, kw_only=True):
    """One leg: what was planned, and what came of it. Lots are contracts that arrived, money nano-dollars.

    `owned` and `other_owned` are what is held now of the leg's outcome and of the other one; `target` is what the legs
    before it allowed at the last time it was sent for.
    """

    market: InstrumentId
    outcome: Outcome
    style: Style
    limit_ticks: Ticks
    planned_nano: NanoUsd
    hardness: float
    depth_lots: Lots
    version: int
    quote_ts_ns: int
    data: str
    cost_nano: NanoUsd
    fee_planned_nano: NanoUsd
    bought: Lots = 0
    sold: Lots = 0
    other: Lots = 0
    owned: Lots = 0
    other_owned: Lots = 0
    target: Lots = 0
    tries: int = 0
    paid_nano: NanoUsd = 0
    received_nano: NanoUsd = 0
    fees_nano: NanoUsd = 0
    paid_out_nano: NanoUsd = 0
    ended: bool = False

    @property
    def held(self) -> Lots:
        """Contracts that count towards the basket."""
        return self.bought - self.sold - self.other

    @property
    def proposition(self) -> Proposition:
        """What the leg buys."""
        return Proposition(self.market, self.outcome)


class Life(msgspec.Struct, kw_only=True):
    """One basket. `group` is the name of its sub-positions, `groups` the legs that leave together, in their order.

    `whole_lots` must match for it to have filled as was foretold: all of the first size but what may be left.
    `wait_ns` is the next time at which it asks for something; 0 while only news can. `diverged`: a leg paid otherwise
    than the proof allows. `closing`: an exit was decided, so what is held is given back as prices allow. `rows` counts
    its rows so far, `again_ns` is when its rest was decided anew, `awaiting` says that a next leg waits for a book, and
    `most_matched` outlives an exit.
    """

    key: str
    group: str
    decision: str
    opportunity: str
    lane: str
    lane_family: str
    family: str
    style: str
    rule: str
    label: str
    tier: str
    cluster: str
    floor: int
    lots: Lots
    detected_nano: NanoUsd
    expected_nano: NanoUsd | None
    fill_probability: float | None
    horizon_ns: int | None
    opened_ns: int
    legs: list[LegLife]
    groups: list[list[int]]
    state: State = State.PLANNED
    moves: int = 0
    whole_lots: Lots = 0
    stage: int = 1
    attempts: int = 1
    tries: int = 0
    wait_ns: int = 0
    again_ns: int = 0
    cancelling: bool = False
    awaiting: bool = False
    rows: int = 0
    most_matched: Lots = 0
    repaired_ns: int = 0
    first_fill_ns: int = 0
    hedged_ns: int = 0
    naked_since_ns: int = 0
    naked_ns: int = 0
    capital_since_ns: int = 0
    capital_ns: int = 0
    peak_nano: NanoUsd = 0
    repair_nano: NanoUsd = 0
    repaired: bool = False
    was_naked: bool = False
    diverged: bool = False
    downgraded: bool = False
    closing: str = ""
    looked_ns: int = 0
    orders: dict[str, WorkingOrder] = {}

    @property
    def matched(self) -> Lots:
        """Contracts that every leg holds."""
        return min(leg.held for leg in self.legs)

    @property
    def full(self) -> Lots:
        """Contracts that the largest leg holds."""
        return max(leg.held for leg in self.legs)

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held and nothing is on its way."""
        return not self.orders and all(not (leg.owned or leg.other_owned) for leg in self.legs)

    @property
    def traded(self) -> bool:
        """Whether anything ever traded."""
        return any(leg.bought or leg.other for leg in self.legs)

    @property
    def spent_nano(self) -> NanoUsd:
        """What was paid and not received back, fees included: the capital that is in it."""
        return sum(leg.paid_nano + leg.fees_nano - leg.received_nano for leg in self.legs)

    @property
    def cash_nano(self) -> NanoUsd:
        """Cash received less cash paid and fees."""
        return -self.spent_nano

    def uneven(self, tolerance: Lots) -> bool:
        """Tell whether legs differ by more than may be left (arb 11.5)."""
        return self.full - self.matched > tolerance

    def rest_of(self, leg: int) -> Lots:
        """Return what orders of a leg may still buy of its outcome."""
        return sum(order.rest for order in self.orders.values() if order.leg == leg and order.buys and not order.other)

    @property
    def resting(self) -> list[str]:
        """The orders of a leg that rests."""
        return [
            key
            for key, order in self.orders.items()
            if order.role is Role.LEG and self.legs[order.leg].style is Style.MAKER
        ]

    def live(self, leg: int) -> bool:
        """Tell whether a leg has an order that has not ended."""
        return any(order.leg == leg for order in self.orders.values())

    def surplus_cost_nano(self, leg: int, lots: Lots) -> NanoUsd:
        """Return what some of a leg's contracts cost on average, fees included."""
        one = self.legs[leg]
        return (one.paid_nano + one.fees_nano) * lots // one.bought if one.bought else 0


def emptied(life: Life) -> Life:
    """Return an ended basket as one in which nothing traded yet, for a fill that is heard of after its row."""
    legs = [
        structs.replace(
            leg, bought=0, sold=0, other=0, owned=0, other_owned=0, target=0,
            paid_nano=0, received_nano=0, fees_nano=0, paid_out_nano=0,
        )
        for leg in life.legs
    ]  # fmt: skip
    return structs.replace(
        life, legs=legs, orders={}, rows=life.rows + 1, first_fill_ns=0, hedged_ns=0, naked_since_ns=0, naked_ns=0,
        capital_since_ns=0, capital_ns=0, peak_nano=0, repair_nano=0, closing="", wait_ns=0, cancelling=False,
        most_matched=0,
    )  # fmt: skip
