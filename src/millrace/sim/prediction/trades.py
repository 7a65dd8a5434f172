"""Who trades on a generated universe, when, how much, and what they know.

Interest in events differs by orders of magnitude, so the busiest event has most of the trades and the rest fall off as
one over their rank. A share of those who come know where the fair price stands a minute later, and trade only where
that pays them the spread: who rests an order meets them too, which is what adverse selection is. An hour is drawn from
(seed, hour) alone; each market's trades of an hour begin with its first book of that hour.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from millrace.core.binary_events import BinaryQuote, Levels
from millrace.core.events import Print
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Lots, Outcome, Ticks, outcome_id
from millrace.sim.prediction.latent import HOUR_NS, Floats, Ints
from millrace.sim.prediction.plants import HourPlan
from millrace.sim.prediction.rows import Row
from millrace.sim.prediction.truth import Truth
from millrace.sim.prediction.universe import GeneratedUniverse

_RANKS, _TRADES = 8, 9
_MEDIAN_CONTRACTS, _SIZE_SD = 25.0, 1.0
_FORESIGHT_NS = 60_000_000_000
_GARBLED_SHARE = 0.002
"""So many trades are told a second time with a price or a size that cannot be."""
_BUY, _SELL, _NOBODY = 1, -1, 0


class _Trader(NamedTuple):
    """Somebody who comes to a market: when since the beginning, which way, for how much, and how he is told of."""

    after_ns: int
    number: int
    outcome: Outcome
    sells: bool
    lots: Lots
    garbled: bool


class TradeFlow:
    """Trades of one universe."""

    def __init__(self, universe: GeneratedUniverse, truth: Truth) -> None:
        self._universe = universe
        self._truth = truth
        settings = universe.settings
        rng = np.random.default_rng([settings.seed, _RANKS])
        by_event = 1.0 / (1.0 + rng.permutation(len(universe.events)))
        by_market = by_event[universe.group] / universe.count[universe.group]
        self.per_sec: Floats = settings.prints_per_sec * by_market / max(float(by_market.sum()), 1e-12)
        self._venue_of = np.array([settings.venues.index(facts.market.venue) for facts in universe.facts])
        ends = np.minimum(truth.after_ns, universe.ends_hours[universe.group] * HOUR_NS)
        self._ends_ns: Ints = ends.astype(np.int64)

    def among(self, rows: Iterator[Row], hour: int, plan: HourPlan) -> Iterator[Row]:
        """Yield an hour's rows with the trades between them, each at the book that its venue last showed."""
        books: dict[InstrumentId, _Touch] = {}
        traders = self._traders(hour) if self._universe.settings.prints_per_sec else iter(())
        trader = next(traders, None)
        begins, facts = self._universe.settings.begins_ns, self._universe.facts
        for row in rows:
            while trader is not None and trader.after_ns + begins < row.ts_ns:
                touch = books.get(facts[trader.number].market)
                if touch is not None:
                    yield from self._told(trader, touch, plan)
                trader = next(traders, None)
            if isinstance(row.event, BinaryQuote) and row.to_venue:
                books[row.event.market] = _Touch(row.event)
            yield row

    def _traders(self, hour: int) -> Iterator[_Trader]:
        """Yield who comes in an hour, in order of time; the informed who have nothing to gain stay away."""
        universe = self._universe
        rng = np.random.default_rng([universe.settings.seed, _TRADES, hour])
        counts = rng.poisson(self.per_sec * (HOUR_NS / 1e9))
        numbers = np.repeat(np.arange(len(counts)), counts)
        times = rng.integers(0, HOUR_NS, len(numbers)) + hour * HOUR_NS
        order = np.argsort(times, kind="stable")
        times, numbers = times[order], numbers[order]
        sides = np.where(rng.random(len(times)) < 0.5, _BUY, _SELL)  # noqa: PLR2004  a fair coin
        informed = rng.random(len(times)) * 1e6 < universe.settings.informed_ppm
        sides = np.where(informed, self._known(times, numbers, hour), sides)
        no_book = rng.random(len(times)) < 0.5  # noqa: PLR2004  a fair coin
        no_book &= ~self._truth.prices.mirrored[numbers]
        contracts = np.maximum(rng.lognormal(np.log(_MEDIAN_CONTRACTS), _SIZE_SD, len(times)), 1.0).astype(np.int64)
        garbled = rng.random(len(times)) < _GARBLED_SHARE
        comes = (sides != _NOBODY) & (times < self._ends_ns[numbers])
        columns = (times, numbers, sides, no_book, contracts * CONTRACT_LOTS, garbled)
        for after, number, side, is_no, lots, odd in zip(*(one[comes].tolist() for one in columns), strict=True):
            # Who knows that YES rises buys it, or sells NO.
            sells = (side == _SELL) is not is_no
            yield _Trader(after, number, Outcome.NO if is_no else Outcome.YES, sells, lots, odd)

    def _known(self, times: Ints, numbers: Ints, hour: int) -> Ints:
        """Return the way that pays whoever knows the fair price a minute later, none where it stays in the spread."""
        later = np.minimum(times + _FORESIGHT_NS, (hour + 1) * HOUR_NS - 1)
        move = (self._fair(later, numbers) - self._fair(times, numbers)) * PAYOUT_TICKS
        return np.where(np.abs(move) > self._truth.prices.half[numbers], np.sign(move), _NOBODY).astype(np.int64)

    def _fair(self, times: Ints, numbers: Ints) -> Floats:
        universe, groups = self._universe, self._universe.group[numbers]
        figure = universe.latent.at(groups, times)
        return universe.latent.chance(groups, times, figure, universe.low[numbers], universe.high[numbers])

    def _told(self, trader: _Trader, touch: "_Touch", plan: HourPlan) -> Iterator[Row]:
        universe, found = self._universe, touch.take(trader.outcome, trader.lots, sells=trader.sells)
        if found is None:
            return
        ticks, lots = found
        name = outcome_id(universe.facts[trader.number].market, trader.outcome)
        ts_ns = universe.settings.begins_ns + trader.after_ns
        venue = self._venue_of[trader.number]
        silent = any(
            outage.venue == venue and outage.starts_ns <= trader.after_ns <= outage.ends_ns for outage in plan.outages
        )
        yield Row(Print(name, ts_ns, ticks, lots, trader.sells), True, not silent)
        if trader.garbled and not silent:
            yield Row(Print(name, ts_ns, ticks + PAYOUT_TICKS, lots, trader.sells), False, True)


class _Touch:
    """The best prices that a venue last showed of one market, and what is left there."""

    __slots__ = ("_quote", "_taken")

    def __init__(self, quote: BinaryQuote) -> None:
        self._quote = quote
        self._taken: dict[tuple[Outcome, bool], Lots] = {}

    def take(self, outcome: Outcome, lots: Lots, *, sells: bool) -> tuple[Ticks, Lots] | None:
        """Return price and lots of a trade at the best level, None where nothing is left of it."""
        level = self._side(outcome, sells=sells)[:1]
        if not level:
            return None
        ticks, there = level[0]
        at = (outcome, sells)
        done = min(lots, there - self._taken.get(at, 0))
        if done < CONTRACT_LOTS:
            return None
        self._taken[at] = self._taken.get(at, 0) + done
        return ticks, done

    def _side(self, outcome: Outcome, *, sells: bool) -> Levels:
        quote = self._quote
        if outcome is Outcome.YES:
            return quote.yes_bids if sells else quote.yes_asks
        return quote.no_bids if sells else quote.no_asks
