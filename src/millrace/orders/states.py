"""All legal transitions of an order, as one table (runtime 2.15 rule 2).

Reasoning. Each state says what the venue has confirmed, so a transition only ever adds confirmation:

* INTENT is written down and SENT may have left; after a crash nobody can tell the two apart, so whatever the venue may
  say about one it may say about the other, and news may skip steps: a fill can overtake its own acceptance.
* OPEN and PARTIAL were accepted. They cannot become REJECTED: a refusal that comes now answers a repeated request.
* UNKNOWN means that a request had no clear answer. It can follow any state that is not final (a cancel can time out,
  too), and becomes whatever the venue confirms. It never becomes SENT again: a resend is the same order, still unknown.
* FILLED, CANCELLED, EXPIRED and REJECTED absorb. News after them changes no state; a fill among it is booked all the
  same, because money moved, and a person is told.

A transition that the table does not list leaves the state as it is: old news that came late.
"""

from typing import Final

from millrace.core.commands import TERMINAL_STATES, OrderState

_S = OrderState

FOLLOWERS: Final[dict[OrderState, frozenset[OrderState]]] = {
    _S.INTENT: frozenset(_S) - {_S.INTENT},
    _S.SENT: frozenset(_S) - {_S.INTENT, _S.SENT},
    _S.OPEN: frozenset({_S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.UNKNOWN}),
    _S.PARTIAL: frozenset({_S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.UNKNOWN}),
    _S.UNKNOWN: frozenset({_S.OPEN, _S.PARTIAL, _S.FILLED, _S.CANCELLED, _S.EXPIRED, _S.REJECTED}),
    **dict.fromkeys(TERMINAL_STATES, frozenset[OrderState]()),
}
"""State -> the states that may follow it."""


def next_state(current: OrderState, wanted: OrderState) -> OrderState:
    """Return `wanted` when it may follow `current`, else `current`."""
    return wanted if wanted in FOLLOWERS[current] else current
