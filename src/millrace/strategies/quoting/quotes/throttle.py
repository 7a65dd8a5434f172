"""How many orders may be placed, amended and cancelled within any ten seconds, all symbols of an account together.

A part of what may be cancelled and amended is kept for what defends: it is never held back, and counts all the same. An
amend that defends and finds no room leaves as a cancel. Whatever else finds no room is dropped and not queued: the next
tick decides anew, on the book of that moment (quoting 4.6).
"""

from typing import NamedTuple

import msgspec

from millrace.strategies.quoting.model import IntentKind, OrderIntent
from millrace.strategies.quoting.settings import ThrottleSettings

_SECOND_MS = 1_000


class Sent(NamedTuple):
    """Actions of one kind that left at one moment."""

    ts_ms: int
    number: int


class ThrottleState(msgspec.Struct, frozen=True, gc=False):
    """What left within the window, by kind, oldest first."""

    places: tuple[Sent, ...] = ()
    amends: tuple[Sent, ...] = ()
    cancels: tuple[Sent, ...] = ()


class Admission(NamedTuple):
    """Intents that leave, in their order, and those that found no room."""

    state: ThrottleState
    leaves: tuple[OrderIntent, ...]
    waits: tuple[OrderIntent, ...]


def admitted(
    state: ThrottleState,
    intents: tuple[OrderIntent, ...],
    now_ms: int,
    cfg: ThrottleSettings,
    *,
    backs_off: bool = False,
    reserved: int = 0,
) -> Admission:
    """Return which intents leave now; while the desk `backs_off` only those that defend do.

    `reserved` actions of each kind are left to symbols that have waited longer; what defends does not wait for them.
    """
    if not intents:
        return Admission(state, (), ())
    since = now_ms - cfg.window_ms
    places, amends, cancels = (_within(sent, since) for sent in (state.places, state.amends, state.cancels))
    used = {
        IntentKind.PLACE: sum(sent.number for sent in places),
        IntentKind.AMEND: sum(sent.number for sent in amends),
        IntentKind.CANCEL: sum(sent.number for sent in cancels),
    }
    before = dict(used)
    leaves: list[OrderIntent] = []
    waits: list[OrderIntent] = []
    for intent in intents:
        most = _most(intent.kind, cfg)
        if not intent.defensive:
            most -= reserved if intent.kind is IntentKind.PLACE else reserved + most * cfg.defensive_share
        if used[intent.kind] + 1 <= most and not (backs_off and not intent.defensive):
            used[intent.kind] += 1
            leaves.append(intent)
        elif intent.defensive:
            used[IntentKind.CANCEL] += 1
            leaves.append(intent._replace(kind=IntentKind.CANCEL))
        else:
            waits.append(intent)
    after = ThrottleState(
        _with(places, now_ms, used[IntentKind.PLACE] - before[IntentKind.PLACE]),
        _with(amends, now_ms, used[IntentKind.AMEND] - before[IntentKind.AMEND]),
        _with(cancels, now_ms, used[IntentKind.CANCEL] - before[IntentKind.CANCEL]),
    )
    return Admission(after, tuple(leaves), tuple(waits))


def _most(kind: IntentKind, cfg: ThrottleSettings) -> float:
    rates = {
        IntentKind.PLACE: cfg.places_per_sec,
        IntentKind.AMEND: cfg.amends_per_sec,
        IntentKind.CANCEL: cfg.cancels_per_sec,
    }
    return rates[kind] * cfg.window_ms / _SECOND_MS


def _within(sent: tuple[Sent, ...], since_ms: int) -> tuple[Sent, ...]:
    """Return what is not older; of this very millisecond it may be, by the venue's finer clock."""
    first = 0
    while first < len(sent) and sent[first].ts_ms < since_ms:
        first += 1
    return sent[first:]


def _with(sent: tuple[Sent, ...], now_ms: int, count: int) -> tuple[Sent, ...]:
    if not count:
        return sent
    if sent and sent[-1].ts_ms == now_ms:
        return (*sent[:-1], Sent(now_ms, sent[-1].number + count))
    return (*sent, Sent(now_ms, count))
