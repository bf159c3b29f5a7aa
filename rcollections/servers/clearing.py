"""``unsafe_clear``: remove keys by a pattern, whatever program wrote them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..plans.effects import Command
from ..plans.naming import namespaced
from .drivers.sync import drive
from .registry import connection

if TYPE_CHECKING:
    from ..plans.effects import Plan

__all__ = ["unsafe_clear"]


def unsafe_clear(pattern: str, *, connection_name: str = "") -> int:
    """Remove all keys that match a pattern, inside the connection's namespace; gives how many.

    Unsafe, since the keys may belong to other programs: an application wants ``Type.clean()``.
    ``pattern`` has Redis's wildcards (``*``, ``?``, ``[ab]``). The call scans all keys of the database in
    steps that do not block the server, O(keys), and removes in batches; not atomic.

    >>> from rcollections import KeyCache, unsafe_clear
    >>> KeyCache.set_many({"old.1": 1, "old.2": 2, "new.1": 3})
    >>> unsafe_clear("old.*")
    2
    """
    if not isinstance(pattern, str) or not pattern:
        raise ValueError("unsafe_clear() takes a pattern, such as 'shop.*'")
    chosen = connection(connection_name)
    namespace = chosen.namespace.translate({ord(char): f"\\{char}" for char in "[]*?^\\"})
    return drive(_clear(namespaced(namespace, pattern)), chosen)


def _clear(pattern: str) -> Plan[int]:
    removed, cursor = 0, 0
    while True:
        cursor, found = yield Command(("SCAN", cursor, "MATCH", pattern, "COUNT", 1000))
        if found:
            removed += yield Command(("UNLINK", *found))
        if int(cursor) == 0:
            return removed
