"""Several cached forms of one function: forms that could not use each other's entries have keys of their own.

``short = cached(ttl=5)(f)`` and ``long = cached(ttl=60)(f)`` would share the automatic key of ``f``, and ``short``
would give answers that are a minute old. The first form has that key, a later one with other options has a digest of
them behind it. Forms with one prefix, version and name are compared; with other ones they never meet.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from .facts import digest
from .options import seconds
from .places import class_path

if TYPE_CHECKING:
    from ..handles.base import BaseCache
    from .options import Options

__all__ = ["variant"]

_forms: WeakKeyDictionary[Any, dict[tuple[str, str, str], str]] = WeakKeyDictionary()
_lock = threading.RLock()


def variant(fn: object, cls: type[BaseCache], options: Options) -> str:
    """What the key of this form needs to be told from the first form's; "" for the first, and for those like it."""
    ttl = options.of(cls, "ttl")
    mine = digest(
        (
            _shown(ttl) if callable(ttl) else repr(float(seconds(ttl))),
            _shown(options.of(cls, "tags")),
            _shown(options.of(cls, "serializer")),
            repr(options.of(cls, "serialize")),
            *map(class_path, options.cache_errors),
            *options.ignore,
            repr(options.ignore_self),
        )
    )
    slot = options.of(cls, "prefix"), options.version, options.name
    try:
        with _lock:
            first = _forms.setdefault(fn, {}).setdefault(slot, mine)
    except TypeError:  # no weak reference to this callable
        return ""
    return "" if first == mine else f"#{mine}"


def _shown(value: Any) -> str:
    """A value of an option, the same in every process."""
    if value is None or isinstance(value, (str, tuple, frozenset)):
        return repr(sorted(value)) if isinstance(value, (tuple, frozenset)) else repr(value)
    name = getattr(value, "__qualname__", None)
    return f"{value.__module__}:{name}" if name else class_path(type(value))
