"""Booking a round trip: its amounts, the running sums and the leg's loss counters (slots 7.1, 7.2, 2.8).

Every way in which a position can close comes through this one function, so no sum can miss one.
"""

from millrace.strategies.slots.reducer.actions import Book
from millrace.strategies.slots.reducer.model import MAX_CYCLES, Cycle, Leg, SlotConfig, SlotState


def start_cooldown(leg: Leg, now: float, cfg: SlotConfig) -> None:
    """Keep the leg from re-entering for the base time; a longer cooldown stays."""
    if cfg.reentry_base_cooldown_sec > 0.0:
        leg.cooldown_until = max(leg.cooldown_until, now + cfg.reentry_base_cooldown_sec)


def fill_in(cycle: Cycle) -> Cycle:
    """Work the cycle's amounts out from its prices, volume and two fees (slots 7.1); returns it."""
    short = cycle.trade_id == "A"
    move = cycle.entry_price - cycle.exit_price if short else cycle.exit_price - cycle.entry_price
    gross = move * cycle.volume
    fees = cycle.entry_fee + cycle.exit_fee
    quote_fee = cycle.entry_fee if short else cycle.exit_fee
    cycle.gross_profit, cycle.fees, cycle.net_profit = gross, fees, gross - fees
    cycle.quote_fee, cycle.settled_usd = quote_fee, gross - quote_fee
    return cycle


def book(state: SlotState, cycle: Cycle, cfg: SlotConfig, *, completes: bool = True) -> Book:
    """Fill in the cycle's amounts, and book it at `state.now`.

    `completes` is False for a part of a position whose rest goes on, which is not a round trip of its own yet. The
    entry fee was counted in `total_fees` when the entry filled; only the exit fee is added here.
    """
    net = fill_in(cycle).net_profit
    cycle.exit_time, cycle.completes = state.now, completes
    state.completed_cycles.append(cycle)
    if len(state.completed_cycles) > MAX_CYCLES:
        del state.completed_cycles[0]
    state.total_fees += cycle.exit_fee
    state.total_profit += net
    state.total_settled_usd += cycle.settled_usd
    if net < 0.0:
        state.today_realized_loss -= net
    if completes:
        state.total_round_trips += 1
    _count_result(state.leg(cycle.trade_id), net, state.now, cfg)
    amounts = (net, cycle.gross_profit, cycle.fees, cycle.settled_usd)
    return Book(cycle.trade_id, cycle.cycle, *amounts, cycle.from_recovery, cycle.cause)


def _count_result(leg: Leg, net: float, now: float, cfg: SlotConfig) -> None:
    """Update losses in a row and the cooldowns that follow from them (slots 2.8)."""
    start_cooldown(leg, now, cfg)
    leg.consecutive_losses = leg.consecutive_losses + 1 if net < 0.0 else 0
    if leg.consecutive_losses >= cfg.loss_cooldown_start:
        leg.cooldown_until = max(leg.cooldown_until, now + cfg.loss_cooldown_sec)
