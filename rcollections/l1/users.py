"""Who may hold something: all functions and classes that say so, so that one listener asks for all of them at once.

Each is an object with ``l1_prefixes(connection)``: what its keys begin with on this connection, or None if it holds
nothing there. They are known weakly: a function that is gone wants nothing any more.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

__all__ = ["register", "registered", "version"]

_users: WeakSet[Any] = WeakSet()
_count = 0


def register(user: Any) -> None:
    """This one may hold something from now on."""
    global _count
    _users.add(user)
    _count += 1


def version() -> int:
    """Another number whenever somebody was registered."""
    return _count


def registered() -> list[Any]:
    """All of them."""
    return list(_users)
