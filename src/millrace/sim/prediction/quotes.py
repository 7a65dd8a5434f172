"""The market data of a generated universe, row by row, from any time on.

An event is looked at in turn, and all its markets are quoted together around its hidden figure, so that their books
agree; what is planted moves them, and is told again while it lasts. An hour is drawn at once from (seed, hour), so a
stream that is opened in the middle goes on exactly as it would have.
"""

from collections.abc import Iterator

import numpy as np

from millrace.core.binary_events import (
    BinaryQuote,
    BookLevel,
    Levels,
    MarketResolved,
    QuoteSource,
    StreamBeat,
    StreamReset,
)
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.sim.prediction.latent import HOUR_NS, Ints
from millrace.sim.prediction.plants import Fake, HourPlan, Shift
from millrace.sim.prediction.rows import Row
from millrace.sim.prediction.trades import TradeFlow
from millrace.sim.prediction.truth import Truth
from millrace.sim.prediction.universe import GeneratedUniverse

_ROWS = 6
_SECOND_NS = 1_000_000_000
_MILLI_NS = 1_000_000
_LEVELS = 3
_VENUE_LAG_NS = 20 * _MILLI_NS
_AGAIN_NS = (0, 400 * _MILLI_NS, 2 * _SECOND_NS)
"""When after its beginning and its end a planted price is told, so that a leap can be confirmed; while it lasts, every
ten seconds."""
_PERIOD_NS = 10 * _SECOND_NS
_SNAPSHOT_STEP_NS = 10_000
_VERSIONS = 10_000_000
_GLITCH_TICKS = 500
_SUMMARY_TICKS = 1_000
_TRUE, _RESYNC = 0, 1
_KINDS = {Fake.CROSSED: 2, Fake.ONE_SIDED: 3, Fake.SUMMARY: 4}


