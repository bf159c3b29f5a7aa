"""For tests of what is held in the process."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rcollections import l1_info
from rcollections.testing import wait_until
from tests.trips import sent

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["quick", "settle"]


def settle(*calls: Callable[[], Any]) -> None:
    """Call until each is answered by this process: the listener is live, and the replies are held."""
    wait_until(lambda: [call() for call in calls] and l1_info().state == "live", what="the listener")
    for call in calls:
        wait_until(lambda call=call: quick(call), what="an answer of this process")


def quick(call: Callable[[], Any]) -> bool:
    """Whether this call asked nobody."""
    with sent() as seen:
        call()
    return not seen
