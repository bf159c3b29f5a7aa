"""Real servers for tests: each server is a process of its own in a directory of its own.

Two servers share nothing, so tests may run side by side. Servers die with the test process, even when the test
process is killed.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
import time
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from .kinds import required_binary, version
from .launching import answers, free_port, launch, stop_child

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Server"]

START_SECONDS = 15.0
END_SECONDS = 5.0

_running: weakref.WeakSet[Server] = weakref.WeakSet()


class Server:
    """A started Valkey or Redis, empty and ready, that the test alone uses; it ends with the ``with`` block.

    ``kind`` is one of ``available_kinds()``. The server listens on a unix socket always, with ``tcp=True`` on a
    free port of 127.0.0.1 too. ``config`` are its settings (``{"maxmemory": "10mb"}``), ``args`` go to its command
    line as they are. Nothing is persisted unless ``config`` says so.

    ValueError: there is no such kind. RuntimeError: this machine has no such server (the message says how to install
    one), or the server did not start within 15 seconds (with its log). Starting takes some 10 milliseconds.

    >>> from rcollections import DictCache
    >>> from rcollections.testing import Server, available_kinds, isolated
    >>> for kind in available_kinds():
    ...     with Server(kind) as server, isolated(server.dsn):
    ...         assert DictCache("cart", data={"apples": 2}).to_dict() == {"apples": 2}
    """

    def __init__(
        self,
        kind: str = "valkey",
        *args: str,
        tcp: bool = False,
        password: str | None = None,
        config: Mapping[str, object] | None = None,
    ) -> None:
        self._binary = required_binary(kind)
        self.kind = kind
        self.password = password
        self.directory = tempfile.mkdtemp(prefix="rcs-")
        self.socket = os.path.join(self.directory, "s")
        self.port: int | None = None
        self._log = Path(self.directory, "log")
        self._tcp = tcp
        self._settings: dict[str, object] = {
            "unixsocket": self.socket,
            "dir": self.directory,
            "logfile": self._log,
            "save": "",
            "appendonly": "no",
            "daemonize": "no",
            # Before 7.0 DEBUG was always allowed, and a server ends when it does not know a setting.
            **({"enable-debug-command": "yes"} if version(self._binary) >= (7, 0) else {}),
            **({"requirepass": password} if password else {}),
            **(config or {}),
        }
        self._args = args
        self._owner = os.getpid()
        self._clients: list[redis.Redis] = []
        self._process: subprocess.Popen[bytes] | None = None
        _running.add(self)
        try:
            self.start()
        except BaseException:
            self.stop()
            raise

    # -- addresses -------------------------------------------------------------------------------------

    @property
    def dsn(self) -> str:
        """For ``configure()``: the port if ``tcp=True``, else the socket; with the password."""
        login = f":{quote(self.password, safe='')}@" if self.password else ""
        return f"redis://{login}127.0.0.1:{self.port}/0" if self._tcp else f"unix://{login}{self.socket}"

    @property
    def address(self) -> str | tuple[str, int]:
        """The address of the server, for ``socket.connect``."""
        return ("127.0.0.1", self.port) if self._tcp and self.port else self.socket

    @property
    def pid(self) -> int:
        """The number of the server's process; RuntimeError if the server is down."""
        if self._process is None:
            raise RuntimeError(f"{self!r} has no process: start() it first")
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the server's process runs; a frozen process counts as running."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """The text of the server's log so far."""
        return self._log.read_text("utf-8", "replace") if self._log.exists() else ""

    def client(self, **options: object) -> redis.Redis:
        """A bare redis-py client that repeats nothing; closed with the server. ``options`` are redis-py's."""
        where: dict[str, Any] = (
            {"host": "127.0.0.1", "port": self.port} if self._tcp else {"unix_socket_path": self.socket}
        )
        retry = Retry(NoBackoff(), 0)
        settings: dict[str, Any] = {"password": self.password, "protocol": 2, "retry": retry, **where, **options}
        client = redis.Redis(**settings)
        self._clients.append(client)
        return client

    # -- life ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start the process and wait until the server answers; does nothing while it runs."""
        if self.alive:
            return
        end = time.monotonic() + START_SECONDS
        while True:
            if self._tcp and self.port is None:
                self.port = free_port()
            self._process = launch(self._command(), self._log)
            if self._comes_up(end):
                return
            if not (self._tcp and "already in use" in self.log.lower() and time.monotonic() < end):
                raise RuntimeError(f"the {self.kind} server did not start:\n{self.log[-2000:]}")
            # Another process took the port between our look and the server's bind: try the next port.
            self.port = None
            self._log.unlink()

    def stop(self) -> None:
        """End the server in good order (at worst with SIGKILL) and remove its directory. May be called twice."""
        if self._owner != os.getpid():
            return  # a forked child ends while the test goes on in its parent
        self._end(signal.SIGTERM)
        for client in self._clients:
            with contextlib.suppress(Exception):
                client.close()
        self._clients.clear()
        shutil.rmtree(self.directory, ignore_errors=True)
        _running.discard(self)

    def kill(self) -> None:
        """``kill -9``, and wait until the process is gone; the directory stays for ``start`` and ``restart``."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stop and start again, at the same addresses. The data goes, unless ``config`` persists it."""
        self._end(signal.SIGTERM)
        self.start()

    def freeze(self) -> None:
        """SIGSTOP: the kernel still accepts connections, no answer comes. Returns once the process has stopped."""
        stop_child(self.pid)

    def thaw(self) -> None:
        """SIGCONT: the server goes on, with the commands that clients have sent meanwhile."""
        os.kill(self.pid, signal.SIGCONT)

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def __repr__(self) -> str:
        return f"<Server {self.kind} {self.address!r} {'running' if self.alive else 'down'}>"

    # -- inside ----------------------------------------------------------------------------------------

    def _command(self) -> list[str]:
        command = [self._binary]
        for name, value in {"port": self.port or 0, "bind": "127.0.0.1", **self._settings}.items():
            command += [f"--{name}", str(value)]
        return [*command, *self._args]

    def _comes_up(self, end: float) -> bool:
        while self.alive and time.monotonic() < end:
            if answers(self.address):
                return True
            time.sleep(0.002)
        return False

    def _end(self, with_signal: signal.Signals) -> None:
        if self._process is None:
            return
        if self._process.poll() is None:
            if with_signal is not signal.SIGKILL:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self._process.pid, signal.SIGCONT)  # a frozen process would never get SIGTERM
            self._process.send_signal(with_signal)
            try:
                self._process.wait(END_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._process = None


@atexit.register
def _stop_all() -> None:
    for server in list(_running):
        server.stop()
