"""A file that is no algorithm stays small: under 250 lines beside its docstrings."""

import ast
from pathlib import Path

PACKAGE = Path(__file__).resolve().parent.parent / "rcollections"
ALGORITHMS = {"l1/store.py", "l1/tier.py"}  # the pure twins of one compiled module each
MOST = 250


def lines(source: str) -> int:
    """How many lines a module has beside those of its docstrings."""
    found = len(source.splitlines())
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and ast.get_docstring(
            node
        ):
            text = node.body[0]
            found -= (text.end_lineno or text.lineno) - text.lineno + 1
    return found


def test_the_lines_of_docstrings_do_not_count() -> None:
    assert lines('"""One\n\ntwo."""\n\nx = 1\n') == 2


def test_no_file_is_long() -> None:
    sizes = {str(path.relative_to(PACKAGE)): lines(path.read_text()) for path in PACKAGE.rglob("*.py")}
    assert len(sizes) > 150
    assert {name: size for name, size in sizes.items() if size >= MOST}.keys() == ALGORITHMS
