"""Snapshots as the old bot wrote them, built by hand: slots in every phase, with the venue's ids of their orders."""

from typing import Any

from millrace.world.demo import FIRST_NS

SAVED_AT = FIRST_NS / 1e9 + 7_200.0
PRICE = 0.17
_SIDES = {("A", "entry"): "sell", ("A", "exit"): "buy", ("B", "entry"): "buy", ("B", "exit"): "sell"}


def txid(slot: int, local_id: int) -> str:
    return f"OOLD{slot:02d}-{abs(local_id):05d}-{'RECOVE' if local_id < 0 else 'ORDERX'}"


def order(slot: int, local_id: int, leg: str, role: str, price: float, **more: Any) -> dict[str, Any]:
    """Return an order record; an exit's entry was filled an hour before at one per cent's distance."""
    side = _SIDES[leg, role]
    row = {
        "local_id": local_id,
        "side": side,
        "role": role,
        "price": round(price, 6),
        "volume": 60.0,
        "trade_id": leg,
        "cycle": 3,
        "txid": txid(slot, local_id),
        "placed_at": SAVED_AT - 600.0 - local_id,
    }
    if role == "exit":
        entry_price = round(price / 1.01 if leg == "B" else price * 1.01, 6)
        filled_at = SAVED_AT - 3_600.0
        row |= {"entry_price": entry_price, "entry_fee": 0.025, "entry_filled_at": filled_at, "placed_at": filled_at}
    return row | more


def recovery(slot: int, recovery_id: int, leg: str, price: float, **more: Any) -> dict[str, Any]:
    row = order(slot, -recovery_id, leg, "exit", price) | {"recovery_id": recovery_id, "cycle": 1}
    for name in ("local_id", "role", "placed_at"):
        del row[name]
    return row | {"orphaned_at": SAVED_AT - 9_000.0, "reason": "s1_timeout"} | more


def cycle(number: int, net: float, ago: float, leg: str = "B") -> dict[str, Any]:
    exit_time = SAVED_AT - ago
    row = {"trade_id": leg, "cycle": number, "entry_price": 0.168, "exit_price": 0.17, "volume": 60.0}
    row |= {"gross_profit": net + 0.05, "fees": 0.05, "net_profit": net, "settled_usd": net + 0.025}
    return row | {"entry_time": exit_time - 900.0, "exit_time": exit_time, "regime_at_entry": "BULLISH"}


def slot_state(orders: list[dict[str, Any]], recoveries: list[dict[str, Any]] = [], **more: Any) -> dict[str, Any]:  # noqa: B006
    state = {
        "market_price": PRICE,
        "now": SAVED_AT,
        "orders": orders,
        "recovery_orders": recoveries,
        "completed_cycles": [cycle(1, 0.07, 7_200.0), cycle(2, 0.06, 5_400.0)],
        "cycle_a": 3,
        "cycle_b": 3,
        "next_order_id": 20,
        "next_recovery_id": 5,
        "total_profit": 0.13,
        "total_fees": 0.1,
        "total_round_trips": 2,
        "last_price_update_at": SAVED_AT,
        "mode_source": "none",
    }
    return state | more


def slot_s0(slot: int) -> dict[str, Any]:
    return slot_state([order(slot, 8, "B", "entry", PRICE * 0.996), order(slot, 9, "A", "entry", PRICE * 1.004)])


def slot_s1b(slot: int) -> dict[str, Any]:
    """A long position of leg B beside an entry of leg A."""
    return slot_state([order(slot, 10, "B", "exit", PRICE * 1.02), order(slot, 11, "A", "entry", PRICE * 1.004)])


def slot_s1a(slot: int) -> dict[str, Any]:
    """A short position of leg A beside an entry of leg B, and an old recovery of leg B."""
    orders = [order(slot, 10, "A", "exit", PRICE * 0.98), order(slot, 11, "B", "entry", PRICE * 0.996)]
    return slot_state(orders, [recovery(slot, 2, "B", PRICE * 1.3)])


def slot_s2(slot: int) -> dict[str, Any]:
    orders = [order(slot, 12, "A", "exit", PRICE * 0.97), order(slot, 13, "B", "exit", PRICE * 1.03)]
    return slot_state(orders, s2_entered_at=SAVED_AT - 300.0)


def snapshot(**more: Any) -> dict[str, Any]:
    """Return a whole snapshot of the old bot with four slots; no sticky map, and the sizer's old name."""
    return {
        "version": 1,
        "saved_at": SAVED_AT,
        "mode": "RUNNING",
        "pause_reason": "",
        "entry_pct": 0.4,
        "profit_pct": 1.0,
        "pair": "XDGUSD",
        "next_slot_id": 4,
        "next_event_id": 77,
        "seen_fill_txids": ["OOLD00-00001-ORDERX", "OOLD00-00002-ORDERX"],
        "last_price": PRICE,
        "last_price_at": SAVED_AT - 3.0,
        "constraints": {"min_volume": 50.0, "min_cost": 0.5},
        "kelly_state": {"fraction": 0.2},
        "slots": {"0": slot_s0(0), "1": slot_s1b(1), "2": slot_s1a(2), "3": slot_s2(3)},
    } | more
