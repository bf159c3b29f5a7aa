"""Which file of the package imports which: read from the text, what only type checkers see included."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

__all__ = ["PACKAGE", "arrows", "circles", "foreign", "modules", "room"]

PACKAGE = Path(__file__).parents[1] / "rcollections"


@cache
def modules() -> dict[str, Path]:
    """Every module of the package, by its dotted name."""
    found = {}
    for path in sorted([*PACKAGE.rglob("*.py"), *PACKAGE.rglob("*.pyi")]):
        parts = ("rcollections", *path.relative_to(PACKAGE).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def room(module: str) -> str:
    """The room at the top in which a module stands: a folder, or a file by itself."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def _imports(module: str, path: Path) -> list[tuple[str, bool]]:
    """Absolute names that a module imports; True for those that only type checkers see."""
    tree = ast.parse(path.read_text())
    package = module.split(".") if path.stem == "__init__" else module.split(".")[:-1]
    typing_only = {
        id(child)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)
        for part in node.body
        for child in ast.walk(part)
    }
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [(alias.name, id(node) in typing_only) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            found += [(f"{name}.{alias.name}", id(node) in typing_only) for alias in node.names]
    return found


@cache
def arrows() -> dict[str, frozenset[str]]:
    """From each module to those of the package that it imports, wherever in its text it does so."""
    found = {}
    for module, path in modules().items():
        names = (name for name, _ in _imports(module, path) if name.split(".")[0] == "rcollections")
        found[module] = frozenset(_module_of(name) for name in names) - {module}
    return found


def _module_of(name: str) -> str:
    while name not in modules():
        name = name.rpartition(".")[0]
    return name


def foreign(module: str) -> set[str]:
    """The packages from elsewhere that a module imports when it runs."""
    found = _imports(module, modules()[module])
    return {name.split(".")[0] for name, typing_only in found if not typing_only} - {"rcollections"}


def circles() -> list[list[str]]:
    """Modules of which each can be reached from each other (R. Tarjan, 1972)."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    found: list[list[str]] = []

    def visit(module: str) -> None:
        number[module] = lowest[module] = len(number)
        stack.append(module)
        for other in sorted(arrows()[module]):
            if other not in number:
                visit(other)
            if other in stack:
                lowest[module] = min(lowest[module], lowest[other])
        if lowest[module] == number[module]:
            at = stack.index(module)
            component = stack[at:]
            del stack[at:]
            if len(component) > 1:
                found.append(sorted(component))

    for module in modules():
        if module not in number:
            visit(module)
    return found
