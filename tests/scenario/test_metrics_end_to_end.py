"""The quote desk's figures in the running program, and a dashboard and rules that ask for nothing else (quoting 9)."""

import json
import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from demo_runs import SECOND, open_run
from millrace.capacity.stage_budgets import BUCKETS_MS, SLO, STAGES
from millrace.strategies.quoting.rollout.gates import RampMetrics
from millrace.strategies.quoting.rollout.ramp import RampState, poll
from millrace.strategies.quoting.settings_growth import RolloutSettings
from millrace.web.exposition import text
from millrace.world.afterwards.replay import replay
from millrace.world.quoting.rollout_figures import RampFigures
from source_tree import REPOSITORY

DEPLOY = REPOSITORY / "deploy"
QUOTING = {"quoting.enabled": True, "quoting.symbols": 4, "quoting_rollout.start_pct": 50}
P = "millrace_quoting_"
OF_EVENTS = {
    *(f"{P}guard_trips_total", f"{P}guard_reason_total", f"{P}fast_cancel_total", f"{P}stage_fault_total"),
    *(f"{P}orders_refused_total", "millrace_orders_unknown", "millrace_slo_breach", "millrace_latency_discarded_total"),
}
"""Families that have a series only once something has happened."""
PROMETHEUS_OWN = {"up"}
WORDS = {"by", "on", "or", "and", "sum", "le", "unless", "without", "ignoring", "bool"}
FUNCTIONS = {
    *("abs", "sum", "avg", "min", "max", "count", "rate", "increase", "delta", "absent", "vector"),
    "histogram_quantile",
}


def controller() -> RampFigures:
    """Return what a ramp's controller shows after a poll without metrics; it has a port of its own."""
    state, decision = poll(RampState(), RampMetrics(), 1, RolloutSettings())
    figures = RampFigures(state)
    figures.decided(state, decision)
    return figures


@pytest.fixture(scope="module")
def run_text(tmp_path_factory) -> bytes:
    folder = tmp_path_factory.mktemp("metrics") / "run"
    run = open_run(folder, QUOTING)
    run.simulation.run_until(run.simulation.now_ns + 80 * SECOND)
    found = text([*run.telemetry.families(), *controller().families()])
    ticks = sum(sum(one.tally.ticks.values()) for one in run.program.quotes.symbols.values())
    timed = run.tick_times.ticks + run.program.quotes.legacy_probe.ticks
    assert timed >= ticks, "each tick is timed, those of the shadow too"
    run.close()
    assert replay(folder).divergence is None, "timing changes no command"
    return found


@pytest.fixture(scope="module")
def families(run_text) -> dict:
    return {
        f"{one.name}_total" if one.type == "counter" else one.name: one
        for one in text_string_to_metric_families(run_text.decode())
    }


