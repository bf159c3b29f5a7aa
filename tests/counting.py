"""For tests of cached functions."""

from __future__ import annotations

from typing import Any

__all__ = ["Counting"]


class Counting:
    """A function that says how often it was called."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def __call__(self, *args: Any) -> Any:
        self.calls.append(args)
        return len(self.calls)
