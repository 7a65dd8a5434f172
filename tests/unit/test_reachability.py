"""Nothing is built that the program does not run (design section 8.1): every module hangs on the command line."""

import pytest

from source_tree import Module, imports, plant, read_tree

ENTRIES = ("millrace.cli", "millrace.cli.__main__", "millrace.__main__")


def unreachable(modules: dict[str, Module]) -> list[str]:
    """Return the modules that no entry imports, directly, through others, or lazily inside a function.

    An import for type checkers only does not count: what is never imported at run time never runs.
    """
    reached: set[str] = set()
    waiting = [name for name in ENTRIES if name in modules]
    while waiting:
        name = waiting.pop()
        if name in reached:
            continue
        reached.add(name)
        for found in imports(modules[name], modules):
            parts = found.name.split(".")
            if not found.typing_only:
                waiting += [part for part in _with_parents(parts) if part in modules]
        waiting += [part for part in _with_parents(name.split(".")) if part in modules]
    return sorted(set(modules) - reached)


def _with_parents(parts: list[str]) -> list[str]:
    return [".".join(parts[:end]) for end in range(1, len(parts) + 1)]


def test_every_module_is_reachable_from_the_command_line() -> None:
    modules = read_tree()
    if "millrace.cli" not in modules:
        pytest.skip("src/millrace/cli is not written yet, so nothing can hang on it")
    found = unreachable(modules)
    assert not found, "never imported by the program: " + ", ".join(found)


def test_a_planted_orphan_is_named(tmp_path) -> None:
    modules = plant(
        tmp_path,
        {
            "millrace/__init__.py": "",
            "millrace/cli.py": "def main():\n    from millrace.world import demo\n    from . import config",
            "millrace/config.py": "import importlib\nX = importlib.import_module('millrace.risk.board')",
            "millrace/world/__init__.py": "",
            "millrace/world/demo.py": "import millrace.core.engine as e\nfrom typing import TYPE_CHECKING\n"
            "if TYPE_CHECKING:\n    from millrace.core import typed_only\nelse:\n    from millrace.core import run_too",
            "millrace/core/__init__.py": "from .base import X",
            "millrace/core/base.py": "",
            "millrace/core/engine.py": "",
            "millrace/core/typed_only.py": "",
            "millrace/core/run_too.py": "",
            "millrace/risk/__init__.py": "",
            "millrace/risk/board.py": "",
            "millrace/risk/orphan.py": "from millrace.risk import orphan_friend",
            "millrace/risk/orphan_friend.py": "",
            "millrace/lonely/__init__.py": "",
        },
    )
    assert unreachable(modules) == [
        "millrace.core.typed_only",
        "millrace.lonely",
        "millrace.risk.orphan",
        "millrace.risk.orphan_friend",
    ]
