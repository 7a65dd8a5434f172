"""`millrace rehearse`: the grammar of the command and its three roles.

Without `--only` it is the one who starts, watches and kills; with it, one of the two sides. The sides are started with
this same command line, so whatever is rehearsed is what a person can run by hand in two terminals.
"""

import argparse
import sys
from contextlib import contextmanager, nullcontext, redirect_stderr
from io import StringIO
from typing import TYPE_CHECKING

from millrace.cli.terms import (
    FAILED,
    FRAMES_PER_LINE,
    OK,
    UNWATCHED_SECONDS,
    check_pace,
    json_text,
    load,
    pace_flags,
    settings_flags,
    take_snapshot,
    wish_to_stop,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from millrace.config.settings import Settings
    from millrace.world.sitting import Frame


def grammar(rehearse: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    pace_flags(rehearse, 60.0, "runs/rehearsal")
    rehearse.add_argument("--fresh", action="store_true", help="put an earlier rehearsal aside and start anew")
    rehearse.add_argument("--kills", type=int, metavar="N", help="kill -9 the program so often, the venue too; audit")
    rehearse.add_argument("--seed", type=int, default=1, metavar="S", help="draws the moments of the kills (1)")
    rehearse.add_argument("--only", choices=("venue", "program"), help="be one of the two processes")
    rehearse.add_argument("--venue", metavar="DIR", help="with --only program: trade at the venue of another folder")
    rehearse.add_argument("--closed", action="store_true", help="with --only venue: take calls, let no price move")
    rehearse.add_argument("--until-quiet", action="store_true", help="with --only program: stop when all is answered")
    for hidden in ("--same-clock", "--leash"):
        rehearse.add_argument(hidden, action="store_true", help=argparse.SUPPRESS)
    settings_flags(rehearse)


def run(given: argparse.Namespace) -> int:
    """Run program and venue as two processes, or be one of them."""
    from pathlib import Path

    from millrace.core.failure import OperatorError

    check_pace(given)
    if given.kills is not None and given.kills < 1:
        raise OperatorError(f"--kills {given.kills} is not 1 or more")
    roles = {"venue": _venue, "program": _program, None: _watch}
    return roles[given.only](given, Path(given.dir))


def _watch(given: argparse.Namespace, folder: "Path") -> int:
    """Start both sides and keep them running, or kill them again and again."""
    from millrace.shell.clock import WallClock
    from millrace.world.demo import put_aside, refuse_foreign
    from millrace.world.rehearsing.kills import kill_often
    from millrace.world.rehearsing.rehearsal import Rehearsal

    settings = load(given, "demo")  # what is wrong with the settings is said once, and here
    refuse_foreign(folder)
    aside = put_aside(folder) if given.fresh else None
    if aside is not None:
        _tell(f"the earlier run is kept in {aside}")
    take_snapshot(given, folder, settings)
    words = [word for text in given.set for word in ("--set", text)]
    words += ["--config", given.config] if given.config else []
    words += ["--env", given.env] if given.env else []
    words += ["--profile", given.profile] if given.profile else []
    captured = given.json or given.kills is not None
    seconds = given.seconds if given.seconds is not None or sys.stdout.isatty() else UNWATCHED_SECONDS
    clock = WallClock()
    with wish_to_stop() as stopped, Rehearsal(folder, words, given.speed, captured=captured) as rehearsal:
        if given.kills is None:
            print(rehearsal.watch(clock, seconds, stopped, _tell, ["--json"] if given.json else []), end="")
            return OK
        report = kill_often(rehearsal, clock, given.kills, given.seed, _tell, stopped)
    print(json_text(report))
    return FAILED if report.disagreements else OK


def _venue(given: argparse.Namespace, folder: "Path") -> int:
    """Be the venue until the wish to stop."""
    from millrace.shell.clock import WallClock
    from millrace.world.assemble import traded_instrument, venue_settings
    from millrace.world.demo import FIRST_NS
    from millrace.world.folder.handover import demo_market
    from millrace.world.premises import VENUE
    from millrace.world.rehearsing.venue import RehearsalVenue

    settings = _quietly_loaded(given)
    venue = RehearsalVenue(
        folder / VENUE,
        venue_settings(settings, traded_instrument(settings)),
        lambda ts_ns: demo_market(folder, settings.run.seed, ts_ns),
        FIRST_NS,
        given.speed,
        WallClock(),
        closed=given.closed,
        same_clock=given.same_clock,
    )
    for notice in venue.notices:
        _tell(notice)
    with _wish_to_end(given) as stopped:
        venue.serve(stopped)
    venue.close()
    return OK


def _program(given: argparse.Namespace, folder: "Path") -> int:
    """Be the program until the wish to stop."""
    import os
    from pathlib import Path

    from millrace.shell.clock import WallClock
    from millrace.shell.kill_file import kills_of_environment
    from millrace.shell.lease import state_folder
    from millrace.world.demo_view import farewell, line
    from millrace.world.premises import VENUE
    from millrace.world.rehearsing.program import RehearsalProgram

    def show(frame: "Frame") -> None:
        if not given.json and frame.number % FRAMES_PER_LINE == 1:
            print(line(frame), flush=True)

    settings = _quietly_loaded(given)
    with _wish_to_end(given) as stopped:
        program = RehearsalProgram(
            settings,
            folder,
            WallClock(),
            kills_of_environment(os.environ),
            stopped,
            state=state_folder(os.environ, Path.home()),
            venue_folder=Path(given.venue) / VENUE if given.venue else None,
        )
        result = program.play(given.seconds, show, until_quiet=given.until_quiet)
    print(json_text(result) if given.json else farewell(result))
    return OK


def _quietly_loaded(given: argparse.Namespace) -> "Settings":
    """Return the settings; what there is to notice about them was said by who started this side, if somebody did."""
    with redirect_stderr(StringIO()) if given.leash else nullcontext():
        return load(given, "demo")


def _tell(text: str) -> None:
    print(f"millrace: {text}", file=sys.stderr, flush=True)


@contextmanager
def _wish_to_end(given: argparse.Namespace) -> "Iterator[Callable[[], bool]]":
    """Turn a signal, or with --leash the end of standard input, into a wish to stop."""
    from millrace.shell.stream import Leash

    leash = Leash(sys.stdin.fileno()) if given.leash else None
    with wish_to_stop() as stopped:
        yield lambda: stopped() or (leash is not None and leash.is_cut())
