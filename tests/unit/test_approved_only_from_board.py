"""Only the restriction board makes an `Approved` (runtime 2.1, design section 3)."""

import ast
from pathlib import Path

from source_tree import Module, dotted, plant, read_tree

BOARD = "millrace.risk.board"


def _makers(modules: dict[str, Module]) -> set[str]:
    """Modules that call `Approved`, or give it another name under which a call would be missed."""
    found = set()
    for module in modules.values():
        for node in ast.walk(module.tree):
            call = isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] == "Approved"
            alias = isinstance(node, ast.alias) and node.name == "Approved" and node.asname not in {None, "Approved"}
            bound = isinstance(node, ast.Assign) and dotted(node.value).split(".")[-1] == "Approved"
            if call or alias or bound:
                found.add(module.name)
    return found


def test_only_the_board_makes_an_approved_order():
    assert _makers(read_tree()) == {BOARD}


def test_the_check_sees_calls_and_other_names(tmp_path: Path):
    files = {
        "a.py": "from commands import Approved\nApproved(1)",
        "b.py": "import commands\ncommands.Approved(1)",
        "c.py": "from commands import Approved as Fine",
        "d.py": "from commands import Approved\nmake = Approved",
        "e.py": "from commands import Approved\ndef read(order: Approved) -> bool:\n    return isinstance(order, Approved)",
    }
    assert _makers(plant(tmp_path, files)) == {"a", "b", "c", "d"}
