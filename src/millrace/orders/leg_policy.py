"""How the legs of a plan follow each other, and how a plan that comes out uneven is put right (runtime 2.14).

Legs of one venue leave together. Venues follow one another, the hardest to fill first, each for no more than what the
ones before it traded, and at most three seconds after the first fill: what has not traded by then is cancelled, and the
next leg leaves for what has. The board is asked again before each.

When nothing of a plan is under way any more and its legs do not match, it is completed at a worse price (hedge), or the
surplus is given back (unwind), or kept (hold). Each falls back to the next, and what is kept in the end is booked and
told to a person: no leg is ever just left. An unwind that the board does not admit is told and tried again.
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import msgspec
from msgspec import structs

from millrace.core.commands import (
    Alert,
    Book,
    Cancel,
    Finish,
    Intent,
    LegPolicy,
    OrderState,
    OrderUpdate,
    Place,
    Refused,
    Severity,
    Style,
)
from millrace.core.instrument import Lots

UNWINDS = 3
"""How often a leg's surplus is sent back before it counts as kept."""
RETRY_NS = 5_000_000_000
"""When an unwind is tried again that the board did not admit."""


class _Phase(StrEnum):
    LEGS = "legs"
    HEDGE = "hedge"
    UNWIND = "unwind"


class _Basket(msgspec.Struct):
    """One plan under way; `traded` are the lots of each leg, less what was given back; `orders` maps keys to legs."""

    key: str
    strategy: str
    legs: tuple[Place, ...]
    policy: LegPolicy
    groups: list[list[int]]
    traded: list[Lots]
    deadline_ns: int
    sent: int = 1
    phase: _Phase = _Phase.LEGS
    traded_any: bool = False
    cancelled: bool = False
    told: bool = False
    orders: dict[str, int] = {}
    back: list[str] = []
    live: list[str] = []

    @property
    def next_ns(self) -> int | None:
        """When time alone asks for something; None while only news can."""
        return None if self.cancelled and not (self.has_next and self.traded_any) else self.deadline_ns

    @property
    def has_next(self) -> bool:
        """Tell whether another venue's legs have not been sent."""
        return self.phase is _Phase.LEGS and self.sent < len(self.groups)

    def times_back(self, leg: int) -> int:
        """Return how often a leg's surplus was sent back."""
        return sum(self.orders[key] == leg for key in self.back)


