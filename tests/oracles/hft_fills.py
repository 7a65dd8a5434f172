"""One fixed quoting program, filled by our venue of books and by hftbacktest, over the same recording: who fills what.

The program, in words: every `--every` seconds it looks at the best prices that it has heard of, cancels whatever it has
open and places one post-only bid `--away` ticks below the best bid and one ask as far above the best ask, `--lots` each.
So every order lives for one period, and no fill changes what is quoted later: what differs between the two fills is the
venue. Requests take `--entry` ms to the venue and answers `--back` ms; rows reach the program at the recorder's time,
moved so that no row arrives before it left.

Each half runs in an interpreter of its own, because hftbacktest (MIT, nkaz001) is never a dependency of Millrace:

    python3 -m venv /somewhere && /somewhere/bin/pip install hftbacktest==2.4.4
    /somewhere/bin/python tests/oracles/hft_fills.py theirs FILE.gz fills.json --tick 1 --lot 0.001 --queue power
    .venv/bin/python tests/oracles/hft_fills.py ours FILE.gz ours.json --tick 1 --lot 0.001 --queue power
    .venv/bin/python tests/oracles/hft_fills.py compare ours.json theirs.json

`--rules through,book,level,credit` lets our venue fill as hftbacktest does in the points where the two differ, one by one:
a trade through the price, and a book that comes to it, fill an order whole; cancels are shared out of a level that still
counts what traded since; and an order that cancels have carried beyond the front has that much to its credit at the next
trade. Where the two agree with all of them, these points are the difference.
"""

import argparse
import gzip
import heapq
import json
import sys
from math import log10
from pathlib import Path

NS = 1_000_000_000
MS = 1_000_000
GOES_ON = (0, 2, 3)  # of hftbacktest: the time is over, a row came, an answer came
SNAPSHOT, DEPTH, TRADE = "snapshot", "depth", "trade"


# The recording


def read(path, tick, lot):
    """Return (venue ns, heard ns, kind, bids, asks) or (.., TRADE, (ticks, lots), taker sells), from the snapshot on."""

    def levels(rows):
        return [(round(float(price) / tick), round(float(size) / lot)) for price, size in rows]

    lines, waiting, begun, last = [], [], False, 0
    with gzip.open(path, "rt") as file:
        for line in file:
            received, _, text = line.partition(" ")
            heard = int(received) * (1_000 if len(received) == 16 else 1)
            message = json.loads(text)
            if "lastUpdateId" in message:
                last, begun = message["lastUpdateId"], True
                lines.append((0, heard, SNAPSHOT, levels(message["bids"]), levels(message["asks"])))
                lines += [row for final, row in waiting if final > last]
                continue
            data = message.get("data", {})
            happened = data.get("T", data.get("E", 0)) * MS
            if data.get("e") == "depthUpdate":
                row = (happened, heard, DEPTH, levels(data["b"]), levels(data["a"]))
                if not begun:
                    waiting.append((data["u"], row))
                elif data["u"] > last:
                    lines.append(row)
            elif data.get("e") == "trade" and begun and data.get("X", "MARKET") == "MARKET":
                one = (round(float(data["p"]) / tick), round(float(data["q"]) / lot))
                lines.append((happened, heard, TRADE, one, data["m"]))
    ahead = max(row[0] - row[1] for row in lines if row[0]) + MS  # no row is heard of before it is a millisecond old
    begins = lines[0][1] + ahead
    return [(max(row[0], begins), max(row[1] + ahead, begins + 1), *row[2:]) for row in lines]


class Heard:
    """The best prices that the program has heard of."""

    def __init__(self):
        self.bids, self.asks = {}, {}

    def take(self, row):
        if row[2] == TRADE:
            return
        if row[2] == SNAPSHOT:
            self.bids, self.asks = {}, {}
        for side, levels in ((self.bids, row[3]), (self.asks, row[4])):
            for ticks, lots in levels:
                if lots:
                    side[ticks] = lots
                else:
                    side.pop(ticks, None)


def wanted(best_bid, best_ask, away):
    """The whole program: where it bids and offers."""
    return best_bid - away, best_ask + away


def moments(rows, every):
    """When it looks: whole periods after the first row, an odd number of nanoseconds off, so that nothing ties."""
    begins, ends = rows[0][0] + NS // 2 + 137, rows[-1][0]
    return range(begins, ends, round(every * NS))


# Our venue


