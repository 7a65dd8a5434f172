"""Knobs of parts that are not built yet: known by name, so that a non-default value is refused and never ignored.

A configuration that asks for a part and silently does not get it would trade another strategy than its
owner believes. When a part lands, its rows move to the table of what is read.
"""

import msgspec

from millrace.config.knob import Knob, knob

_LIVE: tuple[Knob, ...] = (
    knob("run.live", "", False, "", "trade with real money", spec="design 5.8", env=False),
    knob("venue.endpoint", "", "", "", "address of the venue's interface", spec="design 5.8", env=False),
)

_SECRETS: tuple[Knob, ...] = tuple(
    msgspec.structs.replace(knob(f"venue.{name}", "", "", "", meaning, spec="design 5.8"), secret=True)
    for name, meaning in (("api_key", "key of the account"), ("api_secret", "secret of the account"))
)

LATER_KNOBS: tuple[Knob, ...] = tuple(msgspec.structs.replace(row, available=False) for row in (*_LIVE, *_SECRETS))
