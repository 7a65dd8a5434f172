"""What a simulated venue of binary markets is told before it opens; every figure is an assumption about a real one.

The draws that hurt (travel times, slipped books, others who were faster) have the contract's figures (arb 17) and can
be set to nothing for a test. What legs cost that miss each other is no knob: it is what repairing them costs here.
"""

from functools import cached_property
from hashlib import blake2b
from statistics import NormalDist

import msgspec

from millrace.core.instrument import PPM, Instrument, Money
from millrace.strategies.arb.listing import outcome_instruments
from millrace.strategies.arb.model import MarketFacts

_MS = 1_000_000
_WORD = 2**64


class PredictionSettings(msgspec.Struct, frozen=True, kw_only=True, dict=True):
    """One account at one venue of binary markets.

    A taker meets prices that slipped against it by |normal(0, `slippage_sd_ticks`)| up to `slippage_cap_ticks`, and so
    often in a million somebody took half of the book before it. With `nets` a YES and a NO of one market become a
    dollar at once. `ended_kept` bounds what can be asked about later.
    """

    venue: str
    markets: tuple[MarketFacts, ...]
    opening: dict[str, Money]
    seed: int
    nets: bool = False
    latency_mean_ns: int = 1_500 * _MS
    latency_sd_ns: int = 750 * _MS
    response_latency_ns: int = 25 * _MS
    slippage_sd_ticks: int = 50
    slippage_cap_ticks: int = 200
    adverse_ppm: int = 150_000
    ended_kept: int = 10_000

    @cached_property
    def instruments(self) -> tuple[Instrument, ...]:
        """YES and NO of each market, in the markets' order."""
        return tuple(outcome for facts in self.markets for outcome in outcome_instruments(facts))


class Luck:
    """What one seed has in store for each order: the same for the same order, whatever else happens."""

    __slots__ = ("_key", "_settings")

    def __init__(self, settings: PredictionSettings) -> None:
        self._settings = settings
        self._key = blake2b(f"prediction/{settings.venue}/{settings.seed}".encode(), digest_size=32).digest()

    def travel_ns(self, client_id: str) -> int:
        """Return how long every request about this order travels, so that its cancel cannot overtake it."""
        settings = self._settings
        if not settings.latency_sd_ns:
            return settings.latency_mean_ns
        drawn = settings.latency_mean_ns + round(settings.latency_sd_ns * self._normal(client_id, b"travel"))
        return max(drawn, settings.response_latency_ns)

    def slipped_ticks(self, client_id: str, tick: int) -> int:
        """Return by how many ticks of 1/10000 dollar, whole steps of `tick`, the book has moved against a taker."""
        settings = self._settings
        drawn = abs(round(settings.slippage_sd_ticks * self._normal(client_id, b"slip")))
        return (min(drawn, settings.slippage_cap_ticks) + tick // 2) // tick * tick

    def is_beaten(self, client_id: str) -> bool:
        """Tell whether others took half of the book before this taker."""
        return self._uniform(client_id, b"beaten") * PPM < self._settings.adverse_ppm

    def _uniform(self, client_id: str, what: bytes) -> float:
        digest = blake2b(client_id.encode(), key=self._key, person=what, digest_size=8).digest()
        return (int.from_bytes(digest, "little") + 0.5) / _WORD

    def _normal(self, client_id: str, what: bytes) -> float:
        return NormalDist().inv_cdf(min(self._uniform(client_id, what), 1 - 1e-12))
