"""Knobs of parts that are not built yet: known by name, so that a non-default value is refused and never ignored.

A configuration that asks for a part and silently does not get them would trade another strategy than its
owner believes. When a part lands, its rows move to the table of what is read.
"""

import msgspec

from millrace.config.knob import Knob, knob

_SIZING: tuple[Knob, ...] = (
    knob(
        "slots.b_side_account_sizing",
        "B_SIDE_ACCOUNT_SIZING",
        False,
        "",
        "size buys by their share of the account",
        spec="slots 8.3",
    ),
    knob("slots.b_side_max_mult", "B_SIDE_MAX_MULT", 3.0, "", "cap of that share; 0: none", low=0, spec="slots 8.3"),
    knob("slots.allocation_safety_buffer_usd", "ALLOCATION_SAFETY_BUFFER_USD", 0.10, "USD", "kept back", low=0),
    knob("slots.capital_layers", "CAPITAL_LAYERS", 0, "layers", "capital layers", low=0, spec="slots 8.1"),
    knob(
        "slots.capital_layer_doge_per_order",
        "CAPITAL_LAYER_DOGE_PER_ORDER",
        0.0,
        "base",
        "units that a layer adds to each order",
        low=0,
        spec="slots 8.1",
    ),
    knob(
        "slots.entry_cap_policy",
        "ENTRY_CAP_POLICY",
        "none",
        "",
        "reserve open orders for entries",
        choices=("none", "entry_reserve"),
        spec="slots 9",
    ),
)

_LIVE: tuple[Knob, ...] = (
    knob("run.live", "", False, "", "trade with real money", spec="design 5.8", env=False),
    knob("venue.endpoint", "", "", "", "address of the venue's interface", spec="design 5.8", env=False),
)

_SECRETS: tuple[Knob, ...] = tuple(
    msgspec.structs.replace(knob(f"venue.{name}", "", "", "", meaning, spec="design 5.8"), secret=True)
    for name, meaning in (("api_key", "key of the account"), ("api_secret", "secret of the account"))
)

LATER_KNOBS: tuple[Knob, ...] = tuple(
    msgspec.structs.replace(row, available=False) for row in (*_SIZING, *_LIVE, *_SECRETS)
)
