"""Reads what venues say about their markets: Kalshi's events with or without markets, Gamma's events and markets.

A file is known by its content, not by its name. Missing figures stay unknown: a list of single markets does not tell
how many outcomes an event has, and so proves no bucket complete. Strikes are taken from structured fields only; Gamma
has none, its group threshold is a position in a list.
"""

import gzip
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from millrace.core.failure import OperatorError
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.utc import time_ns

KALSHI, POLYMARKET = "kalshi", "polymarket"
_DONE_NO, _DONE_YES = ["0", "1"], ["1", "0"]
_LOT = 10_000
"""Both venues quote sizes to a hundredth of a contract."""


class EventFlags(NamedTuple):
    """What Kalshi says of an event without listing its markets."""

    category: str
    title: str
    mutually_exclusive: bool | None


class Metadata(NamedTuple):
    """Markets, and the flags of Kalshi events by ticker, of some of which no market is listed."""

    facts: tuple[MarketFacts, ...]
    events: dict[str, EventFlags]

    def of(self, markets: Iterable[InstrumentId]) -> dict[InstrumentId, MarketFacts]:
        """Return what is known of markets; a Kalshi ticker that is not listed belongs to the event it begins with."""
        known = {fact.market: fact for fact in self.facts}
        for market in markets:
            event = market.symbol.rpartition("-")[0]
            if market not in known and market.venue == KALSHI and event in self.events:
                flags = self.events[event]
                known[market] = MarketFacts(
                    market=market,
                    event=event,
                    event_title=flags.title,
                    category=flags.category,
                    mutually_exclusive=flags.mutually_exclusive,
                )
        return known


def read_metadata(paths: Iterable[Path]) -> Metadata:
    """Read files of events or markets, packed or not; raises OperatorError for a file of no known form.

    A market in several files is taken from the last one; flags of an event apply to its markets in every file.
    """
    facts: dict[InstrumentId, MarketFacts] = {}
    events: dict[str, EventFlags] = {}
    for path in paths:
        for document in _documents(path):
            found = list(_markets(document, events, path))
            facts.update((fact.market, fact) for fact in found)
    flagged = (_flagged(fact, events) for fact in facts.values())
    return Metadata(tuple(flagged), events)


def _documents(path: Path) -> Iterator[Any]:
    """Yield the JSON documents of a file: one, or one for each line."""
    data = path.read_bytes()
    try:
        data = gzip.decompress(data) if path.suffix == ".gz" else data
        if path.name.removesuffix(".gz").endswith(".jsonl"):
            yield [msgspec.json.decode(line) for line in data.splitlines() if line.strip()]
        else:
            yield msgspec.json.decode(data)
    except (gzip.BadGzipFile, EOFError, msgspec.DecodeError) as error:
        raise OperatorError(f"{path}: cannot be read as JSON ({error})") from error


def _markets(document: Any, events: dict[str, EventFlags], path: Path) -> Iterator[MarketFacts]:
    for key in ("events", "response"):
        if isinstance(document, dict) and isinstance(document.get(key), list | dict):
            document = document[key]
    items = document if isinstance(document, list) else [document]
    if not all(isinstance(item, dict) for item in items):
        raise OperatorError(f"{path}: is no list of events or markets")
    for item in items:
        event = item.get("event", item)
        if isinstance(event, dict) and "event_ticker" in event and "ticker" not in event:
            events[event["event_ticker"]] = EventFlags(
                event.get("category") or "", event.get("title") or "", event.get("mutually_exclusive")
            )
            yield from _kalshi_event(event, item.get("markets") or event.get("markets") or [])
        elif "conditionId" in item:
            yield _gamma_market(item, (item.get("events") or [{}])[0], 0)
        elif "markets" in item and "slug" in item:
            listed = [market for market in item["markets"] if "conditionId" in market]
            yield from (_gamma_market(market, item, len(listed)) for market in listed)
        elif found := list(_kalshi_tree(item)):
            yield from found
        else:
            raise OperatorError(f"{path}: holds neither Kalshi events nor Gamma events or markets")


