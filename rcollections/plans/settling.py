"""Waiting until no process can serve an old value any more (rule Z1).

The caller asks all listeners of its namespace, over the connections on which they hear invalidations, and so behind
these. Each listener writes into a hash which round it has applied. The caller looks there until all have answered. Its
own process needs no answer: it has dropped the old value already. Whoever does not answer is waited out: after its
``staleness`` it serves nothing any more. So whatever fails here only makes the caller wait.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, NamedTuple

from ..errors import CacheError, CacheTimeout
from .effects import Command, InTurn, Now, Plan, Script, Sleep, Wait

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .rounds import Signal

__all__ = [
    "DEAF", "FORGOTTEN", "LONGEST", "Listeners", "Settling", "answered", "fields_of", "is_own", "settled", "slept",
    "staleness_of",
]  # fmt: skip

DEAF = b"deaf:"  # the field of a listener that may not be asked begins so: it is always waited out
ROUND = b"round"
FORGOTTEN = 3  # times its staleness: who has not answered for so long is taken out
LONGEST = 0.02  # seconds between two looks
FIRST = 0.0001


class Listeners(NamedTuple):
    """Where the listeners of a namespace are asked, and what this process knows of them."""

    key: str
    channel: str
    staleness: float
    own: Callable[[], bytes]  # the ids of this process begin so
    end: Callable[[], float]  # the instant of the deadline around the call
    silent: dict[bytes, tuple[bytes, float]]  # who did not answer: the value then, and since when
    # Of a cluster: waits until nobody can serve what was under these keys (None: under any) before that instant.
    apart: Callable[[Listeners, float, Sequence[str] | None], Plan[None]] | None = None

    def late(self, now: float) -> None:
        """CacheTimeout once the deadline around the call has passed."""
        if now >= self.end():
            raise CacheTimeout(
                "acknowledged, not settled: the server has the change, but the deadline around this call has passed "
                "before all processes had told that they do not serve the old value any more"
            )


class _Round:
    """One question for all callers whose change was acknowledged before it was sent."""

    def __init__(self, acked: float) -> None:
        self.acked = acked  # the latest
        self.joined: list[Signal] = []
        self.behind: Signal | None = None  # of its leader, while another question is on its way
        self.good = False


class Settling:
    """The rounds of all threads of a process, or of the tasks of one event loop, on one connection."""

    def __init__(self, signal: Callable[[], Signal], listeners: Listeners | None) -> None:
        self._signal = signal
        self.listeners = listeners  # None: every writer is in this process
        self._lock = threading.RLock()
        self._asking: _Round | None = None  # its question is on its way
        self._next: _Round | None = None  # more callers may join

    def forget(self) -> None:
        """In the child of a fork: all callers are in the parent."""
        self._lock = threading.RLock()
        self._asking = self._next = None

    def settle(self, keys: Sequence[str] | None = None) -> Plan[None]:
        """Wait until no process can serve what was replaced before this call; CacheTimeout for the deadline around.

        ``keys``: what was replaced, where that is known.
        """
        where = self.listeners
        if where is None:
            return
        acked: float = yield Now()
        if where.apart is not None:
            yield from where.apart(where, acked, keys)
            return
        while True:
            with self._lock:
                turn = self._next
                if turn is None:
                    mine = self._next = _Round(acked)
                    if self._asking is not None:
                        mine.behind = self._signal()
                    break
                turn.acked = max(turn.acked, acked)
                done = self._signal()
                turn.joined.append(done)
            now: float = yield Now()
            where.late(now)
            yield from self._wait(where, done)
            if turn.good:
                return
        try:
            if mine.behind is not None:
                yield from self._wait(where, mine.behind)
            yield from self._lead(where, mine)
            mine.good = True
        finally:
            self._sent(mine)
            for each in mine.joined:
                each.set()

    def _wait(self, where: Listeners, signal: Signal) -> Plan[None]:
        try:
            yield Wait(signal)
        except CacheTimeout:
            now: float = yield Now()
            where.late(now)
            raise

    def _sent(self, mine: _Round) -> None:
        """The question of this round was sent, or never will be: nobody may join, and the next one may be sent."""
        with self._lock:
            if self._next is mine:
                self._next = None
            if self._asking is mine:
                self._asking = None
            following = self._next.behind if self._next is not None else None
        if following is not None:
            following.set()

    def _lead(self, where: Listeners, mine: _Round) -> Plan[None]:
        longest, pause, asked = where.staleness, FIRST, None
        with self._lock:
            self._next, self._asking = None, mine  # from here on nobody joins
        while asked is None:
            now: float = yield Now()
            where.late(now)
            if now >= mine.acked + longest:
                return
            try:
                asked = yield from self._ask(where, now)
            except CacheError:
                pause = min(max(0.01, 2 * pause), mine.acked + longest - now)
                yield from slept(where, pause)
        self._sent(mine)
        number, heard, fields = asked
        unknown = heard > sum(not each.startswith(DEAF) for each in fields)
        own = where.own()
        told = [staleness_of(*each) for each in fields.items()]
        longest = max([longest, *told] if unknown or not told else told)
        open_ = {each for each in fields if not is_own(each, own)}
        pause = FIRST
        began: float = yield Now()
        known: dict[bytes, bytes] = fields
        while True:
            open_ = {each for each in open_ if each in known and not answered(each, known[each], number)}
            now = yield Now()
            if (not open_ and not unknown) or now >= mine.acked + longest:
                break
            where.late(now)
            yield from slept(where, min(pause, max(0.0, mine.acked + longest - now)))
            pause = min(LONGEST, 1.5 * pause)
            try:
                known = fields_of((yield Command(("HGETALL", where.key))))
            except CacheError:
                continue
        for each in list(where.silent):
            if each in fields and each not in open_:
                where.silent.pop(each, None)
        for each in open_:
            value = known[each]
            if where.silent.get(each, (b"", 0.0))[0] != value:
                where.silent[each] = value, began

    def _ask(self, where: Listeners, now: float) -> Plan[Any]:
        gone = [
            word
            for each, (value, since) in list(where.silent.items())
            if now - since > FORGOTTEN * staleness_of(each, value)
            for word in (each, value)
        ]
        # A script that keeps the server busy lets replies out before invalidations: not past a PONG that follows.
        pong, reply = yield InTurn((Command(("PING",)), Script("settle_ask", (where.key,), (where.channel, *gone))))
        if pong != b"PONG" or reply[0] != b"ok":
            return None
        for each in gone[::2]:
            where.silent.pop(each, None)
        return int(reply[1]), int(reply[2]), fields_of(reply[3:])


def settled(plan: Plan[Any], settling: Settling, wanted: bool, keys: Sequence[str] | None = None) -> Plan[Any]:
    """Carry out a plan that changes something; where that is wanted, wait until nobody can serve what was before."""
    result = yield from plan
    if wanted:
        yield from settling.settle(keys)
    return result


def slept(where: Listeners, seconds: float) -> Plan[None]:
    """Sleep, but not beyond the deadline around the call."""
    now: float = yield Now()
    while seconds > 0:
        part = min(seconds, 0.05, max(0.0, where.end() - now))
        yield Sleep(part)
        seconds -= part
        now = yield Now()
        where.late(now)


def fields_of(reply: Any) -> dict[bytes, bytes]:
    """Who listens, by id."""
    found = dict(reply) if isinstance(reply, dict) else dict(zip(reply[::2], reply[1::2], strict=False))
    found.pop(ROUND, None)
    return found


def is_own(field: bytes, own: bytes) -> bool:
    return bool(own) and (field.partition(b"|")[2] if field.startswith(DEAF) else field).startswith(own)


def staleness_of(field: bytes, value: bytes) -> float:
    """For how many seconds this listener may serve an old value."""
    text = field[len(DEAF) :].partition(b"|")[0] if field.startswith(DEAF) else value.partition(b":")[0]
    return int(text) / 1000 if text.isdigit() else 0.0


def answered(field: bytes, value: bytes, number: int) -> bool:
    last = value.partition(b":")[2]
    return not field.startswith(DEAF) and last.isdigit() and int(last) >= number
