"""Watches the mapped pairs while the desk trades, and says which of them may be used.

A mapping that was right when it was approved can become wrong: a venue edits its rules, a market closes, and an edge
that stands for ten minutes and that nobody takes is not free money but a wrong mapping. So every check runs again on
live state, what prices have spoken against stays blocked until a person releases it, and what was not compared with
the venues' own words within the hour does not trade (arb 14.2, 14.3, 4.8).
"""

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec

from millrace.core.binary_events import BinaryQuote
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Outcome, Ticks
from millrace.market.buying import asks_and_turned, effective_buy
from millrace.strategies.arb.mapping.pairs import Listing, MappedPair, approved_markets, pairs_of
from millrace.strategies.arb.mapping.qa import MarketIndex, blocked_groups, check_rows
from millrace.strategies.arb.mapping.records import Check, Effect, Finding, MappingMap, Severity
from millrace.strategies.arb.mapping.settings import SECOND_NS, MappingSettings
from millrace.strategies.arb.mapping.tiers import standing
from millrace.strategies.arb.model import MarketFacts, Proposition, Tier
from millrace.strategies.arb.rules.records import PairRule


class _Seen(msgspec.Struct):
    """The last prices of one market: effective asks of both outcomes and twice the mid of YES, in ticks."""

    ts_ns: int
    yes_ask: Ticks | None
    no_ask: Ticks | None
    mid_twice: int | None