CONTRACT = {
    "stage_duration_ms": ("histogram", {"stage", "path"}),
    "tick_duration_ms": ("histogram", set()),
    "tick_deadline_miss_total": ("counter", set()),
    "ticks_total": ("counter", {"symbol", "result"}),
    "parallel_symbols": ("gauge", set()),
    "exchange_req_ms": ("histogram", {"verb", "api"}),
    "cmd_coalesced_total": ("counter", {"op"}),
    "intents_held_back_total": ("counter", set()),
    "partial_fail_rate": ("gauge", {"op", "exchange"}),
    "order_intents_total": ("counter", {"symbol", "kind", "reason"}),
    "order_keep_total": ("counter", {"symbol"}),
    "guard_level": ("gauge", {"symbol"}),
    "guard_soft_seconds_total": ("counter", {"symbol"}),
    "guard_hard_seconds_total": ("counter", {"symbol"}),
    "adaptive_spread_bps": ("gauge", {"symbol"}),
    "adaptive_score": ("gauge", {"symbol", "type"}),
    "spread_floor_binding": ("gauge", {"symbol"}),
    "inventory_pct": ("gauge", {"symbol"}),
    "inventory_skew_bps": ("gauge", {"symbol"}),
    "queue_ahead": ("gauge", {"symbol", "side"}),
    "queue_percentile": ("gauge", {"symbol", "side"}),
    "queue_nudges_total": ("counter", {"symbol", "side"}),
    "queue_nudge_bps": ("histogram", {"symbol", "side"}),
    "taker_fills_window": ("gauge", set()),
    "taker_share_pct": ("gauge", set()),
    "md_cache_hit_ratio": ("gauge", set()),
    "md_cache_age_ms": ("histogram", {"symbol"}),
    "md_pricing_on_stale_total": ("counter", {"symbol"}),
    "ws_gap_ms": ("histogram", set()),
    "reconnect_attempts_total": ("counter", {"kind"}),
    "reconcile_discrepancies_total": ("counter", {"type"}),
    "symbol_score": ("gauge", {"symbol"}),
    "symbol_weight": ("gauge", {"symbol"}),
    "symbol_size_multiplier": ("gauge", {"symbol"}),
    "symbol_total_ticks_total": ("counter", {"symbol"}),
    "symbol_samples": ("gauge", {"symbol"}),
    "allocator_rebalance_total": ("counter", set()),
    "allocator_active_symbols": ("gauge", set()),
    "allocator_blacklist_size": ("gauge", {"kind"}),
    "allocator_jain_index": ("gauge", set()),
    "allocator_fairness_broken": ("gauge", {"statement"}),
    "rollout_pct": ("gauge", set()),
    "rollout_symbol": ("gauge", {"symbol"}),
    "rollout_gate_ok": ("gauge", {"gate"}),
    "rollout_rollbacks_total": ("counter", set()),
    "shadow_match_ratio": ("gauge", set()),
    "path_orders": ("gauge", {"path"}),
    "path_markout_bps": ("gauge", {"path", "horizon_ms"}),
}


@pytest.mark.parametrize("name", CONTRACT)
def test_a_family_of_the_contract_has_its_type_and_labels(families, name) -> None:
    kind, labels = CONTRACT[name]
    family = families[f"{P}{name}"]
    assert family.type == kind
    found = {frozenset(sample.labels) - {"le"} for sample in family.samples}
    assert found == {frozenset(labels)}


def test_stage_times_have_the_seven_stages_and_the_contracts_buckets(families) -> None:
    samples = families[f"{P}stage_duration_ms"].samples
    assert {sample.labels["stage"] for sample in samples} == set(STAGES)
    of_ticks = [one for one in samples if set(one.labels.values()) >= {"tick_total", "pipeline"}]
    bounds = [float(one.labels["le"]) for one in of_ticks if "le" in one.labels]
    assert bounds[:-1] == list(BUCKETS_MS)
    counts = {tuple(sorted(one.labels.values())): one.value for one in samples if one.name.endswith("_count")}
    for path in ("pipeline", "legacy"):
        assert counts[path, "tick_total"] == counts[path, "stage_fetch_md"] > 100


def queries() -> list:
    """Return every query of the dashboard and of the rules, with where it stands."""
    board = json.loads((DEPLOY / "grafana" / "quoting.json").read_text())
    found = [(f"panel {panel['title']}", target["expr"]) for panel in board["panels"] for target in panel["targets"]]
    rules = (DEPLOY / "prometheus" / "rules.yml").read_text()
    found += [(f"rule {expr[:40]}", expr) for expr in re.findall(r"^\s+expr: (.+)$", rules, re.MULTILINE)]
    return [pytest.param(expr, id=where) for where, expr in found]


def names_in(expr: str) -> dict[str, set[str]]:
    """Return the series that a query names, each with the labels that its matchers name."""
    grouped = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", expr)
    found: dict[str, set[str]] = {}
    for match in re.finditer(r"([a-zA-Z_:][\w:]*)\s*(\(|\{([^}]*)\})?", re.sub(r'"[^"]*"', '""', grouped)):
        name, after, matchers = match.groups()
        if after == "(":
            assert name in FUNCTIONS, f"{name} is no function that is known here"
        elif name not in WORDS and not re.fullmatch(r"[smhd]", name):
            found.setdefault(name, set()).update(re.findall(r"(\w+)\s*[=!~]", matchers or ""))
    return found


RECORDED = set(re.findall(r"record: (\S+)", (DEPLOY / "prometheus" / "rules.yml").read_text()))


def family_of(name: str, families: dict) -> str:
    base = re.sub(r"_(bucket|sum|count)$", "", name)
    return base if base in families and families[base].type == "histogram" else name


