"""``invalidate_tags`` and ``ainvalidate_tags``: everything that carries a tag counts no more."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..errors import CacheError
from ..handles.options import check
from ..observe import events
from ..plans.naming import tag
from ..plans.tags import bump
from ..servers import registry
from ..servers.drivers.sync import drive

if TYPE_CHECKING:
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


def _failed(keys: list[str], error: CacheError) -> None:
    if events.observers:
        events.noted("rcollections.invalidate_tags", "error", keys[0], error=error)


def invalidate_tags(*tags: str, connection_name: str | None = None, settle: bool = False) -> None:
    """Everything that carries one of these tags counts no more: entries of functions and collections.

    O(1), however many entries carry them; atomic for several tags on one server. A call that begins after
    this has returned never gets an older value. Acts on every configured connection, or on the named one.
    Call it after the change of the source is committed. It is tried three times, then the error is raised.

    Other processes may serve a value that they hold for an instant more, at most their ``staleness``. With ``settle``
    it returns when none of them can any more: it asks them all and waits for their answers, at most for the largest
    ``staleness``. Where a ``deadline()`` around it is over sooner, CacheTimeout says "acknowledged, not settled".

    >>> from rcollections import invalidate_tags
    >>> invalidate_tags("users", "prices")
    """
    failure: CacheError | None = None
    chosen = _by_connection(tags, connection_name)
    for connection, keys in chosen:
        try:
            drive(bump(keys), connection)
        except CacheError as error:  # the other connections are told all the same
            failure = failure or error
            _failed(keys, error)
    if failure is not None:
        raise failure
    if settle:
        for connection, _ in chosen:
            drive(connection.flights.settling.settle(), connection)


async def ainvalidate_tags(*tags: str, connection_name: str | None = None, settle: bool = False) -> None:
    """``invalidate_tags`` for asyncio."""
    from .aio_invalidation import abump, asettle  # imported only here: it brings asyncio

    failure: CacheError | None = None
    chosen = _by_connection(tags, connection_name)
    for connection, keys in chosen:
        try:
            await abump(keys, connection)
        except CacheError as error:
            failure = failure or error
            _failed(keys, error)
    if failure is not None:
        raise failure
    if settle:
        for connection, _ in chosen:
            await asettle(connection)
