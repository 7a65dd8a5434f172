"""Resting orders of one side, indexed by price, and which of them a price reaches.

Price-time priority is the table's shape: prices in one sorted list with the best at its end, and per price the orders
in order of arrival. Looking at the best price costs O(1), which is what the market data path asks for every row.
"""

from bisect import bisect_left, insort
from collections.abc import Iterator
from dataclasses import dataclass

from millrace.core.commands import OrderState, Side, Style
from millrace.core.instrument import Instrument, Lots, Money, Ticks
from millrace.core.order_truth import VenueOrder

NO_BAR = -1
"""The bar of a budget that was never used."""


@dataclass(slots=True, eq=False)
class RestingOrder:
    """An open order at the venue; `held` is the money on hold for what is not filled yet.

    `told_as` is the client id that another program gave it; then `client_id` is the venue's own.
    `touched_ns` is when it was placed or last amended. `before_*` is what had been executed when its price last
    changed: what has been executed since is priced and rounded as one.
    """

    instrument: Instrument
    client_id: str
    venue_order_id: str
    side: Side
    style: Style
    lots: Lots
    limit_ticks: Ticks
    placed_ns: int
    response_ns: int
    held: Money
    touched_ns: int
    cum_lots: Lots = 0
    cum_cost: Money = 0
    cum_fee: Money = 0
    before_lots: Lots = 0
    before_cost: Money = 0
    before_fee: Money = 0
    told_as: str | None = None

    @property
    def held_asset(self) -> str:
        """What a buy or a sell holds."""
        return self.instrument.quote if self.side is Side.BUY else self.instrument.base

    def executed(self, ticks: Ticks, lots: Lots, *, maker: bool) -> tuple[Lots, Money, Money]:
        """Return cumulative lots, cost and fee after `lots` more at this price."""
        cum_lots = self.cum_lots + lots
        cost = self.instrument.cost(ticks, cum_lots - self.before_lots)
        fee = self.instrument.fee(cost, maker=maker)
        return cum_lots, self.before_cost + cost, self.before_fee + fee

    def described(self, state: OrderState | None = None, reason: str = "") -> VenueOrder:
        """Return the order as the venue tells it; without a state it is open."""
        open_state = OrderState.PARTIAL if self.cum_lots else OrderState.OPEN
        return VenueOrder(
            instrument=self.instrument.id,
            client_id=self.client_id if self.told_as is None else self.told_as,
            venue_order_id=self.venue_order_id,
            side=self.side,
            lots=self.lots,
            limit_ticks=self.limit_ticks,
            state=state or open_state,
            cum_lots=self.cum_lots,
            cum_cost=self.cum_cost,
            cum_fee=self.cum_fee,
            reason=reason,
            placed_ns=self.placed_ns,
        )


class Budget:
    """How much one side has taken of one bar's volume, or of one quote's displayed size."""

    __slots__ = ("bar", "used")

    def __init__(self) -> None:
        self.bar = NO_BAR
        self.used: Lots = 0

    def left(self, bar: int, allowed: Lots) -> Lots:
        """Return what may still be taken in `bar`, of which `allowed` lots may be taken in all."""
        return allowed - self.used if bar == self.bar else allowed

    def spend(self, bar: int, lots: Lots) -> None:
        """Take lots of the bar's budget; another bar starts afresh."""
        self.used = self.used + lots if bar == self.bar else lots
        self.bar = bar


class RestingSide:
    """The resting buys or sells of one instrument, and what they have taken of the volume that they met."""

    __slots__ = ("_keys", "_levels", "_sign", "displayed", "printed")

    def __init__(self, side: Side) -> None:
        self._sign = side.sign
        self._keys: list[int] = []  # sign * price, ascending: the best price of either side is the last
        self._levels: dict[int, dict[str, RestingOrder]] = {}
        self.printed = Budget()
        self.displayed = Budget()

    def __iter__(self) -> Iterator[RestingOrder]:
        """Yield orders by price-time priority."""
        for key in reversed(self._keys):
            yield from self._levels[key].values()

    def best(self) -> Ticks | None:
        """Return the highest buy or lowest sell; None when nothing rests."""
        return self._sign * self._keys[-1] if self._keys else None

    def prices(self) -> list[Ticks]:
        """Return the prices at which something rests, best first."""
        return [self._sign * key for key in reversed(self._keys)]

    def at(self, ticks: Ticks) -> tuple[RestingOrder, ...]:
        """Return what rests at a price, by time."""
        return tuple(self._levels.get(self._sign * ticks, {}).values())

    def add(self, order: RestingOrder) -> None:
        """Put an order behind those that rest at its price."""
        key = self._sign * order.limit_ticks
        level = self._levels.get(key)
        if level is None:
            insort(self._keys, key)
            level = self._levels[key] = {}
        level[order.client_id] = order

    def remove(self, order: RestingOrder) -> None:
        """Take an order out, whatever its place in the queue."""
        key = self._sign * order.limit_ticks
        level = self._levels[key]
        del level[order.client_id]
        if not level:
            del self._levels[key]
            del self._keys[bisect_left(self._keys, key)]

    def reached(self, worst_ticks: Ticks, budget: Lots | None) -> list[tuple[RestingOrder, Lots]]:
        """Return (order, lots) for orders priced at `worst_ticks` or better, best first, until `budget` is used.

        A budget of None is unlimited. Lots are whole lots of the instrument.
        """
        worst = self._sign * worst_ticks
        taken: list[tuple[RestingOrder, Lots]] = []
        for key in reversed(self._keys):
            if key < worst:
                break
            for order in self._levels[key].values():
                lots = order.lots - order.cum_lots
                if budget is not None:
                    lots = min(lots, budget - budget % order.instrument.lot)
                    budget -= lots
                if lots <= 0:
                    return taken
                taken.append((order, lots))
        return taken


class Pair:
    """One instrument at the venue: its two tables and the last prices seen, 0 while there was none."""

    __slots__ = ("ask_ticks", "bid_ticks", "buys", "instrument", "last_ticks", "now_ns", "open_orders", "sells")

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.buys = RestingSide(Side.BUY)
        self.sells = RestingSide(Side.SELL)
        self.last_ticks: Ticks = 0
        self.bid_ticks: Ticks = 0
        self.ask_ticks: Ticks = 0
        self.now_ns = 0
        self.open_orders = 0

    def table(self, side: Side) -> RestingSide:
        """Return the table in which orders of this side rest."""
        return self.buys if side is Side.BUY else self.sells

    def taken_price(self, side: Side, limit_ticks: Ticks) -> Ticks:
        """Return the price at which an order would trade at once, 0 when it would rest.

        Quotes are met at equality; a last price, which says nothing of the spread, must be passed.
        """
        quote = self.ask_ticks if side is Side.BUY else self.bid_ticks
        if quote:
            return quote if side.sign * (limit_ticks - quote) >= 0 else 0
        crosses = self.last_ticks and side.sign * (limit_ticks - self.last_ticks) > 0
        return self.last_ticks if crosses else 0

    def advance(self, ts_ns: int) -> None:
        """Move the pair's time; going back would be a fault of whoever drives the venue."""
        if ts_ns < self.now_ns:
            raise AssertionError(f"{self.instrument.id}: venue time went back from {self.now_ns} to {ts_ns}")
        self.now_ns = ts_ns
