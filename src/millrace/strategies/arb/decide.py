"""One candidate, one decision: styles, value, size and gates together, with every reason that speaks against it.

Sizes and gates depend on each other: a smaller size costs less impact and earns less money. So a basket is priced anew
at the size that its stake allows and passes every gate there; if it does not, smaller sizes get their turn, eight at
most (arb 9.1). What is decided here is the only way to a plan, and the row tells all of it.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.fee_terms import CONTRACT_LOTS, PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Lots
from millrace.orders.fees import FeeStatements
from millrace.risk.exposure import Claim, Exposure, MarketClaim
from millrace.sizing.lane_bankroll import LaneBankroll
from millrace.sizing.looks import Look, Looks
from millrace.sizing.overlays import variance_shrink
from millrace.strategies.arb.books_at_hand import AsTakers, Hand, Seen, hand_of, styled
from millrace.strategies.arb.economics.assessment import Assessment, Outlook, assess, resized
from millrace.strategies.arb.economics.calibration import CalibrationBook, Forecast
from millrace.strategies.arb.economics.flow import FlowBook
from millrace.strategies.arb.economics.impact import ImpactBook
from millrace.strategies.arb.economics.joint_fill import get_ready
from millrace.strategies.arb.economics.markouts import MarkoutBook
from millrace.strategies.arb.economics.style import Rest
from millrace.strategies.arb.gates.check import (
    Context,
    Thresholds,
    market_reasons,
    rule_reasons,
    thresholds,
    value_reasons,
)
from millrace.strategies.arb.gates.moves import Moves
from millrace.strategies.arb.gates.ranking import BucketRanking
from millrace.strategies.arb.gates.reasons import Reason, in_order
from millrace.strategies.arb.gates.settings import read_overrides
from millrace.strategies.arb.lockup import Lockup
from millrace.strategies.arb.model import LANES, Basket, Lane, MarketFacts, NanoUsd
from millrace.strategies.arb.rules.records import NO_RULES, RuleSet
from millrace.strategies.arb.settings import ArbSettings
from millrace.strategies.arb.staking import (
    TRIES,
    Doubt,
    Money,
    Shrink,
    Stake,
    Trail,
    doubt,
    size_caps,
    smaller,
    stake_contracts,
    whole_lots,
)
from millrace.strategies.arb.track_record import TrackRecord

_NANO = 1e9
_SIZE_BOUND = frozenset(
    {
        Reason.EXPECTED_PROFIT,
        Reason.CAPITAL,
        Reason.CLUSTER_BUDGET,
        Reason.EXPOSURE_TOTAL,
        Reason.EXPOSURE_VENUE,
        Reason.EXPOSURE_CATEGORY,
        Reason.EXPOSURE_MARKET,
    }
)
"""What only says that a size was too large or too small; of a size that nobody wants to trade it says nothing."""
_CAP_REASONS = {"free": Reason.CAPITAL, "venue_cash": Reason.CAPITAL, "cluster": Reason.CLUSTER_BUDGET}


class Decision(msgspec.Struct, frozen=True, kw_only=True):
    """What was decided about one candidate; `basket` is at its final size, or as detected when it was rejected.

    `reasons` are all that object, in the fixed order. `quarantine`: the edge is so large that the mapping is presumed
    wrong (arb 4.8). `alert`: this edge stood out from its own looks too often in a row (arb 9.9).
    """

    basket: Basket
    reasons: tuple[Reason, ...]
    assessment: Assessment | None
    trail: Trail
    detected_nano: NanoUsd
    quarantine: bool = False
    alert: bool = False

    @property
    def opened(self) -> bool:
        """Whether a plan may follow."""
        return not self.reasons

    @property
    def verdict(self) -> str:
        """The word of the decision row."""
        return "opened" if self.opened else "rejected"

    @property
    def reason(self) -> Reason | None:
        """The primary reason: the first in the fixed order."""
        return self.reasons[0] if self.reasons else None

    @property
    def expected_nano(self) -> NanoUsd | None:
        """Expected realized profit at the decided size; None when it was never reckoned."""
        return None if self.assessment is None else self.assessment.expected_nano


class Ended(msgspec.Struct, frozen=True, kw_only=True):
    """What became of an opened basket, for everything that learns from outcomes; money in dollars.

    `position` is the id under which its capital was claimed, `filled` whether all legs matched by their plan,
    `slippage` the dollars per contract beyond it, `realized` the cash that moved in the end, `hours` how long capital
    was locked.
    """

    position: str
    lane: Lane
    rule: str
    contracts: float
    cost: float
    realized: float
    expected: float
    slippage: float
    filled: bool
    hours: float


class _Case(NamedTuple):
    """One candidate under way: what is decided so far, its books, and the moment."""

    plain: Decision
    hand: Hand
    outlook: Outlook
    context: Context
    needed: Thresholds
    rest: Rest | None = None


_RESTORED = (
    "exposure", "impact", "calibration", "lanes", "ranking", "lockup", "moves", "looks", "record", "flow", "marks"
)  # fmt: skip


class _Saved(msgspec.Struct):
    statements: FeeStatements
    claimed_ns: int
    claimed: dict[str, NanoUsd]


class Decider:
    """Decides candidates one after the other; what it claims for one is not there for the next."""

    def __init__(
        self, facts: Iterable[MarketFacts], rules: RuleSet = NO_RULES, settings: ArbSettings | None = None
    ) -> None:
        get_ready()
        self.settings = (settings or ArbSettings()).judged()
        stake, gates = self.settings.stake, self.settings.gates
        self._facts = {fact.market: fact for fact in facts}
        self._gates = read_overrides(gates.overrides)
        self.exposure = Exposure(self.settings.exposure)
        self.impact = ImpactBook(self.settings.economics)
        self.calibration = CalibrationBook(self.settings.economics)
        self.statements = FeeStatements()
        self.lanes = LaneBankroll([lane for lane in LANES if self._gates[lane].enabled is not False], stake)
        self.ranking = BucketRanking(gates.ranking_seed)
        self.lockup = Lockup(stake.longest_lock_hours)
        self.moves = Moves(gates.moved_sec, gates.moved_ticks)
        self.looks = Looks(stake)
        self.flow = FlowBook(self.settings.economics)
        self.marks = MarkoutBook(self.settings.economics)
        self.record = TrackRecord(stake)
        self._claimed_ns = 0
        self._claimed: dict[str, NanoUsd] = {}
        self._confidence: dict[str, float] = {}
        self.rules_changed(rules)

    def fact(self, market: InstrumentId) -> MarketFacts | None:
        """Return what is known of a market; None for one that the desk does not trade."""
        return self._facts.get(market)

    # What it is told

    def rules_changed(self, rules: RuleSet) -> None:
        """Take the rules in force: the confidence of mapped pairs comes from them."""
        self._confidence = {pair.group_id: pair.confidence for pair in rules.pairs}

    def observe(self, quote: BinaryQuote) -> None:
        """Take a quote, for the gate against prices that have just moved."""
        self.moves.observe(quote)

    def claim_of(self, position: str, basket: Basket) -> Claim:
        """Return what a basket would claim: each market's capital at full cost, fees included."""
        markets = []
        for leg in basket.legs:
            market = leg.proposition.market
            nano = leg.cost_nano + leg.fee_nano
            markets.append(MarketClaim(market.venue, market.symbol, self._category(market), nano))
        return Claim(position, basket.lane.value, basket.family, basket.cluster, tuple(markets))

    def opened(self, position: str, decision: Decision, now_ns: int) -> None:
        """Claim the capital of a decision whose plan leaves, and remember what was expected of it (arb 11.7)."""
        basket, found = decision.basket, decision.assessment
        claim = self.claim_of(position, basket)
        self.exposure.claim(claim)
        if now_ns != self._claimed_ns:
            self._claimed_ns, self._claimed = now_ns, {}
        for market in claim.markets:
            self._claimed[market.venue] = self._claimed.get(market.venue, 0) + market.nano
        contracts = basket.lots / CONTRACT_LOTS
        if found is not None and contracts:
            profit = found.expected_nano / _NANO / contracts
            slip = found.slippage_nano / _NANO / contracts
            self.calibration.predicted(Forecast(position, _group(basket), found.fill_probability, slip, profit))

    def holds(self, position: str, like: Claim, spent: Mapping[InstrumentId, NanoUsd]) -> None:
        """Set a claim to what a basket really holds of each market; one that holds nothing claims nothing.

        A fill that is heard of late claims its cost again, whatever was released before (arb 0.7, 16).
        """
        markets = tuple(
            MarketClaim(market.venue, market.symbol, self._category(market), nano)
            for market, nano in spent.items()
            if nano > 0
        )
        if markets:
            self.exposure.claim(msgspec.structs.replace(like, id=position, markets=markets))
        else:
            self.exposure.release(position)

    def _category(self, market: InstrumentId) -> str:
        fact = self._facts.get(market)
        return "" if fact is None else fact.category

    def filled(self, venue: str, lane: Lane, share_of_depth: float, signed_slippage: float) -> None:
        """Learn from one taker fill what it cost beyond its plan, dollars per contract."""
        self.impact.add(venue, lane.family, share_of_depth, signed_slippage)

    def charged(self, venue: str, estimated_nano: NanoUsd, stated_nano: NanoUsd, *, maker: bool) -> None:
        """Hold one order's estimated fee to what the venue stated (arb 6)."""
        self.statements.add(venue, estimated_nano, stated_nano, maker=maker)

    def executed(self, lane: Lane, *, failed: bool) -> None:
        """Count execution failures of buckets: some in a row switch the lane off for the session (arb 10)."""
        self.record.executed(lane, failed=failed)

    def buckets_back(self) -> None:
        """An operator lets buckets trade again."""
        self.record.bucket_failures = 0

    def ended(self, end: Ended) -> tuple[str, ...]:
        """Give the capital back and learn from what was realised; an expected value never stands in for it.

        Returns what a person should hear of forecasts that turned out to be biased, once per bias.
        """
        self.exposure.release(end.position)
        per_contract = end.realized / end.contracts if end.contracts else 0.0
        self.calibration.came(end.position, filled=end.filled, slippage=end.slippage, profit=per_contract)
        self.record.ended(end.lane, end.realized, end.expected)
        if end.cost <= 0:
            return self.calibration.new_alerts()
        self.lanes.ended(end.lane, end.realized / end.cost)
        self.lockup.ended(end.lane, end.hours)
        if end.lane is Lane.BUCKET:
            self.ranking.ended(end.rule, per_contract)
        return self.calibration.new_alerts()

    # Deciding

    def decide(self, basket: Basket, context: Context, *, rests: bool = True) -> Decision:
        """Return what is decided about a candidate of this cycle; the caller tells `opened` before it asks again.

        Without `rests` every leg takes.
        """
        hand = hand_of(basket, self._facts, context.book, self.settings.economics)
        look, now = self._look(basket, hand, context)
        gate = self._gates[basket.lane]
        confidence = self._confidence.get(basket.rule)
        reasons = [
            *market_reasons(basket, self._facts, context, self.settings.gates, self.settings.lanes),
            *rule_reasons(basket, confidence, gate, context, self.settings.gates),
            *self._own_reasons(basket, look, context),
        ]
        quarantine = Reason.SANITY_EDGE in reasons and basket.lane.family == Lane.CROSS.family
        plain = Decision(
            basket=basket, reasons=in_order(reasons), assessment=None, trail=(), detected_nano=basket.net_nano,
            quarantine=quarantine, alert=look.alert,
        )  # fmt: skip
        if hand is None:
            return plain if reasons else msgspec.structs.replace(plain, reasons=(Reason.QUOTE_STATE,))
        hours = self.lockup.hours(basket, self._facts, context.now_ns)
        needed = thresholds(self.settings.gates, gate, hours)
        outlook = Outlook(context.now_ns, hours, (now - look.edge) * _NANO)
        return self._sized(_Case(plain, hand, outlook, context, needed), rests=rests)

    def _look(self, basket: Basket, hand: Hand | None, context: Context) -> tuple[Look, float]:
        """Look at the edge of the first contract, which does not hang on any size; returns it beside what it says."""
        edge, tick = basket.net_per_contract, 100
        if hand is not None:
            edge = basket.floor - sum(offer.rungs[0][0] for offer in hand.offers) / _NANO
            tick = max(offer.fact.tick for offer in hand.offers)
        return self.looks.look(basket.direction, context.now_ns, edge, tick / PAYOUT_TICKS), edge

    def _own_reasons(self, basket: Basket, look: Look, context: Context) -> Iterable[Reason]:
        if look.outlier:
            yield Reason.OUTLIER
        for leg in basket.legs:
            fact = self._facts.get(leg.proposition.market)
            if fact is not None and self.moves.moved(fact.market, fact.tick, context.now_ns):
                yield Reason.PRICE_MOVED
                break
        if self.lockup.hours(basket, self._facts, context.now_ns) > self.settings.stake.longest_lock_hours:
            yield Reason.HORIZON
        if basket.lane is Lane.BUCKET and (
            self.record.bucket_failures >= self.settings.gates.bucket_failures
            or self.ranking.is_bad(basket.rule, len(basket.legs))
        ):
            yield Reason.BUCKET_RECORD

    def _sized(self, case: _Case, *, rests: bool) -> Decision:
        """Find the size, price the basket anew there and look at every gate again (arb 9.1)."""
        basket, context, stake = case.plain.basket, case.context, self.settings.stake
        money = self._money(basket, context)
        caps = tuple(size_caps(basket, case.hand.offers, money, self.settings.economics, stake))
        name, most = min(caps, key=lambda cap: cap[1])
        lots = min(whole_lots(most, case.hand.offers), basket.max_lots)
        first = resized(basket, case.hand.offers, lots) if lots else None
        if first is None:
            return self._refused(case, (_CAP_REASONS.get(name, Reason.SIZE),), caps)
        case, extra = self._in_styles(case, first, lots) if rests else (case, [])
        first = resized(basket, case.hand.offers, lots) or first
        found = self._assessed(first, case)
        sure, shrink = self._doubt(basket, context), self._shrink(basket, context)
        gate = self._gates[basket.lane]
        allowed = stake_contracts(found, first, sure, money, shrink, gate, case.outlook.hours, stake)
        trail = (*caps, *allowed.trail)
        extra += self._stake_reasons(sure, shrink, allowed)
        if extra:
            return self._refused(case, extra, trail)
        wanted = min(allowed.contracts, self.looks.most(basket.direction, context.now_ns))
        if gate.cap_usd is not None:
            wanted = min(wanted, gate.cap_usd * _NANO / found.cost_nano * lots / CONTRACT_LOTS)
        return self._settled(case, min(whole_lots(wanted, case.hand.offers), lots), trail)

    def _in_styles(self, case: _Case, first: Basket, lots: Lots) -> tuple[_Case, list[Reason]]:
        """Choose each leg's style by what the basket is worth to takers; no style is a reason of its own (arb 7.5)."""
        takers = case._replace(hand=Hand(case.hand.takers, case.hand.takers))
        found = self._assessed(resized(first, case.hand.takers, lots) or first, takers)
        per_nano = CONTRACT_LOTS / lots / _NANO
        worth = AsTakers(found.expected_nano * per_nano, found.repair_nano * per_nano, found.fill_probability)
        seen = Seen(self.flow, self.marks)
        hand, rest = styled(case.hand, lots, worth, 0.0, case.context.now_ns, seen, self.settings.economics)
        if hand is None:
            return case, [Reason.NO_STYLE]
        return case._replace(hand=hand, rest=rest), []

    def _settled(self, case: _Case, lots: Lots, trail: Trail) -> Decision:
        """Try sizes downwards until one passes every gate; else refuse with what stood against the first."""
        last: Decision | None = None
        for _ in range(TRIES):
            if not lots:
                break
            sized = resized(case.plain.basket, case.hand.offers, lots)
            if sized is not None:
                at_size = self._at(case, sized, (*trail, ("size", lots / CONTRACT_LOTS)))
                if at_size.opened:
                    self.looks.allowed(sized.direction, case.context.now_ns, lots / CONTRACT_LOTS)
                    return at_size
                last = last or at_size
                if case.plain.reasons:
                    break
            lots = smaller(lots, case.hand.offers)
        if last is None:
            return self._refused(case, (Reason.SIZE,), trail)
        return msgspec.structs.replace(last, basket=case.plain.basket)

    def _at(self, case: _Case, sized: Basket, trail: Trail) -> Decision:
        """Return what every gate says of the basket at a size."""
        found = self._assessed(sized, case)
        claim = self.claim_of("", sized)
        budget = int(self.settings.stake.cluster_share * case.context.equity)
        reasons = [
            *case.plain.reasons,
            *value_reasons(sized, found, case.needed, self.settings.gates),
            *(Reason(limit.value) for limit in self.exposure.objections(claim, budget)),
        ]
        spent: dict[str, NanoUsd] = {}
        for market in claim.markets:
            spent[market.venue] = spent.get(market.venue, 0) + market.nano
        if any(self._free(venue, case.context) < nano for venue, nano in spent.items()):
            reasons.append(Reason.CAPITAL)
        return msgspec.structs.replace(
            case.plain, basket=sized, assessment=found, reasons=in_order(reasons), trail=trail
        )

    def _refused(self, case: _Case, extra: Sequence[Reason], trail: Trail) -> Decision:
        """Refuse with `extra` and every gate that objects at the detected size, so that the row says all of them."""
        shown = self._at(case, case.plain.basket, trail)
        kept = [reason for reason in shown.reasons if reason not in _SIZE_BOUND]
        return msgspec.structs.replace(shown, reasons=in_order([*kept, *extra]))

    def _assessed(self, basket: Basket, case: _Case) -> Assessment:
        settings, rest = self.settings.economics, case.rest
        seen = Seen(self.flow, self.marks)
        fills = case.hand.fills(basket.legs, basket.lots, case.context.now_ns, seen, settings)
        if rest is not None:
            rest = rest._replace(fill=1 - (1 - fills[rest.leg]) ** settings.maker_attempts)
        return assess(basket, case.hand.takers, fills, case.outlook, self.impact, settings, rest)

    # What the stake is made of

    def _free(self, venue: str, context: Context) -> NanoUsd:
        """Return a venue's free money less what this very moment's plans have claimed already (arb 11.7)."""
        claimed = self._claimed.get(venue, 0) if context.now_ns == self._claimed_ns else 0
        return context.free.get(venue, 0) - claimed

    def _money(self, basket: Basket, context: Context) -> Money:
        bankroll = context.equity / _NANO
        venues = {leg.proposition.market.venue for leg in basket.legs}
        return Money(
            bankroll=bankroll,
            lane=bankroll * self.lanes.fraction(basket.lane),
            venue_cash={venue: context.cash.get(venue, 0) / _NANO for venue in venues},
            venue_free={venue: max(self._free(venue, context), 0) / _NANO for venue in venues},
            cluster_budget=bankroll * self.settings.stake.cluster_share,
            cluster_used=self.exposure.cluster_nano(basket.cluster) / _NANO,
        )

    def _doubt(self, basket: Basket, context: Context) -> Doubt:
        age = (context.now_ns - basket.oldest_ns) / _NANO / self.settings.gates.quote_age_sec
        error = self.calibration.error(_group(basket))
        outcomes = len(self.lanes.returns(basket.lane))
        return doubt(basket, self._confidence.get(basket.rule), age, error, outcomes, self.settings.stake)

    def _shrink(self, basket: Basket, context: Context) -> Shrink:
        stake = self.settings.stake
        drawdown = self.record.shrink(basket.lane, context.equity / _NANO, context.now_ns)
        return Shrink(variance_shrink(self.lanes.returns(basket.lane), stake), drawdown, context.multiplier)

    def _stake_reasons(self, sure: Doubt, shrink: Shrink, allowed: Stake) -> list[Reason]:
        reasons = [] if allowed.reason is None else [allowed.reason]
        stake = self.settings.stake
        if sure.error > stake.max_uncertainty or sure.confidence < stake.least_confidence:
            reasons.append(Reason.UNCERTAINTY)
        if shrink.drawdown <= 0:
            reasons.append(Reason.DRAWDOWN)
        return reasons

    def status(self, now_ns: int) -> dict[str, Any]:
        """Return what was learned and what is claimed, for people; strict JSON."""
        return {
            "claimed_usd": sum(claim.nano for claim in self.exposure.claims.values()) / _NANO,
            "drawdown_multiplier": self.record.multiplier,
            "lanes": {lane.value: round(self.lanes.fraction(lane), 4) for lane in LANES},
            "calibration": {
                found.group: {"known": found.known, "brier": round(found.brier, 4), "alerts": list(found.alerts)}
                for found in self.calibration.reports()
            },
            "resting": {"flows_known": self.flow.known(now_ns), "moves": self.marks.status()},
            "fees": {
                f"{found.venue} {'maker' if found.maker else 'taker'}": {
                    "orders": found.orders,
                    "mean_error_usd": found.mean_error_nano / _NANO,
                    "discrepancy": found.is_discrepancy,
                }
                for found in self.statements.comparisons()
            },
        }

    # What comes back after a restart

    def snapshot(self) -> dict[str, Any]:
        """Return everything learned and claimed as builtins."""
        parts = {name: getattr(self, name).snapshot() for name in _RESTORED}
        saved = _Saved(self.statements, self._claimed_ns, self._claimed)
        return {**parts, "own": msgspec.to_builtins(saved)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        for name in _RESTORED:
            getattr(self, name).restore(state[name])
        saved = msgspec.convert(state["own"], _Saved)
        self.statements, self._claimed_ns, self._claimed = saved.statements, saved.claimed_ns, saved.claimed


def _group(basket: Basket) -> str:
    """Return the group of a basket's forecasts: venues, lane, style (arb 8.7)."""
    venues = "+".join(sorted({leg.proposition.market.venue for leg in basket.legs}))
    return f"{venues}|{basket.lane.value}|{basket.style}"
