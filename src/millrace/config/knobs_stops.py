"""The knobs of the stops: kill file, loss caps, failure caps, drawdown. They have no legacy names.

Caps are off by default, because nobody but the owner knows what may be lost; what cannot do harm is on.
"""

from millrace.config.knob import Knob, knob

_SPEC = "runtime 2.17"

STOPS_KNOBS: tuple[Knob, ...] = (
    knob("stops.kill_file", "", "", "", "a kill file besides KILL in the run's folder", spec=_SPEC, env=False),
)
