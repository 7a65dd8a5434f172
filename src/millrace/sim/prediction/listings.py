"""What two venues say about a generated universe: facts of each market, a rules file and a mapping file.

They are written as their venues and a careful curator would write them, with what such files get wrong as well: entries
that nobody approved, rows that a text matcher proposed, and a few that somebody approved in error. Whoever reads them
has to find that out; the truth stands elsewhere (`truth`).
"""

from collections.abc import Iterable
from typing import NamedTuple

import msgspec
import numpy as np

from millrace.core.fee_terms import FeeSchedule, FeeTerms
from millrace.core.instrument import InstrumentId
from millrace.sim.prediction.latent import HOUR_NS
from millrace.sim.prediction.shapes import INF, Asked, Event, Shape
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.file_format import (
    BitsEntry,
    BitSources,
    BucketEntry,
    LadderEntry,
    PairEntry,
    RefEntry,
    RulesDocument,
    TreeEntry,
)
from millrace.strategies.arb.rules.records import Label

DAY_NS = 24 * HOUR_NS
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FIRST = ("Alder", "Birch", "Cedar", "Dover", "Elm", "Frost", "Grove", "Hazel")
_LAST = ("bridge", "brook", "dale", "field", "ford", "gate", "haven", "hill")
KALSHI_FEES = FeeSchedule(
    taker=FeeTerms(quadratic_ppm=70_000, quantum_nano=10_000_000, fill_quantum_nano=100_000),
    source="generated: coefficient 0.07, cents per order",
)
POLYMARKET_FEES = FeeSchedule(
    taker=FeeTerms(quadratic_ppm=40_000, quantum_nano=10_000, rounds_down=True),
    in_shares=True,
    source="generated: rate 0.04 in shares",
)
_CONTRACT = 1_000_000
_PARITY_SHARE = 4
"""One mapped pair in so many stands in the rules file as well."""
_ERROR_SHARE = 4
"""One false pair in so many was approved by somebody in error."""


class Listing(NamedTuple):
    """One market as its venue lists it, with its bounds and the number of its event."""

    facts: MarketFacts
    low: float
    high: float
    event: int


class Documents(NamedTuple):
    """The files about a universe, and which pairs of them are false: group id -> why."""

    rules: bytes
    mapping: bytes
    false_pairs: dict[str, str]


def list_event(number: int, event: Event, venues: tuple[str, str], ends_ns: int, begins_ns: int) -> list[Listing]:
    """Return the markets of one event."""
    name = f"{_FIRST[number % 8]}{_LAST[number // 8 % 8]} {number}"
    found = []
    for place, asked in enumerate(event.markets):
        found.append(
            Listing(_facts(number, place, name, event, asked, venues, ends_ns, begins_ns), *_bounds(asked), number)
        )
    return found


def _bounds(asked: Asked) -> tuple[float, float]:
    return asked.low, asked.high


def _facts(
    number: int,
    place: int,
    name: str,
    event: Event,
    asked: Asked,
    venues: tuple[str, str],
    ends_ns: int,
    begins_ns: int,
) -> MarketFacts:
    venue = venues[asked.venue]
    shape = event.shape
    on_kalshi = asked.venue == 0
    family = shape in {Shape.BUCKET, Shape.TWIN_BUCKET, Shape.OPEN_BUCKET}
    title, label, kind, low, high = _words(name, shape, place, len(event.markets), asked, ends_ns, event.markets[0])
    event_id = f"KX{number:05d}" if on_kalshi else f"event-{number}"
    open_bucket = shape is Shape.OPEN_BUCKET
    source = "Statistical Office" if shape is Shape.FALSE_RULE and place else "National Bureau"
    return MarketFacts(
        market=InstrumentId(venue, f"KX{number:05d}-{place}" if on_kalshi else f"pm-{number}-{place}"),
        event=event_id,
        title=title,
        event_title=f"{name} index",
        outcome_label=label,
        rules_text=f"This market resolves to Yes when the claim of its title is met. Resolution source: {source}.",
        category="economics",
        series=f"KX{number:05d}" if on_kalshi else "",
        open_ns=begins_ns,
        close_ns=ends_ns,
        resolves_ns=ends_ns + HOUR_NS,
        mutually_exclusive=True if family else None,
        neg_risk=family and not on_kalshi,
        augmented=open_bucket and not on_kalshi,
        listed_in_event=sum(other.venue == asked.venue for other in event.markets),
        parent=f"KX{number:05d}-0" if asked.role == "child" and on_kalshi and event.bits.nested else "",
        strike_type=kind,
        strike_low=low,
        strike_high=high,
        resolution_source=source,
        fees=KALSHI_FEES if on_kalshi else POLYMARKET_FEES,
        tick=100 if on_kalshi or number % 2 else 10,
        lot=_CONTRACT if on_kalshi else 10_000,
        min_lots=_CONTRACT if on_kalshi else 5 * _CONTRACT,
        mirrored=on_kalshi,
        currency="USD" if on_kalshi else "pUSD",
    )


