"""The data connection of an ear's own: it says that the ear is there, and answers those who settle (rules Z1, Q7).

An ear enters itself in a hash under an id, with its staleness and the last round that it has applied. It does so before
it is live, and under a new id after its proof has lapsed: others may have taken the old one out. Each period of
the proof a keyed no-op goes over this connection, so that nothing is proven while the server cannot be written to, or
has forgotten the ear. From time to time another connection takes its place, opened at whatever the address means by
then: if that is another server, the ear goes. All that is sent here is made of bytes that can be built ahead.
"""

from __future__ import annotations

import contextlib
import os
import select
import time
from collections import deque
from typing import TYPE_CHECKING, Any

from ..plans.settling import DEAF
from ..wire.failures import ErrorReply
from ..wire.packing import pack
from .places import Gone, new_id
from .reopening import ANEW, Reopening

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ..wire.dsn.dsn import Dsn
    from ._ear import Loop
    from .places import Place

__all__ = ["Post"]

# What a node says that is cut off, or has lost its slots. Such a one may answer PINGs and reads for ever (Q7).
NOT_MINE = ("CLUSTERDOWN", "MOVED ", "ASK ", "TRYAGAIN")


class Post(Reopening):
    """Used by the ear's thread alone, but for ``leave``. ``places`` says how stale a value may be there (ms)."""

    def __init__(self, dsn: Dsn, places: Mapping[Place, int], *, deaf: bool) -> None:
        super().__init__(dsn, places)
        self._deaf = deaf  # the ear may not hear of rounds
        self._pid = os.getpid()
        self._wanted: deque[int | None] = deque()  # the replies that are expected; None: any but an error
        self._sent = self._read = self._asked = 0  # commands; ``_asked``: sent by the last no-op
        self._rounds: dict[Place, int] = {}  # that were answered last
        self._unanswered: set[Place] = set()
        self._loop: Loop | None = None  # answers instead of this object
        self.entered = False
        self._by_channel = {place.channel: place for place in self._places}
        self._name()

    def _name(self) -> None:
        self._id = new_id()

    # -- opening -----------------------------------------------------------------------------------

    def open(self, server: bytes) -> None:
        """Connect and enter. Moved if that is not this server. Where the user may not write, it does not enter.

        Gone if the node takes no writes of anybody.
        """
        self._server = server
        self._link, found = self._connect()
        self._check(found)
        self._due = time.monotonic() + ANEW
        self.enter()

    def enter(self) -> None:
        """Enter under a new id, and take the old one out. Returns after the server has confirmed it."""
        old, was_in = self._fields(), self.entered
        self._name()
        self._rounds.clear()
        commands = []
        for place, ms in self._places.items():
            commands += self._in(place, ("HSET", place.key, self._field(ms), "0" if self._deaf else f"{ms}:0"))
            if was_in:
                commands += self._in(place, ("HDEL", place.key, old[place]))
        link = self._link
        if link is None or not commands:
            raise Gone("there is no connection to enter by")
        end, ahead = time.monotonic() + self._dsn.timeout, self._sent - self._read  # replies that are on their way
        self._wanted.clear()
        self._sent = self._read = self._asked = 0
        replies = link.exchange(b"".join(map(pack, commands)), len(commands) + ahead, end, self._dsn.timeout)[ahead:]
        wrong = [str(each) for each in replies if isinstance(each, ErrorReply)]
        if any(each.startswith(NOT_MINE) for each in wrong):
            raise Gone("the node takes no writes, so it may be cut off from its cluster")
        self.entered = not wrong

    def _in(self, place: Place, words: tuple[Any, ...]) -> list[tuple[Any, ...]]:
        several = len({each.db for each in self._places}) > 1
        return [("SELECT", place.db), words] if several else [words]

    def _field(self, ms: int) -> bytes:
        return DEAF + b"%d|" % ms + self._id if self._deaf else self._id

    def _fields(self) -> dict[Place, bytes]:
        return {place: self._field(ms) for place, ms in self._places.items()}

    # -- answering ---------------------------------------------------------------------------------

    def round(self, message: list[Any]) -> bool:
        """Whether this message is a round; then it is answered by the next ``answer``."""
        place = self._by_channel.get(bytes(message[1]))
        if place is None:
            return False
        if message[0] == b"message" and bytes(message[2]).isdigit():
            self._rounds[place] = int(message[2])
            self._unanswered.add(place)
        return True

    def answer(self) -> None:
        """All that was read has been applied: say so to those who asked, with one command for all rounds of a place."""
        if not self._unanswered:
            return
        places, self._unanswered = self._unanswered, set()
        if self._deaf or not self.entered:
            return
        for place in places:
            value = f"{self._places[place]}:{self._rounds[place]}"
            self._send(self._in(place, ("HSET", place.key, self._id, value)), 0)

    def tick(self) -> None:
        """A period of the proof begins: the keyed no-op, which has to be answered before the proof counts."""
        if self._link is None or time.monotonic() >= self._due:
            self._anew()
        if not self.entered:
            self._send([("PING",)], None)
        for place, ms in self._places.items() if self.entered else ():
            if self._deaf:
                self._send(self._in(place, ("HINCRBY", place.key, self._field(ms), 1)), None)
            else:
                value = f"{ms}:{self._rounds.get(place, 0)}"
                self._send(self._in(place, ("HSETNX", place.key, self._id, value)), 0)
        self._asked = self._sent

    def _send(self, commands: list[tuple[Any, ...]], wanted: int | None) -> None:
        self._wanted.extend([None] * (len(commands) - 1) + [wanted])
        self._sent += len(commands)
        if self._link is not None:
            try:
                self._link.sock.settimeout(self._dsn.timeout)
                self._link.sock.sendall(b"".join(map(pack, commands)))
            except OSError:
                self.broken()

    @property
    def answered(self) -> bool:
        """Whether the last no-op, and all before it, has its reply: else nothing is proven."""
        return self._link is not None and self._read >= self._asked

    def read(self) -> None:
        """Take the replies that have come. Gone, or Moved, if the ear must not go on."""
        self._take_opened()
        if self._link is None:
            return
        try:
            replies = self._link.hear(0.001) if _readable(self._link) else []
        except Exception:  # after any error this connection is lost; the ear itself goes on
            self.broken()
            return
        for reply in replies:
            wanted = self._wanted.popleft() if self._wanted else None
            self._read += 1
            if isinstance(reply, ErrorReply) or (wanted is not None and reply != wanted):
                raise Gone("the server did not take the answer of this listener, or knows it no more")

    # -- where a loop answers, without the GIL ---------------------------------------------------

    @property
    def can_be_handed_over(self) -> bool:
        """Whether a loop can answer: it has one channel, and no words but those for one place."""
        return self.entered and not self._deaf and len(self._places) == 1

    @property
    def channel(self) -> bytes:
        """The channel of the rounds of the one place."""
        (place,) = self._places
        return place.channel

    def hand_over(self, loop: Loop, *, anew: bool = False) -> None:
        """From now on this loop sends and reads on the connection. ``anew``: under an id that it did not have yet."""
        ((place, ms),) = self._places.items()
        head = pack(("HSET", place.key, self._id, "0")).removesuffix(b"$1\r\n0\r\n")
        self._loop = loop
        self._wanted.clear()
        self._sent = self._read = self._asked = 0
        loop.answer(
            self._link.sock.fileno(), head, b"%d:" % ms, pack(("HSETNX", place.key, self._id, b"%d:0" % ms)), anew
        )

    def enter_anew(self) -> None:
        """The proof has lapsed: enter under a new id, over another connection, since the loop has left this one."""
        link, found = self._connect()
        old, self._link = self._link, link
        if old is not None:
            old.close()
        self._check(found)
        self._due = time.monotonic() + ANEW
        self.enter()
        if not self.entered or self._loop is None:
            raise Gone("the server did not let this listener enter again")
        self.hand_over(self._loop, anew=True)

    def keep_up(self) -> None:
        """Open another connection when it is time. Moved if the ear must not go on."""
        if time.monotonic() >= self._due:
            self._anew()
        self._take_opened()

    # -- another connection in its place -----------------------------------------------------------

    def _take_opened(self) -> None:
        found = self._opened
        if found is None:
            return
        self._opened = self._opening = None
        if isinstance(found, Exception):
            return
        link, server = found
        if server != self._server:
            link.close()
            self._check(server)
        if self._link is not None:
            if self._read < self._sent:  # its last answers are on their way: at the next look
                self._opened = found
                return
            self._link.close()
        lost = self._link is None
        self._link, self._due = link, time.monotonic() + ANEW
        self._wanted.clear()
        self._read = self._sent
        if self._loop is not None:
            self.hand_over(self._loop)
        elif lost:  # what was sent may not have arrived
            self._unanswered.update(self._rounds)
            self.answer()
            self.tick()

    # -- the end -----------------------------------------------------------------------------------

    def leave(self) -> None:
        """L1 was emptied: take the ear out, so that nobody waits for it."""
        link = self._link
        if link is None or not self.entered or os.getpid() != self._pid:
            return
        self.entered = False
        commands = [
            each for place, field in self._fields().items() for each in self._in(place, ("HDEL", place.key, field))
        ]
        with contextlib.suppress(Exception):
            link.sock.settimeout(0.2)
            link.sock.sendall(b"".join(map(pack, commands)))

    def close(self) -> None:
        """Close the connection; in the child of a fork only its copy."""
        link, self._link = self._link, None
        if link is not None:
            with contextlib.suppress(Exception):
                link.close()


def _readable(link: Any) -> bool:
    pending = getattr(link.sock, "pending", None)
    return bool(pending is not None and pending()) or bool(select.select([link.sock], [], [], 0)[0])
