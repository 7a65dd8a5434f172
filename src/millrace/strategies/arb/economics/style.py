"""Maker, taker or not at all, for each leg by itself, and never more than one maker waiting (arb 7.1, 7.5, 7.6).

A maker is chosen only when everything speaks for it; otherwise the leg is a taker if it earns its threshold as one, and
else it is not traded. Falling through to the taker because the maker was refused is how a desk pays for nothing.
"""

from collections.abc import Sequence
from typing import NamedTuple

from millrace.core.instrument import Ticks
from millrace.strategies.arb.economics.settings import EconomicsSettings
from millrace.strategies.arb.model import Style

_ROUNDING = 1e-12
"""Differences of prices in dollars below this are rounding of doubles."""


class MakerCase(NamedTuple):
    """One leg as a maker, in dollars per contract: prices, chance, what fills cost us, fees of both styles."""

    price: float
    bid: float
    ask: float
    fill: float
    adverse_score: float
    maker_fee: float
    taker_fee: float

    @property
    def advantage(self) -> float:
        """What the maker saves against the taker, fees counted."""
        return (self.ask + self.taker_fee) - (self.price + self.maker_fee)


class Rest(NamedTuple):
    """One leg that is to rest: its place, its chance in all its attempts, and what the wait brings; per contract.

    `adverse` is what a fill is expected to lose, `saved` what the maker saves against the taker, `later` what the
    basket is worth to takers afterwards, with the chance `later_fill` that they complete it, and `miss` what a fill is
    expected to cost because the other legs moved away meanwhile. Dollars.
    """

    leg: int
    fill: float
    adverse: float
    saved: float
    later: float
    later_fill: float
    miss: float


class StyleChoice(NamedTuple):
    """How a leg is traded; None: not at all. `refused` says why it is no maker, None when it is one."""

    style: Style | None
    refused: str | None


def post_price(bid: Ticks, ask: Ticks, tick: Ticks, aggressiveness_ticks: int) -> Ticks | None:
    """Return where a maker posts: a tick above the bid or some below the ask, strictly below it; None if nowhere."""
    price = min(max(bid + tick, ask - aggressiveness_ticks * tick), ask - tick)
    return price if price >= tick else None


def maker_refusal(case: MakerCase, settings: EconomicsSettings) -> str | None:
    """Return the first reason why a leg is no maker, before any value is compared; None if it may be one (arb 7.5)."""
    if case.ask - case.bid < settings.maker_spread - _ROUNDING:
        return "spread_too_narrow"
    if case.fill < settings.maker_fill:
        return "low_fill_probability"
    if case.adverse_score > settings.max_adverse:
        return "high_adverse_selection"
    if case.advantage < settings.maker_advantage - _ROUNDING:
        return "maker_advantage_too_small"
    return None


def maker_value(fill: float, maker_edge: float, adverse: float, taker_value_later: float, miss_risk: float) -> float:
    """Return a maker leg's value: filled, less adverse selection; else the taker later, if that is worth it; less risk.

    All in dollars per contract; `miss_risk` is what the basket loses by the wait (arb 7.5).
    """
    return fill * (maker_edge - adverse) + (1 - fill) * max(taker_value_later, 0.0) - miss_risk


def taker_value(fill: float, taker_edge: float, repair: float) -> float:
    """Return a taker leg's value in dollars per contract: edge when it fills, less the expected repair."""
    return taker_edge * fill - repair


def choose_style(
    case: MakerCase, ev_maker: float, ev_taker: float, threshold: float, settings: EconomicsSettings
) -> StyleChoice:
    """Return maker if nothing speaks against it and it is worth more; else taker if worth its threshold; else none."""
    refused = maker_refusal(case, settings)
    if refused is None and ev_maker > ev_taker:
        return StyleChoice(Style.MAKER, None)
    refused = refused or "taker_worth_more"
    return StyleChoice(Style.TAKER if ev_taker >= threshold else None, refused)


def one_maker(styles: Sequence[Style], advantages: Sequence[float], settings: EconomicsSettings) -> tuple[Style, ...]:
    """Return the styles with at most one maker, that with the largest advantage, the first of equals (arb 7.6)."""
    makers = [leg for leg, style in enumerate(styles) if style is Style.MAKER]
    if settings.allow_parallel_makers or len(makers) <= 1:
        return tuple(styles)
    best = max(makers, key=lambda leg: (advantages[leg], -leg))
    return tuple(Style.MAKER if leg == best else Style.TAKER for leg in range(len(styles)))
