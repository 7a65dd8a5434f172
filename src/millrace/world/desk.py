"""The arbitrage desk of a program: which markets it trades, and what the simulated prediction venues assume.

Everything here follows from the settings, so a replay makes the same desk as the run did. A program without the desk
has none of it, and costs nothing of it.
"""

from typing import Final

from millrace.capacity.call_budget import CallBudget, CallBudgetSettings
from millrace.config.settings import Settings
from millrace.core.failure import OperatorError
from millrace.core.instrument import Instrument
from millrace.core.strategy import Strategy

DESK: Final = "arb"
_SECOND_NS: Final = 1_000_000_000


def build_desk(settings: Settings) -> tuple[Strategy | None, tuple[Instrument, ...]]:
    """Return a fresh desk and the outcomes that it trades; None and none where the settings leave it out."""
    if not settings.arb.enabled:
        return None, ()
    raise OperatorError("arb.enabled: the desk is not joined to the program yet; leave it off")


def leg_budget(settings: Settings) -> CallBudget:
    """Return the pace of private calls at one prediction venue (runtime 2.5)."""
    calls = settings.prediction.calls_per_sec
    pace = {"bucket_calls": calls, "refill_ns": _SECOND_NS // calls}
    return CallBudget(CallBudgetSettings(calls_per_loop=calls, loop_ns=_SECOND_NS, metronome=False, **pace))


def leg_valid_for_ns(settings: Settings) -> int | None:
    """Return how long a leg that opens a position may wait for its call; None for ever."""
    return round(settings.prediction.leg_valid_for_sec * _SECOND_NS) or None


def opening_cash(settings: Settings) -> dict[str, float]:
    """Return the dollars that lie at each prediction venue when a run begins."""
    chosen = settings.prediction
    return {"kalshi": chosen.kalshi_usd, "polymarket": chosen.polymarket_usd}
