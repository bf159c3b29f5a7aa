"""``Link``: one connection for threads: it sends bytes, and reads whole replies by an instant.

redis-py bounds each ``recv`` by a timeout, so a server that drips bytes can hold a caller for ever. Here every
wait on the socket ends at one instant, ``until``.
"""

from __future__ import annotations

import select
import ssl
from contextlib import suppress
from time import monotonic
from typing import Any

import hiredis

from ..clock import until as until_
from ..failures import Broken, ErrorReply, Late, is_silence
from ..large import LARGE as LARGE_VALUE
from ..large import LargeReplies
from ..packing import WRITTEN, pack
from .hearing import Hearing
from .lent import Lent
from .marks import GONE, INCOMPLETE
from .sockets import calls

__all__ = ["INCOMPLETE", "READ", "Link", "reply_reader"]

READ = 1 << 16  # bytes that are read at once
LARGE = 1 << 16  # from this many bytes on sending may take long: the time for the reply is set again after it
PIECE = 1 << 20  # bytes of large data that are sent at once
LAST_LOOK = 0.05  # seconds to read what had come when the time was up

_pushed: object = hiredis.PushNotification


def reply_reader() -> Any:
    """A parser of replies: errors of the server are ``ErrorReply``, bytes that are no reply are ``Broken``."""
    return hiredis.Reader(protocolError=Broken, replyError=ErrorReply, notEnoughData=INCOMPLETE)


