"""A large value is told of once, with its key and size, when it is stored or when it is read; never the value."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from rcollections import DictCache, KeyCache, cached
from rcollections.wire import large
from rcollections.wire.large import LARGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from rcollections.testing import Server

X = "x" * (LARGE + 1)


@pytest.fixture(autouse=True)
def _untold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "_told", set())


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    found = [each.getMessage() for each in caplog.records]
    caplog.clear()
    assert not any("xxx" in each for each in found)
    return found


def test_it_is_told_once_a_key(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """When stored first; a process that only reads is told as well."""
    k = KeyCache[str]("big", data=X)
    k.data = X
    [text] = said(caplog)
    assert "8.0 MB was stored under 'big'" in text
    assert k.get() == X
    assert not said(caplog)
    large._told.clear()
    assert k.get() == X
    assert KeyCache.get_many(["big"]) == {"big": X}
    [text] = said(caplog)
    assert "8.0 MB was read under 'big'" in text


def test_many_small_ones_are_none(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Only one value counts, not what a whole reply holds."""
    d = DictCache[str, str]("d", data={str(n): "y" * 100_000 for n in range(100)})
    assert len(d.to_dict()) == 100
    assert not said(caplog)
    d["one"] = X
    assert len(said(caplog)) == 1


def test_functions_in_both_worlds(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    """Under the key of the call."""

    @cached(ttl=60, key="sync")
    def f() -> str:
        return X

    @cached(ttl=60, key="async")
    async def g() -> str:
        return X

    assert f() == X
    assert "under 'sync'" in "".join(said(caplog))
    assert asyncio.run(_both(g)) == [X, X]
    assert "under 'async'" in "".join(said(caplog))
    large._told.clear()
    assert asyncio.run(_both(g)) == [X, X]
    assert "was read under 'async'" in "".join(said(caplog))


async def _both(g: Callable[[], Awaitable[str]]) -> list[str]:
    return [await g(), await g()]


def test_there_is_an_end_to_it(
    server: Server, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A log is no place for a line a key."""
    monkeypatch.setattr(large, "MOST", 2)
    for n in range(4):
        KeyCache(f"k{n}").set(X)
    assert len(said(caplog)) == 2
