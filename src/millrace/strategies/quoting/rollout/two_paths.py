"""One symbol between the frozen quoter and the pipeline: who decides this tick, and what the other one would have.

Whoever decides has the symbol's memory and its orders. When the path changes, everything that rests is taken back
before the other one begins, with a memory of its own except for halts, which no change of hands may end, and for the
names of orders, which never come again.
"""

from typing import Any, NamedTuple

import msgspec

from millrace.core.probe import TickProbe
from millrace.strategies.quoting.model import Features, TickOutcome
from millrace.strategies.quoting.pipeline import tick
from millrace.strategies.quoting.rollout.desk_ramp import Path
from millrace.strategies.quoting.rollout.legacy import legacy_tick
from millrace.strategies.quoting.rollout.shadow import Comparison, compared
from millrace.strategies.quoting.settings import SymbolConfig
from millrace.strategies.quoting.settings_growth import RolloutSettings
from millrace.strategies.quoting.stages.emit import pull_all
from millrace.strategies.quoting.tick_result import QuoteContext, SymbolState, TickResult

CHANGES_PATH = "path_change"
"""Why orders are taken back when a symbol changes its path."""


class Decided(NamedTuple):
    """What the path in charge decided, and how it compares with its shadow, None where nobody looked."""

    result: TickResult
    comparison: Comparison | None


class _Saved(msgspec.Struct):
    path: Path
    leaving: bool
    state: SymbolState
    shadow: SymbolState


class TwoPaths:
    """The two quoters of one symbol and their memories."""

    def __init__(self, config: SymbolConfig, legacy: SymbolConfig, cfg: RolloutSettings, *, shadows: bool) -> None:
        self.path = Path.PIPELINE
        self.state = SymbolState()
        self._config = config
        self._legacy = legacy
        self._cfg = cfg
        self._shadows = shadows
        self._shadow = SymbolState()
        self._leaving = False

    def go(self, path: Path) -> None:
        """Put the symbol on a path; a change takes its orders back with the next tick."""
        if path is not self.path:
            self.path = path
            self.state, self._shadow = SymbolState(guards=self.state.guards, emit=self.state.emit), SymbolState()
            self._leaving = True

    def tick(self, features: Features, probe: TickProbe, legacy_probe: TickProbe) -> Decided:
        """Decide one tick."""
        if self._leaving and features.live:
            return Decided(self._taken_back(features), None)
        self._leaving = False
        if self.path is Path.PIPELINE:
            result = tick(features, self.state, self._config, probe)
            self.state = result.state
            return Decided(result, None)
        result = legacy_tick(features, self.state, self._legacy, legacy_probe)
        self.state = result.state
        if not self._shadows:
            return Decided(result, None)
        shadow = tick(features, self._shadow, self._config, probe)
        self._shadow = shadow.state
        return Decided(result, compared(shadow, result, self._cfg))

    def _taken_back(self, features: Features) -> TickResult:
        trace_id = f"{features.terms.symbol}:{features.tick}"
        context = QuoteContext(trace_id, self._config.config_hash, features, self.state)
        self.state = SymbolState(guards=self.state.guards, emit=self.state.emit, halted=CHANGES_PATH)
        return TickResult(context, self.state, pull_all(features, CHANGES_PATH), 0, TickOutcome.HALTED)

    def snapshot(self) -> Any:
        """Return the state as builtins."""
        return msgspec.to_builtins(_Saved(self.path, self._leaving, self.state, self._shadow))

    def restore(self, state: Any) -> None:
        """Take a state that `snapshot` gave."""
        saved = msgspec.convert(state, _Saved)
        self.path, self._leaving, self.state, self._shadow = saved.path, saved.leaving, saved.state, saved.shadow
