"""Steps one after another over one link, as a plan: each is sent after the reply to the one before. No I/O."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..errors import CacheError
from .clock import until as until_
from .failures import Broken, NotConnected
from .translate import translate
from .trips import Acquire, exchange
from .words import key_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ..plans.effects import Step
    from .trips import Road, Trip

__all__ = ["in_turn"]


def in_turn(road: Road, steps: Sequence[Step]) -> Trip:
    """Send steps one after another over one link, each after the reply to the one before; see ``InTurn``."""
    until = until_(road.timeout)
    replies: list[object] = []
    link: Any = None
    try:
        link = yield Acquire(until)
        for step in steps:
            reply = yield from exchange(road, link, (step,), False, None, until)
            replies += reply
            if isinstance(reply[0], Exception):
                break
    except CacheError:
        raise
    except (NotConnected, TimeoutError, Broken, OSError) as error:
        if link is not None:
            link.discard()
            road.doubt()
        raise translate(error, road.shown, key_of(steps[-1])) from error
    except BaseException:
        if link is not None:
            link.discard()
        raise
    link.release()
    return replies