class MappingWatch:
    """Follows the pairs of a mapping; `rules()` are those in force, `findings()` says what is wrong with the others.

    Quotes come by `observe`, the venues' facts by `verify`, and `cycle` judges; between them nothing changes. Only a
    person takes back what prices found (`release`). Nothing is in force before the first `verify` and `cycle`.
    """

    def __init__(self, mapping: MappingMap, facts: Iterable[MarketFacts], settings: MappingSettings) -> None:
        self.settings = settings
        self._pairs = pairs_of(mapping.rows)
        self._of_rows = check_rows(mapping)
        self._row_blocked = blocked_groups(self._of_rows)
        self._facts: dict[InstrumentId, MarketFacts] = {}
        self._listings: dict[InstrumentId, Listing] = {}
        self._seen: dict[InstrumentId, _Seen] = {}
        self._held: dict[str, list[Finding]] = {}
        self._ended: set[InstrumentId] = set()
        self._findings: dict[str, list[Finding]] = {}
        self._rules: tuple[PairRule, ...] = ()
        self._tiers: dict[str, Tier] = {}
        self._approved: frozenset[InstrumentId] = frozenset()
        self._fallback_stopped = False
        self._first_ns: int | None = None
        self._sample_at_ns = 0
        self._stale = True
        self._resolve(facts)

    # ---- what comes in

    def verify(self, facts: Iterable[MarketFacts], now_ns: int) -> None:
        """Take the venues' own words about their markets, read at `now_ns`: what is not among them is not listed.

        A market that is gone keeps its last facts, so that its pair is judged, and left, as what it was.
        """
        listed = {market.market: market for market in facts}
        self._first_ns = now_ns if self._first_ns is None else self._first_ns
        self._resolve((self._facts | listed).values())
        for name, record in self._listings.items():
            if name in listed:
                record.listed_ns, record.missing_since_ns = now_ns, None
            elif record.missing_since_ns is None:
                record.missing_since_ns = now_ns
        self._stale = True

    def _resolve(self, facts: Iterable[MarketFacts]) -> None:
        index = MarketIndex(facts)
        for pair in self._pairs:
            pair.resolve(index, self.settings)
            for market in (pair.left, pair.right):
                if market is not None:
                    self._facts[market.market] = market
                    self._listings.setdefault(market.market, Listing())
        self._approved = approved_markets(self._pairs)

    def observe(self, quote: BinaryQuote) -> None:
        """Take a market's prices; one of no mapping is passed over."""
        if quote.market in self._facts:
            yes, no = (ask_of(quote, outcome) for outcome in (Outcome.YES, Outcome.NO))
            mid = None if yes is None or no is None else yes + PAYOUT_TICKS - no
            self._seen[quote.market] = _Seen(quote.ts_ns, yes, no, mid)

    def end(self, market: InstrumentId) -> None:
        """Take the news that a market closed or was resolved."""
        if market in self._facts and market not in self._ended:
            self._ended.add(market)
            self._stale = True

    def note_edge(self, pair_id: str, edge: float, now_ns: int) -> None:
        """Take the edge in dollars that a lane found on a pair; a fabulous one is a wrong mapping (arb 4.8)."""
        if edge > self.settings.sanity_edge:
            text = f"{pair_id}: an edge of {edge:.2f} at {now_ns} is presumed a wrong mapping; look, then release it"
            self._hold(pair_id, Check.SANITY_EDGE, text)

    # ---- what a person says

    def quarantine(self, pair_id: str, who: str, why: str) -> bool:
        """Block a pair by a person's word; False when there is none of this id."""
        known = any(pair.pair_id == pair_id for pair in self._pairs)
        if known:
            self._hold(pair_id, Check.REVOKED, f"{pair_id}: revoked by {who}: {why}")
        return known

    def release(self, pair_id: str) -> bool:
        """Take back what prices or a person held against a pair; its samples begin anew. False when nothing was."""
        held = self._held.pop(pair_id, None)
        for pair in self._pairs:
            if pair.pair_id == pair_id and held:
                pair.mids = type(pair.mids)()
        self._stale = self._stale or held is not None
        return held is not None

    def stop_fallback(self, *, stopped: bool) -> None:
        """Switch the fallback tier off, or back on, whatever the settings allow (arb 14.2)."""
        self._stale = self._stale or stopped != self._fallback_stopped
        self._fallback_stopped = stopped

    # ---- the judgement

    @property
    def next_ns(self) -> int:
        """When `cycle` has something to do again, news aside."""
        return self._sample_at_ns

    def cycle(self, now_ns: int) -> bool:
        """Sample prices when it is time, judge every pair, and tell whether what is in force or found wrong changed."""
        due = now_ns >= self._sample_at_ns
        if not (due or self._stale):
            return False
        if due:
            self._sample(now_ns)
            period = self.settings.sample_sec * SECOND_NS
            self._sample_at_ns = now_ns - now_ns % period + period
        self._stale = False
        before = self._rules, self.revoked()
        self._judge(now_ns)
        return before != (self._rules, self.revoked())

    def rules(self) -> tuple[PairRule, ...]:
        """Return the pairs that may trade, as rules, in the order of the mapping."""
        return self._rules

    def known(self) -> tuple[PairRule, ...]:
        """Return all pairs that could ever trade: what the lanes index once, whatever is blocked at the moment.

        A row's tier follows from who vouches for it, so only being in force changes while a program runs.
        """
        rules: list[PairRule] = []
        for pair in self._pairs:
            tier = Tier.STRICT if pair.row.approved else Tier.FALLBACK
            rule = pair.rule(tier) if tier is Tier.STRICT or self.settings.fallback_enabled else None
            if rule is not None and pair.row.group_id not in self._row_blocked:
                rules.append(rule)
        return tuple(rules)

    def blocked(self) -> frozenset[str]:
        """Return the ids of known pairs that must not trade now."""
        return frozenset(rule.group_id for rule in self.known()) - self._tiers.keys()

    def revoked(self) -> frozenset[str]:
        """Return the ids of pairs that were found wrong: positions on them are to be left (arb 12).

        A pair whose market closed, or that was not compared for an hour, opens nothing and is not wrong for that.
        """
        wrong = (name for name, found in self._findings.items() if any(one.effect is Effect.BLOCKED for one in found))
        return frozenset(wrong)

    def tier(self, pair_id: str) -> Tier:
        """Return what a pair is worth now; NONE when it may not trade, or nobody knows it."""
        return self._tiers.get(pair_id, Tier.NONE)

    def findings(self) -> tuple[Finding, ...]:
        """Return everything that is wrong, rows first, then pairs in the order of the mapping."""
        of_pairs = (found for pair in self._pairs for found in self._findings.get(pair.pair_id, ()))
        return (*self._of_rows, *of_pairs)

    def pairs(self) -> Sequence[MappedPair]:
        """Return the pairs with their standings, for a review."""
        return self._pairs

    def _sample(self, now_ns: int) -> None:
        """Take both mids of every pair at this instant, and see whether an edge stands."""
        asks, mids = self._prices(now_ns)
        settings = self.settings
        for pair in self._pairs:
            joined = pair.propositions
            if joined is None:
                continue
            left, right = (mids.get(proposition) for proposition in joined)
            if left is not None and right is not None:
                pair.mids.add(now_ns, left, right if pair.row.relation == "equivalent" else 2 * PAYOUT_TICKS - right)
            for direction, ticks in enumerate(pair.edges(asks)):
                edge = (ticks or 0) / PAYOUT_TICKS
                pair.mids.see_edge(now_ns, direction, stands=edge > settings.blocked_edge)
                self.note_edge(pair.pair_id, edge, now_ns)
            self._hold_by_prices(pair, now_ns)

    def _hold_by_prices(self, pair: MappedPair, now_ns: int) -> None:
        gap = pair.mids.gap(self.settings)
        if gap is not None and gap > self.settings.blocked_gap:
            text = f"{pair.pair_id}: the two prices are {gap:.2f} apart over half an hour; look, then release it"
            self._hold(pair.pair_id, Check.PRICE_COHERENCE, text)
        if pair.mids.edge_age_ns(now_ns) > self.settings.blocked_edge_sec * SECOND_NS:
            text = f"{pair.pair_id}: an edge above {self.settings.blocked_edge:g} stands and nobody takes it"
            self._hold(pair.pair_id, Check.PERSISTENT_EDGE, text)

    def _prices(self, now_ns: int) -> tuple[dict[Proposition, int], dict[Proposition, int]]:
        """Return asks, and twice the mids, of the propositions whose market was heard of lately."""
        asks: dict[Proposition, int] = {}
        mids: dict[Proposition, int] = {}
        for market, seen in self._seen.items():
            if now_ns - seen.ts_ns > self.settings.mid_age_sec * SECOND_NS:
                continue
            for outcome, ask in ((Outcome.YES, seen.yes_ask), (Outcome.NO, seen.no_ask)):
                if ask is not None:
                    asks[Proposition(market, outcome)] = ask
            if seen.mid_twice is not None:
                mids[Proposition(market)] = seen.mid_twice
                mids[Proposition(market, Outcome.NO)] = 2 * PAYOUT_TICKS - seen.mid_twice
        return asks, mids

    def _judge(self, now_ns: int) -> None:
        rules: list[PairRule] = []
        self._findings = {}
        settings = self.settings
        if self._fallback_stopped:
            settings = msgspec.structs.replace(settings, fallback_enabled=False)
        for pair in self._pairs:
            found = [*pair.findings(settings), *self._links(pair, now_ns), *self._held.get(pair.pair_id, ())]
            self._findings[pair.pair_id] = found
            joined = pair.propositions or ()
            pair.standing = standing(
                pair.row,
                pair.comparison,
                settings,
                coherent=pair.mids.coherent(settings),
                verified=self._fresh(pair, now_ns),
                strict_exists=any(one.market in self._approved for one in joined),
            )
            blocked = any(item.effect is not Effect.REPORT for item in found) or pair.row.group_id in self._row_blocked
            tier = pair.standing.tier
            rule = None if blocked or tier is Tier.UNVERIFIED else pair.rule(tier)
            if rule is not None:
                rules.append(rule)
        self._put(tuple(rules))

    def _put(self, rules: tuple[PairRule, ...]) -> None:
        self._rules = rules
        self._tiers = {rule.group_id: rule.tier for rule in rules}

    def _fresh(self, pair: MappedPair, now_ns: int) -> bool:
        """Tell whether both venues' words were compared within the hour, by us or by whoever wrote the row."""
        joined = pair.propositions
        if joined is None:
            return False
        read = [self._listings[one.market].listed_ns for one in joined]
        times = [pair.row.verified_ns, None if None in read else min(time for time in read if time is not None)]
        return any(time is not None and now_ns - time <= self.settings.stale_sec * SECOND_NS for time in times)

    def _links(self, pair: MappedPair, now_ns: int) -> Iterable[Finding]:
        """Yield a finding for each market of a pair that ended, or that its venue does not list (arb 14.3)."""
        first_ns = now_ns if self._first_ns is None else self._first_ns
        error_ns = self.settings.unlisted_error_sec * SECOND_NS
        for missing in pair.unresolved:
            never = missing.check is Check.STALE_LINK and now_ns - first_ns > error_ns
            yield missing._replace(severity=Severity.ERROR) if never else missing
        for proposition in pair.propositions or ():
            market, settings = proposition.market, self.settings
            close_ns = self._facts[market].close_ns
            gone_ns = self._listings[market].missing_since_ns
            closed = self._facts[market].status != "open" or market in self._ended
            if closed or (close_ns is not None and close_ns <= now_ns):
                text = f"{pair.pair_id}: {market} is closed"
                yield Finding(Check.STALE_LINK, Severity.WARNING, Effect.NOT_TRADABLE, pair.pair_id, str(market), text)
            elif gone_ns is not None and now_ns - gone_ns > settings.unlisted_sec * SECOND_NS:
                worse = now_ns - gone_ns > settings.unlisted_error_sec * SECOND_NS
                severity = Severity.ERROR if worse else Severity.WARNING
                text = f"{pair.pair_id}: {market} is not among the venue's markets any more"
                yield Finding(Check.STALE_LINK, severity, Effect.NOT_TRADABLE, pair.pair_id, str(market), text)

    def _hold(self, pair_id: str, check: Check, text: str) -> None:
        held = self._held.setdefault(pair_id, [])
        if all(found.check is not check for found in held):
            held.append(Finding(check, Severity.ERROR, Effect.BLOCKED, pair_id, "", text))
            self._stale = True

    # ---- coming back

    def snapshot(self) -> dict[str, Any]:
        """Return the whole state as plain values; the facts are the desk's, and given to `restore` with it."""
        return {
            "listings": [[*name, each.listed_ns, each.missing_since_ns] for name, each in self._listings.items()],
            "seen": [[*name, *msgspec.structs.astuple(seen)] for name, seen in self._seen.items()],
            "held": {pair_id: msgspec.to_builtins(found) for pair_id, found in self._held.items()},
            "findings": {pair_id: msgspec.to_builtins(found) for pair_id, found in self._findings.items() if found},
            "ended": sorted(list(market) for market in self._ended),
            "mids": {pair.pair_id: pair.mids.snapshot() for pair in self._pairs},
            "rules": msgspec.to_builtins(self._rules),
            "fallback_stopped": self._fallback_stopped,
            "first_ns": self._first_ns,
            "sample_at_ns": self._sample_at_ns,
            "stale": self._stale,
        }

    def restore(self, state: dict[str, Any], facts: Iterable[MarketFacts]) -> None:
        """Take the state of a snapshot; pairs that it does not know begin anew, so a reload keeps what is held."""
        self._resolve(facts)
        for venue, symbol, listed_ns, missing_ns in state["listings"]:
            self._listings[InstrumentId(venue, symbol)] = Listing(listed_ns, missing_ns)
        self._seen = {InstrumentId(venue, symbol): _Seen(*seen) for venue, symbol, *seen in state["seen"]}
        self._held = {pair_id: msgspec.convert(found, list[Finding]) for pair_id, found in state["held"].items()}
        self._findings = {
            pair_id: msgspec.convert(found, list[Finding]) for pair_id, found in state["findings"].items()
        }
        self._ended = {InstrumentId(*market) for market in state["ended"]}
        for pair in self._pairs:
            if pair.pair_id in state["mids"]:
                pair.mids.restore(state["mids"][pair.pair_id])
        self._put(msgspec.convert(state["rules"], tuple[PairRule, ...]))
        self._fallback_stopped = state["fallback_stopped"]
        self._first_ns = state["first_ns"]
        self._sample_at_ns = state["sample_at_ns"]
        self._stale = state["stale"]


def _found(saved: dict[str, Any]) -> dict[str, list[Finding]]:
    return {pair_id: msgspec.convert(found, list[Finding]) for pair_id, found in saved.items()}


def ask_of(quote: BinaryQuote, outcome: Outcome) -> Ticks | None:
    """Return what an outcome costs by the better route, None when nothing is offered."""
    asks, bids = asks_and_turned(quote, outcome)
    best = effective_buy(asks[0] if asks else None, bids[0] if bids else None)
    return None if best is None else best.ticks
