"""Tiers of mapped pairs, and every check that runs on live state (arb 14.2, 14.3, 14.5, 4.8)."""

import msgspec
import pytest

from millrace.core.binary_events import BinaryQuote, BookLevel, QuoteSource
from millrace.core.instrument import InstrumentId, Outcome
from millrace.sim.prediction.plants import Fake
from millrace.sim.prediction.truth import Truth
from millrace.sim.prediction.universe import generate_universe
from millrace.strategies.arb.mapping.load import parse_map
from millrace.strategies.arb.mapping.records import Check, Effect, Severity
from millrace.strategies.arb.mapping.settings import HOUR_NS, MINUTE_NS, MappingSettings
from millrace.strategies.arb.mapping.text import rules_hash
from millrace.strategies.arb.mapping.tiers import Doubt, Signal
from millrace.strategies.arb.mapping.watch import MappingWatch
from millrace.strategies.arb.model import MarketFacts, Proposition, Tier
from millrace.strategies.arb.rules.records import Provenance, Relation

NOW = 1_000 * HOUR_NS
CLOSE = NOW + 100 * HOUR_NS
K, P = InstrumentId("kalshi", "KX-1"), InstrumentId("polymarket", "0x1")
LEFT_RULES, RIGHT_RULES = "According to Binance.", "The source is what Binance says."
HEADER = (
    "group_id,refs,relation,confidence,provenance,approved_by,approved_at,rules_hash,similarity,verified_at,review\n"
)
REFS = "kalshi:market:KX-1 polymarket:market:0x1"
FALLBACK = MappingSettings(fallback_enabled=True)


def facts(market: InstrumentId, **other: object) -> MarketFacts:
    made = {"event": market.symbol, "title": "Will Bitcoin be above $58,000 on July 4?", "close_ns": CLOSE}
    made["rules_text"] = LEFT_RULES if market == K else RIGHT_RULES
    return MarketFacts(market=market, **(made | other))


BOTH = (facts(K), facts(P))


def row(group: str = "g", refs: str = REFS, relation: str = "", confidence: str = "0.95", **other: str) -> str:
    made = {"provenance": "human", "approved_by": "ann", "approved_at": "2026-02-01"} | other
    names = ("provenance", "approved_by", "approved_at", "rules_hash", "similarity", "verified_at", "review")
    return ",".join([group, refs, relation, confidence, *(made.get(name, "") for name in names)]) + "\n"


def watch(*rows: str, known: tuple[MarketFacts, ...] = BOTH, settings: MappingSettings | None = None) -> MappingWatch:
    made = MappingWatch(parse_map(HEADER + "".join(rows), "map.csv"), known, settings or MappingSettings())
    made.verify(known, NOW)
    made.cycle(NOW)
    return made


def quote(
    market: InstrumentId, ts_ns: int, yes_ask: int, no_ask: int, source: QuoteSource = QuoteSource.STREAM
) -> BinaryQuote:
    def level(ticks: int) -> tuple[BookLevel, ...]:
        return (BookLevel(ticks, 10_000_000),)

    return BinaryQuote(
        market, ts_ns, ts_ns, 1, source, level(yes_ask), level(no_ask), level(10_000 - no_ask), level(10_000 - yes_ask)
    )


def run(made: MappingWatch, minutes: int, left: object, right: object, start_ns: int = NOW) -> int:
    """Quote both markets around a mid each minute, judge after each, and return the last moment."""
    for minute in range(1, minutes + 1):
        now_ns = start_ns + minute * MINUTE_NS
        for market, mid in ((K, left), (P, right)):
            ticks = mid(minute) if callable(mid) else mid
            made.observe(quote(market, now_ns - 1, ticks + 100, 10_000 - ticks + 100))
        if minute % 30 == 0:
            made.verify(BOTH, now_ns)
        made.cycle(now_ns)
    return start_ns + minutes * MINUTE_NS


