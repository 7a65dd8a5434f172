"""Kills the processes of a rehearsal again and again, and proves from outside that nothing was lost or doubled.

The moments are drawn from a seed, start-up included. Where it then looks, the market stands still and a last program
has asked the venue about everything, so journal, ledger, venue and strategy must agree to the unit, and stepping the
whole journal again must give the same commands (runtime 2.15, 2.16).
"""

import random
from collections.abc import Callable

import msgspec

from millrace.core.clock import Clock
from millrace.world.afterwards.audit import audit
from millrace.world.afterwards.replay import replay
from millrace.world.rehearsing.rehearsal import Rehearsal

_SHORTEST_SEC, _LONGEST_SEC = 0.05, 4.0
_VENUE_KILL_SHARE = 0.2
_KILLS_PER_AUDIT = 25


class KillReport(msgspec.Struct, frozen=True, kw_only=True):
    """What came of the kills; `disagreements` is empty when nothing was lost or doubled and every replay was the same.

    `restart_ms` is how long the starts before the audits took, from opening the folder to the venue's last answer.
    """

    directory: str
    seed: int
    kills: int
    venue_kills: int
    audits: int
    orders: int
    fills: int
    open_orders: int
    events: int
    command_hash: str
    restart_ms: tuple[float, ...]
    disagreements: tuple[str, ...]


def kill_often(
    rehearsal: Rehearsal,
    clock: Clock,
    kills: int,
    seed: int,
    tell: Callable[[str], None],
    stopped: Callable[[], bool] = lambda: False,
) -> KillReport:
    """Start the program and kill it so many times, one time in five the venue too; audit every 25 kills and at the end.

    Ends early at the first disagreement, and at the wish to stop. Raises WorldError when a side ends by itself.
    """
    moments = random.Random(seed)  # noqa: S311  nobody guards a secret with it
    starts_ms: list[float] = []
    done = venue_kills = 0
    rehearsal.open_market()
    while True:
        rehearsal.program.start()
        if moments.random() < _VENUE_KILL_SHARE:
            _pause(clock, moments)
            rehearsal.venue.kill()
            rehearsal.open_market()
            venue_kills += 1
        _pause(clock, moments)
        rehearsal.program.kill()
        done += 1
        last = done == kills or stopped()
        if done % _KILLS_PER_AUDIT and not last:
            continue
        starts_ms.append(round(rehearsal.settle()["startup"]["startup_total_ms"], 1))
        report = _look(rehearsal, seed, done, venue_kills, starts_ms)
        tell(
            f"{done} kills of the program, {venue_kills} of the venue: {report.orders} orders, {report.fills} fills,"
            f" {len(report.disagreements)} disagreements"
        )
        if last or report.disagreements:
            return report
        rehearsal.open_market()


def _pause(clock: Clock, moments: random.Random) -> None:
    clock.sleep_until(clock.now_ns() + round(moments.uniform(_SHORTEST_SEC, _LONGEST_SEC) * 1e9))


def _look(rehearsal: Rehearsal, seed: int, kills: int, venue_kills: int, starts_ms: list[float]) -> KillReport:
    found = audit(rehearsal.folder)
    replayed = replay(rehearsal.folder)
    differs = [] if replayed.divergence is None else [f"replay: {replayed.divergence.first_difference}"]
    return KillReport(
        directory=str(rehearsal.folder),
        seed=seed,
        kills=kills,
        venue_kills=venue_kills,
        audits=len(starts_ms),
        orders=found.orders,
        fills=found.fills,
        open_orders=found.open_orders,
        events=replayed.events,
        command_hash=replayed.command_hash,
        restart_ms=tuple(starts_ms),
        disagreements=(*found.disagreements, *differs),
    )
