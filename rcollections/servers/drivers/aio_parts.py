"""The quick tries at a cluster, for tasks: a write to each node, no plan, and one future of all that comes.

As in ``aio_quick``, what is unusual is left to the plan of the trip. Its future gives that in the place of replies:
``Sent`` where one node was asked, and ``Again`` where several reads have to be sent once more.
"""

from __future__ import annotations

from asyncio import Future, get_running_loop
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple

from ...wire.clock import around, instant
from ...wire.failures import Late
from ...wire.large import LARGE
from ...wire.requests import Tried
from ...wire.routing import Sent
from ...wire.translate import translate

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["Again", "ask_all", "ask_node", "ask_tagged", "ready_link"]


class Again(NamedTuple):
    """The plan has to begin, and to end by that instant."""

    until: float


class Whole:
    """What several nodes answer. ``words`` makes one reply of theirs."""

    __slots__ = ("found", "future", "left", "until", "words")

    def __init__(self, future: Future[Any], count: int, words: Callable[[list[Any]], Any], until: float) -> None:
        self.future = future
        self.found: list[Any] = [None] * count
        self.left = count
        self.words = words
        self.until = until


class Part:
    """What one of them answers, in the place of the future that its link would make."""

    __slots__ = ("_at", "_count", "_done", "_node", "_whole")

    def __init__(self, whole: Whole, at: int, node: Any, count: int) -> None:
        self._whole = whole
        self._at = at
        self._node = node
        self._count = count
        self._done = False

    def done(self) -> bool:
        """Whether nobody waits for it any more."""
        return self._done or self._whole.future.done()

    def set_result(self, reply: Any) -> None:
        """It has come: the reply, the list of several, or a ``Tried``."""
        whole = self._whole
        if self._done or whole.future.done():
            return
        self._done = True
        if type(reply) is Tried:
            outcome = reply.outcome
            if type(outcome) is Late and outcome.silent:  # the next caller shall not wait for this node as well
                self._node.failed(translate(outcome, self._node.shown, ""))
            whole.future.set_result(Again(whole.until))
            return
        whole.found[self._at] = [reply] if self._count == 1 else reply
        whole.left -= 1
        if not whole.left:
            whole.future.set_result(whole.words(whole.found))


class Only:
    """What one node answers: a ``Tried`` becomes what the plan of a cluster goes on with."""

    __slots__ = ("_node", "future")

    def __init__(self, future: Future[Any], node: Any) -> None:
        self.future = future
        self._node = node

    def done(self) -> bool:
        """Whether nobody waits for it any more."""
        return self.future.done()

    def set_result(self, reply: Any) -> None:
        """It has come; InvalidStateError if nobody waits for it any more."""
        self.future.set_result(Sent(self._node, reply.outcome) if type(reply) is Tried else reply)


def ready_link(node: Any, loop: Any) -> Any:
    """The link to this node that takes what is sent now; None: it has to be opened, or waited for."""
    pool = node.links.lately()
    if pool is None or pool.loop is not loop:
        return None
    link = pool.first
    return link if link is not None and link.ready else None


def ask_all(road: Any, asks: Sequence[tuple[Any, bytes, int]], words: Callable[[list[Any]], Any]) -> Future[Any] | None:
    """Send these reads; a future of what ``words`` makes of the replies of each node, or of an ``Again``.

    None: nothing was sent.
    """
    loop, began = get_running_loop(), monotonic()
    end = 0.0 if around() is None else instant()
    if 0.0 < end <= began:
        return None
    links = []
    for node, data, _ in asks:
        link = None if node.out or len(data) > LARGE else ready_link(node, loop)
        if link is None:
            return None
        links.append(link)
    whole = Whole(Future(loop=loop), len(links), words, end or began + road.timeout)
    for at, (node, data, count) in enumerate(asks):
        node.trips += 1
        if links[at].ask(data, began, end, count, Part(whole, at, node, count)) is None and not whole.future.done():
            whole.future.set_result(Again(whole.until))
    road.trips += 1
    return whole.future


def ask_node(road: Any, data: bytes, count: int, key: str) -> Future[Any] | None:
    """Send these commands, whose keys are in one slot, to its owner; a future of the reply, or of a ``Sent``.

    None: nothing was sent. Not for writes while slots move (K9).
    """
    node = None if len(data) > LARGE else road.at_hand(key)
    if node is None:
        return None
    loop, began = get_running_loop(), monotonic()
    link = ready_link(node, loop)
    end = 0.0 if around() is None else instant()
    if link is None or 0.0 < end <= began:
        return None
    only = Only(Future(loop=loop), node)
    if link.ask(data, began, end, count, only) is None:
        return None
    node.trips += 1
    road.trips += 1
    return only.future


def ask_tagged(road: Any, key: str, tags: tuple[str, ...]) -> Future[Any] | None:
    """Ask for an entry and its tags: a future of the reply of an MGET of all, or of an ``Again``; None: not sent."""
    spread = road.entry_spread(key, tags)
    return None if spread is None else ask_all(road, *spread)
