"""`millrace demo`: slot grid and two desks on built-in markets, live, in a folder that goes on where it stopped.

On a terminal it draws a screen, anywhere else it prints a line every few seconds.
"""

import argparse
import sys
from typing import TYPE_CHECKING

from millrace.cli.exposing import metrics_flags, published
from millrace.cli.terms import (
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
    from millrace.world.sitting import Frame


def grammar(demo: argparse.ArgumentParser) -> None:
    """Add the command's flags."""
    pace_flags(demo, 240.0, "runs/demo")
    told = demo.add_mutually_exclusive_group()
    told.add_argument("--fresh", action="store_true", help="put an earlier run and its market aside and start anew")
    told.add_argument("--adopt", action="store_true", help="go on without the ledger: make it anew from the journal")
    told.add_argument("--first-start", action="store_true", help="put earlier files aside; the venue stays what it is")
    metrics_flags(demo)
    settings_flags(demo)


def run(given: argparse.Namespace) -> int:
    """Watch slot grid and desks trade on built-in markets."""
    import os
    from pathlib import Path

    from millrace.shell.clock import WallClock
    from millrace.shell.kill_file import kills_of_environment
    from millrace.world.demo import Demo, put_aside, refuse_foreign
    from millrace.world.folder.start_rule import StartRule

    check_pace(given)
    settings = load(given, "demo_all")
    folder = Path(given.dir)
    refuse_foreign(folder)
    aside = put_aside(folder) if given.fresh else None
    if aside is not None:
        print(f"millrace: the earlier run is kept in {aside}", file=sys.stderr)
    take_snapshot(given, folder, settings)
    on_terminal = sys.stdout.isatty() and not given.json
    seconds = given.seconds if given.seconds is not None or on_terminal else UNWATCHED_SECONDS
    rule = StartRule.ADOPT if given.adopt else StartRule.FIRST_START if given.first_start else StartRule.CONTINUE
    sitting = Demo(settings, folder, WallClock(), kills_of_environment(os.environ), rule)
    shown = published(given, sitting.run.telemetry.families)
    if on_terminal:
        from millrace.world.demo_view import LiveView

        with wish_to_stop() as stopped, LiveView() as view, shown as publish:

            def draw(frame: "Frame") -> None:
                publish()
                view.show(frame)

            result = sitting.play(given.speed, seconds, draw, stopped)
    else:
        from millrace.world.demo_view import line

        def show(frame: "Frame") -> None:
            publish()
            if not given.json and frame.number % FRAMES_PER_LINE == 1:
                print(line(frame), flush=True)

        with wish_to_stop() as stopped, shown as publish:
            result = sitting.play(given.speed, seconds, show, stopped)
    if given.json:
        print(json_text(result))
    else:
        from millrace.world.demo_view import farewell

        print(farewell(result))
    return OK
