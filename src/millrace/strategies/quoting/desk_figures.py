"""What holds for all symbols of the account at once: its figures, the guard over them, and the pace of its actions.

Figures are taken at the checks of the market-wide guard and stand until the next one, so that a tick costs its own
symbol alone; what the board says is asked at every tick (quoting 4.3 addition 5, 4.6).
"""

from collections import deque
from collections.abc import Iterable, Sequence
from math import fsum
from typing import Any, NamedTuple

import msgspec

from millrace.core.commands import OrderState, OrderUpdate
from millrace.core.events import NOT_SENT, RejectReason
from millrace.core.instrument import Instrument
from millrace.strategies.quoting.features.windows import GridWindow
from millrace.strategies.quoting.guards.market_wide import MarketBit, MarketState, check
from millrace.strategies.quoting.model import NO_PORTFOLIO, IntentKind, OrderIntent, PortfolioSnapshot
from millrace.strategies.quoting.quoted import QuotedSymbol
from millrace.strategies.quoting.quotes.pace import PaceState, let_out, watched
from millrace.strategies.quoting.quotes.taker_ceiling import AccountFill, Fills, recorded, verdict
from millrace.strategies.quoting.settings import QuotingSettings

_GRID_MS = 1_000
_LOOK_MS = 1_000
_LEAST_CALLS = 20
"""Calls in the window before a share of them says anything."""
_PROFIT_MS = 10_000
"""Time between two of the profits that their trend is taken from."""
_MINUTE_MS = 60_000
_PCT = 100.0
_UNBLAMED = frozenset({RejectReason.POST_ONLY_WOULD_CROSS, RejectReason.INSUFFICIENT_FUNDS})
"""Refusals that are the price's doing, or the account's: no reason to distrust all that the desk does."""


class Feed(NamedTuple):
    """How long the venue's feed has been silent, how late its newest message came, and by what its clock leads ours."""

    gap_ms: int
    lag_ms: int
    lead_ms: int = 0


class _Saved(msgspec.Struct):
    answers: list[list[int]]
    cancels: list[list[int]]
    market: MarketState
    pace: PaceState
    fills: Fills
    portfolio: PortfolioSnapshot
    looked_ms: int
    profits: list[tuple[int, float]]
    lag_ms: int
    waiting: list[str]


