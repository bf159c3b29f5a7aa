"""Which values may be handed to several callers: values that no caller can change."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from fractions import Fraction
from pathlib import PurePath
from types import NoneType
from typing import Any
from uuid import UUID

__all__ = ["is_immutable"]

_PLAIN = frozenset(
    {NoneType, bool, int, float, complex, str, bytes, range, date, timedelta, timezone, Decimal, Fraction, UUID}
)
_DEEPEST = 20


def is_immutable(value: Any, depth: int = 0) -> bool:
    """Whether no caller can change this object or an object inside it. Unknown types count as changeable.

    O(n) over the items of tuples and frozensets.
    """
    kind = type(value)
    if kind in _PLAIN:
        return True
    if depth > _DEEPEST:
        return False
    if kind is tuple or kind is frozenset:
        return all(is_immutable(each, depth + 1) for each in value)
    if kind is datetime or kind is time:
        return value.tzinfo is None or type(value.tzinfo) is timezone or type(value.tzinfo).__module__ == "zoneinfo"
    if isinstance(value, Enum):
        return True  # a member is one object in the whole process, also without a cache
    if isinstance(value, PurePath):
        return kind.__module__.partition(".")[0] == "pathlib"
    if isinstance(value, tuple):  # a namedtuple is immutable, unless its class allows attributes
        return hasattr(kind, "_fields") and not hasattr(value, "__dict__") and is_immutable(tuple(value), depth + 1)
    parameters = getattr(kind, "__dataclass_params__", None)
    if parameters is not None and parameters.frozen:
        import dataclasses  # it is loaded: somebody has made this class

        return all(is_immutable(getattr(value, field.name), depth + 1) for field in dataclasses.fields(value))
    return False
