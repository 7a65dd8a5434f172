"""Joins the combination lane to the desk: a scan reads the detector's books, and its answer is checked.

The search may run outside a step and come late or not at all; what it found is an event. The check runs in the core, on
the core's own books, so a replay of the journal reaches the same verdicts without a solver. What crosses to whoever
searches is bytes: the rules once, then books, so a search in another process sees what one in this process sees.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from millrace.core.binary_events import BinaryQuote, LaneScanned, LaneStatus
from millrace.core.instrument import InstrumentId
from millrace.strategies.arb.combo.certificate import verify
from millrace.strategies.arb.combo.offers import Known, Offers
from millrace.strategies.arb.combo.records import ComboBasket, ComboFind
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.universe import DOLLAR_NANO, Universe
from millrace.strategies.arb.model import MarketFacts
from millrace.strategies.arb.rules.joint import Component, Joint
from millrace.strategies.arb.rules.records import RuleSet

Found = tuple[dict[str, Any], ...]


class _Setup(msgspec.Struct, frozen=True):
    facts: tuple[MarketFacts, ...]
    rules: RuleSet
    blocked: tuple[str, ...]
    settings: ComboSettings


class Checked(NamedTuple):
    """What of a scan's finds holds at the books of now, and why each of the others is void."""

    proved: tuple[ComboBasket, ...]
    void: tuple[str, ...]


def setup_of(universe: Universe, joint: Joint, settings: ComboSettings) -> bytes:
    """Return what a search needs to know once: rules, settings, and the facts of the markets that rules bind."""
    bound = tuple(fact for fact in universe.facts if joint.component(fact.market) is not None)
    return msgspec.msgpack.encode(_Setup(bound, universe.rules, tuple(sorted(joint.blocked)), settings))


def books_of(
    detector: Detector, joint: Joint, settings: ComboSettings, components: Sequence[Component] | None = None
) -> bytes:
    """Return the books of the markets that rules bind, as deep as a search reads them; of some components or of all."""
    known = []
    for component in joint.components if components is None else components:
        for market in component.markets:
            quote, slot = detector.quote(market), detector.universe.slots.get(market, -1)
            if quote is not None:
                known.append((_cut(quote, settings.most_levels), detector.known_ns(slot)))
    return msgspec.msgpack.encode(known)


def prepare(setup: bytes) -> Callable[[bytes], Found]:
    """Return a search over the markets of a setup: books in, finds out as an event carries them."""
    from millrace.strategies.arb.combo.search import Search  # noqa: PLC0415  the solver is large to import

    given = msgspec.msgpack.decode(setup, type=_Setup)
    search = Search(Joint(given.rules, given.blocked), given.settings)
    facts = {fact.market: fact for fact in given.facts}

    def scan(books: bytes) -> Found:
        known = {found[0].market: found for found in msgspec.msgpack.decode(books, type=list[Known])}
        report = search.run(Offers(facts.get, known.get))
        return tuple(basket.find.values() for basket in report.found)

    return scan


def checked(event: LaneScanned, detector: Detector, joint: Joint, settings: ComboSettings) -> Checked:
    """Prove a scan's finds in integers at the detector's books; a scan that was late or failed brings none."""
    if event.status is not LaneStatus.DONE:
        return Checked((), ())
    proved, void = [], []
    offers, least_nano = offers_of(detector), round(settings.min_net_usd * DOLLAR_NANO)
    for values in event.found:
        try:
            basket = verify(ComboFind.read(values), joint, offers)
        except msgspec.ValidationError as error:
            basket = f"cannot be read: {error}"
        if isinstance(basket, str):
            void.append(basket)
        elif basket.net_nano < least_nano:
            void.append(f"earns {basket.net_nano} nano-dollars at the books of now")
        else:
            proved.append(basket)
    return Checked(tuple(proved), tuple(void))


def offers_of(detector: Detector) -> Offers:
    """Return what can be bought of a proposition for its asking price, as the detector last saw it."""
    universe = detector.universe

    def known(market: InstrumentId) -> Known | None:
        quote = detector.quote(market)
        return None if quote is None else (quote, detector.known_ns(universe.slots[market]))

    def fact(market: InstrumentId) -> MarketFacts | None:
        slot = universe.slots.get(market)
        return None if slot is None else universe.facts[slot]

    return Offers(fact, known)


def _cut(quote: BinaryQuote, most: int) -> BinaryQuote:
    if max(map(len, (quote.yes_asks, quote.no_asks, quote.yes_bids, quote.no_bids))) <= most:
        return quote
    return msgspec.structs.replace(
        quote,
        yes_asks=quote.yes_asks[:most],
        no_asks=quote.no_asks[:most],
        yes_bids=quote.yes_bids[:most],
        no_bids=quote.no_bids[:most],
    )
