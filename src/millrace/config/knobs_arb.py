"""Knobs of the arbitrage desk as a whole, and of the simulated prediction venues that it trades on.

The desk's parts have tables of their own. The venues' are assumptions, like those of the spot venue, and stay for a
whole run.
"""

from collections.abc import Iterable

from millrace.config.knob import Knob, knob

_VENUES: Iterable[Knob] = (
    knob("prediction.markets", "", 2_000, "markets", "size of the generated universe", low=1, spec="arb, issue i"),
    knob(
        "prediction.quotes_per_sec",
        "",
        4.0,
        "quotes",
        "books told in a simulated second, over all markets",
        above=0,
        spec="arb 17",
    ),
    knob(
        "prediction.prints_per_sec",
        "",
        2.0,
        "trades",
        "takers that come in a simulated second, over all markets; the busiest event has most of them",
        low=0,
        spec="arb 7.3",
    ),
    knob(
        "prediction.informed_share",
        "",
        0.3,
        "share",
        "share of the takers who know the fair price a minute later, and trade only where that pays",
        low=0,
        high=1,
        spec="arb 7.4",
    ),
    knob(
        "prediction.plants_per_hour",
        "",
        20.0,
        "opportunities",
        "real opportunities planted in a simulated hour, and as many that only look like it",
        low=0,
        spec="arb, issue i",
    ),
    knob(
        "prediction.plants_within_sec",
        "",
        3_560,
        "s",
        "within so much of an hour they begin; an event has one in an hour at most",
        low=120,
        high=3_560,
        spec="arb, issue i",
    ),
    knob(
        "prediction.early_share",
        "",
        0.0,
        "share",
        "share of the events whose markets end before their time, each by itself",
        low=0,
        high=1,
        spec="arb 12",
    ),
    knob(
        "prediction.early_within_sec",
        "",
        3_600,
        "s",
        "within so long after the beginning such an event's first market ends",
        low=60,
        spec="arb 12",
    ),
    knob("prediction.kalshi_usd", "", 5_000.0, "USD", "opening cash at kalshi", low=0, spec="arb 9"),
    knob("prediction.polymarket_usd", "", 5_000.0, "USD", "opening cash at polymarket", low=0, spec="arb 9"),
    knob(
        "prediction.calls_per_sec",
        "",
        10,
        "calls",
        "private calls that may leave in a second, at each venue",
        low=1,
        spec="runtime 2.5",
    ),
    knob(
        "prediction.answer_sec",
        "",
        6.0,
        "s",
        "how long an answer may take before a call counts as failed and its order as unknown",
        low=2,
        spec="runtime 2.14, arb 17",
    ),
    knob(
        "prediction.leg_valid_for_sec",
        "",
        2.0,
        "s",
        "a leg that opens a position and waited longer for its call is not sent; 0 never drops one",
        low=0,
        spec="runtime 2.14",
    ),
)
ARB_KNOBS: tuple[Knob, ...] = (
    knob("arb.enabled", "", False, "", "the arbitrage desk trades", spec="arb 19"),
    *_VENUES,
)
