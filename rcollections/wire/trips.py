"""One trip to the server, as a plan: what is sent, what is sent again, and what a caller is told. No I/O.

The drivers of both worlds carry out this plan, so threads and event loops cannot differ. The rules: when a connection
breaks, the trip sends steps again that only read, and scripts whose header allows it. Steps that were certainly not
executed (no connection, NOSCRIPT, LOADING) are sent again in any case. A write whose reply was cut raises, since the
caller cannot know whether the write took effect. If the server does not know a script, the trip sends the text on the
same link, so to the same server. In any case the trip tells the tiers of this process which keys may have changed.
"""

from __future__ import annotations

from collections.abc import Generator, Sequence
from time import monotonic
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeAlias

from ..errors import CacheError
from ..plans.draws import spread
from ..plans.effects import Script
from .clock import until as until_
from .due import deliver
from .durable import judge, waits
from .failures import Broken, ErrorReply, NotConnected, Unsent
from .large import LARGE, LargeReplies, tell_read, tell_stored
from .packing import pack
from .requests import is_safe, nothing_done, packed, unwrapped
from .translate import is_unknown_script, refusal, translate
from .words import key_of, words

if TYPE_CHECKING:
    from ..plans.effects import Step
    from .asked import Asked
    from .due import Journal
    from .requests import Tried
    from .translate import Named

__all__ = [
    "Acquire", "Exchange", "Heal", "Pause", "Road", "Trip", "TripEffect", "exchange", "translated", "trip",
]  # fmt: skip

# How often a step that may be repeated is sent again; a deadline or the timeout usually ends it sooner.
RETRIES = 2
_OF_OWNERS = frozenset(("entry_store", "lease_renew", "lease_free"))  # scripts that are in time only under a lease
FIRST_PAUSE, LAST_PAUSE = 0.01, 0.1  # seconds before the first and the last try


class Acquire(NamedTuple):
    """Lend a link by that instant (monotonic). NotConnected, or CacheTimeout where all links are busy.

    ``first``: before others that wait, since a lease runs out meanwhile.
    """

    until: float
    first: bool = False


class Exchange(NamedTuple):
    """Send these bytes on the link, and read that many replies, by that instant."""

    link: object
    data: bytes
    wanted: int
    until: float


class Pause(NamedTuple):
    """Wait that many seconds."""

    seconds: float


class Heal(NamedTuple):
    """No link could be opened: start the server again, if it is a server that we start (``embedded://``)."""


TripEffect: TypeAlias = "Acquire | Exchange | Pause | Heal"
Trip: TypeAlias = Generator[TripEffect, object, list[object]]


class Road(Protocol):
    """The facts about a connection that its trips need."""

    shown: str  # its DSN without passwords, for messages
    timeout: float  # seconds for a reply
    known: set[str]  # scripts whose text was sent
    trips: int  # round trips so far
    out: bool  # whether a trip has failed, and none was answered since
    durable: int  # how many replicas have to have a write
    follows: bool  # whether somebody knows where the primary is, when it is another server by now

    @property
    def journal(self) -> Journal:
        """Changes that failed, to be sent ahead of all else."""

    def wrote(self, steps: Sequence[Step]) -> None:
        """The server has carried out these steps, or may have."""

    def doubt(self) -> None:
        """A connection broke or fell silent: idle ones may lead to the same place, so none of them is used again."""

    def failed(self, error: CacheError) -> None:
        """The server did not answer a trip at all."""

    def answered(self) -> None:
        """The server has answered again; called while ``out``."""

    def demoted(self) -> None:
        """A server of this connection is a replica by now: links that are open may lead to it too."""

    def lacks(self, replicas: int) -> str:
        """Why a write that so many replicas have does not count as done; "": it does."""

    def disagrees(self, link: Any) -> bool:
        """Whether this link, which has just told its server, is older than a listener that hears another server."""


