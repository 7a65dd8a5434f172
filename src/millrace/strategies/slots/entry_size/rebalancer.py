"""How much larger the entries of one side should be, so that idle money comes back to where it should be (slots 13).

A PD governor on the share of money that lies idle. It only ever makes the favoured side's entries larger, in small
steps and within a bound; it sends no orders, moves no price, and stands still while the order book is nearly full.

Three readings of the contract: smoothed error and its change, not the raw error, drive the skew, else the smoothing
would do nothing; velocity is per second, as it is written, so its share is small; a capacity band that is not normal
takes the skew away at once, because that only makes orders smaller, and from there it comes back in steps.
"""

from collections import deque
from typing import Any, Literal, NamedTuple

import msgspec

from millrace.strategies.slots.entry_size.trend import alpha
from millrace.strategies.slots.reducer.model import TradeId

IdleBasis = Literal["mark_to_market", "usd_only"]
BasisChoice = Literal["auto", "mark_to_market", "usd_only"]

RUNWAY_ENTRIES = 1.5
"""So many times the next entries' sizes are not idle; also the most that a favoured entry may grow by default."""
FLIP_WINDOW_SEC = 3600.0
FLIPS_TO_DAMP = 3
DAMPED_SHARE = 0.5
"""After so many changes of side within the window, the greatest skew is this share of itself for one window."""


class RebalanceSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of the governor (slots 21): ratios of idle money, seconds, and multiples of an entry's size."""

    enabled: bool = False
    idle_basis: BasisChoice = "auto"
    target_idle_pct: float = 0.40
    target_idle_pct_mtm: float | None = None
    kp: float = 2.0
    kd: float = 0.5
    max_skew: float = 0.30
    max_skew_step: float = 0.05
    neutral_band: float = 0.05
    ema_halflife_sec: float = 1800.0
    interval_sec: float = 300.0
    size_sensitivity: float = 1.0
    max_size_mult: float = 1.5


class Idle(NamedTuple):
    """Idle money: USD that no order and no entry about to come will need, and its share on either basis."""

    idle_usd: float
    runway_usd: float
    mark_to_market: float
    usd_only: float

    def ratio(self, basis: IdleBasis) -> float:
        """Return the share on the basis."""
        return self.mark_to_market if basis == "mark_to_market" else self.usd_only


def idle_basis(choice: BasisChoice, *, sticky: bool, in_units: bool) -> IdleBasis:
    """Return the basis by rule: mark to market for a sticky grid sized in units, else USD; a choice wins."""
    if choice != "auto":
        return choice
    return "mark_to_market" if sticky and in_units else "usd_only"


def idle_money(usd: float, committed_usd: float, next_entries_usd: float, base: float, mark: float) -> Idle:
    """Return what lies idle of total balances `usd` and `base`, at the mark.

    `committed_usd` is what live buys hold of `usd` (so `usd` is the total, never the free balance: what is held would
    be taken off twice, P14), `next_entries_usd` what the buys that come next will ask for.
    """
    runway = max(0.0, committed_usd) + RUNWAY_ENTRIES * max(0.0, next_entries_usd)
    idle = max(0.0, usd - runway)
    worth = usd + base * mark
    return Idle(idle, runway, idle / worth if worth > 0.0 else 0.0, idle / usd if usd > 0.0 else 0.0)


