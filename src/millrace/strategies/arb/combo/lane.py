"""Joins the combination lane to the desk: a scan reads the detector's books, and its answer is checked.

The search may run outside a step and come late or not at all; what it found is an event. The check runs in the core, on
the core's own books, so a replay of the journal reaches the same verdicts without a solver.
"""

from typing import Any, NamedTuple

import msgspec

from millrace.core.binary_events import LaneScanned, LaneStatus
from millrace.strategies.arb.combo.certificate import Offers, verify
from millrace.strategies.arb.combo.records import ComboBasket, ComboFind
from millrace.strategies.arb.combo.settings import ComboSettings
from millrace.strategies.arb.lanes.detector import Detector
from millrace.strategies.arb.lanes.exact import Offer, offer_of
from millrace.strategies.arb.model import Proposition, Style
from millrace.strategies.arb.rules.joint import Joint


def offers_of(detector: Detector) -> Offers:
    """Return what can be bought of a proposition for its asking price, as the detector last saw it."""
    universe = detector.universe

    def offer(taken: Proposition) -> Offer | None:
        slot, quote = universe.slots.get(taken.market), detector.quote(taken.market)
        if slot is None or quote is None:
            return None
        return offer_of(taken, universe.facts[slot], quote, Style.TAKER, 0, detector.known_ns(slot))

    return offer


def scan(detector: Detector, joint: Joint, settings: ComboSettings) -> tuple[dict[str, Any], ...]:
    """Search the detector's books; the finds as an event carries them. This is the part that takes time."""
    from millrace.strategies.arb.combo.search import search  # noqa: PLC0415  the solver is large to import

    return tuple(basket.find.values() for basket in search(joint, offers_of(detector), settings).found)


class Checked(NamedTuple):
    """What of a scan's finds holds at the books of now, and why each of the others is void."""

    proved: tuple[ComboBasket, ...]
    void: tuple[str, ...]


def checked(event: LaneScanned, detector: Detector, joint: Joint, settings: ComboSettings) -> Checked:
    """Prove a scan's finds in integers; a scan that was late or failed brings none."""
    if event.status is not LaneStatus.DONE:
        return Checked((), ())
    proved, void = [], []
    for values in event.found:
        try:
            basket = verify(ComboFind.read(values), joint, offers_of(detector))
        except msgspec.ValidationError as error:
            basket = f"cannot be read: {error}"
        if isinstance(basket, str):
            void.append(basket)
        elif basket.net_nano < settings.min_net_nano:
            void.append(f"earns {basket.net_nano} nano-dollars at the books of now")
        else:
            proved.append(basket)
    return Checked(tuple(proved), tuple(void))
