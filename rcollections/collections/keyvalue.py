"""Using a ``KeyCache`` like its value: as a number, a text or a truth value, and in comparisons."""

from __future__ import annotations

from abc import abstractmethod
from functools import total_ordering
from types import FunctionType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from ..handles.operations import Operations
from ..missing import MISSING
from ..plans.collections.numbers import negative
from .keybinding import KeyBinding

if TYPE_CHECKING:
    from ..handles.base import BaseCache

__all__ = ["KeyValue", "raw_default"]

V = TypeVar("V")


@total_ordering
class KeyValue(KeyBinding, Operations, Generic[V]):
    """The part of a ``KeyCache`` that is used like its value. Not a type of its own."""

    __hash__ = None  # type: ignore[assignment]

    @property
    @abstractmethod
    def data(self) -> V | None:
        """The value."""

    @abstractmethod
    def increment(self, by: float = 1, *, must_exist: bool = False, keep_ttl: bool = False) -> Any:
        """Add to the number under the key."""

    @abstractmethod
    def _found(self) -> Any:
        """The value, or MISSING."""

    def __iadd__(self, by: float) -> Any:
        self.increment(by)
        return self

    def __isub__(self, by: float) -> Any:
        self.increment(negative(by))
        return self

    def __int__(self) -> int:
        value: Any = self.data
        return int(value or 0)

    def __float__(self) -> float:
        value: Any = self.data
        return float(value or 0)

    def __str__(self) -> str:
        value = self.data
        return "" if value is None else str(value)

    def __bool__(self) -> bool:
        return bool(self.data)

    def __eq__(self, other: object) -> bool:
        return bool(self.data == _value(other))

    def __lt__(self, other: Any) -> bool:
        mine, theirs = self._found(), other._found() if isinstance(other, KeyValue) else other
        if mine is MISSING or theirs is MISSING:
            return mine is MISSING and theirs is not MISSING
        return bool(mine < theirs)


def _value(other: object) -> object:
    return other.data if isinstance(other, KeyValue) else other


def raw_default(cache: BaseCache) -> Any:
    """``default`` as it was written: a function in a class body must not become a method of the handle."""
    cache = cache._home()
    if "default" in cache.__dict__:
        return cache.__dict__["default"]
    found = next(base.__dict__["default"] for base in type(cache).__mro__ if "default" in base.__dict__)
    if isinstance(found, FunctionType) and found.__code__.co_argcount > len(found.__defaults__ or ()):
        return found.__get__(cache)
    return found.__func__ if isinstance(found, staticmethod) else found
