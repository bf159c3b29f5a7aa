"""Telling of a computation: the observers of all operations, and the ``on_value`` callbacks of the function."""

from __future__ import annotations

import inspect
from contextlib import contextmanager
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeAlias

from ..observe import events
from ..observe.names import name_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable, Iterator

__all__ = ["Watched", "Watching"]

Watched: TypeAlias = "tuple[object, tuple[object, ...], dict[str, object]]"  # a value, and the arguments of its call
Values: TypeAlias = "Callable[[object], Iterable[Watched]]"  # the values in a result of the function


class Watching:
    """Calls one function, and tells its observers and callbacks."""

    def __init__(self, name: str, fn: Callable[..., Any], *, asynchronous: bool) -> None:
        self.name = name
        self.fn = fn
        self.asynchronous = asynchronous
        self.callbacks: list[Callable[..., Any]] = []

    def add(self, callback: Callable[..., Any]) -> None:
        """One more ``on_value`` callback."""
        if not callable(callback):
            raise TypeError(f"{self.name}.on_value takes a function, not {type(callback).__name__}")
        called = type(callback).__call__  # a callback may be an object
        if not self.asynchronous and any(map(inspect.iscoroutinefunction, (callback, called))):
            raise TypeError(f"{self.name} is no async def: nobody would await this on_value callback")
        self.callbacks.append(callback)

    def one(self, key: str, args: tuple[object, ...], kwargs: dict[str, object]) -> Any:
        """Call the function for one key."""
        if not self.callbacks and not events.observers:
            return self.fn(*args, **kwargs)
        return self.many((key,), args, kwargs, lambda value: ((value, args, kwargs),))

    def many(
        self,
        keys: Iterable[str],
        args: tuple[object, ...],
        kwargs: dict[str, object],
        values: Values,
    ) -> Any:
        """Call the function; tell observers (of each key), and callbacks (of what ``values`` makes of the result)."""
        if not self.callbacks and not events.observers:
            return self.fn(*args, **kwargs)
        began = perf_counter()
        try:
            result = self.fn(*args, **kwargs)
        except BaseException as error:
            self._told(keys, began, error)
            raise
        if inspect.isawaitable(result):
            # An awaitable of a plain def is refused later, as it is: inside a wrapper it would never be closed.
            return self._awaited(result, keys, began, values) if self.asynchronous else result
        self._told(keys, began)
        for value, its_args, its_kwargs in values(result):
            for callback in self.callbacks:
                with self._logging():
                    callback(value, *its_args, **its_kwargs)
        return result

    async def _awaited(
        self,
        awaitable: Awaitable[Any],
        keys: Iterable[str],
        began: float,
        values: Values,
    ) -> Any:
        try:
            result = await awaitable
        except BaseException as error:
            self._told(keys, began, error)
            raise
        self._told(keys, began)
        for value, its_args, its_kwargs in values(result):
            for callback in self.callbacks:
                with self._logging():
                    told = callback(value, *its_args, **its_kwargs)
                    if inspect.isawaitable(told):
                        await told
        return result

    @contextmanager
    def _logging(self) -> Iterator[None]:
        try:
            yield
        except Exception:  # a callback only watches: its error must not break the call
            events.log.exception("on_value callback of %s failed", self.name)

    def _told(self, keys: Iterable[str], began: float, error: BaseException | None = None) -> None:
        took = perf_counter() - began
        if events.observers:
            for key in keys:
                events.noted(name_of(self.fn), "compute", key, took, error)

    def lost(self, error: BaseException) -> None:
        """Log an exception of background work, which no caller will see."""
        events.log.error("refreshing %s in the background failed: %s", self.name, type(error).__name__, exc_info=error)
