"""What the ramp's controller shows of itself to Prometheus: what each gate said last, and how often the ramp went back.

The program that it steers knows nothing of gates, so these are shown by the controller's own port or file. A gate that
does not apply at a step has no series: neither a one nor a nought would be true of it (quoting 9).
"""

from millrace.core.series import Family, Series
from millrace.strategies.quoting.rollout.gates import GateState
from millrace.strategies.quoting.rollout.ramp import RampDecision, RampState

_PREFIX = "millrace_quoting_rollout_"


class RampFigures:
    """The controller's figures, begun where its log stands; roll-backs are counted over the whole log."""

    def __init__(self, state: RampState) -> None:
        self._rollbacks = state.rollbacks
        self._gates: dict[str, bool] = {}

    def decided(self, state: RampState, decision: RampDecision) -> None:
        """Take a poll's outcome."""
        self._rollbacks = state.rollbacks
        applies = [one for one in decision.verdicts if one.state is not GateState.NOT_APPLICABLE]
        self._gates = {one.gate: one.state is GateState.PASS for one in applies}

    def families(self) -> list[Family]:
        """Return both families; before the first poll there are no gates."""
        gates = [Series({"gate": gate}, float(ok)) for gate, ok in self._gates.items()]
        backs = [Series({}, float(self._rollbacks))]
        found = [
            Family(f"{_PREFIX}gate_ok", "gauge", "1: the gate passed at the newest poll", ("gate",), gates),
            Family(f"{_PREFIX}rollbacks_total", "counter", "how often the ramp went back to nothing", (), backs),
        ]
        return [family for family in found if family.rows]
