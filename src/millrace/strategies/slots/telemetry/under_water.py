"""How much of each leg's open volume would be closed at a loss now (slots 23, P28).

A loss counts when it is booked and never before, so back-off stays blind while losing exits wait. What waits is
therefore shown beside it, per leg, for whoever decides about releases and entry distances; nothing acts on it.
"""

from millrace.strategies.slots.reducer.model import SlotState, TradeId


def under_water(state: SlotState, mark: float) -> dict[TradeId, float]:
    """Return base units per leg whose entry price is worse than the mark, fees apart; 0 without a price."""
    found: dict[TradeId, float] = {"A": 0.0, "B": 0.0}
    if mark <= 0.0:
        return found
    for record in state.waiting_exits():
        if record.entry_price < mark if record.trade_id == "A" else record.entry_price > mark:
            found[record.trade_id] += record.volume - record.executed_volume
    short, long = state.a.dust, state.b.dust
    if short.cost < mark * short.volume:
        found["A"] += short.volume
    if long.cost > mark * long.volume:
        found["B"] += long.volume
    return found
