"""The knobs of a run: what it trades, its seed, and the simulated venue. They have no legacy names."""

from millrace.config.knob import Knob, knob

RUN_KNOBS: tuple[Knob, ...] = (
    knob("run.instrument", "", "kraken:DOGE/USD", "", "what a run trades, as venue:symbol", spec="design 3"),
    knob("run.seed", "", 1, "", "seed of everything that is drawn in a simulation", low=0, spec="design 3"),
    knob("run.installation", "", "local", "", "tells this installation's orders from another's", spec="design 5.4"),
    knob(
        "run.entry_valid_for_sec",
        "",
        30.0,
        "s",
        "an entry that waited longer for its call is not sent but priced anew; 0 never drops one",
        low=0,
        spec="runtime 2.14",
    ),
    knob("venue.base_balance", "", 10_000.0, "base", "opening balance of the base coin", low=0, spec="design 7"),
    knob("venue.quote_balance", "", 2_000.0, "quote", "opening balance of the quote currency", low=0, spec="design 7"),
    knob(
        "venue.participation",
        "",
        0.1,
        "ratio",
        "share of a bar's volume per side that resting orders may take",
        above=0,
        high=1,
        spec="design 3",
    ),
    knob("venue.request_latency_ms", "", 50, "ms", "from sending a request to its arrival", low=0, spec="design 3"),
    knob(
        "venue.response_latency_ms",
        "",
        50,
        "ms",
        "from a change at the venue to our hearing it",
        low=0,
        spec="design 3",
    ),
    knob(
        "venue.rate_limits",
        "",
        True,
        "",
        "whether it refuses calls that come too fast",
        spec="venues 1.5",
    ),
    knob(
        "venue.maker_fee_pct",
        "",
        None,
        "%",
        "the account's maker fee where it is not the instrument's entry tier",
        low=0,
        spec="venues 1.2, slots 21",
    ),
    knob("venue.taker_fee_pct", "", None, "%", "the same for the taker fee", low=0, spec="venues 1.2"),
    knob("venue.latency_jitter_ms", "", 20, "ms", "drawn share added to both", low=0, spec="design 3"),
)
