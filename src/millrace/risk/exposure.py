"""How much is at risk, where, and whether one more basket still fits: limits, shares of limits, counts (arb 16).

Capital is claimed when a plan is made and given back when its last position has ended, so two plans of one cycle cannot
spend the same dollar; a naked leg counts at its full cost like any other. The same function looks at a claim when it is
planned and again when its orders would leave. Shares are shares of a limit: of what is open they would forbid the
second position of an empty book.
"""

from collections.abc import Iterable, Mapping
from enum import StrEnum
from typing import Any

import msgspec

Nano = int
"""Money in 1e-9 dollars."""
INTRA = "intra"
"""The lane that may not use up a venue's open markets."""
_NANO = 10**9


class Limit(StrEnum):
    """Which limit a claim would pass; the names are those of the desk's reasons."""

    TOTAL = "exposure_total"
    VENUE = "exposure_venue"
    CATEGORY = "exposure_category"
    MARKET = "exposure_market"
    POSITIONS = "exposure_positions"
    LANE = "exposure_lane"
    FAMILY = "exposure_family"
    OPEN_MARKETS = "exposure_open_markets"
    CLUSTER_POSITIONS = "cluster_positions"
    CLUSTER_BUDGET = "cluster_budget"


class ExposureSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Limits in dollars, shares of the total limit, and counts (arb 9.11, 16)."""

    total_usd: float = 5_000.0
    venue_usd: float = 3_000.0
    category_usd: float = 2_000.0
    market_usd: float = 1_000.0
    positions: int = 20
    venue_share: float = 0.60
    category_share: float = 0.40
    lane_positions: int = 10
    family_positions: int = 5
    open_markets: int = 10
    reserved_markets: int = 2
    cluster_positions: int = 3


class MarketClaim(msgspec.Struct, frozen=True):
    """What a claim holds of one market: capital in nano-dollars, at full cost."""

    venue: str
    market: str
    category: str
    nano: Nano


class Claim(msgspec.Struct, frozen=True):
    """Capital of one basket, named by its position id."""

    id: str
    lane: str
    family: str
    cluster: str
    markets: tuple[MarketClaim, ...]

    @property
    def nano(self) -> Nano:
        """All of it."""
        return sum(market.nano for market in self.markets)


class Exposure:
    """Every claim in force; what it sums is kept as claims come and go."""

    def __init__(self, settings: ExposureSettings) -> None:
        self.settings = settings
        self._claims: dict[str, Claim] = {}

    def __contains__(self, position: str) -> bool:
        return position in self._claims

    @property
    def claims(self) -> Mapping[str, Claim]:
        """The claims by position id."""
        return self._claims

    def claim(self, claim: Claim) -> None:
        """Set a claim; one of the same id is replaced, never added to."""
        self._claims[claim.id] = claim

    def release(self, position: str) -> None:
        """Take a claim away; of an unknown id nothing is left to take."""
        self._claims.pop(position, None)

    def cluster_nano(self, cluster: str) -> Nano:
        """Return what is claimed in a cluster."""
        return sum(claim.nano for claim in self._claims.values() if claim.cluster == cluster)

    def venue_nano(self, venue: str) -> Nano:
        """Return what is claimed at a venue."""
        return sum(market.nano for claim in self._claims.values() for market in claim.markets if market.venue == venue)

    def objections(self, wanted: Claim, cluster_budget: Nano | None = None) -> tuple[Limit, ...]:
        """Return the limits that the claim would pass on top of the others; one of its own id counts as replaced."""
        others = [claim for name, claim in self._claims.items() if name != wanted.id]
        found = [*self._money(others, wanted), *self._counts(others, wanted)]
        if cluster_budget is not None and wanted.cluster:
            used = sum(claim.nano for claim in others if claim.cluster == wanted.cluster)
            if used + wanted.nano > cluster_budget:
                found.append(Limit.CLUSTER_BUDGET)
        return tuple(found)

    def _money(self, others: list[Claim], wanted: Claim) -> Iterable[Limit]:
        settings = self.settings
        total = _nano(settings.total_usd)
        if sum(claim.nano for claim in others) + wanted.nano > total:
            yield Limit.TOTAL
        sums = _sums(others)
        more = _sums([wanted])
        caps = (
            (Limit.VENUE, "venue", min(_nano(settings.venue_usd), _nano(settings.venue_share * settings.total_usd))),
            (
                Limit.CATEGORY,
                "category",
                min(_nano(settings.category_usd), _nano(settings.category_share * settings.total_usd)),
            ),
            (Limit.MARKET, "market", _nano(settings.market_usd)),
        )
        for limit, kind, cap in caps:
            if any(sums.get(name, 0) + nano > cap for name, nano in more.items() if name[0] == kind):
                yield limit

    def _counts(self, others: list[Claim], wanted: Claim) -> Iterable[Limit]:
        settings = self.settings
        if len(others) >= settings.positions:
            yield Limit.POSITIONS
        if sum(claim.lane == wanted.lane for claim in others) >= settings.lane_positions:
            yield Limit.LANE
        if sum(claim.family == wanted.family for claim in others) >= settings.family_positions:
            yield Limit.FAMILY
        if wanted.cluster and sum(claim.cluster == wanted.cluster for claim in others) >= settings.cluster_positions:
            yield Limit.CLUSTER_POSITIONS
        most = settings.open_markets - (settings.reserved_markets if wanted.lane == INTRA else 0)
        for venue in sorted({market.venue for market in wanted.markets}):
            held = {market.market for claim in others for market in claim.markets if market.venue == venue}
            new = {market.market for market in wanted.markets if market.venue == venue}
            if new - held and len(held | new) > most:
                yield Limit.OPEN_MARKETS
                return

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"claims": msgspec.to_builtins(list(self._claims.values()))}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        claims = msgspec.convert(state["claims"], list[Claim])
        self._claims = {claim.id: claim for claim in claims}


def _sums(claims: Iterable[Claim]) -> dict[tuple[str, str], Nano]:
    """Return the capital by venue, by category and by market of a venue."""
    sums: dict[tuple[str, str], Nano] = {}
    for claim in claims:
        for market in claim.markets:
            names = [("venue", market.venue), ("market", f"{market.venue}/{market.market}")]
            if market.category:
                names.append(("category", market.category))
            for name in names:
                sums[name] = sums.get(name, 0) + market.nano
    return sums


def _nano(usd: float) -> Nano:
    return round(usd * _NANO)
