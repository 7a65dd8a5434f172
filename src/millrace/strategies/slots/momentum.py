"""When a new entry may leave: the momentum gate keeps back the leg that the market is running against (slots 12.3).

In a rising market a sell entry fills and its buy exit waits below for ever; in a falling one the same happens to buys.
The gate therefore keeps new entries of one leg off the book while the averages point against it. What is on the book
stays there, exits are never touched, and how much is bought is another part's business.
"""

import msgspec


class MomentumSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the gate and its averages (slots 21): bars, seconds, `neutral_pct` in per cent of price."""

    ema_fast_bars: int = 5
    ema_slow_bars: int = 20
    neutral_pct: float = 0.0