def ours(rows, options):
    from millrace.core.binary_events import BookLevel
    from millrace.core.book_events import BookDelta, BookSnapshot
    from millrace.core.commands import Approved, Place, Side, Style
    from millrace.core.events import Print
    from millrace.core.ids import SubPosition
    from millrace.core.instrument import Instrument, InstrumentId
    from millrace.market.queue_models import QueueRule
    from millrace.sim.depth.records import Crossed, Traded
    from millrace.sim.depth.settings import DepthVenueSettings
    from millrace.sim.depth.venue import DepthVenue

    name = InstrumentId("recorded", "BTC/USDT")
    lot_decimals = max(-round(log10(options.lot)), 0)
    facts = Instrument(name, "BTC", "USDT", 2, 1, lot_decimals, 1, 1, 1, 0, 0, 1_000)
    fills = []

    def note(record):
        if isinstance(record, Traded | Crossed):
            what = "book" if isinstance(record, Crossed) else f"trade {record.event.ticks} {record.event.lots}"
            fills.extend((fill.client_id, record.ts_ns, fill.lots, what) for fill in record.fills)

    opening = {"BTC": 10**15, "USDT": 10**20}
    venue = DepthVenue(
        DepthVenueSettings(
            venue="recorded", instruments=(facts,), opening=opening, seed=1, queue=QueueRule(options.queue)
        ),
        note,
    )
    with_rules(venue, options.rules.split(","))
    agenda, number = [], 0

    def at(ts_ns, call):
        nonlocal number
        number += 1
        heapq.heappush(agenda, (ts_ns, number, call))

    def levels(found):
        return tuple(BookLevel(ticks, lots) for ticks, lots in found)

    def happen(row):
        ts_ns, _, kind, bids, asks = row
        if kind == TRADE:
            venue.on_trade(Print(name, ts_ns, *bids, asks))
        elif kind == SNAPSHOT:
            venue.on_book(BookSnapshot(name, ts_ns, ts_ns, 0, levels(sorted(bids, reverse=True)), levels(sorted(asks))))
        else:
            venue.on_book(BookDelta(name, ts_ns, ts_ns, 0, 0, levels(bids), levels(asks)))

    heard, open_ids, quotes = Heard(), [], {}

    def decide(moment, turn):
        arrives = moment + round(options.entry * MS)
        for client_id in open_ids:
            at(arrives, lambda client_id=client_id: venue.cancel(name, client_id, arrives))
        open_ids.clear()
        prices = wanted(max(heard.bids), min(heard.asks), options.away)
        for side, ticks in zip((Side.BUY, Side.SELL), prices, strict=True):
            client_id = f"{turn}{side.value[0]}"
            place = Place(
                name, side, options.lots, ticks, Style.POST_ONLY, SubPosition("q", name, "", ""), False, client_id, ""
            )
            quotes[client_id] = ticks
            open_ids.append(client_id)
            approved = Approved(place, client_id, 1, moment)
            at(arrives, lambda approved=approved: refused(venue.place(approved, arrives), approved.client_id))

    refusals = []

    def refused(answers, client_id):
        if type(answers[0].event).__name__ == "OrderRejected":
            refusals.append(client_id)

    for row in sorted(rows, key=lambda row: row[0]):
        at(row[0], lambda row=row: happen(row))
    for row in sorted(rows, key=lambda row: row[1]):
        at(row[1], lambda row=row: heard.take(row))
    for turn, moment in enumerate(moments(rows, options.every)):
        at(moment, lambda moment=moment, turn=turn: decide(moment, turn))
    while agenda:
        heapq.heappop(agenda)[2]()
    return {"quotes": quotes, "fills": fills, "refused": sorted(refusals)}


