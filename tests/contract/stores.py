"""Both stores: the compiled one and its twin in Python. Every promise is tested on both."""

from __future__ import annotations

import importlib
from typing import Any

import pytest

from rcollections.l1 import store as pure

KINDS = ("compiled", "pure")


def store_class(kind: str) -> Any:
    """The class of that kind; skips the test if it was not built."""
    if kind == "pure":
        return pure.Store
    try:
        return importlib.import_module("rcollections.l1._store").Store
    except ImportError:
        pytest.skip("the compiled store was not built: no compiler, no Cython, or a bare checkout")


class Clock:
    """A clock that stands until it is told to go."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds

    def go(self, seconds: float) -> None:
        self.seconds += seconds