def checks(made: MappingWatch) -> set[Check]:
    return {found.check for found in made.findings()}


def doubts(made: MappingWatch) -> tuple[Doubt, ...]:
    (pair,) = made.pairs()
    return pair.standing.doubts


# ---- the strict tier


def test_an_approved_pair_with_two_signals_is_strict_and_becomes_a_rule() -> None:
    made = watch(row())
    (rule,) = made.rules()
    assert (rule.tier, rule.mapped, rule.relation, rule.source) == (
        *(Tier.STRICT, True, Relation.EQUIVALENT, Provenance.HUMAN),
    )
    assert (rule.left, rule.right, rule.group_id) == (Proposition(K), Proposition(P), "g")
    assert made.tier("g") is Tier.STRICT
    assert made.pairs()[0].standing.signals == {Signal.TEXT, Signal.STRUCTURE, Signal.TIME}
    assert made.findings() == ()


def test_nothing_is_in_force_before_the_first_look() -> None:
    made = MappingWatch(parse_map(HEADER + row(), "m"), BOTH, MappingSettings())
    assert made.rules() == ()
    made.cycle(NOW)
    assert (made.rules(), doubts(made)) == ((), (Doubt.NOT_VERIFIED,))


@pytest.mark.parametrize(
    ("line", "known", "doubt"),
    [
        (row(confidence="0.89"), BOTH, Doubt.LOW_CONFIDENCE),
        (row(provenance="generated"), BOTH, Doubt.NOT_APPROVED),
        (row(approved_by=""), BOTH, Doubt.NOT_APPROVED),
        (row(), (facts(K), facts(P, rules_text=" ")), Doubt.NO_RULES_TEXT),
        (row(), (facts(K, close_ns=None, title="A"), facts(P, title="B")), Doubt.FEW_SIGNALS),
        (row(review="0.69"), BOTH, Doubt.REVIEW_REJECTS),
    ],
)
def test_each_condition_of_the_strict_tier_refuses_alone(line, known, doubt) -> None:
    """14.2: confidence 0.90, two signals, a person; 14.5: a review below 0.70; facts that are missing."""
    made = watch(line, known=known)
    assert made.rules() == ()
    assert doubt in doubts(made)


def test_a_good_review_cannot_make_a_row_strict() -> None:
    """14.5."""
    assert watch(row(provenance="generated", review="1.0")).rules() == ()


def test_a_pair_that_was_not_compared_for_an_hour_is_stale() -> None:
    """14.2: 3600 s."""
    made = watch(row())
    assert not made.cycle(NOW + HOUR_NS)
    assert made.cycle(NOW + HOUR_NS + MINUTE_NS)
    assert (made.rules(), doubts(made)) == ((), (Doubt.NOT_VERIFIED,))
    made.verify(BOTH, NOW + HOUR_NS + 2 * MINUTE_NS)
    assert made.cycle(NOW + HOUR_NS + 2 * MINUTE_NS)
    assert len(made.rules()) == 1


# ---- the fallback tier


def unapproved(**other: str) -> str:
    return row(provenance="generated", approved_by="", approved_at="", confidence="0.75", **other)


def coherent(
    settings: MappingSettings = FALLBACK, known: tuple[MarketFacts, ...] = BOTH, line: str = ""
) -> MappingWatch:
    made = watch(line or unapproved(), settings=settings, known=known)
    run(made, 40, lambda minute: 4_000 + 20 * minute, lambda minute: 4_020 + 20 * minute)
    return made


def test_fallback_needs_its_switch_and_all_three_signals() -> None:
    made = coherent()
    (rule,) = made.rules()
    assert rule.tier is Tier.FALLBACK
    assert coherent(settings=MappingSettings()).rules() == ()
    fresh = watch(unapproved(), settings=FALLBACK)
    assert (fresh.rules(), doubts(fresh)) == ((), (Doubt.SIGNAL_MISSING,))


