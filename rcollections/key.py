"""``Key``: the text of a key that is complete."""

from __future__ import annotations

__all__ = ["Key"]


class Key(str):
    """A complete key, as the server knows it: namespace, prefix and parts.

    ``handle.key`` and ``f.key(…)`` give one. As the only part of a class without prefix it is taken as it is, so
    ``KeyCache(other.key)`` addresses the same key. Every other str gets the namespace of its connection, and escapes
    where a key needs them. ``Type.at(text)`` takes a complete key that is a plain str.

    >>> from rcollections import KeyCache
    >>> price = KeyCache("price", "tea", data=3)
    >>> price.key, KeyCache(price.key).data
    ('price.tea', 3)
    """

    __slots__ = ()
