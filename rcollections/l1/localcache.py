"""``LocalCache``: a bounded cache in this process, for values that need not be shared."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any, TypeVar, overload

from ..errors import CacheMissError
from .calls import ABSENT
from .chosen import Store

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from datetime import timedelta

__all__ = ["LocalCache"]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")


class LocalCache(Store[K, V]):
    """Up to ``capacity`` values in this process, and up to ``bytes`` if given; the values worth keeping stay.

    Keys are compared like the keys of a dict (``1`` and ``1.0`` are one key); values are kept as they are, not
    copied. ``ttl`` in seconds, 0 for ever. Threads may share a cache; a child process has a copy of its own. A
    lookup counts as a use when room is needed, unless ``touch_on_read=False``. The cache calls
    ``eviction_callback(key, value, reason)`` for each entry that leaves by itself: reason "evicted" or "expired".

    >>> from rcollections import LocalCache
    >>> names = LocalCache[int, str](1000, ttl=60)
    >>> names[7] = "ann"
    >>> names[7], names.get(8, "nobody")
    ('ann', 'nobody')
    >>> names.add(7, "bob"), names.setdefault(8, "eve"), names.pop(8)
    (False, 'eve', 'eve')
    """

    __slots__ = ()

    # -- as a dict ---------------------------------------------------------------------------------

    def __getitem__(self, key: K) -> V:
        """The value; CacheMissError, a KeyError, for a missing or expired key."""
        return self.get(key)

    def __setitem__(self, key: K, value: V) -> None:
        self.put(key, value)

    def __delitem__(self, key: K) -> None:
        if not self.delete(key):
            raise CacheMissError(f"nothing is stored under {key!r}")

    def setdefault(self, key: K, default: V, ttl: float | timedelta | None = None) -> V:
        """The value of a key, stored first if it is missing: of several threads one stores, all get its value."""
        while True:
            found: Any = self.get(key, ABSENT)
            if found is not ABSENT:
                return found  # type: ignore[no-any-return]
            if self.add(key, default, ttl):
                return default

    def update(self, other: Mapping[K, V] | Iterable[tuple[K, V]] = (), /, **more: V) -> None:
        """Store all items of a mapping or of pairs, as dict does, for the ttl of the cache. Not one atomic step."""
        items: dict[Any, V] = {**dict(other), **more}
        for key, value in items.items():
            self.put(key, value)

    # -- many keys ---------------------------------------------------------------------------------

    @overload
    def get_many(self, keys: Iterable[K]) -> dict[K, V]: ...
    @overload
    def get_many(self, keys: Iterable[K], default: D) -> dict[K, V | D]: ...
    def get_many(self, keys: Iterable[K], default: Any = ABSENT) -> dict[K, Any]:
        """``{key: value}`` of the keys that are there, in their order, or of all with a ``default``.

        Each key counts as a hit or a miss.
        """
        found: Any = ((key, self.get(key, ABSENT)) for key in dict.fromkeys(keys))
        if default is not ABSENT:
            return {key: default if value is ABSENT else value for key, value in found}
        return {key: value for key, value in found if value is not ABSENT}

    def set_many(self, values: Mapping[K, V] | Iterable[tuple[K, V]], ttl: float | timedelta | None = None) -> None:
        """Store several values for ``ttl`` seconds (default: the ttl of the cache). Not one atomic step."""
        for key, value in dict(values).items():
            self.put(key, value, ttl)
