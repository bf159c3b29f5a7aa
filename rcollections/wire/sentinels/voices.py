"""One round of questions to all sentinels: sent to all, then read from all (M1).

The first sentinels are those of the DSN: names, which are resolved at each connect and never forgotten. They name the
others. A sentinel that is known under two names counts once, by its id. Used by the thread of a ``Watch`` alone.
"""

from __future__ import annotations

import contextlib
import select
import threading
import time
from typing import TYPE_CHECKING, Any

import hiredis

from ..packing import pack
from .dialing import Dialed, trouble
from .words import Heard, Trouble, heard, judged, questions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from .words import Address, Verdict

__all__ = ["Voice", "Voices"]

AGAIN = 0.5  # seconds between two attempts to connect to one sentinel
LATE = 0.05  # seconds that a round waits for the others after a majority has answered
LOOK = 0.002  # seconds between two looks while connections are being opened

_pushed: Any = hiredis.PushNotification


class Voice:
    """One sentinel, its connection, and what it said last."""

    def __init__(self, address: Address) -> None:
        self.address = address
        self.id = ""
        self.link: Any = None
        self.opening: threading.Thread | None = None
        self.opened: Dialed | Exception | None = None  # what that thread has found
        self.due = 0.0  # when the next attempt to connect may begin
        self.asked = 0  # the round whose question is on its way; 0: none is
        self.sent = 0.0
        self.replies: list[Any] = []
        self.round = 0  # in which it said this, or in which it was found silent:
        self.said: Heard | Trouble = Trouble("silent", "it was not asked yet")

    def lost(self, why: Trouble, number: int) -> None:
        """The connection is gone."""
        link, self.link, self.asked = self.link, None, 0
        self.said, self.round = why, number
        if link is not None:
            with contextlib.suppress(Exception):
                link.close()


