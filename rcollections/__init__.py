"""Python's own collections, living in Redis, with a cache in front of them.

Set ``CACHES_DSN``, subclass ``KeyCache`` with a prefix and a ttl, and use ``DictCache``, ``SetCache``,
``SortedSetCache`` and ``CounterCache`` as the dict, set and Counter you know.
"""

from __future__ import annotations

from . import observe
from .countercache import CounterCache
from .decorators import ainvalidate_tags, cached, invalidate_tags
from .dictcache import DictCache
from .errors import (
    CacheConnectionError,
    CacheError,
    CacheMissError,
    CacheTimeout,
    ConfigError,
    DecodeError,
    EncodeError,
    KeyExistsError,
    WrongTypeError,
)
from .inprocess import L1Info, l1_info, no_l1
from .keycache import KeyCache
from .localcache import LocalCache
from .missing import MISSING
from .multicached import multi_cached
from .setcache import SetCache
from .sortedsetcache import SortedSetCache
from .wire.clearing import unsafe_clear
from .wire.clock import deadline
from .wire.codec import register
from .wire.connections import configure, connection, connections

__version__ = "0.1.0"

__all__ = [
    "MISSING",
    "CacheConnectionError",
    "CacheError",
    "CacheMissError",
    "CacheTimeout",
    "ConfigError",
    "CounterCache",
    "DecodeError",
    "DictCache",
    "EncodeError",
    "KeyCache",
    "KeyExistsError",
    "L1Info",
    "LocalCache",
    "SetCache",
    "SortedSetCache",
    "WrongTypeError",
    "ainvalidate_tags",
    "cached",
    "configure",
    "connection",
    "connections",
    "deadline",
    "invalidate_tags",
    "l1_info",
    "multi_cached",
    "no_l1",
    "observe",
    "register",
    "unsafe_clear",
]
