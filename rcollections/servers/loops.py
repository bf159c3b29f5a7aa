"""The links and flights of an event loop, by connection. They go with the loop, in whatever way the loop ends.

A timer that never rings holds them. A loop that is closed drops its timers, so its links are closed in that moment,
also when no task awaits any more. Nothing else holds them, so a loop that is dropped can be collected.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import TYPE_CHECKING, TypeVar
from weakref import WeakKeyDictionary, WeakValueDictionary, ref

from ..forks import at_fork
from ..plans.flights import Flights
from ..wire.aio_signals import AsyncSignal
from .turning import turning_of

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from ..wire.aio_pool import AsyncPool
    from .connection import Connection
    from .links import Links

__all__ = ["aclose", "all_of", "as_task", "flights_of", "mark_coroutine_function", "pool_of", "running_loop"]

T = TypeVar("T")

running_loop: Callable[[], object] = asyncio.get_running_loop  # RuntimeError outside of one

BUFFER = 1 << 16  # bytes
RING = 86_400.0  # seconds after which the timer is set again


class _Own:
    """The links and flights of one loop."""

    __slots__ = ("__weakref__", "buffer", "flights", "loop", "pools")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.buffer = bytearray(BUFFER)  # what all links of the loop read into: an idle link is small
        self.pools: dict[Links, AsyncPool] = {}
        self.flights: WeakKeyDictionary[Connection, Flights] = WeakKeyDictionary()
        self.stay()

    def stay(self) -> None:
        """Stay as long as the loop. The handle of the timer is not kept: it would be a reference cycle."""
        self.loop.call_later(RING, self.stay)

    def __del__(self) -> None:
        for pool in self.pools.values():
            pool.end()


_owns: WeakValueDictionary[int, _Own] = WeakValueDictionary()
at_fork(_owns.clear)  # a child has no loop of its parent


def _own() -> _Own:
    loop = asyncio.get_running_loop()
    own = _owns.get(id(loop))
    if own is None or own.loop is not loop:
        own = _owns[id(loop)] = _Own(loop)
    return own


def pool_of(links: Links) -> AsyncPool:
    """The links of the running event loop on this connection."""
    pool = links.lately()
    if pool is not None and pool.loop is asyncio.get_running_loop() and not pool.closed:
        return pool
    own = _own()
    pool = own.pools.get(links)
    if pool is None or pool.closed:
        pool = own.pools[links] = links.open_async_pool(own.buffer)
    links.lately = ref(pool)  # the loop holds it, and nothing else
    return pool


def flights_of(connection: Connection) -> Flights:
    """The flights of the running event loop's tasks on this connection."""
    own = _own()
    flights = own.flights.get(connection)
    if flights is None:
        flights = Flights(AsyncSignal, connection.flights, home=turning_of(own.loop))
        own.flights[connection] = flights
    return flights


async def aclose(connection: Connection) -> None:
    """Close the links that the running event loop opened for this connection."""
    pool = _own().pools.pop(connection.links, None)
    if pool is not None:
        pool.close()


def as_task(coroutine: Coroutine[object, object, T]) -> asyncio.Task[T]:
    """The coroutine as a task of the running loop."""
    return asyncio.ensure_future(coroutine)


def mark_coroutine_function(face: object) -> None:
    """Let ``iscoroutinefunction`` say yes to a callable object: frameworks ask it."""
    if hasattr(inspect, "markcoroutinefunction"):
        inspect.markcoroutinefunction(face)
    else:  # Python 3.11
        face._is_coroutine = asyncio.coroutines._is_coroutine  # type: ignore[attr-defined]


async def all_of(coroutines: list[Coroutine[object, object, T]]) -> list[T]:
    """The results of these coroutines, carried out at the same time; cancelling the caller cancels all of them."""
    if len(coroutines) == 1:
        return [await coroutines[0]]
    return list(await asyncio.gather(*coroutines))
