"""Times as the desk's files write them, in UTC. Pure code may not import the clock's library, so NumPy reads them."""

import re

import numpy as np

_TIME = re.compile(r"\d{4}-\d\d-\d\d([T ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?)?Z?")


def time_ns(text: str) -> int | None:
    """Return a time like 2026-01-31T12:00:00Z in ns, None for an empty text; raises ValueError for anything else."""
    if not text:
        return None
    if not _TIME.fullmatch(text):
        raise ValueError(f"{text!r} is no UTC time like 2026-01-31T12:00:00Z")
    return int(np.datetime64(text.removesuffix("Z").replace(" ", "T"), "ns").astype(np.int64))
