"""The quote desk of a program: the symbols that it quotes, and what its simulated venue assumes.

Everything here follows from the settings, so a replay makes the same desk as the run did. The venue is an account of
its own, with cash and an opening inventory of each coin: a position of the desk is what its fills added to that, so it
may fall below nothing without anything being borrowed. A program without the desk has none of it.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Final, NamedTuple

from msgspec.structs import replace

from millrace.capacity.batch_rules import SINGLE_CALLS, BatchRules
from millrace.capacity.call_budget import CallBudget, CallBudgetSettings
from millrace.config.settings import QuoteDeskSettings, Settings
from millrace.core.failure import OperatorError
from millrace.core.instrument import Instrument, Ticks
from millrace.market.queue_models import QueueRule
from millrace.sim.depth.settings import DepthVenueSettings, FeedDelay
from millrace.strategies.quoting.bounds import strangers
from millrace.strategies.quoting.strategy import DeskPace, QuoteDesk
from millrace.world.arb.desk import BEGINS_NS
from millrace.world.quoting.book_feed import Row

QUOTES: Final = "quoting"
VENUE: Final = "bybit"
_MS: Final = 1_000_000
_SECOND_NS: Final = 1_000_000_000
_MINUTE_NS: Final = 60 * _SECOND_NS
_PPM_PER_BPS: Final = 100
_PPM: Final = 1_000_000


class QuoteMarkets(NamedTuple):
    """The symbols that the desk quotes, prices to reckon opening inventories by, and their rows from a time on."""

    instruments: tuple[Instrument, ...]
    prices: dict[str, Ticks]
    rows: Callable[[int], Iterator[Row]]

    @property
    def venue(self) -> str:
        """The one venue of them all."""
        return self.instruments[0].id.venue


def quote_markets(settings: Settings) -> QuoteMarkets | None:
    """Return what the desk quotes under these settings; None where they leave it out.

    It is the generated markets of the run's seed, which any process makes again from the settings alone.
    """
    return _generated(settings.run.seed, settings.quote_desk) if settings.quote_desk.enabled else None


@lru_cache(maxsize=4)
def _generated(seed: int, chosen: QuoteDeskSettings) -> QuoteMarkets:
    # It needs scipy's neighbours, which take longer to import than the rest of a program without the desk.
    from millrace.sim.depth.coins import COINS  # noqa: PLC0415
    from millrace.sim.depth.generator import SYMBOLS, DepthMarket  # noqa: PLC0415
    from millrace.sim.depth.market_settings import DepthMarketSettings  # noqa: PLC0415

    wanted = DepthMarketSettings(
        begins_ns=BEGINS_NS,
        venue=VENUE,
        checksummed=chosen.checksummed,
        epoch_ns=chosen.mood_min * _MINUTE_NS,
        tempo_ppm=round(chosen.tempo * _PPM),
        maker_fee_ppm=round(chosen.maker_fee_bps * _PPM_PER_BPS),
        taker_fee_ppm=round(chosen.taker_fee_bps * _PPM_PER_BPS),
    )
    market = DepthMarket(seed, SYMBOLS[: chosen.symbols], wanted)
    prices = {
        str(one.id): round(coin.price * 10**one.price_decimals)
        for one, coin in zip(market.instruments, COINS, strict=False)
    }
    return QuoteMarkets(market.instruments, prices, market.rows)


def build_quotes(
    settings: Settings, markets: QuoteMarkets | None = None
) -> tuple[QuoteDesk | None, tuple[Instrument, ...]]:
    """Return a fresh desk and what it quotes; None and none where the settings leave it out.

    `markets` are those of a recording, where it is not the settings that say them: there settings may name symbols of
    other recordings, which are a mistake otherwise. Raises OperatorError for it.
    """
    if markets is None:
        markets = quote_markets(settings)
        if markets is None:
            return None, ()
        if unknown := strangers(settings.quoting, [one.id.symbol for one in markets.instruments]):
            raise OperatorError("the quote desk's settings name symbols wrongly:\n  " + "\n  ".join(unknown))
    chosen = settings.quote_desk
    pace = DeskPace(chosen.min_tick_ms, chosen.look_ms)
    # A simulated or recorded market does not show our orders, so none of its sizes is ours.
    queues = replace(settings.quoting.queue_aware, own_in_book=False)
    told = replace(settings.quoting, queue_aware=queues)
    return QuoteDesk(QUOTES, markets.instruments, told, pace), markets.instruments


def depth_venue(settings: Settings, markets: QuoteMarkets | None = None) -> DepthVenueSettings | None:
    """Return the assumptions of the desk's venue; None without a desk."""
    markets = markets or quote_markets(settings)
    if markets is None:
        return None
    chosen = settings.quote_desk
    opening = {one.base: _inventory(one, markets.prices[str(one.id)], chosen.coins_usd) for one in markets.instruments}
    quote = markets.instruments[0]
    opening[quote.quote] = round(chosen.cash_usd * 10**quote.quote_decimals)
    return DepthVenueSettings(
        venue=markets.venue,
        instruments=markets.instruments,
        opening=opening,
        seed=settings.run.seed,
        request_latency_ns=chosen.request_latency_ms * _MS,
        response_latency_ns=chosen.response_latency_ms * _MS,
        jitter_ns=chosen.latency_jitter_ms * _MS,
        queue=QueueRule(chosen.queue),
    )


def feed_delay(settings: Settings) -> FeedDelay:
    """Return how late the desk hears of its venue's books and trades."""
    chosen = settings.quote_desk
    return FeedDelay(settings.run.seed, chosen.feed_delay_ms * _MS, chosen.latency_jitter_ms * _MS)


def _inventory(instrument: Instrument, ticks: Ticks, usd: float) -> int:
    """Return so many dollars' worth of a coin as money of the coin's own scale."""
    lots = int(usd / instrument.price(ticks) * float(10**instrument.lot_decimals))
    return instrument.base_amount(lots)


def quote_budget(settings: Settings) -> CallBudget:
    """Return the pace of private calls at the desk's venue (runtime 2.5)."""
    calls = settings.quote_desk.calls_per_sec
    pace = {"bucket_calls": calls, "refill_ns": _SECOND_NS // calls}
    return CallBudget(CallBudgetSettings(calls_per_loop=calls, loop_ns=_SECOND_NS, metronome=False, **pace))


def quote_batches(settings: Settings, facts: BatchRules) -> BatchRules:
    """Return what leaves together at the desk's venue, which takes what `facts` say (quoting 4.6, 10)."""
    chosen = settings.quoting.async_batch
    if not chosen.enabled:
        return SINGLE_CALLS
    return facts.within(chosen.max_batch_size, cancels=chosen.coalesce_cancel, orders=chosen.coalesce_place)


def quote_valid_for_ns(settings: Settings) -> int:
    """Return how long an order of a tick may wait for its call: then it is too late for what it was priced from."""
    return settings.quoting.async_batch.tick_deadline_ms * _MS
