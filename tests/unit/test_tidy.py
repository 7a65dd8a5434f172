"""The style that a machine can check (design sections 2, 7 and 8): sizes, reasons, clocks, chance, excuses."""

import ast
import re
from collections.abc import Iterator

import pytest

from source_tree import Module, dotted, imports, plant, read_tree

MODULE_LINES = 500
FUNCTION_LINES = 60
SENTENCES = 2
PURE_AND_SIM = {"core", "market", "capacity", "orders", "risk", "sizing", "strategies", "sim"}
MAY_READ_CLOCKS = {"shell", "cli", "__main__"}
CLOCKS = re.compile(
    r"(time\.(time|monotonic|perf_counter|process_time|thread_time|clock_gettime)(_ns)?|time\.(localtime|gmtime|sleep))"
    r"|(datetime\.)?(datetime\.(now|utcnow|today)|date\.today)"
)
CLOCK_NAMES = re.compile(r"time\.(time|monotonic|perf_counter|process_time|thread_time)(_ns)?|time\.sleep")
CHANCE = re.compile(
    r"uuid\.uuid[14]|os\.urandom|secrets\.\w+|random\.SystemRandom"
    r"|random\.(random|randint|randrange|choice|choices|shuffle|sample|uniform|gauss|normalvariate|seed|getrandbits)"
    r"|(np|numpy)\.random\.(rand|randn|randint|random|choice|shuffle|permutation|normal|uniform|seed)"
)
SEEDED = {"random.Random", "Random", "np.random.default_rng", "numpy.random.default_rng", "default_rng"}
EXCUSES = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|\bNotImplementedError\b")
BROAD = {"Exception", "BaseException"}
MAY_CATCH_ALL = {"millrace.core.engine"}
"""The kernel turns what it does not know into a halt, as a command of the same step (runtime 1.4)."""


def untidy(modules: dict[str, Module]) -> Iterator[str]:
    """Yield one line for each place that breaks a rule."""
    for module in modules.values():
        for line, text in (*_sizes(module), *_reason(module), *_sources(module, modules), *_excuses(module)):
            yield f"{module.path}:{line}: {text}"


def _sizes(module: Module) -> Iterator[tuple[int, str]]:
    lines = module.text.count("\n")
    if lines > MODULE_LINES:
        yield 1, f"module of {lines} lines; {MODULE_LINES} are enough"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            if length > FUNCTION_LINES:
                yield node.lineno, f"function {node.name} of {length} lines; {FUNCTION_LINES} fit a screen"


def _reason(module: Module) -> Iterator[tuple[int, str]]:
    text = ast.get_docstring(module.tree) or ""
    names_only = module.is_package and len(module.tree.body) <= bool(text)
    if not names_only and len(re.findall(r"[.!?](?=\s|$)", text)) < SENTENCES:
        yield 1, "the module does not open with a paragraph that says why it is there (two sentences or more)"


def _sources(module: Module, modules: dict[str, Module]) -> Iterator[tuple[int, str]]:
    """Clocks and chance outside the shell, print outside the command line."""
    if module.folder in MAY_READ_CLOCKS:
        return
    for found in imports(module, modules):
        if found.name == "secrets":
            yield found.line, "imports secrets: ids are derived, never drawn"
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ImportFrom):
            for alias in node.names:
                name = f"{node.module}.{alias.name}"
                if CLOCK_NAMES.fullmatch(name) or CHANCE.fullmatch(name):
                    yield node.lineno, f"imports {name}"
        name = dotted(node)
        if isinstance(node, ast.Attribute) and (CLOCKS.fullmatch(name) or CHANCE.fullmatch(name)):
            yield node.lineno, f"uses {name}: time and chance come from outside"
        if isinstance(node, ast.Call):
            called = dotted(node.func)
            if called in SEEDED and not node.args and not node.keywords:
                yield node.lineno, f"{called}() without a seed"
            if called == "print":
                yield node.lineno, "prints; only the command line speaks"