def quotes(universe: GeneratedUniverse, from_ns: int) -> Iterator[Row]:
    """Yield the rows of a universe from `from_ns` on, in order of time; it ends when every market has resolved."""
    begins, truth = universe.settings.begins_ns, Truth(universe)
    stream = _Stream(universe, truth)
    last = int(truth.after_ns.max(initial=0)) // HOUR_NS
    for hour in range(max((from_ns - begins) // HOUR_NS, 0), last + 1):
        for row in stream.hour(int(hour)):
            if row.event.ts_ns >= from_ns:
                yield row


class _Stream:
    """Makes hours of one universe."""

    def __init__(self, universe: GeneratedUniverse, truth: Truth) -> None:
        self._universe = universe
        self._truth = truth
        self._trades = TradeFlow(universe, truth)
        self._prices = truth.prices
        settings = universe.settings
        self._venue_of = np.array(
            [settings.venues.index(facts.market.venue) for facts in universe.facts], dtype=np.int64
        )
        self._place = np.arange(len(universe.facts)) - universe.first[universe.group]
        self._per_hour = int(np.ceil(settings.quotes_per_sec * 3600 / max(len(universe.facts), 1)))

    def hour(self, hour: int) -> Iterator[Row]:
        """Yield the rows of an hour."""
        plan = self._truth.planter.plan(hour)
        yield from self._trades.among(self._told(hour, plan), hour, plan)

    def _told(self, hour: int, plan: HourPlan) -> Iterator[Row]:
        times, numbers, kinds = self._when(hour, plan)
        quoted = iter(self._quotes(hour, plan, times, numbers, kinds))
        others = sorted(self._others(hour, plan), key=_time)
        nxt = next(quoted, None)
        for other in others:
            while nxt is not None and nxt.event.ts_ns < other.event.ts_ns:
                yield nxt
                nxt = next(quoted, None)
            yield other
        while nxt is not None:
            yield nxt
            nxt = next(quoted, None)

    # When something is quoted

    def _when(self, hour: int, plan: HourPlan) -> tuple[Ints, Ints, Ints]:
        """Return times since the beginning, markets and kinds of the hour's quotes, in order."""
        universe = self._universe
        rng = np.random.default_rng([universe.settings.seed, _ROWS, hour])
        alive = np.flatnonzero(universe.ends_hours > hour)
        step = HOUR_NS // self._per_hour
        looks = np.arange(self._per_hour)[None, :] * step + step // 2
        looks = looks + (rng.uniform(-0.15, 0.15, (len(alive), self._per_hour)) * step).astype(np.int64)
        looks = (looks + universe.first[alive][:, None] * (step // max(len(universe.facts), 1))) % HOUR_NS
        every = np.flatnonzero(universe.ends_hours[universe.group] > hour)
        row_of = np.searchsorted(alive, universe.group[every])
        regular = looks[row_of] + self._place[every][:, None] * _MILLI_NS + hour * HOUR_NS
        times = [regular.ravel()]
        numbers = [np.repeat(every, self._per_hour)]
        kinds = [np.zeros(regular.size, dtype=np.int64)]
        special = [*self._planted(plan), *self._garbled(plan)]
        if hour == 0:
            special += [(int(number) * _SNAPSHOT_STEP_NS, int(number), _TRUE) for number in every]
        for outage in plan.outages:
            mine = every[self._venue_of[every] == outage.venue]
            special += [
                (outage.ends_ns + (place + 1) * _SNAPSHOT_STEP_NS, int(number), _RESYNC)
                for place, number in enumerate(mine)
            ]
        if special:
            found = np.array(special, dtype=np.int64)
            times.append(found[:, 0])
            numbers.append(found[:, 1])
            kinds.append(found[:, 2])
        all_times, all_numbers, all_kinds = (np.concatenate(part) for part in (times, numbers, kinds))
        within = (all_times >= hour * HOUR_NS) & (all_times < (hour + 1) * HOUR_NS)
        within &= all_times < self._truth.after_ns[all_numbers]
        order = np.argsort(all_times[within], kind="stable")
        return all_times[within][order], all_numbers[within][order], all_kinds[within][order]

    def _planted(self, plan: HourPlan) -> Iterator[tuple[int, int, int]]:
        for shift in plan.shifts:
            again = range(shift.starts_ns + _PERIOD_NS, shift.ends_ns, _PERIOD_NS)
            for told in (*(shift.starts_ns + late for late in _AGAIN_NS), *again):
                if told < shift.ends_ns:
                    yield told, shift.number, _TRUE
            yield from ((shift.ends_ns + late, shift.number, _TRUE) for late in _AGAIN_NS)

    def _garbled(self, plan: HourPlan) -> Iterator[tuple[int, int, int]]:
        for glitch in plan.glitches:
            yield glitch.after_ns, glitch.number, _KINDS[glitch.kind]
            if glitch.kind is not Fake.SUMMARY:
                yield glitch.after_ns + _SECOND_NS // 5, glitch.number, _TRUE

    # What is quoted

    def _quotes(self, hour: int, plan: HourPlan, times: Ints, numbers: Ints, kinds: Ints) -> Iterator[Row]:
        universe, prices = self._universe, self._prices
        rng = np.random.default_rng([universe.settings.seed, _ROWS, hour, 1])
        seen_as, yes, no, best, thin, hidden = self._disturbed(plan, times, numbers)
        figure = universe.latent.at(universe.group[numbers], seen_as)
        low, high = universe.low[numbers], universe.high[numbers]
        fair = universe.latent.chance(universe.group[numbers], seen_as, figure, low, high) * PAYOUT_TICKS
        tick, half, mirrored = prices.tick[numbers], prices.half[numbers], prices.mirrored[numbers]
        yes_ask = np.ceil((fair + yes + half) / tick).astype(np.int64) * tick
        yes_bid = np.floor((fair + yes - half) / tick).astype(np.int64) * tick
        no_fair = PAYOUT_TICKS - fair
        no_ask = np.ceil((no_fair + no + half) / tick).astype(np.int64) * tick
        no_bid = np.floor((no_fair + no - half) / tick).astype(np.int64) * tick
        crossed = kinds == _KINDS[Fake.CROSSED]
        yes_bid = np.where(crossed, yes_ask + _GLITCH_TICKS, yes_bid)
        yes_ask = np.where(kinds == _KINDS[Fake.ONE_SIDED], PAYOUT_TICKS, yes_ask)
        yes_ask = np.where(kinds == _KINDS[Fake.SUMMARY], np.maximum(yes_ask - _SUMMARY_TICKS, tick), yes_ask)
        no_ask = np.where(mirrored, PAYOUT_TICKS - yes_bid, no_ask)
        no_bid = np.where(mirrored, PAYOUT_TICKS - yes_ask, no_bid)
        gap = np.where(thin, np.abs(yes) + tick, tick)
        scale = prices.depth[numbers][:, None] * rng.uniform(0.4, 1.6, (len(numbers), 4 * _LEVELS))
        sizes = np.maximum(scale.astype(np.int64), 1) * CONTRACT_LOTS
        sizes[:, ::_LEVELS] = np.where(best[:, None] > 0, best[:, None], sizes[:, ::_LEVELS])
        begins, facts = universe.settings.begins_ns, universe.facts
        columns = (times + begins, numbers, kinds, tick, gap, yes_ask, yes_bid, no_ask, no_bid, mirrored, hidden, sizes)
        version = hour * _VERSIONS
        for ts, number, kind, step, jump, ya, yb, na, nb, turned, unseen, size in zip(
            *(column.tolist() for column in columns), strict=True
        ):
            version += 1
            yes_asks = _rising(ya, jump, step, size, 0)
            yes_bids = _falling(yb, jump, step, size, 3)
            no_asks = _turned(yes_bids) if turned else _rising(na, jump, step, size, 6)
            no_bids = _turned(yes_asks) if turned else _falling(nb, jump, step, size, 9)
            source = QuoteSource.STREAM
            if kind == _KINDS[Fake.SUMMARY]:
                source = QuoteSource.SUMMARY
                yes_asks, no_asks, yes_bids, no_bids = (
                    _sizeless(one) for one in (yes_asks, no_asks, yes_bids, no_bids)
                )
            sides = (yes_asks, no_asks, yes_bids, no_bids)
            quote = BinaryQuote(facts[number].market, ts, ts - _VENUE_LAG_NS, version, source, *sides)
            yield Row(quote, kind <= _RESYNC, not unseen)

    def _disturbed(
        self, plan: HourPlan, times: Ints, numbers: Ints
    ) -> tuple[Ints, Ints, Ints, Ints, np.ndarray, np.ndarray]:
        """Return by row: the time whose figure is quoted, both shifts, lots at the best, thin or not, unseen or not."""
        seen_as = times.copy()
        yes, no, best = (np.zeros(len(times), dtype=np.int64) for _ in range(3))
        thin, hidden = (np.zeros(len(times), dtype=bool) for _ in range(2))
        for shift in plan.shifts:
            rows = self._rows(shift, times, numbers)
            seen_as[rows] = shift.starts_ns
            yes[rows], no[rows], best[rows] = shift.yes_ticks, shift.no_ticks, shift.lots
            thin[rows] = shift.thin
        for outage in plan.outages:
            first, last = np.searchsorted(times, (outage.starts_ns, outage.ends_ns + 1))
            hidden[first:last] |= self._venue_of[numbers[first:last]] == outage.venue
        return seen_as, yes, no, best, thin, hidden

    def _rows(self, shift: Shift, times: Ints, numbers: Ints) -> Ints:
        first, last = np.searchsorted(times, (shift.starts_ns, shift.ends_ns))
        rows: Ints = first + np.flatnonzero(numbers[first:last] == shift.number)
        return rows

    # What is not a quote

    def _others(self, hour: int, plan: HourPlan) -> Iterator[Row]:
        settings, universe = self._universe.settings, self._universe
        begins = settings.begins_ns
        for venue, name in enumerate(settings.venues):
            silent = [outage for outage in plan.outages if outage.venue == venue]
            start = hour * HOUR_NS + venue * (settings.beat_ns // 2)
            for after in range(start, (hour + 1) * HOUR_NS, settings.beat_ns):
                if not any(one.starts_ns <= after <= one.ends_ns for one in silent):
                    yield Row(StreamBeat(name, begins + after), False, True)
            for outage in silent:
                yield Row(StreamReset(name, begins + outage.ends_ns), False, True)
        after_ns = self._truth.after_ns
        for number in np.flatnonzero((after_ns >= hour * HOUR_NS) & (after_ns < (hour + 1) * HOUR_NS)):
            market = universe.facts[int(number)].market
            told = MarketResolved(market, self._truth.pays[int(number)], begins + int(after_ns[number]))
            yield Row(told, True, False)


def _time(row: Row) -> int:
    return row.event.ts_ns


def _rising(best: int, jump: int, step: int, sizes: list[int], at: int) -> Levels:
    prices = (best, best + jump, best + jump + step)
    if best > 0 and prices[2] < PAYOUT_TICKS:
        return (
            BookLevel(best, sizes[at]),
            BookLevel(prices[1], sizes[at + 1]),
            BookLevel(prices[2], sizes[at + 2]),
        )
    found = zip(prices, sizes[at : at + _LEVELS], strict=True)
    return tuple(BookLevel(ticks, lots) for ticks, lots in found if 0 < ticks < PAYOUT_TICKS)


def _falling(best: int, jump: int, step: int, sizes: list[int], at: int) -> Levels:
    prices = (best, best - jump, best - jump - step)
    if best < PAYOUT_TICKS and prices[2] > 0:
        return (
            BookLevel(best, sizes[at]),
            BookLevel(prices[1], sizes[at + 1]),
            BookLevel(prices[2], sizes[at + 2]),
        )
    found = zip(prices, sizes[at : at + _LEVELS], strict=True)
    return tuple(BookLevel(ticks, lots) for ticks, lots in found if 0 < ticks < PAYOUT_TICKS)


def _turned(levels: Levels) -> Levels:
    return tuple([BookLevel(PAYOUT_TICKS - ticks, lots) for ticks, lots in levels])


def _sizeless(levels: Levels) -> Levels:
    return tuple(BookLevel(ticks, 0) for ticks, _ in levels)