class Legging:
    """The plans under way. What it returns are intents, which the engine gates like any others."""

    def __init__(self) -> None:
        self._baskets: dict[str, _Basket] = {}
        self._of: dict[str, _Basket] = {}

    @property
    def next_ns(self) -> int | None:
        """When `due` must be called next; None when no plan waits for time."""
        if not self._baskets:
            return None
        waits = [basket.next_ns for basket in self._baskets.values()]
        return min([wait_ns for wait_ns in waits if wait_ns is not None], default=None)

    def begin(self, strategy: str, key: str, legs: Sequence[Place], policy: LegPolicy, now_ns: int) -> frozenset[str]:
        """Take a plan whose legs may all leave now; returns the keys of those that do.

        A plan whose strategy follows the legs itself is none of ours from here on.
        Raises ValueError for a policy whose figures are not one for each leg.
        """
        for figures in (policy.hardness, policy.hedge_ticks, policy.unwind_ticks):
            if figures and len(figures) != len(legs):
                raise ValueError(f"plan {key}: {len(figures)} figures for {len(legs)} legs")
        if len(legs) == 1:
            return frozenset(leg.key for leg in legs)
        if policy.finish is Finish.STRATEGY:
            hardness = policy.hardness or (0.0,) * len(legs)
            return frozenset(leg.key for leg, hard in zip(legs, hardness, strict=True) if hard == max(hardness))
        groups = _groups(legs, policy)
        wait_ns = policy.gap_ns if len(groups) == 1 else policy.first_wait_ns
        basket = _Basket(key, strategy, tuple(legs), policy, groups, [0] * len(legs), now_ns + wait_ns)
        self._baskets[key] = basket
        first = [legs[leg] for leg in groups[0]]
        for leg, place in zip(groups[0], first, strict=True):
            self._note(basket, leg, place)
        return frozenset(place.key for place in first)

    def heard(self, update: OrderUpdate) -> list[Intent]:
        """Take an order's news."""
        key = update.place.key
        basket = self._of.get(key)
        if basket is None:
            return []
        leg = basket.orders[key]
        basket.traded[leg] += -update.d_lots if key in basket.back else update.d_lots
        if update.d_lots and not basket.traded_any:
            basket.traded_any = True
            if basket.has_next:
                basket.deadline_ns = update.ts_ns + basket.policy.gap_ns
        if update.state.is_terminal:
            if key in basket.live:
                basket.live.remove(key)
        elif basket.cancelled and (
            OrderState.UNKNOWN in {update.state, update.previous} or update.previous is update.state
        ):
            # Its cancel met an unknown order, or was put off: while one is unknown nobody tells how its cancel ended.
            basket.cancelled, basket.deadline_ns = False, update.ts_ns + basket.policy.gap_ns
        return self._advance(basket, update.ts_ns)

    def refused(self, news: Refused) -> list[Intent]:
        """Take the board's refusal of an order: it trades nothing, and an unwind waits to be admitted."""
        basket = self._of.get(news.place.key)
        if basket is None:
            return []
        basket.live.remove(news.place.key)
        if basket.phase is _Phase.UNWIND:
            # It is in no table: its key is free for the next try, and does not count as one.
            basket.back.remove(news.place.key)
            del basket.orders[news.place.key], self._of[news.place.key]
            basket.cancelled, basket.deadline_ns = False, news.ts_ns + RETRY_NS
            if basket.told:
                return []
            basket.told = True
            return self._exposure(basket, f"cannot be given back yet ({', '.join(news.reasons)})", news.ts_ns)
        return self._advance(basket, news.ts_ns)

    def due(self, now_ns: int) -> list[tuple[str, list[Intent]]]:
        """Return what the passing of time asks for, by strategy."""
        late = [basket for basket in self._baskets.values() if basket.next_ns is not None and basket.next_ns <= now_ns]
        return [(basket.strategy, self._advance(basket, now_ns)) for basket in late]

    # One plan

    def _advance(self, basket: _Basket, now_ns: int) -> list[Intent]:
        """Return what follows from where a plan is now."""
        if basket.has_next and basket.traded_any:
            if basket.live and now_ns < basket.deadline_ns:
                return []
            rest = self._cancels(basket)
            return rest + self._next_group(basket, now_ns)
        if basket.live:
            return self._cancels(basket) if now_ns >= basket.deadline_ns else []
        if basket.phase is _Phase.UNWIND and basket.told and now_ns < basket.deadline_ns:
            return []
        return self._settle(basket, now_ns)

    def _cancels(self, basket: _Basket) -> list[Intent]:
        if basket.cancelled:
            return []
        basket.cancelled = True
        return [Cancel(basket.strategy, key, "leg_policy") for key in basket.live]

    def _next_group(self, basket: _Basket, now_ns: int) -> list[Intent]:
        """Send the next venue's legs for what the ones before have traded of theirs."""
        before = [leg for group in basket.groups[: basket.sent] for leg in group]
        wanted = basket.groups[basket.sent]
        basket.sent += 1
        places = [
            structs.replace(basket.legs[leg], lots=lots)
            for leg in wanted
            if (lots := min(_share(basket, leg, other) for other in before)) > 0
        ]
        if not places:
            return self._advance(basket, now_ns)
        legs = [leg for leg in wanted if any(place.key == basket.legs[leg].key for place in places)]
        return self._sent(basket, legs, places, now_ns)

    def _sent(self, basket: _Basket, legs: list[int], places: list[Place], now_ns: int) -> list[Intent]:
        basket.cancelled, basket.deadline_ns = False, now_ns + basket.policy.gap_ns
        for leg, place in zip(legs, places, strict=True):
            self._note(basket, leg, place)
        return list(places)

    def _note(self, basket: _Basket, leg: int, place: Place) -> None:
        basket.orders[place.key] = leg
        basket.live.append(place.key)
        self._of[place.key] = basket

    # The end of one

    def _settle(self, basket: _Basket, now_ns: int) -> list[Intent]:
        """Nothing is under way: put right what does not match, or end."""
        legs = range(len(basket.legs))
        keep = [min(_share(basket, leg, other) for other in legs) for leg in legs]
        surplus = [max(basket.traded[leg] - keep[leg], 0) for leg in legs]
        if not any(surplus):
            return self._end(basket, _outcome(basket), now_ns)
        policy = basket.policy
        if basket.phase is _Phase.LEGS and policy.finish is Finish.HEDGE and policy.hedge_ticks:
            basket.phase = _Phase.HEDGE
            full = [max(_share(basket, leg, other) for other in legs) for leg in legs]
            missing = [leg for leg in legs if full[leg] > basket.traded[leg]]
            if missing:
                return self._sent(basket, missing, [_hedge(basket, leg, full[leg]) for leg in missing], now_ns)
        back = [leg for leg in legs if surplus[leg] and basket.times_back(leg) < UNWINDS]
        if policy.finish is not Finish.HOLD and policy.unwind_ticks and back:
            basket.phase = _Phase.UNWIND
            places = [_unwind(basket, leg, surplus[leg]) for leg in back]
            basket.back += [place.key for place in places]
            return self._sent(basket, back, places, now_ns)
        exposure = self._exposure(basket, "was kept", now_ns)
        return exposure + self._end(basket, "exposure", now_ns)

    def _exposure(self, basket: _Basket, what: str, now_ns: int) -> list[Intent]:
        lots = ", ".join(
            f"{leg.key} {traded} of {leg.lots}" for leg, traded in zip(basket.legs, basket.traded, strict=True)
        )
        return [Alert(Severity.PAGE, "leg_exposure", f"{basket.key}: uneven legs, what is open {what}: {lots}", now_ns)]

    def _end(self, basket: _Basket, outcome: str, now_ns: int) -> list[Intent]:
        del self._baskets[basket.key]
        for key in basket.orders:
            del self._of[key]
        lots = {leg.key: traded for leg, traded in zip(basket.legs, basket.traded, strict=True)}
        return [Book(basket.strategy, "plan", basket.key, {"outcome": outcome, **lots}, now_ns)]

    # Snapshots

    def snapshot(self) -> list[Any]:
        """Return the state as builtins."""
        builtins: list[Any] = msgspec.to_builtins(list(self._baskets.values()))
        return builtins

    def restore(self, state: list[Any]) -> None:
        """Take a state that `snapshot` gave; raises ValueError, with nothing changed, when it is none."""
        baskets = msgspec.convert(state, list[_Basket])
        self._baskets = {basket.key: basket for basket in baskets}
        self._of = {key: basket for basket in baskets for key in basket.orders}


