"""The desk's rows come back from a ledger as they went in (arb 17)."""

from millrace.shell.ledger_memory import MemoryLedger
from millrace.strategies.arb.telemetry.rows import BASKET, DECISION, BasketRow, DecisionRow, LegRow

LEG = LegRow(
    venue="kalshi", market="M1", outcome="yes", style="taker", ticks=4_500, lots=3_000_000, depth_lots=9_000_000,
    cost_nano=1_350_000_000, fee_nano=60_000_000, version=7, quote_ts_ns=11, data="accept",
)  # fmt: skip


def decision_row(**changes) -> DecisionRow:
    values: dict = {
        "decision_id": "o1|4", "cycle": 4, "opportunity": "o1", "family": "intra|kalshi/m1", "direction": "intra|kalshi/m1|yes,no",
        "lane": "intra", "lane_family": "intra", "aliases": "", "style": "tt", "rule": "", "label": "", "relation": "eq", "tier": "none",
        "cluster": "kalshi/m1", "legs": (LEG,), "floor": 1, "lots": 3_000_000, "cost_nano": 1, "fee_nano": 2, "detected_nano": 3,
        "expected_nano": None, "verdict": "rejected", "reason": "min_edge", "reasons": "min_edge,capital", "micro_ok": False,
        "basket": "", "horizon_ns": None, "config": "c", "rules": "r", "ts_ns": 12,
    }  # fmt: skip
    return DecisionRow(**{**values, **changes})


def basket_row(**changes) -> BasketRow:
    values: dict = {
        "basket": "b1", "decision_id": "o1|4", "opportunity": "o1", "family": "f", "lane": "intra", "lane_family": "intra", "style": "tt",
        "rule": "", "label": "", "tier": "none", "cluster": "c", "legs": (LEG, LEG), "floor": 1, "lots": 3_000_000, "matched_lots": 2_000_000,
        "outcome": "repaired", "detected_nano": 5, "expected_nano": 4, "simulated_nano": 3, "realised_nano": None, "bought_nano": 9,
        "proceeds_nano": 12, "fee_nano": 0, "planned_nano": 9, "repair_nano": 0, "slippage_nano": 0, "capital_nano": 9, "capital_ns": 90,
        "hedge_ns": None, "naked_ns": 7, "diverged": False, "opened_ns": 1, "ended_ns": 2,
    }  # fmt: skip
    return BasketRow(**{**values, **changes})


def test_rows_come_back_from_the_ledger_as_they_were_booked_and_null_stays_null():
    ledger = MemoryLedger()
    decided, ended = decision_row(), basket_row()
    ledger.commit([decided.book("arb"), ended.book("arb"), decided.book("arb")])
    (found,) = ledger.bookings(DECISION)
    assert DecisionRow.read(found) == decided
    assert DecisionRow.read(found).expected_nano is None
    (found,) = ledger.bookings(BASKET)
    assert BasketRow.read(found) == ended
    assert BasketRow.read(found).realised_nano is None
