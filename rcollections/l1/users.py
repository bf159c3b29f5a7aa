"""The users of L1: all functions and classes that may hold values, so that one listener asks for all of them at once.

A user is an object with ``l1_prefixes(connection)``: the prefixes of its keys on this connection, or None if the
user holds nothing there. The references are weak: a function that is gone is no user any more.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

__all__ = ["register", "registered", "version"]

_users: WeakSet[Any] = WeakSet()
_count = 0


def register(user: object) -> None:
    """This user may hold values from now on."""
    global _count
    _users.add(user)
    _count += 1


def version() -> int:
    """A number that changes whenever a user is registered."""
    return _count


def registered() -> list[Any]:
    """All users that still exist."""
    return list(_users)
