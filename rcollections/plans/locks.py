"""Locks: one owner at a time, over threads, tasks and processes (rule L8).

A lock is a lease without an entry: TAKE gives it to one token for a time, renewals lengthen it, FREE ends it, both by
its own token only. A counter beside it numbers the owners. Callers of one process wait in a line, in the order in
which they came. The first of the line talks to the server, and is woken by what FREE publishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import CacheError, CacheTimeout
from .draws import new_token, spread
from .effects import Hold, Now, Plan, Script, Subscribe, Wait
from .orphans import with_orphans

if TYPE_CHECKING:
    from .flights import Flights

__all__ = ["Owned", "Place", "give_back", "leave", "take"]

WEEK_MS = 7 * 86_400_000  # how long a counter is kept after the last use of its lock
FIRST_LOOK, NET = 0.05, 1.0  # seconds between two looks of a waiting caller, in case its wake-up was lost


class Place(NamedTuple):
    """Where a lock stands on the server, and how it is told of."""

    shown: str  # the key of its object, for messages
    lock: str
    counter: str
    channel: str
    ms: int


class Owned(NamedTuple):
    """A lock that was taken: its token, which owner this is, and what is known of its lease."""

    token: bytes
    number: int
    held: Any


def take(flights: Flights, place: Place, wait: float | None) -> Plan[Owned]:
    """Wait at most that many seconds for the lock (None: without end), and take it. CacheTimeout if others keep it."""
    began: float = yield Now()
    mine = flights.signal()
    try:
        if not flights.lines.enter(place.lock, mine) and (wait == 0 or not (yield Wait(mine, wait))):
            raise _late(place, wait)
        return (yield from _first(flights, place, began, wait))
    finally:
        flights.lines.leave(place.lock, mine)


def _late(place: Place, wait: float | None) -> CacheTimeout:
    waited = "and wait=0 waits for nobody" if wait == 0 else f"and kept it for the {wait} s of wait="
    return CacheTimeout(f"the lock of {place.shown!r}: another caller has it, {waited}")


def _first(flights: Flights, place: Place, began: float, wait: float | None) -> Plan[Owned]:
    heard: Any = None
    pause = FIRST_LOOK
    while True:
        found = yield from _try(flights, place)
        if isinstance(found, Owned):
            return found
        left = None if wait is None else wait - ((yield Now()) - began)
        if left is not None and left <= 0:
            raise _late(place, wait)
        if heard is None:  # subscribe first, then look once more
            heard = yield Subscribe(place.channel)
            continue
        seconds = (pause if heard.deaf else NET) * spread.uniform(0.75, 1.25)  # spreads callers
        if found >= 0:
            seconds = min(seconds, (found + 1) / 1000)
        if (yield Wait(heard, seconds if left is None else min(seconds, left))):
            heard = None
        pause = min(2 * pause, NET)


def _try(flights: Flights, place: Place) -> Plan[Owned | int]:
    """The lock, or the ms that its owner still has it."""
    token = new_token()
    step = Script("lock_take", (place.lock, place.counter), (token, place.ms, WEEK_MS))
    sent: float = yield Now()
    try:
        word, number = yield from with_orphans(flights.orphans, place.lock, step)
        if word != b"held":
            return int(number)
        held = yield Hold(place.lock, token, place.ms)
    except BaseException:  # no answer, cancelled, interrupted or dropped: the server may have given it
        leave(flights, place, token)
        raise
    held.until = sent + place.ms / 1000
    return Owned(token, number, held)


def _free(place: Place, token: bytes) -> Script:
    return Script("lock_free", (place.lock, place.counter), (token, place.channel, WEEK_MS))


def leave(flights: Flights, place: Place, token: bytes) -> None:
    """Let the background give the lock back."""
    flights.orphans.leave(place.lock, _free(place, token), place.ms)


def give_back(flights: Flights, place: Place, owned: Owned) -> Plan[bool]:
    """FREE; gives whether the lock was ours until now."""
    owned.held.stop()
    try:
        reply = yield _free(place, owned.token)
    except CacheError:
        leave(flights, place, owned.token)
        return not (owned.held.lost or owned.held.lapsed)
    except BaseException:  # cancelled, interrupted or dropped
        leave(flights, place, owned.token)
        raise
    return bool(reply[0] == b"ok")
