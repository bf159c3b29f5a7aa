"""``no_l1`` and ``l1_info``: go past the tier of this process, and ask for its state."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, NamedTuple

from ..l1 import Block, bypass, bypassed, users
from . import registry

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["L1Info", "l1_info", "no_l1"]


class L1Info(NamedTuple):
    """The tier of one connection: whether it serves, and its counts since it was made.

    ``state`` is "live" (values are served), "idle" (nothing was asked for yet), "starting", "unproven" (the listener
    has not heard of the server for ``staleness`` seconds), "down" (the listener lost its connection, and tries again),
    "refused" (the server does not allow to listen) or "off". ``why`` is a sentence about the state. ``age`` is the age
    of the proof in seconds (None: there is no proof, or the tier needs none). ``misses`` are lookups whose value
    was not held or could not be served. ``refused`` are fills that were void by the time their reply came.
    ``invalidations`` are keys of which the server said that they changed.
    """

    state: str
    why: str
    age: float | None
    hits: int
    misses: int
    fills: int
    refused: int
    invalidations: int
    evictions: int
    entries: int
    bytes: int


def l1_info(connection_name: str = "") -> L1Info:
    """The state of the in-process tier of a connection. Asks no server; listening begins if it has not yet.

    >>> from rcollections import cached, configure, l1_info
    >>> configure("memory://")
    >>> @cached(ttl=60)
    ... def square(n: int) -> int:
    ...     return n * n
    >>> square(7), square(7), square(7)
    (49, 49, 49)
    >>> info = l1_info()
    >>> info.state, info.hits, info.fills
    ('live', 1, 1)
    """
    connection = registry.connection(connection_name)
    if connection.disabled:
        return L1Info("off", "CACHES_DISABLE=1 switches all caches off", None, 0, 0, 0, 0, 0, 0, 0, 0)
    if not connection.has_tiering:
        if not connection.dsn.l1:
            return L1Info("off", "the DSN says l1=off", None, 0, 0, 0, 0, 0, 0, 0, 0)
        if not any(user.l1_prefixes(connection) for user in users.registered()):
            return L1Info("idle", "there is nothing that would be held", None, 0, 0, 0, 0, 0, 0, 0, 0)
    tiering = connection.tiering
    tiering.start()
    return L1Info(*tiering.state, tiering.tier.age, *tiering.tier.counts)


@contextmanager
def no_l1() -> Iterator[None]:
    """Inside the block, this thread or task asks the server, and holds nothing in the process.

    What is started inside is in the block too, until the block ends.

    >>> from rcollections import no_l1
    >>> with no_l1():
    ...     pass    # every read is a round trip
    """
    block = Block(bypassed.get())
    token = bypassed.set(block)
    bypass(1)
    try:
        yield
    finally:
        block.over = True
        bypass(-1)
        bypassed.reset(token)
