"""``invalidate_tags`` and ``ainvalidate_tags``: everything that carries a tag counts no more."""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING

from ..errors import CacheError
from ..handles.options import check
from ..observe import events
from ..plans.naming import tag
from ..plans.purpose import Purpose
from ..plans.tags import invalidate
from ..servers import registry
from ..servers.drivers.sync import drive
from ..servers.sidebyside import side_by_side
from ..wire.clock import deadline, passed, until

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from ..plans.effects import Plan
    from ..servers.connection import Connection

__all__ = ["ainvalidate_tags", "invalidate_tags"]


def _by_connection(tags: tuple[str, ...], connection_name: str | None) -> list[tuple[Connection, list[str]]]:
    if not tags:
        return []
    check("invalidate_tags()", "tags", tags)
    if connection_name is not None:
        chosen = [registry.connection(connection_name)]
    else:
        chosen = list(registry.connections().values()) or [registry.connection()]
    return [(each, [tag(each.namespace, name) for name in dict.fromkeys(tags)]) for each in chosen]


def _within(connection: Connection) -> AbstractContextManager[None]:
    """One deadline for all tries: that around the call, else the timeout of the connection."""
    return deadline(max(0.0, until(connection.timeout) - time.monotonic()))


def _plan(connection: Connection, keys: list[str]) -> Plan[None]:
    """The plan for one connection, made outside of ``_within``: the caller's deadline says nothing of the server."""
    instant = until(float("inf"))

    def late() -> bool:
        return time.monotonic() >= instant

    return invalidate(keys, connection.namespace, Purpose(connection.breaker, connection.kept, late), passed)


def _one(connection: Connection, keys: list[str]) -> CacheError | None:
    plan = _plan(connection, keys)
    try:
        with _within(connection):
            drive(plan, connection)
    except CacheError as error:
        return _failed(keys, error)
    return None


def _failed(keys: list[str], error: CacheError) -> CacheError:
    if events.observers:
        events.noted("rcollections.invalidate_tags", "error", keys[0], error=error)
    return error


def invalidate_tags(*tags: str, connection_name: str | None = None, settle: bool = False) -> None:
    """Everything that carries one of these tags counts no more: entries of functions and collections.

    O(1), however many entries carry them; atomic for several tags on one server. A call that begins after
    this has returned never gets an older value. Acts on every configured connection at the same time, or on the named
    one. Call it after the change of the source is committed.

    One round trip. It is tried three times within the connection's ``timeout``, or within ``deadline()``; then the
    error is raised. The tags are kept in that case: this process invalidates them before it reads anything from that
    server again, and by itself within five seconds of its return. A process that ends before that loses them.

    Other processes may serve a value that they hold for an instant more, at most their ``staleness``. With ``settle``
    it returns when none of them can any more: it asks them all and waits for their answers, at most for the largest
    ``staleness``. Where a ``deadline()`` around it is over sooner, CacheTimeout says "acknowledged, not settled".

    >>> from rcollections import invalidate_tags
    >>> invalidate_tags("users", "prices")
    """
    chosen = _by_connection(tags, connection_name)
    _raise_first(side_by_side([partial(_one, *each) for each in chosen]))
    if settle:
        for connection, keys in chosen:
            drive(connection.flights.settling.settle(keys), connection)


async def ainvalidate_tags(*tags: str, connection_name: str | None = None, settle: bool = False) -> None:
    """``invalidate_tags`` for asyncio."""
    from .aio_invalidation import all_of, asettle  # imported only here: it brings asyncio

    chosen = _by_connection(tags, connection_name)
    _raise_first(await all_of([_aone(*each) for each in chosen]))
    if settle:
        for connection, keys in chosen:
            await asettle(connection, keys)


async def _aone(connection: Connection, keys: list[str]) -> CacheError | None:
    from .aio_invalidation import adrive

    plan = _plan(connection, keys)
    try:
        with _within(connection):
            await adrive(plan, connection)
    except CacheError as error:
        return _failed(keys, error)
    return None


def _raise_first(failures: list[CacheError | None]) -> None:
    for failure in failures:
        if failure is not None:
            raise failure
