"""Runs tests of the sync types through their async faces: ``with awaited():``, in an event loop of another thread.

Inside, each method of ``KeyCache``, ``DictCache`` and the others carries out the async method of its name, on
``handle.aio``. Operators and other dunders stay: they call the methods, as in the sync types. So the tests of a type
need no second form. What a test calls in the loop itself (a ``load`` that uses another collection) stays sync.
"""

from __future__ import annotations

import asyncio
import inspect
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CounterCache, DictCache, KeyCache, SetCache, SortedSetCache
from rcollections.handles.base import BaseCache
from tests.faces import LEFT_OUT
from tests.faces import awaited as awaited_names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["awaited", "through_async"]

TYPES = (KeyCache, DictCache, SetCache, SortedSetCache, CounterCache)
BLOCKS = {"edit", "pipeline", "writing", "lock"}
ITEMS = {"__getitem__": "__getitem__", "__setitem__": "set", "__delitem__": "delete"}


class Loop:
    """An event loop on a thread of its own."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()

    def here(self) -> bool:
        return threading.current_thread() is self.thread

    def run(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result()

    def pages(self, iterator: Any) -> Iterator[Any]:
        """An async iterator as an iterator."""
        try:
            while True:
                try:
                    yield self.run(_next(iterator))
                except _End:
                    return
        finally:
            self.run(iterator.aclose())

    def end(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.run_until_complete(self.loop.shutdown_default_executor())
        self.loop.close()


class _End(Exception):
    """StopAsyncIteration, which no future takes."""


async def _next(iterator: Any) -> Any:
    try:
        return await anext(iterator)
    except StopAsyncIteration:
        raise _End from None


class Block:
    """``async with`` as ``with``."""

    def __init__(self, loop: Loop, block: Any) -> None:
        self._loop, self._block = loop, block

    def __enter__(self) -> Any:
        return self._loop.run(self._block.__aenter__())

    def __exit__(self, *error: Any) -> Any:
        return self._loop.run(self._block.__aexit__(*error))

    def __getattr__(self, name: str) -> Any:
        return getattr(self._block, name)


def _there(handle: Any) -> Any:
    """The async face of a handle, or of a class."""
    return handle.aio if not isinstance(handle, type) else type(object.__new__(handle).aio)


def _method(loop: Loop, name: str, sync: Callable[..., Any]) -> Callable[..., Any]:
    def run(self: Any, /, *args: Any, **kwargs: Any) -> Any:
        if loop.here() or "_pipeline" in getattr(self, "__dict__", {}):
            return sync(self, *args, **kwargs)
        answer = getattr(_there(self), name)(*args, **kwargs)
        if inspect.isawaitable(answer):
            answer = loop.run(answer)
            return answer.sync if isinstance(answer, BaseCache) else answer
        if hasattr(answer, "__aenter__"):
            return Block(loop, answer)
        return loop.pages(answer) if hasattr(answer, "__anext__") else answer

    run.__name__ = name
    return run


@contextmanager
def awaited() -> Iterator[Loop]:
    """Inside of the block the sync types do everything by their async faces."""
    loop = Loop()
    names = {*awaited_names(), *BLOCKS, "_iterate"} - LEFT_OUT - {"create"}
    classes = {cls for each in TYPES for cls in each.__mro__ if cls.__module__.startswith("rcollections.")}
    with pytest.MonkeyPatch.context() as patch:
        for cls in classes:
            for name, member in list(vars(cls).items()):
                if name == "data" and isinstance(member, property) and not inspect.isabstract(cls):
                    parts = zip(("get", "set", "clear"), (member.fget, member.fset, member.fdel), strict=True)
                    patch.setattr(cls, name, property(*(_method(loop, *part) for part in parts)))
                elif isinstance(member, classmethod) and name in names:
                    patch.setattr(cls, name, classmethod(_method(loop, name, member.__func__)))
                elif (cls, name) == (CounterCache, "__setitem__"):
                    continue  # which is an increment, or a set
                elif inspect.isfunction(member) and name in (ITEMS.keys() if name.startswith("__") else names):
                    patch.setattr(cls, name, _method(loop, ITEMS.get(name, name), member))
        try:
            yield loop
        finally:
            loop.end()


@pytest.fixture(autouse=True)
def through_async() -> Iterator[None]:
    """To be imported by a file of tests."""
    with awaited():
        yield
