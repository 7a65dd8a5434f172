"""The desk on a generated universe, judged by the truth: it opens real opportunities and nothing else."""

from millrace.config.load import load_settings
from millrace.core.commands import Book
from millrace.core.instrument import InstrumentId, Outcome
from millrace.sim.prediction.latent import HOUR_NS
from millrace.sim.prediction.quotes import quotes
from millrace.sim.prediction.truth import Truth
from millrace.sim.prediction.universe import UniverseSettings, generate_universe
from millrace.strategies.arb.model import Proposition
from millrace.strategies.arb.rules.load import parse_rules
from millrace.strategies.arb.telemetry.rows import DECISION, OPENED, DecisionRow
from millrace.world.arb.desk import DeskMarkets
from millrace.world.arb.run import assemble_desk, start_desk

SECOND_NS = 10**9
WANTED = UniverseSettings(seed=7, plants_per_hour=90, fakes_per_hour=90, outages_per_hour=2.0)


def test_the_desk_opens_what_is_real_and_nothing_else() -> None:
    universe = generate_universe(7, 300, settings=WANTED)
    truth, begins = Truth(universe), universe.settings.begins_ns
    rules = parse_rules(universe.rules_document, "generated", begins, {one.market: one for one in universe.facts})
    settings = load_settings(None, {"arb.enabled": "true", "slots.enabled": "false"}, {}, profile="default")
    rows = DeskMarkets(
        universe.facts, rules, universe.mapping_document, lambda after_ns: quotes(universe, after_ns + 1)
    )
    run = assemble_desk(settings, rows, begins)
    decided: list[DecisionRow] = []

    def listen(event, commands) -> None:
        decided.extend(DecisionRow.read(one) for one in commands if isinstance(one, Book) and one.kind == DECISION)

    run.simulation.sequencer.listen(listen)
    start_desk(settings, run, begins - 1)
    run.simulation.run_until(begins + HOUR_NS // 3)
    assert run.program.engine.fault is None
    planted = truth.planted(begins, begins + HOUR_NS)
    found: set[str] = set()
    for row in decided:
        legs = [Proposition(InstrumentId(leg.venue, leg.market), Outcome(leg.outcome)) for leg in row.legs]
        assert truth.floor(legs) >= row.floor  # no payout is claimed that the worlds do not give
        if row.verdict != OPENED:
            continue
        markets = {leg.market for leg in legs}
        near = [one for one in planted if one.starts_ns <= row.ts_ns <= one.ends_ns + SECOND_NS]
        behind = [one for one in near if markets & {leg.market for leg in one.legs}]
        assert any(one.why is None for one in behind), (row.rule, [one.why for one in behind])
        assert row.rule not in universe.documents.false_pairs
        assert not row.rule.startswith("guess-")  # what only a heuristic claims
        found |= {one.name for one in behind if one.why is None}
    assert len(found) >= 2
    assert all(row.reason for row in decided if row.verdict != OPENED)
    trees = run.program.desk.status(run.program.engine)["trees"]
    assert trees["states"]["ready"] > 0
    assert sum(trees["states"].values()) >= len(rules.trees)
    assert all(one["missing"] or one["reason"] or one["state"] == "rule_missing" for one in trees["lacking"])
