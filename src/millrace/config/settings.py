"""The typed result of loading: what each part reads, where each value came from, and what was noticed on the way.

It is data only; the rules that made it stand in `load` and `rules`.
"""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Literal

import msgspec

from millrace.capacity.slo import SloSettings
from millrace.core.events import Scalar
from millrace.market.firewall_settings import FirewallSettings
from millrace.risk.settings import StopsSettings
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.quoting.settings import QuotingSettings
from millrace.strategies.slots.settings import SlotsSettings

Layer = Literal["default", "profile", "file", "environment file", "environment", "command line"]


class Notice(msgspec.Struct, frozen=True):
    """Something a person should know about the configuration; `code` stays the same, `text` is for reading."""

    severity: Literal["info", "warning"]
    code: str
    key: str
    text: str


class Setting(msgspec.Struct, frozen=True):
    """The value of one knob, the layer that gave it, and the place within that layer."""

    value: Scalar
    layer: Layer
    where: str


class RunSettings(msgspec.Struct, frozen=True, kw_only=True):
    """What a run trades, its seed, and the name that tells its orders from another installation's.

    `entry_valid_for_sec` is how long an entry may wait in the outbox, 0 for ever. A demo that need not survive a
    loss of power does not wait for the medium.
    """

    instrument: str
    seed: int
    installation: str
    entry_valid_for_sec: float
    survives_power_loss: bool


class VenueSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The simulated venue: opening balances in coins, our share of volume, travel times, whether it limits calls.

    A fee of None is the one that the instrument's facts name.
    """

    base_balance: float
    quote_balance: float
    participation: float
    request_latency_ms: int
    response_latency_ms: int
    latency_jitter_ms: int
    rate_limits: bool
    maker_fee_pct: float | None = None
    taker_fee_pct: float | None = None


class PredictionSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The simulated prediction venues: their universe, opening cash, and the pace of our calls."""

    markets: int
    quotes_per_sec: float
    prints_per_sec: float
    informed_share: float
    plants_per_hour: float
    plants_within_sec: int
    early_share: float
    early_within_sec: int
    kalshi_usd: float
    polymarket_usd: float
    calls_per_sec: int
    answer_sec: float
    leg_valid_for_sec: float


class QuoteDeskSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The quote desk in a program: whether there is one, its simulated venue and account, and how often it looks.

    `queue` names the model by which those ahead of us leave a simulated queue; a `tempo` of 1 is a busy venue, and a
    generated market changes its mood every `mood_min` minutes.
    """

    enabled: bool
    profile: str
    overrides: str
    symbols: int
    tempo: float
    mood_min: int
    cash_usd: float
    coins_usd: float
    maker_fee_bps: float
    taker_fee_bps: float
    feed_delay_ms: int
    request_latency_ms: int
    response_latency_ms: int
    latency_jitter_ms: int
    queue: str
    checksummed: int
    calls_per_sec: int
    min_tick_ms: int
    look_ms: int


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """The whole configuration of a program; `values` holds every knob under its key, in key order."""

    profile: str
    run: RunSettings
    venue: VenueSettings
    slots: SlotsSettings
    stops: StopsSettings
    slo: SloSettings
    firewall: FirewallSettings
    arb: ArbSettings
    prediction: PredictionSettings
    quote_desk: QuoteDeskSettings
    quoting: QuotingSettings
    values: Mapping[str, Setting]
    notices: tuple[Notice, ...]
    secret_keys: frozenset[str]

    def flat(self) -> dict[str, Scalar]:
        """Return every value under its key, sorted, without secrets: what a report or a journal may hold."""
        return {key: setting.value for key, setting in self.values.items() if key not in self.secret_keys}

    @property
    def digest(self) -> str:
        """Hash of `flat` (32 hex digits): equal for equal values, whatever layer they came from."""
        return blake2b(msgspec.json.encode(self.flat()), digest_size=16).hexdigest()
