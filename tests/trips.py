"""Counts the round trips that calls take. This is the one place that knows where a connection sends something."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rcollections import connection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["sent", "trips"]


@contextmanager
def sent(where: Any = None) -> Iterator[list[list[Any]]]:
    """The round trips of this connection (else of the default one) inside the block: of each, its commands' names."""
    target = connection() if where is None else where
    seen: list[list[Any]] = []
    trip = type(target)._trip

    def counted(commands: Any, *args: Any) -> Any:
        seen.append([command[0] for command in commands])
        return trip(target, commands, *args)

    target._trip = counted
    try:
        yield seen
    finally:
        del target._trip


def trips(where: Any, call: Callable[[], Any]) -> int:
    """How many round trips ``call`` takes. It runs twice: the first may have to send a script's text."""
    call()
    with sent(where) as seen:
        call()
    return len(seen)
