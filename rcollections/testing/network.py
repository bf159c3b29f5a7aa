"""The network of a proxy: one thread that carries all bytes, and alone touches links and faults."""

from __future__ import annotations

import contextlib
import os
import selectors
import socket
import threading
import time
from typing import TYPE_CHECKING

from .faults import Faults
from .links import Link, close

if TYPE_CHECKING:
    from collections.abc import Callable

    from .faults import Which

__all__ = ["Address", "Network"]

Address = str | tuple[str, int]  # the path of a unix socket, or host and port

PATIENCE = 5.0  # seconds until the thread is taken for dead if it does no job


class Network:
    """Listens at ``address`` (port 0: at a free port) and connects each new client with ``target``."""

    def __init__(self, address: Address, target: Address) -> None:
        self.address = address
        self.target = target
        self.faults = Faults()
        self.links: list[Link] = []
        self._jobs: list[tuple[Callable[[], None], threading.Event]] = []
        self._lock = threading.Lock()
        self._ended = False
        self._wake_out, self._wake_in = socket.socketpair()
        self._wake_out.setblocking(False)
        self._listener: socket.socket | None = None
        self.listen()
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)
        self._thread.start()

    def do(self, job: Callable[[], None]) -> None:
        """Let the thread do this job, and return when the job is done."""
        if self._ended:
            raise RuntimeError("the proxy was stopped")
        done = threading.Event()
        with self._lock:
            self._jobs.append((job, done))
        with contextlib.suppress(BlockingIOError):
            self._wake_out.send(b"!")
        if not done.wait(PATIENCE):
            raise RuntimeError(f"the proxy's thread did nothing for {PATIENCE} s")

    def end(self) -> None:
        """Cut all, listen no longer, end the thread. May be called twice."""
        if self._ended:
            return
        self.do(lambda: setattr(self, "_ended", True))
        self._thread.join(PATIENCE)
        for end in (self._wake_in, self._wake_out):
            end.close()

    # -- in the thread ---------------------------------------------------------------------------------

    def listen(self) -> None:
        """Accept clients, at the same address as before."""
        if self._listener is not None:
            return
        if isinstance(self.address, str):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(self.address)
            listener = socket.socket(socket.AF_UNIX)
        else:
            listener = socket.socket(socket.AF_INET)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(self.address)
        listener.listen(128)
        listener.setblocking(False)
        if isinstance(self.address, tuple):
            self.address = listener.getsockname()
        self._listener = listener

    def deafen(self) -> None:
        """Refuse new clients."""
        if self._listener is not None:
            close(self._listener)
            self._listener = None

    def cut(self, which: Which = "all") -> None:
        """Cut these connections."""
        for link in list(self.links):
            if link.is_one_of(which):
                self._drop(link)

    def _drop(self, link: Link) -> None:
        link.close()
        self.links.remove(link)

    def _run(self) -> None:
        last = time.monotonic()
        while not self._ended:
            ready = self._wait()
            now = time.monotonic()
            if self._wake_in in ready:
                self._wake_in.recv(4096)
                self._do_jobs()
            if self._listener is not None and self._listener in ready:
                self._accept(self._listener)
            for link in list(self.links):
                goes_on = False
                with contextlib.suppress(OSError):
                    goes_on = link.carry(ready, now - last)
                if not goes_on:
                    self._drop(link)
            last = now
        self.cut()
        self.deafen()

    def _do_jobs(self) -> None:
        with self._lock:
            jobs, self._jobs = self._jobs, []
        for job, done in jobs:
            job()
            done.set()

    def _wait(self) -> set[object]:
        with selectors.DefaultSelector() as selector:
            selector.register(self._wake_in, selectors.EVENT_READ)
            if self._listener is not None:
                selector.register(self._listener, selectors.EVENT_READ)
            for link in self.links:
                for end, events in link.watched():
                    selector.register(end, events)
            rate = self.faults.rate
            dripping = rate and any(link.drips for link in self.links)
            timeout = min(0.05, 1.0 / rate) if rate and dripping else None
            return {key.fileobj for key, _ in selector.select(timeout)}

    def _accept(self, listener: socket.socket) -> None:
        with contextlib.suppress(OSError):
            client, _ = listener.accept()
            server = socket.socket(socket.AF_INET if isinstance(self.target, tuple) else socket.AF_UNIX)
            try:
                server.connect(self.target)
            except OSError:
                close(client)
                close(server)
                return
            self.links.append(Link(client, server, self.faults))
