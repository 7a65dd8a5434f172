"""The desk's report (arb 17): identities exact over ten thousand decisions, each broken one seen, null is null."""

import random

import pytest
from msgspec import structs

from millrace.research.arb_facts import ArbFacts, CashFlow, VenueCash
from millrace.research.arb_gates import run_gates
from millrace.research.arb_identities import identities
from millrace.research.arb_kpi_report import arb_report, arb_text
from millrace.research.arb_kpis import (
    Filter,
    by_scope,
    ends,
    filtered,
    pairs_of,
    quality,
    ratio_of,
    sign_flips,
    sums_of,
)
from millrace.strategies.arb.model import Lane
from millrace.strategies.arb.telemetry.rows import OPENED, REJECTED, BasketRow, DecisionRow, LegRow, Outcome

SECOND = 1_000_000_000
DOLLAR = 1_000_000_000
VENUES = ("kalshi", "polymarket")
COOLDOWN = 300 * SECOND


def leg(venue, cost, data="accept"):
    return LegRow(
        venue=venue, market="M", outcome="yes", style="taker", ticks=4_000, lots=10**7, depth_lots=5 * 10**7,
        cost_nano=cost, fee_nano=cost // 100, version=1, quote_ts_ns=1, data=data,
    )  # fmt: skip


