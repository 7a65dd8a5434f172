"""What is on offer now: quotes go in one by one, baskets come out with their proof and their exact price (arb 3).

A quote moves the sums of the baskets that contain its market and marks those that may be worth something; nothing else
is touched. The exact look is taken when somebody asks, at marked baskets only. So the work in a step is bounded by the
rules of one market, and the whole universe is looked at only by a scan, which finds the same (arb 18).
"""

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

import msgspec

from millrace.capacity.lane_policy import merged
from millrace.core.binary_events import BinaryQuote, QuoteSource
from millrace.core.fee_terms import PAYOUT_TICKS
from millrace.core.instrument import InstrumentId, Outcome
from millrace.market.buying import asks_and_turned, effective_buy
from millrace.strategies.arb.lanes.coverage import Coverage
from millrace.strategies.arb.lanes.exact import UNPRICED_NANO, Offer, maker_ticks, offer_of, sized, skew_ns, table_of
from millrace.strategies.arb.lanes.forms import Choice, Form
from millrace.strategies.arb.lanes.screen import Screen
from millrace.strategies.arb.lanes.settings import LaneSettings
from millrace.strategies.arb.lanes.subset import best_subset
from millrace.strategies.arb.lanes.universe import DOLLAR_NANO, Universe
from millrace.strategies.arb.model import LANES, Basket, Lane, Style

# Looking a member up in its enumeration takes longer than the comparison that it is wanted for.
STREAM, SUMMARY = QuoteSource.STREAM, QuoteSource.SUMMARY
YES, NO, MAKER, ALL = Outcome.YES, Outcome.NO, Style.MAKER, Choice.ALL


class NearMiss(NamedTuple):
    """A basket close to its floor, for diagnostics only: its legs' best prices, nothing of depth (arb 3)."""

    lane: Lane
    family: str
    rule: str
    style: Style
    short_nano: int


class _Saved(msgspec.Struct):
    quotes: list[BinaryQuote]
    touched: list[list[int]]
    rules: str
    blocked: list[str]
    live_ns: dict[str, int]
    unknown: int


