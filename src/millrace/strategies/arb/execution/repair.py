"""What to do about legs that do not match: complete, give back or hold, whichever costs least at this moment (arb 8.3).

The three are compared by what each leaves of the surplus' cost, for as many contracts as the books can take. Completing
and giving back happen only within the loss that is allowed at this try; holding is always possible, so it is what is
left when nothing else is good enough, and somebody hears of it.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import NamedTuple

from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import Lots, Ticks
from millrace.core.strategy import View
from millrace.strategies.arb.execution.basket import Life
from millrace.strategies.arb.execution.prices import LOT_NANO, Prices, Walk
from millrace.strategies.arb.lanes.exact import TICK_NANO
from millrace.strategies.arb.model import NanoUsd, Proposition


class Way(StrEnum):
    """How a surplus is dealt with, in the order that decides between equals."""

    COMPLETE = "complete"
    UNWIND = "unwind"
    HOLD = "hold"


class Trade(NamedTuple):
    """One order of a repair or an exit: `other` buys the leg's other outcome, which is how a buy-only venue sells."""

    leg: int
    buys: bool
    other: bool
    lots: Lots
    ticks: Ticks


class Remedy(NamedTuple):
    """A way, the orders that it takes, and what it loses per contract of the surplus, in nano-dollars."""

    way: Way
    trades: tuple[Trade, ...]
    loss_per_contract: int


def missing(life: Life) -> list[tuple[int, Lots]]:
    """Return the legs that hold less than the largest, and by how much."""
    return [(at, life.full - leg.held) for at, leg in enumerate(life.legs) if leg.held < life.full]


def surplus(life: Life) -> list[tuple[int, Lots]]:
    """Return the legs that hold more than every leg does, and by how much."""
    matched = life.matched
    return [(at, leg.held - matched) for at, leg in enumerate(life.legs) if leg.held > matched]


def remedies(life: Life, prices: Prices, view: View, charge: float) -> list[Remedy]:
    """Return the ways that books allow, the cheapest first; holding is always among them."""
    found = [remedy for remedy in (_completed(life, prices, view), _given_back(life, prices, view)) if remedy]
    found.append(_held(life, prices, view, charge))
    ways = list(Way)
    return sorted(found, key=lambda remedy: (remedy.loss_per_contract, ways.index(remedy.way)))


def chosen(life: Life, prices: Prices, view: View, charge: float, most_loss: float, attempt: int) -> Remedy:
    """Return the cheapest way whose loss stays within `most_loss` of the surplus' cost; holding has no limit.

    Each attempt's limits are a tick wider, as far as the loss that is allowed leaves room for it: an order at the price
    that was shown misses whenever that price has just moved.
    """
    over = surplus(life)
    cost = sum(life.surplus_cost_nano(leg, lots) for leg, lots in over)
    limit = round(cost * most_loss) * CONTRACT_LOTS // max(lots for _, lots in over)
    found = remedies(life, prices, view, charge)
    best = next(remedy for remedy in found if remedy.way is Way.HOLD or remedy.loss_per_contract <= limit)
    if best.way is Way.HOLD:
        return best
    room = (limit - best.loss_per_contract) // (TICK_NANO * len(best.trades))
    trades = [_widened(trade, prices.facts[life.legs[trade.leg].market].tick, attempt, room) for trade in best.trades]
    return best._replace(trades=tuple(trades))


def _widened(trade: Trade, tick: Ticks, attempt: int, room: Ticks) -> Trade:
    more = min(attempt, room // tick) * tick
    ticks = trade.ticks + more if trade.buys else trade.ticks - more
    return trade._replace(ticks=min(max(ticks, tick), PAYOUT_TICKS - tick))


def _completed(life: Life, prices: Prices, view: View) -> Remedy | None:
    """Buy what is missing: then the whole is worth its floor."""
    wanted = missing(life)
    if any(leg.ended for leg in life.legs):
        return None
    share, walks = life.full - life.matched, []
    for leg, lots in wanted:
        walk = prices.buy(life.legs[leg].proposition, lots, view)
        if walk is None:
            return None
        walks.append((leg, lots, walk))
    # What the thinnest book completes: each leg up to the level that all of them can reach.
    short = max(lots - walk.lots for _, lots, walk in walks)
    if short >= share:
        return None
    trades, nano = [], 0
    for leg, lots, _ in walks:
        taken = lots - short
        if taken <= 0:
            continue
        walk = prices.buy(life.legs[leg].proposition, taken, view)
        if walk is None:
            return None
        trades.append(Trade(leg, buys=True, other=False, lots=taken, ticks=walk.ticks))
        nano += walk.nano
    done = share - short
    spent = sum(life.surplus_cost_nano(leg, min(lots, done)) for leg, lots in surplus(life))
    return _remedy(Way.COMPLETE, trades, spent + nano - life.floor * done * LOT_NANO, done)


def _given_back(life: Life, prices: Prices, view: View) -> Remedy | None:
    """Sell the surplus of each leg, or buy its other outcome where nothing can be sold."""
    trades, loss, most = [], 0, 0
    for leg, lots in surplus(life):
        if life.legs[leg].ended:
            continue
        found = way_out(life.legs[leg].proposition, lots, prices, view)
        if found is None:
            return None
        walk, other = found
        trades.append(Trade(leg, buys=other, other=other, lots=walk.lots, ticks=walk.ticks))
        loss += life.surplus_cost_nano(leg, walk.lots) - proceeds_of(walk, other=other)
        most = max(most, walk.lots)
    return _remedy(Way.UNWIND, trades, loss, most) if trades else None


def way_out(proposition: Proposition, lots: Lots, prices: Prices, view: View) -> tuple[Walk, bool] | None:
    """Return the best way to be rid of contracts now, and whether it buys the other outcome; None without a book."""
    if prices.facts[proposition.market].can_sell:
        sold = prices.sell(proposition, lots, view)
        return None if sold is None else (sold, False)
    bought = prices.buy(proposition.negation, lots, view)
    return None if bought is None else (bought, True)


def proceeds_of(walk: Walk, *, other: bool) -> NanoUsd:
    """Return what a way out brings: the sale, or what the pair pays less what its other half costs."""
    return walk.lots * LOT_NANO - walk.nano if other else walk.nano


def _held(life: Life, prices: Prices, view: View, charge: float) -> Remedy:
    over = surplus(life)
    worth = sum(prices.fair_nano(life.legs[leg].proposition, lots, view, charge) for leg, lots in over)
    cost = sum(life.surplus_cost_nano(leg, lots) for leg, lots in over)
    return _remedy(Way.HOLD, [], cost - worth, max(lots for _, lots in over))


def _remedy(way: Way, trades: list[Trade], loss: NanoUsd, lots: Lots) -> Remedy:
    return Remedy(way, tuple(trades), loss * CONTRACT_LOTS // max(lots, 1))


def worth_trading(life: Life, prices: Prices, trades: tuple[Trade, ...]) -> Iterator[Trade]:
    """Yield the trades that a venue would take: in whole lots, and no smaller than its least order."""
    for trade in trades:
        fact = prices.facts[life.legs[trade.leg].market]
        lots = trade.lots - trade.lots % fact.lot
        if lots >= fact.min_lots:
            yield trade._replace(lots=lots)