def decision(number, lane=Lane.INTRA, *, opened=True, ts_ns=0, expected=DOLLAR // 50, **more):
    legs = (leg(VENUES[0], DOLLAR), leg(VENUES[1], DOLLAR // 2))
    fields = {
        "decision_id": f"d{number}", "cycle": number // 7, "opportunity": f"o{number}", "family": f"{lane.family}|{number}",
        "direction": "", "lane": lane.value, "lane_family": lane.family, "aliases": "", "style": "taker",
        "rule": f"r{number % 30}", "label": "", "relation": "", "tier": "strict", "cluster": f"c{number % 5}",
        "legs": legs, "floor": 1, "lots": 10**7, "cost_nano": sum(one.cost_nano for one in legs),
        "fee_nano": sum(one.fee_nano for one in legs), "detected_nano": DOLLAR // 20,
        "expected_nano": expected if opened else None, "verdict": OPENED if opened else REJECTED,
        "reason": "" if opened else "edge", "reasons": "" if opened else "edge,size", "micro_ok": True,
        "basket": f"b{number}" if opened else "", "horizon_ns": None, "config": "c", "rules": "1", "ts_ns": ts_ns,
    }  # fmt: skip
    return DecisionRow(**{**fields, **more})


def basket(row, proceeds, outcome=Outcome.COMPLETED, *, bought=1_500_000_001, fee=15_000_000, name=None, **more):
    fields = {
        "basket": name or row.basket, "decision_id": row.decision_id, "opportunity": row.opportunity, "family": row.family,
        "lane": row.lane, "lane_family": row.lane_family, "style": row.style, "rule": row.rule, "label": row.label,
        "tier": row.tier, "cluster": row.cluster, "legs": row.legs, "floor": 1, "lots": row.lots, "matched_lots": row.lots,
        "outcome": outcome.value, "detected_nano": row.detected_nano, "expected_nano": row.expected_nano,
        "simulated_nano": proceeds - bought - fee, "realised_nano": None, "bought_nano": bought, "proceeds_nano": proceeds,
        "fee_nano": fee, "planned_nano": bought + fee, "repair_nano": 0, "slippage_nano": 0, "capital_nano": bought + fee,
        "capital_ns": (bought + fee) * 86_400, "hedge_ns": SECOND, "naked_ns": SECOND // 2, "diverged": False,
        "opened_ns": row.ts_ns, "ended_ns": row.ts_ns + SECOND,
    }  # fmt: skip
    return BasketRow(**{**fields, **more})


def flows_of(row):
    """The cash of one basket in four uneven flows."""
    name, half = row.basket.partition("/late")[0], row.bought_nano // 3
    return [
        CashFlow(name, VENUES[0], -half, row.fee_nano, row.opened_ns),
        CashFlow(name, VENUES[1], half - row.bought_nano, 0, row.opened_ns),
        CashFlow(name, VENUES[0], row.proceeds_nano - 7, 0, row.ended_ns),
        CashFlow(name, VENUES[1], 7, 0, row.ended_ns),
    ]


def facts_of(decisions, baskets, flows=None, **more):
    flows = [flow for row in baskets for flow in flows_of(row)] if flows is None else flows
    cash = {
        venue: VenueCash(
            10**12, 10**12 + sum(one.cash_nano - one.fee_nano for one in flows if one.venue == venue), 10**18
        )
        for venue in VENUES
    }
    carried = {}
    for flow in flows:
        carried[flow.basket] = carried.get(flow.basket, 0) - flow.cash_nano + flow.fee_nano
    fields = {
        "decisions": tuple(decisions), "baskets": tuple(baskets), "flows": tuple(flows), "carried_nano": carried, "present": {row.cycle: frozenset(VENUES) for row in decisions},
        "venue_cash": cash, "live_orders": {}, "cooldown_ns": COOLDOWN, "paper": True,
    }  # fmt: skip
    return ArbFacts(**{**fields, **more})


def run_of(count, seed=1):
    """A paper run of `count` decisions: a fifth opened, a tenth of those still open, every ending among the rest."""
    dice, decisions, baskets, open_flows = random.Random(seed), [], [], []
    for number in range(count):
        lane = dice.choice(tuple(Lane))
        opened = dice.random() < 0.2
        row = decision(
            number, lane, opened=opened, ts_ns=number * SECOND, micro_ok=dice.random() < 0.8,
            detected_nano=dice.randrange(10**8), aliases="parity" if lane is Lane.CROSS else "",
        )  # fmt: skip
        decisions.append(row)
        if opened and dice.random() < 0.9:
            ending = dice.choice(tuple(Outcome))
            baskets.append(
                basket(
                    row, dice.randrange(1_400_000_000, 1_700_000_000), ending, bought=dice.randrange(10**9, 2 * 10**9)
                )
            )
        elif opened:
            open_flows.append(CashFlow(row.basket, VENUES[0], -dice.randrange(10**9), dice.randrange(10**6), row.ts_ns))
    flows = [*(flow for row in baskets for flow in flows_of(row)), *open_flows]
    return facts_of(decisions, baskets, flows)


def broken(facts):
    return [(one.number, text) for one in identities(facts) for text in one.broken]


def test_21_7_the_identities_hold_over_a_paper_run_of_ten_thousand_decisions():
    facts = run_of(10_000)
    assert broken(facts) == []
    assert not any(one.skipped for one in identities(facts))
    report = arb_report(facts)
    total = report["lanes"]["total"]
    assert (
        sum(scope["sums"]["raw"]["simulated_nano"] for name, scope in report["lanes"].items() if name != "total")
        == (total["sums"]["raw"]["simulated_nano"])
    )
    assert total["sums"]["raw"]["opened"] == sum(total["ends"].values())
    assert total["sums"]["raw"]["detected_rows"] == total["sums"]["raw"]["opened"] + sum(report["rejected"].values())
    assert report["aliases"] == sum(row.lane == "cross" for row in facts.decisions)
    assert report["holds"]


ROW = decision(1)
ENDED = basket(ROW, 1_600_000_000)


@pytest.mark.parametrize(
    ("number", "facts"),
    [
        (1, facts_of([ROW], [structs.replace(ENDED, lane_family="bucket")])),
        (1, facts_of([structs.replace(ROW, lane="unheard")], [])),
        (2, facts_of([structs.replace(ROW, family="")], [])),
        (2, facts_of([ROW, decision(2, basket="b1")], [])),
        (2, facts_of([structs.replace(ROW, aliases="intra")], [])),
        (3, facts_of([structs.replace(ROW, verdict="lost")], [])),
        (3, facts_of([decision(1, opened=False, reason="")], [])),
        (3, facts_of([decision(2)], [ENDED])),
        (3, facts_of([ROW], [ENDED, ENDED])),
        (3, facts_of([ROW], [structs.replace(ENDED, outcome="vanished")])),
        (4, facts_of([ROW], [ENDED], flows_of(ENDED)[:-1])),
        (4, facts_of([ROW], [structs.replace(ENDED, simulated_nano=ENDED.simulated_nano + 1)])),
        (4, facts_of([ROW], [structs.replace(ENDED, simulated_nano=None)])),
        (4, facts_of([ROW], [structs.replace(ENDED, realised_nano=5)])),
        (4, facts_of([], [], flows_of(ENDED))),
        (4, facts_of([ROW], [ENDED], carried_nano={"b1": 0})),
        (4, facts_of([ROW], [ENDED], venue_cash={"kalshi": VenueCash(0, 0, 10**18)})),
        (5, facts_of([ROW, decision(2, family=ROW.family, ts_ns=COOLDOWN - 1)], [])),
    ],
)
def test_17_an_identity_that_does_not_hold_is_seen(number, facts):
    assert number in {at for at, _ in broken(facts)}
    assert not arb_report(facts)["holds"]


def test_17_a_family_may_be_opened_again_after_its_cooldown():
    assert broken(facts_of([ROW, decision(2, family=ROW.family, ts_ns=COOLDOWN)], [])) == []


def test_17_a_row_of_late_cash_counts_with_its_basket():
    late = basket(ROW, 10, bought=3, fee=0, name="b1/late1")
    facts = facts_of([ROW], [ENDED, late])
    assert broken(facts) == []
    [pair] = pairs_of(facts)
    assert pair.money == ENDED.simulated_nano + 7


def test_17_what_the_venue_has_not_said_since_the_last_news_is_not_judged():
    facts = facts_of([ROW], [ENDED], live_orders={"kalshi": 1}, venue_cash={"kalshi": VenueCash(0, 0, 10**18)})
    assert broken(facts) == []
    assert any("kalshi" in one.skipped for one in identities(facts))


def test_17_null_is_null_and_never_zero():
    facts = facts_of([decision(1, expected=None), decision(2, opened=False)], [])
    sums = sums_of(pairs_of(facts))
    assert (sums.expected_nano, sums.simulated_nano, sums.realised_nano) == (None, None, None)
    assert ratio_of(pairs_of(facts), paper=True) is None
    figures = quality(pairs_of(facts_of([], [])), paper=True)
    assert set(figures.values()) == {None, 0}
    assert figures["trades"] == 0
    assert " - " in arb_text(arb_report(facts))


def test_17_the_filters_see_the_same_rows():
    rows = [decision(number, micro_ok=number != 3) for number in range(300)]
    made = [basket(row, 1_520_000_000 + (9 * DOLLAR if row.basket == "b5" else 0)) for row in rows]
    pairs = pairs_of(facts_of(rows, made))
    assert len(filtered(pairs, Filter.MICRO)) == 299
    kept = filtered(pairs, Filter.OUTLIERS)
    assert len(kept) == 297, "the top hundredth"
    assert "d5" not in {pair.decision.decision_id for pair in kept}
    assert len(filtered(pairs[:5], Filter.OUTLIERS)) == 4, "at least the single largest"


def test_17_a_sign_that_one_trade_makes_is_said():
    rows = [decision(number) for number in range(10)]
    made = [basket(row, 1_500_000_000 + (DOLLAR if row.basket == "b5" else 0)) for row in rows]
    assert sign_flips(pairs_of(facts_of(rows, made))) == ["simulated under outlier_removed"]


def test_17_simulated_and_realised_stand_apart():
    live = [structs.replace(ENDED, realised_nano=ENDED.simulated_nano, simulated_nano=None)]
    facts = facts_of([ROW], live, paper=False)
    sums = sums_of(pairs_of(facts))
    assert sums.simulated_nano is None
    assert sums.realised_nano == ENDED.simulated_nano
    assert ratio_of(pairs_of(facts), paper=False) == ENDED.simulated_nano / ROW.expected_nano
    assert broken(facts) == []


def test_17_ratios_of_one_basket():
    half = basket(
        ROW,
        1_600_000_000,
        matched_lots=ROW.lots // 2,
        repair_nano=15_150_000,
        slippage_nano=30_300_000,
        bought=1_500_000_000,
    )
    figures = quality(pairs_of(facts_of([ROW, decision(2, opened=False)], [half])), paper=True)
    assert figures["conversion"] == 0.5
    assert figures["fill_quality"] == 0.5
    assert figures["repair_share"] == 0.01
    assert figures["slippage_error"] == 0.02
    assert figures["concentration_family"] == 1.0
    assert figures["concentration_venue"] == pytest.approx((2 / 3) ** 2 + (1 / 3) ** 2)
    assert (figures["hedge_sec_median"], figures["naked_sec"]) == (1.0, 0.5)
    assert figures["capital_days_per_dollar"] == pytest.approx(1.515 / 0.085)
    assert ends(pairs_of(facts_of([ROW, decision(3)], [half]))) == {
        "completed": 1, "repaired": 0, "unwound": 0, "naked": 0, "abandoned": 0, "open": 1,
    }  # fmt: skip


def gates(facts):
    pairs = pairs_of(facts)
    return {gate.name: gate for gate in run_gates(facts, pairs, identities(facts))}


def test_17_run_gates_of_a_large_run():
    found = gates(run_of(10_000))
    assert found["cycles"].value == 1_429
    passing = (
        "decision_rows",
        "cycles_with_all_venues",
        "mapped_pairs_covered",
        "parity_rules_covered",
        "lanes_that_opened",
    )
    assert all(found[name].passes for name in (*passing, "identities_broken", "opened_on_rejected_quotes"))
    assert found["cash_over_expected_intra"].passes is False, "drawn prices are no edge"
    assert found["false_positives_of_a_read_sample"].passes is None
    assert not arb_report(run_of(10_000))["may_be_promoted"], "what was not measured does not pass"


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("decision_rows", facts_of([decision(number) for number in range(199)], [])),
        ("cycles", facts_of([decision(number) for number in range(63)], [])),
        ("lanes_that_opened", facts_of([decision(number) for number in range(60)], [])),
        ("mapped_pairs_covered", facts_of([decision(number, Lane.CROSS) for number in range(19)], [])),
        ("parity_rules_covered", facts_of([decision(number, Lane.PARITY) for number in range(3)], [])),
        ("opened_on_rejected_quotes", facts_of([decision(1, legs=(leg("kalshi", DOLLAR, "suspect"),))], [])),
        ("identities_broken", facts_of([decision(1, opened=False, reason="")], [])),
        (
            "cycles_with_all_venues",
            facts_of(
                [decision(7 * number) for number in range(9)],
                [],
                present={0: frozenset(VENUES), 1: frozenset(VENUES[:1])},
            ),
        ),
    ],
)
def test_17_each_run_gate_can_fail(name, facts):
    assert gates(facts)[name].passes is False


def test_17_the_band_is_judged_from_fifty_trades_on():
    rows = [decision(number, expected=DOLLAR // 10) for number in range(50)]
    made = [basket(row, 1_600_000_000, bought=1_500_000_000, fee=0) for row in rows]
    assert gates(facts_of(rows, made))["cash_over_expected_intra"] == (
        "cash_over_expected_intra",
        1.0,
        "0.6 to 1.3 from 50 trades on",
        True,
    )
    assert gates(facts_of(rows[:49], made[:49]))["cash_over_expected"].passes is None
    poor = [basket(row, 1_550_000_000, bought=1_500_000_000, fee=0) for row in rows]
    assert gates(facts_of(rows, poor))["cash_over_expected_intra"].passes is False


def test_the_text_shows_every_lane_and_what_is_red():
    facts = run_of(500)
    text = arb_text(arb_report(facts))
    assert all(name in text for name in by_scope(pairs_of(facts), lambda pair: pair.decision.lane))
    red = arb_text(arb_report(facts_of([ROW], [ENDED], flows_of(ENDED)[:-1])))
    assert "RED    (4)" in red