def test_fallback_needs_half_an_hour_of_twenty_paired_mids() -> None:
    """14.2: the three numbers of price coherence, each one short."""
    for minutes, expected in ((30, 0), (31, 1)):
        made = watch(unapproved(), settings=FALLBACK)
        run(made, minutes, 4_000, 4_000)
        assert len(made.rules()) == expected
    slow = watch(unapproved(), settings=msgspec.structs.replace(FALLBACK, sample_sec=120))
    run(slow, 36, 4_000, 4_000)
    assert slow.rules() == ()
    run(slow, 4, 4_000, 4_000, start_ns=NOW + 36 * MINUTE_NS)
    assert len(slow.rules()) == 1


@pytest.mark.parametrize(
    ("left", "right", "count"),
    [
        (4_000, 4_500, 1),
        (4_000, 4_501, 0),
        (lambda minute: 4_000 + 15 * minute, 4_300, 0),
        (lambda minute: 4_000 + 15 * minute, lambda minute: 4_600 - 15 * minute, 0),
        (lambda minute: 4_000 + 10 * minute, 4_200, 1),
    ],
)
def test_prices_are_coherent_when_near_and_moving_together(left, right, count) -> None:
    """14.2: median gap 0.05; correlation 0.5 once either moved more than 0.05."""
    made = watch(unapproved(), settings=FALLBACK)
    run(made, 40, left, right)
    assert len(made.rules()) == count


def test_fallback_is_only_for_markets_that_no_approved_row_touches() -> None:
    """14.2: strict absent, also when the approved row itself is blocked."""
    other = facts(InstrumentId("forecastex", "FX-1"), close_ns=CLOSE)
    blocked = row("strict", "kalshi:market:KX-1 forecastex:market:FX-1", confidence="0.10")
    made = watch(unapproved(), blocked, settings=FALLBACK, known=(*BOTH, other))
    run(made, 40, 4_000, 4_000)
    assert made.rules() == ()
    assert Doubt.STRICT_EXISTS in made.pairs()[0].standing.doubts


def test_fallback_has_a_switch_of_its_own() -> None:
    made = coherent()
    made.stop_fallback(stopped=True)
    assert made.cycle(NOW + 40 * MINUTE_NS)
    assert made.rules() == ()
    made.stop_fallback(stopped=False)
    assert made.cycle(NOW + 40 * MINUTE_NS)
    assert len(made.rules()) == 1


def test_confidence_below_0_70_is_no_fallback() -> None:
    assert coherent(line=unapproved().replace("0.75", "0.69")).rules() == ()


# ---- what blocks


@pytest.mark.parametrize(
    ("line", "change", "check"),
    [
        (row(), {"title": "Will Bitcoin be above $59,000 on July 4?"}, Check.STRUCTURE),
        (row(), {"close_ns": CLOSE + 49 * HOUR_NS}, Check.TIME_MISMATCH),
        (
            row(similarity="1.0"),
            {"title": "Bitcoin quoted higher than $58,000 some day on July 4"},
            Check.SEMANTIC_DRIFT,
        ),
        (row(rules_hash=rules_hash(LEFT_RULES, RIGHT_RULES)), {"rules_text": "Other words."}, Check.SEMANTIC_DRIFT),
    ],
)
def test_what_a_venue_changes_blocks_at_the_next_look_and_passes_when_it_is_taken_back(line, change, check) -> None:
    made = watch(line)
    assert len(made.rules()) == 1
    made.verify((facts(K), facts(P, **change)), NOW + 1)
    assert made.cycle(NOW + 1)
    assert made.rules() == ()
    (found,) = [finding for finding in made.findings() if finding.check is check]
    assert (found.severity, found.effect) == (Severity.ERROR, Effect.BLOCKED)
    made.verify(BOTH, NOW + 2)
    assert made.cycle(NOW + 2)
    assert len(made.rules()) == 1


