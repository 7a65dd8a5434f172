"""Polls a program's metrics and moves its ramp: the controller's loop, on any clock (quoting 8).

What a poll decided is written down before the program is asked to follow; one that does not follow is told of loudly
and asked again at each poll, after a roll-back too. A source that gives nothing is a failed poll, not the end: after
two of them the ramp goes back, because nobody knows what the desk does.
"""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple, Protocol
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import urlopen

from millrace.core.failure import OperatorError
from millrace.research.perf_profile import Profile
from millrace.research.rollout_log import DecisionLog
from millrace.research.rollout_metrics import Replays, Samples, ramp_metrics, read_samples
from millrace.strategies.quoting.rollout.ramp import RampAction, RampDecision, RampState, pct_of, poll
from millrace.strategies.quoting.settings_growth import RolloutSettings
from millrace.world.afterwards.replay import replay

_TIMEOUT_SEC = 10
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_REPLAYS = 3
_ENDS = frozenset({RampAction.FINISH, RampAction.ROLL_BACK, RampAction.WAIT_FOR_APPROVAL})


class Answer(NamedTuple):
    """What the program said to a step: whether it follows, and its words."""

    followed: bool
    text: str


Follow = Callable[[int, str], Answer]
"""Asks the program for a share of symbols, in percent, and why; raises nothing, since a roll-back may not be lost."""


class Poll(NamedTuple):
    """One look at the metrics: when, and the text; None where there was none to be had, and then why."""

    ts_ns: int
    text: str | None
    why: str = ""


class Sleeper(Protocol):
    """A clock that can wait."""

    def now_ns(self) -> int:
        """Return the time."""
        ...

    def sleep_until(self, ts_ns: int) -> None:
        """Return when it shows that time."""
        ...


def live_polls(source: str, every_ns: int, clock: Sleeper) -> Iterator[Poll]:
    """Yield a look at a URL of this machine or at a file, again and again; raises OperatorError for another host."""
    is_url = source.startswith(("http://", "https://"))
    if is_url and urlsplit(source).hostname not in _LOOPBACK:
        raise OperatorError(f"{source}: metrics are read from this machine only")
    while True:
        now_ns = clock.now_ns()
        yield _looked(source, now_ns, is_url=is_url)
        clock.sleep_until(now_ns + every_ns)


def _looked(source: str, now_ns: int, *, is_url: bool) -> Poll:
    try:
        if is_url:
            with urlopen(source, timeout=_TIMEOUT_SEC) as answer:  # noqa: S310  of this machine, checked above
                return Poll(now_ns, answer.read().decode())
        return Poll(now_ns, Path(source).read_text())
    except (OSError, URLError, UnicodeDecodeError) as error:
        return Poll(now_ns, None, f"{source}: {error}")


def recorded_polls(path: Path) -> Iterator[Poll]:
    """Yield the looks of a recording: lines of JSON with `ts_ns` and `text`; raises OperatorError naming a bad line."""
    try:
        with path.open() as lines:
            for number, line in enumerate(lines, start=1):
                try:
                    row = json.loads(line)
                    yield Poll(int(row["ts_ns"]), row["text"], "recorded as missing")
                except (ValueError, KeyError, TypeError) as error:
                    raise OperatorError(f"{path}, line {number}: no recorded look at metrics ({error})") from error
    except OSError as error:
        raise OperatorError(f"{path}: {error.strerror or error}") from error


def replays_of(folder: Path | None) -> Replays:
    """Replay a shadow's run three times and count those that differ; nothing without one."""
    if folder is None:
        return Replays()
    return Replays(_REPLAYS, sum(replay(folder).divergence is not None for _ in range(_REPLAYS)))


def _samples(look: Poll) -> tuple[Samples, str]:
    """Return what a look saw; a text that cannot be read shows nothing, and then it is said why."""
    if look.text is None:
        return {}, look.why
    try:
        return read_samples(look.text, "the metrics"), ""
    except OperatorError as error:
        return {}, str(error)


def steer(
    polls: Iterator[Poll],
    state: RampState,
    log: DecisionLog,
    settings: RolloutSettings,
    *,
    baseline: Profile | None,
    replays: Replays,
    follow: Follow,
) -> Iterator[tuple[RampState, RampDecision, str]]:
    """Poll after poll, decide, write it down, have the program follow; ends with the ramp or the polls.

    Yields the state, the decision, and what the program said, "" where it was not asked.
    """
    before: Samples | None = None
    asked: int | None = None
    for look in polls:
        now, why = _samples(look)
        state, decision = poll(state, ramp_metrics(now, before, baseline, replays), look.ts_ns, settings)
        before = now or before
        log.write(decision, state)
        pct, told = pct_of(state, settings), why
        if pct != asked:
            answer = follow(pct, decision.reason)
            asked = pct if answer.followed else None
            told = answer.text
            log.answered(pct, answer.followed, answer.text, look.ts_ns, state)
        yield state, decision, told
        if asked == pct and decision.action in _ENDS:
            return
