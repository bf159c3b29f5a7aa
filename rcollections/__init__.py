"""Python's own collections, living in Redis, with a cache in front of them.

Set ``CACHES_DSN``, subclass ``KeyCache`` with a prefix and a ttl, and use ``DictCache``, ``SetCache``,
``SortedSetCache`` and ``CounterCache`` as the dict, set and Counter you know.
"""

from __future__ import annotations

from typing import TYPE_CHECKING as _TYPE_CHECKING

from . import observe
from .collections.countercache import CounterCache
from .collections.dictcache import DictCache
from .collections.keycache import KeyCache
from .collections.setcache import SetCache
from .collections.sortedsetcache import SortedSetCache
from .decorators import cached, multi_cached
from .errors import (
    CacheConnectionError,
    CacheError,
    CacheMissError,
    CacheTimeout,
    ChangedError,
    ConfigError,
    DecodeError,
    EncodeError,
    KeyExistsError,
    LockLost,
    WrongTypeError,
)
from .functions.invalidation import ainvalidate_tags, invalidate_tags
from .key import Key
from .l1.localcache import LocalCache
from .missing import MISSING
from .servers.clearing import unsafe_clear
from .servers.flushing import flush
from .servers.inprocess import L1Info, l1_info, no_l1
from .servers.registry import configure, connection, connections
from .values import register
from .version import __version__ as __version__
from .wire.clock import deadline

if _TYPE_CHECKING:
    from .collections.aio.countercache import AsyncCounterCache
    from .collections.aio.dictcache import AsyncDictCache
    from .collections.aio.keycache import AsyncKeyCache
    from .collections.aio.setcache import AsyncSetCache
    from .collections.aio.sortedsetcache import AsyncSortedSetCache

__all__ = [
    "MISSING",
    "AsyncCounterCache",
    "AsyncDictCache",
    "AsyncKeyCache",
    "AsyncSetCache",
    "AsyncSortedSetCache",
    "CacheConnectionError",
    "CacheError",
    "CacheMissError",
    "CacheTimeout",
    "ChangedError",
    "ConfigError",
    "CounterCache",
    "DecodeError",
    "DictCache",
    "EncodeError",
    "Key",
    "KeyCache",
    "KeyExistsError",
    "L1Info",
    "LocalCache",
    "LockLost",
    "SetCache",
    "SortedSetCache",
    "WrongTypeError",
    "ainvalidate_tags",
    "cached",
    "configure",
    "connection",
    "connections",
    "deadline",
    "flush",
    "invalidate_tags",
    "l1_info",
    "multi_cached",
    "no_l1",
    "observe",
    "register",
    "unsafe_clear",
]


def __getattr__(name: str) -> object:
    """The Async types come when they are asked for, since they bring asyncio."""
    if name.startswith("Async") and name in __all__:
        from importlib import import_module

        module = import_module(f".collections.aio.{name.removeprefix('Async').lower()}", __name__)
        globals()[name] = getattr(module, name)
        return globals()[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