def test_drift_is_a_fall_of_more_than_0_15() -> None:
    alike = watch(row()).pairs()[0].comparison.similarity
    assert alike == pytest.approx(1.0)
    changed = facts(P, title="Will Bitcoin be above $58,000 on July 4 by some chance?")
    fell = watch(row(), known=(facts(K), changed)).pairs()[0].comparison.similarity
    for drift, blocked in ((0.14, False), (0.16, True)):
        made = watch(row(similarity=f"{fell + drift:.3f}"), known=(facts(K), changed))
        assert (Check.SEMANTIC_DRIFT in checks(made)) is blocked


def test_markets_that_close_far_apart_may_still_overlap_by_nine_tenths() -> None:
    """14.2: 48 h, or an overlap of 0.9."""
    for open_ns, passes in ((NOW - 10_000 * HOUR_NS, True), (NOW - 100 * HOUR_NS, False)):
        known = (facts(K, open_ns=open_ns), facts(P, open_ns=open_ns, close_ns=CLOSE + 49 * HOUR_NS))
        assert (len(watch(row(), known=known).rules()) == 1) is passes


def test_an_edge_that_stands_for_ten_minutes_blocks_until_a_person_releases_it() -> None:
    """14.3: one-sided edge > 0.05 for > 10 min."""
    made = watch(row())
    run(made, 11, 4_000, 4_800)
    assert len(made.rules()) == 1, "the first look was at the end of the first minute"
    run(made, 1, 4_000, 4_800, start_ns=NOW + 11 * MINUTE_NS)
    assert made.rules() == ()
    assert checks(made) == {Check.PERSISTENT_EDGE}
    last = run(made, 30, 4_000, 4_000, start_ns=NOW + 12 * MINUTE_NS)
    assert made.rules() == (), "a quiet half hour does not make it right"
    assert made.release("g")
    assert made.cycle(last)
    assert len(made.rules()) == 1
    assert not made.release("g")


def test_an_edge_that_pauses_or_is_small_starts_anew() -> None:
    made = watch(row())
    run(made, 60, lambda minute: 4_000, lambda minute: 4_000 if minute % 10 == 0 else 4_800)
    assert Check.PERSISTENT_EDGE not in checks(made)
    made = watch(row())
    run(made, 60, 4_000, 4_700)
    assert checks(made) == set(), "asks 0.41 and 0.54 leave exactly 0.05"


def test_half_an_hour_of_prices_a_dime_apart_blocks() -> None:
    """14.3: median gap > 0.10 over 30 min."""
    wide = MappingSettings(blocked_edge=1.0, sanity_edge=1.0)
    for gap, blocked in ((1_000, False), (1_010, True)):
        made = watch(row(), settings=wide)
        run(made, 31, 4_000, 4_000 + gap)
        assert (checks(made) == {Check.PRICE_COHERENCE}) is blocked
        assert (made.rules() == ()) is blocked


def test_an_edge_above_0_30_quarantines_the_mapping_and_not_only_the_trade() -> None:
    """4.8."""
    made = watch(row())
    made.note_edge("g", 0.30, NOW)
    assert not made.cycle(NOW)
    made.note_edge("g", 0.31, NOW)
    assert made.cycle(NOW)
    assert (made.tier("g"), checks(made)) == (Tier.NONE, {Check.SANITY_EDGE})
    seen = watch(row())
    run(seen, 1, 2_000, 5_500)
    assert checks(seen) == {Check.SANITY_EDGE}


def test_a_person_revokes_and_releases() -> None:
    made = watch(row())
    assert not made.quarantine("other", "ann", "typo")
    assert made.quarantine("g", "ann", "rules differ")
    assert made.cycle(NOW)
    assert made.tier("g") is Tier.NONE
    assert "revoked by ann: rules differ" in made.findings()[0].text


# ---- links


