"""The quick try of a trip, for threads: an idle link, one write, one read, no plan. It holds no policy.

Whatever is unusual is left to the one plan of ``wire/trips.py``, which is told what was seen (``Tried``): the link
broke, or a reply did not come in time, or is an error. Where nothing was sent yet, the plan begins as always.
"""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, Protocol

from ...plans.op import UNSENT
from ...wire.clock import around
from ...wire.clock import until as until_
from ...wire.failures import Broken, Late
from ...wire.large import LargeReplies
from ...wire.links.marks import GONE, INCOMPLETE
from ...wire.requests import Tried, has_error
from ...wire.translate import translate
from .blocking import SLOW, took

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ...errors import CacheError
    from ..links import Links

__all__ = ["ask", "read_all"]

MOST = 1 << 16  # bytes; more are sent piece by piece
# Seconds after which an idle link is looked at before it is used. That a fresher one has died, its use tells.
LOOK = 0.05
# The same before a write, which is not sent twice: so fresh a link dies as one does that waits for its reply.
LOOK_TO_WRITE = 1e-4


class Quick(Protocol):
    """What the quick try needs to know."""

    links: Links
    timeout: float
    trips: int
    out: bool
    durable: int

    @property
    def journal(self) -> Any: ...


class Node(Protocol):
    """One of several servers, as a read of all of them sees it."""

    links: Links
    shown: str
    timeout: float
    trips: int
    out: bool

    def failed(self, error: CacheError) -> None:
        """It did not answer."""


def ask(road: Quick, data: bytes, count: int, reads: bool, _key: str = "") -> Any:
    """Send these commands over an idle link, and give their reply, or the list of their ``count`` replies.

    ``reads``: they may be sent twice, so that the link is seldom looked at. The
    key is for roads of several servers. UNSENT: nothing was sent. A ``Tried``:
    the plan has to go on with what was seen.
    """
    pool, timeout = road.links.pool, road.timeout
    if pool is None or road.out or road.journal.holds or len(data) >= MOST or pool._waiting:
        return UNSENT
    if not reads and road.durable:
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


def read_all(asks: Sequence[tuple[Node, bytes, int]], until: float, began: float) -> list[list[Any]] | None:
    """The same for reads of several servers: send to all, then read all, by that instant. The replies of each server.

    None: something is unusual, and nothing is known. ``began``: the instant before the call.
    """
    links: list[Any] = []
    me, wait, sent, usual = object(), until - began, False, True
    node: Node | None = None
    try:
        if wait <= 0:
            return None
        for node, data, _ in asks:
            pool = node.links.pool
            if pool is None or node.out or pool._waiting or len(data) >= MOST:
                return None
            while True:
                try:
                    link = pool._free.pop()
                except IndexError:
                    return None
                link.lent = me
                if began - link.used <= LOOK or link.idle:
                    break
                link.discard()
            links.append(link)
        sent = True
        for link, (node, data, _) in zip(links, asks, strict=True):
            link.used = began
            node.trips += 1
            link.put(data, wait, node.timeout)
        found: list[Any] = []
        for link, (node, _, count) in zip(links, asks, strict=True):
            reply = link.get(count, wait)
            if reply is INCOMPLETE:
                reply = link.rest(count, until, node.timeout, began)
                usual = usual and type(reply) is not LargeReplies and not has_error(reply)
            elif count == 1:
                reply = [reply]
            found.append(reply)
            pool = link.home
            # No call lies between these two, as in ``ask``.
            link.lent = False
            pool._free += (link,)
            if pool._waiting or pool._closed:
                pool.returned()
            now = monotonic()
            if now - began > SLOW:
                took(began)
                wait = max(until - now, 0.0)
        return found if usual else None
    except Late as late:
        if late.silent and node is not None:
            node.failed(translate(late, node.shown, ""))
        return None
    except (OSError, Broken):
        return None
    finally:
        for link in links:
            if link.lent is me:  # its replies have not all been read
                link.discard() if sent else link.release()
