"""The commands of the documents are run as a reader would run them (design section 8.8).

A fenced `sh` block under a line `<!-- run -->` is run by bash in an empty folder where `.venv` is the environment of the
tests and `../shared` the recordings. A block that names `../shared` is skipped, with the reason, where there are none.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from source_tree import REPOSITORY

DOCUMENTS = [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^(?P<mark><!-- run -->\n+)?```sh\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
LIMIT_SEC = 180
COMMAND_LINE = REPOSITORY / "src" / "millrace" / "cli" / "__init__.py"


def blocks(*, marked: bool) -> list:
    """Return `(document:line, commands)` of the sh blocks of every document, only those marked to be run or all."""
    found = []
    for document in DOCUMENTS:
        text = document.read_text(encoding="utf-8")
        for match in BLOCK.finditer(text):
            if match["mark"] or not marked:
                line = text.count("\n", 0, match.start("text")) + 1
                name = f"{document.relative_to(REPOSITORY)}:{line}"
                found.append(pytest.param(match["text"], id=name))
    return found


def run(commands: str, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": f"{Path(sys.prefix) / 'bin'}{os.pathsep}{os.environ['PATH']}", "HOME": str(folder)}
    return subprocess.run(
        ["bash", "-euo", "pipefail", "-c", commands],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=LIMIT_SEC,
        check=False,
    )


@pytest.mark.parametrize("commands", blocks(marked=True))
def test_documented_commands_run(commands, tmp_path, request) -> None:
    if not COMMAND_LINE.is_file():
        pytest.skip("src/millrace/cli is not written yet")
    folder = tmp_path / "millrace"
    folder.mkdir()
    (folder / ".venv").symlink_to(sys.prefix)
    if "../shared" in commands:
        (tmp_path / "shared").symlink_to(request.getfixturevalue("shared").resolve())
    done = run(commands, folder)
    assert done.returncode == 0, f"{commands}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("commands", blocks(marked=False))
def test_documented_make_targets_exist(commands) -> None:
    targets = set(re.findall(r"^([a-z]+):", (REPOSITORY / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make ([a-z]+)", commands, re.MULTILINE)) <= targets


def test_the_readme_shows_commands_that_are_run() -> None:
    assert any(".venv/bin/millrace" in param.values[0] for param in blocks(marked=True))


def test_a_command_that_fails_is_seen(tmp_path) -> None:
    assert run("false\necho after", tmp_path).returncode == 1
    assert run("no-such-command", tmp_path).returncode == 127