class Voices:
    """All sentinels of one master. ``dial`` connects to one of them, and blocks; ``where`` tells of TLS."""

    def __init__(
        self,
        seeds: Iterable[Address],
        master: str,
        dial: Callable[[Address], Dialed],
        timeout: float,
        where: str,
    ) -> None:
        self._seeds = tuple(seeds)
        self._dial = dial
        self._master = master.encode()
        self._question = b"".join(map(pack, questions(master)))
        self._wanted = len(questions(master))
        self._timeout = timeout
        self._where = where
        self.all: dict[Address, Voice] = {each: Voice(each) for each in self._seeds}
        self.number = 0  # of the round

    # -- one round ---------------------------------------------------------------------------------

    def ask(self, before: Verdict | None, until: float) -> Verdict | None:
        """Ask all, and give the verdict of those that answer by that instant; None if none does, and none did."""
        began, self.number = time.monotonic(), self.number + 1
        began_ns = time.monotonic_ns()
        majority_at = 0.0
        while True:
            now = time.monotonic()
            self._learn()
            for each in list(self.all.values()):
                self._further(each, now)
            found = judged(self.words(), before, began_ns)
            waiting = [each for each in self.all.values() if each.round != self.number]
            if not waiting or now >= until:
                return found
            if found is not None and found.proven and found.began == began_ns:
                majority_at = majority_at or now
                # Whoever did not answer the last question either is not waited for.
                if now - majority_at >= LATE or all(each.opening or each.sent < began for each in waiting):
                    return found
            opening = any(each.opening for each in waiting)
            self.listen(min(until - now, LOOK if opening else LATE if majority_at else self._timeout))

    def words(self) -> dict[str, Heard]:
        """What the sentinels said in this round, by their ids."""
        return {
            each.id or str(each.address): each.said
            for each in self.all.values()
            if each.round == self.number and isinstance(each.said, Heard)
        }

    def _further(self, voice: Voice, now: float) -> None:
        """Whatever is next with this sentinel in this round: to connect, to ask, or to give it up."""
        if voice.round == self.number:
            return
        self._take(voice)
        if voice.link is None:
            if voice.opening is None and now >= voice.due:
                voice.due = now + AGAIN
                self._open(voice)
            elif voice.opening is None:
                voice.round = self.number  # it failed just now
            return
        if voice.asked:
            if now - voice.sent > self._timeout:
                voice.lost(Trouble("silent", "it does not answer in time"), self.number)
            return
        try:
            voice.link.sock.settimeout(self._timeout)
            voice.link.sock.sendall(self._question)
        except OSError:
            voice.lost(Trouble("silent", "the connection was lost"), self.number)
            voice.due = 0.0
        else:
            voice.asked, voice.sent, voice.replies = self.number, now, []

    # -- connections -------------------------------------------------------------------------------

    def _open(self, voice: Voice) -> None:
        def run() -> None:
            try:
                voice.opened = self._dial(voice.address)
            except Exception as error:  # the round tells
                voice.opened = error

        voice.opening = threading.Thread(target=run, name="rcollections-sentinel", daemon=True)
        try:
            voice.opening.start()
        except RuntimeError:  # at the end of the interpreter, or with too many threads
            voice.opening = None
            voice.round = self.number

    def _take(self, voice: Voice) -> None:
        found, voice.opened = voice.opened, None
        if found is None:
            return
        voice.opening = None
        if isinstance(found, Exception):
            voice.lost(trouble(found, self._where), self.number)
            return
        voice.link, voice.id, voice.asked = found.link, found.id, 0
        for other in list(self.all.values()):
            if other is not voice and other.link is not None and other.id == voice.id != "":
                self._leave(other if other.address not in self._seeds else voice)

    def _leave(self, voice: Voice) -> None:
        """The same sentinel answers under another name."""
        voice.lost(Trouble("silent", "it is known under another name"), self.number)
        voice.due = time.monotonic() + 60 * AGAIN
        if voice.address not in self._seeds:
            self.all.pop(voice.address, None)

    def _learn(self) -> None:
        """Add the sentinels that others name, and forget those that nobody names any more."""
        told = [each.said for each in self.all.values() if isinstance(each.said, Heard)]
        if not told:
            return
        ids = {each.id for each in self.all.values() if each.link is not None}
        named = {address: name for each in told for name, address in each.sentinels.items()}
        for address, name in named.items():
            if address not in self.all and name not in ids:
                self.all[address] = Voice(address)
        for address, voice in list(self.all.items()):
            if address not in self._seeds and address not in named and voice.link is None and voice.opening is None:
                del self.all[address]

    # -- listening ---------------------------------------------------------------------------------

    def listen(self, seconds: float, more: int = -1) -> bool:
        """Read what comes within that time; gives whether a sentinel tells of another primary.

        ``more``: a file that ends the wait when it can be read.
        """
        poll = select.poll()
        linked = {each.link.sock.fileno(): each for each in self.all.values() if each.link is not None}
        for fd in linked:
            poll.register(fd, select.POLLIN)
        if more >= 0:
            poll.register(more, select.POLLIN)
        switched = False
        for fd, _ in poll.poll(max(0.0, seconds) * 1000):
            if fd in linked:
                switched = self._read(linked[fd]) or switched
        return switched

    def _read(self, voice: Voice) -> bool:
        switched = False
        try:
            replies = voice.link.hear(0.001)
            while getattr(voice.link.sock, "pending", _none)():  # TLS may hold more than the socket shows
                replies += voice.link.hear(0.001)
        except Exception:  # after any error the connection is lost
            voice.lost(Trouble("silent", "the connection was lost"), self.number)
            voice.due = 0.0
            return False
        for reply in replies:
            if type(reply) is _pushed:
                switched = switched or self._switches(reply)
                continue
            voice.replies.append(reply)
            if len(voice.replies) == self._wanted and voice.asked:
                said = heard(voice.replies)
                if voice.asked == self.number:
                    voice.said, voice.round = said, self.number
                voice.asked, voice.replies = 0, []
        return switched

    def _switches(self, push: list[Any]) -> bool:
        """Whether this message is +switch-master of our master: "name ip port ip port"."""
        return len(push) == 3 and push[0] == b"message" and bytes(push[2]).split(b" ", 1)[0] == self._master

    # -- the end -----------------------------------------------------------------------------------

    def troubles(self) -> Mapping[Address, Trouble]:
        """Why sentinels said nothing of use."""
        return {each.address: each.said for each in self.all.values() if isinstance(each.said, Trouble)}

    def close(self) -> None:
        """Close all connections."""
        for each in self.all.values():
            found, each.opened = each.opened, None
            if isinstance(found, Dialed):
                found.link.close()
            each.lost(Trouble("silent", "nobody asks it any more"), self.number)


def _none() -> int:
    return 0