@pytest.mark.parametrize("expr", queries())
def test_every_query_names_series_that_the_program_has(families, expr) -> None:
    named = names_in(expr)
    assert named or "vector(" in expr
    for name, labels in named.items():
        if name in RECORDED | PROMETHEUS_OWN | OF_EVENTS:
            continue
        family = family_of(name, families)
        assert family in families, f"{name} is nothing that the program shows"
        assert families[family].samples
        known = {label for sample in families[family].samples for label in sample.labels}
        grouped = {one.strip() for words in re.findall(r"\bby\s*\(([^)]*)\)", expr) for one in words.split(",")}
        assert labels | grouped <= known | {"le", "slo", "venue"}


@pytest.mark.parametrize("expr", queries())
def test_every_function_is_used_on_a_type_that_it_is_for(families, expr) -> None:
    for name in re.findall(r"\b(?:rate|increase)\(([\w:]+)", expr):
        family = family_of(name, families)
        kind = families[family].type if family in families else "counter" if name.endswith("_total") else "gauge"
        assert kind in {"counter", "histogram"}, f"{name} is a {kind}"
    for name in re.findall(r"histogram_quantile\([^,]+, sum by \([^)]*\) \(rate\(([\w:]+)", expr):
        assert name.endswith("_bucket")


def test_a_query_for_what_is_not_there_is_found(families) -> None:
    with pytest.raises(AssertionError, match="nothing that the program shows"):
        test_every_query_names_series_that_the_program_has(
            families, "sum by (stage) (rate(millrace_nothing_total[5m]))"
        )
    with pytest.raises(AssertionError):
        test_every_query_names_series_that_the_program_has(families, f"avg by (colour) ({P}symbol_weight)")
    with pytest.raises(AssertionError, match="is a gauge"):
        test_every_function_is_used_on_a_type_that_it_is_for(families, f"rate({P}symbol_weight[5m])")


def test_the_dashboard_has_the_panels_of_the_contract() -> None:
    """Quoting 9, list of panels."""
    board = json.loads((DEPLOY / "grafana" / "quoting.json").read_text())
    titles = " / ".join(panel["title"] for panel in board["panels"]).lower()
    wanted = "tick p50|stage p95|stacked|deadline misses|calls to the venue|guard level|guard trips|adaptive spread"
    wanted += "|inventory|skew|queue|nudges|actions by kind|kept|score of symbols|weights|blacklist|takers|agree|ramp|gates|silence"
    assert [word for word in wanted.split("|") if word not in titles] == []
    bounds = {panel["title"]: panel["fieldConfig"]["defaults"]["thresholds"]["steps"] for panel in board["panels"]}
    lines = {title: [step["value"] for step in steps[1:]] for title, steps in bounds.items()}
    assert lines["Tick p50, p95, p99"] == [150, 200]
    assert lines["Share of takers"] == [9, 10]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])


def test_the_alerts_of_the_contract_have_its_bounds() -> None:
    """Quoting 9, list of alerts; the budgets of stages are those of section 5."""
    rules = (DEPLOY / "prometheus" / "rules.yml").read_text()
    for name, bound in (
        ("QuotingTickSlow", "> 200"),
        ("QuotingDeadlineMisses", "> 0.02"),
        ("QuotingHardOften", '{level="HARD"}[1h])) > 5'),
        ("QuotingBlacklistGrows", "[10m])) > 1"),
        ("QuotingShadowDisagrees", "< 0.95"),
        ("QuotingRolledBack", "< 0"),
    ):
        assert re.search(rf"alert: {name}\n\s+expr: [^\n]*{re.escape(bound)}", rules), name
    assert re.search(r"alert: QuotingStageOverBudget\n[^\n]*\n\s+for: 5m", rules)
    pairs = {stage: float(ms) for ms, stage in re.findall(r"expr: vector\((\d+)\)\n\s+labels: \{stage: (\w+)\}", rules)}
    assert pairs == {stage: budget.p95 for stage, budget in SLO.stages.items()}
    pages = [Path(name) for name in re.findall(r"runbook: (\S+)", rules)]
    assert [page for page in pages if not (REPOSITORY / page).is_file()] == []
