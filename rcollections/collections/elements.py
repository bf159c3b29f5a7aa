"""A set as an element, which means its frozenset: as in ``set``, to look for it or to remove it, not to add it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from ..handles.base import BaseCache
from ..plans.collections.sets import of_set

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ..plans.op import Operation
    from ..plans.target import Target

__all__ = ["about"]

T = TypeVar("T")


def about(t: Target, elem: object, name: str, ask: Callable[[Target, Any], Operation[T]]) -> Operation[T]:
    """The operation on this element; if it is a set on the server, its content is read first."""
    if isinstance(elem, set):
        return ask(t, frozenset(elem))
    if isinstance(elem, BaseCache) and elem._is_set:
        other = elem._bound()
        same = other.connection is t.connection
        return of_set(name, other, partial(ask, t)) if same else ask(t, frozenset(cast("Iterable[Any]", elem)))
    return ask(t, elem)
