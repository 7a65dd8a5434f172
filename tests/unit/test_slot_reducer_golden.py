"""Replay of the recorded slot sequences (slots 24, golden part A): every step before a case's first exception."""

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from millrace.strategies.slots.bootstrap import add_entry
from millrace.strategies.slots.reducer.actions import Action, Book, Cancel, Orphan
from millrace.strategies.slots.reducer.codec import from_dict, to_dict
from millrace.strategies.slots.reducer.events import Fill, PriceTick, RecoveryCancel, RecoveryFill, TimerTick
from millrace.strategies.slots.reducer.invariants import violations
from millrace.strategies.slots.reducer.model import SlotConfig, SlotState, bind, phase, set_regime
from millrace.strategies.slots.reducer.transition import apply
from millrace.strategies.slots.reducer.volume import UsdSizes, usd_volume

DECIMALS = 9


@pytest.fixture(scope="module")
def golden(shared: Path) -> dict[str, Any]:
    return json.loads((shared / "golden" / "slot_reducer.json").read_text())


def config(case: dict[str, Any]) -> SlotConfig:
    return msgspec.convert(case["config"] | {"refresh_drift_basis": "market", "recovery_evict_books": True}, SlotConfig)


def same(got: Any, want: Any) -> bool:
    """Compare two rows; recorded floats were rounded to nine decimals."""
    if isinstance(want, list):
        return len(got) == len(want) and all(map(same, got, want))
    if isinstance(want, float) and not isinstance(got, bool | str | None):
        return abs(got - want) <= 1.01 * 10.0**-DECIMALS
    return got == want


def act_row(action: Action) -> list[Any]:
    match action:
        case Cancel():
            return ["cancel", action.local_id, action.txid, action.reason]
        case Orphan():
            return ["orphan", action.local_id, action.recovery_id, action.reason]
        case Book():
            return ["book", *msgspec.structs.astuple(action)[:-1]]
        case _:
            return ["place", *msgspec.structs.astuple(action)]


def order_rows(state: SlotState) -> list[list[Any]]:
    return [
        [o.local_id, o.side, o.role, o.price, o.volume, o.trade_id, o.cycle, o.txid, o.placed_at,
         o.entry_price, o.entry_fee, o.entry_filled_at, o.regime_at_entry]
        for o in state.orders
    ]  # fmt: skip


def recovery_rows(state: SlotState) -> list[list[Any]]:
    return [
        [r.recovery_id, r.side, r.price, r.volume, r.trade_id, r.cycle, r.entry_price, r.orphaned_at,
         r.entry_fee, r.entry_filled_at, r.txid, r.reason, r.regime_at_entry]
        for r in state.recovery_orders
    ]  # fmt: skip


def cycle_rows(state: SlotState) -> list[list[Any]]:
    return [
        [c.trade_id, c.cycle, c.entry_price, c.exit_price, c.volume, c.gross_profit, c.fees, c.net_profit,
         c.entry_fee, c.exit_fee, c.quote_fee, c.settled_usd, c.entry_time, c.exit_time, c.from_recovery,
         c.regime_at_entry]
        for c in state.completed_cycles
    ]  # fmt: skip


def play(state: SlotState, ev: dict[str, Any], cfg: SlotConfig, sizes: UsdSizes) -> tuple[SlotState, list[Action]]:
    own = UsdSizes(ev["size"], None, cfg) if "size" in ev else sizes
    fill = (
        ev.get("id", 0),
        ev.get("txid", ""),
        ev.get("side", "buy"),
        ev.get("p"),
        ev.get("v"),
        ev.get("fee"),
        ev.get("t"),
    )
    acts: list[Action] = []
    match ev["k"]:
        case "bootstrap":
            acts = add_entry(state, "B", cfg, own, "bootstrap").actions
            acts = acts + add_entry(state, "A", cfg, own, "bootstrap").actions
        case "add_entry":
            assert state.leg(ev["trade"]).cycle == ev["cycle"]
            acts = add_entry(state, ev["trade"], cfg, own).actions
        case "price":
            acts = apply(state, PriceTick(ev["p"], ev["t"]), cfg, sizes)
        case "timer":
            acts = apply(state, TimerTick(ev["t"]), cfg, sizes)
        case "fill":
            acts = apply(state, Fill(*fill), cfg, sizes)
        case "rfill":
            acts = apply(state, RecoveryFill(*fill), cfg, sizes)
        case "rcancel":
            acts = apply(state, RecoveryCancel(ev["id"], ev["txid"], ev["t"]), cfg, sizes)
        case "bind":
            assert bind(state, ev["id"], ev["txid"])
        case "regime":
            assert set_regime(state, ev["id"], ev["regime"])
        case "roundtrip":
            state = from_dict(json.loads(json.dumps(to_dict(state), allow_nan=False)))
        case other:
            pytest.fail(f"unknown recorded event {other}")
    return state, acts


def test_recorded_sequences_match_before_their_first_exception(golden: dict[str, Any]) -> None:
    compared = whole = 0
    for case in golden["cases"]:
        cfg = config(case)
        sizes = UsdSizes(case["size"], case["sizes"], cfg)
        state = SlotState(**case["init"])
        last = min(case["exceptions"].values(), default=len(case["steps"]))
        for index, step in enumerate(case["steps"][:last]):
            where = f"case {case['id']} step {index} {step['ev']}"
            state, acts = play(state, step["ev"], cfg, sizes)
            rows = to_dict(state)
            assert same([act_row(a) for a in acts], step["acts"]), where
            assert phase(state) == step["phase"], where
            for name, want in zip(golden["scalar_fields"], step["scal"], strict=True):
                assert same(rows[name], want), f"{where}: {name} {rows[name]} != {want}"
            assert same(order_rows(state), step.get("orders", order_rows(state))), where
            assert same(recovery_rows(state), step.get("recov", recovery_rows(state))), where
            assert bool(violations(state, cfg, {})) == bool(step["viol"]), where
            compared += 1
        if not case["exceptions"]:
            assert same(cycle_rows(state), case["final_cycles"]), f"case {case['id']}"
            whole += 1
    assert (compared, whole) == (1951, 57)


def test_recorded_volumes_match(golden: dict[str, Any]) -> None:
    assert golden["volume_cases"]
    for case in golden["volume_cases"]:
        cfg = SlotConfig(
            min_cost_usd=case["min_cost_usd"], min_volume=case["min_volume"], volume_decimals=case["volume_decimals"]
        )
        assert usd_volume(case["usd"], case["price"], cfg) == case["out"], case