class DeskFigures:
    """The account's figures over the last minutes; times are ms.

    `most_usd` is what the largest positions of all symbols are worth; `session` tells this run's jitter from another's.
    """

    def __init__(self, settings: QuotingSettings, most_usd: float, session: str) -> None:
        self._settings = settings
        self._session = session
        self._guard = settings.market_guard
        window_ms = self._guard.window_sec * 1_000
        self._answers = GridWindow(_GRID_MS, window_ms)
        self._cancels = GridWindow(_GRID_MS, window_ms)
        self._most_cancels = settings.throttle.cancels_per_sec * self._guard.window_sec
        self._most_usd = most_usd
        self._market = MarketState()
        self._pace = PaceState()
        self._fills: Fills = ()
        self._portfolio = NO_PORTFOLIO
        self._looked_ms = 0
        self._profits: deque[tuple[int, float]] = deque(maxlen=max(window_ms // _PROFIT_MS, 1) + 1)
        self._lag_ms = 0
        self._waiting: dict[str, None] = {}

    def heard(self, update: OrderUpdate, instrument: Instrument, now_ms: int) -> None:
        """Count an answer of the venue: an error where it had none, a reject where it did not want the order.

        A post-only order that would have crossed is neither (runtime 2.17 rule 4), nor is one for which there was no
        money, whose side is left alone for a while; one that never left is nobody's answer.
        """
        if update.d_lots:
            taker = update.d_fee > instrument.fee(update.d_cost, maker=True) + 1
            self._fills = recorded(self._fills, AccountFill(now_ms, taker), self._settings.taker_cap)
        if (update.state is update.previous and update.amend is None) or update.reject in NOT_SENT:
            return
        rejected = update.state is OrderState.REJECTED and update.reject not in _UNBLAMED
        self._answers.add(now_ms, int(update.state is OrderState.UNKNOWN), int(rejected))

    def now(self, symbols: Sequence[QuotedSymbol], now_ms: int, feed: Feed) -> PortfolioSnapshot:
        """Return the figures in force, taken anew once a second: guard and pace look at them then."""
        self._lag_ms = feed.lag_ms
        if now_ms - self._looked_ms >= _LOOK_MS:
            self._looked_ms = now_ms
            figures = self._taken(symbols, now_ms, feed)
            self._watch(now_ms, figures.error_rate)
            latency_ms = self._settings.risk_guards.latency_hard_ms
            self._market, bits = check(self._market, figures, now_ms, self._guard, latency_ms)
            level = self._pace.policy.level
            self._portfolio = msgspec.structs.replace(figures, market_bits=bits, stress_level=level)
        return self._portfolio

    def _watch(self, now_ms: int, error_rate: float | None) -> None:
        throttle = self._settings.throttle
        self._pace = watched(self._pace, now_ms, error_rate, self._lag_ms, self._session, throttle)

    def _taken(self, symbols: Sequence[QuotedSymbol], now_ms: int, feed: Feed) -> PortfolioSnapshot:
        answers, cancels = self._answers, self._cancels
        answers.expire(now_ms)
        cancels.expire(now_ms)
        known = answers.n >= _LEAST_CALLS
        day = fsum([one.day_pnl for one in symbols])
        exposure = fsum([one.exposure_usd for one in symbols])
        return PortfolioSnapshot(
            gross_exposure_share=exposure / self._most_usd if self._most_usd else None,
            day_loss=max(-day, 0.0),
            error_rate=answers.a / answers.n if known else None,
            rejected_share=answers.b / answers.n if known else None,
            cancel_rate_share=cancels.n / self._most_cancels if self._most_cancels else None,
            feed_gap_ms=feed.gap_ms,
            clock_skew_ms=feed.lead_ms,
            latency_p95_ms=_middle([one.latency_p95_ms for one in symbols if one.latency_p95_ms is not None]),
            pnl_slope_per_min=self._slope(symbols, now_ms),
        )

    def _slope(self, symbols: Sequence[QuotedSymbol], now_ms: int) -> float | None:
        """Return the trend of all profit, in % of the largest exposure per minute; None in the first minute."""
        profit = fsum([one.profit_usd for one in symbols])
        if not self._profits or now_ms - self._profits[-1][0] >= _PROFIT_MS:
            self._profits.append((now_ms, profit))
        since_ms, before = self._profits[0]
        if now_ms - since_ms < _MINUTE_MS or not self._most_usd:
            return None
        return (profit - before) / self._most_usd * _PCT / ((now_ms - since_ms) / _MINUTE_MS)

    def paced(self, symbol: QuotedSymbol, intents: tuple[OrderIntent, ...], now_ms: int) -> tuple[OrderIntent, ...]:
        """Return those of a tick's actions that may leave now; the others are decided anew at the next tick.

        Symbols that wait are served in the order in which they began to, or the busiest would take all that is free.
        """
        waiting, name = self._waiting, symbol.symbol
        if not intents:
            symbol.waits = False
            waiting.pop(name, None)
            return ()
        self._watch(now_ms, self._portfolio.error_rate)
        self._pace, leaves, waits = let_out(
            self._pace, intents, now_ms, self._settings.throttle, _before(waiting, name) if waiting else 0
        )
        symbol.waits = bool(waits)
        if waits:
            waiting.setdefault(name)
        else:
            waiting.pop(name, None)
        symbol.tally.throttled += len(waits)
        for intent in leaves:
            if intent.kind is IntentKind.CANCEL:
                self._cancels.add(now_ms, 0)
        return leaves

    def shown(self, now_ms: int) -> dict[str, Any]:
        """Return the figures for people; strict JSON."""
        self._answers.expire(now_ms)
        found: dict[str, Any] = msgspec.to_builtins(self._portfolio)
        takers = verdict(self._fills, now_ms, self._settings.taker_cap)
        more = {"answers": self._answers.n, "fills_window": takers.fills, "taker_fills_window": takers.takers}
        share = 100.0 * takers.takers / takers.fills if takers.fills else 0.0
        back_off = self._pace.back_off
        pace = {"backs_off": back_off.lasts(now_ms), "back_offs": back_off.total}
        market = [bit.label for bit in MarketBit if self._portfolio.market_bits & bit]
        return found | more | pace | {"taker_share_pct": share, "taker_blocked": takers.reason, "market": market}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        windows = (self._answers.snapshot(), self._cancels.snapshot())
        saved = _Saved(
            *windows,
            self._market,
            self._pace,
            self._fills,
            self._portfolio,
            self._looked_ms,
            list(self._profits),
            self._lag_ms,
            list(self._waiting),
        )
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._answers.restore(saved.answers)
        self._cancels.restore(saved.cancels)
        self._market, self._pace, self._fills = saved.market, saved.pace, saved.fills
        self._portfolio, self._looked_ms = saved.portfolio, saved.looked_ms
        self._profits.clear()
        self._profits.extend(saved.profits)
        self._lag_ms = saved.lag_ms
        self._waiting = dict.fromkeys(saved.waiting)


def _before(waiting: Iterable[str], name: str) -> int:
    """Return how many wait longer than this one."""
    count = 0
    for one in waiting:
        if one == name:
            break
        count += 1
    return count


def _middle(values: list[float]) -> float | None:
    """Return the lower median: half of the symbols are no better."""
    return sorted(values)[(len(values) - 1) // 2] if values else None