def test_a_market_that_is_not_listed_for_an_hour_is_stale_and_after_a_day_an_error() -> None:
    """14.3: > 1 h warning, > 24 h error; not tradable in both."""
    made = watch(row(verified_at="2099-01-01"))
    gone_ns = NOW + MINUTE_NS
    made.verify((facts(K),), gone_ns)
    made.cycle(gone_ns + HOUR_NS)
    assert len(made.rules()) == 1
    for later, severity in ((HOUR_NS + MINUTE_NS, Severity.WARNING), (25 * HOUR_NS, Severity.ERROR)):
        made.cycle(gone_ns + later)
        (found,) = made.findings()
        assert (found.check, found.severity, found.effect) == (Check.STALE_LINK, severity, Effect.NOT_TRADABLE)
        assert made.rules() == ()
    made.verify(BOTH, gone_ns + 26 * HOUR_NS)
    made.cycle(gone_ns + 26 * HOUR_NS)
    assert len(made.rules()) == 1


def test_a_market_that_was_never_listed_is_stale_at_once_and_an_error_after_a_day() -> None:
    made = watch(row(), known=(facts(K),))
    assert [(found.check, found.severity) for found in made.findings()] == [(Check.STALE_LINK, Severity.WARNING)]
    made.cycle(NOW + 24 * HOUR_NS + 1)
    assert [found.severity for found in made.findings()] == [Severity.ERROR]
    assert made.rules() == ()


def test_a_closed_or_resolved_market_does_not_trade() -> None:
    assert watch(row(), known=(facts(K), facts(P, status="settled"))).rules() == ()
    made = watch(row())
    made.end(P)
    assert made.cycle(NOW)
    assert (made.rules(), checks(made)) == ((), {Check.STALE_LINK})
    late = watch(row(verified_at="2099-01-01"))
    assert late.cycle(CLOSE)
    assert late.rules() == ()


def test_an_event_of_two_markets_is_ambiguous_and_does_not_trade() -> None:
    known = (*BOTH, facts(InstrumentId("kalshi", "KX-2"), event="KX-1"))
    made = watch(row(refs="kalshi:event:KX-1 polymarket:market:0x1"), known=known)
    assert (made.rules(), checks(made)) == ((), {Check.AMBIGUOUS_REF})
    assert len(watch(row(refs="kalshi:event:KX-1 polymarket:market:0x1")).rules()) == 1


def test_rows_that_share_an_id_are_blocked_however_good_they_look() -> None:
    known = (*BOTH, facts(InstrumentId("polymarket", "0x2")))
    made = watch(row("a"), row("b", "kalshi:market:KX-1 polymarket:market:0x2"), known=known)
    assert (made.rules(), checks(made)) == ((), {Check.CARDINALITY})


def test_of_three_venues_one_bad_one_does_not_take_the_others_along() -> None:
    """14.4: quality is judged per pair."""
    third = facts(InstrumentId("forecastex", "FX"), title="Will Bitcoin be above $59,000 on July 4?")
    made = watch(row(refs=REFS + " forecastex:market:FX"), known=(*BOTH, third))
    assert [rule.group_id for rule in made.rules()] == ["g#kalshi-polymarket"]
    assert {found.group_id for found in made.findings()} == {"g#forecastex-kalshi", "g#forecastex-polymarket"}


def test_a_complement_is_judged_on_the_turned_price() -> None:
    made = watch(row(relation="complement"), settings=MappingSettings(sanity_edge=1.0))
    run(made, 40, 3_000, 7_000)
    (rule,) = made.rules()
    assert (rule.relation, checks(made)) == (Relation.COMPLEMENT, set())
    assert Signal.PRICE in made.pairs()[0].standing.signals
    wrong = watch(row(relation="complement"), settings=MappingSettings(sanity_edge=1.0))
    run(wrong, 40, 3_000, 3_000)
    assert checks(wrong) == {Check.PRICE_COHERENCE, Check.PERSISTENT_EDGE}


