"""The rules of a listening connection (Q and F4), without the connection: replies come in, calls for the hearer go out.

All changes that were acknowledged before PING n was sent have been read when PONG n+1 comes. One PONG is not enough:
while a script is past its busy threshold, a server answers before it announces. PINGs are numbered, so that a late
PONG is not taken for the PONG of a later PING.
"""

from __future__ import annotations

from typing import Any

__all__ = ["CHANNEL", "Proof", "Told", "as_resp2"]

CHANNEL = b"__redis__:invalidate"

Instant = tuple[int, int]
Told = tuple[Any, ...]  # a method of ``Hearer`` and its arguments


def as_resp2(reply: object) -> object:
    """A reply of RESP3 to a listening connection, in the form that it has in RESP2."""
    if isinstance(reply, bytes):  # only a PING with its number is answered so
        return [b"pong", reply]
    if isinstance(reply, list) and reply[0] == b"invalidate":
        return [b"message", CHANNEL, reply[1]]
    return reply


class Proof:
    """The proof of one connection, from its first PING on."""

    __slots__ = ("_asked", "_before", "_confirmed", "_number", "_pong")

    def __init__(self) -> None:
        self._number = 0
        self._asked: Instant | None = None  # when the PING was sent that has no PONG yet
        self._before: Instant | None = None  # when the last answered PING was sent
        self._pong = False
        self._confirmed = False

    @property
    def waiting(self) -> bool:
        """Whether a PING is not answered yet: there is one at a time (Q1)."""
        return self._asked is not None

    def ask(self, instant: Instant) -> bytes:
        """A PING is about to be sent; gives the number that it has to carry."""
        self._number += 1
        self._asked = instant
        return b"%d" % self._number

    def read(self, reply: object) -> Told:
        """One reply was read: the call that the hearer gets, or ()."""
        if not isinstance(reply, list):  # an error: tracking or a SUBSCRIBE may have failed
            self._asked = self._before = None
            self._pong = self._confirmed = False
            return ("unsure",)
        if reply[0] == b"message" and reply[1] == CHANNEL:
            return ("flushed",) if reply[2] is None else ("changed", reply[2])
        if reply[0] == b"pong":
            self._pong = self._pong or (self._asked is not None and reply[1] == b"%d" % self._number)
            return ()
        return "published", reply

    def restart(self) -> None:
        """What was asked so far proves nothing any more: the next two PONGs do."""
        self._asked = self._before = None
        self._pong = False

    def applied(self) -> list[Told]:
        """All replies that were read have been told (Q2): the calls of the proof that follow."""
        if not self._pong:
            return []
        told: list[Told] = []
        if self._before is not None:
            if not self._confirmed:
                self._confirmed = True
                told.append(("confirmed",))
            told.append(("proved", self._before))
        self._before, self._asked, self._pong = self._asked, None, False
        return told
