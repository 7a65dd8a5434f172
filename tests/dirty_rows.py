"""Rows of a universe as a bad feed tells them: garbled, doubled, held back, silent; the venue sees the true ones."""

import random
from collections.abc import Iterator

from msgspec import structs

from millrace.core.binary_events import BinaryQuote, BookLevel, StreamBeat, StreamReset
from millrace.sim.prediction.rows import Row

SECOND = 1_000_000_000


def _off_tick(quote):
    return structs.replace(quote, yes_asks=(BookLevel(3_333, 10**7),))


def _out_of_range(quote):
    return structs.replace(quote, no_asks=(BookLevel(12_345, 10**7),))


def _no_size(quote):
    return structs.replace(quote, yes_asks=tuple(BookLevel(level.ticks, 0) for level in quote.yes_asks))


def _from_the_future(quote):
    return structs.replace(quote, venue_ts_ns=quote.ts_ns + 9 * 3_600 * SECOND)


def _too_cheap(quote):
    """Both outcomes for next to nothing: what a naive bot would trade at once."""
    return structs.replace(quote, yes_asks=(BookLevel(3_000, 10**8),), no_asks=(BookLevel(3_000, 10**8),))


def _locked(quote):
    return structs.replace(quote, yes_asks=quote.yes_asks[:1], yes_bids=quote.yes_asks[:1])


def _empty(quote):
    return structs.replace(quote, yes_asks=(), no_asks=(), yes_bids=(), no_bids=())


GARBLES = (_off_tick, _out_of_range, _no_size, _from_the_future, _too_cheap, _locked, _empty)


def dirty(rows: Iterator[Row], seed: int, share: float) -> Iterator[Row]:
    """Yield the rows with faults: `share` of the quotes garbled, and now and then silence, a reset, a repetition."""
    dice, quiet_until, last_reset = random.Random(seed), 0, 0
    for row in rows:
        event = row.event
        told = row.to_program and event.ts_ns >= quiet_until
        if isinstance(event, BinaryQuote) and told:
            drawn = dice.random()
            if drawn < share:
                yield Row(event, row.to_venue, False)
                yield Row(dice.choice(GARBLES)(event), False, True)
                continue
            if drawn < share + 0.02:
                yield Row(event, row.to_venue, True)
                yield Row(event, False, True)  # the same message twice
                continue
            if drawn < share + 0.025:
                yield Row(event, row.to_venue, False)  # lost
                continue
        elif isinstance(event, StreamBeat) and told:
            drawn = dice.random()
            if drawn < 0.001:
                quiet_until = event.ts_ns + dice.randrange(3, 40) * SECOND
            elif drawn < 0.002 and event.ts_ns - last_reset > 60 * SECOND:
                last_reset = event.ts_ns
                yield Row(event, row.to_venue, True)
                yield Row(StreamReset(event.venue, event.ts_ns), False, True)
                continue
        yield Row(event, row.to_venue, told)
