"""Reads recorded prices of many markets at irregular times: what discovery looks at.

Prices without sizes are good enough to see what moves together, and for nothing else: no trade is inferred from them.
"""

from pathlib import Path

import numpy as np
import pyarrow as pa

from millrace.core.instrument import InstrumentId
from millrace.research.arb_data.tables import read_columns
from millrace.strategies.arb.discovery.moves import Prices
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.utc import time_ns

_COLUMNS = ["snapshot_utc", "condition_id", "title", "close_date", "yes_price"]


def price_history(path: Path) -> tuple[tuple[MarketFacts, ...], Prices]:
    """Return the markets of a file of snapshots, and their prices by market; raises OperatorError for another file."""
    table = read_columns(path, _COLUMNS)
    times = table["snapshot_utc"].cast(pa.timestamp("ns", tz="UTC")).cast(pa.int64()).to_numpy()
    names = np.array(table["condition_id"].to_pylist())
    values = table["yes_price"].to_numpy().astype(np.float64)
    titles, ends = table["title"].to_pylist(), table["close_date"].to_pylist()
    facts, prices = [], {}
    for name in sorted(set(names)):
        rows = np.flatnonzero(names == name)
        rows = rows[np.argsort(times[rows], kind="stable")]
        market = InstrumentId("polymarket", str(name))
        first = int(rows[0])
        facts.append(
            MarketFacts(market=market, event="", title=titles[first].strip(), close_ns=time_ns(ends[first] or ""))
        )
        prices[market] = (times[rows], values[rows])
    return tuple(facts), prices
