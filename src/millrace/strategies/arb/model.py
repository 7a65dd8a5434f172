"""What the desk talks about: markets, propositions, legs, baskets, and the keys that name them.

A proposition is a market and the outcome that makes it true; a rule that refers to the NO side means the negation, and
everything downstream works on propositions, never on raw markets (arb 3). Prices are ticks of 1/10000 dollar, sizes
millionths of a contract, money nano-dollars, all integers.
"""

from enum import StrEnum
from typing import NamedTuple

import msgspec

from millrace.core.binary_events import RedeemRoute
from millrace.core.fee_terms import FeeSchedule
from millrace.core.instrument import InstrumentId, Lots, Outcome, Ticks, outcome_id
from millrace.market.buying import Origin

NanoUsd = int
"""Money in 1e-9 dollars, whatever the venue's currency."""
TICK_LOTS_PER_NANO = 10
"""ticks x lots counts 1e-10 dollars."""


class Lane(StrEnum):
    """The lanes in their rank: the order in which equal candidates stand (runtime 2.10)."""

    INTRA = "intra"
    CROSS = "cross"
    PARITY = "parity"
    BUCKET = "bucket"
    EVENT_TREE = "event_tree"
    IMPLICATION = "implication"
    COMBO = "combo"

    @property
    def kind(self) -> str:
        """The kind of basket that the lane finds, as opportunities name it (arb 1)."""
        return _KINDS[self]

    @property
    def family(self) -> str:
        """The family that reports count the lane under (arb 1)."""
        return _FAMILIES[self]


_KINDS = {
    Lane.INTRA: "intra_venue",
    Lane.CROSS: "cross_venue",
    Lane.PARITY: "structural_parity",
    Lane.BUCKET: "structural_bucket",
    Lane.EVENT_TREE: "structural_event_tree",
    Lane.IMPLICATION: "structural_implication",
    Lane.COMBO: "combo",
}
_FAMILIES = {
    Lane.INTRA: "intra",
    Lane.CROSS: "cross_parity",
    Lane.PARITY: "cross_parity",
    Lane.BUCKET: "bucket",
    Lane.EVENT_TREE: "event_tree",
    Lane.IMPLICATION: "event_tree",
    Lane.COMBO: "combo",
}
LANES = tuple(Lane)


class Style(StrEnum):
    """How a leg meets the book."""

    TAKER = "taker"
    MAKER = "maker"


class Tier(StrEnum):
    """How far a mapping is trusted (arb 14.2); rules within one venue need none."""

    NONE = "none"
    STRICT = "strict"
    FALLBACK = "fallback"
    UNVERIFIED = "unverified"


class Proposition(NamedTuple):
    """The statement that a market resolves to an outcome."""

    market: InstrumentId
    outcome: Outcome = Outcome.YES

    @property
    def instrument(self) -> InstrumentId:
        """The instrument whose contracts pay when it is true."""
        return outcome_id(self.market, self.outcome)

    @property
    def negation(self) -> "Proposition":
        """The statement that it does not."""
        return Proposition(self.market, self.outcome.opposite)


class MarketFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a venue says about one market (arb 1); an unknown time is None, an unknown fee makes it untradable.

    `listed_in_event` is how many outcomes the event ever listed, settled ones included; 0 when unknown. `strike_type`
    is the venue's word (`greater`, `less`, `between`, `by_date`), `strike_*` its structured figures (a date counts in
    seconds), `subject` whom or what the strike is about where one event has several (a team). `parent` is the id of the
    market that this one is a case of, `result` how it resolved: `yes`, `no`, or empty. `pair_route` is how a YES and a
    NO of the market become a dollar: at once where the venue nets or merges them (arb 9.8).
    """

    market: InstrumentId
    event: str
    title: str = ""
    event_title: str = ""
    outcome_label: str = ""
    rules_text: str = ""
    status: str = "open"
    category: str = ""
    series: str = ""
    open_ns: int | None = None
    close_ns: int | None = None
    resolves_ns: int | None = None
    mutually_exclusive: bool | None = None
    neg_risk: bool = False
    augmented: bool = False
    listed_in_event: int = 0
    parent: str = ""
    strike_type: str = ""
    strike_low: float | None = None
    strike_high: float | None = None
    subject: str = ""
    result: str = ""
    resolution_source: str = ""
    fees: FeeSchedule | None = None
    tick: Ticks = 100
    lot: Lots = 1_000_000
    min_lots: Lots = 1_000_000
    mirrored: bool = False
    can_sell: bool = True
    currency: str = "USD"
    pair_route: RedeemRoute = RedeemRoute.RESOLUTION


class Leg(NamedTuple):
    """One leg of a basket at a size: what is bought, how, the worst price paid, and what it costs.

    `depth_lots` is what the book shows up to `limit_ticks`; `cost_nano` the sum over its levels, without the fee.
    """

    proposition: Proposition
    style: Style
    limit_ticks: Ticks
    depth_lots: Lots
    cost_nano: NanoUsd
    fee_nano: NanoUsd
    bid_ticks: Ticks
    quote_ts_ns: int
    version: int
    origin: Origin

    @property
    def sort_key(self) -> tuple[str, str, str]:
        """Canonical order of legs: venue, market, side (arb 1)."""
        market = self.proposition.market
        return market.venue, market.symbol.lower(), self.proposition.outcome.value


class Basket(msgspec.Struct, frozen=True, kw_only=True):
    """An opportunity: legs in canonical order, each bought in `lots`, and what the proof says that they pay.

    `floor` is the least number of winning contracts per basket in any permitted world; `proof` says by which rule and
    label. All money is for the whole size `lots`. `horizon_ns` is when the last leg pays, None when unknown.
    """

    lane: Lane
    legs: tuple[Leg, ...]
    lots: Lots
    max_lots: Lots
    floor: int
    proof: str
    rule: str
    label: str
    relation: str
    tier: Tier
    family: str
    cluster: str
    cost_nano: NanoUsd
    fee_nano: NanoUsd
    oldest_ns: int
    newest_ns: int
    horizon_ns: int | None
    aliases: tuple[Lane, ...] = ()

    @property
    def floor_nano(self) -> NanoUsd:
        """What the whole size pays at least."""
        return self.floor * self.lots * 1_000

    @property
    def gross_nano(self) -> NanoUsd:
        """Floor less prices, before fees."""
        return self.floor_nano - self.cost_nano

    @property
    def net_nano(self) -> NanoUsd:
        """Floor less prices and fees."""
        return self.gross_nano - self.fee_nano

    @property
    def net_per_contract(self) -> float:
        """Net edge of one basket in dollars."""
        return self.net_nano / (self.lots * 1_000) if self.lots else 0.0

    @property
    def net_per_floor(self) -> float:
        """Net edge of one basket per dollar of its floor: what thresholds look at (arb 3)."""
        return self.net_per_contract / self.floor if self.floor else float("-inf")

    @property
    def net_on_cost(self) -> float:
        """Net edge per dollar spent."""
        spent = self.cost_nano + self.fee_nano
        return self.net_nano / spent if spent else 0.0

    @property
    def style(self) -> str:
        """The style signature: the legs' styles in canonical order."""
        return "".join("m" if leg.style is Style.MAKER else "t" for leg in self.legs)

    @property
    def direction(self) -> str:
        """Family key and the sides taken, in key order (arb 1)."""
        return f"{self.family}|{','.join(leg.proposition.outcome.value for leg in self.legs)}"