class Link(Hearing, Lent):
    """A connected socket. ``made`` is redis-py's connection, which connected the socket and logged in."""

    __slots__ = (
        "_buffer", "_feed", "_gets", "_made", "_part", "_poll", "_reader", "_recv", "_sendall",
        "_set", "opened", "server", "sock",
    )  # fmt: skip

    pack = staticmethod(pack)

    def __init__(self, made: Any, sock: Any) -> None:
        self._made = made
        self.sock = sock
        super().__init__()
        self.server: bytes | None = None  # the run_id of the server; None: not asked yet
        self.opened = monotonic()
        self._reader = reply_reader()
        self._buffer = bytearray(READ)
        self._feed, self._gets = self._reader.feed, self._reader.gets
        self._recv, self._sendall = calls(sock)
        self._set = -1.0  # the timeout of the socket, where ``ask`` has set it; setting it is a system call
        self._part: tuple[list[object], int] | None = None  # of an ``ask`` that is not answered yet: replies, and bytes
        self._poll = select.poll()
        self._poll.register(sock, select.POLLIN)

    def ask(self, data: bytes, count: int, wait: float, timeout: float, look: bool) -> Any:
        """The quick try: send few bytes, read once, within ``wait`` seconds each. Gives the reply, of several the list.

        INCOMPLETE: not all came at once and in time, or there is an error among them: ``rest`` gives the list. With
        ``look`` GONE and nothing is sent, if the link is not idle.
        """
        if look and not self.idle:
            return GONE
        self.put(data, wait, timeout)
        return self._get(count)

    def put(self, data: bytes, wait: float, timeout: float) -> None:
        """One half of ``ask``: send few bytes within ``wait`` seconds; at several links, before the first is read.

        ``get`` reads the replies, or an ``exchange`` of no bytes, or ``hear``.
        """
        if wait != self._set:
            self._set = -1.0
            self.sock.settimeout(wait)
            self._set = wait
        try:
            self._sendall(data)
        except TimeoutError:
            raise Late(is_silence(wait, timeout)) from None

    def get(self, count: int, wait: float) -> Any:
        """The other half of ``ask``: read once, within ``wait`` seconds, what ``put`` has asked for."""
        if wait != self._set:
            self._set = -1.0
            self.sock.settimeout(wait)
            self._set = wait
        return self._get(count)

    def _get(self, count: int) -> Any:
        self._part = None
        try:
            came = self._recv(READ)
        except TimeoutError:
            return INCOMPLETE
        except ssl.SSLEOFError:  # what ``recv`` of TLS gives as no bytes
            came = b""
        if not came:
            raise Broken("Connection closed by server.")
        if count == 4 and came in WRITTEN:
            return list(WRITTEN[came])
        self._feed(came)
        reply = self._gets()
        kind = type(reply)
        if count == 1 and reply is not INCOMPLETE and kind is not ErrorReply and kind is not _pushed:
            return reply
        replies: list[object] = []
        usual = True
        while reply is not INCOMPLETE:
            if kind is not _pushed:
                replies.append(reply)
                usual = usual and kind is not ErrorReply and (kind is not list or ErrorReply not in map(type, reply))
                if len(replies) == count:
                    break
            reply = self._gets()
            kind = type(reply)
        if usual and len(replies) == count > 1:
            return replies
        self._part = replies, len(came)
        return INCOMPLETE

    def rest(self, count: int, until: float, timeout: float, began: float) -> list[object]:
        """The replies to what ``ask`` sent, by ``until``. ``began``: the instant before ``ask``. Errors as there."""
        replies, came = self._part or ([], 0)
        self._set = -1.0
        found = self._read_on(replies, count, until, timeout, came, monotonic() if came else began)
        if self._reader.has_data():
            self.used = 0.0  # more came than was asked for: the next caller looks at the link, and takes another one
        return found

    def hand_over(self) -> Any:
        """The socket, for somebody who uses and closes it from now on; this link and redis-py let go of it."""
        sock, self._made._sock = self.sock, None
        return sock

    def exchange(self, data: bytes, count: int, until: float, timeout: float) -> list[object]:
        """Send, and read that many replies: the first by ``until``, each further one within ``timeout`` seconds.

        Error replies stand in the list. After Late, OSError or Broken the link is useless.
        """
        sock = self.sock
        self._set = -1.0
        moved = monotonic()  # when a byte was last seen to move
        left = until - moved
        if left <= 0:
            raise Late(silent=False)
        armed = len(data) < LARGE
        if armed:
            sock.settimeout(left)
            try:
                if data:
                    sock.sendall(data)
            except TimeoutError:
                raise Late(is_silence(monotonic() - moved, timeout)) from None
        else:
            moved = self._send_large(data, until, timeout)
        return self._read_on([], count, until, timeout, 0, moved, armed)

    def _read_on(
        self,
        replies: list[object],
        count: int,
        until: float,
        timeout: float,
        came: int,
        moved: float,
        armed: bool = False,
    ) -> list[object]:
        """Read until there are ``count`` replies. ``came``: bytes so far; ``armed``: the socket has its timeout."""
        sock, gets = self.sock, self._gets
        timed = 0  # replies for which the instant counts
        seen = came
        last = 0.0  # after the instant: how long bytes that have come are still read
        while len(replies) < count:
            reply = gets()
            if reply is INCOMPLETE:
                if timed != len(replies):
                    timed, until, armed = len(replies), until_(timeout), False
                if not armed:
                    now = monotonic()
                    if came != seen:
                        seen, moved = came, now
                    left = until - now
                    if left <= 0:
                        # This thread may have been late, and not the server: bytes that are here are read all the same.
                        last = last or now + max(LAST_LOOK, min(-left, timeout))
                        if now > last or not self._has_bytes():
                            raise Late(is_silence(now - moved, timeout), came)
                        left = LAST_LOOK
                    sock.settimeout(left)
                armed = False
                try:  # noqa: SIM105 - quicker
                    came += self._receive()
                except TimeoutError:  # the next round looks once more, then raises
                    pass
            elif type(reply) is not _pushed:
                replies.append(reply)
        return replies if came <= LARGE_VALUE else LargeReplies(replies)

    def _receive(self) -> int:
        size: int = self.sock.recv_into(self._buffer)
        if not size:
            raise Broken("Connection closed by server.")
        self._reader.feed(self._buffer, 0, size)
        return size

    def _send_large(self, data: bytes, until: float, timeout: float) -> float:
        """Send piece by piece, so that it is known whether the server takes them; gives when the last piece went."""
        view, moved = memoryview(data), monotonic()
        while view:
            left = until - monotonic()
            if left <= 0:
                raise Late(is_silence(monotonic() - moved, timeout))
            self.sock.settimeout(left)
            with suppress(TimeoutError):
                view, moved = view[self.sock.send(view[:PIECE]) :], monotonic()
        return moved

    def _has_bytes(self) -> bool:
        pending = getattr(self.sock, "pending", None)  # TLS may hold more than the socket shows
        return bool((pending is not None and pending()) or self._poll.poll(0))

    @property
    def idle(self) -> bool:
        """Whether no byte has come since the last reply: a byte is the end, or a reply that no caller waits for."""
        if self._reader.has_data():
            return False
        try:
            if isinstance(self.sock, ssl.SSLSocket):
                return self._is_quiet()
            return not self._poll.poll(0)
        except (OSError, ValueError):
            return False

    def _is_quiet(self) -> bool:
        # Bytes that are readable below TLS may be a session ticket, which is no reply.
        self._set = -1.0
        self.sock.settimeout(0)
        try:
            self.sock.recv(1)
        except ssl.SSLWantReadError:
            return True
        return False

    def close(self) -> None:
        """Close the connection; in the child of a fork this closes only the child's copy."""
        self._made.disconnect()
