"""A call for threads that holds up an event loop is told of once, with the name of what can be awaited."""

from __future__ import annotations

import asyncio
import warnings
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import DictCache, KeyCache, SetCache, configure
from rcollections.servers.drivers import blocking
from rcollections.testing import Proxy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rcollections.testing import Server


@pytest.fixture(autouse=True)
def _untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocking, "_told", set())


@pytest.fixture
def slow(server: Server) -> Iterator[Proxy]:
    """The way to a server whose shortest reply takes some 80 ms."""
    with Proxy(server) as proxy:
        configure({"default": {"dsn": proxy.dsn, "timeout": 10}})
        KeyCache("warm").get()
        proxy.drip(50)
        yield proxy


def told(call: Callable[[], object], *, loop: bool = True) -> list[str]:
    async def main() -> None:
        call()

    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        if loop:
            asyncio.run(main())
        else:
            call()
    assert all(each.filename == __file__ for each in seen)
    return [str(each.message) for each in seen if each.category is RuntimeWarning]


def test_a_call_in_a_loop_is_told_of_once(slow: Any) -> None:
    """By the name of its class and method; on a thread without a loop nothing is said."""
    for call, words in (
        (lambda: KeyCache("k").get(), ("KeyCache.get", "await handle.aio.get(")),
        (lambda: DictCache("d").get("a"), ("DictCache.get", "await handle.aio.get(")),
        (lambda: 1 in SetCache("s"), ("SetCache.__contains__", "await handle.aio.contains(")),
        (lambda: SetCache("s").add(1), ("SetCache.add", "await handle.aio.add(")),
        (lambda: SetCache("s").union({2}), ("SetCache.union", "await handle.aio.union(")),
    ):
        assert told(call, loop=False) == []
        said = told(call)
        assert len(said) == 1, words
        assert all(word in said[0] for word in words), said
        assert told(call) == []


def test_a_quick_call_is_not_told_of(server: Server) -> None:
    """Nor is one that is awaited."""
    KeyCache("warm").get()

    async def main() -> None:
        KeyCache("k").get()
        await KeyCache("k").aio.get()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        asyncio.run(main())
