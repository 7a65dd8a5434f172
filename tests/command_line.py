"""The `millrace` command as a person or a program calls it: in this process, or as a process of its own."""

import contextlib
import io
import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from millrace.cli import main

MINUTE_MS = 60_000
FIRST_MS = 1_748_600_040_000
BARS = ("ts_ms", "open", "high", "low", "close", "volume")
FEW = ("--set", "slots.count=4")
QUICK_DEMO = (*FEW, "--speed", "4000", "--seconds", "0.6")


class Said(NamedTuple):
    """What a command left behind."""

    code: int
    out: str
    err: str

    @property
    def object(self) -> Any:
        """The one JSON object that stdout must be."""
        return json.loads(self.out)


def millrace(*words: object) -> Said:
    """Run the command in this process."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = main([str(word) for word in words])
    return Said(code, out.getvalue(), err.getvalue())


def process(*words: object, folder: Path, **more: Any) -> "subprocess.Popen[str]":
    """Start the command as a process of its own in a folder."""
    command = [sys.executable, "-m", "millrace.cli", *map(str, words)]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MILLRACE__")}
    return subprocess.Popen(command, cwd=folder, env=environment, text=True, **{**streams, **more})


def bars(count: int = 240, seed: int = 1) -> list[list[object]]:
    """Return rows of minute bars that wander enough for the grid to trade."""
    draw, price, rows = random.Random(seed), 0.2, []
    for place in range(count):
        first = price
        price *= 1 + draw.gauss(0, 0.003)
        high, low = max(first, price) * 1.001, min(first, price) * 0.999
        rows.append([FIRST_MS + place * MINUTE_MS, *(f"{value:.6f}" for value in (first, high, low, price)), 9_000_000])
    return rows


def write_csv(path: Path, rows: list[list[object]], names: tuple[str, ...] = BARS) -> Path:
    """Write a recording."""
    path.write_text("\n".join(",".join(map(str, row)) for row in [list(names), *rows]) + "\n", encoding="utf-8")
    return path


def files(folder: Path) -> Iterator[str]:
    """Yield the paths of all files under a folder, relative to it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield str(path.relative_to(folder))
