"""`millrace rollout`: the controller of the quote desk's ramp, on the metrics that the program shows.

It goes up a step when every gate held for the whole dwell and back to 0 % when one says so. Exit codes: 0 the ramp
reached its end, 1 it was rolled back, or the polls ended before, 2 the input cannot be used.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from millrace.cli.exposing import metrics_flags, published
from millrace.cli.terms import FAILED, OK, USAGE, json_text, load, settings_flags

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from millrace.cli.exposing import Publish
    from millrace.research.rollout_log import DecisionLog
    from millrace.strategies.quoting.rollout.ramp import RampDecision, RampState
    from millrace.strategies.quoting.settings_growth import RolloutSettings
    from millrace.world.quoting.rollout_run import Answer, Follow, Poll

_SECOND_NS = 1_000_000_000
_TEST_DWELL_MIN = 10


def grammar(command: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    command.add_argument(
        "--metrics",
        required=True,
        metavar="SOURCE",
        help="http://127.0.0.1:PORT/metrics, a file of --metrics-file, or a recording (.jsonl) with its own times",
    )
    command.add_argument("--log", required=True, metavar="FILE", help="decisions, a line each; a restart goes on there")
    command.add_argument("--dir", metavar="DIR", help="the running program's folder: it is asked to follow")
    command.add_argument("--baseline", metavar="FILE", help="what stage times are held against (millrace baseline)")
    command.add_argument("--replay", metavar="RUN", help="a shadow's run or bundle, replayed three times at the start")
    command.add_argument("--pace", choices=("test", "live"), default="live", help="test: steps of ten minutes")
    command.add_argument(
        "--patience", type=float, default=15.0, metavar="SEC", help="how long the program may take (15)"
    )
    command.add_argument("--approve", action="store_true", help="let a ramp that was rolled back begin again, and end")
    metrics_flags(command)
    settings_flags(command)


def run(given: argparse.Namespace) -> int:
    """Steer the ramp until it ends."""
    from pathlib import Path

    from msgspec.structs import replace

    from millrace.core.failure import OperatorError
    from millrace.research.perf_profile import read_profile
    from millrace.research.rollout_log import DecisionLog
    from millrace.world.quoting.rollout_figures import RampFigures
    from millrace.world.quoting.rollout_run import replays_of, steer

    settings = load(given, "demo").quoting.rollout
    if given.pace == "test":
        settings = replace(settings, dwell_min=_TEST_DWELL_MIN)
    log = DecisionLog(Path(given.log))
    try:
        state, notices = log.begin()
        for notice in notices:
            print(f"millrace: {notice}", file=sys.stderr)
        if given.approve:
            return _approve(log, state)
        found = steer(
            _polls(given, settings),
            state,
            log,
            settings,
            baseline=None if given.baseline is None else read_profile(Path(given.baseline)),
            replays=replays_of(None if given.replay is None else Path(given.replay)),
            follow=_follow(None if given.dir is None else Path(given.dir), round(given.patience * _SECOND_NS)),
        )
        figures = RampFigures(state)
        with published(given, figures.families) as publish:
            return _told(found, figures.decided, publish, as_json=given.json)
    except OperatorError as error:
        print(f"millrace: {error}", file=sys.stderr)
        return USAGE


def _told(
    found: "Iterator[tuple[RampState, RampDecision, str]]",
    decided: "Callable[[RampState, RampDecision], None]",
    publish: "Publish",
    *,
    as_json: bool,
) -> int:
    from millrace.strategies.quoting.rollout.ramp import RampPhase

    last = None
    rows = []
    for state, decision, told in found:
        last = state
        decided(state, decision)
        publish(now=True)  # the next poll is a minute away
        rows.append(decision.row() | {"program": told})
        if not as_json:
            print(f"{decision.action.value:<18}{decision.pct:>4} %  {decision.reason}{'; ' if told else ''}{told}")
    if as_json:
        print(json_text(rows))
    return OK if last is not None and last.phase is RampPhase.FINISHED else FAILED


def _approve(log: "DecisionLog", state: "RampState") -> int:
    from millrace.shell.clock import WallClock
    from millrace.strategies.quoting.rollout.ramp import RampState, approve

    now_ns = WallClock().now_ns()
    again = approve(state, now_ns)
    if not isinstance(again, RampState):
        print(f"refused: {again}")
        return FAILED
    log.approved(again, now_ns)
    print("the ramp begins again at 0 %")
    return OK


def _polls(given: argparse.Namespace, settings: "RolloutSettings") -> "Iterator[Poll]":
    from pathlib import Path

    from millrace.shell.clock import WallClock
    from millrace.world.quoting.rollout_run import live_polls, recorded_polls

    if given.metrics.endswith(".jsonl"):
        return recorded_polls(Path(given.metrics))
    return live_polls(given.metrics, settings.poll_sec * _SECOND_NS, WallClock())


def _follow(folder: "Path | None", patience_ns: int) -> "Follow":
    """Return what asks the program to follow; without a folder nobody is asked."""

    def ask_program(pct: int, reason: str) -> "Answer":
        from millrace.core.failure import OperatorError, WorldError
        from millrace.shell.clock import WallClock
        from millrace.shell.mailbox import ask
        from millrace.world.quoting.rollout_run import Answer

        if folder is None:
            return Answer(followed=True, text="")
        try:
            answer = ask(folder, "quoting_ramp", {"pct": pct, "reason": reason}, WallClock(), patience_ns)
        except (OperatorError, WorldError) as error:
            return Answer(followed=False, text=f"the program did NOT follow to {pct} %: {error}")
        if answer.ok:
            return Answer(followed=True, text=answer.message)
        return Answer(followed=False, text=f"the program did NOT follow to {pct} %: {answer.message}")

    return ask_program
