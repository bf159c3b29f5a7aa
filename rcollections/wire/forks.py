"""What has to be made anew in the child of a fork: threads are gone there, and locks may be held by nobody."""

from __future__ import annotations

import os
import weakref
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["after_fork"]

_methods: set[weakref.WeakMethod[Any]] = set()
_hooked = False


def after_fork(method: Callable[[], None]) -> None:
    """Call this bound method in every child, as long as its object lives."""
    global _hooked
    if not _hooked and hasattr(os, "register_at_fork"):
        _hooked = True
        os.register_at_fork(after_in_child=_run)
    _methods.add(weakref.WeakMethod(method, _methods.discard))


def _run() -> None:
    for each in _methods.copy():
        method = each()
        if method is not None:
            method()
