"""For tests of what is held in the process."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rcollections import connection, l1_info
from rcollections.testing import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["asked", "quick", "settle"]


@contextmanager
def asked(where: Any = None) -> Iterator[list[Any]]:
    """The round trips of this connection inside the block."""
    target = connection() if where is None else where
    sent: list[Any] = []
    trip = type(target)._trip

    def counted(*args: Any) -> Any:
        sent.append(args)
        return trip(target, *args)

    target._trip = counted
    try:
        yield sent
    finally:
        del target._trip


def settle(*calls: Callable[[], Any]) -> None:
    """Call until each is answered by this process: the listener is live, and the replies are held."""
    wait_until(lambda: [call() for call in calls] and l1_info().state == "live", what="the listener")
    for call in calls:
        wait_until(lambda call=call: quick(call), what="an answer of this process")


def quick(call: Callable[[], Any]) -> bool:
    """Whether this call asked nobody."""
    with asked() as sent:
        call()
    return not sent
