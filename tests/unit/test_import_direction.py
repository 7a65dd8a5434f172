"""Who may import whom (design section 2), read from the source; a wrong arrow fails with its file and line."""

import ast
import sys
from collections.abc import Iterator

import pytest

from source_tree import Module, dotted, imports, plant, read_tree

PURE = ("core", "market", "capacity", "orders", "risk", "sizing", "strategies")
OUTER = ("shell", "venues", "research", "web", "config")
FOLDERS = {*PURE, "sim", *OUTER, "world", "cli", "__main__", ""}
PURE_STDLIB = {
    "__future__", "abc", "array", "base64", "binascii", "bisect", "collections", "contextlib", "copy", "csv", "dataclasses",
    "decimal", "difflib", "enum", "fractions", "functools", "hashlib", "heapq", "itertools", "json", "math", "numbers", "operator", "re",
    "statistics", "string", "struct", "types", "typing", "zlib",
}  # fmt: skip
PURE_PACKAGES = {"msgspec", "numpy", "scipy"}
"""scipy computes and does nothing else; only its `rvs` draws, and that is looked for."""
PURE_BUILTINS = {"open", "input", "print", "exec", "eval", "__import__", "breakpoint"}


def allowed_folders(module: Module) -> set[str]:
    """Return the folders of millrace that a module may import."""
    folder = module.folder
    if folder in PURE:
        return set(PURE[: PURE.index(folder) + 1])
    if folder == "sim":
        return {*PURE, "sim"}
    if folder in OUTER:
        return {*PURE, "sim", folder}
    if folder == "world":
        return {*PURE, "sim", *OUTER, "world"} - {"web"}
    return FOLDERS if folder in {"cli", "__main__"} else set()


def wrong_arrows(modules: dict[str, Module]) -> Iterator[str]:
    """Yield one line for each import of millrace by millrace that the rules forbid."""
    for module in modules.values():
        if module.folder not in FOLDERS:
            yield f"{module.path}: the house has no folder {module.folder!r}"
            continue
        for found in imports(module, modules):
            if found.name.split(".")[0] != "millrace":
                continue
            parts = [*found.name.split("."), ""]
            if parts[1] not in {"", *allowed_folders(module)}:
                yield f"{module.path}:{found.line}: {module.folder or 'millrace'} imports {found.name}"
            elif parts[1] == module.folder == "strategies" and _strategy(module.name) != _strategy(found.name):
                yield f"{module.path}:{found.line}: strategy imports another strategy, {found.name}"


def _strategy(name: str) -> str:
    return ([*name.split("."), "", ""])[2]


def world_leaks(modules: dict[str, Module]) -> Iterator[str]:
    """Yield one line for each way by which PURE code or `sim` could reach a clock, a file, a thread or chance."""
    for module in modules.values():
        if module.folder not in {*PURE, "sim"}:
            continue
        stdlib = PURE_STDLIB | {"random"} if module.folder == "sim" else PURE_STDLIB
        for found in imports(module, modules):
            top = found.name.split(".")[0]
            if top != "millrace" and top not in stdlib | PURE_PACKAGES:
                kind = "the standard library's " if top in sys.stdlib_module_names else ""
                yield f"{module.path}:{found.line}: {module.folder} imports {kind}{found.name}"
            if found.name.startswith("numpy.random") and module.folder != "sim":
                yield f"{module.path}:{found.line}: {module.folder} imports {found.name}"
        for node in ast.walk(module.tree):
            if isinstance(node, ast.Name) and node.id in PURE_BUILTINS:
                yield f"{module.path}:{node.lineno}: {module.folder} uses {node.id}"
            chance = isinstance(node, ast.Attribute) and (
                dotted(node) in {"np.random", "numpy.random"} or node.attr == "rvs"
            )
            if chance and module.folder != "sim":
                yield f"{module.path}:{node.lineno}: {module.folder} uses {dotted(node)}"


def test_every_import_follows_the_house() -> None:
    found = list(wrong_arrows(read_tree()))
    assert not found, "\n".join(found)


def test_pure_folders_and_sim_reach_no_clock_file_thread_or_chance() -> None:
    found = list(world_leaks(read_tree()))
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ("core/a.py", "from millrace.market import view"),
        ("market/a.py", "import millrace.orders.table"),
        ("capacity/a.py", "def f():\n    from millrace.risk import board"),
        (
            "sizing/a.py",
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from millrace.strategies import slots",
        ),
        ("strategies/slots/a.py", "from millrace.strategies.arb import strategy"),
        ("strategies/slots/a.py", "from ..arb import strategy"),
        ("strategies/slots/a.py", "from millrace import sim"),
        ("sim/a.py", "from millrace.shell import journal"),
        ("shell/a.py", "from millrace.config import settings"),
        ("venues/kraken/a.py", "from millrace.shell import journal"),
        ("web/a.py", "from millrace.world import demo"),
        ("world/a.py", "from millrace.web import pages"),
        ("world/a.py", "import millrace.cli"),
        ("helpers/a.py", ""),
    ],
)
def test_a_planted_wrong_arrow_is_found(tmp_path, path, line) -> None:
    names = ("core", "market/view", "orders/table", "risk/board", "strategies/slots", "strategies/arb/strategy", "sim")
    names += ("shell/journal", "config/settings", "web/pages", "world/demo", "cli")
    modules = plant(tmp_path, {f"millrace/{name}.py": "" for name in names} | {f"millrace/{path}": line})
    found = list(wrong_arrows(modules))
    assert len(found) == 1
    assert path in found[0]


def test_allowed_arrows_are_not_reported(tmp_path) -> None:
    modules = plant(
        tmp_path,
        {
            "millrace/__init__.py": "",
            "millrace/core/a.py": "import math\nimport numpy as np\nfrom millrace.core import b",
            "millrace/core/b.py": "",
            "millrace/strategies/slots/a.py": "from millrace.strategies.slots.b import x\nfrom millrace.core.a import y",
            "millrace/strategies/slots/b.py": "",
            "millrace/sim/a.py": "import random\nimport numpy as np\nR = np.random.default_rng(1)",
            "millrace/shell/a.py": "import time\nfrom millrace.sim import a",
            "millrace/world/a.py": "from millrace.shell import a\nfrom millrace.venues import kraken",
            "millrace/venues/kraken.py": "import socket",
            "millrace/cli.py": "import millrace\nfrom millrace import __version__\nfrom millrace.world import a",
        },
    )
    assert [*wrong_arrows(modules), *world_leaks(modules)] == []


@pytest.mark.parametrize(
    "line",
    [
        *("import time", "from datetime import datetime", "import os.path", "from pathlib import Path"),
        *("import logging", "import sqlite3", "import random", "import asyncio", "import requests"),
        *("from numpy.random import default_rng", "import numpy as np\nR = np.random.default_rng(1)"),
        "from scipy.stats import norm\nX = norm.rvs()",
        *("open('x')", "__import__('socket')", "print(1)"),
    ],
)
def test_a_planted_leak_is_found(tmp_path, line) -> None:
    assert list(world_leaks(plant(tmp_path, {"millrace/risk/a.py": line})))
    assert not list(world_leaks(plant(tmp_path / "outside", {"millrace/shell/a.py": line})))
