"""What could not be sent is kept and goes first: the promises hold in every order."""

from __future__ import annotations

from typing import Any

from tests.interleavings.keeping_guards import keepings


def test_what_is_kept_goes_first(holds: Any) -> None:
    """The process that raised gets no older value, and nobody does once its journal is empty."""
    holds(keepings())
