"""The desk on a bad feed, through the assembled program: what it opens, on what data, and whether its books add up.

Runtime 2.2 A5 (here half an hour with many markets; `PYTHONPATH=tests python
tests/scenario/test_arb_audit.py 4` runs four hours) and the
identities of arb 17 over a run of the real desk.
"""

import sys
from collections import Counter
from functools import lru_cache

from dirty_rows import dirty
from millrace.config.load import load_settings
from millrace.core.commands import Submit
from millrace.core.data_quality import QuoteReason, Verdict
from millrace.core.instrument import outcome_of
from millrace.research.arb_kpi_report import arb_report, arb_text
from millrace.risk.feed_guard import needs_of
from millrace.sim.prediction.quotes import quotes
from millrace.sim.prediction.universe import HOUR_NS, UniverseSettings, generate_universe
from millrace.strategies.arb.rules.load import parse_rules
from millrace.world.arb.desk import DeskMarkets
from millrace.world.arb.records import ArbRecorder
from millrace.world.arb.run import assemble_desk, start_desk

SETTINGS = {
    "arb.enabled": True,
    "slots.enabled": False,
    "arb_gates.min_profit_usd": 0.1,
    "arb_exposure.open_markets": 200,
    "arb_exposure.positions": 200,
    "arb_exposure.lane_positions": 200,
    "arb_exposure.family_positions": 50,
    "arb_exposure.cluster_positions": 50,
}
"""Wide enough that what limits the desk is what it is shown."""


@lru_cache(maxsize=2)
def played(hours: float, markets: int = 200, seed: int = 7, share: float = 0.01):
    """Return (facts, counts of the firewall, submits that left on a book that was not accepted, submits, sitting)."""
    shape = UniverseSettings(seed=seed, plants_per_hour=900.0, fakes_per_hour=300.0, outages_per_hour=1.0)
    universe = generate_universe(seed, markets, settings=shape)
    begins = universe.settings.begins_ns
    rules = parse_rules(universe.rules_document, "generated", begins, {one.market: one for one in universe.facts})
    settings = load_settings(overrides=SETTINGS)
    rows = DeskMarkets(
        universe.facts, rules, universe.mapping_document, lambda at: dirty(quotes(universe, at + 1), seed, share)
    )
    run = assemble_desk(settings, rows, begins)
    recorder, bad, sent = ArbRecorder(), [], Counter()
    firewall, engine = run.program.firewall, run.program.engine

    def look(event, commands):
        recorder.step(event, commands)
        for command in commands:
            if isinstance(command, Submit):
                place = command.order.order
                sent["reduces" if place.reduces else "adds"] += 1
                market, outcome = outcome_of(place.instrument)
                faults = firewall.tradable(market, engine.now_ns, outcome, needs_of(place))
                if not place.reduces and (faults or firewall.leg_verdict(market).verdict is not Verdict.ACCEPT):
                    bad.append((place, faults))

    run.simulation.sequencer.listen(look)
    start_desk(settings, run, begins - 1)
    run.simulation.run_until(begins + round(hours * HOUR_NS))
    assert engine.fault is None, engine.fault
    return recorder.facts(settings), firewall.counts(), bad, sent, run


def test_2_2_a5_no_trade_is_opened_on_a_leg_that_is_not_accepted():
    facts, counts, bad, sent, _ = played(0.5)
    reasons = Counter()
    for venue in counts.values():
        reasons.update(venue.reasons)
    dirty_kinds = {
        QuoteReason.OFF_TICK, QuoteReason.PRICE_OUT_OF_RANGE, QuoteReason.NON_POSITIVE_SIZE, QuoteReason.DUPLICATE,
        QuoteReason.FUTURE_TIMESTAMP, QuoteReason.COMPLEMENT_LOW, QuoteReason.LOCKED, QuoteReason.DEGENERATE,
    }  # fmt: skip
    assert dirty_kinds <= reasons.keys(), "the feed must have been bad in every way"
    assert sent["adds"] >= 8
    assert len(facts.opened) >= 3
    assert bad == []
    assert {leg.data for row in facts.opened for leg in row.legs} == {"accept"}
    assert all(leg.version >= 0 for row in facts.opened for leg in row.legs)


def test_2_2_a_market_that_only_a_snapshot_can_settle_is_asked_for_and_comes_back():
    _, counts, *_, run = played(0.5)
    assert run.simulation.quotes.polls > 0
    assert sum(venue.quarantined for venue in counts.values()) < 10, "a quarantine ends"


def test_17_the_identities_hold_over_a_run_of_the_real_desk():
    facts, *_ = played(0.5)
    report = arb_report(facts)
    assert report["holds"], arb_text(report)
    assert facts.baskets, "some baskets must have ended"
    assert report["lanes"]["total"]["sums"]["raw"]["realised_nano"] is None, "paper is never called realised"


if __name__ == "__main__":
    found, by_venue, wrong, orders, _ = played(float(sys.argv[1]))
    verdicts = {venue: dict(one.verdicts) for venue, one in by_venue.items()}
    sys.stdout.write(f"{arb_text(arb_report(found))}\n{verdicts}\n{dict(orders)}\n")
    sys.exit(f"{len(wrong)} legs were opened on data that were not accepted" if wrong else 0)
