"""The bad network: a proxy between client and server that freezes, drips, refuses, and cuts where told.

One thread carries all bytes and alone touches the state; every method hands its change to that thread and
returns once it is in force. Requests and replies are counted by their RESP frames, so a cut falls exactly
between "the server has executed it" and "the client knows".
"""

from __future__ import annotations

import contextlib
import os
import selectors
import shutil
import socket
import tempfile
import threading
import time
from typing import TYPE_CHECKING, Literal
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Callable

    from .servers import Server

__all__ = ["Proxy", "frame_end"]

Direction = Literal["both", "requests", "replies"]
# Which connections a fault is for: "listeners" are those that have subscribed to something, "data" the others.
Which = Literal["all", "listeners", "data"]


def frame_end(data: bytes | bytearray, start: int = 0) -> int | None:
    """Where the RESP frame (or inline command) that begins at ``start`` ends; None: not all of it is here."""
    line_end = data.find(b"\r\n", start)
    if line_end < 0:
        return None
    kind, end = data[start : start + 1], line_end + 2
    if kind in (b"$", b"!", b"="):
        size = int(data[start + 1 : line_end])
        end = end if size < 0 else end + size + 2
        return end if end <= len(data) else None
    if kind in (b"*", b"~", b">", b"%", b"|"):
        parts = int(data[start + 1 : line_end]) * (2 if kind in (b"%", b"|") else 1)
        for _ in range(parts + (kind == b"|")):  # attributes stand before the reply that they belong to
            inner = frame_end(data, end)
            if inner is None:
                return None
            end = inner
    return end


def _command_name(frame: bytes) -> str:
    parts = frame.split(b"\r\n", 3)
    name = parts[2] if frame[:1] == b"*" and len(parts) > 2 else frame.partition(b" ")[0].strip()
    return name.decode("ascii", "replace").upper()


class _Link:
    """One client's connection and its twin to the server, with what is on the way in both directions."""

    def __init__(self, client: socket.socket, server: socket.socket) -> None:
        self.client, self.server = client, server
        self.up, self.down = bytearray(), bytearray()  # whole frames, ready to be forwarded
        self.up_rest, self.down_rest = bytearray(), bytearray()  # the beginning of a frame
        self.client_done = self.server_done = False
        self.asked = self.answered = 0
        self.listens = False  # it has subscribed
        self.frozen = False, False  # requests, replies
        self.cut_at = 0  # the number of the request of which the reply is never seen; 0: none
        self.allowance = 0.0

    def is_one_of(self, which: Which) -> bool:
        return which == "all" or self.listens == (which == "listeners")