def test_a_ref_of_the_other_side_is_judged_on_the_other_price() -> None:
    made = watch(row(refs="kalshi:market:KX-1:no polymarket:market:0x1"))
    run(made, 40, 3_000, 7_000)
    (rule,) = made.rules()
    assert rule.left == Proposition(K, Outcome.NO)
    assert checks(made) == set()


def test_prices_that_are_old_are_not_paired() -> None:
    made = watch(unapproved(), settings=FALLBACK)
    made.observe(quote(P, NOW, 4_100, 6_100))
    for minute in range(1, 60):
        made.observe(quote(K, NOW + minute * MINUTE_NS, 4_100, 6_100))
        made.cycle(NOW + minute * MINUTE_NS)
    assert made.pairs()[0].mids.gap(FALLBACK) is None


def test_known_pairs_are_indexed_once_and_blocked_ones_are_named() -> None:
    known = (*BOTH, facts(InstrumentId("forecastex", "FX"), title="Will Bitcoin be above $58,000 on July 4?"))
    other = row("x", "kalshi:market:KX-1 forecastex:market:FX", provenance="generated", confidence="0.8")
    made = watch(row(), other, known=known)
    assert ([rule.group_id for rule in made.known()], made.blocked()) == (["g"], frozenset())
    made.quarantine("g", "ann", "look")
    made.cycle(NOW)
    assert ([rule.group_id for rule in made.known()], made.blocked()) == (["g"], {"g"})
    open_to_all = watch(row(), other, known=known, settings=FALLBACK)
    assert [(rule.group_id, rule.tier) for rule in open_to_all.known()] == [("g", Tier.STRICT), ("x", Tier.FALLBACK)]
    assert open_to_all.blocked() == {"x"}
    twice = watch(row("a"), row("b"))
    assert twice.known() == (), "rows that contradict each other are not even indexed"


def test_of_a_generated_universe_the_true_rows_trade_and_no_false_one() -> None:
    universe = generate_universe(7, 600)
    text = universe.mapping_document.decode()
    false = {name for name, why in Truth(universe).standing.items() if why is Fake.FALSE_MAPPING}
    made = MappingWatch(parse_map(text, "universe"), universe.facts, MappingSettings())
    made.verify(universe.facts, universe.settings.begins_ns)
    made.cycle(universe.settings.begins_ns)
    traded = {rule.group_id for rule in made.rules()}
    assert false
    assert traded & false == set()
    approved = {pair.pair_id for pair in made.pairs() if pair.row.approved}
    assert traded == approved - false


# ---- coming back


def test_a_restored_watch_goes_on_as_if_nothing_had_been() -> None:
    first = watch(row(), unapproved().replace("g,", "h,", 1), settings=FALLBACK)
    last = run(first, 25, 4_000, 4_790)
    state = msgspec.json.decode(msgspec.json.encode(first.snapshot()))
    second = MappingWatch(parse_map(HEADER + row() + unapproved().replace("g,", "h,", 1), "m"), BOTH, FALLBACK)
    second.restore(state, BOTH)
    assert second.snapshot() == first.snapshot()
    assert second.rules() == first.rules()
    for made in (first, second):
        run(made, 10, 4_000, 4_790, start_ns=last)
    assert second.snapshot() == first.snapshot()
    assert second.findings() == first.findings()
    assert checks(first) >= {Check.PERSISTENT_EDGE}


def test_a_reload_of_the_file_keeps_what_is_held_against_a_pair() -> None:
    old = watch(row())
    old.note_edge("g", 0.5, NOW)
    old.cycle(NOW)
    new = MappingWatch(parse_map(HEADER + row(), "map.csv"), BOTH, MappingSettings())
    new.restore(old.snapshot(), BOTH)
    new.verify(BOTH, NOW + 1)
    new.cycle(NOW + 1)
    assert new.tier("g") is Tier.NONE