class Rebalancer:
    """The governor after the ratios shown so far; times are float seconds.

    `skew` > 0 favours buys (leg B), < 0 sells (leg A). `opening_target` is the mark-to-market ratio at the first
    activation, the target where the operator names none.
    """

    def __init__(self, settings: RebalanceSettings) -> None:
        self._settings = settings
        self.skew = 0.0
        self.smoothed: float | None = None
        self.velocity = 0.0
        self.ratio: float | None = None
        self.target: float | None = None
        self.opening_target: float | None = None
        self.last_at = 0.0
        self.damped_until = 0.0
        self.band_limited = False
        self._side = 0
        self._flips: deque[float] = deque()

    def base_target(self, basis: IdleBasis, ratio: float, floor: float, ceiling: float) -> float:
        """Return the target on a basis; on mark to market the first ratio seen becomes it, within the bounds."""
        if basis == "usd_only":
            return self._settings.target_idle_pct
        if self._settings.target_idle_pct_mtm is not None:
            return self._settings.target_idle_pct_mtm
        if self.opening_target is None:
            self.opening_target = min(max(ratio, floor), ceiling)
        return self.opening_target

    def update(self, ratio: float, target: float, now: float, *, band_is_normal: bool) -> float:
        """Take the idle ratio and its target at `now` and return the skew."""
        chosen = self._settings
        error = ratio - target
        dt = now - self.last_at
        if self.smoothed is None:
            self.smoothed, self.velocity = error, 0.0
        elif dt > 0.0:
            weight = alpha(dt, chosen.ema_halflife_sec)
            moved = weight * (error - self.smoothed)
            self.smoothed += moved
            self.velocity += weight * (moved / dt - self.velocity)
        self.ratio, self.target, self.last_at = ratio, target, now
        self.band_limited = not band_is_normal
        self.skew = self._stepped(self._wanted(now)) if band_is_normal else 0.0
        self._note_side(now)
        return self.skew

    def _wanted(self, now: float) -> float:
        """Return the skew that error and velocity ask for, before the limit on its change."""
        chosen, smoothed = self._settings, self.smoothed or 0.0
        if abs(smoothed) < chosen.neutral_band:
            return 0.0
        most = chosen.max_skew * (DAMPED_SHARE if now < self.damped_until else 1.0)
        return min(max(chosen.kp * smoothed + chosen.kd * self.velocity, -most), most)

    def _stepped(self, wanted: float) -> float:
        step = self._settings.max_skew_step
        return self.skew + min(max(wanted - self.skew, -step), step)

    def _note_side(self, now: float) -> None:
        """Count a change of side; zero in between does not hide one."""
        side = (self.skew > 0.0) - (self.skew < 0.0)
        while self._flips and self._flips[0] < now - FLIP_WINDOW_SEC:
            self._flips.popleft()
        if side in (0, self._side):
            return
        if self._side != 0:
            self._flips.append(now)
            if len(self._flips) >= FLIPS_TO_DAMP:
                self.damped_until = now + FLIP_WINDOW_SEC
        self._side = side

    @property
    def favoured(self) -> TradeId | None:
        """The leg whose entries are to be larger, None while neither is."""
        if self.skew == 0.0:
            return None
        return "B" if self.skew > 0.0 else "A"

    @property
    def size_multiplier(self) -> float:
        """How many times its size an entry of the favoured leg may be, in [1, max_size_mult]."""
        chosen = self._settings
        return min(chosen.max_size_mult, 1.0 + abs(self.skew) * chosen.size_sensitivity)

    def status(self, now: float) -> dict[str, Any]:
        """Return the governor's part of the `rebalancer` object (slots 18); null before its first update."""
        return {
            "idle_ratio": self.ratio,
            "target": self.target,
            "error": None if self.ratio is None or self.target is None else self.ratio - self.target,
            "smoothed_error": self.smoothed,
            "velocity_per_sec": None if self.smoothed is None else self.velocity,
            "skew": self.skew,
            "favoured_side": {None: None, "A": "sell", "B": "buy"}[self.favoured],
            "size_multiplier": self.size_multiplier,
            "sign_flips_1h": sum(at >= now - FLIP_WINDOW_SEC for at in self._flips),
            "damped_sec": max(0.0, self.damped_until - now),
            "capacity_limited": self.band_limited,
        }

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {
            "skew": self.skew,
            "smoothed": self.smoothed,
            "velocity": self.velocity,
            "ratio": self.ratio,
            "target": self.target,
            "opening_target": self.opening_target,
            "last_at": self.last_at,
            "damped_until": self.damped_until,
            "band_limited": self.band_limited,
            "side": self._side,
            "flips": list(self._flips),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave, within the greatest skew of today's settings."""
        self.skew, self.smoothed, self.velocity = state["skew"], state["smoothed"], state["velocity"]
        self.ratio, self.target, self.opening_target = state["ratio"], state["target"], state["opening_target"]
        self.last_at, self.damped_until = state["last_at"], state["damped_until"]
        self.band_limited, self._side = state["band_limited"], state["side"]
        self._flips = deque(state["flips"])
        most = self._settings.max_skew
        self.skew = min(max(self.skew, -most), most)


def favoured_multiplier(wanted: float, need: float, free: float) -> float:
    """Return how many times its size an entry may be when `need` is its money at once and `free` what there is.

    What is left must pay for one more entry of that size, so that growing one order never takes the next one's money;
    with less than that the order stays at its own size (slots 13, fund guard).
    """
    if need <= 0.0:
        return 1.0
    return max(1.0, min(wanted, free / need - 1.0))
