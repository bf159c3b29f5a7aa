"""Values that cached functions hold in the process, on real servers: from the first call to the hit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from rcollections import cached, l1_info
from rcollections.testing import wait_until

if TYPE_CHECKING:
    from rcollections.testing import Server


def hits_soon(call: Any) -> None:
    """Call until it is answered by the process."""
    before = l1_info().hits
    wait_until(lambda: (call(), l1_info().hits > before)[1], what="a hit")


def test_a_connection_that_was_opened_before_may_be_read_from(server: Server) -> None:
    """The event loop's connection served something that is not held; later it does."""

    @cached(ttl=60, l1=False)
    async def plain(n: int) -> int:
        return n

    @cached(ttl=60, l1=True)
    async def held(n: int) -> int:
        return n + 1

    async def main() -> None:
        assert await plain(1) == 1
        for _ in range(300):
            assert await held(1) == 2
            if l1_info().hits:
                return
            await asyncio.sleep(0.02)
        raise AssertionError(f"nothing is held: {l1_info()}")

    asyncio.run(main())


def test_a_ttl_beyond_all_clocks(server: Server) -> None:
    """Three hundred years in nanoseconds are more than 63 bits."""

    @cached(ttl=1e11, l1=True)
    def held(n: int) -> int:
        return n + 1

    hits_soon(lambda: held(1))
    assert held(1) == 2


def test_many_arguments(server: Server) -> None:
    """Of a function and of a method: as many as one likes."""

    @cached(ttl=60, l1=True)
    def held(*args: int) -> int:
        return sum(args)

    class Adder:
        def __cache_key__(self) -> int:
            return 7

        @cached(ttl=60, l1=True)
        def held(self, *args: int) -> int:
            return sum(args)

    args = tuple(range(20))
    hits_soon(lambda: held(*args))
    hits_soon(lambda: Adder().held(*args))
    assert held(*args) == Adder().held(*args) == 190
