"""What is computed now, and by whom: cached functions and collections that fill themselves wait for each other.

Whatever is being computed in a thread or task is *marked* there, with all that this computation calls. A computation
that would wait for itself is refused: at once where it asks for its own mark, and by way of others (A waits for B, B
for A) where it begins to wait.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .circles import CircleError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from ..errors import CacheError
    from .circles import Waits

__all__ = ["Computation", "computing", "marked", "waiting_for"]

# What is being computed in this thread or task: of each the table of waits that it belongs to, and its mark.
computing: ContextVar[frozenset[tuple[int, str]]] = ContextVar("rcollections_computing", default=frozenset())


class Computation(ABC):
    """Something that one caller computes while others wait: a call of a function, or the filling of a collection."""

    __slots__ = ()

    @property
    @abstractmethod
    def waits(self) -> Waits:
        """Who waits for whom, in this process and on this connection."""

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
        """Refuse to wait for what the caller is computing himself."""
        if (id(self.waits), self.known_as) in computing.get():
            raise self.recursion()


@contextmanager
def waiting_for(*wanted: Computation) -> Iterator[None]:
    """A block in which the caller waits for all of these: so does whatever the caller is computing.

    Raises the ``circle`` error of the first one that waits for the caller.
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
    """``fn`` with all of these marked as being computed; an awaitable that it gives is awaited with the same marks."""
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
        computing.reset(before)