def trip(
    road: Road,
    steps: Sequence[Step],
    atomic: bool = False,
    asked: Asked | None = None,
    tried: Tried | None = None,
) -> Trip:
    """Send all steps, ``atomic`` in MULTI/EXEC, and give one reply each; error replies stand in the list.

    ``asked`` makes it a trip of reads whose replies may be held. ``tried``: they were sent over a link that had been
    idle, and this was seen. Raises our errors only.
    """
    until = until_(road.timeout) if tried is None else tried.until
    tries = 0
    refused = 0  # times, because the server is no primary
    try:
        while True:
            link: Any = None
            begun = False
            replies: list[object]
            seen, tried = tried, None
            try:
                if seen is None:
                    link = yield Acquire(until, type(steps[0]) is Script and steps[0].name in _OF_OWNERS)
                    if road.journal.holds:
                        ahead: Generator[TripEffect, Any, None] = deliver(road, link, steps, until, Exchange, Pause)
                        yield from ahead
                else:
                    link = seen.link
                begun = True
                replies = yield from exchange(road, link, steps, atomic, asked, until, seen)
            except CacheError:
                raise  # no link came back in time, or this machine lacks a package that a link needs
            except NotConnected as error:
                failed: Exception = error
                again = error.passes
            except TimeoutError as error:
                _discard(link)
                late = translate(error, road.shown, key_of(steps[0]))
                if late._about == "server":
                    if link is not None:
                        late._about = "link"
                        road.doubt()
                    road.failed(late)
                raise late from error
            except (Broken, OSError) as error:
                _discard(link)
                road.doubt()
                failed, again = error, not begun or type(error) is Unsent or is_safe(steps, atomic)
                if seen is not None and again and monotonic() < until:
                    continue  # most likely the link had died while it was idle
            except BaseException:  # cancelled or interrupted
                _discard(link)
                raise
            else:
                if road.out:
                    road.answered()
                word = refusal(replies, road.follows, tell=refused <= RETRIES * road.follows)
                if word == "replica":
                    # The address may have moved to the new primary: a new link finds it.
                    refused += 1
                    link.discard()
                    road.demoted()
                    if monotonic() < until and nothing_done(steps, replies, road.follows):
                        if refused > 1:
                            yield Pause(_pause(refused))
                        continue
                    return replies
                link.release()
                if not word:
                    return replies
                tries += 1
                pause = _pause(tries)
                if not (len(steps) == 1 or is_safe(steps, atomic)) or monotonic() + pause >= until:
                    return replies
                yield Pause(pause)
                continue
            tries += 1
            pause = _pause(tries)
            if not again or tries > RETRIES or monotonic() + pause >= until:
                lost = translate(failed, road.shown, key_of(steps[0]))
                if isinstance(failed, NotConnected) or tries > RETRIES:
                    road.failed(lost)
                else:  # this connection broke, which tells nothing of the next one
                    lost._about = "call"
                raise lost
            if isinstance(failed, NotConnected):
                yield Heal()
            yield Pause(pause)
    finally:
        if asked is None:
            road.wrote(steps)


def exchange(
    road: Road,
    link: Any,
    steps: Sequence[Step],
    atomic: bool,
    asked: Asked | None,
    until: float,
    tried: Tried | None = None,
) -> Generator[TripEffect, Any, list[object]]:
    """Send these steps once over this link, unless they were ``tried``, and give one reply each."""
    replies: list[object]
    wait, has = b"", None
    if tried is None:
        data, wanted = packed(road.known, steps, atomic, () if asked is None else asked.questions(link))
        if len(data) > LARGE:
            tell_stored(steps)
        road.trips += 1
        if wait := waits(road, steps, until):
            *replies, has = yield Exchange(link, data + wait, wanted + 1, until)
        else:
            replies = yield Exchange(link, data, wanted, until)
    elif isinstance(tried.outcome, BaseException):
        raise tried.outcome
    else:
        replies = tried.outcome
    if type(replies) is LargeReplies:
        tell_read(steps, replies[-1:] if atomic and len(steps) == 1 else replies[-len(steps) :])
    if asked is not None:
        new = link.server is None
        replies = asked.answers(link, replies)
        if new and road.disagrees(link):
            raise Broken("the address leads to another server by now")
    for step in steps:
        if type(step) is Script:
            road.known.add(step.name)
    if atomic:
        return judge(road, steps, unwrapped(replies), has) if wait else unwrapped(replies)
    missing = [n for n, reply in enumerate(replies) if type(reply) is ErrorReply and is_unknown_script(reply)]
    missing = [n for n in missing if type(steps[n]) is Script]
    if missing:  # the server has run no line of these scripts yet
        data = b"".join(pack(words(steps[n], True)) for n in missing)
        road.trips += 1
        again = yield Exchange(link, data + wait, len(missing) + bool(wait), until_(road.timeout))
        has = again.pop() if wait else None
        for n, reply in zip(missing, again, strict=True):
            replies[n] = reply
    return judge(road, steps, replies, has) if wait else replies


def _discard(link: Any) -> None:
    if link is not None:
        link.discard()


def _pause(tries: int) -> float:
    longest: float = min(LAST_PAUSE, FIRST_PAUSE * 2 ** (tries - 1))
    return longest * spread.uniform(0.5, 1.0)  # spreads callers


def translated(road: Named, steps: Sequence[Step], replies: list[object], keep_errors: bool) -> list[object]:
    """The replies, with our errors for error replies; without ``keep_errors`` the first error is raised."""
    for n, reply in enumerate(replies):
        if isinstance(reply, Exception):
            error = translate(reply, road.shown, key_of(steps[n]))
            if not keep_errors:
                raise error
            replies[n] = error
    return replies
