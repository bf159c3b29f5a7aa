"""A name with several addresses: one that does not answer does not keep the others from being tried."""

from __future__ import annotations

import asyncio
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from rcollections import CacheConnectionError, CacheTimeout, KeyCache, cached
from rcollections.testing import Server, isolated
from rcollections.wire.links.addresses import in_turn
from tests.kinds import one_server

if TYPE_CHECKING:
    from collections.abc import Iterator

V4, V6 = socket.AF_INET, socket.AF_INET6


class Names:
    """Addresses of ``cache.test``: of a server, of a port that nobody listens at, and of one that never answers."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.found: list[Any] = []
        self.good = ("127.0.0.1", port)
        self.hole = ("127.0.0.2", port)  # a full backlog: SYNs get no answer
        self.closed = ("127.0.0.3", port)

    def are(self, *addresses: tuple[str, int]) -> str:
        self.found = [(V4, socket.SOCK_STREAM, 6, "", address) for address in addresses]
        return f"redis://cache.test:{self.port}/0?connect_timeout=1&timeout=1"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    with ExitStack() as stack:
        server = stack.enter_context(Server(one_server(), tcp=True))
        assert server.port is not None
        names = Names(server.port)
        hole = stack.enter_context(socket.socket())
        hole.bind(names.hole)
        hole.listen(0)
        for _ in range(4):
            filling = stack.enter_context(socket.socket())
            filling.setblocking(False)
            filling.connect_ex(names.hole)
        real = socket.getaddrinfo

        def resolved(host: str, *args: Any, **options: Any) -> Any:
            return names.found if host == "cache.test" else real(host, *args, **options)

        monkeypatch.setattr(socket, "getaddrinfo", resolved)
        yield names


def test_the_first_address_is_a_black_hole(names: Names) -> None:
    """The second one is tried beside it after a moment, so connecting ends well within its time."""
    with isolated(names.are(names.hole, names.good)):
        began = time.monotonic()
        assert KeyCache("k").set(1)
        assert time.monotonic() - began < 0.9


def test_in_event_loops_too(names: Names) -> None:
    """The same code connects."""

    @cached(ttl=60)
    async def f() -> int:
        return 1

    async def main() -> None:
        await f()
        assert f.cache_info().stores == 1

    with isolated(names.are(names.hole, names.hole, names.good)):
        asyncio.run(main())


def test_an_address_that_refuses_costs_nothing(names: Names) -> None:
    """The next one is tried at once."""
    with isolated(names.are(names.closed, names.good)):
        began = time.monotonic()
        assert KeyCache("k").set(1)
        assert time.monotonic() - began < 0.2


def test_none_answers(names: Names) -> None:
    """Within the time for connecting: refused if all refuse, else a timeout."""
    with isolated(names.are(names.closed, names.closed)), pytest.raises(CacheConnectionError, match="refused"):
        KeyCache("k").get()
    began = time.monotonic()
    with isolated(names.are(names.hole, names.closed)), pytest.raises(CacheTimeout):
        KeyCache("k").get()
    assert time.monotonic() - began < 1.9


def test_the_first_family_does_not_hide_the_other() -> None:
    """Two addresses of IPv6 that lead nowhere do not both come before the first of IPv4."""
    found: list[Any] = [(V6, 1), (V6, 2), (V4, 3), (V6, 4), (V4, 5)]
    assert [address[1] for address in in_turn(found)] == [1, 3, 2, 5, 4]
    with pytest.raises(OSError, match="no address"):
        in_turn([])
