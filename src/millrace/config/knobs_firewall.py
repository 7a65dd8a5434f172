"""Knobs of the data-quality firewall: what a print, a quote or a book must be like before anything rests on it.

Defaults are the contract's, and every check is on: a check that has to be switched on protects nobody (runtime 2.2).
"""

from functools import partial

from millrace.config.knob import Knob, knob

_knob = partial(knob, spec="runtime 2.2")

FIREWALL_KNOBS: tuple[Knob, ...] = (
    _knob("firewall.future_limit_sec", "", 2.0, "s", "how far a venue's time may lie ahead of ours", low=0),
    _knob("firewall.stale_feed_sec", "", 5.0, "s", "silence after which a venue's stream is stale", above=0),
    _knob("firewall.poll_interval_sec", "", 1.0, "s", "how often polled markets are asked for their book", above=0),
    _knob("firewall.stale_book_sec", "", 900.0, "s", "after which a book that never changes is flagged", above=0),
    _knob("firewall.gate_age_sec", "", 2.0, "s", "how old a feed may be when a leg is planned or leaves", above=0),
    _knob("firewall.micro_price", "", 0.01, "USD", "outcomes below it, or as near to a dollar, are not traded", low=0),
    _knob("firewall.degenerate_price", "", 0.99, "USD", "both asks at or above it: rejected", above=0, high=1),
    _knob("firewall.complement_high", "", 1.15, "USD", "asks of both outcomes together above it: rejected", above=1),
    _knob("firewall.complement_low", "", 0.85, "USD", "asks of both together below it: suspect", low=0, high=1),
    _knob("firewall.spread_wide", "", 0.10, "USD", "spread of an outcome above which takers stay away", above=0),
    _knob("firewall.jump_binary", "", 0.10, "USD", "move of an outcome's middle that is suspect", above=0),
    _knob("firewall.jump_spot_pct", "", 3.0, "%", "move of a spot price that is suspect", above=0),
    _knob("firewall.jump_multiple", "", 8.0, "", "so many times the usual move is no jump yet", low=0),
    _knob(
        "firewall.baseline_max_age_sec",
        "",
        60.0,
        "s",
        "age at which a spot price says nothing about the next",
        above=0,
    ),
    _knob("firewall.confirm_gap_sec", "", 0.25, "s", "between observations that confirm a suspect one", low=0),
    _knob("firewall.confirm_share", "", 0.25, "ratio", "share of the jump within which they agree", low=0, high=1),
    _knob("firewall.suspect_limit_sec", "", 30.0, "s", "after which a snapshot decides", above=0),
    _knob("firewall.quarantine_strikes", "", 5, "", "bad observations that put a market into quarantine", low=1),
    _knob("firewall.quarantine_window_sec", "", 60.0, "s", "within which they must lie", above=0),
    _knob("firewall.quarantine_sec", "", 60.0, "s", "length of the first quarantine; doubled on relapse", above=0),
    _knob("firewall.quarantine_longest_sec", "", 900.0, "s", "longest quarantine", above=0),
    _knob("firewall.quarantine_relapse_sec", "", 600.0, "s", "how soon after the last one it is a relapse", low=0),
    _knob("firewall.ratio_quotes", "", 200, "", "observations in half a minute from which a venue is judged", low=1),
    _knob("firewall.caution_ratio", "", 0.2, "ratio", "share of rejected ones that halves sizes", low=0, high=1),
    _knob("firewall.caution_multiplier", "", 0.5, "ratio", "what sizes are multiplied with then", above=0, high=1),
    _knob("firewall.halt_ratio", "", 0.5, "ratio", "share of rejected ones that halts the venue", low=0, high=1),
    _knob("firewall.lift_ratio", "", 0.05, "ratio", "share below which data count as clean again", above=0, high=1),
    _knob("firewall.lift_after_sec", "", 60.0, "s", "of clean data until the restriction is lifted", low=0),
)
