"""The thread of a switchboard: it accepts, connects and carries all bytes, and alone touches lines and rules."""

from __future__ import annotations

import contextlib
import selectors
import socket
import struct
import threading
import time
from typing import TYPE_CHECKING

from .doors import Door, Waiting
from .flows import Line

if TYPE_CHECKING:
    import ssl
    from collections.abc import Callable, Iterable

    from .flows import Kind, Rule

__all__ = ["CLIENT", "SERVERS", "Exchange"]

CLIENT = "client"
SERVERS = "127.0.1."  # how the addresses of servers begin
PATIENCE = 5.0  # seconds until the thread is taken for dead if it does no job
_READ, _WRITE = selectors.EVENT_READ, selectors.EVENT_WRITE


class Exchange:
    """``names`` are servers and guests by their addresses; whoever has another address is "client"."""

    def __init__(self, tls: ssl.SSLContext | None) -> None:
        self.names: dict[str, str] = {}
        self.rules: list[Rule] = []
        self.ended = False
        self._tls = tls
        self._doors: dict[socket.socket, Door] = {}
        self._lines: dict[socket.socket, Line] = {}  # by each of their ends
        self._watched: dict[socket.socket, int] = {}
        self._late: set[Line] = set()  # they have bytes that wait for a time
        self._held: list[Waiting] = []
        self._jobs: list[tuple[Callable[[], None], threading.Event]] = []
        self._lock = threading.Lock()
        self._selector = selectors.DefaultSelector()
        self._wake_out, self._wake_in = socket.socketpair()
        self._selector.register(self._wake_in, _READ)
        self._thread = threading.Thread(target=self._run, name="switchboard", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Let the thread do this job, and return when the job is done."""
        if self.ended:
            raise RuntimeError("the network was stopped")
        done = threading.Event()
        with self._lock:
            self._jobs.append((job, done))
        self._wake_out.send(b"!")
        if not done.wait(PATIENCE):
            raise RuntimeError(f"the network's thread did nothing for {PATIENCE} s")

    def end(self) -> None:
        """Cut all, listen no longer, end the thread. May be called twice."""
        if self.ended:
            return
        self.do(lambda: setattr(self, "ended", True))
        self._thread.join(PATIENCE)
        for end in (self._wake_in, self._wake_out):
            end.close()

    # -- in the thread: jobs ---------------------------------------------------------------------------

    def listen(self, target: str, seen: tuple[str, int], own: tuple[str, int], *, bus: bool) -> None:
        """Accept who connects to ``seen``, for the server at ``own``."""
        listener = socket.socket()
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(seen)
            listener.listen(256)
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self._doors[listener] = Door(target, bus, own)
        self._selector.register(listener, _READ)

    def deafen(self, target: str) -> None:
        """Accept nobody for this server any more."""
        for listener in [each for each, door in self._doors.items() if door.target == target]:
            self._selector.unregister(listener)
            listener.close()
            del self._doors[listener]

    def obey(self, rules: list[Rule]) -> None:
        """Have these faults, and no others."""
        self.rules = rules
        now = time.monotonic()
        for line in self._all():
            line.obey(rules)
            self._carry(line, now)
        held, self._held = self._held, []
        for call in held:
            if call.hung_up:
                call.near.close()  # its connection was never there: what it sent is lost
            else:
                self._connect(call)

    def cut(self, rule: Rule) -> None:
        """Cut the connections that this rule is for."""
        for line in self._all():
            if rule.holds(line.source, line.target, line.kind):
                self._drop(line)

    # -- in the thread: bytes --------------------------------------------------------------------------

    def _run(self) -> None:
        due: float | None = None
        while not self.ended:
            moved: set[Line] = set()
            for key, _ in self._selector.select(None if due is None else max(0.0, due - time.monotonic())):
                end = key.fileobj
                if end is self._wake_in:
                    self._do_jobs()
                elif isinstance(end, socket.socket) and end in self._doors:
                    self._accept(end)
                elif isinstance(end, socket.socket) and end in self._lines:
                    moved.add(self._lines[end])
            now = time.monotonic()
            for line in moved | self._late:
                self._carry(line, now)
            due = min((at for line in self._late if (at := line.due(now)) is not None), default=None)
        for line in self._all():
            self._drop(line)
        for end in (*self._doors, *(call.near for call in self._held)):
            end.close()
        self._selector.close()

    def _all(self) -> Iterable[Line]:
        return set(self._lines.values())

    def _do_jobs(self) -> None:
        self._wake_in.recv(4096)
        with self._lock:
            jobs, self._jobs = self._jobs, []
        for job, done in jobs:
            try:
                job()
            finally:
                done.set()

    def _accept(self, listener: socket.socket) -> None:
        door = self._doors[listener]
        try:
            near, peer = listener.accept()
        except OSError:
            return
        source = self.names.get(peer[0], CLIENT)
        among_servers = peer[0].startswith(SERVERS)
        kind: Kind = "bus" if door.bus else "replication" if among_servers else "clients"
        self._connect(Waiting(near, source, kind, door))

    def _connect(self, call: Waiting) -> None:
        near, source, kind, door = call
        both = (source, door.target, kind), (door.target, source, kind)
        mine = [rule for rule in self.rules if any(rule.holds(*way) for way in both)]
        if any(rule.refused for rule in mine):
            near.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            near.close()
            return
        if any(rule.frozen for rule in mine):
            self._held.append(call)
            return
        far = socket.socket()
        try:
            peer = near.getpeername()[0]
            far.setblocking(False)
            if source != CLIENT:
                far.bind((peer, 0))
            with contextlib.suppress(BlockingIOError):
                far.connect(door.own)
            near.setblocking(False)
            for end in (near, far):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls is not None and kind == "clients":
                near = self._tls.wrap_socket(near, server_side=True, do_handshake_on_connect=False)
        except OSError:
            near.close()
            far.close()
            return
        line = Line(source, door.target, kind, near, far)
        line.obey(self.rules)
        for end in line.ends:
            self._lines[end] = line
        self._watch(line, time.monotonic())

    def _carry(self, line: Line, now: float) -> None:
        if line.ends[0] not in self._lines:
            return
        try:
            line.carry(now)
        except OSError:
            self._drop(line)
            return
        if line.over:
            self._drop(line)
        else:
            self._watch(line, now)

    def _watch(self, line: Line, now: float) -> None:
        near, far = line.ends
        there, back = line.there, line.back
        for end, into, out in (near, there, back), (far, back, there):
            wanted = (_READ if into.wants_to_read else 0) | (_WRITE if out.wants_to_write(now) else 0)
            before = self._watched.get(end, 0)
            if wanted == before:
                continue
            if not wanted:
                self._selector.unregister(end)
            elif before:
                self._selector.modify(end, wanted)
            else:
                self._selector.register(end, wanted)
            self._watched[end] = wanted
        if line.is_late(now):
            self._late.add(line)
        else:
            self._late.discard(line)

    def _drop(self, line: Line) -> None:
        self._late.discard(line)
        for end in line.ends:
            if self._watched.pop(end, 0):
                self._selector.unregister(end)
            self._lines.pop(end, None)
        line.close()
