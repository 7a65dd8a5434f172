"""`millrace --help` answers at once because nothing heavy is imported on that path (design section 9)."""

import importlib.util
import subprocess
import sys

import pytest

ALLOWED_PACKAGES = {"millrace"}
"""Packages outside the standard library that the path may import."""
HEAVY_STDLIB = {
    "asyncio", "concurrent", "ctypes", "email", "html", "http", "multiprocessing", "sqlite3", "ssl", "unittest",
    "urllib.request", "xml",
}  # fmt: skip


def imported_by(*arguments: str) -> set[str]:
    """Return the modules that a fresh interpreter imports for these arguments, less those of an empty program."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *arguments], capture_output=True, text=True, timeout=60, check=True
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rsplit("|", 1)[1].strip() for line in lines[1:]}


def too_heavy(modules: set[str]) -> list[str]:
    """Return the modules that the path must not import."""
    heavy = []
    for name in sorted(modules):
        top = name.split(".")[0]
        foreign = top not in sys.stdlib_module_names and top not in ALLOWED_PACKAGES
        if foreign or top in HEAVY_STDLIB or name in HEAVY_STDLIB:
            heavy.append(name)
    return heavy


def test_help_imports_nothing_heavy() -> None:
    if importlib.util.find_spec("millrace.cli") is None:
        pytest.skip("src/millrace/cli is not written yet")
    assert too_heavy(imported_by("-m", "millrace.cli", "--help") - imported_by("-c", "pass")) == []


@pytest.mark.parametrize("name", ["numpy", "msgspec", "sqlite3", "asyncio", "rich.table", "urllib.request"])
def test_a_heavy_import_is_found(name) -> None:
    found = too_heavy(imported_by("-c", f"import {name}") - imported_by("-c", "pass"))
    assert name in found


def test_a_light_program_passes() -> None:
    assert too_heavy(imported_by("-c", "import argparse, pathlib, json") - imported_by("-c", "pass")) == []


def test_a_program_without_the_desk_does_not_wait_for_scipy() -> None:
    """Importing it takes longer than the rest of the program together; only the desk and one estimator need it."""
    imported = imported_by("-c", "import millrace.world.assemble, millrace.world.demo")
    assert not [name for name in imported if name.split(".")[0] == "scipy"]
