"""How large a buy may be as its slot's share of the free quote money (slots 8.3), in exact money.

The pool is what is free now, less a buffer and the fee that buys would pay, in equal parts for the slots that are ready
to buy. Free money already lacks what live buys hold, so nothing is subtracted twice (P14); the cents that do not divide
stay in the account and so stand in the next pool before any multiplier. That is the contract's carry: added to a pool
that holds it already, the same cents would be given out twice.

A slot's share has a cap, so that one ready slot does not take all (P26); a multiplier may use what the cap left of the
slot's even part, and never another slot's part, so that no leg loses its order to a multiplier (P1).
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from millrace.core.instrument import Instrument, Money
from millrace.strategies.slots.bootstrap import OWNED_SOURCES
from millrace.strategies.slots.reducer.model import phase
from millrace.strategies.slots.slot import Slot
from millrace.strategies.slots.turn import Turn

_BUYS_IN = frozenset({"S0", "S1a"})
"""Phases in which leg B has no position."""
_PPM = 1_000_000
_CENT_DECIMALS = 2


class Shares(NamedTuple):
    """A pool in equal parts of whole cents; all but `ready` are quote money (integers of the ledger's scale)."""

    pool: Money
    ready: int
    share: Money
    carry: Money


class BuySize(NamedTuple):
    """What one slot's next buy may cost, in USD: its capped share, and its even part of the pool before the cap."""

    usd: float
    even_usd: float

    @property
    def is_capped(self) -> bool:
        """Whether the cap holds it down; otherwise more money would make it larger."""
        return self.usd < self.even_usd


def split(pool: Money, ready: int, cent: Money) -> Shares:
    """Return the pool in equal parts of whole cents, and what does not divide; no parts when nobody is ready."""
    if ready < 1:
        return Shares(pool, 0, 0, 0)
    share = pool // ready // cent * cent
    return Shares(pool, ready, share, pool - share * ready)


def payable(free: Money, buffer: Money, fee_ppm: int) -> Money:
    """Return how much buys may cost so that they and their fees fit the free money less the buffer."""
    return max(0, free - buffer) * _PPM // (_PPM + fee_ppm)


def is_buy_ready(slot: Slot) -> bool:
    """Tell whether a slot's next buy wants money: not short-only, no buy entry at the venue, leg B not in position.

    Short-only by will, that is. The flag also says that a leg just happens to be empty (slots 3); such a slot
    is armed as soon as there is money, so it is one of those that share.
    """
    state = slot.state
    held_back = state.short_only and state.mode_source in OWNED_SOURCES
    return not held_back and _live_buy(slot) is None and phase(state) in _BUYS_IN


def _live_buy(slot: Slot) -> int | None:
    """Return the local id of the slot's buy entry that holds money at the venue, also one on its way off the book."""
    for order in (*slot.state.orders, *slot.state.cancelling):
        if order.trade_id == "B" and order.role == "entry" and order.local_id in slot.sent:
            return order.local_id
    return None


class BuyShares(NamedTuple):
    """The settings of the shares in exact money; `most` is the cap of a slot's share, 0: none."""

    buffer: Money
    most: Money
    cent: Money
    facts: Instrument

    @classmethod
    def of(cls, facts: Instrument, buffer_usd: float, most_usd: float) -> "BuyShares":
        """Return the settings for an instrument, from USD."""
        scale = 10**facts.quote_decimals
        cent = 10 ** (facts.quote_decimals - _CENT_DECIMALS)
        return cls(round(buffer_usd * scale), round(most_usd * scale), cent, facts)

    def shares(self, slots: Iterable[Slot], turn: Turn) -> Shares:
        """Return the shares of all slots that are ready to buy now."""
        ready = sum(is_buy_ready(slot) for slot in slots)
        return split(self._pool(turn), ready, self.cent)

    def size(self, slots: Iterable[Slot], slot: Slot, turn: Turn) -> BuySize:
        """Return what the slot's next buy may cost.

        A slot that has a buy at the venue, as one whose entry is to be refreshed, keeps that money and takes its part
        of the rest; without it the slot counts among those that are ready, whatever else it waits for.
        """
        ready = sum(is_buy_ready(other) for other in slots if other is not slot) + 1
        even = (self._own(slot) + self._pool(turn) // ready) // self.cent * self.cent
        share = min(even, self.most) if self.most > 0 else even
        return BuySize(self.facts.quote_float(share), self.facts.quote_float(even))

    def _pool(self, turn: Turn) -> Money:
        return payable(turn.free_quote() or 0, self.buffer, self.facts.maker_fee_ppm)

    def _own(self, slot: Slot) -> Money:
        local_id = _live_buy(slot)
        record = None if local_id is None else slot.record(local_id)
        if record is None:
            return 0
        rest = self.facts.lots(record.volume) - self.facts.lots(record.executed_volume)
        return self.facts.cost(self.facts.ticks(record.price), max(0, rest))

    def status(self, slots: Iterable[Slot], turn: Turn, *, enabled: bool, acts: bool) -> dict[str, Any]:
        """Return the `b_side_sizing` object (slots 18): amounts in USD, null while balances are unknown."""
        usd = self.facts.quote_float
        free, now = turn.free_quote(), self.shares(slots, turn)
        known = free is not None
        return {
            "enabled": enabled,
            "active": acts,
            "free_usd": None if free is None else usd(free),
            "safety_buffer_usd": usd(self.buffer),
            "pool_usd": usd(now.pool) if known else None,
            "buy_ready_slots": now.ready,
            "share_usd": usd(min(now.share, self.most) if self.most > 0 else now.share) if known else None,
            "carry_usd": usd(now.carry) if known else None,
            "cap_usd": usd(self.most) if self.most > 0 else None,
            "capped": 0 < self.most < now.share,
        }
