"""The connection of a client to the proxy and its twin to the server, with the bytes on the way in both directions."""

from __future__ import annotations

import contextlib
import socket
from selectors import EVENT_READ, EVENT_WRITE
from typing import TYPE_CHECKING

from .frames import command_name, whole_frames

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .faults import Faults, Which

__all__ = ["Link", "close"]


class Link:
    """Counts requests and replies by their frames, so that a cut falls exactly behind a frame."""

    def __init__(self, client: socket.socket, server: socket.socket, faults: Faults) -> None:
        self._client, self._server = client, server
        self._faults = faults
        self._up, self._down = bytearray(), bytearray()  # whole frames, ready to be forwarded
        self._up_rest, self._down_rest = bytearray(), bytearray()  # the beginning of a frame
        self._client_done = self._server_done = False
        self._asked = self._answered = 0
        self._cut_at = 0  # the number of the request whose reply no client sees; 0: none
        self._chosen = self._queued = False  # the chosen request has come; a MULTI has no EXEC yet
        self._listens = False  # the client has subscribed
        self._allowance = 0.0  # bytes that may trickle now
        self.frozen = faults.frozen  # requests, replies
        for end in (client, server):
            end.setblocking(False)
            if end.family == socket.AF_INET:
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def is_one_of(self, which: Which) -> bool:
        """Whether a fault for these connections is for this link."""
        return which == "all" or self._listens == (which == "listeners")

    @property
    def drips(self) -> bool:
        """Whether replies wait to trickle: then time alone lets them go on."""
        return bool(self._faults.rate) and bool(self._down)

    def watched(self) -> Iterator[tuple[socket.socket, int]]:
        """The sockets to wait for, each with the events for a selector."""
        requests, replies = self.frozen
        unread = self._faults.unread is not None and self.is_one_of(self._faults.unread)
        down = bool(self._down) and not replies and not self.drips
        for end, done, out in (
            (self._client, self._client_done, down),
            (self._server, self._server_done or unread, bool(self._up) and not requests),
        ):
            events = (0 if done else EVENT_READ) | (EVENT_WRITE if out else 0)
            if events:
                yield end, events

    def carry(self, ready: set[object], passed: float) -> bool:
        """Move all bytes that can be moved, ``passed`` seconds after the last call; False: the connection is over."""
        if self._client in ready and not self._client_done:
            data = _receive(self._client)
            self._client_done = data == b""
            self._up_rest += data or b""
            self._take_requests()
        if self._server in ready and not self._server_done:
            data = _receive(self._server)
            self._server_done = data == b""
            self._down_rest += data or b""
            if not self._take_replies():
                return False
        requests, replies = self.frozen
        if self._up and not requests:
            del self._up[: _send(self._server, self._up)]
        if self._down and not replies:
            del self._down[: self._hand_over(passed)]
        if self._client_done and not self._up:
            with contextlib.suppress(OSError):
                self._server.shutdown(socket.SHUT_WR)
        return not self._server_done or bool(self._down)

    def close(self) -> None:
        """Cut the connection on both sides."""
        close(self._client)
        close(self._server)

    def _take_requests(self) -> None:
        for frame in whole_frames(self._up_rest):
            name = command_name(frame)
            self._faults.commands.append(name)
            self._listens = self._listens or name == "SUBSCRIBE"
            self._asked += 1
            if self._cut_at:
                continue  # requests of a pipeline behind the chosen request never reach the server
            self._up += frame
            self._chosen = self._chosen or self._faults.is_chosen(name)
            self._queued = name == "MULTI" or (self._queued and name not in ("EXEC", "DISCARD"))
            if self._chosen and not self._queued:  # what stands in a MULTI is carried out by its EXEC
                self._cut_at = self._asked

    def _take_replies(self) -> bool:
        """Move whole replies on their way; False when this was the moment to cut."""
        for frame in whole_frames(self._down_rest):
            self._answered += frame[:1] != b">"
            keep = self._faults.cut_reply
            if keep is None and not (self._cut_at and self._answered >= self._cut_at):
                self._down += frame
                continue
            self._faults.cuts += 1
            self._faults.cut_reply = None
            with contextlib.suppress(OSError):
                # Replies to earlier requests of the same pipeline did arrive.
                _send(self._client, bytes(self._down) + frame[: keep or 0])
            return False
        if self._server_done:
            self._down += self._down_rest
            self._down_rest.clear()
        return True

    def _hand_over(self, passed: float) -> int:
        """Send replies to the client, as many bytes as it takes or as may trickle; gives the number of bytes."""
        rate = self._faults.rate
        if not rate:
            return _send(self._client, self._down)
        self._allowance = min(self._allowance + passed * rate, max(1.0, rate))
        part = self._down[: int(self._allowance)]
        sent = _send(self._client, part) if part else 0
        self._allowance -= sent
        return sent


def close(end: socket.socket) -> None:
    """Close a connection, also if another process has its socket."""
    # shutdown first: a forked child may hold the same connection open.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _receive(end: socket.socket) -> bytes | None:
    try:
        return end.recv(262144)
    except BlockingIOError:
        return None
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes | bytearray) -> int:
    try:
        return end.send(data)
    except BlockingIOError:
        return 0