class Proxy:
    """Stands before ``server``; clients connect to ``dsn``. ``tcp=None`` listens like the server does.

    ``commands`` is the list of command names that came through, in order (the handshake too).
    ``cuts`` counts the cuts made by ``cut_after_request`` and ``cut_next_reply``.
    """

    def __init__(self, server: Server, *, tcp: bool | None = None) -> None:
        self._target = server.address
        self._password = server.password
        self.tcp = isinstance(self._target, tuple) if tcp is None else tcp
        self._directory = tempfile.mkdtemp(prefix="rcp-")
        self._address: str | tuple[str, int] = os.path.join(self._directory, "s")
        if self.tcp:
            self._address = ("127.0.0.1", 0)
        self.commands: list[str] = []
        self.cuts = 0
        self._links: list[_Link] = []
        self._frozen: tuple[bool, bool] = (False, False)  # requests, replies
        self._unread: Which | None = None  # connections on which nothing is taken from the server
        self._rate: float | None = None
        self._plan: tuple[int, str | None] | None = None  # requests to count down, of which name
        self._cut_reply: int | None = None  # bytes of the next reply to let through
        self._jobs: list[tuple[Callable[[], None], threading.Event]] = []
        self._lock = threading.Lock()
        self._stopped = False
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._listener: socket.socket | None = None
        self._listen()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    @property
    def dsn(self) -> str:
        login = f":{quote(self._password, safe='')}@" if self._password else ""
        if isinstance(self._address, tuple):
            return f"redis://{login}{self._address[0]}:{self._address[1]}/0"
        return f"unix://{login}{self._address}"

    @property
    def address(self) -> str | tuple[str, int]:
        return self._address

    @property
    def connections(self) -> int:
        """How many clients are connected now."""
        return len(self._links)

    # -- faults ----------------------------------------------------------------------------------------

    def cut_after_request(self, n: int = 1, command: str | None = None) -> None:
        """The n-th request from now on (of that command) is executed, its connection cut before the reply.

        Names are those on the wire: redis-py's ``incr`` sends INCRBY.
        """
        name = command.upper() if command else None
        self._do(lambda: setattr(self, "_plan", (n, name)))

    def cut_next_reply(self, keep: int = 0) -> None:
        """Whatever a server says next, to any client, ends after ``keep`` bytes, with the connection."""
        self._do(lambda: setattr(self, "_cut_reply", keep))

    def cut(self, which: Which = "all") -> None:
        """Cut these connections now; new ones are welcome."""
        self._do(lambda: self._cut_all(which))

    def freeze(self, direction: Direction = "both", which: Which = "all") -> None:
        """Accept connections and bytes, forward nothing until ``heal``; then all of it arrives, late.

        Of "listeners" and of "data" those that are there now; new connections work.
        """
        frozen = direction != "replies", direction != "requests"

        def job() -> None:
            if which == "all":
                self._frozen = frozen
            for link in self._links:
                if link.is_one_of(which):
                    link.frozen = frozen

        self._do(job)

    def stop_reading(self, which: Which = "all") -> None:
        """Take no more from the server on these connections until ``heal``: its buffers for them fill."""
        self._do(lambda: setattr(self, "_unread", which))

    def drip(self, bytes_per_second: float) -> None:
        """Replies trickle at this rate."""
        self._do(lambda: setattr(self, "_rate", bytes_per_second))

    def refuse(self, *, keep_links: bool = False) -> None:
        """New connections are refused, the present ones cut (or kept)."""

        def job() -> None:
            if self._listener is not None:
                _close(self._listener)
                self._listener = None
            if not keep_links:
                self._cut_all()

        self._do(job)

    def heal(self) -> None:
        """All faults end; at the same address as before."""

        def job() -> None:
            self._frozen, self._rate, self._plan, self._cut_reply = (False, False), None, None, None
            self._unread = None
            for link in self._links:
                link.frozen = False, False
            if self._listener is None:
                self._listen()

        self._do(job)

    def retarget(self, server: Server, which: Which = "all") -> None:
        """New connections go to another server (a failover); these of the present ones are cut."""

        def job() -> None:
            self._target = server.address
            self._cut_all(which)

        self._do(job)

    def stop(self) -> None:
        if self._stopped:
            return
        self._do(lambda: setattr(self, "_stopped", True))
        self._thread.join(5)
        for end in (self._wake_in, self._wake_out):
            end.close()
        shutil.rmtree(self._directory, ignore_errors=True)

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    # -- the thread ------------------------------------------------------------------------------------

    def _do(self, job: Callable[[], None]) -> None:
        done = threading.Event()
        with self._lock:
            self._jobs.append((job, done))
        with contextlib.suppress(BlockingIOError):
            self._wake_out.send(b"!")
        if not done.wait(5):
            raise AssertionError("the proxy's thread is gone")

    def _listen(self) -> None:
        if isinstance(self._address, str):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self._address)
            listener = socket.socket(socket.AF_UNIX)
        else:
            listener = socket.socket(socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self._address)
        listener.listen(128)
        listener.setblocking(False)
        if isinstance(self._address, tuple):
            self._address = listener.getsockname()
        self._listener = listener

    def _cut_all(self, which: Which = "all") -> None:
        for link in list(self._links):
            if link.is_one_of(which):
                self._drop(link)

    def _drop(self, link: _Link) -> None:
        _close(link.client)
        _close(link.server)
        if link in self._links:
            self._links.remove(link)

    def _run(self) -> None:
        last = time.monotonic()
        while not self._stopped:
            ready = self._wait()
            now = time.monotonic()
            if self._wake_in in ready:
                self._wake_in.recv(4096)
                with self._lock:
                    jobs, self._jobs = self._jobs, []
                for job, done in jobs:
                    job()
                    done.set()
            if self._listener is not None and self._listener in ready:
                self._accept()
            for link in list(self._links):
                with contextlib.suppress(OSError):
                    self._carry(link, ready, now - last)
                    continue
                self._drop(link)
            last = now
        self._cut_all()
        if self._listener is not None:
            _close(self._listener)

    def _wait(self) -> set[object]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_in, selectors.EVENT_READ)
            if self._listener is not None:
                selector.register(self._listener, selectors.EVENT_READ)
            dripping = False
            for link in self._links:
                requests, replies = link.frozen
                trickle = bool(self._rate) and bool(link.down)
                dripping = dripping or trickle
                unread = self._unread is not None and link.is_one_of(self._unread)
                down = bool(link.down) and not replies and not trickle
                for end, done, out in (
                    (link.client, link.client_done, down),
                    (link.server, link.server_done or unread, bool(link.up) and not requests),
                ):
                    events = (0 if done else selectors.EVENT_READ) | (selectors.EVENT_WRITE if out else 0)
                    if events:
                        selector.register(end, events)
            timeout = min(0.05, 1.0 / self._rate) if dripping and self._rate else None
            return {key.fileobj for key, _ in selector.select(timeout)}

    def _accept(self) -> None:
        assert self._listener is not None
        with contextlib.suppress(OSError):
            client, _ = self._listener.accept()
            server = socket.socket(socket.AF_INET if isinstance(self._target, tuple) else socket.AF_UNIX)
            try:
                server.connect(self._target)
            except OSError:
                _close(client)
                _close(server)
                return
            for end in (client, server):
                end.setblocking(False)
                if end.family == socket.AF_INET:
                    end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            link = _Link(client, server)
            link.frozen = self._frozen
            self._links.append(link)

    def _carry(self, link: _Link, ready: set[object], passed: float) -> None:
        if link.client in ready and not link.client_done:
            data = _receive(link.client)
            link.client_done = data == b""
            link.up_rest += data or b""
            self._take_requests(link)
        if link.server in ready and not link.server_done:
            data = _receive(link.server)
            link.server_done = data == b""
            link.down_rest += data or b""
            if not self._take_replies(link):
                return
        requests, replies = link.frozen
        if link.up and not requests:
            del link.up[: _send(link.server, link.up)]
        if link.down and not replies:
            if self._rate:
                link.allowance = min(link.allowance + passed * self._rate, max(1.0, self._rate))
                part = link.down[: int(link.allowance)]
                sent = _send(link.client, part) if part else 0
                link.allowance -= sent
            else:
                sent = _send(link.client, link.down)
            del link.down[:sent]
        if link.client_done and not link.up:
            with contextlib.suppress(OSError):
                link.server.shutdown(socket.SHUT_WR)
        if link.server_done and not link.down:
            self._drop(link)

    def _take_requests(self, link: _Link) -> None:
        while link.up_rest and (end := frame_end(link.up_rest)) is not None:
            frame = bytes(link.up_rest[:end])
            del link.up_rest[:end]
            name = _command_name(frame)
            self.commands.append(name)
            link.listens = link.listens or name == "SUBSCRIBE"
            link.asked += 1
            if link.cut_at:
                continue  # what a pipeline holds behind the chosen request never reaches the server
            link.up += frame
            if self._plan is not None and self._plan[1] in (None, name):
                left = self._plan[0] - 1
                self._plan = (left, self._plan[1]) if left else None
                if not left:
                    link.cut_at = link.asked

    def _take_replies(self, link: _Link) -> bool:
        """Move whole replies on their way; False when this was the moment to cut."""
        while link.down_rest and (end := frame_end(link.down_rest)) is not None:
            frame = bytes(link.down_rest[:end])
            del link.down_rest[:end]
            link.answered += frame[:1] != b">"
            keep = self._cut_reply
            if keep is None and not (link.cut_at and link.answered >= link.cut_at):
                link.down += frame
                continue
            self.cuts += 1
            self._cut_reply = None
            with contextlib.suppress(OSError):
                # Replies to earlier requests of the same pipeline did arrive.
                _send(link.client, bytes(link.down) + frame[: keep or 0])
            self._drop(link)
            return False
        if link.server_done:
            link.down += link.down_rest
            link.down_rest.clear()
        return True


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


def _close(end: socket.socket) -> None:
    # shutdown first: a forked child may hold the same connection open.
    with contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
