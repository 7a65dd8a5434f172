"""Only the restriction board makes an `Approved` or an `ApprovedAmend` (runtime 2.1, design section 3)."""

import ast
from pathlib import Path

from source_tree import Module, dotted, plant, read_tree

BOARD = "millrace.risk.board"
NAMES = {"Approved", "ApprovedAmend"}


def _makers(modules: dict[str, Module]) -> set[str]:
    """Modules that call one of them, or give it another name under which a call would be missed."""
    found = set()
    for module in modules.values():
        for node in ast.walk(module.tree):
            call = isinstance(node, ast.Call) and dotted(node.func).split(".")[-1] in NAMES
            alias = isinstance(node, ast.alias) and node.name in NAMES and node.asname not in {None, node.name}
            bound = isinstance(node, ast.Assign) and dotted(node.value).split(".")[-1] in NAMES
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
        "f.py": "import commands\ncommands.ApprovedAmend(1)",
        "g.py": "from commands import ApprovedAmend as Fine",
    }
    assert _makers(plant(tmp_path, files)) == {"a", "b", "c", "d", "f", "g"}
