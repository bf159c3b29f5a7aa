"""What ``make test`` leaves out by name is there: a name of nothing would leave out nothing."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.longer import FEWER, LONG

TESTS = Path(__file__).resolve().parent


@pytest.mark.parametrize("name", sorted({*LONG, *FEWER}))
def test_it_is_there(name: str) -> None:
    file, _, test = name.partition("::")
    tree = ast.parse((TESTS / file).read_text())
    assert test in {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
