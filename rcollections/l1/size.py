"""How many bytes a key and its value take, for a store that is bounded by bytes.

An estimate: it follows containers and attributes, counts an object that one value holds twice only once, and of
large containers takes a sample. A value costs a few microseconds, never more than a millisecond or two.
"""

from __future__ import annotations

from itertools import chain, islice
from sys import getsizeof
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["estimate"]

_LOOKS = 1000  # objects looked at, about
_SAMPLE = 40  # parts looked at in one container, at most
_LEAVES = frozenset({bool, bytearray, bytes, complex, float, int, memoryview, range, str, type(None)})


def estimate(key: object, value: object) -> int:
    """Bytes of this pair, without the bytes that the store itself needs for an entry."""
    if type(key) in _LEAVES and type(value) in _LEAVES:
        return getsizeof(key) + getsizeof(value)
    seen: set[int] = set()
    return _bytes(key, _LOOKS, seen) + _bytes(value, _LOOKS, seen)


def _bytes(each: object, looks: int, seen: set[int]) -> int:
    if id(each) in seen or isinstance(each, type):
        return 0
    seen.add(id(each))
    own = getsizeof(each, 64)
    if type(each) in _LEAVES:
        return own
    count, parts = _parts(each)
    sample = min(count, _SAMPLE, looks)
    if not sample:
        return own
    inner = sum(_bytes(part, looks * 3 // 4 // sample, seen) for part in islice(parts, sample))
    return own + inner * count // sample


def _parts(each: Any) -> tuple[int, Iterable[Any]]:
    """How many objects belong to this object, and some of them."""
    kind = type(each)
    if kind is list or kind is tuple:
        return len(each), each[:: max(1, len(each) // _SAMPLE)]
    if isinstance(each, dict):
        return 2 * len(each), chain.from_iterable(islice(each.items(), _SAMPLE))
    if kind is set or kind is frozenset:
        return len(each), islice(each, _SAMPLE)
    try:
        attributes = object.__getattribute__(each, "__dict__").values()
    except AttributeError:
        names = getattr(kind, "__slots__", ())
        attributes = [
            getattr(each, name) for name in ([names] if isinstance(names, str) else names) if hasattr(each, name)
        ]
    return len(attributes), attributes
