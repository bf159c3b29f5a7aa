"""Ahead of a trip: changes on purpose that failed before (rule J1). Nobody reads what they were to remove."""

from __future__ import annotations

from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar

from ..plans.effects import Command, Script
from ..plans.purpose import removal
from .failures import ErrorReply, NotConnected, Unsent
from .packing import pack
from .translate import is_loading, translate

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from ..plans.effects import Step
    from ..plans.purpose import Due

__all__ = ["Journal", "Taken", "deliver", "names"]

E = TypeVar("E")  # an effect of a trip

LOOK = 0.002  # seconds between two looks whether another trip has delivered what this one has to wait for


class Taken(NamedTuple):
    """What one trip carries: names that are kept, each with its number, and own keys of a kept ``Whole``."""

    dues: list[tuple[Due, int]]
    more: list[str]


class Journal(Protocol):
    """The failed changes of one server and database."""

    holds: bool  # whether there is anything
    handovers: int  # how often another server has become a primary
    handed_over: float  # when another server has become the primary (monotonic); 0.0: never

    def take(self, words: frozenset[str], near: Callable[[str], bool] | None = None, /) -> Taken | None: ...
    def delivered(self, taken: Taken, /) -> None: ...
    def put_back(self, taken: Taken, /) -> None: ...
    def refused(self, taken: Taken, /) -> None: ...


class Carrier(Protocol):
    """What of a ``Road`` this needs."""

    shown: str
    trips: int

    @property
    def journal(self) -> Journal: ...
    def wrote(self, steps: Sequence[Step]) -> None: ...


def deliver(
    road: Carrier,
    link: Any,
    steps: Sequence[Step],
    until: float,
    exchange: Callable[[object, bytes, int, float], E],
    pause: Callable[[float], E],
) -> Generator[E, Any, None]:
    """Send what is kept, 500 names at most but in any case the keys of ``steps``, and wait for the answer.

    What another trip carries at this moment is not sent twice: a trip of these keys waits for that one. Otherwise
    a copy that arrives late could remove what this trip is about to store.
    """
    words = names(steps)
    journal = road.journal
    if journal.handed_over and link.opened <= journal.handed_over:  # it may lead to the primary before (M4)
        link.discard()
        raise Unsent("another server is the primary by now")
    while True:
        taken = journal.take(words)
        if taken is None:
            if monotonic() >= until:
                raise TimeoutError("timed out")
            yield pause(LOOK)
            continue
        if not taken.dues and not taken.more:
            return
        sent = removal([due for due, _ in taken.dues], taken.more)
        try:
            reply = yield from _sent(road, link, sent, until, exchange)
            if type(reply) is ErrorReply and str(reply).startswith("NOPERM"):
                yield from _one_by_one(road, link, taken, until, exchange)
                return
        except BaseException:
            journal.put_back(taken)
            raise
        if isinstance(reply, Exception):
            journal.put_back(taken)
            if is_loading(reply):
                link.release()
                raise NotConnected("loading", reply)
            link.discard()  # the address may lead to another server by now
            raise translate(reply, road.shown, "")
        journal.delivered(taken)
        road.wrote(sent)
        return


def _sent(
    road: Carrier, link: Any, sent: Sequence[Step], until: float, exchange: Callable[[object, bytes, int, float], E]
) -> Generator[E, Any, object]:
    """The reply to the first of these commands: the others only wake callers, who look by themselves too."""
    data = b"".join(pack(each.args) for each in sent if isinstance(each, Command))
    road.trips += 1
    replies = yield exchange(link, data, len(sent), until)
    return replies[0]


def _one_by_one(
    road: Carrier, link: Any, taken: Taken, until: float, exchange: Callable[[object, bytes, int, float], E]
) -> Generator[E, Any, None]:
    """The login may not remove all of these keys: each by itself; what it may not remove was the caller's mistake."""
    for key in taken.more:
        yield from _sent(road, link, removal((), [key]), until, exchange)
    for each in taken.dues:
        one = Taken([each], [])
        reply = yield from _sent(road, link, removal([each[0]]), until, exchange)
        if type(reply) is ErrorReply and str(reply).startswith("NOPERM"):
            road.journal.refused(one)
        elif isinstance(reply, Exception):
            road.journal.put_back(one)
        else:
            road.journal.delivered(one)


def names(steps: Sequence[Step]) -> frozenset[str]:
    """All that may be a key of these steps."""
    found: set[str] = set()
    for step in steps:
        words = step.keys if isinstance(step, Script) else step.args
        found.update(word for word in words if isinstance(word, str))
    return frozenset(found)
