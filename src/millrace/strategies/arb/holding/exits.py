"""The table of exits, looked at in its order: the first row that applies says what to do (arb 12).

A whole basket whose proof stands is riskless and waits for its pay-out; it is left early only when the capital is worth
more elsewhere. Everything else, naked, downgraded or uneven, is held to time, risk and edge. Prices are what could be
had at this moment with fees, and a row only recommends: fills alone close a position.
"""

from enum import StrEnum
from typing import NamedTuple

from millrace.core.fee_terms import CONTRACT_LOTS
from millrace.core.instrument import Lots
from millrace.core.strategy import View
from millrace.strategies.arb.execution.basket import Life, State
from millrace.strategies.arb.execution.prices import LOT_NANO, Prices
from millrace.strategies.arb.execution.repair import Trade, proceeds_of, way_out
from millrace.strategies.arb.holding.settings import HoldingSettings
from millrace.strategies.arb.model import NanoUsd

_SECOND_NS = 1_000_000_000
_HOUR_NS = 3_600 * _SECOND_NS
_HOURS_PER_YEAR = 8_760


class Action(StrEnum):
    """What a row of the table asks for."""

    CLOSE = "close"
    HEDGE = "hedge"
    ABANDON = "abandon"


class Exit(NamedTuple):
    """A recommendation: the row's name and its action."""

    row: str
    action: Action


class Marked(NamedTuple):
    """A basket at what it would bring now: the trades, their cash, and whether that is all of it."""

    trades: tuple[Trade, ...]
    nano: NanoUsd
    whole: bool


def marked(life: Life, prices: Prices, view: View) -> Marked:
    """Return what leaving every leg that can be traded would bring at this moment, net of fees."""
    trades, nano, whole = [], 0, True
    for at, leg in enumerate(life.legs):
        net = leg.owned - leg.other_owned
        nano += min(leg.owned, leg.other_owned) * LOT_NANO
        if net <= 0:
            continue
        found = None if leg.ended else way_out(leg.proposition, net, prices, view)
        if found is None:
            whole = False
            continue
        walk, other = found
        whole = whole and walk.lots == net
        trades.append(Trade(at, buys=other, other=other, lots=walk.lots, ticks=walk.ticks))
        nano += proceeds_of(walk, other=other)
    return Marked(tuple(trades), nano, whole)


def recommended(
    life: Life, at: Marked, tolerance: Lots, bankroll_nano: NanoUsd, now_ns: int, settings: HoldingSettings
) -> Exit | None:
    """Return the first row of the table that applies; None: hold."""
    uneven = life.uneven(tolerance)
    if life.downgraded:
        return Exit("downgrade", Action.HEDGE if uneven else Action.CLOSE)
    if life.state is State.HEDGED and not uneven:
        return _whole(life, at, now_ns, settings)
    return _exposed(life, at, bankroll_nano, now_ns, settings)


def _exposed(life: Life, at: Marked, bankroll_nano: NanoUsd, now_ns: int, settings: HoldingSettings) -> Exit | None:
    """Look at rows 2 to 7: a basket that is naked, or whose legs do not match."""
    contracts = max(life.full, 1) / CONTRACT_LOTS
    held_sec = (now_ns - (life.first_fill_ns or life.opened_ns)) / _SECOND_NS
    if life.spent_nano > settings.max_risk_share * bankroll_nano:
        return Exit("risk_stop", Action.CLOSE)
    naked_sec = (now_ns - max(life.naked_since_ns, life.repaired_ns)) / _SECOND_NS
    rest_sec = settings.again_sec if life.repaired_ns else settings.naked_sec
    if life.naked_since_ns and naked_sec > rest_sec:
        return Exit("naked_time_stop", Action.HEDGE)
    if held_sec > settings.max_hold_sec:
        return Exit("time_stop", Action.CLOSE)
    if not at.whole:
        return None
    value = (at.nano - life.spent_nano) / 1e9 / contracts
    if value < settings.least_ev:
        return Exit("ev_stop", Action.CLOSE)
    entry = life.detected_nano / 1e9 / max(life.lots / CONTRACT_LOTS, 1e-9)
    ratio = value / entry if entry > 0 else 0.0
    if ratio < settings.decay_ratio:
        if held_sec >= settings.abandon_share * settings.max_hold_sec and value <= settings.abandon_edge:
            return Exit("edge_decay", Action.ABANDON)
        return Exit("edge_decay", Action.HEDGE if ratio >= settings.decay_close_ratio else Action.CLOSE)
    return Exit("min_edge", Action.CLOSE) if value < settings.least_edge else None


def _whole(life: Life, at: Marked, now_ns: int, settings: HoldingSettings) -> Exit | None:
    """Look at the baseline and row 8: leave a riskless basket only for more than waiting is worth."""
    if not at.whole or not at.trades:
        return None
    floor = life.floor * life.matched * LOT_NANO
    hours = 0.0 if life.horizon_ns is None else max(life.horizon_ns - now_ns, 0) / _HOUR_NS
    waiting = floor / (1 + settings.lock_rate_per_year * hours / _HOURS_PER_YEAR)
    switching = settings.switching_usd * 1e9 * life.matched / CONTRACT_LOTS
    if at.nano > waiting + switching:
        return Exit("worth_more_now", Action.CLOSE)
    if hours > settings.unlock_hours and at.nano >= settings.unlock_share * floor:
        return Exit("profit_unlock", Action.CLOSE)
    return None