def with_rules(venue, rules):
    """Let our venue do as hftbacktest does in the points named; each order of the program is alone at its price."""
    from math import log1p

    from millrace.market.queue_models import PowerQueue, RiskAverse
    from millrace.sim.depth.records import Crossed, Fill, Queued

    passed = venue._pass

    def pass_whole(pair, book, side, event, queues, fills):
        waited = {order.client_id: venue.ahead_of(order.client_id) for order in pair.table(side).at(event.ticks)}
        passed(pair, book, side, event, queues, fills)
        done = {fill.client_id: fill for fill in fills}
        moved = {queue.client_id: queue for queue in queues}
        for ticks in pair.table(side).prices():
            for order in pair.table(side).at(ticks):
                name, rest = order.client_id, order.lots - order.cum_lots
                if "through" in rules and side.sign * (ticks - event.ticks) > 0:
                    done[name] = Fill(name, rest)
                elif "credit" in rules and ticks == event.ticks:
                    ahead = waited[name] - event.lots
                    if round(-ahead) > 0:
                        done[name] = Fill(name, min(round(-ahead), rest))
                    moved[name] = Queued(name, 0.0 if round(-ahead) > 0 else ahead)
        fills[:], queues[:] = done.values(), moved.values()

    def come_whole(pair, book, side, ts_ns, answers):
        against = book.best_against(side)
        reached = [
            one for one in pair.table(side) if against is not None and side.sign * (one.limit_ticks - against) >= 0
        ]
        if reached:
            fills = tuple(Fill(one.client_id, one.lots - one.cum_lots) for one in reached)
            venue._write(Crossed(ts_ns, pair.instrument.id, fills, ()))

    class Level:
        """Their share of cancels: of a level that still counts what traded since, and below nothing ahead."""

        def __init__(self, model):
            self.model = model

        def ahead_after(self, ahead, before, after, traded):
            gone = before - traded - after
            if gone < 0 or isinstance(self.model, RiskAverse):
                return min(ahead, after)
            behind = (before if "level" in rules else before - traded) - ahead
            if isinstance(self.model, PowerQueue):
                front, back = ahead**3, behind**3
            else:
                front, back = (log1p(max(lots / self.model.unit_lots, -0.9)) for lots in (ahead, behind))
            share = back / (back + front) if back + front else 1.0
            moved = min(ahead - (1 - share) * gone + min(behind - share * gone, 0), after)
            return moved if "credit" in rules else max(moved, 0)

    venue._pass = pass_whole
    if "book" in rules:
        venue._come_to = come_whole
    if "level" in rules:
        venue._state.models = {name: Level(model) for name, model in venue._state.models.items()}


# hftbacktest


def theirs(rows, options):
    import numpy as np
    from hftbacktest import (
        BUY_EVENT,
        DEPTH_CLEAR_EVENT,
        DEPTH_EVENT,
        DEPTH_SNAPSHOT_EVENT,
        GTX,
        LIMIT,
        SELL_EVENT,
        TRADE_EVENT,
        BacktestAsset,
        HashMapMarketDepthBacktest,
    )
    from hftbacktest.binding import event_dtype
    from hftbacktest.data import correct_event_order, validate_event_order

    tick, lot = options.tick, options.lot
    found = []
    for happened, heard, kind, bids, asks in rows:
        if kind == TRADE:
            flag = TRADE_EVENT | (SELL_EVENT if asks else BUY_EVENT)
            found.append((flag, happened, heard, bids[0] * tick, bids[1] * lot, 0, 0, 0.0))
            continue
        for side, levels in ((BUY_EVENT, bids), (SELL_EVENT, asks)):
            if kind == SNAPSHOT:
                found.append((DEPTH_CLEAR_EVENT | side, happened, heard, levels[-1][0] * tick, 0.0, 0, 0, 0.0))
            event = (DEPTH_SNAPSHOT_EVENT if kind == SNAPSHOT else DEPTH_EVENT) | side
            found += [(event, happened, heard, ticks * tick, lots * lot, 0, 0, 0.0) for ticks, lots in levels]
    data = np.array(found, dtype=event_dtype)
    by_venue = np.argsort(data["exch_ts"], kind="mergesort")
    by_program = np.argsort(data["local_ts"], kind="mergesort")
    data = correct_event_order(data, by_venue, by_program)
    validate_event_order(data)
    asset = (
        BacktestAsset()
        .data(data)
        .linear_asset(1.0)
        .constant_order_latency(round(options.entry * MS), round(options.back * MS))
        .partial_fill_exchange()
        .trading_value_fee_model(0.0, 0.0)
        .tick_size(tick)
        .lot_size(lot)
    )
    queue = {
        "risk_averse": "risk_adverse_queue_model",
        "log": "log_prob_queue_model",
        "power": "power_prob_queue_model",
    }
    chosen = getattr(asset, queue[options.queue])
    asset = chosen(3.0) if options.queue == "power" else chosen()
    hbt = HashMapMarketDepthBacktest([asset])
    quotes, fills, refusals, left, open_ids = {}, [], [], {}, []
    names = {}

    def look():
        values = hbt.orders(0).values()
        while values.has_next():
            order = values.get()
            client_id = names.get(int(order.order_id))
            now = round(order.leaves_qty / lot)
            if order.status == 2 and client_id not in refusals:
                refusals.append(client_id)
            if order.status in {3, 5} and now < left[client_id]:
                fills.append((client_id, int(order.exch_timestamp), left[client_id] - now, ""))
                left[client_id] = now

    going = True
    hbt.elapse(1)
    for turn, moment in enumerate(moments(rows, options.every)):
        while going and hbt.current_timestamp < moment:
            told = hbt.wait_next_feed(True, moment - hbt.current_timestamp)
            going = told in GOES_ON
            if told == GOES_ON[2]:
                look()
        if not going:
            break
        look()
        hbt.clear_inactive_orders(0)
        for number in open_ids:
            order = hbt.orders(0).get(number)
            if order is not None and order.cancellable:
                hbt.cancel(0, number, False)
        open_ids.clear()
        depth = hbt.depth(0)
        prices = wanted(depth.best_bid_tick, depth.best_ask_tick, options.away)
        for side, ticks in enumerate(prices):
            client_id, number = f"{turn}{'bs'[side]}", 2 * turn + side + 1
            names[number], left[client_id], quotes[client_id] = client_id, options.lots, int(ticks)
            open_ids.append(number)
            submit = hbt.submit_sell_order if side else hbt.submit_buy_order
            submit(0, number, ticks * tick, options.lots * lot, GTX, LIMIT, False)
    while going:
        told = hbt.wait_next_feed(True, NS)
        going = told in GOES_ON
        look()
    assert told == 1, f"hftbacktest ended with error {told} at {hbt.current_timestamp}"
    hbt.close()
    return {"quotes": quotes, "fills": fills, "refused": sorted(refusals)}


