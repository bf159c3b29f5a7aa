"""Which computations run now, and wait for each other: cached functions, and collections that fill themselves.

A computation is *marked* in its thread or task, and in all that it calls there. A computation that would wait for
itself is refused at once where it asks for its own mark. If it would wait by way of others (A waits for B, B for A),
it is refused where its wait begins.

A mark ends with its computation. What was started inside and goes on (a task, a timer, a thread with a copied
context) still carries the mark, which says nothing any more: such work may ask for the key like anybody else.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any

from .circles import CircleError, Mark

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Iterator

    from ..errors import CacheError
    from .circles import Waits

__all__ = ["Computation", "apart", "computing", "marked", "waiting_for"]

_marks: ContextVar[tuple[Mark, ...]] = ContextVar("rcollections_computing", default=())


def computing() -> list[Mark]:
    """The computations that this thread or task is a part of, without those that have ended."""
    return [mark for mark in _marks.get() if not mark.over]


def apart() -> None:
    """From here on this thread or task is a part of no computation: nobody waits for it there."""
    _marks.set(())


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
        marks = _marks.get()
        if marks:
            waits, key = self.waits, self.known_as
            if any(mark.key == key and mark.waits is waits and not mark.over for mark in marks):
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
    callers = [mark for mark in computing() if mark.waits is waits]
    keys = [each.known_as for each in wanted]
    try:
        waits.begin(callers, keys)
    except CircleError as circle:
        raise next(each for each in wanted if each.known_as == circle.wanted).circle() from None
    try:
        yield
    finally:
        try:
            waits.end(callers, keys)
        except BaseException:  # of a signal handler
            waits.end(callers, keys)
            raise


def marked(fn: Callable[[], Any], computed: Collection[Computation]) -> Callable[[], Any]:
    """``fn`` with all of these computations marked; an awaitable result of ``fn`` is awaited with the same marks.

    The marks end when ``fn``, or what it gave to await, has ended in whatever way.
    """
    mine = [Mark(each.waits, each.known_as) for each in computed]
    marks = (*computing(), *mine)

    def run() -> Any:
        before = None
        try:
            try:
                before = _marks.set(marks)
                result = fn()
            finally:
                if before is not None:
                    _marks.reset(before)
            if hasattr(result, "__await__"):
                return _awaited(result, marks, mine)
            _end(mine)
        except BaseException:  # also of a signal handler, which may have come between any two of these steps
            _end(mine)
            raise
        return result

    return run


async def _awaited(awaitable: Awaitable[Any], marks: tuple[Mark, ...], mine: list[Mark]) -> Any:
    before = None
    try:
        before = _marks.set(marks)
        return await awaitable
    finally:
        try:
            _end(mine)
            if before is not None:
                with suppress(ValueError):  # a task that was dropped ends in the context of whoever collects it
                    _marks.reset(before)
        except BaseException:  # of a signal handler
            _end(mine)
            raise


def _end(marks: list[Mark]) -> None:
    for mark in marks:
        mark.over = True