def _groups(legs: Sequence[Place], policy: LegPolicy) -> list[list[int]]:
    """Return the legs by venue, the venue with the leg that is hardest to fill first."""
    hardness = policy.hardness or (0.0,) * len(legs)
    hardest_first = sorted(range(len(legs)), key=lambda leg: (-hardness[leg], leg))
    groups: dict[str, list[int]] = {}
    for leg in hardest_first:
        groups.setdefault(legs[leg].instrument.venue, []).append(leg)
    return list(groups.values())


def _share(basket: _Basket, leg: int, other: int) -> Lots:
    """Return the lots of a leg that match what another has traded, rounded down."""
    return basket.legs[leg].lots * basket.traded[other] // basket.legs[other].lots


def _outcome(basket: _Basket) -> str:
    if basket.back:
        return "unwound"
    if not any(basket.traded):
        return "flat"
    if basket.phase is _Phase.HEDGE:
        return "hedged"
    whole = all(traded >= leg.lots for leg, traded in zip(basket.legs, basket.traded, strict=True))
    return "complete" if whole else "part"


def _hedge(basket: _Basket, leg: int, full: Lots) -> Place:
    place = basket.legs[leg]
    return structs.replace(
        place,
        lots=full - basket.traded[leg],
        limit_ticks=basket.policy.hedge_ticks[leg],
        style=Style.LIMIT,
        key=f"{place.key}/hedge",
        purpose="hedge",
    )


def _unwind(basket: _Basket, leg: int, lots: Lots) -> Place:
    place = basket.legs[leg]
    return structs.replace(
        place,
        side=place.side.opposite,
        lots=lots,
        limit_ticks=basket.policy.unwind_ticks[leg],
        style=Style.LIMIT,
        reduces=not place.reduces,
        key=f"{place.key}/unwind{basket.times_back(leg) + 1}",
        purpose="unwind",
    )