def _words(
    name: str, shape: Shape, place: int, count: int, asked: Asked, ends_ns: int, first: Asked
) -> tuple[str, str, str, float | None, float | None]:
    """Return title, label, kind of strike and its figures, as the venue words them."""
    day = _day(ends_ns)
    if shape is Shape.DATES:
        due_ns = ends_ns - (count - 1 - place) * DAY_NS
        return f"Will the {name} deal close by {_day(due_ns)}?", "", "by_date", None, float(due_ns // DAY_NS)
    low, high = _strike(asked.low), _strike(asked.high)
    if shape is Shape.FALSE_RULE:
        low = _strike(first.low)
    kind = asked.strike_type
    says = (
        f"above {low}"
        if kind == "greater"
        else f"at or below {high}"
        if kind == "less"
        else f"between {low} and {high}"
    )
    if shape is Shape.FALSE_STRIKE and place:
        # The same title over another strike: only the structured field tells.
        return f"Will the {name} index close above {_strike(first.low)} points on {day}?", "", kind, low, high
    return (
        f"Will the {name} index close {says} points on {day}?",
        says if asked.role == "member" else "",
        kind,
        low,
        high,
    )


def _strike(bound: float) -> float | None:
    return None if bound in {INF, -INF} else round(50 + 10 * bound, 2)


def _day(ts_ns: int) -> str:
    year, month, day = str(np.datetime64(ts_ns, "ns").astype("datetime64[D]")).split("-")
    return f"{_MONTHS[int(month) - 1]} {int(day)}, {year}"


def utc(ts_ns: int) -> str:
    """Return a time as the files write it."""
    return f"{np.datetime64(ts_ns, 'ns').astype('datetime64[s]')}Z"


# The files


def documents(events: list[Event], listings: list[list[Listing]], begins_ns: int) -> Documents:
    """Return the rules file and the mapping file."""
    approved = {"approved_by": "curator", "approved_at": utc(begins_ns - 7 * DAY_NS)}
    buckets: list[BucketEntry] = []
    trees: list[TreeEntry] = []
    ladders: list[LadderEntry] = []
    pairs: list[PairEntry] = []
    rows: list[str] = []
    false_pairs: dict[str, str] = {}
    for number, (event, markets) in enumerate(zip(events, listings, strict=True)):
        refs = [_ref(listing) for listing in markets]
        shape = event.shape
        if shape in {Shape.BUCKET, Shape.OPEN_BUCKET, Shape.TWIN_BUCKET}:
            buckets += _buckets(number, event, markets, approved)
        elif shape is Shape.TREE:
            trees.append(_tree(number, event, refs, approved))
        elif shape in {Shape.STRIKES, Shape.DATES}:
            ladders.append(_ladder(number, shape, markets, refs, approved))
        elif shape in {Shape.COMPLEMENT, Shape.INVERTED}:
            pairs.append(
                PairEntry(
                    group_id=f"parity-{number}", relationship="complement", left=refs[0], right=refs[1], **approved
                )
            )
        elif shape is Shape.PAIR and number % _PARITY_SHARE == 0:
            ids = {"group_id": f"parity-{number}", "mapping_id": f"map-{number}"}
            pairs.append(PairEntry(relationship="equivalent", left=refs[0], right=refs[1], **ids, **approved))
        if shape is Shape.PAIR or shape is Shape.TWIN_BUCKET or shape.is_false:
            rows += _rows(number, shape, markets, approved["approved_at"], false_pairs)
    document = RulesDocument(
        generated_at=utc(begins_ns),
        generator="generated universe",
        mutually_exclusive_buckets=tuple(buckets),
        event_trees=tuple(trees),
        implications=tuple(ladders),
        cross_market_parity_checks=tuple(pairs),
    )
    header = "group_id,refs,relation,confidence,provenance,approved_by,approved_at,verified_at"
    return Documents(msgspec.json.encode(document), "\n".join([header, *rows, ""]).encode(), false_pairs)


def _ref(listing: Listing) -> RefEntry:
    market = listing.facts.market
    return RefEntry(venue=market.venue, market_id=market.symbol, side="yes")


def _buckets(number: int, event: Event, markets: list[Listing], approved: dict[str, str]) -> Iterable[BucketEntry]:
    """Return an entry per venue, and one that a heuristic wrote over an open bucket and nobody approved."""
    for venue in dict.fromkeys(listing.facts.market.venue for listing in markets):
        legs = tuple(_ref(listing) for listing in markets if listing.facts.market.venue == venue)
        name = f"bucket-{number}-{venue}"
        yield BucketEntry(
            group_id=name,
            label=event.label.value,
            legs=legs,
            expected_member_count=len(legs),
            exclusivity_source="exchange_api",
            exhaustiveness_source="human" if event.label is Label.EXHAUSTIVE else "",
            **approved,
        )
        if event.shape is Shape.OPEN_BUCKET:
            guess, by = f"guess-{number}-{venue}", "heuristic"
            yield BucketEntry(
                group_id=guess, label="exhaustive", legs=legs, exclusivity_source=by, exhaustiveness_source=by
            )


def _tree(number: int, event: Event, refs: list[RefEntry], approved: dict[str, str]) -> TreeEntry:
    bits = event.bits
    return TreeEntry(
        group_id=f"tree-{number}",
        parent=refs[0],
        children=tuple(refs[1:]),
        bits=BitsEntry(*bits),
        provenance=BitSources(**{name: "human" for name, holds in bits._asdict().items() if holds}),
        **approved,
    )


def _ladder(
    number: int, shape: Shape, markets: list[Listing], refs: list[RefEntry], approved: dict[str, str]
) -> LadderEntry:
    facts = [listing.facts for listing in markets]
    by_date = shape is Shape.DATES
    strikes = tuple(float((one.strike_high if by_date else one.strike_low) or 0.0) for one in facts)
    operator = "by_date" if by_date else "greater"
    named = f"ladder-{number}"
    return LadderEntry(
        group_id=named, chain=tuple(refs), strikes=strikes, operator=operator, source="exchange_api", **approved
    )


def _rows(number: int, shape: Shape, markets: list[Listing], at: str, false_pairs: dict[str, str]) -> list[str]:
    """Return the rows of a mapping over two venues' markets; of false pairs most are a text matcher's proposals."""
    half = len(markets) // 2
    rows = []
    for place, (left, right) in enumerate(zip(markets[:half], markets[half:], strict=True)):
        name = f"map-{number}" if half == 1 else f"map-{number}-{place}"
        refs = " ".join(f"{one.facts.market.venue}:market:{one.facts.market.symbol}" for one in (left, right))
        approved = not shape.is_false or number % _ERROR_SHARE == 0
        by = f"0.97,human,curator,{at}" if approved else "0.91,generated,,"
        if shape.is_false:
            false_pairs[name] = shape.value
        rows.append(f"{name},{refs},equivalent,{by},")
    return rows