# Comparing


def by_order(found):
    """Return order -> {venue ns: lots}; what filled at one nanosecond is one fill, as hftbacktest shows it."""
    orders = {}
    for name, ts_ns, lots, _ in found["fills"]:
        fills = orders.setdefault(name, {})
        fills[ts_ns] = fills.get(ts_ns, 0) + lots
    return orders


def compare(our_file, their_file):
    """Print what both did, and each order that they filled otherwise."""
    first, second = (json.loads(Path(one).read_text()) for one in (our_file, their_file))
    moved = [name for name, ticks in second["quotes"].items() if first["quotes"][name] != ticks]
    refused = set(first["refused"]) ^ set(second["refused"])
    mine, other = by_order(first), by_order(second)
    told = [f"{len(second['quotes'])} quotes, of another price {moved}, refused by one only {sorted(refused)}"]
    for label, orders in (("ours", mine), ("theirs", other)):
        parts = [lots for fills in orders.values() for lots in fills.values()]
        told.append(f"{label}: {len(orders)} orders filled, {len(parts)} fills, {sum(parts)} lots")
    every = sorted(mine.keys() | other.keys(), key=lambda name: (int(name[:-1]), name))
    differ = [name for name in every if mine.get(name) != other.get(name)]
    told.append(f"filled alike to the lot and nanosecond: {len(every) - len(differ)} of {len(every)} orders")
    whys = {}
    for name, ts_ns, lots, why in first["fills"]:
        whys.setdefault(name, []).append((ts_ns, lots, why))
    told += [f"{name} at {first['quotes'][name]}: ours {whys.get(name)}, theirs {other.get(name)}" for name in differ]
    sys.stdout.write("\n".join(told) + "\n")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("half", choices=["ours", "theirs", "compare"])
    parser.add_argument("first")
    parser.add_argument("second")
    parser.add_argument("--tick", type=float, default=0.1)
    parser.add_argument("--lot", type=float, default=0.001)
    parser.add_argument("--lots", type=int, default=50)
    parser.add_argument("--away", type=int, default=0)
    parser.add_argument("--every", type=float, default=5.0)
    parser.add_argument("--entry", type=float, default=10.0)
    parser.add_argument("--back", type=float, default=10.0)
    parser.add_argument("--queue", choices=["log", "power", "risk_averse"], default="power")
    parser.add_argument("--rules", default="", help="of hftbacktest's that ours takes on: through,book,level,credit")
    options = parser.parse_args()
    if options.half == "compare":
        compare(options.first, options.second)
        return
    rows = read(options.first, options.tick, options.lot)
    found = (ours if options.half == "ours" else theirs)(rows, options)
    Path(options.second).write_text(json.dumps(found))


main()
