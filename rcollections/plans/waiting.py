"""Which computations run now, and wait for each other: cached functions, and collections that fill themselves.

A computation is *marked* in its thread or task, and in all that it calls there. A computation that would wait for
itself is refused at once where it asks for its own mark. If it would wait by way of others (A waits for B, B for A),
it is refused where its wait begins.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .circles import CircleError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from ..errors import CacheError
    from .circles import Waits

__all__ = ["Computation", "computing", "marked", "waiting_for"]

# The computations of this thread or task. Of each one: the id() of its table of waits, and its mark.
computing: ContextVar[frozenset[tuple[int, str]]] = ContextVar("rcollections_computing", default=frozenset())


class Computation(ABC):
    """A computation of one caller, for which others may wait: a call of a function, or the filling of a collection."""

    __slots__ = ()

    @property
    @abstractmethod
    def waits(self) -> Waits:
        """Which computations wait for which, in this process and on this connection."""

    @property
    @abstractmethod
    def known_as(self) -> str:
        """The key by which this computation is known in ``waits``."""

    @abstractmethod
    def recursion(self) -> CacheError:
        """The error of a computation that asks for itself."""

    @abstractmethod
    def circle(self) -> CacheError:
        """The error of a computation that would wait for itself by way of others."""

    def guard(self) -> None:
        """Refuse to wait for a computation that the caller itself carries out."""
        if (id(self.waits), self.known_as) in computing.get():
            raise self.recursion()


@contextmanager
def waiting_for(*wanted: Computation) -> Iterator[None]:
    """A block in which the caller waits for all of these, and with it the computations that it carries out.

    Raises the ``circle`` error of the first wanted computation that waits for the caller.
    """
    if not wanted:
        yield
        return
    waits = wanted[0].waits
    callers = [mark for owner, mark in computing.get() if owner == id(waits)]
    marks = [each.known_as for each in wanted]
    try:
        waits.begin(callers, marks)
    except CircleError as circle:
        raise next(each for each in wanted if each.known_as == circle.wanted).circle() from None
    try:
        yield
    finally:
        waits.end(callers, marks)


def marked(fn: Callable[[], Any], computed: Collection[Computation]) -> Callable[[], Any]:
    """``fn`` with all of these computations marked; an awaitable result of ``fn`` is awaited with the same marks."""
    marks = computing.get() | {(id(each.waits), each.known_as) for each in computed}

    def run() -> Any:
        before = computing.set(marks)
        try:
            result = fn()
        finally:
            computing.reset(before)
        return _awaited(result, marks) if hasattr(result, "__await__") else result

    return run


async def _awaited(awaitable: Awaitable[Any], marks: frozenset[tuple[int, str]]) -> Any:
    before = computing.set(marks)
    try:
        return await awaitable
    finally:
        with suppress(ValueError):  # a task that was dropped ends in the context of whoever collects it
            computing.reset(before)
