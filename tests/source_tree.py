"""The source as the house tests see it: modules, their syntax trees and what they import, without running any of it."""

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
SOURCE = REPOSITORY / "src"


class Module(NamedTuple):
    """One file; `name` is dotted, a package's `__init__` carries the package's name."""

    name: str
    path: Path
    text: str
    tree: ast.Module

    @property
    def folder(self) -> str:
        """The first part below the top package: `core`, `strategies`, `cli`; empty for the top package itself."""
        return ([*self.name.split("."), ""])[1]

    @property
    def is_package(self) -> bool:
        return self.path.name == "__init__.py"


class Import(NamedTuple):
    """One imported module; `typing_only` when it stands under `if TYPE_CHECKING`."""

    name: str
    line: int
    typing_only: bool


def read_tree(source: Path = SOURCE) -> dict[str, Module]:
    """Return every module below `source` by name."""
    modules = {}
    for path in sorted(source.rglob("*.py")):
        parts = path.relative_to(source).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        text = path.read_text(encoding="utf-8")
        modules[name] = Module(name, path, text, ast.parse(text, str(path)))
    return modules


def imports(module: Module, known: dict[str, Module]) -> Iterator[Import]:
    """Yield what the module imports anywhere in it, lazily too; `from a import b` is `a.b` where that is a module."""
    for node, typing_only in _statements(module.tree, typing_only=False):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno, typing_only)
        elif isinstance(node, ast.ImportFrom):
            base = _base(module, node)
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield Import(full if full in known else base, node.lineno, typing_only)
        elif isinstance(node, ast.Call) and _is_import_call(node):
            target = node.args[0] if node.args else None
            if isinstance(target, ast.Constant) and isinstance(target.value, str):
                yield Import(target.value, node.lineno, typing_only)


def _statements(tree: ast.AST, *, typing_only: bool) -> Iterator[tuple[ast.AST, bool]]:
    for node in ast.iter_child_nodes(tree):
        yield node, typing_only
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            for inner in node.body:
                yield inner, True
                yield from _statements(inner, typing_only=True)
            for inner in node.orelse:
                yield inner, typing_only
                yield from _statements(inner, typing_only=typing_only)
        else:
            yield from _statements(node, typing_only=typing_only)


def _base(module: Module, node: ast.ImportFrom) -> str:
    if not node.level:
        return node.module or ""
    parts = module.name.split(".")
    kept = parts[: len(parts) - node.level + module.is_package]
    return ".".join([*kept, node.module] if node.module else kept)


def _is_import_call(node: ast.Call) -> bool:
    name = dotted(node.func)
    return name in {"__import__", "import_module", "importlib.import_module"}


def dotted(node: ast.AST) -> str:
    """Return `a.b.c` for a chain of names; empty for anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute):
        head = dotted(node.value)
        return f"{head}.{node.attr}" if head else ""
    return ""


def plant(folder: Path, files: dict[str, str]) -> dict[str, Module]:
    """Write a small synthetic tree and return it read back; for tests that a checker can fail."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return read_tree(folder)
