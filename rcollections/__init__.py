"""Python's own collections, living in Redis, with a cache in front of them.

Set ``CACHES_DSN``, subclass ``KeyCache`` with a prefix and a ttl, and use ``DictCache``, ``SetCache``,
``SortedSetCache`` and ``CounterCache`` as the dict, set and Counter you know.
"""

from __future__ import annotations

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

__all__ = [
    "MISSING",
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
