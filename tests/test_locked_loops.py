"""No loop with a condition stands where a lock is held.

CPython 3.13.0 leaves out the end of a ``with`` block when a signal handler raises as such a loop goes on: the lock
would stay held for ever. The exception of a function that is called there is safe.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TYPE_CHECKING, TypeGuard

import pytest

import rcollections

if TYPE_CHECKING:
    from collections.abc import Iterator

PACKAGE = Path(rcollections.__file__).parent
OWN_CODE = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.GeneratorExp, ast.ClassDef)


def conditional_loops(text: str) -> list[int]:
    """The lines of loops with a condition that stand inside ``with`` and the name of a lock."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.With) and any("lock" in ast.unparse(each.context_expr) for each in node.items):
            found += [loop.lineno for loop in _loops(node)]
    return found


def _loops(node: ast.AST) -> Iterator[ast.expr | ast.stmt]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, OWN_CODE):
            continue
        if isinstance(child, ast.While) or _has_condition(child):
            yield child
        yield from _loops(child)


def _has_condition(node: ast.AST) -> TypeGuard[ast.expr | ast.stmt]:
    """Whether this is a ``for`` or a comprehension in which anything depends on a condition."""
    if isinstance(node, ast.For):
        return any(isinstance(each, (ast.If, ast.IfExp, ast.BoolOp, ast.Continue)) for each in ast.walk(node))
    return isinstance(node, (ast.ListComp, ast.SetComp, ast.DictComp)) and any(each.ifs for each in node.generators)


@pytest.mark.parametrize("path", sorted(PACKAGE.rglob("*.py")), ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_loop_with_a_condition_where_a_lock_is_held(path: Path) -> None:
    """It stands in a function of its own, which is called there."""
    assert conditional_loops(path.read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    "loop",
    ["x = [e for e in seats if e]", "while left: left -= 1", "for e in seats:\n        if e: stop(e)"],
)
def test_such_a_loop_is_found(loop: str) -> None:
    """Directly under the lock, and not in a function that is only defined or called there."""
    assert conditional_loops(f"with self._lock:\n    {loop}\n") == [2]
    assert conditional_loops("with lock:\n    for e in seats: stop(e)\n    f(e for e in seats if e)\n") == []
