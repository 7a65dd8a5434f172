"""What goes wrong on the line between program and venue, drawn from a hash instead of a generator.

Each draw depends on the seed, what is drawn for, the order and the number of the attempt, and on nothing else, so one
seed is one history whatever else happens (runtime 2.21 rule 6). A request may be lost, refused for its pace before the
venue takes it, or overtaken by a later one; an answer may be lost, delayed, doubled or overtaken, or the connection is
reset after the venue has acted. A request never arrives twice and never later than `LATEST_REQUEST_NS`: a venue settles
within a bounded time, and without that no client could tell absent from late.
"""

from enum import StrEnum
from hashlib import blake2b
from typing import NamedTuple

import msgspec

from millrace.core.instrument import PPM

_MS = 1_000_000
_WORD = 8
LATEST_REQUEST_NS = 1_000 * _MS
"""How much later than usual a request may arrive; less than the venue's settle time of 2 s (runtime 2.15 rule 3)."""


class Fault(StrEnum):
    """What happens to one call, or to one piece of news that nobody asked for."""

    NONE = "none"
    REQUEST_LOST = "request_lost"
    REQUEST_OVERTAKEN = "request_overtaken"
    RATE_LIMITED = "rate_limited"
    ANSWER_LOST = "answer_lost"
    ANSWER_DELAYED = "answer_delayed"
    ANSWER_TWICE = "answer_twice"
    ANSWER_OVERTAKEN = "answer_overtaken"
    RESET = "reset"
    ITEM_REFUSED = "item_refused"


ITEM_FAULTS = (Fault.ITEM_REFUSED, Fault.ANSWER_LOST)
"""What happens to single items of a call that carries several: the others are carried out and answered."""
CALL_FAULTS = tuple(fault for fault in Fault if fault not in {Fault.NONE, Fault.ITEM_REFUSED})
NEWS_FAULTS = (Fault.ANSWER_DELAYED, Fault.ANSWER_TWICE, Fault.ANSWER_OVERTAKEN)


class FaultMenu(msgspec.Struct, frozen=True, gc=False):
    """How often something goes wrong, from when until when, and which faults may be chosen.

    `share_ppm` of the calls, and of the items of calls that carry several, and `news_share_ppm` of the news meet one of
    the faults, each as likely as the others.
    With `retry_after_ns` half of the refusals for our pace say for how long, at most so long.
    """

    seed: int
    share_ppm: int = 300_000
    news_share_ppm: int = 300_000
    from_ns: int = 0
    until_ns: int = 2**63 - 1
    longest_delay_ns: int = 30_000 * _MS
    overtaking_ns: int = LATEST_REQUEST_NS
    retry_after_ns: int = 0
    call_faults: tuple[Fault, ...] = CALL_FAULTS
    news_faults: tuple[Fault, ...] = NEWS_FAULTS
    item_faults: tuple[Fault, ...] = ITEM_FAULTS


class Fate(NamedTuple):
    """What happens: the fault, and by how much what it holds up is late (the second copy, when it comes twice).

    Of a refusal for our pace it is the time after which the venue wants to be asked again, 0 where it does not say.
    """

    fault: Fault
    late_ns: int = 0


_GOOD = Fate(Fault.NONE)


class Faults:
    """The draws of one line; of several menus the first one that is in force is served."""

    __slots__ = ("_menus",)

    def __init__(self, *menus: FaultMenu) -> None:
        for menu in menus:
            if menu.overtaking_ns > LATEST_REQUEST_NS:
                raise ValueError(f"a request may be {LATEST_REQUEST_NS} ns late, not {menu.overtaking_ns}")
        self._menus = [(menu, blake2b(str(menu.seed).encode(), digest_size=32).digest()) for menu in menus]

    def of_call(self, purpose: str, client_id: str, attempt: int, now_ns: int) -> Fate:
        """Return what happens to a request and its answer; `attempt` counts the calls of this purpose and order."""
        for menu, key in self._menus:
            if menu.from_ns <= now_ns < menu.until_ns:
                return _draw(menu, key, purpose, f"{client_id}/{attempt}", menu.share_ppm, menu.call_faults)
        return _GOOD

    def of_item(self, client_id: str, attempt: int, now_ns: int) -> Fate:
        """Return what happens to one item of a call that carries several; `attempt` counts the order's items."""
        for menu, key in self._menus:
            if menu.from_ns <= now_ns < menu.until_ns:
                return _draw(menu, key, "item", f"{client_id}/{attempt}", menu.share_ppm, menu.item_faults)
        return _GOOD

    def of_news(self, client_id: str, number: int, now_ns: int) -> Fate:
        """Return what happens to the order's `number`-th piece of news that answers no request."""
        for menu, key in self._menus:
            if menu.from_ns <= now_ns < menu.until_ns:
                return _draw(menu, key, "news", f"{client_id}/{number}", menu.news_share_ppm, menu.news_faults)
        return _GOOD


def _draw(menu: FaultMenu, key: bytes, purpose: str, text: str, share_ppm: int, faults: tuple[Fault, ...]) -> Fate:
    if not faults:
        return _GOOD
    digest = blake2b(text.encode(), key=key, person=purpose.encode(), digest_size=3 * _WORD).digest()
    chance, choice, length = (int.from_bytes(digest[at : at + _WORD], "little") for at in range(0, 3 * _WORD, _WORD))
    if chance % PPM >= share_ppm:
        return _GOOD
    fault = faults[choice % len(faults)]
    if fault is Fault.RATE_LIMITED:
        return Fate(fault, length // 2 % (menu.retry_after_ns + 1) if length % 2 else 0)
    longest_ns = menu.longest_delay_ns if fault is Fault.ANSWER_DELAYED else menu.overtaking_ns
    return Fate(fault, length % (longest_ns + 1))
