"""The legacy path is one folder: nothing but its door imports it, and without it sticky grids run (slots 20.2 P5)."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from source_tree import imports, read_tree

LEGACY = "millrace.strategies.slots.legacy"
DOOR = "millrace.strategies.slots.legacy_path"
STICKY_TESTS = (
    "tests/unit/test_slots_removal.py",
    "tests/unit/test_slots_operate.py",
    "tests/unit/test_pnl_audit.py",
    "tests/unit/test_slots_placement.py",
    "tests/scenario/test_lazy_is_exact.py::test_an_operator_at_any_moment",
)
ROOT = Path(__file__).parents[2]


def test_only_the_door_imports_the_legacy_path():
    modules = read_tree()
    askers = {
        name
        for name, module in modules.items()
        if not name.startswith(LEGACY + ".") and name != LEGACY
        for found in imports(module, modules)
        if found.name == LEGACY or found.name.startswith(LEGACY + ".")
    }
    assert askers == {DOOR}


def without_legacy(tmp_path, *command):
    """Run a command of this interpreter in a copy of the tree that lacks the legacy path."""
    for folder in ("src", "tests"):
        shutil.copytree(ROOT / folder, tmp_path / folder, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    shutil.rmtree(tmp_path / "src" / Path(*LEGACY.split(".")))
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "src")}
    return subprocess.run(
        [sys.executable, *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def test_with_the_folder_deleted_the_sticky_tests_are_green(tmp_path):
    done = without_legacy(tmp_path, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *STICKY_TESTS)
    assert done.returncode == 0, done.stdout[-3_000:] + done.stderr[-1_000:]
    assert "passed" in done.stdout or "[100%]" in done.stdout


def test_with_the_folder_deleted_exits_wait_and_its_actions_are_not_in_the_list(tmp_path):
    script = """
from millrace.strategies.slots import legacy_path
from millrace.world.catalogue import actions
from slots_desk import Desk
assert not legacy_path.is_there()
assert "toggle_sticky" in actions() and "soft_close" not in actions()
desk = Desk(1, sticky_mode_enabled=False, order_size_mode="USD", order_size_usd=25.0).open()
desk.fill(desk.one("B"))
desk.accept()
desk.loops(100)
assert desk.slot().state.recovery_orders == []
assert "there is no legacy path" in Desk(1).ask("toggle_sticky", slot_id=1, sticky=False, confirm=True)
"""
    done = without_legacy(tmp_path, "-c", f"import sys; sys.path.insert(0, 'tests')\n{script}")
    assert done.returncode == 0, done.stderr[-3_000:]
