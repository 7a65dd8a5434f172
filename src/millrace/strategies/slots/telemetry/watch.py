"""What the grid watches over itself and tells a person: room, sides, open orders, balances (slots 4.7, 7.7, 9, P4).

Nothing here changes what is traded. Each watch looks at events that are never skipped, or at a time that it asked for,
so what it tells does not depend on how often somebody looked.
"""

from millrace.core.commands import Alert, Severity
from millrace.strategies.slots.books.balance_recon import BalanceRecon, Holdings, balance_recon, unrealised_usd
from millrace.strategies.slots.grid import Grid
from millrace.strategies.slots.telemetry.capacity_health import Band, capacity_band, fresh_exchange_count
from millrace.strategies.slots.telemetry.open_drift import DriftNews
from millrace.strategies.slots.turn import Turn


def watch_loop(grid: Grid, turn: Turn) -> None:
    """Tell once of low headroom that has lasted ten minutes (slots 9), and of a side starved for an hour (P4)."""
    if grid.low_headroom_due_ns() <= turn.now_ns:
        grid.low_headroom_told = True
        since_ns = grid.low_headroom_since_ns or turn.now_ns
        headroom = grid.safe_cap - turn.open_orders
        turn.out.append(grid.records.low_headroom(since_ns, turn.now_ns, headroom, ended=False))
        text = f"{turn.open_orders} of {grid.safe_cap} open orders for ten minutes; freeze entries or remove slots"
        _tell(turn, "safe_cap_guard", text)
    if grid.sides.due_ns <= turn.now_ns:
        grid.sides.told = True
        seconds = grid.sides.for_sec(turn.now_ns)
        text = f"no {grid.sides.starved} entry for {seconds:.0f} s while the other side trades; see why its legs wait"
        _tell(turn, "one_sided_for_sec", text)


def watch_open_orders(grid: Grid, turn: Turn) -> None:
    """Compare a fresh count of the venue's open orders with ours (slots 4.7)."""
    exchange, ours = turn.market.venue_open_orders, turn.open_orders
    news = None if exchange is None else grid.open_drift.look(exchange, ours, turn.now_ns)
    if news is DriftNews.PERSISTS:
        _tell(turn, "open_order_drift", f"the venue has {exchange} open orders, the grid knows of {ours}")
    elif news is DriftNews.GONE:
        text = f"the venue and the grid agree again: {exchange} and {ours} open orders"
        turn.out.append(Alert(Severity.INFO, "open_order_drift_gone", text, turn.now_ns))
    note_band(grid, turn)


def note_band(grid: Grid, turn: Turn) -> None:
    """Note the capacity band at news of an order or of the venue's count; streaks are measured by it (slots 15)."""
    grid.band_clock.observe(band_now(grid, turn), turn.now)


def band_now(grid: Grid, turn: Turn) -> Band:
    """Return the capacity band of this moment (slots 15.5)."""
    market = turn.market
    age_sec = (turn.now_ns - market.venue_open_orders_ts_ns) / 1e9
    exchange = fresh_exchange_count(market.venue_open_orders, age_sec, grid.settings.poll_interval_sec)
    headroom = grid.safe_cap - (turn.open_orders if exchange is None else exchange)
    return capacity_band(headroom, grid.windows.cancels(turn.now), grid.partial_cancels_unhandled)


def watch_balances(grid: Grid, turn: Turn) -> None:
    """Take the first good balance as the baseline, and tell when growth and profit drift apart (slots 7.7)."""
    watch = grid.balances
    take_baseline(grid, turn)
    if not watch.is_due(turn.now_ns):
        return
    found = recon(grid, turn)
    if not watch.look(found, turn.now_ns):
        return
    if watch.told:
        text = f"balances drift {found.unexplained_pct:.3f} % ({found.drift_usd:.2f} USD) from what was earned"
        _tell(turn, "balance_drift", text)
    else:
        text = f"balances agree with what was earned again, to {found.unexplained_pct or 0.0:.3f} %"
        turn.out.append(Alert(Severity.INFO, "balance_drift_gone", text, turn.now_ns))


def take_baseline(grid: Grid, turn: Turn) -> None:
    """Take the first good balance as the baseline."""
    if grid.balances.baseline is None:
        earned_usd = _earned_usd(grid, turn) + grid.residue.explained_usd(turn.price)
        grid.balances.capture(holdings(turn), turn.price, turn.now_ns, earned_usd)


def holdings(turn: Turn) -> Holdings:
    """Return what the account holds, free and held."""
    facts = turn.instrument
    quote = turn.view.total(facts.id.venue, facts.quote)
    base = turn.view.total(facts.id.venue, facts.base)
    return Holdings(
        usd=None if quote is None else facts.quote_float(quote),
        base=None if base is None else facts.base_float(base),
    )


def recon(grid: Grid, turn: Turn) -> BalanceRecon:
    """Return the `balance_recon` object now."""
    pnl_usd = _earned_usd(grid, turn)
    limit_pct = grid.settings.balance_recon_drift_pct
    explained_usd = grid.residue.explained_usd(turn.price)
    return balance_recon(grid.balances.baseline, holdings(turn), turn.price, pnl_usd, limit_pct, explained_usd)


def _earned_usd(grid: Grid, turn: Turn) -> float:
    states = [slot.state for slot in grid.slots.values()]
    earned_usd = sum(state.total_profit + unrealised_usd(state, turn.price) for state in states)
    return grid.retired.totals.profit_usd + earned_usd


def _tell(turn: Turn, code: str, text: str) -> None:
    turn.out.append(Alert(Severity.WARN, code, text, turn.now_ns))
