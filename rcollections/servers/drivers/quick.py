"""The quick try of a trip, for threads: an idle link, one write, one read, no plan. It holds no policy.

Whatever is unusual is left to the one plan of ``wire/trips.py``, which is told what was seen (``Tried``): the link
broke, or a reply did not come in time, or is an error. Where nothing was sent yet, the plan begins as always.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any

from ...plans.op import UNSENT
from ...wire.clock import around
from ...wire.clock import until as until_
from ...wire.large import LargeReplies
from ...wire.links.marks import GONE, INCOMPLETE
from ...wire.requests import Tried, has_error
from .blocking import SLOW, took

if TYPE_CHECKING:
    from .trips import Routed

__all__ = ["ask"]

MOST = 1 << 16  # bytes; more are sent piece by piece
# Seconds after which an idle link is looked at before it is used. That a fresher one has died, its use tells.
LOOK = 0.05
# The same before a write, which is not sent twice: so fresh a link dies as one does that waits for its reply.
LOOK_TO_WRITE = 1e-4


def ask(road: Routed, data: bytes, count: int, reads: bool) -> Any:
    """Send these commands over an idle link, and give their reply, or the list of their ``count`` replies.

    ``reads``: they may be sent twice, so that the link is seldom looked at. UNSENT: nothing was sent. A ``Tried``:
    the plan has to go on with what was seen.
    """
    pool, timeout = road.links.pool, road.timeout
    if pool is None or road.out or road.journal.holds or len(data) >= MOST or pool._waiting:
        return UNSENT
    if road.durable and not reads:
        return UNSENT
    began = monotonic()
    if around() is None:
        until, wait = began + timeout, timeout
    else:
        until = until_(timeout) + 0.0  # an object of this call alone: it stands for the caller
        wait = until - began
        if wait <= 0:
            return UNSENT
    free = pool._free
    link: Any = None
    try:
        try:
            link = free.pop()
        except IndexError:
            return UNSENT
        link.lent = until
        reply = link.ask(data, count, wait, timeout, began - link.used > (LOOK if reads else LOOK_TO_WRITE))
        if reply is GONE:
            link.discard()
            return UNSENT
        road.trips += 1
        link.used = began
        if reply is INCOMPLETE:
            replies = link.rest(count, until, timeout, began)
            if type(replies) is LargeReplies or has_error(replies):
                return Tried(link, until, replies)
            reply = replies[0] if count == 1 else replies
        # No call lies between these two: a signal handler runs before or after both.
        link.lent = False
        free += (link,)
        if pool._waiting or pool._closed:
            pool.returned()
        if monotonic() - began > SLOW:
            took(began)
        return reply
    except BaseException as error:
        if link is None or link.lent is not until:
            raise  # of a signal handler, before or behind all that
        return Tried(link, until, error)