def _excuses(module: Module) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(module.text.splitlines(), 1):
        if found := EXCUSES.search(line):
            yield number, f"{found[0]}: finish it or leave it out"
    if module.folder not in PURE_AND_SIM or module.name in MAY_CATCH_ALL:
        return
    for node in ast.walk(module.tree):
        caught: list[ast.expr | None] = []
        if isinstance(node, ast.ExceptHandler):
            caught = list(node.type.elts) if isinstance(node.type, ast.Tuple) else [node.type]
        elif isinstance(node, ast.Call) and dotted(node.func) in {"suppress", "contextlib.suppress"}:
            caught = list(node.args)
        if any(expr is None or dotted(expr) in BROAD for expr in caught):
            yield node.lineno, "catches everything"


def test_the_source_is_tidy() -> None:
    found = list(untidy(read_tree()))
    assert not found, "\n".join(found)


WHY = '"""This module exists for a reason. The reason is given."""\n'
LONG = "def f():\n" + "    x = 1\n" * FUNCTION_LINES


@pytest.mark.parametrize(
    ("path", "text", "word"),
    [
        ("core/a.py", "", "why"),
        ("core/a.py", '"""One sentence only."""\nX = 1\n', "why"),
        ("core/__init__.py", '"""One sentence."""\nX = 1\n', "why"),
        ("core/a.py", WHY + "X = 1\n" * MODULE_LINES, "module of 501"),
        ("core/a.py", WHY + LONG, "function f of 61"),
        ("core/a.py", WHY + "class A:\n" + "".join(f"    {line}\n" for line in LONG.splitlines()), "function f"),
        ("world/a.py", WHY + "import time\nX = time.time()", "time.time"),
        ("world/a.py", WHY + "from time import perf_counter", "perf_counter"),
        ("research/a.py", WHY + "import datetime\nX = datetime.datetime.now", "datetime.now"),
        ("config/a.py", WHY + "import uuid\nX = uuid.uuid4()", "uuid4"),
        ("venues/a.py", WHY + "import random\nX = random.random()", "random.random"),
        ("sim/a.py", WHY + "import random\nX = random.Random()", "without a seed"),
        ("sim/a.py", WHY + "import numpy as np\nX = np.random.default_rng()", "without a seed"),
        ("sim/a.py", WHY + "import numpy as np\nX = np.random.rand(3)", "np.random.rand"),
        ("web/a.py", WHY + "import secrets", "secrets"),
        ("world/a.py", WHY + "print(1)", "prints"),
        ("risk/a.py", WHY + "try:\n    X = 1\nexcept Exception:\n    X = 2", "everything"),
        ("sim/a.py", WHY + "try:\n    X = 1\nexcept (ValueError, BaseException):\n    X = 2", "everything"),
        ("orders/a.py", WHY + "try:\n    X = 1\nexcept:\n    X = 2", "everything"),
        ("orders/a.py", WHY + "import contextlib\nwith contextlib.suppress(Exception):\n    X = 2", "everything"),
        ("web/a.py", WHY + "# TO" + "DO later", "finish it"),
        ("web/a.py", WHY + "def f():\n    raise NotImplemented" + "Error", "finish it"),
    ],
)
def test_a_planted_mess_is_found(tmp_path, path, text, word) -> None:
    found = list(untidy(plant(tmp_path, {f"millrace/{path}": text})))
    assert len(found) == 1, found
    assert word in found[0]
    assert path in found[0]


def test_what_is_allowed_is_not_reported(tmp_path) -> None:
    modules = plant(
        tmp_path,
        {
            "millrace/core/__init__.py": '"""Vocabulary."""\n',
            "millrace/orders/__init__.py": "",
            "millrace/core/a.py": WHY + "def f():\n" + "    x = 1\n" * (FUNCTION_LINES - 1),
            "millrace/sim/a.py": WHY + "import random\nX = random.Random(7).random()",
            "millrace/shell/a.py": WHY
            + "import time\nX = time.time_ns()\ntry:\n    X = 1\nexcept Exception:\n    X = 2",
            "millrace/cli.py": WHY + "import time\nprint(time.perf_counter())",
            "millrace/risk/a.py": WHY + "try:\n    X = 1\nexcept (ValueError, KeyError):\n    X = 2",
        },
    )
    assert list(untidy(modules)) == []
