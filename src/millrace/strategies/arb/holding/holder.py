"""Looks at what is held now and then, and does what the table of exits says (arb 12).

Each basket is looked at every five seconds at most. A row that says close is remembered on the basket, so that what the
books did not take at once goes on being given back; only fills close it.
"""

from typing import Any

from millrace.core.commands import Intent
from millrace.core.strategy import View
from millrace.strategies.arb.execution.basket import Life, State
from millrace.strategies.arb.execution.baskets import Baskets
from millrace.strategies.arb.execution.repair import worth_trading
from millrace.strategies.arb.execution.settings import SECOND_NS
from millrace.strategies.arb.holding.exits import Action, Exit, marked, recommended
from millrace.strategies.arb.holding.settings import HoldingSettings
from millrace.strategies.arb.model import NanoUsd

_HELD = frozenset({State.HEDGED, State.HELD_NAKED, State.UNWOUND})


class Holder:
    """Recommends and carries out exits; `counts` says how often each row applied."""

    def __init__(self, baskets: Baskets, settings: HoldingSettings) -> None:
        self.counts: dict[str, int] = {}
        self._baskets = baskets
        self._settings = settings
        self._look_ns = round(settings.look_sec * SECOND_NS)

    @property
    def next_ns(self) -> int | None:
        """When the next basket is to be looked at; None when none is held."""
        times = [life.looked_ns + self._look_ns for life in self._baskets.lives.values() if self._is_held(life)]
        return min(times, default=None)

    def due(self, view: View, bankroll_nano: NanoUsd) -> list[Intent]:
        """Look at every basket whose time has come."""
        out: list[Intent] = []
        for life in list(self._baskets.lives.values()):
            if self._is_held(life) and life.looked_ns + self._look_ns <= view.now_ns:
                life.looked_ns = view.now_ns
                out += self._look(life, view, bankroll_nano)
        return out

    def _is_held(self, life: Life) -> bool:
        return life.state in _HELD and not life.orders and any(not leg.ended for leg in life.legs)

    def _look(self, life: Life, view: View, bankroll_nano: NanoUsd) -> list[Intent]:
        at = marked(life, self._baskets.prices, view)
        if not life.closing:
            tolerance = self._baskets.tolerance(life)
            found = recommended(life, at, tolerance, bankroll_nano, view.now_ns, self._settings)
            if found is None:
                return []
            self.counts[found.row] = self.counts.get(found.row, 0) + 1
            if found.action is not Action.CLOSE:
                return self._hedge(life, found, view)
            life.closing = found.row
        return self._baskets.exit(life, worth_trading(life, self._baskets.prices, at.trades), view)

    def _hedge(self, life: Life, found: Exit, view: View) -> list[Intent]:
        if found.action is Action.ABANDON or not life.uneven(self._baskets.tolerance(life)):
            return []
        return self._baskets.repair_again(life, view)

    def snapshot(self) -> dict[str, Any]:
        """Return the state as builtins."""
        return {"counts": dict(self.counts)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take a state that `snapshot` gave."""
        self.counts = dict(state["counts"])