def _kalshi_event(event: Mapping[str, Any], markets: list[dict[str, Any]]) -> Iterator[MarketFacts]:
    sources = event.get("settlement_sources") or []
    for market in markets:
        steps = [row["step"] for row in market.get("price_ranges") or ()]
        yield MarketFacts(
            market=InstrumentId(KALSHI, market["ticker"]),
            event=event["event_ticker"],
            title=market.get("title") or "",
            event_title=event.get("title") or "",
            outcome_label=market.get("yes_sub_title") or "",
            rules_text=f"{market.get('rules_primary') or ''} {market.get('rules_secondary') or ''}".strip(),
            status="open" if market.get("status") in {"active", "open"} else "closed",
            category=event.get("category") or "",
            series=event.get("series_ticker") or "",
            open_ns=_ns(market.get("open_time")),
            close_ns=_ns(market.get("close_time")),
            resolves_ns=_ns(market.get("expected_expiration_time")),
            mutually_exclusive=event.get("mutually_exclusive"),
            listed_in_event=len(markets),
            strike_type=market.get("strike_type") or "",
            strike_low=market.get("floor_strike"),
            strike_high=market.get("cap_strike"),
            subject=_subject(market.get("custom_strike")),
            result=market.get("result") or "",
            resolution_source=", ".join(source.get("name") or "" for source in sources),
            tick=min((round(float(step) * 10_000) for step in steps), default=100),
            lot=_LOT if market.get("fractional_trading_enabled") else 100 * _LOT,
            mirrored=True,
        )


def _kalshi_tree(document: Mapping[str, Any]) -> Iterator[MarketFacts]:
    """Yield the markets of a tree of ids: category, series, event, market."""
    for category, every in document.items():
        for series, of_series in every.items() if isinstance(every, dict) else ():
            for event, listed in of_series.items() if isinstance(of_series, dict) else ():
                slugs = listed.get("market_slugs") if isinstance(listed, dict) else None
                for ticker in slugs or ():
                    yield MarketFacts(
                        market=InstrumentId(KALSHI, ticker),
                        event=event,
                        event_title=listed.get("title") or "",
                        category=category,
                        series=series,
                        listed_in_event=len(slugs or ()),
                        mirrored=True,
                    )


def _gamma_market(market: Mapping[str, Any], event: Mapping[str, Any], listed: int) -> MarketFacts:
    neg_risk = bool(market.get("negRisk"))
    return MarketFacts(
        market=InstrumentId(POLYMARKET, market["conditionId"]),
        event=event.get("slug") or market.get("slug") or "",
        title=market.get("question") or "",
        event_title=event.get("title") or "",
        outcome_label=market.get("groupItemTitle") or "",
        rules_text=market.get("description") or "",
        status="closed" if market.get("closed") or not market.get("active", True) else "open",
        category=market.get("category") or "",
        series=event.get("seriesSlug") or "",
        open_ns=_ns(market.get("startDate")),
        close_ns=_ns(market.get("endDate")),
        resolves_ns=_ns(market.get("endDate")),
        mutually_exclusive=True if neg_risk else None,
        neg_risk=neg_risk,
        augmented=bool(event.get("negRiskAugmented") or market.get("negRiskOther")),
        listed_in_event=listed,
        result=_gamma_result(market),
        resolution_source=market.get("resolutionSource") or event.get("resolutionSource") or "",
        tick=round(float(market.get("orderPriceMinTickSize") or 0.01) * 10_000),
        lot=_LOT,
        min_lots=round(float(market.get("orderMinSize") or 0.0) * 100 * _LOT),
        currency="pUSD",
    )


def _gamma_result(market: Mapping[str, Any]) -> str:
    """Return how a resolved market ended; its outcomes and prices are JSON inside strings."""
    if not market.get("closed") or market.get("umaResolutionStatus") != "resolved":
        return ""
    names = [name.lower() for name in msgspec.json.decode(market.get("outcomes") or "[]")]
    prices = msgspec.json.decode(market.get("outcomePrices") or "[]")
    if names != ["yes", "no"]:
        return ""
    return "yes" if prices == _DONE_YES else "no" if prices == _DONE_NO else ""


def _subject(custom: Mapping[str, Any] | None) -> str:
    """Return whom a strike is about, as the venue's own ids say it."""
    return ",".join(f"{key}={value}" for key, value in sorted((custom or {}).items()))


def _flagged(fact: MarketFacts, events: Mapping[str, EventFlags]) -> MarketFacts:
    flags = events.get(fact.event)
    if fact.mutually_exclusive is not None or flags is None or fact.market.venue != KALSHI:
        return fact
    return msgspec.structs.replace(fact, mutually_exclusive=flags.mutually_exclusive)


def _ns(text: str | None) -> int | None:
    """Return a time of a venue's document; None for one that is missing or of another form."""
    try:
        return time_ns(text or "")
    except ValueError:
        return None