class Detector:
    """The lanes over one universe. `settings` may differ from the universe's only in what the exact look reads."""

    def __init__(self, universe: Universe, settings: LaneSettings | None = None) -> None:
        self.universe = universe
        self.settings = settings or universe.settings
        self._styles = (Style.TAKER, Style.MAKER) if self.settings.makers else (Style.TAKER,)
        self.coverage = Coverage(universe)
        self.unknown = 0
        self._quotes: list[BinaryQuote | None] = [None] * len(universe.facts)
        self._screens = {style: Screen(universe) for style in self._styles}
        self._tables = {style: [table_of(fact, style) for fact in universe.facts] for style in self._styles}
        self._touched: dict[Style, set[int]] = {style: set() for style in self._styles}
        self._offers: dict[Style, dict[int, Offer | None]] = {style: {} for style in self._styles}
        self._blocked: frozenset[str] = frozenset()
        self._live_ns: dict[str, int] = {}

    def heard(self, venue: str, ts_ns: int) -> None:
        """Take a venue's sign of life: the books that its stream last told hold until then."""
        self._live_ns[venue] = ts_ns

    def reset(self, venue: str) -> None:
        """Take every market of a venue out until it is quoted again, because its stream was connected anew."""
        for quote in self._quotes:
            if quote is not None and quote.market.venue == venue:
                self.forget(quote.market)

    @property
    def is_marked(self) -> bool:
        """Whether anything is worth an exact look."""
        return any(self._touched.values())

    def observe(self, quote: BinaryQuote) -> None:
        """Take a market's new book; a market outside the universe is counted, a summary has no book (arb 1)."""
        slot = self.universe.slots.get(quote.market)
        if slot is None:
            self.unknown += 1
            return
        if quote.source is SUMMARY:
            self.forget(quote.market)
            return
        if self._quotes[slot] is None:
            self.coverage.seen(slot)
        self._quotes[slot] = quote
        if quote.source is STREAM:
            self._live_ns[quote.market.venue] = quote.ts_ns
        self._move(slot, quote)

    def forget(self, market: InstrumentId) -> None:
        """Take a market out that may not be traded, until it is quoted again."""
        slot = self.universe.slots.get(market)
        if slot is None or self._quotes[slot] is None:
            return
        self._quotes[slot] = None
        self.coverage.lost(slot)
        self._move(slot, None)

    def block(self, rules: Collection[str]) -> None:
        """Set the rules whose baskets are not shown: mappings in quarantine, rules revoked (arb 4.8)."""
        self._blocked = frozenset(rules)

    def candidates(self, now_ns: int) -> list[Basket]:
        """Return the baskets, exactly priced, of forms that changed since the last call, in canonical order.

        A form whose legs were last known at times too far apart stays marked until they are closer (arb 2.5).
        """
        found = []
        for style, touched in self._touched.items():
            apart: list[int] = []
            found += self._priced(sorted(touched), style, now_ns, apart)
            touched.clear()
            touched.update(apart)
        return in_canonical_order(found)

    def scan(self, now_ns: int) -> list[Basket]:
        """Return all baskets there are, by a full pass over every form; marks are left as they are."""
        found = []
        for style, screen in self._screens.items():
            screen.rebuild()
            found += self._priced(screen.survivors(), style, now_ns, [])
        return in_canonical_order(found)

    def near(self, now_ns: int) -> list[NearMiss]:
        """Return the forms that miss their floor by no more than the near list's slack, and those that reach it."""
        rows = []
        for style, screen in self._screens.items():
            for number, short_nano in screen.near(self.settings.near_nano):
                form = self.universe.form(number)
                if self._open(form, now_ns):
                    rows.append(NearMiss(form.lane, self.universe.keys(number)[0], form.rule, style, short_nano))
        return rows

    def quote(self, market: InstrumentId) -> BinaryQuote | None:
        """Return the book that prices come from; None for a market without one."""
        slot = self.universe.slots.get(market)
        return None if slot is None else self._quotes[slot]

    def moved_to(self, universe: Universe) -> "Detector":
        """Return a detector over another universe that has seen the same books."""
        other = Detector(universe, universe.settings)
        for quote in self._quotes:
            if quote is not None:
                other.observe(quote)
        other.block(self._blocked)
        other._live_ns = dict(self._live_ns)
        return other

    def snapshot(self) -> dict[str, Any]:
        """Return books and marks as builtins."""
        quotes = [quote for quote in self._quotes if quote is not None]
        touched = [sorted(touched) for touched in self._touched.values()]
        saved = _Saved(quotes, touched, self.universe.rules.version, sorted(self._blocked), self._live_ns, self.unknown)
        builtins: dict[str, Any] = msgspec.to_builtins(saved)
        return builtins

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave; under other rules everything that may be worth a look is marked."""
        saved = msgspec.convert(state, _Saved)
        for quote in saved.quotes:
            self.observe(quote)
        self._blocked = frozenset(saved.blocked)
        self._live_ns, self.unknown = dict(saved.live_ns), saved.unknown
        if saved.rules == self.universe.rules.version and len(saved.touched) == len(self._touched):
            for touched, numbers in zip(self._touched.values(), saved.touched, strict=True):
                touched.clear()
                touched.update(numbers)

    def _move(self, slot: int, quote: BinaryQuote | None) -> None:
        for style, screen in self._screens.items():
            touched, offers = self._touched[style], self._offers[style]
            for leg, outcome in ((2 * slot, YES), (2 * slot + 1, NO)):
                offers.pop(leg, None)
                cost = UNPRICED_NANO if quote is None else self._cost(slot, outcome, quote, style)
                screen.take(leg, cost, touched)

    def _cost(self, slot: int, outcome: Outcome, quote: BinaryQuote, style: Style) -> int:
        table = self._tables[style][slot]
        asks, bids = asks_and_turned(quote, outcome)
        top = effective_buy(asks[0] if asks else None, bids[0] if bids else None)
        if table is None or top is None:
            return UNPRICED_NANO
        ticks: int | None = top.ticks
        if style is MAKER:
            proposition = self.universe.proposition(2 * slot + (outcome is NO))
            fact = self.universe.facts[slot]
            ticks = maker_ticks(quote, proposition, fact, self.settings.aggressiveness_ticks)
        return table[ticks] if ticks is not None and 0 < ticks < PAYOUT_TICKS else UNPRICED_NANO

    def _open(self, form: Form, now_ns: int) -> bool:
        return form.rule not in self._blocked and (form.valid_until_ns is None or now_ns < form.valid_until_ns)

    def _priced(self, numbers: Iterable[int], style: Style, now_ns: int, apart: list[int]) -> list[Basket]:
        screen, limit_ns = self._screens[style], skew_ns(self.settings, style)
        found = []
        for number in numbers:
            if not screen.holds(number):
                continue
            form = self.universe.form(number)
            if not self._open(form, now_ns):
                continue
            if form.choice is ALL:
                times = [self.known_ns(leg >> 1) for leg in form.legs]
                if max(times) - min(times) > limit_ns:
                    apart.append(number)
                    continue
            if basket := self._basket(number, form, style):
                found.append(basket)
        return found

    def known_ns(self, market: int) -> int:
        """Return when a market's book was last known to hold: on a live stream a quiet one is fresh (runtime 2.2)."""
        quote = self._quotes[market]
        if quote is None:
            return 0
        return max(quote.ts_ns, self._live_ns.get(quote.market.venue, 0)) if quote.source is STREAM else quote.ts_ns

    def _together(self, form: Form, style: Style) -> dict[int, Offer]:
        """Return what the legs of a subset offer, its anchor first, if known within the skew limit of the newest."""
        limit_ns = skew_ns(self.settings, style)
        legs = (form.anchor, *form.legs) if form.anchor >= 0 else form.legs
        times = [self.known_ns(leg >> 1) for leg in legs]
        oldest_ns = max(*times, limit_ns + 1) - limit_ns
        return {
            leg: offer
            for leg, known_ns in zip(legs, times, strict=True)
            if known_ns >= oldest_ns and (offer := self._offer(leg, style, known_ns))
        }

    def _offer(self, leg: int, style: Style, known_ns: int) -> Offer | None:
        offers = self._offers[style]
        if leg not in offers:
            quote, fact = self._quotes[leg >> 1], self.universe.facts[leg >> 1]
            if quote is None:
                return None
            table, ticks = self._tables[style][leg >> 1], self.settings.aggressiveness_ticks
            offers[leg] = offer_of(self.universe.proposition(leg), fact, quote, style, ticks, known_ns, table)
        offer = offers[leg]
        if offer is not None and offer.known_ns != known_ns:
            offer = offers[leg] = offer._replace(known_ns=known_ns)
        return offer

    def _basket(self, number: int, form: Form, style: Style) -> Basket | None:
        if form.choice is ALL:
            whole = {leg: self._offer(leg, style, self.known_ns(leg >> 1)) for leg in form.legs}
            return self._assembled(number, form, whole, form.floor)
        offers = self._together(form, style)
        anchor = offers.pop(form.anchor, None)
        if form.anchor >= 0 and anchor is None:
            return None
        legs, rungs = list(offers), [offer.rungs for offer in offers.values()]
        tried: tuple[int, ...] = ()
        for risk_nano in (self.settings.leg_risk_nano, self.settings.min_edge_nano):
            chosen = best_subset(rungs, anchor.rungs if anchor else None, risk_nano)
            if not chosen or chosen == tried:
                continue
            tried = chosen
            taken: dict[int, Offer | None] = {legs[index]: offers[legs[index]] for index in chosen}
            if anchor:
                taken[form.anchor] = anchor
            if basket := self._assembled(number, form, taken, len(chosen) + form.floor):
                return basket
        return None

    def _assembled(self, number: int, form: Form, on_offer: dict[int, Offer | None], floor: int) -> Basket | None:
        offers = [offer for leg in sorted(on_offer, key=self.universe.place) if (offer := on_offer[leg])]
        best = sized(offers, floor, self.settings.min_edge_nano) if len(offers) == len(on_offer) else None
        if best is None:
            return None
        times = [offer.known_ns for offer in offers]
        ends = [offer.fact.resolves_ns for offer in offers]
        family, cluster = self.universe.keys(number)
        return Basket(
            lane=form.lane, legs=best.legs, lots=best.lots, max_lots=best.max_lots, floor=floor, proof=form.proof,
            rule=form.rule, label=form.label, relation=form.relation, tier=form.tier, aliases=form.aliases,
            family=family, cluster=cluster, cost_nano=sum([leg.cost_nano for leg in best.legs]),
            fee_nano=sum([leg.fee_nano for leg in best.legs]), oldest_ns=min(times), newest_ns=max(times),
            horizon_ns=None if None in ends else max([end for end in ends if end is not None]),
        )  # fmt: skip


def in_canonical_order(baskets: Iterable[Basket]) -> list[Basket]:
    """Return baskets by lane rank, descending net value and key: the same on every run and platform (runtime 2.10)."""
    lanes: dict[str, list[Basket]] = {}
    for basket in baskets:
        lanes.setdefault(basket.lane, []).append(basket)
    return merged(lanes, LANES, lambda basket: basket.net_nano, _key)


def _key(basket: Basket) -> str:
    """Direction, style and legs as one text; a rule's direction alone does not tell its subsets apart."""
    return "|".join([basket.direction, basket.style, *("/".join(leg.sort_key) for leg in basket.legs)])


def is_suspect(basket: Basket, settings: LaneSettings) -> bool:
    """Tell whether an edge between two markets is too good to be true: presumed a mapping error (arb 4.8)."""
    return basket.lane.family == Lane.CROSS.family and basket.net_per_floor * DOLLAR_NANO > settings.suspect_edge_nano
