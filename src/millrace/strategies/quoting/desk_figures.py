"""What holds for all symbols of the account at once: its figures, the guard over them, and the pace of its actions.

Figures are taken at the checks of the market-wide guard and stand until the next one, so that a tick costs its own
symbol alone; what the board says is asked at every tick (quoting 4.3 addition 5, 4.6).
"""

from collections.abc import Sequence
from math import fsum
from typing import Any

import msgspec

from millrace.core.commands import OrderState, OrderUpdate
from millrace.core.events import RejectReason
from millrace.strategies.quoting.features.windows import GridWindow
from millrace.strategies.quoting.model import NO_PORTFOLIO, IntentKind, OrderIntent, PortfolioSnapshot
from millrace.strategies.quoting.quoted import QuotedSymbol
from millrace.strategies.quoting.settings import QuotingSettings

_GRID_MS = 1_000
_LEAST_CALLS = 20
"""Calls in the window before a share of them says anything."""
_CROSSED = RejectReason.POST_ONLY_WOULD_CROSS


class _Saved(msgspec.Struct):
    answers: list[list[int]]
    cancels: list[list[int]]
    next_ms: int
    portfolio: PortfolioSnapshot


class DeskFigures:
    """The account's figures over the last minutes; times are ms."""

    def __init__(self, settings: QuotingSettings, symbols: int) -> None:
        self._settings = settings
        self._guard = settings.market_guard
        window_ms = self._guard.window_sec * 1_000
        self._answers = GridWindow(_GRID_MS, window_ms)
        self._cancels = GridWindow(_GRID_MS, window_ms)
        self._most_cancels = settings.throttle.cancels_per_sec * self._guard.window_sec
        self._most_usd = settings.emit.max_position_usd * symbols
        self._next_ms = 0
        self._portfolio = NO_PORTFOLIO

    def heard(self, update: OrderUpdate, now_ms: int) -> None:
        """Count an answer of the venue: an error where it had none, a reject where it did not want the order.

        A post-only order that would have crossed is the price's doing and neither (runtime 2.17 rule 4).
        """
        if update.state is update.previous and update.amend is None:
            return
        rejected = update.state is OrderState.REJECTED and update.reject is not _CROSSED
        self._answers.add(now_ms, update.state is OrderState.UNKNOWN, rejected)

    def now(self, symbols: Sequence[QuotedSymbol], now_ms: int) -> PortfolioSnapshot:
        """Return the figures in force, taken anew where a check is due."""
        if now_ms >= self._next_ms:
            self._portfolio = self._taken(symbols, now_ms)
            self._next_ms = now_ms + _GRID_MS
        return self._portfolio

    def _taken(self, symbols: Sequence[QuotedSymbol], now_ms: int) -> PortfolioSnapshot:
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
        )

    def paced(self, symbol: QuotedSymbol, intents: tuple[OrderIntent, ...], now_ms: int) -> tuple[OrderIntent, ...]:
        """Return those of a tick's actions that may leave now; the others are decided anew at the next tick."""
        del symbol
        for intent in intents:
            if intent.kind is IntentKind.CANCEL:
                self._cancels.add(now_ms, 0)
        return intents

    def shown(self, now_ms: int) -> dict[str, Any]:
        """Return the figures for people; strict JSON."""
        self._answers.expire(now_ms)
        found: dict[str, Any] = msgspec.to_builtins(self._portfolio)
        return found | {"answers": self._answers.n}

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        windows = (self._answers.snapshot(), self._cancels.snapshot())
        builtins: dict[str, Any] = msgspec.to_builtins(_Saved(*windows, self._next_ms, self._portfolio))
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self._answers.restore(saved.answers)
        self._cancels.restore(saved.cancels)
        self._next_ms, self._portfolio = saved.next_ms, saved.portfolio
