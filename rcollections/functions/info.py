"""``CacheInfo``: what ``f.cache_info()`` gives."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from typing import Self

__all__ = ["CacheInfo"]

MORE = ("stale", "waits", "computes", "stores", "refused", "errors", "invalidations", "unstorable")


class _Four(NamedTuple):
    """The counts that functools has."""

    hits: int
    misses: int
    maxsize: None
    currsize: int


class CacheInfo(_Four):
    """What the calls of one function did in this process: functools' four counts as a tuple, and more by name.

    ``hits, misses, maxsize, currsize = f.cache_info()`` unpacks as with ``functools.lru_cache``. ``maxsize`` is None
    (this library sets the server no limit) and ``currsize`` 0 (entries are not counted). The other counts are
    attributes only; ``_asdict()`` and ``repr()`` show all.
    """

    stale: int
    waits: int
    computes: int
    stores: int
    refused: int
    errors: int
    invalidations: int
    unstorable: int

    def __new__(cls, hits: int, misses: int, maxsize: None = None, currsize: int = 0, **more: int) -> Self:
        """``more``: the counts that functools has not, 0 by default."""
        if unknown := more.keys() - set(MORE):
            raise TypeError(f"CacheInfo has no {', '.join(sorted(unknown))}")
        made = super().__new__(cls, hits, misses, maxsize, currsize)
        made.__dict__.update(dict.fromkeys(MORE, 0) | more)
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"counts are read-only, so {name} is")

    def __eq__(self, other: object) -> bool:
        if isinstance(other, CacheInfo):
            return self._asdict() == other._asdict()
        return super().__eq__(other)

    __hash__ = _Four.__hash__

    def __ne__(self, other: object) -> bool:
        return not self == other

    def _asdict(self) -> dict[str, Any]:
        """All counts by name."""
        return {**super()._asdict(), **{name: self.__dict__[name] for name in MORE}}

    def _replace(self, **counts: Any) -> Self:
        """The same with some counts replaced."""
        return type(self)(**{**self._asdict(), **counts})

    def __repr__(self) -> str:
        return f"CacheInfo({', '.join(f'{name}={count}' for name, count in self._asdict().items())})"
