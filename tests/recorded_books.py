"""Writes small recordings of Kalshi books, as the recorder wrote them."""

import json

import pyarrow as pa
import pyarrow.parquet as pq

BEGAN = 1_778_501_852 * 10**9
MARKET = "KXBTC15M-26MAY110830-30"


def write_session(folder, name, rows, *, began=BEGAN, market=MARKET, close="2026-05-11T12:30:00Z"):
    """Write one session; a row is (ns since its begin, kind, side, price, quantity) and may name its market last."""
    columns = ("recv_ns", "exch_ts_ms", "seq", "kind", "market", "side", "price_e4", "qty_e2")
    whole = [
        (began + late, (began + late) // 10**6, n, kind, *(named or [market]), side, price, qty)
        for n, (late, kind, side, price, qty, *named) in enumerate(rows)
    ]
    pq.write_table(
        pa.table({name: [row[place] for row in whole] for place, name in enumerate(columns)}),
        folder / f"{name}.book.parquet",
    )
    payload = {"close_time": close, "strike": 81087.33}
    watched = [
        {"event": "watch_market", "recv_ns": began, "market": one, "payload": payload}
        for one in sorted({market if len(row) == 5 else row[5] for row in rows})
    ]
    (folder / f"{name}.control.jsonl").write_text("".join(json.dumps(one) + "\n" for one in watched))
